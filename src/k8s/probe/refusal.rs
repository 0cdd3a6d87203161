//! What an API server's documented texts say of a pod that it does not create.

use kube::core::Status;

use super::size;
use crate::ports::Probe;

/// What the names of dry-run pods begin with; the rest is made up anew each time, and says nothing.
pub(super) const PREFIX: &str = "podid-probe-";

/// What a refusal means, whatever the status it comes with; `None` where its text tells nothing.
pub(super) fn read(status: &Status) -> Option<Probe> {
    let text = unnamed(&status.message);
    let has = |part: &str| text.contains(part);
    if has("error looking up service account") || status.code == 404 && has("namespaces \"") {
        return Some(Probe::NoServiceAccount(text));
    }
    if has("because it is being terminated") {
        return Some(Probe::Terminating(text));
    }
    if has("exceeded quota") && allows_none(&text) {
        return Some(Probe::NoRoom(text));
    }
    let reason = if size::by_limit_range(&text) {
        "LimitRange"
    } else if has("violates PodSecurity") {
        "Pod Security"
    } else if has("exceeded quota") || has("failed quota") {
        "quota"
    } else if has("does not support dry run") {
        "a webhook that rejects dry runs"
    } else if has("admission webhook") || has("ValidatingAdmissionPolicy") {
        "a policy engine"
    } else {
        return None;
    };
    Some(Probe::Unprobeable(format!("{reason}: {text}")))
}

/// A refusal that the API server takes back by itself: a webhook that does not answer, a quota that is not counted yet.
pub(super) fn passing(status: &Status) -> bool {
    status.message.contains("failed calling webhook") || status.message.contains("status unknown for quota")
}

/// A quota with a limit of 0. One that is merely full has room again when one of its pods goes: no proof that none can be created.
fn allows_none(text: &str) -> bool {
    let limits = text.rsplit("limited: ").next().unwrap_or_default();
    limits.split(',').any(|limit| limit.ends_with("=0"))
}

/// The text without the made-up name of the pod, and without that it is forbidden, which goes without saying.
pub(super) fn unnamed(text: &str) -> String {
    let own = format!("pods \"{PREFIX}");
    let text = text.split_once(" is forbidden: ").filter(|(pod, _)| pod.starts_with(&own)).map_or(text, |(_, why)| why);
    let mut parts = text.split(PREFIX);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        whole.push_str("dry-run-pod");
        whole.push_str(part.trim_start_matches(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_quota_of_zero_is_proof_that_no_pod_can_be_created() {
        for (text, none) in [
            ("exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0", true),
            ("exceeded quota: full, requested: pods=1, used: pods=2, limited: pods=2", false),
            ("exceeded quota: full, requested: pods=1, used: pods=10, limited: pods=10", false),
            (
                "exceeded quota: q, requested: pods=1,requests.cpu=1m, used: pods=2,requests.cpu=0, limited: pods=2,requests.cpu=0",
                true,
            ),
        ] {
            let message = format!("pods \"{PREFIX}x7f2k\" is forbidden: {text}");
            let status = Status { message, code: 403, ..Status::default() };
            let wanted =
                if none { Probe::NoRoom(text.to_owned()) } else { Probe::Unprobeable(format!("quota: {text}")) };
            assert_eq!(read(&status), Some(wanted));
        }
    }

    #[test]
    fn made_up_names_are_left_out() {
        for (text, wanted) in [
            ("pods \"podid-probe-x7f2k\" is forbidden: exceeded quota: few", "exceeded quota: few"),
            ("pods \"podid-probe-\" is forbidden: no", "no"),
            ("pods \"web\" is forbidden: no", "pods \"web\" is forbidden: no"),
            ("Pod \"podid-probe-x7f2k\" is invalid: spec: no", "Pod \"dry-run-pod\" is invalid: spec: no"),
            (
                "resource Pod/carts/podid-probe-x7f2k was blocked by podid-probe-x7f2k.",
                "resource Pod/carts/dry-run-pod was blocked by dry-run-pod.",
            ),
        ] {
            assert_eq!(unnamed(text), wanted);
        }
    }
}
