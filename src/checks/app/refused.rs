//! Refusals in a log: whose they are, and which policy has to be changed, if any.

use super::{
    super::{Finding, Status, permissions},
    catalog, failing,
    known::Logged,
};
use crate::model::{
    log_line::LogLine,
    refusal::{Caller, Layer, Refusal},
    snapshot::Snapshot,
    workload::Injection,
};

/// A refusal that a log tells of; `stands`: nothing shows that it is over. `None` where it follows from a pod that was not injected.
pub(super) fn explain(logged: Logged, refusal: &Refusal, line: &LogLine, stands: bool) -> Option<Finding> {
    let with = |finding: Finding| finding.evidence(logged.source(), line.shown());
    if refusal.is_of_the_agent() {
        let finding =
            catalog::NODE_REFUSED.fails(logged.subject(), "the node role of its agent may not request its credentials");
        return Some(with(finding.change(refusal.remedy())));
    }
    match &refusal.caller {
        Caller::Node { role } => as_node(logged, role, line),
        _ if refusal.assumes_itself() => Some(with(
            catalog::ITSELF
                .fails(logged.subject(), "it tries to assume the role that it already has")
                .change(refusal.remedy()),
        )),
        Caller::PodIdentity { role } if logged.is_another(role) => Some(with(another_role(logged, role, stands))),
        Caller::PodIdentity { role } if refusal.is_assumption() => Some(with(second_role(logged, refusal, role))),
        // The credentials work, and a program that runs on may do without this call.
        Caller::PodIdentity { role } if !stands => Some(with(
            catalog::PASSED.ok(logged.subject(), format!("it uses role {role}: the Pod Identity credentials work")),
        )),
        Caller::PodIdentity { .. } if !logged.failing() && allowed_now(logged.snapshot, refusal) => {
            let mut finding = denied(logged, refusal);
            finding.status = Status::Warning;
            finding.message += "; the role's policies allow it now, so this line may be outdated";
            finding.remedies.clear();
            Some(with(finding))
        }
        Caller::PodIdentity { .. } => Some(with(denied(logged, refusal))),
        Caller::Anonymous => Some(with(
            catalog::SETTINGS.fails(logged.subject(), "it sent an unsigned request").change(refusal.remedy()),
        )),
        Caller::Unknown if stands => {
            let message = format!("AWS denies {}, and the message does not name the caller", refusal.action);
            let finding = catalog::UNNAMED.fails(logged.subject(), message).change(logged.named(&refusal.remedy()));
            Some(with(finding.command(format!("podid verify {} --live", logged.snapshot.subject))))
        }
        other => Some(with(another(logged, other, refusal, stands))),
    }
}

/// It acts as the node. That follows from a pod that was not injected, and is a failure of its own in one that was.
pub(super) fn as_node(logged: Logged, role: &str, line: &LogLine) -> Option<Finding> {
    if logged.pod.injection() == Injection::No {
        return None;
    }
    let message = format!("it uses its node's role {role}, although it has the Pod Identity settings");
    Some(
        catalog::NODE_ROLE
            .fails(logged.subject(), message)
            .evidence(logged.source(), line.shown())
            .change("let the application use the SDK's default credential chain, and upgrade the SDK")
            .change("pass AWS_CONTAINER_* to the processes that it starts (`env` in nginx, `clear_env = no` in php-fpm, `sudo -E`)"),
    )
}

/// It has a session of Pod Identity, of a role that the association does not name.
pub(super) fn another_role(logged: Logged, role: &str, stands: bool) -> Finding {
    let message = format!("its Pod Identity session is of role {role}, which is not the association's role");
    let finding = &catalog::OTHER_IDENTITY;
    let finding =
        if stands { finding.fails(logged.subject(), message) } else { finding.warns(logged.subject(), message) };
    finding.command(format!("podid recycle {}", logged.snapshot.subject))
}

