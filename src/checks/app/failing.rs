//! Containers that fail now. What their last output means is reported only as far as it is known: a container that fails for a
//! reason that podid does not know is never taken for one that works.

use super::super::{Check, Finding, FindingSubject, Follows, Link};
use crate::model::{
    foreign::{REFUSALS, SUBJECTS, is_foreign, names_iam},
    have::Observed,
    log_line::{LogLine, reports_an_error},
    snapshot::{PodLog, Snapshot},
    workload::{Container, Pod},
};

pub(super) static DENIED: Check = Check {
    id: "app.access-denied",
    link: Link::App,
    title: "the credentials work, but AWS denies a call of the application",
    background: "The log names a session of Pod Identity (`assumed-role/ROLE/eks-…`), so the credentials arrived. A denied call in a log is certain, whatever a simulation predicts: the deny may come from a policy that podid cannot read, such as the resource policy, a policy of the organization, or a VPC endpoint policy.",
    sources: &["https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"],
    follows: Follows::Anything,
};

pub(super) static NOT_STARTED: Check = Check {
    id: "app.not-started",
    link: Link::App,
    title: "a container cannot start",
    background: "A container that never started has not requested credentials yet. The kubelet reports what is missing: a Secret or ConfigMap that does not exist, an image that cannot be pulled.",
    sources: &["https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states"],
    follows: Follows::Anything,
};

pub(super) static FAILING: Check = Check {
    id: "app.failing",
    link: Link::App,
    title: "a container is failing with an unknown message",
    background: "podid knows the messages of AWS, of its SDKs and of the agent. Other output about credentials or access fails this check, a failure of another known kind (a database password, a missing file) is a warning, and everything else is unknown: the container does not work, so podid cannot tell whether its credentials do.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html"],
    follows: Follows::Anything,
};

/// What a failing container's last output is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Credentials,
    Other,
    Unknown,
}

/// Words (lower case), all of which are in a line about something that is no concern of AWS credentials.
const OTHER: &[&[&str]] = &[
    &["password authentication failed"],
    &["access denied for user", "using password"],
    &["no pg_hba.conf entry"],
    &["wrongpass"],
    &["noauth authentication required"],
    &["sasl authentication failed"],
    &["nullpointerexception"],
    &["nil pointer dereference"],
    &["index out of range"],
    &["outofmemoryerror"],
    &["heap out of memory"],
    &["no space left on device"],
    &["address already in use"],
    &["eaddrinuse"],
    &["segmentation fault"],
    &["classnotfoundexception"],
    &["noclassdeffounderror"],
    &["modulenotfounderror"],
    &["cannot find module"],
    &["syntaxerror"],
    &["no such file or directory"],
    &["exec format error"],
    &["connection refused"],
    &["econnrefused"],
    &["relation ", "does not exist"],
    &["database ", "does not exist"],
    &["read-only file system"],
];

