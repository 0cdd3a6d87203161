//! podid takes a Kubernetes service account on Amazon EKS from AccessDenied to working AWS credentials, and proves it.
//!
//! One road: flags make a [`Want`](model::want::Want), [`observe`] reads a [`Have`](model::have::Have) through the
//! [`ports`], [`plan`] computes the [`Step`](plan::Step)s, consent is asked, [`execute`] carries them out, the
//! command [proves](prove) its postconditions, and [`output`] renders the outcome.

pub mod args;
pub mod aws;
pub mod calls;
pub mod checks;
pub mod cli;
pub mod commands;
pub mod complete;
pub mod context;
pub mod execute;
pub mod explain;
pub mod failure;
pub mod files;
pub mod k8s;
pub mod local;
pub mod manifest;
pub mod model;
pub mod observe;
pub mod output;
pub mod plan;
pub mod ports;
pub mod prove;
pub mod secrets;
pub mod settings;
pub mod wait;

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::ExitCode,
    sync::mpsc,
    time::Duration,
};

use clap::{FromArgMatches, parser::ValueSource};
use tokio::sync::{oneshot, watch};

use crate::{
    cli::{Cli, Command},
    context::Context,
    failure::{Code, Failure, Result},
    output::{Ci, Format, Term, TermSettings},
    wait::{Deadline, Signal, Yielded},
};

/// Keeps this process's memory, which holds credentials and tokens, out of core dumps and away from debuggers of the same user.
pub fn keep_memory_private() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Core);
        // Where the system refuses, there is nothing to be done about it.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    }
    // A core that goes to a program (systemd-coredump, apport) does not heed the limit.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Name under which kubectl runs podid as `kubectl podid`.
const KUBECTL_PLUGIN: &str = "kubectl-podid";

/// Runs podid with these arguments, the program's name first.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let mut command = cli::command();
    // As kubectl's users call it, in usage lines and errors.
    if args.first().and_then(|name| Path::new(name).file_stem()).is_some_and(|name| name == KUBECTL_PLUGIN) {
        command = command.bin_name("kubectl podid");
    }
    if args.len() == 1 {
        // Variables such as PODID_CLUSTER are arguments to clap, and would hide the help.
        Term::new(TermSettings::default()).usage(&command.render_help());
        return ExitCode::from(Code::Usage.number());
    }
    let matches = match command.try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) => return usage(&error, &args),
    };
    let cluster_flag = matches.value_source("cluster") == Some(ValueSource::CommandLine);
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &args),
    };
    let global = &cli.global;
    let term = Term::new(TermSettings {
        format: global.output.format(),
        ci: global.output.ci(),
        quiet: global.quiet,
        verbose: global.verbose,
        color: global.color,
        no_progress: global.no_progress,
    });
    output::log::init_logging(&term);
    let result = match supervised(cli, cluster_flag, &term) {
        Ok(End::Command(Ok(result))) => result,
        Ok(End::Command(Err(panic))) => std::panic::resume_unwind(panic),
        // No word of it: what cannot be interrupted may be the output.
        Ok(End::Signal(signal)) => return ExitCode::from(signal.code().number()),
        Err(failure) => Err(failure),
    };
    let code = result.unwrap_or_else(|failure| {
        let failure = explain::with_default_hint(failure);
        term.error(&failure);
        failure.code
    });
    ExitCode::from(code.number())
}

/// How often is looked at what podid waits for.
const TICK: Duration = Duration::from_millis(250);

/// The main thread's stack, which commands were written for.
const STACK: usize = 8 << 20;

/// Runs the command on a thread of its own: the main thread stays free to end the process.
fn supervised(cli: Cli, cluster_flag: bool, term: &Term) -> Result<End> {
    let broken = |why: &dyn std::fmt::Display| Failure::failed("cannot start").because(why.to_string());
    let (first, signal) = watch::channel(None);
    let (command, end) = mpsc::channel();
    // Before the first request goes out: from then on a signal must not end the process unheard.
    let yielded = Yielded::default();
    let second = Signals::heed(first, command.clone(), yielded.clone())
        .map_err(|e| broken(&format!("cannot listen for signals: {e}")))?;
    let term = term.clone();
    let work = move || {
        let drive = AssertUnwindSafe(|| drive(cli, cluster_flag, &term, (signal, second, yielded)));
        let _nobody_waits = command.send(End::Command(catch_unwind(drive))).is_err();
    };
    std::thread::Builder::new().name("command".to_owned()).stack_size(STACK).spawn(work).map_err(|e| broken(&e))?;
    end.recv().map_err(|e| broken(&e))
}

