//! Whether a service account can go back to IRSA, and whether it can do without IRSA for good. What was not seen is no yes.

use super::{Assessment, Stage, by_pod_identity, catalog::BY_HAND, restarted};
use crate::{
    model::{
        arn::last,
        have::Observed,
        migration::{Candidate, Migration},
        pod_spec::VolumeSource,
        text::listed,
        trust::{self, Verdict, irsa},
        workload::Pod,
    },
    plan::{self, request},
};

/// Names that are shown of many.
const SHOWN: usize = 3;

/// Why a service account is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// Why, in one line.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
    /// For want of a permission.
    pub denied: bool,
}

impl Hindrance {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None, denied: false }
    }

    fn unread(what: &str, why: &str) -> Self {
        Self { denied: true, ..Self::new(format!("{what} could not be read: {why}")) }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Whether nothing is left of Pod Identity: there is no association, and no pod has its settings.
pub fn uses_irsa_alone(candidate: &Candidate) -> bool {
    let snapshot = &candidate.snapshot;
    let none = matches!(snapshot.association, Observed::Known(None));
    none && snapshot.pods.known().is_some() && !snapshot.live_pods().into_iter().any(Pod::has_credentials)
}

/// What keeps a service account from going back to IRSA: its pods would lose their access.
/// `by_hand`: the user recreates the pods that podid does not restart.
pub fn back_hindered(account: &Assessment, candidate: &Candidate, by_hand: bool) -> Vec<Hindrance> {
    let snapshot = &candidate.snapshot;
    let (subject, name) = (&snapshot.subject, last(&candidate.annotation.role));
    let mut found = unread(candidate);
    if let Some(association) = snapshot.associated()
        && association.acts_as() != candidate.annotation.role
    {
        found.push(
            Hindrance::new(format!(
                "its association is for role {}, and its annotation names role {name}: pods would change their role",
                last(association.acts_as())
            ))
            .hint(format!("if that is meant: `podid disassociate {subject} --recycle`")),
        );
        return found;
    }
    if let (Some(pods), Some(workloads)) = (snapshot.pods.known(), snapshot.workloads.known()) {
        found.extend(plan::unread_rollouts(pods, workloads).filter(|_| !by_hand).map(Hindrance::new));
    }
    found.extend(left(candidate).filter(|_| !by_hand));
    match account.trust.as_ref().map(|trust| &trust.verdict) {
        Some(Verdict::Admits) => {}
        Some(Verdict::Refuses(reasons)) => found.push(
            Hindrance::new(format!(
                "the trust policy of role {name} does not allow it through IRSA: {}",
                trust::in_words(reasons)
            ))
            .hint("add the statement for the cluster's OIDC issuer to the trust policy again"),
        ),
        Some(Verdict::Unknown(reasons)) => found.push(Hindrance::new(format!(
            "cannot determine whether the trust policy of role {name} allows it through IRSA: {}",
            reasons.join("; ")
        ))),
        None => found.push(match &candidate.role.role {
            Observed::Unreadable(why) => Hindrance::unread(&format!("role {name}"), why),
            Observed::Known(None) => Hindrance::new(format!("role {name} does not exist")),
            Observed::Known(Some(_)) => Hindrance::new("DescribeCluster returned no OIDC issuer"),
            Observed::NotRequested => {
                Hindrance::new(format!("role {name} is in another account, and its trust policy was not read"))
            }
        }),
    }
    found
}

/// Pods that use Pod Identity and that podid does not restart: nothing renews their credentials any more.
fn left(candidate: &Candidate) -> Option<Hindrance> {
    let snapshot = &candidate.snapshot;
    let (pods, workloads) = (snapshot.pods.known()?, snapshot.workloads.known()?);
    let (skipped, _) = plan::skipped(workloads, pods, &Pod::has_credentials);
    let needed: Vec<_> = skipped.into_iter().filter(|it| it.needed).collect();
    let what: Vec<&str> = needed.iter().map(|it| it.resource.as_str()).collect();
    (!what.is_empty()).then(|| {
        Hindrance::new(format!(
            "podid does not restart all pods that use Pod Identity: {}; without the association their credentials end within 6 hours",
            listed(&what, SHOWN)
        ))
        .hint(format!("if you recreate these pods yourself right after it, pass `--accept {}`", BY_HAND.id))
    })
}

fn unread(candidate: &Candidate) -> Vec<Hindrance> {
    let snapshot = &candidate.snapshot;
    let each = [
        ("the association", snapshot.association.unreadable()),
        ("the pods", snapshot.pods.unreadable()),
        ("the workloads", snapshot.workloads.unreadable()),
    ];
    each.into_iter().filter_map(|(what, why)| Some(Hindrance::unread(what, why?))).collect()
}

/// What keeps a service account from doing without IRSA. `annotated`: it still has the annotation.
pub fn end_hindered(
    migration: &Migration,
    account: &Assessment,
    candidate: &Candidate,
    annotated: bool,
) -> Vec<Hindrance> {
    let snapshot = &candidate.snapshot;
    let (subject, cluster) = (&snapshot.subject, &migration.cluster.name);
    let mut found = unread(candidate);
    let run = || format!("move it first: `podid migrate run {subject} --cluster {cluster}`");
    match &snapshot.association {
        Observed::Known(None) => {
            found.push(Hindrance::new("it has no association").hint(run()));
            return found;
        }
        Observed::Known(Some(association)) if account.stage == Stage::OtherRole => {
            let (role, name) = (last(association.acts_as()), last(&candidate.annotation.role));
            let reason = format!("its association is for role {role}, and its annotation names role {name}");
            found.push(Hindrance::new(reason).hint(format!("compare the two: `podid migrate plan {subject}`")));
            return found;
        }
        _ => {}
    }
    let by_irsa: Vec<&Pod> = snapshot.live_pods().into_iter().filter(|pod| !by_pod_identity(pod)).collect();
    if !by_irsa.is_empty() {
        let names: Vec<&str> = by_irsa.iter().map(|pod| pod.name.as_str()).collect();
        let hint = if by_irsa.iter().any(|pod| restarted(snapshot, pod)) {
            run()
        } else {
            "podid does not restart these pods: recreate them yourself, or by what controls them".to_owned()
        };
        found.push(Hindrance::new(format!("pods do not use Pod Identity: {}", listed(&names, SHOWN))).hint(hint));
    }
    found.extend(own_tokens(candidate));
    let (on, request) = (last(&candidate.annotation.role), request(&migration.cluster, candidate));
    match &candidate.role.role {
        Observed::Known(Some(role)) => match trust::evaluate(&role.trust, &request) {
            Verdict::Admits => {}
            Verdict::Refuses(_) => found.push(
                Hindrance::new(format!("the trust policy of role {on} does not allow it by Pod Identity"))
                    .hint(format!("podid role trust {on} --service-account {subject} --fix --cluster {cluster}")),
            ),
            Verdict::Unknown(reasons) => found.push(Hindrance::new(format!(
                "cannot determine whether the trust policy of role {on} allows it by Pod Identity: {}",
                reasons.join("; ")
            ))),
        },
        Observed::Known(None) => found.push(Hindrance::new(format!("role {on} does not exist"))),
        Observed::Unreadable(why) => found.push(Hindrance::unread(&format!("role {on}"), why)),
        Observed::NotRequested => {
            found.push(Hindrance::new(format!("role {on} is in another account, and its trust policy was not read")));
        }
    }
    if annotated {
        found.extend(kept(candidate));
        found.extend(unused(candidate));
    }
    found
}

/// A token for STS that a pod has itself, beside Pod Identity, is of use only by IRSA.
fn own_tokens(candidate: &Candidate) -> Option<Hindrance> {
    let for_sts = |pod: &&Pod| {
        let tokens = pod.spec.volumes.iter().filter_map(|volume| match &volume.source {
            VolumeSource::Tokens(tokens) => Some(tokens),
            _ => None,
        });
        tokens.flatten().any(|token| token.audience == irsa::AUDIENCE)
    };
    let injected = candidate.snapshot.live_pods().into_iter().filter(|pod| by_pod_identity(pod));
    let pods: Vec<&str> = injected.filter(|pod| for_sts(pod)).map(|pod| pod.name.as_str()).collect();
    (!pods.is_empty()).then(|| {
        Hindrance::new(format!("pods have a token for {} of their own: {}", irsa::AUDIENCE, listed(&pods, SHOWN)))
            .hint("find out what uses this token, and remove its volume from the workload first")
    })
}

/// Somebody restores the annotation: it has to go where it comes from.
fn kept(candidate: &Candidate) -> Option<Hindrance> {
    let keeper = candidate.annotation.keeper();
    let subject = &candidate.snapshot.subject;
    (!keeper.by_hand()).then(|| {
        Hindrance::new(format!("{keeper} keeps its annotation, and would restore it"))
            .hint(format!("remove the annotation of {subject} {}, then run the same command again", keeper.place()))
    })
}

/// Nothing runs as it.
fn has_no_users(candidate: &Candidate) -> bool {
    let snapshot = &candidate.snapshot;
    let none = snapshot.live_pods().is_empty() && snapshot.own_workloads().is_empty();
    none && snapshot.cron_jobs.known().is_some_and(Vec::is_empty)
}

/// Neither an annotation nor a user: its name in the trust policy may be there for something outside of the cluster.
pub fn unseen(candidate: &Candidate) -> Option<Hindrance> {
    has_no_users(candidate).then(|| {
        Hindrance::new("it has no annotation, and no pod, workload or CronJob uses it")
            .hint(format!("if it has used IRSA: `podid migrate finish {}`", candidate.snapshot.subject))
    })
}

/// Nothing shows who uses it: a controller may ask for tokens by its annotation.
fn unused(candidate: &Candidate) -> Option<Hindrance> {
    let subject = &candidate.snapshot.subject;
    has_no_users(candidate).then(|| {
        Hindrance::new("no pod, workload or CronJob uses it; a controller may use its annotation").hint(format!(
            "if none does: `kubectl annotate serviceaccount {} -n {} eks.amazonaws.com/role-arn-`, then run the same command again",
            subject.name, subject.namespace
        ))
    })
}
