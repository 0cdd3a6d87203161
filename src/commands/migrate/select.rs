//! Which service accounts a command of `migrate` means, and all that was read of them.

use std::collections::BTreeSet;

use clap::Args;

use crate::{
    checks::migration::{self, Assessment},
    commands::subject::namespace_of_names,
    context::Context,
    failure::{Failure, Result},
    model::{
        cluster::Cluster,
        glob::{Glob, Pattern},
        irsa::{Annotation, ROLE_ARN},
        migration::{Candidate, Migration},
        names::ServiceAccount,
        subject::SubjectText,
        text::nearest,
    },
    observe::{
        names,
        verify::{
            Asking, Logs,
            migration::{Annotated, Depth},
        },
    },
    ports::Kubernetes,
};

/// Names in a command that is printed; of more, the selection is repeated as it was given.
const NAMED: usize = 5;

/// Which service accounts are meant.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Service accounts, by name or pattern ('team-*/*')
    #[arg(value_name = "NAMESPACE/SERVICE_ACCOUNT", required_unless_present_any = ["namespace", "all"])]
    subjects: Vec<SubjectText>,
    /// All service accounts of this namespace (or pattern) that use IRSA. With names: their namespace
    #[arg(long, short, value_name = "NAMESPACE", value_parser = Glob::namespace, conflicts_with = "all")]
    namespace: Option<Glob>,
    /// All service accounts of the cluster that use IRSA
    #[arg(long, conflicts_with = "subjects")]
    all: bool,
}

/// Which command asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// `migrate plan`; whether Secrets may be read.
    Plan(bool),
    /// `migrate run`; the same.
    Run(bool),
    /// `migrate rollback`.
    Rollback,
    /// `migrate finish`.
    Finish,
}

impl Of {
    /// The command for another service account.
    fn of(self, near: &str) -> String {
        match self {
            Self::Plan(_) => format!("`podid migrate plan {near}`"),
            Self::Run(_) => format!("`podid migrate run {near}`"),
            Self::Rollback => format!("`podid migrate rollback {near}`"),
            Self::Finish => format!("`podid migrate finish {near}`"),
        }
    }
}

/// What was read.
pub(super) struct Accounts {
    /// What was meant.
    pub(super) patterns: Vec<Pattern>,
    /// The service accounts, with what their move hangs on.
    pub(super) migration: Migration,
    /// What was found for each, in the same order.
    pub(super) all: Vec<Assessment>,
    /// Those that are meant, and of which nothing else was read: they have no annotation.
    pub(super) bare: Vec<ServiceAccount>,
    /// Those among them all that have no annotation, and an association.
    pub(super) unannotated: BTreeSet<ServiceAccount>,
}

impl Accounts {
    /// The cluster.
    pub(super) fn cluster(&self) -> &Cluster {
        &self.migration.cluster
    }

    /// Each service account with what was read of it.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Assessment, &Candidate)> {
        self.all.iter().zip(&self.migration.candidates)
    }

    /// Whether it was named, and not only matched.
    pub(super) fn names(&self, subject: &ServiceAccount) -> bool {
        self.patterns.iter().any(|pattern| pattern.literal().as_ref() == Some(subject))
    }

    /// More was meant than was named one by one.
    pub(super) fn sweeping(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.literal().is_none())
    }
}

impl Selection {
    /// What is meant; the namespace of names is that of `-n`.
    fn patterns(&self) -> Result<Vec<Pattern>> {
        if self.subjects.is_empty() {
            return Ok(vec![self.namespace.clone().map_or_else(Pattern::all, Pattern::of)]);
        }
        let namespace = namespace_of_names(self.namespace.as_ref())?;
        let each = self.subjects.iter().map(|text| text.pattern(namespace).map_err(|e| Failure::usage(e.to_string())));
        each.collect()
    }

