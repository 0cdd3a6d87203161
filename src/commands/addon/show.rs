//! `podid addon show`: one add-on: health, what it needs, and what its pods act as.

use clap::Args;
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    list::{self, Shown},
    read::{self, Seen},
};
use crate::{
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, AddonIdentity},
        arn::last,
        association::Association,
        have::Observed,
        names::ServiceAccount,
        role::Role,
        trust::{self, Verdict},
    },
    observe,
    output::{Format, block::Block},
};

/// Show an EKS add-on: health, what its service accounts need, their associations, and whether the roles trust them
///
/// The service accounts and recommended policies are EKS's own for the installed version. An association of a service
/// account that the add-on does not own is shown too: EKS cannot hand it over to the add-on.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Show {
    /// EKS add-on, such as vpc-cni
    #[arg(value_name = "EKS_ADD_ON")]
    name: String,
}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid addon show vpc-cni
  podid addon show vpc-cni -o json";

/// The add-on
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document<'a> {
    /// The add-on
    addon: InFull<'a>,
}

#[derive(Serialize, JsonSchema)]
struct InFull<'a> {
    #[serde(flatten)]
    addon: Shown<'a>,
    /// Associations of the add-on and of its service accounts; empty when there are none, or they could not be read
    associations: Vec<HeldBy>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "HeldAssociation")]
struct HeldBy {
    /// The association
    association: Association,
    /// Whether the add-on owns it
    owned_by_addon: bool,
    /// Whether its role exists; null when that could not be read
    role_exists: Option<bool>,
    /// Whether the trust policy lets the service account in; null when that is unknown
    trusted: Option<bool>,
    /// The same in words, with the reason
    trust: String,
}

/// An association of one of the add-on's service accounts, and its role.
struct Held {
    association: Association,
    /// The add-on owns it.
    own: bool,
    role: Observed<Option<Role>>,
    verdict: Option<Verdict>,
}

struct View {
    seen: Seen,
    held: Vec<Held>,
}

impl Show {
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
        let addon = read::named(ctx, &self.name).await?;
        let mut all = read::seen(ctx, vec![addon]).await?;
        let Some(seen) = all.pop() else { return Ok(Code::Ok) };
        let held = held(ctx, &seen).await?;
        let view = View { seen, held };
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&view.document())?,
            Format::Yaml => ctx.term.emit_yaml(&view.document())?,
            Format::Name => ctx.term.emit_line(&view.seen.addon.name)?,
            Format::Table | Format::Wide => {
                ctx.term.emit_block(&view.block())?;
                for hint in view.hints() {
                    ctx.term.hint(hint);
                }
            }
        }
        Ok(Code::Ok)
    }
}

/// The associations of the add-on and of its service accounts, each with its role.
async fn held(ctx: &Context, seen: &Seen) -> Result<Vec<Held>> {
    let (eks, iam, cluster) = (ctx.eks()?, ctx.iam()?, ctx.cluster().await?);
    let owned = seen.associations.known().map(Vec::as_slice).unwrap_or_default();
    let named = |it: &&AddonIdentity| !owned.iter().any(|a| a.summary.subject.name == it.service_account);
    let lacking: Vec<&AddonIdentity> = seen.identities.known().into_iter().flatten().filter(named).collect();
    let mut others = Vec::new();
    if !lacking.is_empty() && seen.associations.known().is_some() {
        let read = async {
            let namespace = read::namespace(ctx, &seen.addon, owned).await?;
            let subjects = lacking.iter().filter_map(|it| ServiceAccount::new(&namespace, &it.service_account).ok());
            let reads = subjects.map(|subject| async move { observe::association(eks, &cluster.name, &subject).await });
            ctx.deadline.within("reading associations of the service accounts", try_join_all(reads)).await
        };
        match read.await {
            Ok(read) => others.extend(read.into_iter().flatten()),
            Err(failure) if observe::forbidden(&failure) => {
                ctx.term.warn(format!("associations that the add-on does not own not checked: {failure}"));
            }
            Err(failure) => return Err(failure),
        }
    }
    let all = owned.iter().map(|a| (a.clone(), true)).chain(others.into_iter().map(|a| (a, false)));
    let reads = all.map(|(association, own)| async move {
        let read = iam.role(last(&association.role_arn)).await;
        let role = observe::seen(read, "iam:GetRole")?;
        let verdict = role.known().and_then(Option::as_ref).map(|role| {
            let request = trust::Request {
                cluster,
                subject: &association.summary.subject,
                session_tags: !association.disable_session_tags,
                now: Some(ctx.term.now()),
                pod: None,
            };
            trust::evaluate(&role.trust, &request)
        });
        Ok::<_, Failure>(Held { association, own, role, verdict })
    });
    ctx.deadline.within("reading the roles", try_join_all(reads)).await
}

