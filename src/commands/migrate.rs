//! `podid migrate`: moving service accounts from IRSA to Pod Identity.

pub mod plan;
mod ticket;
mod view;

use clap::{Args, Subcommand};

use crate::{
    context::Context,
    failure::{Code, Result},
};

/// Move service accounts from IRSA to Pod Identity
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(subcommand)]
    command: MigrateCommand,
}

/// Commands of a migration.
#[derive(Debug, Subcommand)]
enum MigrateCommand {
    Plan(plan::Plan),
}

impl Migrate {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        match self.command {
            MigrateCommand::Plan(plan) => Box::pin(plan.run(ctx)).await,
        }
    }
}
