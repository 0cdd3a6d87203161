//! `podid role show`: one role in full: who may assume it, what it may do, who uses it.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::users::{self, Users};
use crate::{
    commands::{account, clusters::ClustersArg, unread::NotRead},
    context::Context,
    failure::{Code, Result},
    model::{
        arn::RoleRef,
        have::Observed,
        policy,
        role::Role,
        role_users::User,
        trust::{self, Finding, Lint},
    },
    observe,
    output::{Format, block::Block},
};

/// Show a role: trust policy, who may assume it, policies, tags, and the associations that use it
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Show {
    /// The role, by name or ARN
    #[arg(value_name = "ROLE")]
    role: RoleRef,
    #[command(flatten)]
    clusters: ClustersArg,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid role show eks-workshop-carts-dynamo
  podid role show eks-workshop-carts-dynamo -o json";

/// The role
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// The role itself
    #[schemars(with = "Role")]
    role: Value,
    /// What its trust policy says
    trust: Trusts<'a>,
    /// ARNs of its managed policies; null when they were not read
    attached_policies: Option<&'a [String]>,
    /// Names of its inline policies; null when they were not read
    inline_policies: Option<&'a [String]>,
    /// The associations that use the role; null when they were not or could not be read
    associations: Option<Vec<User>>,
    /// What could not be read; its field is null then
    unread: Vec<NotRead>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Trusts<'a> {
    /// Who may assume it by Pod Identity, in words
    may_assume: Vec<String>,
    /// Who else may assume it
    others: Vec<String>,
    /// Mistakes of the trust policy
    findings: &'a [Finding],
}

struct View {
    role: Role,
    attached: Observed<Vec<String>>,
    inline: Observed<Vec<String>>,
    users: Users,
    findings: Vec<Finding>,
}

impl Show {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let iam = ctx.iam()?;
        let name = self.role.name();
        let users = async {
            let clusters = users::asked(ctx, self.clusters).await?;
            let line = ctx.term.progress("users");
            let users = users::users(ctx, clusters, &line).await;
            line.clear();
            users
        };
        let inline = async { observe::seen(iam.inline_policies(name).await, "iam:ListRolePolicies") };
        let attached = async { observe::seen(iam.attached_policies(name).await, "iam:ListAttachedRolePolicies") };
        let role =
            ctx.deadline.within("reading the role", async { futures::try_join!(iam.role(name), attached, inline) });
        let (role, users) = futures::join!(role, users);
        let (role, attached, inline) = role?;
        let role = account::found(ctx, &self.role, role.as_ref()).await?.clone();
        let findings = trust::lint(&role.trust, &Lint { role: &role.arn, request: None });
        let view = View { role, attached, inline, users: users?, findings };
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&view.document())?,
            Format::Yaml => ctx.term.emit_yaml(&view.document())?,
            Format::Name => ctx.term.emit_line(&view.role.name)?,
            Format::Table | Format::Wide => {
                ctx.term.emit_block(&view.block())?;
                if view.users.clusters.is_empty() && !view.users.several {
                    ctx.term.note("no cluster specified: associations were not read");
                }
                if !view.findings.is_empty() {
                    ctx.term.hint(format!("check the corrected trust policy with `podid role trust {name}`"));
                }
            }
        }
        view.users.told(ctx)
    }
}

impl View {
    fn document(&self) -> Document<'_> {
        let read = [("attachedPolicies", self.attached.unreadable()), ("inlinePolicies", self.inline.unreadable())];
        let own = read.into_iter().filter_map(|(what, why)| Some(NotRead::new(what, why?)));
        let clusters = self.users.unread.iter();
        let clusters = clusters.map(|(cluster, why)| NotRead::new(format!("associations of {cluster}"), why));
        Document {
            role: self.role.shown(),
            trust: Trusts {
                may_assume: trust::admits(&self.role.trust),
                others: trust::others(&self.role.trust),
                findings: &self.findings,
            },
            attached_policies: self.attached.known().map(Vec::as_slice),
            inline_policies: self.inline.known().map(Vec::as_slice),
            associations: self.users.known(&self.role.arn),
            unread: own.chain(clusters).collect(),
        }
    }

    fn block(&self) -> Block {
        let role = &self.role;
        let allows = trust::admits(&role.trust);
        let allows = if allows.is_empty() { vec!["no service account (Pod Identity)".to_owned()] } else { allows };
        let others = trust::others(&role.trust);
        let mut block = Block::new()
            .field("Role", &role.name)
            .field("ARN", role.arn.to_string())
            .maybe("Permissions boundary", role.permissions_boundary.clone())
            .list("Allows", allows);
        if !others.is_empty() {
            block = block.list("Also trusts", others);
        }
        if !self.findings.is_empty() {
            block = block.list("Mistakes", self.findings.iter().map(line));
        }
        block = block.list("Policies", self.policies());
        if let Some(users) = self.users.known(&self.role.arn) {
            let several = self.users.clusters.len() > 1;
            let shown = users.iter().map(|user| {
                let how = if user.as_target { " (as target role)" } else { "" };
                format!("{}{how}", user.shown(several))
            });
            let shown: Vec<String> = shown.collect();
            let none = vec![format!("none in {}", self.users.place())];
            block = block.list("Used by", if shown.is_empty() { none } else { shown });
        }
        block
            .list("Tags", role.tags.iter().map(|(key, value)| format!("{key}={value}")))
            .time("Created", role.created_at)
    }

    fn policies(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.attached {
            Observed::Known(arns) => lines.extend(arns.iter().cloned()),
            Observed::Unreadable(why) => lines.push(format!("attached policies could not be read ({why})")),
            Observed::NotRequested => {}
        }
        match &self.inline {
            Observed::Known(names) => lines.extend(names.iter().map(|name| {
                let whose = if policy::is_podids(name) { "inline, from podid" } else { "inline" };
                format!("{name} ({whose})")
            })),
            Observed::Unreadable(why) => lines.push(format!("inline policies could not be read ({why})")),
            Observed::NotRequested => {}
        }
        if lines.is_empty() { vec!["none: AWS denies every call of the role".to_owned()] } else { lines }
    }
}

fn line(finding: &Finding) -> String {
    match &finding.statement {
        Some(statement) => format!("statement {statement}: {}", finding.message),
        None => finding.message.clone(),
    }
}
