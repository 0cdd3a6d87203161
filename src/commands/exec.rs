//! `podid exec`: runs a command on this machine with the credentials that the pods of a service account get.

use std::{cell::RefCell, ffi::OsString, path::Path};

use clap::{Args, ValueHint};

use crate::{
    args::SubjectArg,
    commands::session::{Session, Source, refuse_nested},
    context::Context,
    failure::{Code, Failure, Result},
    local::{
        self,
        endpoint::Endpoint,
        environment::{Environment, Handover, environment},
        process, program,
        supply::{Supply, time},
    },
    output::prompt,
};

/// Run a local command with a service account's AWS credentials
///
/// Requests a token for a running pod of the service account, exchanges it for AWS credentials as that pod's agent does,
/// and runs the command with them. The AWS SDK or CLI in the command gets them from an endpoint on 127.0.0.1 that podid
/// serves, and renews, for as long as the command runs; all other sources of credentials are removed from its
/// environment. Its calls appear in CloudTrail under the session name of the pod. Exits with the exit code of the
/// command; `--timeout` limits only the time until it starts.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Exec {
    #[command(flatten)]
    subject: SubjectArg,
    /// Command to run, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = ValueHint::CommandName)]
    command: Vec<OsString>,
    /// Pass the credentials in environment variables: they are not renewed, and podid does not stay running
    #[arg(long)]
    env: bool,
    /// Skip the confirmation prompt
    #[arg(long, short)]
    yes: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid exec carts/carts -- aws sts get-caller-identity
  podid exec deployment/carts -n carts -- ./gradlew bootRun
  podid exec carts/pod/carts-7d9f8b6c5-x2x4z --yes -- bash
  podid exec carts/carts --env -- terraform plan";

impl Exec {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed before the command started, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        refuse_nested()?;
        // Before anybody is asked for credentials.
        let name = self.command.first().ok_or_else(|| Failure::usage("no command to run"))?;
        let file = program::find(name, std::env::var_os("PATH"))?;
        let source = Source::find(ctx, &self.subject.0).await?;
        self.confirm(ctx, &source).await?;
        let session = source.session().await?;
        source.announce(&session);
        if self.env {
            return self.hand_over(ctx, &source, &file, &session).await;
        }
        self.serve(ctx, &source, &file, session).await
    }

    async fn confirm(&self, ctx: &Context, source: &Source<'_>) -> Result<()> {
        if self.yes || !ctx.term.can_prompt() {
            return Ok(());
        }
        let name = self.command.first().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let question = format!("Run `{name}` as {} (pod {})?", source.subject, source.pod());
        let answer = prompt::Answer::ask(&ctx.term, &question);
        if ctx.deadline.excluding_user_time(answer).await?.given() {
            Ok(())
        } else {
            Err(Failure::usage("not confirmed; the command was not run"))
        }
    }

    /// With an endpoint, which podid serves until the command ends.
    async fn serve(&self, ctx: &Context, source: &Source<'_>, file: &Path, session: Session) -> Result<Code> {
        let endpoint = Endpoint::open().await?;
        let environment = of_command(Handover::Endpoint(endpoint.address()), source);
        let last = RefCell::new((session.role().to_owned(), session.pod.clone()));
        let renew = || {
            Box::pin(async {
                let session = source.renew().await?;
                tell_of_change(ctx, &last, &session);
                Ok(session.credentials)
            }) as futures::future::LocalBoxFuture<'_, _>
        };
        let failed = |failure: Failure, end| {
            ctx.term
                .warn(format!("cannot renew the credentials, trying again; they last until {}: {failure}", time(end)));
        };
        let supply = Supply::new(session.credentials, renew, failed);
        hand_over_terminal(ctx)?;
        let running = process::start(file, &self.command, &environment)?;
        local::until_it_ends(running, &endpoint, &supply).await
    }

    /// In the environment; podid becomes the command.
    async fn hand_over(&self, ctx: &Context, source: &Source<'_>, file: &Path, session: &Session) -> Result<Code> {
        ctx.term
            .status(format!("the credentials last until {} and are not renewed", time(session.credentials.expires)));
        let environment = of_command(Handover::Static(&session.credentials), source);
        hand_over_terminal(ctx)?;
        process::replaced_by(file, &self.command, &environment).await
    }
}

fn of_command(handover: Handover<'_>, source: &Source<'_>) -> Environment {
    environment(handover, &source.subject.to_string(), source.region, &|name| std::env::var_os(name))
}

/// The terminal and its signals are the command's from here.
fn hand_over_terminal(ctx: &Context) -> Result<()> {
    ctx.term.hand_over();
    ctx.deadline.yield_signals()
}

/// Each renewal is a session of its own; what else differs is told even while the command has the terminal.
fn tell_of_change(ctx: &Context, last: &RefCell<(String, String)>, session: &Session) {
    let now = (session.role().to_owned(), session.pod.clone());
    let before = last.replace(now.clone());
    if before.0 != now.0 {
        ctx.term.warn(format!("the credentials were renewed with another role: {}", session.arn));
    } else if before.1 != now.1 {
        ctx.term.status(format!(
            "renewed the credentials with pod {}: CloudTrail shows the calls as {}",
            now.1, session.arn
        ));
    } else if ctx.term.verbosity() > 0 {
        ctx.term.status(format!("renewed the credentials: CloudTrail shows the calls as {}", session.arn));
    }
}
