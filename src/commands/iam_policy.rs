//! `podid iam-policy`: the permissions that the caller of podid's commands needs, as an IAM policy or as Kubernetes roles.

use clap::Args;
use serde_json::json;

use crate::{
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::{self, RoleRef},
        names,
        permissions::{self, COMMANDS, Need, Rbac, Scope},
        policy::MAX_MANAGED,
        role,
        text::nearest,
    },
    output::Format,
};

/// Print the permissions that the caller of a command needs
///
/// Without a command: of all commands. Prints the IAM policy, or with --rbac the Kubernetes roles and their bindings;
/// no service is called. A cluster given by its ARN narrows the resources most; unknown values become wildcards.
/// Permissions that only improve error messages (similar names, other clusters) are not included.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct IamPolicy {
    /// Commands, such as `recycle` or `agent install`; `agent` means all of its subcommands
    #[arg(value_name = "COMMAND")]
    commands: Vec<String>,
    /// Also what `audit --fix` needs, which changes something
    #[arg(long)]
    fix: bool,
    /// Print the Kubernetes roles instead
    #[arg(long)]
    rbac: bool,
    /// With --rbac: limit the permissions to these namespaces [default: all]
    #[arg(long, short, value_name = "NAMESPACE", requires = "rbac")]
    namespace: Vec<String>,
    /// With --rbac: group to bind the roles to, as named in an access entry of the cluster
    #[arg(long, value_name = "GROUP", default_value = "podid", requires = "rbac")]
    group: String,
    /// Limit the permissions to these roles, and to those that podid creates [default: all]
    #[arg(long, value_name = "NAME|ARN", conflicts_with = "rbac")]
    role: Vec<RoleRef>,
    /// Path of the roles that podid creates
    #[arg(long, value_name = "PATH", default_value = role::PATH, conflicts_with = "rbac")]
    path: String,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid iam-policy associate recycle --cluster eks-workshop --region us-west-2
  podid iam-policy agent install
  podid iam-policy audit --fix
  podid iam-policy list show --region us-west-2
  podid iam-policy associate --rbac -n carts | kubectl apply -f -";

impl IamPolicy {
    /// Runs the command.
    ///
    /// # Errors
    /// Usage, and when stdout cannot be written.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let mut words = self.commands.clone();
        if self.fix {
            let Some(audit) = words.iter_mut().find(|word| *word == "audit") else {
                return Err(
                    Failure::usage("`--fix` applies only to `audit`").hint("name it: `podid iam-policy audit --fix`")
                );
            };
            audit.push_str(" --fix");
        }
        let rows = permissions::commands(&words).map_err(|word| unknown(&word))?;
        let needs = permissions::needs(&rows);
        if self.rbac {
            for namespace in &self.namespace {
                names::check_namespace(namespace).map_err(|e| Failure::usage(format!("--namespace: {e}")))?;
            }
            let cut = Rbac { namespaces: self.namespace, group: self.group };
            let objects = permissions::rbac(&needs, &cut);
            if objects.is_empty() {
                ctx.term.note("these commands do not call Kubernetes");
            }
            match ctx.term.format() {
                Format::Json => {
                    ctx.term.emit_json(&json!({"apiVersion": "v1", "kind": "List", "items": objects}))?;
                }
                Format::Table | Format::Wide | Format::Yaml => {
                    for (i, object) in objects.iter().enumerate() {
                        if i > 0 {
                            ctx.term.emit_line("---")?;
                        }
                        ctx.term.emit_yaml(object)?;
                    }
                }
                Format::Name => {
                    for need in &needs {
                        if let Need::Kube(verb, group, resource, _) = need {
                            let dot = if group.is_empty() { "" } else { "." };
                            ctx.term.emit_line(format!("{verb} {resource}{dot}{group}"))?;
                        }
                    }
                }
            }
            return Ok(Code::Ok);
        }
        let scope = self.scope(ctx).await?;
        let document = permissions::iam_policy(&needs, &scope);
        if document.statements().is_empty() {
            ctx.term.note("these commands do not call AWS");
        }
        let size = document.size();
        if size > MAX_MANAGED {
            ctx.term.warn(format!(
                "the policy has {size} characters; the IAM limit for a managed policy is {MAX_MANAGED}: print it for fewer commands at a time"
            ));
        }
        match ctx.term.format() {
            Format::Table | Format::Wide | Format::Json => ctx.term.emit_json(&document)?,
            Format::Yaml => ctx.term.emit_yaml(&document)?,
            Format::Name => {
                for need in &needs {
                    if let Need::Iam(action, _) = need {
                        ctx.term.emit_line(action)?;
                    }
                }
            }
        }
        Ok(Code::Ok)
    }

    /// What is known without a call.
    async fn scope(&self, ctx: &Context) -> Result<Scope> {
        arn::check_path(&self.path).map_err(|e| Failure::usage(format!("--path: {e}")))?;
        let target = ctx.optional_target()?;
        let region = ctx.region().await.map(|region| region.value);
        if let Some(region) = region.as_deref().filter(|region| !arn::is_region(region)) {
            return Err(Failure::usage(format!("`{region}` is not a region such as `us-west-2`")));
        }
        let mut partition = region.as_deref().map_or("aws", Scope::partition_of).to_owned();
        let account = target.and_then(|target| target.account.as_ref()).map(|account| account.value.clone());
        let mut roles = Vec::new();
        for role in &self.role {
            match role {
                // The path of a role that is named alone is not known.
                RoleRef::Name(name) => roles.extend([name.clone(), format!("*/{name}")]),
                RoleRef::Arn(arn) => {
                    if account.as_ref().is_some_and(|account| *account != arn.account) {
                        return Err(Failure::usage(format!(
                            "--role: `{arn}` is not in the cluster's account, {}",
                            account.unwrap_or_default()
                        )));
                    }
                    if region.is_none() {
                        partition.clone_from(&arn.partition);
                    }
                    roles.push(arn.resource.trim_start_matches("role/").to_owned());
                }
            }
        }
        let cluster = target.map(|target| target.cluster.value.clone());
        Ok(Scope { region, account, cluster, partition, path: self.path.clone(), roles })
    }
}

fn unknown(word: &str) -> Failure {
    let failure = Failure::usage(format!("`{word}` is not a command that calls a service"));
    let first = COMMANDS.iter().flat_map(|(name, _)| [*name, name.split(' ').next().unwrap_or(name)]);
    match nearest(word, first).first() {
        Some(near) => failure.hint(format!("did you mean `podid iam-policy {near}`?")),
        None => failure.hint("list the commands: `podid --help`"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn leaves(command: &clap::Command, before: &str, found: &mut BTreeSet<String>) {
        for sub in command.get_subcommands() {
            let name = format!("{before}{}", sub.get_name());
            if sub.has_subcommands() {
                leaves(sub, &format!("{name} "), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_command_has_its_row() {
        let mut there = BTreeSet::new();
        leaves(&Cli::command(), "", &mut there);
        for offline in ["completions", "iam-policy", "import", "policy lint", "policy show", "schema", "version"] {
            assert!(there.remove(offline));
        }
        let of = |name: &str| name.split(" --").next().unwrap_or(name).to_owned();
        let rows: BTreeSet<String> = COMMANDS.iter().map(|(name, _)| of(name)).collect();
        assert_eq!(rows, there, "COMMANDS in model/permissions.rs and the subcommands");
    }
}
