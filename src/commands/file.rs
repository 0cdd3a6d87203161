//! Files: `podid apply`, `diff`, `export` and `schema`, and `copy`, which applies what another cluster has. What they share is here:
//! the file read, its service accounts looked up, what is there read, and the plan.

mod against;
mod annotations;
pub mod apply;
mod carry;
pub mod copy;
pub mod diff;
pub mod export;
pub mod import;
mod left;
pub mod schema;
pub(super) mod view;

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;

use crate::{
    commands::shared,
    context::Context,
    failure::{Code, Failure, Result},
    manifest,
    model::{
        cluster::Cluster,
        glob::Pattern,
        have::Observed,
        manifest::{Association, ClusterState, Entries, Entry, KubernetesState},
        names::ServiceAccount,
        text,
        want::Allowed,
    },
    observe::{
        self,
        file::{KubernetesReads, Sources},
    },
    plan::{self, Plan, Refusal},
};

/// Which files.
#[derive(Debug, Args)]
pub struct Files {
    /// Manifest, or a folder of them (its *.yaml, *.yml and *.json); - for stdin (can be repeated)
    #[arg(long, short, visible_alias = "filename", value_name = "PATH", required_unless_present = "from_annotations")]
    file: Vec<PathBuf>,
}

impl Files {
    /// Reads them. Nothing is asked of anybody yet.
    ///
    /// # Errors
    /// Usage: all that is wrong with them.
    async fn read(&self, ctx: &Context) -> Result<Entries> {
        let paths = self.file.clone();
        let read = move || manifest::read(&paths, &mut std::io::stdin());
        let read = ctx.deadline.blocking("reading the manifest", read).await?;
        for note in &read.notes {
            ctx.term.note(note);
        }
        ctx.of_file(read.entries.cluster.as_deref(), read.entries.region.as_deref());
        Ok(read.entries)
    }

    /// The file comes from stdin, where no answer can be read then.
    fn are_stdin(&self) -> bool {
        self.file.iter().any(|path| path.as_os_str() == "-")
    }
}

/// What of a file need not exist.
#[derive(Debug, Clone, Copy, Args)]
struct Missing {
    /// Associate service accounts even if they, or their namespaces, do not exist yet
    #[arg(long)]
    allow_missing_service_account: bool,
    /// Grant access to tables even if they do not exist yet
    #[arg(long)]
    allow_missing_resources: bool,
}

impl Missing {
    fn allowed(self) -> Allowed {
        Allowed { service_account: self.allow_missing_service_account, resources: self.allow_missing_resources }
    }
}

/// How a file is planned.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct PlanOptions<'a> {
    /// What is read of Kubernetes.
    around: KubernetesReads,
    /// Ask Kubernetes at all.
    kube: bool,
    /// Look only whether the service accounts exist, which `around` does not tell then.
    look_up: bool,
    /// Remove what carries the file's name and is not in it.
    prune: bool,
    allow_missing_agent: bool,
    allow: Allowed,
    recycle: bool,
    /// Accept roles of podid's that others changed.
    adopt: bool,
    /// The entries are those of this cluster, and no file's.
    copied_from: Option<&'a Cluster>,
}

/// What was read for a file.
struct Read {
    entries: Entries,
    subjects: BTreeMap<ServiceAccount, usize>,
    have: ClusterState,
}

/// A file's plan, and what it rests on.
struct Planned {
    entries: Entries,
    subjects: BTreeMap<ServiceAccount, usize>,
    have: ClusterState,
    plan: Plan,
    /// The command takes `--recycle`.
    recycles: bool,
}

/// Reads what is there for a file, and plans.
async fn plan(ctx: &Context, entries: Entries, how: PlanOptions<'_>) -> Result<Planned> {
    let read = read(ctx, entries, how).await?;
    planned(ctx, read, how).await
}

