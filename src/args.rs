//! Arguments that several commands share: the global ones, those of commands that change something, and what a role allows.

mod grants;
mod subjects;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, ArgGroup, Args, ValueEnum};

pub use self::{
    grants::{GrantArgs, NeedArgs, RemovalArgs, grant_flags, need_flags},
    subjects::{AccountArg, AccountsArg, SubjectArg, SubjectsArg},
};
use crate::{
    model::{add_on_policy::AddOnText, policy::TableText, want::Scope},
    output::{ColorChoice, Output},
};

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// EKS cluster, by name or ARN [env: PODID_CLUSTER]
    ///
    /// Without it, the cluster of the kube context, if that is an EKS cluster.
    #[arg(long, short, global = true, env = "PODID_CLUSTER", value_name = "CLUSTER", hide_env = true, action = ArgAction::Append)]
    pub cluster: Vec<String>,
    /// AWS region
    ///
    /// Without it, the region of the kube context, else of the AWS configuration.
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// AWS profile
    #[arg(long, global = true, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Connect to Kubernetes with this kubeconfig, instead of the cluster's endpoint and an EKS token
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Kubeconfig context; also selects the cluster
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Connect to Kubernetes as the service account of the pod that podid runs in
    #[arg(long, global = true, hide_short_help = true, conflicts_with_all = ["kubeconfig", "context"])]
    pub in_cluster: bool,
    /// Output format
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub output: Output,
    /// Print only data, warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more details, and each service call (-vv: the SDKs' log too)
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to use color
    #[arg(long, global = true, hide_short_help = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
    /// Print progress line by line instead of progress bars
    #[arg(long, global = true, hide_short_help = true)]
    pub no_progress: bool,
    /// Time limit for the whole command
    #[arg(long, global = true, default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub timeout: Duration,
}

/// Flags of commands that change something.
#[derive(Debug, Clone, Args)]
pub struct Changing {
    /// Show the plan without changing anything
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: exit with 3 if anything would change
    #[arg(long, requires = "dry_run")]
    pub exit_code: bool,
    /// Skip confirmation prompts
    #[arg(long, short)]
    pub yes: bool,
}

/// Flags of commands that change something only with `--fix`.
#[derive(Debug, Clone, Args)]
pub struct ChangingByFix {
    /// With --fix: show the plan without changing anything
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// With --dry-run: exit with 3 if anything would change
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// With --fix: skip confirmation prompts
    #[arg(long, short, requires = "fix")]
    yes: bool,
}

impl ChangingByFix {
    /// As the flags of any other command that changes something.
    pub fn changing(&self) -> Changing {
        Changing { dry_run: self.dry_run, exit_code: self.exit_code, yes: self.yes }
    }
}

/// What a role is to allow, for commands that write it.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("grants").arg("dynamodb").args(grant_flags()).arg("add_on").multiple(true))]
pub struct Permissions {
    /// Grant access to a DynamoDB table: name, region:name or ARN; read, write, read-write, stream or full [default: read] (can be repeated)
    #[arg(long, value_name = "TABLE[=ACCESS]", help_heading = "Permissions")]
    pub dynamodb: Vec<TableText>,
    /// Access to resources of other services.
    #[command(flatten)]
    pub grants: GrantArgs,
    /// Grant what an add-on or controller needs, such as external-dns=ZONE; `podid policy show` lists all (can be repeated)
    #[arg(long, value_name = "NAME[=ARGUMENT]", value_parser = AddOnText::granting, help_heading = "Permissions")]
    pub add_on: Vec<AddOnText>,
    /// Grant exactly this access to these resources: reduce podid's own policies where they grant more
    #[arg(long, requires = "grants", help_heading = "Permissions")]
    pub exact: bool,
    /// Grant access to tables even if they do not exist yet
    #[arg(long, help_heading = "Permissions")]
    pub allow_missing_resources: bool,
    /// Attach a managed policy (can be repeated)
    #[arg(long, value_name = "ARN", help_heading = "Permissions")]
    pub policy_arn: Vec<String>,
    /// Add a policy document to the role, as an inline policy named after the file (can be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Permissions")]
    pub policy_file: Vec<PathBuf>,
}

impl Permissions {
    /// Some of it is written as inline policies.
    pub fn inline(&self) -> bool {
        let lists = [self.dynamodb.is_empty(), self.grants.0.is_empty(), self.policy_file.is_empty()];
        lists != [true; 3] || self.add_on.iter().any(AddOnText::has_statements)
    }

    /// Some of it are managed policies.
    pub fn managed(&self) -> bool {
        !self.policy_arn.is_empty() || self.add_on.iter().any(|add_on| !add_on.has_statements())
    }

    /// ARNs of the managed policies.
    pub fn policy_arns(&self, partition: &str) -> Vec<String> {
        let of_add_ons = self.add_on.iter().flat_map(|add_on| add_on.policy.managed(partition));
        self.policy_arn.iter().cloned().chain(of_add_ons).collect()
    }
}

/// `--scope`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ScopeArg {
    /// This service account in this cluster
    ServiceAccount,
    /// Every service account of this namespace in this cluster
    Namespace,
    /// Every service account of this cluster
    Cluster,
    /// Every pod of every cluster in this account (not recommended)
    None,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::ServiceAccount => Self::ServiceAccount,
            ScopeArg::Namespace => Self::Namespace,
            ScopeArg::Cluster => Self::Cluster,
            ScopeArg::None => Self::None,
        }
    }
}

/// A length of time that is not zero.
///
/// # Errors
/// What is wrong with the text.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|e| format!("{e}; for example 90s, 5m or 1h"))?;
    if duration.is_zero() { Err("must be longer than zero".to_owned()) } else { Ok(duration) }
}
