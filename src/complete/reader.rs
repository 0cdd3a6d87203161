//! Reading names: the process that answers a shell starts another one, gives it the flags that are typed, and waits for its
//! lines as long as the budget lasts. The other one, in a session of its own and with no terminal to ask anybody on, reads.

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    pin::pin,
    process::{Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use clap::{CommandFactory, FromArgMatches, parser::ValueSource};
use futures::StreamExt;

use super::{
    cache::{Entry, Name},
    nouns::{self, Noun},
    typed::Typed,
};
use crate::{
    args::Global,
    aws::profiles,
    cli::Cli,
    commands::completions::VARIABLE,
    context::Context,
    failure::{Failure, Result},
    k8s::{contexts, plugins_end_with_podids_group},
    model::{association::AssociationFilter, names::ServiceAccount, subject::ObjectKind, trust},
    observe::objects::objects,
    output::{Term, TermSettings},
    ports::Eks,
    wait::{self, Deadline, watchdog},
};

/// Variable by which the reader is told in how many milliseconds it ends, and what to read.
const REQUEST: &str = "PODID_COMPLETE_READ";

/// Flags that decide where names are read.
const FLAGS: [&str; 5] = ["cluster", "region", "profile", "kubeconfig", "context"];

/// How the reader's lines begin: with a name, or one that is offered only where nothing else fits.
const NAME: char = '+';
const ASIDE: char = '-';
/// The last line: all was read.
const END: &str = ".";

/// The names, from the cache or the reader; those that were read until the budget is spent.
pub(super) fn names(noun: &Noun, typed: &Typed, until: Instant) -> Vec<Name> {
    let Ok(asked) = serde_json::to_string(noun) else { return Vec::new() };
    let flags = flags(noun, typed);
    let kubeconfig = flags.iter().find_map(|flag| flag.strip_prefix("--kubeconfig="));
    // What is in files costs nothing to read again.
    let local = matches!(noun, Noun::Profiles | Noun::Contexts);
    let entry = if local { None } else { Entry::of(&format!("{asked} {flags:?}"), kubeconfig) };
    if let Some(names) = entry.as_ref().and_then(Entry::read) {
        return names;
    }
    let Ok((mut names, whole)) = ask(&asked, &flags, until) else { return Vec::new() };
    names.sort_by(|one, other| one.text.cmp(&other.text));
    names.dedup();
    if let Some(entry) = entry.filter(|_| whole) {
        entry.write(&names);
    }
    names
}

/// The flags that are typed, for the reader. Which clusters there are is asked without one.
fn flags(noun: &Noun, typed: &Typed) -> Vec<String> {
    let matter = FLAGS.iter().filter(|flag| *noun != Noun::Clusters || ["region", "profile"].contains(flag));
    let given = matter.filter_map(|flag| Some(format!("--{flag}={}", at_home(typed.flag(flag)?))));
    given.collect()
}

/// A path as the shell will hand it over.
fn at_home(value: &str) -> String {
    match (value.strip_prefix("~/"), env::home_dir()) {
        (Some(path), Some(home)) => home.join(path).display().to_string(),
        _ => value.to_owned(),
    }
}

/// Starts the reader, and takes its lines until the last, or until the time is over. True when all was read.
fn ask(asked: &str, flags: &[String], until: Instant) -> io::Result<(Vec<Name>, bool)> {
    let left = || until.saturating_duration_since(Instant::now());
    let mut reader = Command::new(env::current_exe()?)
        .args(flags)
        // Any command will do: only its global flags count.
        .arg("list")
        .env(REQUEST, format!("{} {asked}", left().as_millis()))
        .env_remove(VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (sender, receiver) = mpsc::channel();
    if let Some(out) = reader.stdout.take() {
        thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(io::Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
    }
    let mut names = Vec::new();
    let mut whole = false;
    while let Ok(line) = receiver.recv_timeout(left()) {
        whole = line == END;
        if whole {
            break;
        }
        names.extend(parse(&line));
    }
    if !whole {
        // On Unix it ends itself, with all that it started.
        #[cfg(not(unix))]
        reader.kill()?;
    }
    Ok((names, whole))
}

fn parse(line: &str) -> Option<Name> {
    let aside = line.starts_with(ASIDE);
    Some(Name { aside, ..Name::new(line.strip_prefix([NAME, ASIDE])?)? })
}

/// What this process is to read, when it is a reader.
pub(super) fn request() -> Option<String> {
    env::var(REQUEST).ok()
}

/// Reads, and prints a line for each name. Whatever fails ends it: who asked sees that the last line is missing.
pub(super) fn run(request: &str) -> ExitCode {
    let parsed = request.split_once(' ').and_then(|(left, asked)| {
        Some((Duration::from_millis(left.parse().ok()?), serde_json::from_str::<Noun>(asked).ok()?))
    });
    let Some((left, noun)) = parsed else { return ExitCode::FAILURE };
    stand_alone();
    watchdog(left, end);
    if read_all(&noun, env::args_os()).is_ok() {
        return ExitCode::SUCCESS;
    }
    end();
    ExitCode::FAILURE
}

/// Makes a session: no terminal to ask anybody on, and a group with all that is started from here.
fn stand_alone() {
    #[cfg(unix)]
    // Fails for one that leads a group already: then that group will do.
    let _ = rustix::process::setsid();
    plugins_end_with_podids_group();
}

/// Ends this process and all that it started, whatever they wait for.
fn end() {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};
        // Never the group of whoever called. What cannot be ended so has ended.
        let _ = if getpgrp() == getpid() {
            kill_current_process_group(Signal::KILL)
        } else {
            kill_process(getpid(), Signal::KILL)
        };
    }
}

fn read_all(noun: &Noun, args: impl Iterator<Item = OsString>) -> Result<()> {
    let wrong = |error: &clap::Error| Failure::usage(error.to_string());
    let matches = Cli::command().try_get_matches_from(args).map_err(|e| wrong(&e))?;
    let cluster_flag = matches.value_source("cluster") == Some(ValueSource::CommandLine);
    let global = Cli::from_arg_matches(&matches).map_err(|e| wrong(&e))?.global;
    let runtime = wait::runtime()?;
    let term = Term::new(TermSettings { quiet: true, no_progress: true, ..TermSettings::default() });
    let done = runtime.block_on(Box::pin(read(noun, global, cluster_flag, &term)));
    runtime.shutdown_background();
    done?;
    term.emit_line(END)
}

/// Reads through the ports, as the command itself would.
async fn read(noun: &Noun, global: Global, cluster_flag: bool, term: &Term) -> Result<()> {
    let tell =
        |mark: char, names: Vec<String>| names.iter().try_for_each(|name| term.emit_line(format_args!("{mark}{name}")));
    let kubeconfig: Option<PathBuf> = global.kubeconfig.clone();
    // The watchdog is the deadline.
    let (_signals, deadline) = Deadline::unhurried();
    let ctx = Context::new(global, cluster_flag, term.clone(), deadline);
    match noun {
        Noun::Clusters => tell(NAME, ctx.aws_of_many().clusters().await?),
        Noun::Associations => {
            let found = ctx.eks()?.associations(&ctx.target()?.cluster.value, &AssociationFilter::default()).await?;
            tell(NAME, found.iter().map(|association| association.subject.to_string()).collect())
        }
        Noun::EksAddOns => {
            let found = ctx.eks()?.addons(&ctx.target()?.cluster.value).await?;
            tell(NAME, found.into_iter().map(|addon| addon.name).collect())
        }
        Noun::Namespaces => tell(NAME, Box::pin(ctx.kube()).await?.namespaces().await?),
        Noun::ServiceAccounts(namespace) => tell(NAME, Box::pin(ctx.kube()).await?.service_accounts(namespace).await?),
        Noun::Roles => {
            let mut pages = pin!(ctx.iam()?.roles());
            while let Some(page) = pages.next().await.transpose()? {
                let (fit, others): (Vec<_>, Vec<_>) =
                    page.into_iter().partition(|role| trust::trusts_pods(&role.trust));
                tell(NAME, fit.into_iter().map(|role| role.name).collect())?;
                tell(ASIDE, others.into_iter().map(|role| role.name).collect())?;
            }
            Ok(())
        }
        Noun::Workloads(of) => tell(NAME, workloads(&ctx, of).await?),
        Noun::Objects(namespace, kind) => {
            let Some(kind) = ObjectKind::named(kind) else { return Ok(()) };
            tell(NAME, objects(Box::pin(ctx.kube()).await?, kind, namespace).await?.names(kind))
        }
        Noun::Profiles => tell(NAME, Box::pin(profiles()).await?),
        Noun::Contexts => tell(NAME, contexts(kubeconfig.as_deref())?),
    }
}

/// Workloads of the service accounts that are typed, from as few namespaces as these allow.
async fn workloads(ctx: &Context, typed: &[String]) -> Result<Vec<String>> {
    let patterns = nouns::patterns(typed);
    let mut namespaces: Vec<Option<&str>> = patterns.iter().map(|pattern| pattern.namespace.literal()).collect();
    if namespaces.is_empty() || namespaces.contains(&None) {
        namespaces = vec![None];
    }
    namespaces.sort_unstable();
    namespaces.dedup();
    let kube = Box::pin(ctx.kube()).await?;
    let found =
        futures::future::try_join_all(namespaces.into_iter().map(|namespace| kube.all_workloads(namespace))).await?;
    let meant = |namespace: &str, name: &str| {
        let subject = ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() };
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&subject))
    };
    let meant = found.into_iter().flatten().filter(|workload| meant(&workload.id.namespace, &workload.service_account));
    Ok(meant.map(|workload| workload.id.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        let mut root = Cli::command();
        root.build();
        Typed::read(&root, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_that_are_typed_go_along() {
        let line = "list -c blue --region eu-west-1 --profile=dev --context work --kubeconfig /k -n carts";
        assert_eq!(
            flags(&Noun::Associations, &typed(line)),
            ["--cluster=blue", "--region=eu-west-1", "--profile=dev", "--kubeconfig=/k", "--context=work"]
        );
        assert_eq!(flags(&Noun::Clusters, &typed(line)), ["--region=eu-west-1", "--profile=dev"]);
        let home = env::home_dir().unwrap().join("k").display().to_string();
        assert_eq!(flags(&Noun::Namespaces, &typed("list --kubeconfig ~/k")), [format!("--kubeconfig={home}")]);
    }

    #[test]
    fn lines() {
        assert_eq!(parse("+a/b").unwrap(), Name { text: "a/b".into(), aside: false });
        assert_eq!(parse("-other").unwrap(), Name { text: "other".into(), aside: true });
        assert_eq!(parse("+").or(parse("noise")).or(parse("+a b")).or(parse("")), None);
    }

    #[test]
    fn every_noun_survives_the_way() {
        for noun in
            [Noun::Clusters, Noun::ServiceAccounts("a".into()), Noun::Workloads(vec!["a/*".into()]), Noun::Contexts]
        {
            assert_eq!(serde_json::from_str::<Noun>(&serde_json::to_string(&noun).unwrap()).unwrap(), noun);
        }
    }
}