/// A finding on a container that fails now, and whose log holds no known text of a broken check.
pub(super) fn explain(snapshot: &Snapshot, pod: &Pod, container: &Container, log: Option<&PodLog>) -> Finding {
    let name = pod.full_name();
    let subject = FindingSubject::container(&name, &container.name);
    if pod.stuck(container, snapshot.now) {
        if let Some((reason, message)) = snapshot.warnings.get(&name).and_then(Observed::known).and_then(Option::as_ref)
        {
            return NOT_STARTED
                .fails(subject, format!("it has not started: {reason}"))
                .evidence(format!("last event of pod {name}"), message)
                .change(remedy_for(reason));
        }
        return NOT_STARTED
            .fails(subject, "it has not started: its volumes or its network could not be set up for several minutes")
            .evidence(format!("status of pod {name}"), "ContainerCreating")
            .command(format!("kubectl -n {} describe pod {}", pod.namespace, pod.name))
            .change("fix the problem in its last event, such as a missing Secret of a volume (FailedMount)");
    }
    if let Some(waiting) = container.waiting.as_ref().filter(|w| !w.starts_soon() && w.reason != "CrashLoopBackOff") {
        let told = if waiting.message.is_empty() { &waiting.reason } else { &waiting.message };
        return NOT_STARTED
            .fails(subject, format!("it has not started: {}", waiting.reason))
            .evidence(format!("status of pod {name}"), told)
            .change(remedy_for(&waiting.reason));
    }
    if let Some(ended) = container.terminated.as_ref().filter(|ended| ended.reason == "OOMKilled") {
        return FAILING
            .warns(subject, "it is failing, for a reason other than its AWS credentials: it ran out of memory")
            .evidence(format!("status of pod {name}"), format!("{}, exit code {}", ended.reason, ended.exit_code))
            .change("raise its memory limit, or find out why it uses so much memory");
    }
    let read = format!("kubectl -n {} logs {} -c {} --previous", pod.namespace, pod.name, container.name);
    let lines = match log.map(|log| &log.lines) {
        Some(Observed::Known(lines)) => lines.as_slice(),
        Some(Observed::Unreadable(why)) => {
            return FAILING.skips(subject, format!("it is failing, and its log could not be read: {why}"));
        }
        Some(Observed::NotRequested) | None => {
            return FAILING.cannot_tell(subject, "it is failing, and its log was not read").command(read);
        }
    };
    let source = format!("log of pod {name}, container {}", container.name);
    let Some((topic, line)) = topic(lines) else {
        let ended = container.terminated.as_ref();
        let how = ended.map_or_else(String::new, |t| format!(" (exit code {}, {})", t.exit_code, t.reason));
        return FAILING.cannot_tell(subject, format!("it is failing and printed nothing{how}")).command(read);
    };
    match topic {
        Topic::Credentials => FAILING
            .fails(subject, "it is failing, and its output is about credentials or access")
            .evidence(source, line)
            .command(format!("podid verify {} --live", snapshot.subject))
            .change("if those credentials work, let the application use the default credential chain of a current SDK"),
        Topic::Other => FAILING
            .warns(subject, "it is failing, for a reason other than its AWS credentials")
            .evidence(source, line)
            .command(read),
        Topic::Unknown => FAILING
            .cannot_tell(subject, "it is failing, and podid does not know what its last output means")
            .evidence(source, line)
            .command(read),
    }
}

/// A pod that no node takes. `none_runs`: all of them are so.
pub(super) fn unscheduled(pod: &Pod, none_runs: bool) -> Option<Finding> {
    let message = pod.unschedulable.as_ref()?;
    let (subject, said) = (FindingSubject::pod(&pod.full_name()), "it has not been scheduled to a node");
    let finding = if none_runs { NOT_STARTED.fails(subject, said) } else { NOT_STARTED.warns(subject, said) };
    Some(finding.evidence(format!("status of pod {}", pod.full_name()), message).change(
        "add a node that fits, or change the node selector, affinity, tolerations or resource requests in the pod template",
    ))
}

fn remedy_for(reason: &str) -> &'static str {
    match reason {
        "CreateContainerConfigError" | "CreateContainerError" => {
            "create the Secret, ConfigMap or key that the message names, or correct its name in the pod template"
        }
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
            "correct the image's name, or let the node pull it"
        }
        "FailedMount" | "FailedAttachVolume" => {
            "create the Secret, ConfigMap or volume that the message names, or correct its name in the pod template"
        }
        _ if reason.starts_with("FailedCreatePod") => {
            "fix the network plugin on that node, or move the pod to another node"
        }
        _ => "fix the problem that the message names in the pod template",
    }
}

