//! What a workload needs, as it is told: by `--needs`, by an access to a table, or by a refusal in a log.

use std::str::FromStr;

use super::{FROM_LOG, Need, OF_ANOTHER, dynamodb};
use crate::model::{
    arn::{Arn, ArnError},
    document::strings,
    log_line::LogLine,
    policy::{self, TableError, TableText},
    refusal::{Caller, refusals},
    want::TableGrant,
};

/// A `--needs` value: `ACTION@RESOURCE`. What a table's name leaves open is the cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedText {
    action: String,
    on: On,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum On {
    /// An ARN, or `*`.
    Whole(String),
    /// A table, with `/index/…` or `/stream/…` after it.
    Table(TableText, String),
}

/// Why a `--needs` value is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NeedError {
    /// It has no `@`.
    #[error("`{0}` has no resource: use ACTION@RESOURCE, such as dynamodb:Query@carts/index/*")]
    Form(String),
    /// Not an action.
    #[error("`{0}` is not an action: use SERVICE:ACTION, such as dynamodb:Query")]
    Action(String),
    /// Several actions.
    #[error("`{0}` matches several actions: name each one, or an access level with --dynamodb TABLE=ACCESS")]
    Several(String),
    /// The name of a call that IAM knows by another one.
    #[error("dynamodb:{call} is not an IAM action: IAM authorizes that call as {action}")]
    Call {
        /// As given.
        call: String,
        /// What it is authorized as.
        action: &'static str,
    },
    /// An action that works on something.
    #[error("`{0}` needs a table: use {0}@TABLE, or {0}@TABLE/index/INDEX")]
    Nothing(String),
    /// An action that works on nothing in particular.
    #[error("`{0}` has no table: use {0}@*")]
    Something(String),
    /// A part that a table does not have.
    #[error("`{0}` is not part of a table: use TABLE/index/INDEX or TABLE/stream/LABEL")]
    Part(String),
    /// Not a table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Not an ARN.
    #[error(transparent)]
    Arn(#[from] ArnError),
}

impl FromStr for NeedText {
    type Err = NeedError;

    fn from_str(text: &str) -> Result<Self, NeedError> {
        let (action, resource) = text.split_once('@').ok_or_else(|| NeedError::Form(text.to_owned()))?;
        if resource.is_empty() {
            return Err(NeedError::Form(text.to_owned()));
        }
        check_action(action)?;
        let on = match (action.split_once(':'), resource) {
            (Some(("dynamodb", name)), "*") if !dynamodb::without_resource(name) => {
                return Err(NeedError::Nothing(action.to_owned()));
            }
            (Some(("dynamodb", name)), given) if given != "*" && dynamodb::without_resource(name) => {
                return Err(NeedError::Something(action.to_owned()));
            }
            (_, "*") => On::Whole("*".to_owned()),
            (Some(("dynamodb", _)), given) if !given.starts_with("arn:") => {
                let (table, part) = given.find('/').map_or((given, ""), |at| given.split_at(at));
                if !part.is_empty()
                    && !["/index/", "/stream/"].iter().any(|p| part.len() > p.len() && part.starts_with(p))
                {
                    return Err(NeedError::Part(part.to_owned()));
                }
                if table.contains('=') {
                    return Err(TableError::Name {
                        what: "table name",
                        text: table.to_owned(),
                        why: "may have only letters, digits, `_`, `.` and `-`",
                    }
                    .into());
                }
                On::Table(table.parse()?, part.to_owned())
            }
            (_, given) => On::Whole(given.parse::<Arn>()?.to_string()),
        };
        Ok(Self { action: action.to_owned(), on })
    }
}

/// Checks `service:Action`, which SimulatePrincipalPolicy takes without wildcards.
pub(super) fn check_action(action: &str) -> Result<(), NeedError> {
    let (service, name) = action.split_once(':').ok_or_else(|| NeedError::Action(action.to_owned()))?;
    if action.contains(['*', '?']) {
        return Err(NeedError::Several(action.to_owned()));
    }
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !word(service) || !word(name) || service.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(NeedError::Action(action.to_owned()));
    }
    match dynamodb::authorized_as(name).filter(|_| service == "dynamodb") {
        Some(action) => Err(NeedError::Call { call: name.to_owned(), action }),
        None => Ok(()),
    }
}

impl NeedText {
    /// The need; what a table's name leaves open is taken from the cluster's ARN.
    pub fn at(&self, cluster: &Arn) -> Need {
        let resource = match &self.on {
            On::Whole(resource) => resource.clone(),
            On::Table(table, part) => {
                format!("{}{part}", table.at(&cluster.partition, &cluster.region, &cluster.account))
            }
        };
        Need::new(&self.action, resource, "--needs")
    }
}

/// What an access to a table comes to: every action of podid's policy for it.
pub fn of_grant(grant: &TableGrant) -> Vec<Need> {
    let mut needs = Vec::new();
    for statement in policy::statements(grant) {
        for resource in strings(statement.get("Resource")) {
            for action in strings(statement.get("Action")) {
                let all = if action == "dynamodb:*" { dynamodb::every_action_on(resource) } else { Vec::new() };
                let each = all.into_iter().map(|name| format!("dynamodb:{name}"));
                let one = (action != "dynamodb:*").then(|| action.to_owned());
                let from = format!("--dynamodb {}={}", grant.table.name(), grant.access);
                needs.extend(each.chain(one).map(|action| Need::new(action, resource, &from)));
            }
        }
    }
    needs
}

/// What the refusals in a log say that the workload needs: those of a session that EKS Auth gave (`…/eks-…`), and those of
/// a node's role (`…/i-…`), which an SDK falls back to without it. What a text leaves open is the cluster's.
/// `own`: the names of the roles that the association leads to.
pub fn from_log<'a>(
    pod: &str,
    lines: impl IntoIterator<Item = &'a LogLine>,
    cluster: Option<&Arn>,
    own: &[&str],
) -> Vec<Need> {
    // As one text: a line may end in the middle of a refusal.
    let text = lines.into_iter().map(LogLine::raw).collect::<Vec<_>>().join("\n");
    let mut needs: Vec<Need> = Vec::new();
    for refusal in refusals(&text) {
        let Some((action, resource)) = refusal.need(cluster) else { continue };
        let another = match &refusal.caller {
            Caller::Node { .. } => true,
            Caller::PodIdentity { role } => !own.is_empty() && !own.contains(&role.as_str()),
            _ => false,
        };
        let whose = if another { OF_ANOTHER } else { "" };
        let known = needs.iter().any(|need| need.action == action && need.resource == resource);
        if !known && check_action(&action).is_ok() {
            needs.push(Need::new(action, resource, format!("{FROM_LOG} pod {pod}{whose}")));
        }
    }
    needs
}
