//! `podid migrate plan`: which service accounts use IRSA, how ready each is for Pod Identity, and the commands that move it.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use super::{ticket, view};
use crate::{
    checks::{
        Status,
        migration::{self, Assessment, Readiness, Stepped},
    },
    commands::subject::namespace_of_names,
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::Arn,
        glob::{Glob, Pattern},
        have::NOT_ALLOWED,
        irsa::{Annotation, ROLE_ARN},
        names::ServiceAccount,
        subject::SubjectText,
        text::nearest,
    },
    observe::{
        names,
        verify::{Asking, migration::Annotated},
    },
    output::{Ci, Format},
    ports::Kubernetes,
};

/// Report how ready service accounts that use IRSA are for Pod Identity, and print the commands that move them
///
/// Finds the service accounts with the annotation eks.amazonaws.com/role-arn, and checks the role, its trust policy and
/// permissions, the association, the nodes, the pods and who owns the annotation. Only reads. A service account is
/// ready, ready with changes, not ready, or unknown if something that decides could not be read. The commands keep
/// the annotation and the trust policy's statement for IRSA, so that it is possible to go back. Exits with 3 if a
/// service account is not ready or unknown, and with 4 if all are ready, but a permission is missing to check one of
/// them.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Plan {
    /// Service accounts, by name or pattern ('team-*/*')
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT", required_unless_present_any = ["namespace", "all"])]
    subjects: Vec<SubjectText>,
    /// All service accounts of this namespace (or pattern) that use IRSA. With names: their namespace
    #[arg(long, short, value_name = "NAMESPACE", value_parser = Glob::namespace, conflicts_with = "all")]
    namespace: Option<Glob>,
    /// All service accounts of the cluster that use IRSA
    #[arg(long, conflicts_with = "subjects")]
    all: bool,
    /// Also look for AWS variables in Secrets: podid reads the names of their keys, never a value
    #[arg(long)]
    read_secrets: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid migrate plan --all
  podid migrate plan carts/carts
  podid migrate plan -n carts -o markdown
  podid migrate plan 'team-*/*' -o json";

/// What was found.
pub(super) struct Found {
    /// The cluster.
    pub(super) cluster: Arn,
    /// Its issuer.
    pub(super) issuer: Option<String>,
    /// Each service account.
    pub(super) all: Vec<Assessment>,
    /// The commands, in a safe order.
    pub(super) steps: Vec<Stepped>,
}

impl Found {
    /// How many are so ready.
    pub(super) fn count(&self, readiness: Readiness) -> usize {
        self.all.iter().filter(|it| it.readiness == readiness).count()
    }

    fn document(&self) -> Value {
        json!({
            "cluster": self.cluster, "oidcIssuer": self.issuer,
            "serviceAccounts": self.all, "steps": self.steps,
        })
    }
}

impl Plan {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        if !matches!(ctx.term.ci(), None | Some(Ci::Markdown)) {
            return Err(Failure::usage("--output: `junit`, `github` and `sarif` are reports of `podid verify`")
                .hint("`podid migrate plan` prints table, wide, json, yaml, name or markdown"));
        }
        let patterns = self.patterns()?;
        let found = self.read(ctx, &patterns).await?;
        match (ctx.term.ci(), ctx.term.format()) {
            (Some(_), _) => ctx.term.emit(&ticket::markdown(&found, ctx.term.now()))?,
            (None, Format::Json) => ctx.term.emit_json(&found.document())?,
            (None, Format::Yaml) => ctx.term.emit_yaml(&found.document())?,
            (None, Format::Name) => {
                for it in &found.all {
                    ctx.term.emit_line(&it.subject)?;
                }
            }
            (None, Format::Table | Format::Wide) if found.all.is_empty() => {}
            (None, Format::Table | Format::Wide) => ctx.term.emit(&view::text(&found, &ctx.term))?,
        }
        if found.all.is_empty() {
            ctx.term.note(format!("no service account has the annotation {ROLE_ARN}: nothing to migrate"));
        }
        verdict(&found)
    }

    /// What is meant; the namespace of names is that of `-n`.
    fn patterns(&self) -> Result<Vec<Pattern>> {
        if self.subjects.is_empty() {
            return Ok(vec![self.namespace.clone().map_or_else(Pattern::all, Pattern::of)]);
        }
        let namespace = namespace_of_names(self.namespace.as_ref())?;
        let each = self.subjects.iter().map(|text| text.pattern(namespace).map_err(|e| Failure::usage(e.to_string())));
        each.collect()
    }

    async fn read(&self, ctx: &Context, patterns: &[Pattern]) -> Result<Found> {
        let cluster = ctx.cluster().await?;
        let kube = reached(ctx).await?;
        let asking = Asking {
            eks: ctx.eks()?,
            iam: ctx.iam()?,
            tables: ctx.tables()?,
            kube: Ok(kube),
            secrets: self.read_secrets,
            logs: None,
            needs: Vec::new(),
        };
        let literal: Option<BTreeSet<&str>> = patterns.iter().map(|pattern| pattern.namespace.literal()).collect();
        let places = literal.map_or_else(|| vec![None], names::places);
        let progress = ctx.term.progress("migrate");
        let deadline = &ctx.deadline;
        let (accounts, around) = futures::try_join!(
            deadline.within("listing service accounts", asking.annotated(kube, &places)),
            deadline.within("reading the pods, the agent and the associations", asking.surroundings(cluster, &places))
        )?;
        let chosen = chosen(ctx, accounts, patterns)?;
        let read = asking.migration(cluster, &around, chosen, ctx.term.now());
        let migration = deadline.within("reading the roles", read).await?;
        progress.clear();
        let all = migration::assess(&migration);
        let steps = migration::steps(&all, &cluster.name);
        Ok(Found { cluster: cluster.arn.clone(), issuer: cluster.oidc_issuer.clone(), all, steps })
    }
}

