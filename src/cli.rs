//! The clap root: global flags and the list of commands. Each command's own arguments live in its file in `commands`.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::{
    commands::{
        agent, associate, completions, disassociate, file, iam_policy, list, policy, recycle, role, show, verify, wait,
    },
    output::{ColorChoice, Output},
};

/// Give Kubernetes service accounts on Amazon EKS working AWS credentials, and prove it
///
/// podid manages EKS Pod Identity: the IAM role and its trust policy, the permissions, the association, the agent
/// add-on, and the pods that must be recycled before any of it takes effect. A workload is addressed as
/// NAMESPACE/SERVICE_ACCOUNT everywhere.
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
    ("2", "wrong usage, or refused before any write"),
    ("3", "a difference, a mistake or a broken link was found (--dry-run --exit-code, role trust, verify)"),
    ("4", "credentials or permission"),
    ("5", "timed out, or everything is done but new pods get no credentials yet (no agent, or a quota of 0)"),
    ("6", "stopped after at least one write: run the same command again"),
    ("129", "the terminal was closed (SIGHUP)"),
    ("130, 143", "interrupted (SIGINT, SIGTERM)"),
];

fn after_help() -> String {
    EXIT_CODES.iter().fold(format!("{ROOT_EXAMPLES}\n\nExit codes:"), |text, (code, meaning)| {
        format!("{text}\n  {code:<8} {meaning}")
    })
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Name or ARN of the EKS cluster [default: the kube context, when it is an EKS one]
    #[arg(long, short, global = true, env = "PODID_CLUSTER", value_name = "CLUSTER", hide_env_values = true, action = ArgAction::Append)]
    pub cluster: Vec<String>,
    /// AWS region [default: the kube context's, else the AWS configuration's]
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// AWS profile
    #[arg(long, global = true, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Reach Kubernetes by this kubeconfig instead of the cluster's endpoint and an EKS token
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Reach Kubernetes by this kubeconfig context; names the cluster too
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Output format
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub output: Output,
    /// Print only data, warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more (-vv for service calls)
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
    /// Print events line by line instead of progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// The one deadline of the whole command
    #[arg(long, global = true, default_value = "5m", value_parser = timeout, value_name = "DURATION")]
    pub timeout: Duration,
}

/// Flags of commands that change something.
#[derive(Debug, Clone, Args)]
pub struct Changing {
    /// Show the plan and send no write
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: exit 3 when anything would change
    #[arg(long, requires = "dry_run")]
    pub exit_code: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
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
    Apply(file::apply::Apply),
    Diff(file::diff::Diff),
    Export(file::export::Export),
    Schema(file::schema::Schema),
    Wait(wait::Wait),
    IamPolicy(iam_policy::IamPolicy),
    Completions(completions::Completions),
}

fn timeout(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|e| format!("{e}; for example 90s, 5m or 1h"))?;
    if duration.is_zero() { Err("must be longer than zero".to_owned()) } else { Ok(duration) }
}
