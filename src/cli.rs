//! The clap root: global flags and the list of commands. Each command's own arguments live in its file in `commands`.

use clap::{Parser, Subcommand};

use crate::{
    args::Global,
    commands::{
        agent, associate, completions, disassociate, explain, file, iam_policy, list, policy, recycle, role, show,
        verify, version, wait,
    },
};

/// Give Kubernetes service accounts on Amazon EKS working AWS credentials, and prove it
///
/// podid manages EKS Pod Identity: the IAM role and its trust policy, the permissions, the association, the agent
/// add-on, and the restart of the pods that have to pick up a change. Service accounts are written as
/// NAMESPACE/SERVICE_ACCOUNT.
#[derive(Debug, Parser)]
#[command(name = "podid", version, propagate_version = false, max_term_width = 100, disable_help_subcommand = false)]
#[command(after_long_help = after_help())]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Examples of the root help.
pub const ROOT_EXAMPLES: &str = "\
Examples:
  podid agent install
  podid associate carts/carts --create-role \\
      --dynamodb eks-workshop-carts=read-write --recycle
  podid list
  podid show carts/carts";

/// Exit codes, for help and man pages.
pub const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "done, or nothing to do"),
    ("1", "failed"),
    ("2", "invalid usage, or refused before any change"),
    ("3", "found a difference or a problem (--dry-run --exit-code, diff, policy lint, role trust, verify)"),
    ("4", "invalid or missing credentials, or a missing permission"),
    ("5", "timed out, or all steps are done but new pods get no credentials yet (no agent, or a pod quota of 0)"),
    ("6", "partially applied: run the same command again to finish"),
    ("129", "the terminal was closed (SIGHUP)"),
    ("130, 143", "interrupted (SIGINT, SIGTERM)"),
];

fn after_help() -> String {
    EXIT_CODES.iter().fold(format!("{ROOT_EXAMPLES}\n\nExit codes:"), |text, (code, meaning)| {
        format!("{text}\n  {code:<8} {meaning}")
    })
}

/// The commands.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a doc comment here would replace the help on each command's own struct")]
pub enum Command {
    Associate(Box<associate::Associate>),
    Disassociate(disassociate::Disassociate),
    #[command(visible_alias = "ls")]
    List(list::List),
    #[command(alias = "get", alias = "describe")]
    Show(show::Show),
    Recycle(recycle::Recycle),
    Role(role::Role),
    Policy(policy::Policy),
    Agent(agent::Agent),
    Verify(Box<verify::Verify>),
    Explain(explain::Explain),
    Apply(file::apply::Apply),
    Diff(file::diff::Diff),
    Export(file::export::Export),
    Schema(file::schema::Schema),
    Wait(wait::Wait),
    IamPolicy(iam_policy::IamPolicy),
    #[command(alias = "completion")]
    Completions(completions::Completions),
    Version(version::Version),
}