    /// Reads the service accounts and what the command needs of them. For `migrate finish` those that have no annotation and an
    /// association are as if they were annotated with its role.
    ///
    /// # Errors
    /// What could not be read at all, and a name that does not exist.
    pub(super) async fn read(&self, ctx: &Context, command: Of) -> Result<Accounts> {
        let (depth, secrets) = match command {
            Of::Plan(secrets) | Of::Run(secrets) => (Depth::Move, secrets),
            Of::Rollback | Of::Finish => (Depth::Trust, false),
        };
        let patterns = self.patterns()?;
        let cluster = ctx.cluster().await?;
        let kube = reached(ctx).await?;
        let asking = asking(ctx, kube, secrets, None)?;
        let literal: Option<BTreeSet<&str>> = patterns.iter().map(|pattern| pattern.namespace.literal()).collect();
        let places = literal.map_or_else(|| vec![None], names::places);
        let progress = ctx.term.progress("migrate");
        let deadline = &ctx.deadline;
        let (accounts, around) = futures::try_join!(
            deadline.within("listing service accounts", asking.annotated(kube, &places)),
            deadline.within(
                "reading the pods, the agent and the associations",
                asking.surroundings(cluster, &places, depth)
            )
        )?;
        let (mut chosen, mut bare) = chosen(ctx, accounts, &patterns, command)?;
        let mut without = BTreeSet::new();
        if matches!(command, Of::Finish) {
            let read = asking.associated(cluster, &around, std::mem::take(&mut bare));
            let (associated, others) = deadline.within("reading the associations", read).await?;
            without = associated.iter().map(|(subject, _)| subject.clone()).collect();
            chosen.extend(associated);
            chosen.sort_by(|(one, _), (other, _)| one.cmp(other));
            bare = others;
        }
        let read = asking.migration(cluster, &around, chosen, (depth, ctx.term.now()));
        let migration = deadline.within("reading the roles", read).await?;
        progress.clear();
        let all = migration::assess(&migration);
        Ok(Accounts { all, migration, bare, patterns, unannotated: without })
    }
}

/// Whom to ask; `logs`: what may be read of logs.
///
/// # Errors
/// When the AWS clients cannot be made.
pub(super) fn asking<'a>(
    ctx: &'a Context,
    kube: &'a dyn Kubernetes,
    secrets: bool,
    logs: Option<Logs>,
) -> Result<Asking<'a>> {
    let (eks, iam, tables) = (ctx.eks()?, ctx.iam()?, ctx.tables()?);
    Ok(Asking { eks, iam, tables, kube: Ok(kube), secrets, logs, needs: Vec::new() })
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

/// Those with the annotation, and those without.
type Chosen = (Vec<(ServiceAccount, Annotation)>, Vec<ServiceAccount>);

/// The annotated ones among those that are meant, and the others. A name must exist.
fn chosen(ctx: &Context, accounts: Annotated, patterns: &[Pattern], command: Of) -> Result<Chosen> {
    for pattern in patterns {
        let meant: Vec<_> = accounts.iter().filter(|(subject, _)| pattern.matches(subject)).collect();
        match (pattern.literal(), meant.first()) {
            (Some(named), None) => {
                let all: Vec<String> = accounts.iter().map(|(subject, _)| subject.to_string()).collect();
                let failure = Failure::usage(format!("service account {named} does not exist"));
                return Err(match nearest(&named.to_string(), all.iter().map(String::as_str)).first() {
                    Some(near) => failure.hint(format!("did you mean {}?", command.of(near))),
                    None => failure.hint("list those that use IRSA: `podid migrate plan --all`"),
                });
            }
            (_, Some(_)) => {}
            (None, None) if *pattern == Pattern::all() => {}
            (None, None) => ctx.term.warn(format!("`{pattern}` matches no service account")),
        }
    }
    let meant = |subject: &ServiceAccount| patterns.iter().any(|pattern| pattern.matches(subject));
    let (mut annotated, mut bare) = (Vec::new(), Vec::new());
    for (subject, annotation) in accounts.into_iter().filter(|(subject, _)| meant(subject)) {
        match annotation {
            Some(annotation) => annotated.push((subject, annotation)),
            None => bare.push(subject),
        }
    }
    Ok((annotated, bare))
}

/// Says of each that was named and has no annotation that there is nothing to migrate.
pub(super) fn warn_of_bare(ctx: &Context, accounts: &Accounts) {
    for subject in accounts.bare.iter().filter(|subject| accounts.names(subject)) {
        ctx.term.warn(format!("{subject} does not have the annotation {ROLE_ARN}"));
    }
}

/// The arguments of a command about these service accounts: their names, or the selection as it was given.
pub(super) fn words(subjects: &[&ServiceAccount], patterns: &[Pattern]) -> String {
    if subjects.len() <= NAMED {
        return subjects.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    }
    if patterns.contains(&Pattern::all()) {
        return "--all".to_owned();
    }
    patterns.iter().map(|pattern| format!("'{pattern}'")).collect::<Vec<_>>().join(" ")
}
