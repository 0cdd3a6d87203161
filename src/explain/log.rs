//! What an application's log line tells about its credentials. SDKs name the caller, the action and the resource, never the cause.

use super::Explanation;

/// A row: the first whose words are all in the line explains. `{role}`, `{action}`, `{resource}` and `{grant}` stand for
/// what the line names; a hint that needs what it does not name is left out.
struct Row {
    /// By which tests know it.
    name: &'static str,
    /// Lower-case.
    words: &'static [&'static str],
    cause: &'static str,
    hints: &'static [&'static str],
}

const UNAUTHORIZED: &str = "is not authorized to perform: ";
const DENIED_BY: &str = "the credentials work, but another policy keeps role `{role}` from `{action}`";

static ROWS: &[Row] = &[
    Row {
        name: "log-node-role-lacks-eks-auth",
        words: &["is not authorized to perform: eks-auth:assumeroleforpodidentity"],
        cause: "the agent may not get credentials: the node's role `{role}` lacks `eks-auth:AssumeRoleForPodIdentity`",
        hints: &["allow it: `aws iam attach-role-policy --role-name {role} --policy-arn \
             arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy`"],
    },
    Row {
        name: "log-node-role",
        words: &[":assumed-role/", "/i-", UNAUTHORIZED],
        cause: "the pod acts as its node's role `{role}`: it was not injected, or its SDK does not use container credentials",
        hints: &["give it a role of its own: `podid associate NS/SA --create-role --dynamodb {grant}`"],
    },
    Row {
        name: "log-explicit-deny",
        words: &[":assumed-role/", "/eks-", UNAUTHORIZED, "with an explicit deny"],
        cause: DENIED_BY,
        hints: &["find the Deny that the line names: a permission that is added does not overrule it"],
    },
    Row {
        name: "log-boundary",
        words: &[":assumed-role/", "/eks-", UNAUTHORIZED, "because no permissions boundary allows"],
        cause: DENIED_BY,
        hints: &["see its boundary: `aws iam get-role --role-name {role} --query Role.PermissionsBoundary`"],
    },
    Row {
        name: "log-session-policy",
        words: &[":assumed-role/", "/eks-", UNAUTHORIZED, "because no session policy allows"],
        cause: DENIED_BY,
        hints: &["see the association's session policy: `podid show NS/SA -o yaml`"],
    },
    Row {
        name: "log-role-lacks-permission",
        words: &[":assumed-role/", "/eks-", UNAUTHORIZED],
        cause: "the credentials work: the pod acts as role `{role}`, which lacks `{action}` on `{resource}`",
        hints: &[
            "grant it: `podid associate NS/SA --role {role} --dynamodb {grant}`",
            "or allow `{action}` on `{resource}` in a policy of role `{role}`",
        ],
    },
    Row {
        name: "log-trust",
        words: &["does not have permissions to assume the associated role"],
        cause: "the trust policy of the associated role does not admit this service account, or was changed seconds ago",
        hints: &["see what is wrong with it: `podid associate NS/SA --role ROLE --dry-run`"],
    },
    Row {
        name: "log-no-association",
        words: &["has no service account role association for it"],
        cause: "the service account is not associated any more: the pod was injected before that",
        hints: &["associate it: `podid associate NS/SA --role ROLE`"],
    },
    Row { name: "log-no-agent", words: &["timeout", "169.254.170.23"], cause: NO_AGENT, hints: NO_AGENT_HINTS },
    Row { name: "log-agent-refused", words: &["refused", "169.254.170.23"], cause: NO_AGENT, hints: NO_AGENT_HINTS },
    Row {
        name: "log-static-keys",
        words: &["the security token included in the request is invalid"],
        cause: "the pod has access keys of its own (env, ConfigMap or Secret), which go before its role, and AWS does not \
                know them",
        hints: &[
            "take them out: `kubectl -n NAMESPACE set env KIND/NAME AWS_ACCESS_KEY_ID- AWS_SECRET_ACCESS_KEY-`, or out of \
             the ConfigMap or Secret that it takes them from",
        ],
    },
];

const NO_AGENT: &str =
    "no agent answers where the pod runs: it is not on that node, or a proxy or network policy is in the way";
const NO_AGENT_HINTS: &[&str] = &[
    "see where it is ready: `podid agent status`",
    "let the pod reach 169.254.170.23 without a proxy (`NO_PROXY`), and by its network policies",
];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