/// What the output is about, with the line that says it: the last one about credentials, else the last error, else the last
/// line. `None` when nothing was printed.
fn topic(lines: &[LogLine]) -> Option<(Topic, &str)> {
    let speaks = |line: &&LogLine| !line.shown().is_empty() && !line.is_frame();
    let lines: Vec<(&str, String)> =
        lines.iter().filter(speaks).map(|line| (line.shown(), line.raw().to_lowercase())).collect();
    // With IAM for Kafka and OpenSearch, their refusals mean a missing permission.
    let with_iam = lines.iter().any(|(_, lower)| names_iam(lower));
    let is_foreign = |lower: &str| is_foreign(lower, with_iam);
    let other =
        |lower: &str| is_foreign(lower) || OTHER.iter().any(|words| words.iter().all(|word| lower.contains(word)));
    let refused = |lower: &str| REFUSALS.iter().any(|word| lower.contains(word)) && !other(lower);
    let about =
        |lower: &str| reports_an_error(lower) && !is_foreign(lower) && SUBJECTS.iter().any(|word| lower.contains(word));
    let last = |is: &dyn Fn(&str) -> bool| lines.iter().rev().find(|(_, lower)| is(lower)).map(|(line, _)| *line);
    if let Some(line) = last(&|lower| refused(lower) || about(lower)) {
        return Some((Topic::Credentials, line));
    }
    if let Some(line) = last(&reports_an_error) {
        let known = last(&other).is_some();
        return Some((if known { Topic::Other } else { Topic::Unknown }, last(&other).unwrap_or(line)));
    }
    let (line, lower) = lines.last()?;
    Some((if other(lower) { Topic::Other } else { Topic::Unknown }, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Topic {
        let lines: Vec<LogLine> = text.lines().map(LogLine::from).collect();
        topic(&lines).map_or(Topic::Unknown, |(topic, _)| topic)
    }

    #[test]
    fn output_about_credentials_is_told_from_other_failures() {
        for (text, wanted) in [
            ("FATAL: password authentication failed for user orders", Topic::Other),
            ("Access denied for user 'shop'@'10.0.0.1' (using password: YES)", Topic::Other),
            (
                "pods is forbidden: User \"system:serviceaccount:carts:carts\" cannot list resource \"pods\"",
                Topic::Other,
            ),
            (
                "DefaultCredentialsError: set up Application Default Credentials, see https://cloud.google.com",
                Topic::Other,
            ),
            ("ERROR https://api.partner.example/v1/orders returned 403 Forbidden", Topic::Other),
            ("ERROR https://b.s3.us-west-2.amazonaws.com/x returned 403 Forbidden", Topic::Credentials),
            ("TopicAuthorizationException: Not authorized to access topics: [orders]", Topic::Other),
            (
                "sasl.mechanism = AWS_MSK_IAM\nTopicAuthorizationException: Not authorized to access topics: [orders]",
                Topic::Credentials,
            ),
            ("ERROR GroupAuthorizationException: Not authorized to access group: shop", Topic::Other),
            (
                "sasl.jaas.config = software.amazon.msk.auth.iam.IAMLoginModule required;\nERROR GroupAuthorizationException: Not authorized to access group: shop",
                Topic::Credentials,
            ),
            ("ERROR security_exception: unauthorized for index orders", Topic::Other),
            (
                "connecting to https://orders.us-west-2.es.amazonaws.com\nERROR security_exception: unauthorized for index orders",
                Topic::Credentials,
            ),
            ("invalid_grant: Invalid user credentials", Topic::Other),
            ("403 Forbidden", Topic::Credentials),
            ("java.lang.NullPointerException\n\tat com.shop.Carts.main(Carts.java:12)", Topic::Other),
            ("dial tcp 10.0.0.1:5432: connect: connection refused", Topic::Other),
            ("Connection refused: http://169.254.170.23/v1/credentials", Topic::Credentials),
            ("CredentialsProviderError: Could not load credentials from any providers", Topic::Credentials),
            ("Access Denied.", Topic::Credentials),
            ("ERROR: SHOP_S3_ACCESS_KEY must be set", Topic::Credentials),
            // Good news about credentials is no failure of theirs.
            ("INFO loaded credentials from the environment\nError: cannot find module './server'", Topic::Other),
            ("INFO loaded credentials from the environment\nfrobnicator exploded", Topic::Unknown),
            ("the widget is broken", Topic::Unknown),
            // The cause counts, not what is printed after it.
            ("botocore.exceptions.NoCredentialsError: Unable to locate credentials\nexiting", Topic::Credentials),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
        assert_eq!(topic(&["", "  "].map(LogLine::from)), None);
    }

    #[test]
    fn the_line_that_says_it_is_shown() {
        let lines = ["starting", "Unable to locate credentials", "at main.py:3", "bye"].map(LogLine::from);
        assert_eq!(topic(&lines), Some((Topic::Credentials, "Unable to locate credentials")));
        let lines = ["starting", "Error: widget", "bye"].map(LogLine::from);
        assert_eq!(topic(&lines), Some((Topic::Unknown, "Error: widget")));
    }
}