/// The role may not assume another.
fn second_role(logged: Logged, refusal: &Refusal, role: &str) -> Finding {
    let other = refusal.resource.as_deref().unwrap_or("the other role");
    let tags = refusal.action == "sts:TagSession";
    let finding = catalog::SECOND_ROLE.fails(
        logged.subject(),
        format!("the Pod Identity credentials work, but it may not assume {other} ({})", refusal.action),
    );
    if tags {
        return finding.change(format!(
            "allow `sts:TagSession` beside `sts:AssumeRole` to role {role} in the trust policy of {other}"
        ));
    }
    finding
        .change(format!("allow `sts:AssumeRole` and `sts:TagSession` to role {role} in the trust policy of {other}, and on it in a policy of role {role}"))
        .change(logged.named(&"or let EKS assume it: `podid associate NS/SA --role ROLE --target-role ARN`".replace("ARN", other)))
}

/// Whether IAM now allows what a policy of the role did not: then that was changed after the refusal.
fn allowed_now(snapshot: &Snapshot, refusal: &Refusal) -> bool {
    let lacked = lacked(snapshot, refusal, &[Layer::Identity, Layer::Boundary]);
    lacked.is_some_and(|(action, resource)| permissions::allowed(snapshot, &action, &resource))
}

/// What a policy of one of these kinds did not allow, without denying it: action and ARN.
fn lacked(snapshot: &Snapshot, refusal: &Refusal, layers: &[Layer]) -> Option<(String, String)> {
    let cluster = snapshot.cluster.cluster.known().map(|cluster| &cluster.arn);
    refusal.need(cluster).filter(|_| layers.contains(&refusal.layer) && !refusal.explicit)
}

/// The conditions that a call did not meet, where the role's policies allow it on conditions.
fn conditional(snapshot: &Snapshot, refusal: &Refusal) -> Option<Vec<String>> {
    let (action, resource) = lacked(snapshot, refusal, &[Layer::Identity])?;
    permissions::conditions(snapshot, &action, &resource)
}

/// Refused for other reasons than its credentials.
fn denied(logged: Logged, refusal: &Refusal) -> Finding {
    let on = refusal.resource.as_deref().map_or_else(String::new, |resource| format!(" on {resource}"));
    let by = match (refusal.layer, refusal.explicit) {
        (Layer::Unknown, _) => String::new(),
        (layer, true) => format!(": {} denies it", layer.name()),
        (layer, false) => format!(": {} does not allow it", layer.name()),
    };
    let message = format!("the Pod Identity credentials work, but AWS denies {}{on}{by}", refusal.action);
    let finding = failing::DENIED.fails(logged.subject(), message);
    let mut finding = match conditional(logged.snapshot, refusal) {
        // Another statement would give what these conditions withhold.
        Some(reasons) => finding.change(format!(
            "change the call so that it meets the conditions of the role's policies, or change the policies: {}",
            reasons.join(", ")
        )),
        None => finding.change(logged.named(&refusal.remedy())),
    };
    finding.beyond_role = matches!(refusal.layer, Layer::Scp | Layer::Rcp | Layer::Endpoint | Layer::Resource);
    finding
}

/// Someone else than the role of the pod or its node.
fn another(logged: Logged, caller: &Caller, refusal: &Refusal, stands: bool) -> Finding {
    let who = match caller {
        Caller::User { name } => format!("IAM user {name} (static access keys)"),
        Caller::Root => "the root user of an account (static access keys)".to_owned(),
        Caller::Sdk { role } | Caller::Session { role } => {
            format!("role {role} in a session of its own (IRSA, or an assumed role)")
        }
        _ => "an unknown identity".to_owned(),
    };
    let finding = &catalog::OTHER_IDENTITY;
    let message = format!("it uses {who}, and AWS denies {}", refusal.action);
    let finding =
        if stands { finding.fails(logged.subject(), message) } else { finding.warns(logged.subject(), message) };
    finding.change(logged.named("find out where these credentials come from: `podid verify NS/SA --read-secrets`"))
}