/// What a line of an application's log means; `None` when it says nothing of credentials.
pub fn log_line(line: &str) -> Option<Explanation> {
    let lower = line.to_lowercase();
    let row = ROWS.iter().find(|row| row.words.iter().all(|word| lower.contains(word)))?;
    let named = Named::read(line);
    Some(Explanation {
        cause: named.fill(row.cause)?,
        hints: row.hints.iter().filter_map(|hint| named.fill(hint)).collect(),
    })
}

/// What a refusal names.
#[derive(Debug, Default)]
struct Named<'a> {
    role: Option<&'a str>,
    action: Option<&'a str>,
    resource: Option<&'a str>,
    grant: Option<String>,
}

impl<'a> Named<'a> {
    fn read(line: &'a str) -> Self {
        let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest);
        let word = |rest: &'a str| rest.split([' ', ',']).next().map(|word| word.trim_end_matches('.'));
        let action = after("to perform: ").and_then(word);
        let resource = after("on resource: ").and_then(word);
        let account = after(":sts::").and_then(|rest| rest.split(':').next());
        Self {
            role: after(":assumed-role/").and_then(|rest| rest.split('/').next()),
            action,
            resource,
            grant: grant(action, resource, account),
        }
    }

    /// The text with what the line names; `None` when something is missing.
    fn fill(&self, text: &str) -> Option<String> {
        let names = [
            ("{role}", self.role),
            ("{action}", self.action),
            ("{resource}", self.resource),
            ("{grant}", self.grant.as_deref()),
        ];
        names.iter().try_fold(text.to_owned(), |text, (name, value)| match value {
            Some(value) => Some(text.replace(name, value)),
            None => (!text.contains(name)).then_some(text),
        })
    }
}

/// The value of `--dynamodb` that would allow an action on a table or its index.
fn grant(action: Option<&str>, resource: Option<&str>, account: Option<&str>) -> Option<String> {
    let access = match action?.strip_prefix("dynamodb:")? {
        "GetItem" | "BatchGetItem" | "Query" | "Scan" | "DescribeTable" | "ConditionCheckItem" => "read",
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" => "write",
        "GetRecords" | "GetShardIterator" | "DescribeStream" | "ListStreams" => "stream",
        _ => return None,
    };
    let parts: Vec<&str> = resource?.splitn(6, ':').collect();
    let ["arn", _, "dynamodb", region, owner, rest] = parts[..] else { return None };
    let table = rest.strip_prefix("table/")?.split('/').next()?;
    if account == Some(owner) {
        return Some(format!("{region}:{table}={access}"));
    }
    let head = parts[..5].join(":");
    Some(format!("{head}:table/{table}={access}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "User: arn:aws:sts::111122223333:assumed-role/nodes/i-0a1b is not authorized to perform: \
                        dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:111122223333:table/carts/index/byId \
                        because no identity-based policy allows the dynamodb:Query action";

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
    fn a_hint_that_cannot_be_filled_is_left_out() {
        let other = NODE.replace("dynamodb:Query", "s3:GetObject").replace("/i-0a1b", "/eks-carts-1");
        let said = log_line(&other).unwrap();
        assert!(said.cause.contains("role `nodes`, which lacks `s3:GetObject`"), "{}", said.cause);
        assert_eq!(said.hints.len(), 1);
    }

    #[test]
    fn the_narrower_row_goes_first() {
        let session = NODE.replace("/i-0a1b", "/eks-carts-1");
        for (end, wanted) in [
            ("with an explicit deny in a service control policy", "another policy"),
            ("because no permissions boundary allows the dynamodb:Query action", "another policy"),
            ("because no session policy allows the dynamodb:Query action", "another policy"),
            ("because no identity-based policy allows the dynamodb:Query action", "lacks `dynamodb:Query`"),
        ] {
            let line = session.split(" because").next().unwrap().to_owned() + " " + end;
            let said = log_line(&line).unwrap();
            assert!(said.cause.contains(wanted), "{}", said.cause);
        }
    }

    #[test]
    fn other_lines_say_nothing() {
        assert_eq!(log_line("Started CartApplication in 3.2 seconds"), None);
        assert_eq!(log_line("connect timeout to 10.0.0.1"), None);
    }
}
