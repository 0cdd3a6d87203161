//! Any action on any resource: `--allow ACTION[,ACTION]@ARN`.

use super::{
    Access, Grant, Resource, Service,
    service::{REGIONAL, first_resource},
};
use crate::model::document::strings;

pub(super) static ALLOW: Service = Service {
    flag: "allow",
    what: "a resource",
    key: "resource",
    value: "ACTION[,ACTION]@ARN",
    sid: "PodidAllow",
    by_name: |name| if name == "*" { Ok(name.to_owned()) } else { Err("is neither an ARN nor `*`") },
    by_arn: |part| Some(Ok(part.to_owned())),
    name: |_| None,
    regional: false,
    // What is below a resource that is named: objects of a bucket, versions of a function.
    tails: &["/*", ":*"],
    from_statement: |statement| match strings(statement.get("Resource"))[..] {
        ["*"] => Some(Resource::Name("*".to_owned())),
        _ => first_resource(statement),
    },
    holds: |_| None,
    ..REGIONAL
};

/// What named actions allow although nobody may have meant it, one line each.
pub fn warnings(grants: &[Grant]) -> Vec<String> {
    let mut found = Vec::new();
    for grant in grants {
        let Access::Actions(actions) = &grant.access else { continue };
        let wide = actions.iter().filter(|action| action.contains(['*', '?']));
        found.extend(
            wide.map(|action| format!("`{action}` allows several actions, including those that AWS adds later")),
        );
        if grant.resource.arn().is_none() {
            found.push(format!("{} is allowed on every resource (`*`)", actions.join(", ")));
        }
    }
    found
}

/// Checks `service:Action`, whose name may be a pattern.
pub(super) fn check_action(action: &str) -> Result<(), &'static str> {
    let Some((service, name)) = action.split_once(':') else {
        return Err("is not an action; actions are SERVICE:ACTION, such as s3:GetObjectTagging");
    };
    let word = |text: &str, others: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
    };
    if !word(service, b"-") || service.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("has no service before its colon; actions are SERVICE:ACTION, such as s3:GetObjectTagging");
    }
    if word(name, b"*?") { Ok(()) } else { Err("has an invalid name after its colon") }
}
