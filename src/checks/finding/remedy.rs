//! What to do about a finding: a command, or a change in words.

use schemars::JsonSchema;
use serde::Serialize;

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// A command.
    Command(String),
    /// A change, in words.
    Change(String),
}

/// A command of podid's that names no cluster yet.
fn lacks_cluster(command: &str) -> bool {
    command.starts_with("podid ") && !command.contains("--cluster")
}

impl Remedy {
    /// Names the cluster in podid's commands; in a sentence they are in backticks.
    pub fn of_cluster(&mut self, cluster: &str) {
        match self {
            Self::Command(command) if lacks_cluster(command) => *command = format!("{command} --cluster {cluster}"),
            Self::Command(_) => {}
            Self::Change(change) => {
                let parts = change.split('`').enumerate();
                let named = |(at, part): (usize, &str)| {
                    if at % 2 == 1 && lacks_cluster(part) {
                        format!("{part} --cluster {cluster}")
                    } else {
                        part.to_owned()
                    }
                };
                *change = parts.map(named).collect::<Vec<_>>().join("`");
            }
        }
    }

    /// Names the region where a name of AWS's has it: `com.amazonaws.REGION.eks-auth`.
    pub fn in_region(&mut self, region: &str) {
        let (Self::Command(text) | Self::Change(text)) = self;
        for (stands_for, named) in [(".REGION.", format!(".{region}.")), (":REGION:", format!(":{region}:"))] {
            if text.contains(stands_for) {
                *text = text.replace(stands_for, &named);
            }
        }
    }

    /// Its words; a command in backticks.
    pub fn text(&self) -> String {
        match self {
            Self::Command(command) => format!("`{command}`"),
            Self::Change(change) => change.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podids_commands_name_the_cluster() {
        let named = |mut remedy: Remedy| {
            remedy.of_cluster("blue");
            remedy.text()
        };
        let command = |text: &str| Remedy::Command(text.to_owned());
        let change = |text: &str| Remedy::Change(text.to_owned());
        for (remedy, wanted) in [
            (command("podid agent install"), "`podid agent install --cluster blue`"),
            (command("podid show carts/carts --cluster green"), "`podid show carts/carts --cluster green`"),
            (command("kubectl delete pod carts"), "`kubectl delete pod carts`"),
            (
                change("restart them: `podid recycle carts/carts`, then wait"),
                "restart them: `podid recycle carts/carts --cluster blue`, then wait",
            ),
            (change("podid cannot: `kubectl rollout resume` it"), "podid cannot: `kubectl rollout resume` it"),
        ] {
            assert_eq!(named(remedy), wanted);
        }
    }
}