/// Runs the command on a runtime; the first signal asks it to stop, the second stops it.
fn drive(
    cli: Cli,
    cluster_flag: bool,
    term: &Term,
    (signal, mut second, yielded): (watch::Receiver<Option<Signal>>, oneshot::Receiver<Signal>, Yielded),
) -> Result<Code> {
    let runtime = wait::runtime()?;
    if let [first, second, ..] = &cli.global.cluster[..]
        && !cli.command.takes_several_clusters()
    {
        return Err(Failure::usage(format!("--cluster is set more than once: `{first}`, `{second}`"))
            .hint("only commands with `--all-clusters` accept several clusters: run this one once for each"));
    }
    check_report(cli.global.output.ci(), &cli.command)?;
    let deadline = Deadline::new(cli.global.timeout, signal).yielding_through(yielded);
    let ctx = Context::new(cli.global, cluster_flag, term.clone(), deadline.clone());
    let result = runtime.block_on(async {
        let command = async {
            match cli.command {
                Command::Associate(command) => Box::pin(command.run(&ctx)).await,
                Command::Disassociate(command) => Box::pin(command.run(&ctx)).await,
                Command::List(command) => command.run(&ctx).await,
                Command::Show(command) => Box::pin(command.run(&ctx)).await,
                Command::Recycle(command) => Box::pin(command.run(&ctx)).await,
                Command::Role(command) => Box::pin(command.run(&ctx)).await,
                Command::Policy(command) => Box::pin(command.run(&ctx)).await,
                Command::Exec(command) => Box::pin(command.run(&ctx)).await,
                Command::Credentials(command) => Box::pin(command.run(&ctx)).await,
                Command::Verify(command) => Box::pin(command.run(&ctx)).await,
                Command::Explain(command) => command.run(&ctx).await,
                Command::WhoCan(command) => command.run(&ctx).await,
                Command::Access(command) => command.run(&ctx).await,
                Command::Audit(command) => Box::pin(command.run(&ctx)).await,
                Command::Map(command) => Box::pin(command.run(&ctx)).await,
                Command::Apply(command) => Box::pin(command.run(&ctx)).await,
                Command::Diff(command) => Box::pin(command.run(&ctx)).await,
                Command::Copy(command) => Box::pin(command.run(&ctx)).await,
                Command::Import(command) => Box::pin(command.run(&ctx)).await,
                Command::Export(command) => Box::pin(command.run(&ctx)).await,
                Command::Schema(command) => command.run(&ctx),
                Command::Wait(command) => Box::pin(command.run(&ctx)).await,
                Command::Migrate(command) => command.run(&ctx).await,
                Command::Agent(command) => Box::pin(command.run(&ctx)).await,
                Command::Addon(command) => Box::pin(command.run(&ctx)).await,
                Command::IamPolicy(command) => command.run(&ctx).await,
                Command::Completions(command) => command.run(&ctx),
                Command::Version(command) => command.run(&ctx),
            }
        };
        tokio::select! {
            result = command => result,
            never = tell_waits(term) => match never {},
            Ok(signal) = &mut second => Err(Failure::new(signal.code(), "stopped immediately: the outcome of calls in progress is unknown")),
        }
    });
    term.waits_for(None);
    if deadline.wrote() {
        complete::forget();
    }
    // A prompt that still waits for a line must not hold the process.
    runtime.shutdown_background();
    result.map_err(|failure| if term.out_failed() && deadline.wrote() { unread(failure, term) } else { failure })
}

/// The commands that make reports, and which.
const REPORTS: [(&str, &[Ci]); 3] = [
    ("`podid verify`", commands::verify::REPORTS),
    ("`podid audit`", commands::audit::REPORTS),
    ("`podid migrate plan`", commands::migrate::plan::REPORTS),
];

/// Refuses a report that the command does not make.
fn check_report(asked: Option<Ci>, command: &Command) -> Result<()> {
    let own = match command {
        Command::Verify(_) => commands::verify::REPORTS,
        Command::Audit(_) => commands::audit::REPORTS,
        Command::Migrate(command) => command.reports(),
        _ => &[],
    };
    let Some(asked) = asked.filter(|asked| !own.contains(asked)) else { return Ok(()) };
    let makers: Vec<&str> = REPORTS.iter().filter(|(_, all)| all.contains(&asked)).map(|(name, _)| *name).collect();
    let formats = ["table", "wide", "json", "yaml", "name"].into_iter().chain(own.iter().map(|report| report.word()));
    let failure = Failure::usage(format!("--output: `{}` is a report of {}", asked.word(), series(&makers, "and")));
    Err(failure.hint(format!("this command prints {}", series(&formats.collect::<Vec<_>>(), "or"))))
}

