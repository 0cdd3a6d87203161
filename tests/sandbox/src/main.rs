//! `podid-sandbox [SCENARIO]`: starts a scenario, prints what points clients at it, and serves until Ctrl-C or another signal that
//! asks it to stop.
//! `podid-sandbox --list` lists the scenarios.

#![expect(clippy::print_stdout, reason = "what it prints is meant for `eval`")]

use std::{
    env, fs,
    io::{self, Write as _},
    process::ExitCode,
};

use podid_sandbox::{
    Sandbox, Scenario,
    handout::{Handout, stopped},
};

fn main() -> ExitCode {
    match run(env::args().nth(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "podid-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(argument: Option<String>) -> io::Result<()> {
    if argument.as_deref() == Some("--list") {
        for name in Scenario::names() {
            println!("{name}\t{}", Scenario::named(name)?.about);
        }
        return Ok(());
    }
    let name = argument.unwrap_or_else(|| "carts-before".to_owned());
    // A path is a scenario file of the user's own.
    let scenario = match fs::read_to_string(&name) {
        Ok(text) => Scenario::from_yaml(&text)?,
        Err(_) => Scenario::named(&name)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Heard before there is a file to leave behind.
    let stopped = {
        let _entered = runtime.enter();
        stopped()?
    };
    let sandbox = Sandbox::start(scenario)?;
    let kubeconfig = Handout::of(&sandbox)?;
    for (key, value) in sandbox.exports() {
        println!("export {key}={value}");
    }
    println!("export KUBECONFIG={}", kubeconfig.path().display());
    io::stdout().flush()?;
    runtime.block_on(stopped);
    Ok(())
}
