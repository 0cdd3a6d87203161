//! The commands that an explanation proposes, as their parsers take them. What a text names stands in them only where it may.

use crate::model::{
    access::NeedText,
    arn::{RoleRef, account, check_role_name},
    grant::{GrantText, SERVICES},
    policy::TableText,
    refusal::{Caller, Refusal},
};

/// The name of a role for a command; `ROLE` for what cannot be one.
pub(super) fn role_name(role: &str) -> &str {
    check_role_name(role).map_or("ROLE", |()| role)
}

/// What is left of a sentence: the command that checks what was refused. A resource that the text does not name, or not as the
/// command takes it, is left to the reader.
pub(super) fn check(refusal: &Refusal) -> String {
    const NEEDS: &str = "`podid verify NS/SA --needs ACTION@RESOURCE`";
    const SECRET: &str = "`podid verify NS/SA --secret NAME=read`";
    let action = &refusal.action;
    let parses = |need: &str| need.parse::<NeedText>().is_ok();
    let named = |resource: &str| Some(format!("{action}@{resource}")).filter(|need| parses(need));
    let need = match &refusal.resource {
        Some(_) => refusal.whole_resource().and_then(named),
        // DynamoDB's actions are known: some have no resource.
        None if action.starts_with("dynamodb:") => named("*"),
        None => None,
    };
    if let Some(need) = need.as_deref().and_then(quoted) {
        return format!(": {}", NEEDS.replace("ACTION@RESOURCE", &need));
    }
    if let Some((flag, value)) = refusal.whole_resource().and_then(|name| by_name(action, name))
        && quoted(&value).is_some()
    {
        // In quotes: a bare word behind `--secret` looks like a secret, and would be masked.
        return format!(": {}", SECRET.replace("--secret NAME=read", &format!("--{flag} '{value}'")));
    }
    if parses(&format!("{action}@arn:aws:a:::b")) {
        let resource = if refusal.resource.is_some() { "its ARN" } else { "the ARN of the resource" };
        return format!(", with {resource}: {}", NEEDS.replace("ACTION@", &format!("{action}@")));
    }
    ": `podid verify NS/SA`".to_owned()
}

/// A word of a command; `None` for one that a shell might take for more than that.
fn quoted(word: &str) -> Option<String> {
    let plain =
        |more: &[u8]| word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=+@,".contains(&b) || more.contains(&b));
    match () {
        () if plain(b"") => Some(word.to_owned()),
        () if plain(b"*?$#~&|!;%^ ") => Some(format!("'{word}'")),
        () => None,
    }
}

/// The flag of access to a resource that a text names without its ARN, and its value.
fn by_name(action: &str, name: &str) -> Option<(&'static str, String)> {
    let (service, _) = action.split_once(':')?;
    let service = SERVICES.iter().copied().find(|one| one.in_arns == service)?;
    let has = |level: &&crate::model::grant::Level| {
        level.parts.iter().any(|part| part.actions.iter().any(|one| one.eq_ignore_ascii_case(action)))
    };
    let value = format!("{name}={}", service.levels.iter().find(has)?.name);
    GrantText::granting(service, &value).is_ok().then_some((service.flag, value))
}

/// How EKS can assume the other role for a pod.
pub(super) fn target(refusal: &Refusal) -> Option<String> {
    let Caller::PodIdentity { role } = &refusal.caller else { return None };
    let other = refusal.whole_resource().filter(|_| refusal.is_assumption())?;
    if !matches!(other.parse::<RoleRef>(), Ok(RoleRef::Arn(_))) {
        return None;
    }
    let text = "or let EKS assume it: `podid associate NS/SA --role ROLE --target-role ARN`";
    let text = text.replace("--role ROLE", &format!("--role {}", role_name(role)));
    Some(text.replace("--target-role ARN", &format!("--target-role {other}")))
}

/// The value of `--dynamodb` that would allow an action on a table or its index.
pub(super) fn grant(refusal: &Refusal) -> Option<String> {
    let access = match refusal.action.strip_prefix("dynamodb:")? {
        "GetItem" | "BatchGetItem" | "Query" | "Scan" | "DescribeTable" | "ConditionCheckItem" => "read",
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" => "write",
        "GetRecords" | "GetShardIterator" | "DescribeStream" | "ListStreams" => "stream",
        _ => return None,
    };
    let parts: Vec<&str> = refusal.whole_resource()?.splitn(6, ':').collect();
    let ["arn", _, "dynamodb", region, owner, rest] = parts[..] else { return None };
    let table = rest.strip_prefix("table/")?.split('/').next()?;
    let own = refusal.arn.as_deref().and_then(account);
    let head = parts[..5].join(":");
    let grant = if own == Some(owner) {
        format!("{region}:{table}={access}")
    } else {
        format!("{head}:table/{table}={access}")
    };
    grant.parse::<TableText>().is_ok().then_some(grant)
}
