//! The process of a command. It stays in podid's process group, so that a terminal treats both as one job; podid hands on the signals
//! that reach podid alone, and ends as the command did.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, ExitStatus},
};

use super::{
    environment::{ASKED, Environment},
    program,
};
use crate::failure::{Code, Failure, Result};

#[cfg(not(unix))]
pub use other::Running;
#[cfg(unix)]
pub use unix::Running;

/// The command, not yet started. Its name stays as it was given, whichever file it was found in.
fn command(file: &Path, words: &[OsString], environment: &Environment) -> Command {
    let mut command = Command::new(file);
    #[cfg(unix)]
    if let Some(name) = words.first() {
        std::os::unix::process::CommandExt::arg0(&mut command, name);
    }
    command.args(words.iter().skip(1));
    for name in environment.removed {
        command.env_remove(name);
    }
    command.envs(environment.set.iter().map(|(name, value)| (name, value)));
    command
}

/// Starts the command.
///
/// # Errors
/// The system refuses to start it.
pub fn start(file: &Path, words: &[OsString], environment: &Environment) -> Result<Running> {
    let running = Running::of(command(file, words, environment));
    running.map_err(|error| program::not_started(words.first().unwrap_or(&OsString::new()), &error))
}

/// Becomes the command, which has podid's process from then on; where the system knows no such thing, waits for it.
///
/// # Errors
/// The system refuses to start it.
pub async fn replaced_by(file: &Path, words: &[OsString], environment: &Environment) -> Result<Code> {
    #[cfg(unix)]
    return std::future::ready(Err(replace(command(file, words, environment), words))).await;
    #[cfg(not(unix))]
    start(file, words, environment)?.end().await
}

/// Returns only when the system refuses.
#[cfg(unix)]
fn replace(mut command: Command, words: &[OsString]) -> Failure {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    program::not_started(words.first().unwrap_or(&OsString::new()), &error)
}

/// Marks this process as one that was asked for credentials: a source of AWS credentials that starts podid again, for the same, is
/// then found out. A process cannot change its own environment safely, so that podid takes its own place.
///
/// # Errors
/// The system refuses to start podid again.
pub fn mark_as_asked() -> Result<()> {
    if std::env::var_os(ASKED).is_some() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        let words: Vec<OsString> = std::env::args_os().collect();
        let failed = |error: &std::io::Error| Failure::failed("cannot start podid again").because(error.to_string());
        let file = std::env::current_exe().map_err(|error| failed(&error))?;
        let set = vec![(ASKED, std::process::id().to_string().into())];
        let mut again = command(&file, &words, &Environment { removed: &[], set });
        Err(failed(&std::os::unix::process::CommandExt::exec(&mut again)))
    }
    #[cfg(not(unix))]
    Ok(())
}