/// `a, b and c`.
fn series(words: &[&str], and: &str) -> String {
    match words {
        [most @ .., last] if !most.is_empty() => format!("{} {and} {last}", most.join(", ")),
        _ => words.concat(),
    }
}

/// Tells which service is being waited for, once that takes longer than people expect.
async fn tell_waits(term: &Term) -> std::convert::Infallible {
    loop {
        wait::pause(TICK).await;
        term.waits_for(calls::longest());
    }
}

/// stdout could not tell what was written: it is not lost, and the exit code does not say that nothing was done.
fn unread(failure: Failure, term: &Term) -> Failure {
    let failure = term.unsaid().into_iter().fold(failure, |failure, done| failure.because(format!("done: {done}")));
    execute::after_write(failure, true)
}

/// The signals that ask podid to stop, heard from when this is made.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// `None` under `nohup`.
    #[cfg(unix)]
    hang_up: Option<tokio::signal::unix::Signal>,
}

/// How often the listener looks, and tells of a signal, again: one wake-up was seen to get lost (docs/adr/002-one-thread.md).
const AGAIN: Duration = Duration::from_secs(1);

/// How long podid may take to end after the second signal before it is ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What ends the process.
enum End {
    /// The command.
    Command(std::thread::Result<Result<Code>>),
    /// The second signal, while something that cannot be interrupted holds the command.
    Signal(Signal),
}

impl Signals {
    /// Listens on a thread of its own, so that a signal is heard whatever the command is busy with, such as a pipe that takes
    /// no more output. The first signal goes to `first`, the second to the receiver, and soon after that to `end`.
    fn heed(
        first: watch::Sender<Option<Signal>>,
        end: mpsc::Sender<End>,
        yielded: Yielded,
    ) -> std::io::Result<oneshot::Receiver<Signal>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _entered = runtime.enter();
            Self::listen()?
        };
        let (tell, second) = oneshot::channel();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                let signal = signals.pass_on(&first, &yielded).await;
                // A command that has ended takes neither.
                let _ended = tell.send(signal).is_err();
                wait::pause(LAST_WORDS).await;
                let _ended = end.send(End::Signal(signal)).is_err();
                // `first` lives as long as the process: a deadline takes a lost one for one that never comes.
                std::future::pending::<()>().await;
            });
        })?;
        Ok(second)
    }

    /// Passes the first signal on; returns with the second. Those that are another program's are not podid's.
    async fn pass_on(mut self, sender: &watch::Sender<Option<Signal>>, yielded: &Yielded) -> Signal {
        loop {
            let signal = tokio::select! {
                signal = self.next() => signal,
                () = wait::pause(AGAIN) => {
                    if sender.borrow().is_some() {
                        sender.send_modify(|_| ());
                    }
                    continue;
                }
            };
            if yielded.get() {
                continue;
            }
            if sender.send_replace(Some(signal)).is_some() {
                return signal;
            }
        }
    }

    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hang_up = if wait::ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hang_up })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            Some(()) = async { self.hang_up.as_mut()?.recv().await } => Signal::HangUp,
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "where there are Unix signals, listening can fail")]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        Signal::Interrupt
    }
}

/// What clap has to say: help and version as they are; a wrong usage also as JSON when that was asked for.
fn usage(error: &clap::Error, args: &[OsString]) -> ExitCode {
    let json = args
        .windows(2)
        .any(|pair| matches!((pair[0].to_str(), pair[1].to_str()), (Some("-o" | "--output"), Some("json" | "yaml"))))
        || args.iter().any(|arg| {
            matches!(arg.to_str(), Some("-ojson" | "-oyaml" | "-o=json" | "--output=json" | "--output=yaml"))
        });
    if json && error.use_stderr() {
        let rendered = error.to_string();
        let message = rendered.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default().trim().to_owned();
        let term = Term::new(TermSettings { format: Format::Json, ..TermSettings::default() });
        term.error(&Failure::usage(message).hint("see `podid --help`"));
        return ExitCode::from(Code::Usage.number());
    }
    if error.use_stderr() {
        Term::new(TermSettings::default()).usage(&error.render());
    } else {
        // A closed pipe under --help is not worth a word.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Code::Usage.number()))
}
