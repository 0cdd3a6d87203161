//! `podid role`: IAM roles that trust Pod Identity, from their creation to their end.

pub mod create;
pub mod delete;
pub mod list;
pub mod show;
pub mod trust;
pub mod users;

use clap::{Args, Subcommand};

use crate::{
    context::Context,
    failure::{Code, Result},
};

/// Create, list, fix and delete roles that trust Pod Identity
#[derive(Debug, Args)]
pub struct Role {
    #[command(subcommand)]
    command: RoleCommand,
}

/// Commands of roles.
#[derive(Debug, Subcommand)]
enum RoleCommand {
    Create(Box<create::Create>),
    #[command(visible_alias = "ls")]
    List(list::List),
    Show(show::Show),
    Trust(trust::Trust),
    #[command(visible_alias = "rm")]
    Delete(delete::Delete),
}

impl Role {
    /// Whether it takes `--cluster` more than once.
    pub fn takes_several_clusters(&self) -> bool {
        matches!(self.command, RoleCommand::List(_) | RoleCommand::Show(_))
    }

    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        match self.command {
            RoleCommand::Create(create) => Box::pin(create.run(ctx)).await,
            RoleCommand::List(list) => list.run(ctx).await,
            RoleCommand::Show(show) => show.run(ctx).await,
            RoleCommand::Trust(trust) => trust.run(ctx).await,
            RoleCommand::Delete(delete) => delete.run(ctx).await,
        }
    }
}
