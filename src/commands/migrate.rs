//! `podid migrate`: moving service accounts from IRSA to Pod Identity.

mod carry;
pub mod finish;
mod held;
pub mod plan;
pub mod rollback;
pub mod run;
mod select;
mod ticket;
mod view;

use clap::{Args, Subcommand};

use crate::{
    context::Context,
    failure::{Code, Result},
    output::Ci,
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
    Run(run::Run),
    Rollback(rollback::Rollback),
    Finish(finish::Finish),
}

impl Migrate {
    /// The reports that it makes.
    pub fn reports(&self) -> &'static [Ci] {
        match self.command {
            MigrateCommand::Plan(_) => plan::REPORTS,
            MigrateCommand::Run(_) | MigrateCommand::Rollback(_) | MigrateCommand::Finish(_) => &[],
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        match self.command {
            MigrateCommand::Plan(plan) => Box::pin(plan.run(ctx)).await,
            MigrateCommand::Run(run) => Box::pin(run.run(ctx)).await,
            MigrateCommand::Rollback(rollback) => Box::pin(rollback.run(ctx)).await,
            MigrateCommand::Finish(finish) => Box::pin(finish.run(ctx)).await,
        }
    }
}