/// Reads what is there for a file.
async fn read(ctx: &Context, entries: Entries, how: PlanOptions<'_>) -> Result<Read> {
    if how.prune {
        prunable(&entries)?;
    }
    let cluster = ctx.cluster().await?;
    let subjects = subjects(ctx, &entries, how).await?;
    let wanted: BTreeMap<ServiceAccount, String> = subjects
        .iter()
        .map(|(subject, index)| (subject.clone(), entries.associations[*index].value.role.clone()))
        .collect();
    let kube = if how.kube && (how.around != KubernetesReads::Nothing || entries.agent.is_some()) {
        Some(ctx.kube().await?)
    } else {
        None
    };
    let line = ctx.term.progress("associations");
    // What a few answers hold needs no progress.
    let tell = |read: usize, of: usize| {
        if of > 200 && (read.is_multiple_of(100) || read == of) {
            line.count(format!("{read} of {of} read"));
        }
    };
    let from = Sources {
        eks: ctx.eks()?,
        iam: ctx.iam()?,
        tables: ctx.tables()?,
        kube,
        around: how.around,
        adopt: how.adopt,
        cluster,
        tell: &tell,
    };
    let read = ctx
        .deadline
        .within("reading the current state", observe::file::holdings(from, &entries, &wanted, how.prune))
        .await;
    line.clear();
    let have = match read {
        Ok(have) => have,
        Err(failure) => return Err(ctx.explain_kube(failure, true).await),
    };
    let have = if how.look_up { looked_up(ctx, &entries, &subjects, have).await? } else { have };
    Ok(Read { entries, subjects, have })
}

/// Plans what was read.
async fn planned(ctx: &Context, read: Read, how: PlanOptions<'_>) -> Result<Planned> {
    let Read { entries, subjects, have } = read;
    let cluster = ctx.cluster().await?;
    let version = agent_version(ctx, &entries, &have).await?;
    let associations: Vec<plan::Expanded<'_>> =
        subjects.iter().map(|(subject, index)| (subject.clone(), &entries.associations[*index])).collect();
    let ask = plan::Converge {
        cluster,
        entries: &entries,
        associations: &associations,
        have: &have,
        agent_version: version.as_deref(),
        allow_missing_agent: how.allow_missing_agent,
        allow: how.allow,
        recycle: how.recycle,
        adopt: how.adopt,
        copied_from: how.copied_from,
    };
    let what = if how.copied_from.is_some() { "associations cannot be copied" } else { "problems in the manifest" };
    let plan = plan::converge(&ask).map_err(|refusals| refused(&refusals, what))?;
    Ok(Planned { entries, subjects, have, plan, recycles: how.copied_from.is_none() })
}

/// What is there, with the service accounts of what is to be associated. Where Kubernetes cannot be asked, that is said.
async fn looked_up(
    ctx: &Context,
    entries: &Entries,
    subjects: &BTreeMap<ServiceAccount, usize>,
    mut have: ClusterState,
) -> Result<ClusterState> {
    let looked = observe::names::looked_up(entries, subjects.keys(), &have);
    if looked.is_empty() {
        return Ok(have);
    }
    let read = async {
        let kube = ctx.kube().await?;
        ctx.deadline.within("reading the service accounts", observe::names::service_accounts(kube, &looked)).await
    };
    match read.await {
        Ok(states) => have.around.extend(states.into_iter().map(|(subject, service_account)| {
            (subject, KubernetesState { service_account, ..KubernetesState::default() })
        })),
        Err(failure) if matches!(failure.code, Code::Interrupted | Code::Terminated | Code::TimedOut) => {
            return Err(failure);
        }
        Err(failure) => have.unread.push(format!("service accounts not checked: {failure}")),
    }
    Ok(have)
}

/// `--prune` removes by a name, and an empty file must not empty a cluster.
fn prunable(entries: &Entries) -> Result<()> {
    if entries.names.iter().any(Option::is_none) {
        return Err(Failure::usage("`--prune` needs the manifest's name, and a document has no `metadata.name`")
            .hint("add `metadata: {name: …}`, and apply the manifest once without `--prune`"));
    }
    if entries.roles.is_empty() && entries.associations.is_empty() {
        return Err(Failure::usage("`--prune` with a manifest without roles and associations would delete everything")
            .hint("delete associations by name: `podid disassociate NS/SA --delete-role`"));
    }
    Ok(())
}

