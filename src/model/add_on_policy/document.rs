//! The inline policy of an add-on: what is merged into it, removed from it, and read back from it.

use serde_json::Value;

use super::{AddOnGrant, AddOnPolicy, AddOnRemoval};
use crate::model::{
    arn::Arn,
    document::{Document, strings},
    policy::{put_by_sid, same_meaning},
};

/// The inline policy that was there, with what an add-on is granted in it: podid's own statements are brought up to date in place,
/// new ones go to the end, and all others stay.
pub fn merged(before: Option<&Document>, grants: &[&AddOnGrant]) -> Document {
    let mut after = Document::to_extend(before);
    let mut list: Vec<Value> = after.statements().into_iter().cloned().collect();
    for grant in grants {
        put_by_sid(&mut list, grant.statements());
    }
    after.set_statements(list);
    after
}

/// The same, without podid's statements for anything else.
pub fn reduced(before: Option<&Document>, grants: &[&AddOnGrant]) -> Document {
    let wanted: Vec<Value> = grants.iter().flat_map(|grant| grant.statements()).collect();
    let stays = |statement: &Value| {
        let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
        !grants.iter().any(|grant| owns(grant.policy, sid)) || wanted.iter().any(|own| own["Sid"] == sid)
    };
    merged(before.map(|before| before.keeping(stays)).as_ref(), grants)
}

/// The inline policy without what podid wrote for an argument, or without anything of podid's; `None` when nothing is left to
/// grant.
pub fn without(before: &Document, gone: &AddOnRemoval) -> Option<Document> {
    let sid = |statement: &Value| statement.get("Sid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let left = match &gone.argument {
        None => before.keeping(|statement| !owns(gone.policy, &sid(statement))),
        Some(argument) => {
            let of = AddOnGrant { policy: gone.policy, argument: Some(argument.clone()), home: None };
            let sids: Vec<String> = of.own_statements().iter().map(sid).collect();
            let left = before.keeping(|statement| !sids.contains(&sid(statement)));
            // What all arguments share is of no use without any.
            if left != *before && arguments(&left, gone.policy).is_empty() {
                left.keeping(|statement| !owns(gone.policy, &sid(statement)))
            } else {
                left
            }
        }
    };
    left.unless_empty()
}

/// The arguments of the add-on in its inline policy; `None` when podid did not write all of its statements, or not for this
/// cluster.
pub fn granted(document: &Document, policy: &'static AddOnPolicy, home: &Arn) -> Option<Vec<Arn>> {
    let arguments = arguments(document, policy);
    let of = |argument| AddOnGrant { policy, argument, home: Some(home.clone()) };
    let grants: Vec<AddOnGrant> = if policy.argument.is_some() {
        arguments.iter().cloned().map(|argument| of(Some(argument))).collect()
    } else {
        vec![of(None)]
    };
    let written = merged(None, &grants.iter().collect::<Vec<_>>());
    same_meaning(&written, document).then_some(arguments)
}

/// What the statements that are for one argument each are for, each once.
fn arguments(document: &Document, policy: &AddOnPolicy) -> Vec<Arn> {
    let mut found: Vec<Arn> = Vec::new();
    let part = policy.parts().iter().find(|part| part.has(&["{argument}"]));
    for statement in document.statements() {
        let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
        let own = owns(policy, sid) && part.is_some_and(|part| sid.ends_with(part.suffix));
        let first = strings(statement.get("Resource")).first().map(|text| text.strip_suffix("/*").unwrap_or(text));
        match first.and_then(|text| text.parse::<Arn>().ok()) {
            Some(arn) if own && !found.contains(&arn) => found.push(arn),
            _ => {}
        }
    }
    found
}

/// Whether a Sid is one of podid's for the add-on.
fn owns(policy: &AddOnPolicy, sid: &str) -> bool {
    let hash = sid.strip_prefix(policy.sid).and_then(|rest| rest.get(..16));
    !policy.sid.is_empty() && hash.is_some_and(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()))
}
