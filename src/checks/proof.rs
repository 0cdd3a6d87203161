//! Evidence has ranks: what a session of Pod Identity proves is not overruled by what a rule predicts. A prediction that it
//! contradicts becomes a warning.

use super::{Finding, Link, Status, role::JUST_CREATED};
use crate::model::{
    arn::check_role_name,
    have::Observed,
    live::Answer,
    refusal::{self, Caller},
    snapshot::{PodLog, Snapshot},
};

/// Credentials of the association came, and work: podid asked for them itself.
pub(super) fn live(snapshot: &Snapshot) -> bool {
    let caller = snapshot.live.as_ref().and_then(|live| live.caller.as_ref());
    matches!(caller, Some(Answer::Ok(_)))
}

/// What may be in the way, by the messages in a log that show that it is.
const SHOWN_BY: [(&str, &[&str]); 3] = [
    ("override.region", &["app.not-found", "app.wrong-region"]),
    ("network.cilium", &["app.no-answer"]),
    ("network.proxy", &["app.no-answer"]),
];

/// Makes failures of warnings that the log of a failing pod bears out.
pub(super) fn bear_out(snapshot: &Snapshot, findings: &mut [Finding]) {
    let fails = |name: &str| {
        let pods = snapshot.looked_at_pods();
        let pod = pods.into_iter().find(|pod| pod.full_name() == name);
        pod.is_some_and(|pod| pod.containers.iter().any(|container| pod.failing(container, snapshot.now)))
    };
    for (cause, shown) in SHOWN_BY {
        let by = findings.iter().filter(|finding| shown.contains(&finding.check.id));
        let by = by.filter(|finding| matches!(finding.status, Status::Failed | Status::Warning));
        let pods: Vec<String> = by.filter_map(|finding| finding.pod.clone()).filter(|pod| fails(pod)).collect();
        for finding in findings.iter_mut().filter(|it| it.check.id == cause && it.status == Status::Warning) {
            if finding.pod.as_ref().map_or(!pods.is_empty(), |pod| pods.contains(pod)) {
                finding.status = Status::Failed;
            }
        }
    }
}

/// Reduces to warnings what is disproved: by a session in a pod's log, what would have kept that pod from its credentials; by that,
/// or by credentials that EKS Auth gave, what would have kept EKS from the role.
pub(super) fn weigh(snapshot: &Snapshot, findings: &mut [Finding]) {
    // A container that has run on for long got its session before what would be in its way now was there, for all that is known.
    let recent = |log: &&PodLog| snapshot.container_of(log).is_none_or(|(pod, container)| pod.troubled(container));
    let logs = snapshot.logs.iter().filter(recent).filter(|log| proves(snapshot, log));
    let pods: Vec<&str> = logs.map(|log| log.pod.as_str()).collect();
    let live = live(snapshot);
    if live || !pods.is_empty() {
        // Whatever a new role may take to become known everywhere, it is known where it counts.
        for finding in findings.iter_mut().filter(|finding| finding.check.id == JUST_CREATED.id) {
            finding.status = Status::Ok;
            finding.message = format!("{}; its credentials work already", finding.message);
            finding.remedies.clear();
        }
    }
    for finding in findings.iter_mut().filter(|finding| finding.status == Status::Failed) {
        let by = match finding.check.link {
            Link::Override | Link::Network if pods.iter().any(|pod| concerns(&finding.subject, pod)) => {
                "its log shows a Pod Identity session, so it got these credentials anyway"
            }
            Link::Trust if live => "EKS Auth returned credentials of this role anyway",
            Link::Trust if !pods.is_empty() => "a log shows a session of this role anyway",
            _ => continue,
        };
        finding.status = Status::Warning;
        finding.message = format!("{}; {by}", finding.message);
    }
}

/// Whether a finding is on this pod (`NAMESPACE/NAME`) or a container of it.
fn concerns(subject: &str, pod: &str) -> bool {
    subject.strip_prefix("pod ").and_then(|rest| rest.split(',').next()) == Some(pod)
}