/// As what podid ends, when its command ended so: 128 and the signal's number, as shells have it.
fn code(status: ExitStatus) -> Code {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Code::OfCommand(u8::try_from(128 + signal).unwrap_or(u8::MAX));
    }
    // Windows has more codes than podid can pass on.
    Code::OfCommand(status.code().map_or(u8::MAX, |code| u8::try_from(code).unwrap_or(u8::MAX)))
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::File,
        io,
        process::{Child, Command},
        time::Duration,
    };

    use rustix::{
        process::{Pid, Signal, WaitId, WaitIdOptions, getpgid, getpgrp, getpid, kill_process, waitid},
        termios::tcgetpgrp,
    };
    use tokio::signal::unix::{self, SignalKind};

    use super::code;
    use crate::{
        failure::{Code, Failure, Result},
        wait::{self, ignores_hang_up},
    };

    /// A terminal stops all processes of a job; this long after the first is stopped, all are.
    const ALL_STOPPED: Duration = Duration::from_millis(50);

    /// A command that was started.
    #[derive(Debug)]
    pub struct Running {
        child: Child,
        pid: Pid,
        signals: Signals,
    }

    /// What became of it.
    enum Event {
        Ended,
        Stopped,
    }

    impl Running {
        pub(super) fn of(mut command: Command) -> io::Result<Self> {
            // Before there is a process: from then on a signal must reach it.
            let signals = Signals::listen()?;
            let child = command.spawn()?;
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| io::Error::other("no process id"))?;
            Ok(Self { child, pid, signals })
        }

        /// Waits for its end, with podid stopped while it is stopped, and hands signals on.
        ///
        /// # Errors
        /// When the system no longer knows the process.
        pub async fn end(mut self) -> Result<Code> {
            loop {
                let pid = self.pid;
                let event = wait::aside("waiting for the command", move || event(pid));
                tokio::pin!(event);
                let event = loop {
                    tokio::select! {
                        event = &mut event => break event?,
                        signal = self.signals.next() => self.hand_on(signal),
                    }
                };
                match event {
                    Event::Ended => break,
                    Event::Stopped => self.stopped().await,
                }
            }
            // It has ended, and only its status is left to be read: until now its number could not become another process's.
            self.child.wait().map(code).map_err(|error| lost(&error))
        }

        /// What a terminal sends reaches the command by itself.
        fn hand_on(&self, signal: Signal) {
            let of_the_terminal = signal == Signal::INT || signal == Signal::QUIT;
            if !(of_the_terminal && foreground() == Some(getpgrp())) {
                // One that has just ended takes none.
                let _ended = kill_process(self.pid, signal).is_err();
            }
        }

        /// A command that stops itself alone would leave its terminal to nobody: the shell waits for podid.
        async fn stopped(&self) {
            // By a terminal podid is stopped with it, and both are continued.
            wait::pause(ALL_STOPPED).await;
            if !self.is_stopped() {
                return;
            }
            // A shell that the command is may have a job of its own.
            let jobs = [Some(getpgrp()), getpgid(Some(self.pid)).ok()];
            if !foreground().is_some_and(|job| jobs.contains(&Some(job))) {
                // Whoever stopped it continues it.
                return wait::pause(ALL_STOPPED).await;
            }
            let _refused = kill_process(getpid(), Signal::STOP).is_err();
            // This thread may run on for a moment, before the process is stopped.
            wait::pause(ALL_STOPPED).await;
            if self.is_stopped() {
                let _ended = kill_process(self.pid, Signal::CONT).is_err();
            }
        }

        fn is_stopped(&self) -> bool {
            let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            matches!(waitid(WaitId::Pid(self.pid), options), Ok(Some(_)))
        }
    }

    /// Waits for the next that becomes of a process, which stays to be read.
    fn event(pid: Pid) -> Result<Event> {
        loop {
            let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(pid), options) {
                Ok(Some(status)) if status.stopped() || status.trapped() => return Ok(Event::Stopped),
                Ok(Some(_)) => return Ok(Event::Ended),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    fn lost(error: &dyn std::fmt::Display) -> Failure {
        Failure::failed("cannot wait for the command").because(error.to_string())
    }

    /// The job that has the terminal.
    fn foreground() -> Option<Pid> {
        File::open("/dev/tty").ok().and_then(|terminal| tcgetpgrp(terminal).ok())
    }

    /// The signals that are the command's.
    #[derive(Debug)]
    struct Signals {
        interrupt: unix::Signal,
        quit: unix::Signal,
        terminate: unix::Signal,
        user: [unix::Signal; 2],
        /// `None` under `nohup`.
        hang_up: Option<unix::Signal>,
    }

    impl Signals {
        fn listen() -> io::Result<Self> {
            let hang_up = if ignores_hang_up() { None } else { Some(unix::signal(SignalKind::hangup())?) };
            Ok(Self {
                interrupt: unix::signal(SignalKind::interrupt())?,
                quit: unix::signal(SignalKind::quit())?,
                terminate: unix::signal(SignalKind::terminate())?,
                user: [unix::signal(SignalKind::user_defined1())?, unix::signal(SignalKind::user_defined2())?],
                hang_up,
            })
        }

        async fn next(&mut self) -> Signal {
            let [first, second] = &mut self.user;
            tokio::select! {
                _ = self.interrupt.recv() => Signal::INT,
                _ = self.quit.recv() => Signal::QUIT,
                _ = self.terminate.recv() => Signal::TERM,
                _ = first.recv() => Signal::USR1,
                _ = second.recv() => Signal::USR2,
                Some(()) = async { self.hang_up.as_mut()?.recv().await } => Signal::HUP,
            }
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::{
        io,
        process::{Child, Command},
    };

    use super::code;
    use crate::{
        failure::{Code, Failure, Result},
        wait,
    };

    /// A command that was started.
    #[derive(Debug)]
    pub struct Running {
        child: Child,
    }

    impl Running {
        pub(super) fn of(mut command: Command) -> io::Result<Self> {
            Ok(Self { child: command.spawn()? })
        }

        /// Waits for its end.
        ///
        /// # Errors
        /// When the system no longer knows the process.
        pub async fn end(mut self) -> Result<Code> {
            let lost = |error: io::Error| Failure::failed("cannot wait for the command").because(error.to_string());
            wait::aside("waiting for the command", move || self.child.wait().map(code).map_err(lost)).await
        }
    }
}
