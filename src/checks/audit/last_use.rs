//! Services that a role's policies allow and that it does not use.

use jiff::Timestamp;

use super::catalog::{UNREAD, UNUSED_SERVICES};
use crate::{
    checks::Finding,
    model::{
        arn::Arn,
        have::Observed,
        last_use::ServiceUse,
        text::{count, listed},
    },
};

/// Services that are named in one line.
const NAMED: usize = 8;

/// What is known of the use of a role.
#[derive(Debug)]
pub struct RoleUse {
    /// The role.
    pub role: Arn,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// The service accounts that get its credentials.
    pub users: Vec<String>,
    /// The services that its policies allow.
    pub services: Observed<Vec<ServiceUse>>,
}

/// A finding for each role with services that were last used before `since`, which is `days` days ago.
pub fn unused(roles: &[RoleUse], since: Timestamp, days: u16) -> Vec<Finding> {
    roles.iter().filter_map(|role| of_role(role, since, days)).collect()
}

fn of_role(role: &RoleUse, since: Timestamp, days: u16) -> Option<Finding> {
    let subject = format!("role {}", role.role.name());
    let services = match &role.services {
        Observed::Known(services) => services,
        Observed::Unreadable(why) => return Some(UNREAD.skips(format!("last use of {subject}"), why)),
        Observed::NotRequested => return None,
    };
    // What it did not do before it existed is no sign of anything.
    if role.created_at.is_none_or(|created| created > since) {
        return None;
    }
    let mut idle: Vec<&ServiceUse> = services.iter().filter(|it| it.last.is_none_or(|last| last < since)).collect();
    if idle.is_empty() {
        return None;
    }
    idle.sort_by(|a, b| a.service.cmp(&b.service));
    let names: Vec<&str> = idle.iter().map(|it| it.service.as_str()).collect();
    let verb = if idle.len() == 1 { "was" } else { "were" };
    let message = format!(
        "{} of {} that its policies allow {verb} not used for {}: {}",
        idle.len(),
        count(services.len(), "service"),
        count(days.into(), "day"),
        listed(&names, NAMED)
    );
    let when: Vec<String> = idle.iter().map(|it| told(it)).collect();
    let finding = UNUSED_SERVICES.warns(subject.as_str(), message);
    let finding = finding.evidence("GetServiceLastAccessedDetails", listed(&when, NAMED));
    let lists = |subject| format!(" (`podid access {subject}` lists them)");
    let lists = role.users.first().map(lists).unwrap_or_default();
    Some(finding.change(format!("Remove the statements for these services from the policies of {subject}{lists}")))
}

/// `s3: last used on 2026-08-01 in us-west-2`, `sqs: no use is known`.
fn told(it: &ServiceUse) -> String {
    let Some(last) = it.last else { return format!("{}: no use is known", it.service) };
    let day = last.strftime("%Y-%m-%d");
    let place = it.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    format!("{}: last used on {day}{place}", it.service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Status;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn used(service: &str, last: Option<&str>) -> ServiceUse {
        ServiceUse { service: service.to_owned(), last: last.map(at), region: last.map(|_| "us-west-2".to_owned()) }
    }

    fn role(created: &str, services: Observed<Vec<ServiceUse>>) -> RoleUse {
        let role = "arn:aws:iam::111122223333:role/carts".parse().unwrap();
        RoleUse { role, created_at: Some(at(created)), users: vec!["carts/carts".to_owned()], services }
    }

    /// The report is of 1 December, ninety days after 2 September.
    fn found(role: RoleUse) -> Option<Finding> {
        unused(&[role], at("2026-09-02T00:00:00Z"), 90).pop()
    }

    #[test]
    fn what_is_used_is_no_finding() {
        const OLD: &str = "2025-01-01T00:00:00Z";
        let known = |last| Observed::Known(vec![used("dynamodb", Some("2026-11-30T00:00:00Z")), used("s3", last)]);
        assert_eq!(found(role(OLD, known(Some("2026-09-02T00:00:00Z")))), None);
        let finding = found(role(OLD, known(Some("2026-09-01T00:00:00Z")))).unwrap();
        assert_eq!(finding.status, Status::Warning);
        assert_eq!(finding.message, "1 of 2 services that its policies allow was not used for 90 days: s3");
        assert_eq!(finding.evidence[0].text, "s3: last used on 2026-09-01 in us-west-2");
        assert_eq!(found(role(OLD, known(None))).unwrap().evidence[0].text, "s3: no use is known");
        // A role that is younger could not have used it.
        assert_eq!(found(role("2026-09-03T00:00:00Z", known(None))), None);
        assert_eq!(found(role(OLD, Observed::Known(Vec::new()))), None);
    }

    #[test]
    fn what_was_not_read_is_unknown() {
        let finding = found(role("2025-01-01T00:00:00Z", Observed::Unreadable("not allowed".to_owned()))).unwrap();
        assert_eq!((finding.check.id, finding.subject.as_str()), ("audit.unread", "last use of role carts"));
    }
}
