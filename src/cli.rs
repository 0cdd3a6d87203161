//! The clap root: global flags and the list of commands. Each command's own arguments live in its file in `commands`.

use std::fmt::Write as _;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    args::Global,
    commands::{
        access, addon, agent, associate, audit, completions, credentials, disassociate, exec, explain, file,
        iam_policy, list, map, migrate, policy, recycle, role, show, verify, version, wait, who_can,
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
    (
        "3",
        "found a difference or a problem (--dry-run --exit-code, audit, copy, diff, migrate, policy lint, role trust, verify)",
    ),
    ("4", "invalid or missing credentials, or a missing permission"),
    ("5", "timed out, or all steps are done but new pods get no credentials yet (no agent, or a pod quota of 0)"),
    ("6", "partially applied: run the same command again to finish"),
    ("126, 127", "exec: the command cannot be run, or does not exist"),
    ("129", "the terminal was closed (SIGHUP)"),
    ("130, 143", "interrupted (SIGINT, SIGTERM)"),
    ("other", "exec: the exit code of the command, or 128 and the number of the signal that ended it"),
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
    Exec(exec::Exec),
    Credentials(credentials::Credentials),
    Agent(agent::Agent),
    Addon(addon::AddonCommand),
    Verify(Box<verify::Verify>),
    Explain(explain::Explain),
    WhoCan(who_can::WhoCan),
    Access(access::Access),
    Audit(audit::Audit),
    Map(map::Map),
    Apply(file::apply::Apply),
    Diff(file::diff::Diff),
    Copy(Box<file::copy::Copy>),
    Export(file::export::Export),
    Import(file::import::Import),
    Schema(file::schema::Schema),
    Wait(wait::Wait),
    Migrate(migrate::Migrate),
    IamPolicy(iam_policy::IamPolicy),
    #[command(alias = "completion")]
    Completions(completions::Completions),
    Version(version::Version),
}

impl Command {
    /// Whether it takes `--cluster` more than once: those do that have `--all-clusters`.
    pub fn takes_several_clusters(&self) -> bool {
        match self {
            Self::List(_) | Self::Verify(_) | Self::Audit(_) | Self::Export(_) => true,
            Self::Role(role) => role.takes_several_clusters(),
            _ => false,
        }
    }
}

/// The commands by what people want to do, for the root help.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Everyday commands",
        &["associate", "disassociate", "list", "show", "recycle", "role", "policy", "exec", "credentials"],
    ),
    ("Diagnose", &["verify", "explain", "who-can", "access", "audit", "map", "wait"]),
    ("Manifests", &["apply", "diff", "copy", "export", "import", "schema"]),
    ("Setup", &["agent", "addon", "migrate", "iam-policy", "completions", "version", "help"]),
];

/// The command line with its root help in groups.
pub fn command() -> clap::Command {
    let root = Cli::command();
    let (header, literal) = (root.get_styles().get_header(), root.get_styles().get_literal());
    let mut groups = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(groups, "{header}{title}:{header:#}");
        for name in *names {
            // clap adds its own command when it parses, which is later.
            let about = match root.find_subcommand(name) {
                Some(command) => command.get_about().map(ToString::to_string).unwrap_or_default(),
                None => HELP.to_owned(),
            };
            let _ = writeln!(groups, "  {literal}{name:<12}{literal:#}  {about}");
        }
        groups.push('\n');
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{header}Options:{header:#}\n{{options}}{{after-help}}"
    );
    root.help_template(template)
}

/// What clap says of `help`.
const HELP: &str = "Print this message or the help of the given subcommand(s)";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let unique: BTreeSet<&str> = grouped.iter().copied().collect();
        assert_eq!(grouped.len(), unique.len());
        let mut root = Cli::command();
        root.build();
        let there: BTreeSet<&str> = root.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(unique, there);
        let about = root.find_subcommand("help").and_then(clap::Command::get_about).map(ToString::to_string);
        assert_eq!(about.as_deref(), Some(HELP));
    }

    #[test]
    fn the_short_help_fits_a_screen() {
        let help = command().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 55, "{help}");
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
    }
}