async fn reached(ctx: &Context) -> Result<&dyn Kubernetes> {
    let reached = async {
        let kube = ctx.kube().await?;
        ctx.deadline.within("connecting to the Kubernetes API", kube.reach()).await?;
        Ok(kube)
    };
    match reached.await {
        Ok(kube) => Ok(kube),
        Err(failure) => Err(ctx.explain_kube(failure, false).await),
    }
}

/// The annotated ones among those that are meant. A name must exist; one without the annotation has nothing to migrate.
fn chosen(ctx: &Context, accounts: Annotated, patterns: &[Pattern]) -> Result<Vec<(ServiceAccount, Annotation)>> {
    for pattern in patterns {
        let meant: Vec<_> = accounts.iter().filter(|(subject, _)| pattern.matches(subject)).collect();
        match (pattern.literal(), meant.first()) {
            (Some(named), None) => {
                let all: Vec<String> = accounts.iter().map(|(subject, _)| subject.to_string()).collect();
                let failure = Failure::usage(format!("service account {named} does not exist"));
                return Err(match nearest(&named.to_string(), all.iter().map(String::as_str)).first() {
                    Some(near) => failure.hint(format!("did you mean `podid migrate plan {near}`?")),
                    None => failure.hint("list those that use IRSA: `podid migrate plan --all`"),
                });
            }
            (Some(named), Some(_)) if meant.iter().all(|(_, annotation)| annotation.is_none()) => {
                ctx.term.warn(format!("{named} does not have the annotation {ROLE_ARN}"));
            }
            (_, Some(_)) => {}
            (None, None) if *pattern == Pattern::all() => {}
            (None, None) => ctx.term.warn(format!("`{pattern}` matches no service account")),
        }
    }
    let meant = |subject: &ServiceAccount| patterns.iter().any(|pattern| pattern.matches(subject));
    let annotated = accounts.into_iter().filter(|(subject, _)| meant(subject));
    Ok(annotated.filter_map(|(subject, annotation)| Some((subject, annotation?))).collect())
}

/// What one cannot see is never called ready.
fn verdict(found: &Found) -> Result<Code> {
    if found.count(Readiness::NotReady) > 0 {
        return Ok(Code::Difference);
    }
    let unknown: Vec<&Assessment> = found.all.iter().filter(|it| it.readiness == Readiness::Unknown).collect();
    if unknown.is_empty() {
        return Ok(Code::Ok);
    }
    let of = |it: &&Assessment| {
        let unread = it.findings.iter().filter(|it| matches!(it.status, Status::Skipped | Status::Unknown));
        let why: Vec<String> = unread.map(|it| format!("{}: {}", it.subject, it.message)).collect();
        format!("{}: {}", it.subject, why.join(", "))
    };
    let reasons: Vec<String> = unknown.iter().map(of).collect();
    let denied = reasons.iter().any(|reason| reason.contains(NOT_ALLOWED));
    let code = if denied { Code::Denied } else { Code::Difference };
    let failure = Failure::new(code, "incomplete: could not check whether every service account is ready")
        .because(reasons.join("; "));
    Err(if denied {
        failure.hint(
            "print the permissions that it needs: `podid iam-policy migrate plan` and `podid iam-policy migrate plan --rbac`",
        )
    } else {
        failure.hint("run `podid migrate plan` again for these service accounts")
    })
}
