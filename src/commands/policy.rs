//! `podid policy`: least-privilege policies for tables and other resources, policies on roles, and checks of policy files.

pub mod dynamodb;
pub mod grants;
pub mod lint;
pub mod print;
pub mod roles;
pub mod show;

use clap::{Args, Subcommand};

use crate::{
    context::Context,
    failure::{Code, Result},
};

/// Print and check policies, and attach them to roles
#[derive(Debug, Args)]
pub struct Policy {
    #[command(subcommand)]
    command: PolicyCommand,
}

/// Commands of policies.
#[derive(Debug, Subcommand)]
enum PolicyCommand {
    Print(print::Print),
    Dynamodb(dynamodb::Dynamodb),
    Show(show::Show),
    Lint(lint::Lint),
    Attach(roles::Attach),
    Detach(roles::Detach),
}

impl Policy {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        match self.command {
            PolicyCommand::Print(print) => print.run(ctx).await,
            PolicyCommand::Dynamodb(dynamodb) => dynamodb.run(ctx).await,
            PolicyCommand::Show(show) => show.run(ctx),
            PolicyCommand::Lint(lint) => lint.run(ctx).await,
            PolicyCommand::Attach(attach) => Box::pin(attach.run(ctx)).await,
            PolicyCommand::Detach(detach) => Box::pin(detach.run(ctx)).await,
        }
    }
}
