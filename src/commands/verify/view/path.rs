//! The way from a pod to AWS as a picture: what hands the credentials on, and at which step they get lost.

use crate::{
    checks::{Link, Report, Status},
    commands::{causes::Look, way},
};

use super::worst;

/// A step: what is reached by it, and the checks that tell whether it is.
struct Step<'a> {
    to: String,
    links: &'a [Link],
}

/// As in `pods ─✔─ service account carts/carts ─✔─ association ─✖─ agent`, in as many lines as the width asks for. Empty where the
/// pods do not use Pod Identity.
pub(super) fn picture(report: &Report, unicode: bool, look: Look) -> String {
    if report.irsa().is_some() || report.of(Link::Association).next().is_none() {
        return String::new();
    }
    let role = report.role.as_ref().map_or_else(|| "role".to_owned(), |name| format!("role {name}"));
    let mut steps = vec![
        Step {
            to: format!("service account {}", report.subject),
            links: &[Link::Workload, Link::Webhook, Link::PodSpec, Link::Override, Link::Identity, Link::Restart],
        },
        Step { to: "association".to_owned(), links: &[Link::Cluster, Link::ServiceAccount, Link::Association] },
        Step { to: "agent".to_owned(), links: &[Link::Agent, Link::Nodes, Link::Network] },
        Step { to: role, links: &[Link::Role, Link::Trust] },
    ];
    if let Some(target) = &report.target_role {
        steps.push(Step { to: format!("target role {target}"), links: &[Link::TargetRole] });
    }
    steps.push(Step { to: "AWS".to_owned(), links: &[Link::Permissions, Link::Live, Link::App] });
    let marked: Vec<(Option<Status>, &str)> =
        steps.iter().map(|step| (worst(report, step.links), step.to.as_str())).collect();
    way::drawn(&marked, unicode, look)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checks, model::names::ServiceAccount, output::styles::Paint};

    fn report(failed: Link) -> Report {
        let subject: ServiceAccount = "carts/carts".parse().unwrap();
        let firsts = Link::ALL.iter().filter(|link| **link < Link::Permissions);
        let findings = firsts.filter_map(|link| checks::all().find(|check| check.link == *link)).map(|check| {
            let status = if check.link == failed { Status::Failed } else { Status::Ok };
            check.finds(status, "something", "a message")
        });
        let mut report = Report::of_findings(subject, findings.collect());
        report.role = Some("eks-workshop-carts".to_owned());
        report
    }

    fn drawn(failed: Link, unicode: bool, width: usize) -> String {
        picture(&report(failed), unicode, Look { paint: Paint { color: false }, width: Some(width) })
    }

    #[test]
    fn in_one_line_where_it_fits() {
        insta::assert_snapshot!(drawn(Link::Trust, true, 120), @"pods ─✔─ service account carts/carts ─✔─ association ─✔─ agent ─✖─ role eks-workshop-carts ─?─ AWS");
        insta::assert_snapshot!(drawn(Link::Webhook, false, 120), @"pods -X- service account carts/carts -ok- association -ok- agent -ok- role eks-workshop-carts -?- AWS");
    }

    #[test]
    fn in_more_where_it_does_not() {
        insta::assert_snapshot!(drawn(Link::Nodes, true, 80), @"
        pods ─✔─ service account carts/carts ─✔─ association ─✖─ agent
            ─✔─ role eks-workshop-carts ─?─ AWS
        ");
        insta::assert_snapshot!(drawn(Link::Nodes, true, 30), @"
        pods
            ─✔─ service account carts/carts
            ─✔─ association ─✖─ agent
            ─✔─ role eks-workshop-carts
            ─?─ AWS
        ");
    }

    #[test]
    fn none_without_pod_identity() {
        let subject: ServiceAccount = "carts/carts".parse().unwrap();
        let report = Report::of_findings(subject, Vec::new());
        assert_eq!(picture(&report, true, Look { paint: Paint { color: false }, width: None }), "");
    }
}