impl Held {
    /// Whether the role lets the service account in, in words.
    fn trust(&self) -> String {
        match (&self.role, &self.verdict) {
            (Observed::Known(None), _) => "the role does not exist".to_owned(),
            (Observed::Unreadable(why), _) => format!("not checked: {why}"),
            (_, None) => "not checked".to_owned(),
            (_, Some(Verdict::Admits)) => "allowed".to_owned(),
            (_, Some(Verdict::Unknown(reasons))) => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                format!("unknown: {}", reasons.join("; "))
            }
            (_, Some(Verdict::Refuses(reasons))) => {
                format!("not allowed: {}", trust::in_words(reasons))
            }
        }
    }

    fn line(&self) -> String {
        let Association { summary, role_arn, .. } = &self.association;
        let owner = if self.own { "" } else { ", not owned by the add-on" };
        format!("{}: role {}{owner}", summary.subject, last(role_arn))
    }
}

impl View {
    fn document(&self) -> Document<'_> {
        let held = |held: &'_ Held| HeldBy {
            role_exists: held.role.known().map(Option::is_some),
            trusted: match &held.verdict {
                Some(Verdict::Admits) => Some(true),
                Some(Verdict::Refuses(_)) => Some(false),
                Some(Verdict::Unknown(_)) | None => None,
            },
            trust: held.trust(),
            owned_by_addon: held.own,
            association: held.association.clone(),
        };
        Document { addon: InFull { addon: Shown::of(&self.seen), associations: self.held.iter().map(held).collect() } }
    }

    fn block(&self) -> Block {
        let addon = &self.seen.addon;
        let support = match &self.seen.identities {
            Observed::Unreadable(why) => format!("unknown ({why})"),
            known => match list::support(known) {
                "yes" => "supported by this version".to_owned(),
                "no" if addon.name == AGENT => "not applicable: the agent uses the role of its node".to_owned(),
                "no" => "not supported by this version".to_owned(),
                other => other.to_owned(),
            },
        };
        let mut block = Block::new()
            .field("Add-on", &addon.name)
            .field("Version", &addon.version)
            .field("Status", &addon.status)
            .maybe("Namespace", addon.namespace.clone())
            .field("Configuration", if addon.configuration.is_some() { "set" } else { "none" })
            .field("Pod Identity", support);
        let issues = addon.issues.iter().map(|issue| format!("{}: {}", issue.code, issue.message));
        let issues: Vec<String> = issues.collect();
        block = block.list("Health", if issues.is_empty() { vec!["no issues".to_owned()] } else { issues });
        let accounts: Vec<String> = self.seen.identities.known().into_iter().flatten().map(needs).collect();
        if !accounts.is_empty() {
            block = block.list("Service accounts", accounts);
        }
        let held: Vec<String> = match &self.seen.associations {
            Observed::Unreadable(why) => vec![format!("could not be read ({why})")],
            _ if self.held.is_empty() => vec!["none".to_owned()],
            _ => self.held.iter().map(Held::line).collect(),
        };
        block = block.list("Associations", held);
        if !self.held.is_empty() {
            let trust = |held: &Held| format!("{}: {}", held.association.summary.subject, held.trust());
            block = block.list("Trust policies", self.held.iter().map(trust));
        }
        block.maybe("IRSA role", addon.service_account_role.clone())
    }

    /// The next command for a service account without an association.
    fn hints(&self) -> Vec<String> {
        let addon = &self.seen.addon;
        let mut hints = Vec::new();
        for held in &self.held {
            let subject = &held.association.summary.subject;
            if !matches!(held.verdict, Some(Verdict::Admits)) && held.role.unreadable().is_none() {
                hints.push(format!("find the cause with `podid verify {subject}`"));
            }
        }
        let identities = self.seen.identities.known().map(Vec::as_slice).unwrap_or_default();
        let held = |it: &AddonIdentity| {
            self.held.iter().any(|held| held.association.summary.subject.name == it.service_account)
        };
        for lacking in identities.iter().filter(|it| !held(it)) {
            if self.seen.associations.known().is_none() {
                break;
            }
            let (name, account) = (&addon.name, &lacking.service_account);
            hints.push(match identities {
                [_] => format!("to give it a role: `podid addon associate {name} --create-role`"),
                _ => format!(
                    "to give it a role: `podid addon associate {name} --create-role --service-account {account}`"
                ),
            });
        }
        hints
    }
}

/// What a service account needs, as EKS recommends it.
fn needs(identity: &AddonIdentity) -> String {
    if identity.policies.is_empty() {
        return format!("{}: EKS recommends no policy", identity.service_account);
    }
    let policies: Vec<&str> = identity.policies.iter().map(|arn| last(arn)).collect();
    format!("{}: EKS recommends {}", identity.service_account, policies.join(", "))
}