/// The role of the last Pod Identity session that a log names, and that line.
pub(super) fn session_role(snapshot: &Snapshot) -> Option<(String, String)> {
    let lines = snapshot.logs.iter().filter_map(|log| log.lines.known()).flat_map(|lines| lines.iter().rev());
    // It goes into a command: what is no name of a role is none of AWS's.
    lines.into_iter().find_map(|line| match refusal::caller(line.raw())?.0 {
        Caller::PodIdentity { role } if check_role_name(&role).is_ok() => Some((role, line.shown().to_owned())),
        _ => None,
    })
}

/// Whether the last session of a role that a log names is one of Pod Identity, of the association's role.
fn proves(snapshot: &Snapshot, log: &PodLog) -> bool {
    let (Observed::Known(lines), Some(association)) = (&log.lines, snapshot.associated()) else { return false };
    let callers = lines.iter().rev().filter_map(|line| refusal::caller(line.raw()));
    let Some(Caller::PodIdentity { role }) = callers.map(|(caller, _)| caller).find(|it| it.role().is_some()) else {
        return false;
    };
    association.role_names().contains(&role.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        checks::named,
        model::{
            fixtures::{association, at, subject},
            live::Live,
        },
    };

    const ROLE: &str = "arn:aws:iam::111122223333:role/carts";

    fn weighed(line: &str, id: &str, on: &str) -> Status {
        let mut snapshot = Snapshot::unread(subject("carts/carts"), at(0), Arc::default());
        snapshot.association = Observed::Known(Some(association(ROLE)));
        let lines = Observed::Known(vec![line.into(), "exiting".into()]);
        snapshot.logs = vec![PodLog { pod: "carts/carts-a".to_owned(), container: "carts".to_owned(), lines }];
        let mut findings = vec![named(id).unwrap().fails(on, "it is in the way")];
        weigh(&snapshot, &mut findings);
        findings[0].status
    }

    #[test]
    fn a_new_role_that_works_is_no_warning() {
        let warned = |caller: Option<Answer>| {
            let mut snapshot = Snapshot::unread(subject("carts/carts"), at(0), Arc::default());
            snapshot.live = Some(Live { caller, ..Live::default() });
            let mut findings = vec![JUST_CREATED.warns("role carts", "created 4 s ago")];
            weigh(&snapshot, &mut findings);
            findings[0].status
        };
        assert_eq!(warned(None), Status::Warning);
        assert_eq!(warned(Some(Answer::Ok("arn:aws:sts::111122223333:assumed-role/carts/eks-x".into()))), Status::Ok);
    }

    #[test]
    fn a_session_overrules_what_is_predicted_for_its_pod() {
        let own = "User: arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-0b1c is not authorized";
        let node = "User: arn:aws:sts::111122223333:assumed-role/nodes/i-0a11b22c33d44e551 is not authorized";
        let other = "User: arn:aws:sts::111122223333:assumed-role/old/eks-eks-worksh-carts-0b1c is not authorized";
        let (pod, container) = ("pod carts/carts-a", "pod carts/carts-a, container carts");
        for (line, id, on, wanted) in [
            (own, "network.proxy", container, Status::Warning),
            (own, "network.policy", pod, Status::Warning),
            (own, "override.static-keys", container, Status::Warning),
            (own, "trust.condition", "trust policy of role carts", Status::Warning),
            // Another pod may well be hit.
            (own, "network.proxy", "pod carts/carts-b, container carts", Status::Failed),
            (own, "network.proxy", "pod carts/carts-ab, container carts", Status::Failed),
            // What the agent says of itself is no prediction.
            (own, "network.imds", "agent pod kube-system/agent-x", Status::Failed),
            (own, "agent.missing", "add-on eks-pod-identity-agent", Status::Failed),
            (node, "network.proxy", container, Status::Failed),
            (other, "network.proxy", container, Status::Failed),
            (other, "trust.condition", "trust policy of role carts", Status::Failed),
            ("no identity here", "network.proxy", container, Status::Failed),
        ] {
            assert_eq!(weighed(line, id, on), wanted, "{line}: {id} on {on}");
        }
    }
}
