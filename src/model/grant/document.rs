//! The inline policy that holds podid's grants: what is merged into it, removed from it, and read back from it.

use serde_json::Value;

use super::{Access, Grant, Removal, SERVICES, Service, sid};
use crate::model::{
    document::Document,
    policy::{put_by_sid, same_meaning, same_value},
};

/// Name of the inline policy that holds them.
pub const POLICY: &str = "podid-access";

/// The policy for these grants alone.
pub fn policy(grants: &[Grant]) -> Document {
    merged(None, grants)
}

/// The inline policy that was there, with these grants in it: podid's own statements are brought up to date in place, new ones
/// go to the end, and all others stay. What a wider level already there includes is not granted twice.
pub fn merged(before: Option<&Document>, grants: &[Grant]) -> Document {
    let mut after = Document::to_extend(before);
    let mut list: Vec<Value> = after.statements().into_iter().cloned().collect();
    for grant in grants {
        let there = |other: &Grant, list: &[Value]| {
            other.statements().iter().all(|wanted| list.iter().any(|own| same_value(own, wanted)))
        };
        if grant.wider().iter().any(|wider| there(wider, &list)) {
            continue;
        }
        let wanted = grant.statements();
        list.retain(|other| !is_of(other, &grant.sid()) || wanted.iter().any(|own| own.get("Sid") == other.get("Sid")));
        put_by_sid(&mut list, wanted);
    }
    after.set_statements(list);
    after
}

/// Levels in podid's statements for a grant's resource that include what the grant asks for, and more.
pub fn wider(before: Option<&Document>, grant: &Grant) -> Vec<Access> {
    let Some(before) = before else { return Vec::new() };
    let there = |other: &Grant| before.statements().into_iter().any(|statement| is_of(statement, &other.sid()));
    grant.wider().into_iter().filter(there).map(|wider| wider.access).collect()
}

/// The inline policy that was there, with these grants in it, and no other access to their resources in podid's statements.
pub fn reduced(before: Option<&Document>, grants: &[Grant]) -> Document {
    let wanted: Vec<String> = grants.iter().map(Grant::sid).collect();
    let others = |grant: &Grant| {
        let (service, resource) = (grant.service, grant.resource.clone());
        service.levels.iter().map(move |level| sid(service, &resource, &Access::Level(level)))
    };
    let gone: Vec<String> = grants.iter().flat_map(others).filter(|sid| !wanted.contains(sid)).collect();
    let kept = before.map(|before| before.keeping(|statement| !gone.iter().any(|sid| is_of(statement, sid))));
    merged(kept.as_ref(), grants)
}

/// The inline policy with exactly these grants of some services in podid's statements; those of other services stay, and so do
/// statements of others. `None` when there is nothing left to grant.
pub fn exactly(before: Option<&Document>, services: &[&'static Service], grants: &[Grant]) -> Option<Document> {
    let wanted: Vec<String> = grants.iter().map(Grant::sid).collect();
    let stays = |statement: &Value| match owner(statement) {
        Some((service, own)) => !services.contains(&service) || wanted.iter().any(|sid| *sid == own),
        None => true,
    };
    merged(before.map(|before| before.keeping(stays)).as_ref(), grants).unless_empty()
}

/// The inline policy without podid's statements for a resource, all of them or those of one access; `None` when nothing is
/// left to grant.
pub fn without(before: &Document, gone: &Removal) -> Option<Document> {
    let named = gone.access.iter().map(|access| sid(gone.service, &gone.resource, access));
    let every = gone.service.levels.iter().filter(|_| gone.access.is_none());
    let every = every.map(|level| sid(gone.service, &gone.resource, &Access::Level(level)));
    let sids: Vec<String> = named.chain(every).collect();
    before.keeping(|statement| !sids.iter().any(|sid| is_of(statement, sid))).unless_empty()
}

/// The grants of podid's statements in an inline policy; `None` when there are none, or they are not as podid writes them, so
/// that only the document itself tells them without loss.
pub fn granted(document: &Document) -> Option<Vec<Grant>> {
    let own: Vec<&Value> = document.statements().into_iter().filter(|s| owner(s).is_some()).collect();
    let grants: Vec<Grant> = own.iter().filter_map(|statement| grant(statement)).collect();
    let own = Document::of(own);
    let written = Document::of(grants.iter().flat_map(Grant::statements).collect::<Vec<_>>());
    (!grants.is_empty() && same_meaning(&written, &own)).then_some(grants)
}

/// The same, where the policy has no statements but podid's.
pub fn only_podids(document: &Document) -> Option<Vec<Grant>> {
    granted(document).filter(|_| document.statements().into_iter().all(|statement| owner(statement).is_some()))
}

/// The grant whose first statement this is.
fn grant(statement: &Value) -> Option<Grant> {
    let (service, own) = owner(statement)?;
    let resource = (service.from_statement)(statement)?;
    let made = |access: Access| Grant { service, resource: resource.clone(), access };
    let actions = crate::model::document::strings(statement.get("Action"));
    let named = || made(Access::Actions(actions.into_iter().map(str::to_owned).collect()));
    let mut all: Vec<Grant> = service.levels.iter().map(|level| made(Access::Level(level))).collect();
    if service.levels.is_empty() {
        all.push(named());
    }
    all.into_iter().find(|grant| grant.sid() == own && statement.get("Sid").and_then(Value::as_str) == Some(own))
}

/// The service whose statement of podid's it is, and its Sid without the suffix.
fn owner(statement: &Value) -> Option<(&'static Service, &str)> {
    let sid = statement.get("Sid").and_then(Value::as_str)?;
    let service = SERVICES.iter().copied().find(|service| service.owns(sid))?;
    Some((service, &sid[..service.sid.len() + 16]))
}

/// Whether a statement is one of the grant that has this Sid.
fn is_of(statement: &Value, sid: &str) -> bool {
    owner(statement).is_some_and(|(_, own)| own == sid)
}
