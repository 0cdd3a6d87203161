//! `podid role trust`: the mistakes in a role's trust policy, its correction, and on request its mending.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::ChangingByFix,
    commands::account,
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::{Arn, RoleRef},
        document::Document,
        names::ServiceAccount,
        role::Role,
        trust::{self, Finding, Lint, Request, Unfixable, Verdict, VerdictWord},
    },
    observe,
    output::{
        Format, diff, json,
        table::{Cell, Column, Table},
    },
    plan::Plan,
};

/// Find and fix mistakes in a role's trust policy
///
/// Without --service-account, podid reports statements that can allow no service account at all. With it, podid also
/// checks whether that service account of the cluster may assume the role. The corrected policy is shown as a diff
/// and keeps every other statement, in order; --fix writes it. Exits with 3 if there is a mistake.
///
/// With --service-account, the corrected policy allows that service account and nothing else that the current one
/// does not allow: if correcting a statement would allow more, podid adds its own statement instead. (With session
/// tags disabled, the narrowest statement allows the whole cluster.) Without it, each statement is corrected as it is
/// written, and then allows everything that its conditions name. A principal that may belong to another service is
/// never changed.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Trust {
    /// The role, by name or ARN
    #[arg(value_name = "ROLE")]
    role: RoleRef,
    /// Service account that must be allowed to assume the role
    #[arg(long, value_name = "NAMESPACE/SERVICE_ACCOUNT")]
    service_account: Option<ServiceAccount>,
    /// Write the corrected trust policy
    #[arg(long)]
    fix: bool,
    /// How it is written.
    #[command(flatten)]
    changing: ChangingByFix,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid role trust eks-workshop-carts-dynamo
  podid role trust eks-workshop-carts-dynamo --service-account carts/carts
  podid role trust eks-workshop-carts-dynamo --service-account carts/carts --fix";

/// What was found.
/// The role's trust policy; with --fix the steps are printed instead
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RoleTrust")]
pub(crate) struct Shown<'a> {
    /// Name of the role
    role_name: &'a str,
    /// ARN of the role
    role_arn: &'a Arn,
    /// Mistakes
    findings: &'a [Finding],
    /// Whether the service account may assume the role; null without --service-account
    verdict: Option<VerdictWord>,
    /// The trust policy
    trust: &'a Document,
    /// The trust policy without its mistakes, or null
    corrected: Option<&'a Document>,
}

struct View {
    role: Role,
    findings: Vec<Finding>,
    corrected: Option<Document>,
    /// Why there is no corrected one.
    unfixable: Option<Unfixable>,
    /// For the service account that was asked about.
    verdict: Option<Verdict>,
}

