//! What a line of an application's log, or any text that was pasted, tells about credentials: whose they are, which policy refused a
//! call, what it means and what helps.

use super::Explanation;
use crate::model::{
    arn::account,
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
        let attach = format!(
            "allow it: `aws iam attach-role-policy --role-name {role} --policy-arn arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy`"
        );
        let hint = if refusal.may_be_granted() { attach } else { refusal.remedy() };
        return (
            format!(
                "the agent may not get credentials: the node role `{role}` lacks `eks-auth:AssumeRoleForPodIdentity`"
            ),
            vec![hint],
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
            let by_table = grant
                .zip(role)
                .map(|(grant, role)| format!("grant it: `podid associate NS/SA --role {role} --dynamodb {grant}`"));
            let or = if by_table.is_some() { "or " } else { "" };
            let allow = format!("{or}{}", refusal.remedy());
            let check = match &refusal.resource {
                Some(resource) => "then check it: `podid verify NS/SA --needs dynamodb:Query@carts`"
                    .replace("dynamodb:Query@carts", &format!("{action}@{resource}")),
                None => "then check it: `podid verify NS/SA`".to_owned(),
            };
            (cause, by_table.into_iter().chain([allow, check]).collect())
        }
        caller => {
            let role = caller.role().map_or_else(|| "the caller".to_owned(), |role| format!("role `{role}`"));
            let how = if refusal.explicit { "denies" } else { "does not allow" };
            let cause = format!("the credentials work, and {} {how} `{action}`{on} to {role}", refusal.layer.name());
            (cause, vec![refusal.remedy()])
        }
    }
}

/// The value of `--dynamodb` that would allow an action on a table or its index.
fn grant(refusal: &Refusal) -> Option<String> {
    let access = match refusal.action.strip_prefix("dynamodb:")? {
        "GetItem" | "BatchGetItem" | "Query" | "Scan" | "DescribeTable" | "ConditionCheckItem" => "read",
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" => "write",
        "GetRecords" | "GetShardIterator" | "DescribeStream" | "ListStreams" => "stream",
        _ => return None,
    };
    let parts: Vec<&str> = refusal.resource.as_deref()?.splitn(6, ':').collect();
    let ["arn", _, "dynamodb", region, owner, rest] = parts[..] else { return None };
    let table = rest.strip_prefix("table/")?.split('/').next()?;
    let own = refusal.arn.as_deref().and_then(account);
    if own == Some(owner) {
        return Some(format!("{region}:{table}={access}"));
    }
    let head = parts[..5].join(":");
    Some(format!("{head}:table/{table}={access}"))
}

/// The layer as a sentence of its own names it; `None` when the text does not name one.
pub fn layer(refusal: &Refusal) -> Option<&'static str> {
    (refusal.layer != Layer::Unknown).then(|| refusal.layer.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "User: arn:aws:sts::111122223333:assumed-role/nodes/i-0a1b is not authorized to perform: \
                        dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:111122223333:table/carts/index/byId \
                        because no identity-based policy allows the dynamodb:Query action";

    fn session(end: &str) -> String {
        NODE.replace("/i-0a1b", "/eks-carts-1").split(" because").next().unwrap().to_owned() + " " + end
    }

    #[test]
    fn a_table_is_granted_by_name_or_by_arn() {
        let hints = log_line(NODE).unwrap().hints;
        assert!(hints[0].contains("--dynamodb us-west-2:carts=read`"), "{hints:?}");
        let foreign = NODE.replace("sts::111122223333", "sts::444455556666").replace("Query", "PutItem");
        let hints = log_line(&foreign).unwrap().hints;
        assert!(
            hints[0].contains("--dynamodb arn:aws:dynamodb:us-west-2:111122223333:table/carts=write`"),
            "{hints:?}"
        );
    }

    #[test]
    fn what_is_no_table_is_allowed_in_a_policy() {
        let other = NODE.replace("dynamodb:Query", "s3:GetObject").replace("/i-0a1b", "/eks-carts-1");
        let said = log_line(&other).unwrap();
        assert!(said.cause.contains("role `nodes`, which lacks `s3:GetObject`"), "{}", said.cause);
        assert!(said.hints[0].starts_with("allow `s3:GetObject` on"), "{:?}", said.hints);
    }

    /// Nothing is widened where that cannot help: a Deny, a boundary, an organization's policy.
    #[test]
    fn no_permission_is_proposed_against_a_deny_or_a_higher_policy() {
        for (end, wanted) in [
            ("with an explicit deny in a service control policy", "(SCP) denies"),
            ("because no service control policy allows the dynamodb:Query action", "(SCP) does not allow"),
            ("with an explicit deny in a resource control policy", "(RCP) denies"),
            ("with an explicit deny in an identity-based policy", "an identity-based policy denies"),
            ("because no permissions boundary allows the dynamodb:Query action", "boundary does not allow"),
            ("because no session policy allows the dynamodb:Query action", "session policy does not allow"),
            ("with an explicit deny in a resource-based policy", "own policy denies"),
            ("with an explicit deny in a VPC endpoint policy", "endpoint policy denies"),
            ("with an explicit deny", "denies"),
        ] {
            let said = log_line(&session(end)).unwrap();
            assert!(said.cause.contains(wanted), "{end}: {}", said.cause);
            for hint in &said.hints {
                assert!(!hint.contains("podid associate") && !hint.contains("policy attach"), "{end}: {hint}");
                assert!(!hint.starts_with("allow `") && !hint.starts_with("grant"), "{end}: {hint}");
            }
        }
        let said = log_line(&session("because no identity-based policy allows the dynamodb:Query action")).unwrap();
        assert!(said.cause.contains("lacks `dynamodb:Query`"), "{}", said.cause);
        assert!(said.hints[0].contains("podid associate NS/SA --role nodes --dynamodb"), "{:?}", said.hints);
    }

    #[test]
    fn several_are_told_each_with_its_own_reason() {
        let text = format!("{}\n{}", session("with an explicit deny in a service control policy"), NODE);
        let all = told(&text);
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[0].refusal.as_ref().unwrap().layer, Layer::Scp);
        assert!(matches!(all[1].caller, Some((Caller::Node { .. }, _))));
        // The line that wraps a refusal is no second message.
        let wrapped = format!("{NODE}\nrecords retrieval failed: failed to list hosted zones");
        assert_eq!(told(&wrapped).len(), 1);
    }

    #[test]
    fn a_message_that_wraps_another_says_nothing_more() {
        let text = "WARN an error occurred while loading credentials\nNon-success status from HTTP credential provider: StatusCode(400)";
        let all = told(text);
        assert_eq!(all.iter().map(|told| told.row.unwrap().id).collect::<Vec<_>>(), ["rust-400"]);
    }

    #[test]
    fn whose_an_arn_is_can_be_asked_alone() {
        let told = identity("arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-1").unwrap();
        assert!(told.cause.contains("role `carts`"), "{}", told.cause);
        assert_eq!(identity("arn:aws:s3:::orders"), None);
    }

    #[test]
    fn other_lines_say_nothing() {
        assert_eq!(log_line("Started CartApplication in 3.2 seconds"), None);
        assert_eq!(log_line("connect timeout to 10.0.0.1"), None);
    }
}