/// The version of the agent to install, asked for only where there is none. One that is named is checked too.
async fn agent_version(ctx: &Context, entries: &Entries, have: &ClusterState) -> Result<Option<String>> {
    let Some(agent) = &entries.agent else { return Ok(None) };
    let due = match &have.addon {
        Observed::Known(None) => true,
        Observed::Known(Some(addon)) => agent.version.as_ref().is_some_and(|wanted| *wanted != addon.version),
        Observed::Unreadable(_) | Observed::NotRequested => false,
    };
    if due { shared::agent_version(ctx, agent.version.as_deref()).await.map(Some) } else { Ok(None) }
}

/// The service accounts of the entries, each with its entry: names as they are, patterns by what exists.
async fn subjects(ctx: &Context, entries: &Entries, how: PlanOptions<'_>) -> Result<BTreeMap<ServiceAccount, usize>> {
    let parsed: Vec<(usize, Pattern, &Entry<Association>)> = entries
        .associations
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let pattern = entry.value.service_account.parse::<Pattern>();
            pattern.map(|pattern| (index, pattern, entry)).map_err(|e| Failure::usage(format!("{}: {e}", entry.at)))
        })
        .collect::<Result<_>>()?;
    let mut found: BTreeMap<ServiceAccount, usize> =
        parsed.iter().filter_map(|(index, pattern, _)| Some((pattern.literal()?, *index))).collect();
    let patterns = observe::file::patterns(entries);
    if patterns.is_empty() {
        return Ok(found);
    }
    if !how.kube {
        let first = patterns.first().map(ToString::to_string).unwrap_or_default();
        return Err(Failure::usage(format!(
            "pattern `{first}` needs the existing service accounts, and `--no-wait` does not read them"
        ))
        .hint("omit `--no-wait`, or name the service accounts"));
    }
    let kube = ctx.kube().await?;
    let read = ctx.deadline.within("matching patterns with service accounts", observe::file::matching(kube, &patterns));
    let existing = match read.await {
        Ok(existing) => existing,
        Err(failure) => return Err(ctx.explain_kube(failure, true).await),
    };
    let literal: Vec<ServiceAccount> = found.keys().cloned().collect();
    for (index, pattern, entry) in parsed.iter().filter(|(_, pattern, _)| pattern.literal().is_none()) {
        // A name says more than a pattern.
        let own: Vec<&ServiceAccount> =
            existing.iter().filter(|subject| pattern.matches(subject) && !literal.contains(subject)).collect();
        if own.is_empty() {
            ctx.term.warn(format!("{}: `{pattern}` matches no service account", entry.at));
        } else {
            let names: Vec<String> = own.iter().map(ToString::to_string).collect();
            ctx.term.status(format!("`{pattern}` matches {}", text::listed(&names, 20)));
        }
        for subject in own {
            if let Some(other) = found.insert(subject.clone(), *index) {
                let other = &entries.associations[other];
                return Err(Failure::usage(format!(
                    "{}: {}: `{pattern}` and `{}` ({}) both match {subject}",
                    entry.at, entry.path, other.value.service_account, other.at
                ))
                .hint(format!("add an entry for {subject}: names take precedence over patterns")));
            }
        }
    }
    Ok(found)
}

/// All that keeps the plan from being made, as one failure.
fn refused(refusals: &[Refusal], what: &str) -> Failure {
    let denied = refusals.iter().all(|refusal| refusal.denied);
    let mut hints: Vec<String> = Vec::new();
    for hint in refusals.iter().flat_map(|refusal| &refusal.hints) {
        if !hints.contains(hint) {
            hints.push(hint.clone());
        }
    }
    let message = match refusals {
        [one] => one.message.clone(),
        several => {
            let lines: Vec<&str> = several.iter().map(|refusal| refusal.message.as_str()).collect();
            format!("{} {what}:\n{}", several.len(), lines.join("\n"))
        }
    };
    let code = if denied { Code::Denied } else { Code::Usage };
    hints.into_iter().take(5).fold(Failure::new(code, message), Failure::hint)
}
