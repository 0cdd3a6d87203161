//! What a line of an application's log, or any text that was pasted, tells about credentials: whose they are, which policy refused a
//! call, what it means and what helps.

#[cfg(test)]
mod tests;

use super::{
    Explanation,
    command::{check, grant, role_name, target},
};
use crate::model::{
    message::{self, Row},
    refusal::{self, Caller, Layer, Refusal},
};

/// What a text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whose credentials were used, and the ARN; as far as the text says.
    pub caller: Option<(Caller, String)>,
    /// The refused call.
    pub refusal: Option<Refusal>,
    /// The known message.
    pub row: Option<&'static Row>,
    /// What it means, in one line.
    pub cause: String,
    /// What helps, best first.
    pub hints: Vec<String>,
}

/// What a line of an application's log means; `None` when it says nothing of credentials.
pub fn log_line(line: &str) -> Option<Explanation> {
    let told = told(line).into_iter().next_back()?;
    Some(Explanation { cause: told.cause, hints: told.hints })
}

/// So many different things are told of one text: nobody reads more.
pub const MOST: usize = 50;

/// What a text tells: each refusal, and the known messages of lines without any. One more than [`MOST`] tells that there are more.
pub fn told(text: &str) -> Vec<Told> {
    let refused = refusal::refusals(text);
    let mut all: Vec<Told> = Vec::new();
    for told in refused.into_iter().map(of_refusal) {
        if all.len() > MOST {
            break;
        }
        if !all.contains(&told) {
            all.push(told);
        }
    }
    for row in text.lines().filter(|line| !refusal::begins(line)).filter_map(message::find) {
        let known = all.iter().any(|told| {
            told.row.is_some_and(|other| other.meaning == row.meaning)
                || told.refusal.is_some() && row.follows_from_a_refusal()
        });
        if !known && all.len() <= MOST {
            all.push(of_row(row));
        }
    }
    // A message that says more makes those that wrap it superfluous.
    if all.iter().filter_map(|told| told.row).any(|row| !row.is_general()) {
        all.retain(|told| told.row.is_none_or(|row| !row.is_general()));
    }
    all
}

/// Whose ARN stands in a text that tells nothing else.
pub fn identity(text: &str) -> Option<Told> {
    let (caller, arn) = refusal::caller(text)?;
    let (cause, hints) = match &caller {
        Caller::PodIdentity { role } => {
            (format!("the Pod Identity credentials work: this is role `{role}`"), Vec::new())
        }
        Caller::Node { role } => (on_node(role), vec!["find out why: `podid verify NS/SA`".to_owned()]),
        _ => (
            "these are not Pod Identity credentials".to_owned(),
            vec!["find out where they come from: `podid verify NS/SA --read-secrets`".to_owned()],
        ),
    };
    Some(Told { caller: Some((caller, arn)), refusal: None, row: None, cause, hints })
}

fn of_row(row: &'static Row) -> Told {
    Told { caller: None, refusal: None, row: Some(row), cause: row.meaning.cause().to_owned(), hints: row.remedies() }
}

fn of_refusal(refusal: Refusal) -> Told {
    let (cause, hints) = refused(&refusal);
    let caller = refusal.arn.clone().map(|arn| (refusal.caller.clone(), arn));
    Told { caller, refusal: Some(refusal), row: None, cause, hints }
}

fn on_node(role: &str) -> String {
    format!(
        "the pod acts as its node's role `{role}`: it was not injected, or its SDK does not use container credentials"
    )
}

fn refused(refusal: &Refusal) -> (String, Vec<String>) {
    let action = &refusal.action;
    let on = refusal.resource.as_deref().map_or_else(String::new, |resource| format!(" on `{resource}`"));
    if refusal.is_of_the_agent() {
        let role = refusal.caller.role().unwrap_or("ROLE");
        return (
            format!(
                "the agent may not get credentials: the node role `{role}` lacks `eks-auth:AssumeRoleForPodIdentity`"
            ),
            vec![refusal.remedy()],
        );
    }
    if refusal.assumes_itself() {
        return ("the application tries to assume the role that it already has".to_owned(), vec![refusal.remedy()]);
    }
    let grant = grant(refusal).filter(|_| refusal.may_be_granted());
    match &refusal.caller {
        Caller::Node { role } => {
            let own = grant
                .map(|grant| format!("create a role for it: `podid associate NS/SA --create-role --dynamodb {grant}`"));
            (
                on_node(role),
                own.into_iter()
                    .chain(["find out why the pod does not use its own role: `podid verify NS/SA`".to_owned()])
                    .collect(),
            )
        }
        Caller::User { .. } | Caller::Root => by_keys(refusal, &on),
        Caller::Anonymous => (format!("an unsigned call was denied: `{action}`{on}"), vec![refusal.remedy()]),
        caller if refusal.may_be_granted() => {
            let role = caller.role();
            let cause = match (caller, role) {
                (Caller::PodIdentity { role }, _) => {
                    format!("the credentials work: the pod acts as role `{role}`, which lacks `{action}`{on}")
                }
                (_, Some(role)) => {
                    format!("role `{role}` lacks `{action}`{on}, in a session that does not come from Pod Identity")
                }
                _ => format!("the caller lacks `{action}`{on}"),
            };
            let by_table = grant.zip(role).map(|(grant, role)| {
                let role = role_name(role);
                format!("grant it: `podid associate NS/SA --role {role} --dynamodb {grant}`")
            });
            let or = if by_table.is_some() { "or " } else { "" };
            let allow = format!("{or}{}", refusal.remedy());
            let steps = by_table.into_iter().chain([allow]).chain(target(refusal));
            (cause, steps.chain([format!("then check it{}", check(refusal))]).collect())
        }
        caller => {
            let role = caller.role().map_or_else(|| "the caller".to_owned(), |role| format!("role `{role}`"));
            let how = if refusal.explicit { "denies" } else { "does not allow" };
            let cause = format!("the credentials work, and {} {how} `{action}`{on} to {role}", refusal.layer.name());
            (cause, vec![refusal.remedy()])
        }
    }
}

/// Static access keys have no role that a permission could be added to, and come before Pod Identity in every SDK.
fn by_keys(refusal: &Refusal, on: &str) -> (String, Vec<String>) {
    let action = &refusal.action;
    let whose = match &refusal.caller {
        Caller::User { name } => format!("IAM user `{name}`"),
        _ => "the root user of the account".to_owned(),
    };
    let remove = "in a pod, remove these keys, so that it uses its own role; find where they come from: `podid verify NS/SA --read-secrets`";
    let mut hints = vec![remove.to_owned()];
    if refusal.may_be_granted() && matches!(refusal.caller, Caller::User { .. }) {
        hints.push(format!("anywhere else, allow `{action}` to {whose}"));
    }
    (format!("the caller uses static access keys of {whose}, not Pod Identity, and AWS denies `{action}`{on}"), hints)
}

/// The layer as a sentence of its own names it; `None` when the text does not name one.
pub fn layer(refusal: &Refusal) -> Option<&'static str> {
    (refusal.layer != Layer::Unknown).then(|| refusal.layer.name())
}