impl Trust {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let view = self.read_view(ctx).await?;
        if self.fix {
            return self.mend(ctx, view).await;
        }
        view.render(ctx)?;
        if let Some(warning) = view.opening() {
            ctx.term.warn(warning);
        }
        if view.findings.is_empty() {
            self.fine(ctx, &view);
            return Ok(Code::Ok);
        }
        if view.corrected.is_some() {
            let subject = self.service_account.as_ref().map_or(String::new(), |s| format!(" --service-account {s}"));
            ctx.term
                .hint(format!("write the corrected policy with `podid role trust {}{subject} --fix`", view.role.name));
        } else {
            self.helpless(ctx, &view);
        }
        Ok(Code::Difference)
    }

    async fn read_view(&self, ctx: &Context) -> Result<View> {
        let name = self.role.name();
        let role = async { ctx.deadline.within("reading the role", ctx.iam()?.role(name)).await };
        let about = async {
            let Some(subject) = &self.service_account else { return Ok(None) };
            let (cluster, association) = futures::try_join!(ctx.cluster(), async {
                let read = observe::association(ctx.eks()?, &ctx.target()?.cluster.value, subject);
                ctx.deadline.within("reading the association", read).await
            })?;
            Ok(Some((cluster, association)))
        };
        let (role, about) = futures::join!(role, about);
        let role = role?;
        let role = account::found(ctx, &self.role, role.as_ref()).await?.clone();
        let about = about?;
        let request = match (&about, &self.service_account) {
            (Some((cluster, association)), Some(subject)) => {
                if let Some(other) = association.as_ref().filter(|a| a.role_arn != role.arn.to_string()) {
                    ctx.term.note(format!("{subject} is associated with another role: {}", other.role_arn));
                }
                let session_tags = !association.as_ref().is_some_and(|a| a.disable_session_tags);
                Some(Request { cluster, subject, session_tags, now: Some(ctx.term.now()), pod: None })
            }
            _ => None,
        };
        let ask = Lint { role: &role.arn, request: request.as_ref() };
        let findings = trust::lint(&role.trust, &ask);
        let corrected = if findings.is_empty() { Err(Unfixable::Nothing) } else { trust::corrected(&role.trust, &ask) };
        let verdict = request.as_ref().map(|request| trust::evaluate(&role.trust, request));
        if let Err(Unfixable::TooLong(long)) = corrected {
            return Err(Failure::usage(format!("the corrected trust policy of role `{}` {long}", role.name))
                .hint(format!("shorten the current one: {}", trust::SHORTEN)));
        }
        let (corrected, unfixable) = match corrected {
            Ok(after) => (Some(after), None),
            Err(why) => (None, Some(why)),
        };
        Ok(View { role, findings, corrected, unfixable, verdict })
    }

    fn fine(&self, ctx: &Context, view: &View) {
        let name = &view.role.name;
        for unusual in trust::everyone(&view.role.trust) {
            ctx.term.warn(format!("role {name}: {unusual}"));
        }
        match (&view.verdict, &self.service_account) {
            (Some(Verdict::Unknown(reasons)), Some(subject)) => {
                for reason in reasons {
                    ctx.term.warn(format!("cannot determine whether {subject} may assume role {name}: {reason}"));
                }
            }
            (Some(_), Some(subject)) => ctx.term.status(format!("{subject} may assume role {name}: no mistakes found")),
            _ => ctx.term.status(format!("no mistakes found in the trust policy of role {name}")),
        }
    }

    /// What a person has to decide.
    fn helpless(&self, ctx: &Context, view: &View) {
        let role = &view.role;
        match &view.unfixable {
            Some(Unfixable::Denied) => {
                ctx.term.hint("remove the statement that denies it: no added statement overrules a Deny");
            }
            Some(Unfixable::SidTaken(taken)) => {
                ctx.term.hint(format!("podid cannot add its statement: {taken}"));
                ctx.term.hint(taken.advice(&role.name));
            }
            _ if self.service_account.is_some() => {
                if trust::corrected(&role.trust, &Lint { role: &role.arn, request: None }).is_ok() {
                    let name = &role.name;
                    ctx.term.hint(format!(
                        "correcting it would allow other users too: list them with `podid role trust {name}`"
                    ));
                }
            }
            _ => match trust::no_room(&role.trust, &role.arn) {
                Some(long) => {
                    ctx.term
                        .hint(format!("with the shortest statement for one service account the trust policy {long}"));
                    ctx.term.hint(format!("shorten the current one: {}", trust::SHORTEN));
                }
                None => {
                    ctx.term.hint("name the service account that may assume it with `--service-account NS/SA`");
                }
            },
        }
    }

    async fn mend(&self, ctx: &Context, view: View) -> Result<Code> {
        let changing = self.changing.changing();
        for finding in &view.findings {
            ctx.term.status(line(finding));
        }
        let mut plan = Plan::default();
        if let Some(after) = &view.corrected {
            plan.put_trust(&view.role, after.clone());
            plan.leave_out_deleted();
            plan.warnings.extend(view.opening());
        } else if view.findings.is_empty() {
            self.fine(ctx, &view);
        } else {
            self.helpless(ctx, &view);
        }
        let empty = plan.is_empty();
        let nothing = match view.findings[..] {
            [] => String::new(),
            _ => format!("podid can change nothing in the trust policy of role {}", view.role.name),
        };
        let code = account::carry_out(ctx, &view.role.arn, plan, &changing, &nothing).await?;
        Ok(if code == Code::Ok && empty && !view.findings.is_empty() { Code::Difference } else { code })
    }
}

impl View {
    /// The warning where the corrected one opens the role to all.
    fn opening(&self) -> Option<String> {
        let after = self.corrected.as_ref()?;
        let (arn, name) = (&self.role.arn, &self.role.name);
        trust::opens(Some(&self.role.trust), after, arn).then(|| trust::opens_warning(name, &arn.account))
    }

    fn shown(&self) -> Shown<'_> {
        Shown {
            role_name: &self.role.name,
            role_arn: &self.role.arn,
            findings: &self.findings,
            verdict: self.verdict.as_ref().map(Verdict::word),
            trust: &self.role.trust,
            corrected: self.corrected.as_ref(),
        }
    }

    fn render(&self, ctx: &Context) -> Result<()> {
        match ctx.term.format() {
            Format::Json => return ctx.term.emit_json(&self.shown()),
            Format::Yaml => return ctx.term.emit_yaml(&self.shown()),
            Format::Name => {
                for finding in &self.findings {
                    ctx.term.emit_line(finding.id)?;
                }
                return Ok(());
            }
            Format::Table | Format::Wide => {}
        }
        if !self.findings.is_empty() {
            ctx.term.emit_table(&table(&self.findings))?;
        }
        if let Some(after) = &self.corrected {
            let name = &self.role.name;
            let names = (format!("trust policy of {name}"), format!("trust policy of {name}, corrected"));
            let (before, after) = (json::pretty(&self.role.trust)?, json::pretty(after)?);
            ctx.term.emit(&diff::unified(&before, &after, (&names.0, &names.1), ctx.term.out_paint()))?;
        }
        Ok(())
    }
}

fn table(findings: &[Finding]) -> Table {
    let mut table =
        Table::new(&[Column::new("RULE"), Column::new("STATEMENT").priority(5), Column::new("MISTAKE").prose()]);
    for finding in findings {
        table.row([
            Cell::new(finding.id),
            Cell::new(finding.statement.clone().unwrap_or_default()),
            Cell::new(&finding.message),
        ]);
    }
    table
}

fn line(finding: &Finding) -> String {
    match &finding.statement {
        Some(statement) => format!("statement {statement}: {} ({})", finding.message, finding.id),
        None => format!("{} ({})", finding.message, finding.id),
    }
}
