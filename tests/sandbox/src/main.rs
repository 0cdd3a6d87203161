//! `podid-sandbox [SCENARIO]`: starts a scenario, prints what points clients at it, and serves until Ctrl-C.
//! `podid-sandbox --list` lists the scenarios.

#![expect(clippy::print_stdout, reason = "what it prints is meant for `eval`")]

use std::{
    env, fs,
    io::{self, Write as _},
    process::ExitCode,
};

use podid_sandbox::{Sandbox, Scenario};

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
    let sandbox = Sandbox::start(scenario)?;
    let kubeconfig = env::temp_dir().join(format!("podid-sandbox-{}.kubeconfig", std::process::id()));
    fs::write(&kubeconfig, sandbox.kubeconfig())?;
    for (key, value) in sandbox.exports() {
        println!("export {key}={value}");
    }
    println!("export KUBECONFIG={}", kubeconfig.display());
    io::stdout().flush()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(tokio::signal::ctrl_c());
    drop(sandbox);
    let _ = fs::remove_file(&kubeconfig);
    stopped
}
