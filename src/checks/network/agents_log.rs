//! The agent's own log, where a pod on its node has trouble.

use super::{AGENT_FAILS, IMDS, NODE_REFUSED, SLOW, THROTTLED, UNREACHABLE};
use jiff::Timestamp;

use crate::{
    checks::{Check, Finding, Status},
    model::{
        log_line::{LogLine, reports_an_error},
        refusal,
        said::{self, Standing},
        snapshot::PodLog,
    },
};

/// What the agent says when it cannot do its work.
struct Words {
    /// One of these lists is in the line as a whole (lower case).
    any: &'static [&'static [&'static str]],
    /// Also where the line does not say what the agent was doing.
    alone: bool,
    check: &'static Check,
    status: Status,
    message: &'static str,
    remedy: &'static str,
}

const CALL: &str = "assumeroleforpodidentity";
const ENDPOINT: &str = "add the interface endpoint com.amazonaws.REGION.eks-auth with private DNS and port 443 to the subnets, or a NAT gateway";
const PAST_THE_PROXY: &str = "exempt eks-auth.REGION.api.aws from the proxy that inspects TLS, or use the interface endpoint com.amazonaws.REGION.eks-auth";

/// What says most comes first.
static WORDS: &[Words] = &[
    Words {
        any: &[
            &["no ec2 imds role found"],
            &["ec2imds", "failed"],
            &["ec2imds", "canceled"],
            &["ec2imds", "exceeded"],
            &["ec2imds", "error"],
            &["ec2imds", "refused"],
        ],
        alone: false,
        check: &IMDS,
        status: Status::Failed,
        message: "it cannot get its node's credentials",
        remedy: "enable the metadata service (IMDSv2) of the node",
    },
    Words {
        any: &[&["x509: "], &["tls: failed to verify certificate"]],
        alone: true,
        check: &UNREACHABLE,
        status: Status::Failed,
        message: "a proxy between it and EKS Auth answers with an untrusted certificate",
        remedy: PAST_THE_PROXY,
    },
    Words {
        any: &[&["proxy authentication required"], &["proxyconnect"]],
        alone: false,
        check: &UNREACHABLE,
        status: Status::Failed,
        message: "its proxy does not let it reach EKS Auth",
        remedy: PAST_THE_PROXY,
    },
    // How Go's network says that nobody was reached.
    Words {
        any: &[
            &["i/o timeout"],
            &["no such host"],
            &["connection refused"],
            &["no route to host"],
            &["network is unreachable"],
            &["connection reset"],
            &["server misbehaving"],
            &["tls handshake timeout"],
            &["\": eof"],
        ],
        alone: false,
        check: &UNREACHABLE,
        status: Status::Failed,
        message: "it cannot reach EKS Auth",
        remedy: ENDPOINT,
    },
    Words {
        any: &[&["signature expired"], &["signature not yet current"], &["requesttimetooskewed"]],
        alone: false,
        check: &AGENT_FAILS,
        status: Status::Failed,
        message: "EKS Auth rejects its signature: the clock of its node is wrong",
        remedy: "set the clock of the node (chrony)",
    },
    Words {
        any: &[
            &["the security token included in the request is"],
            &["unrecognizedclientexception"],
            &["invalidsignatureexception"],
        ],
        alone: false,
        check: &AGENT_FAILS,
        status: Status::Failed,
        message: "EKS Auth rejects the credentials of its node",
        remedy: "check the role of the node and its metadata service (on hybrid nodes: the credentials file), then restart the agent's pod",
    },
    Words {
        any: &[&["resourcenotfoundexception", "cluster"]],
        alone: false,
        check: &AGENT_FAILS,
        status: Status::Failed,
        message: "EKS Auth does not know the cluster that it names",
        remedy: "correct its `--cluster-name`, and its region: the add-on sets both",
    },
    Words {
        any: &[&["too many requests"], &["throttlingexception"]],
        alone: true,
        check: &THROTTLED,
        status: Status::Warning,
        message: "it was throttled",
        remedy: "start fewer pods at once; rejected requests are retried automatically",
    },
    Words {
        any: &[&["internalserverexception"], &["serviceunavailableexception"]],
        alone: true,
        check: &AGENT_FAILS,
        // It is retried.
        status: Status::Warning,
        message: "EKS Auth returned a server error",
        remedy: "wait, and check the AWS Health Dashboard of the region",
    },
];

/// What is wrong with a pod's token, association or role, which the agent only passes on: other links look at these.
const PASSED_ON: &[&str] = &[
    "to assume the associated role",
    "service account role association",
    "service account token",
    "invalidtokenexception",
    "expiredtokenexception",
];

/// How the agent says that a caller did not wait, or that it waited itself too long.
const SLOWLY: &[&str] = &["context canceled", "deadline exceeded"];

/// What the agent's log says when it cannot do its work.
pub(super) fn words(log: &PodLog, now: Timestamp) -> Option<Finding> {
    let lines = log.lines.known()?;
    let lower: Vec<String> = lines.iter().map(|line| line.raw().to_lowercase()).collect();
    let with = |is: &dyn Fn(&str) -> bool| lower.iter().rposition(|line| is(line)).map(|at| &lines[at]);
    let about = |line: &str| [CALL, "eks auth", "eks-auth", "ec2imds", "imds role"].iter().any(|it| line.contains(it));
    let subject = format!("agent pod {}", log.pod);
    // What is older than any credentials may be over.
    let over = |line: &LogLine| said::old(line, now).and_then(Standing::why_over);
    let finding = |check: &'static Check, status: Status, message: &str, line: &LogLine| match over(line) {
        Some(why) => check.finds(status.min(Status::Warning), subject.clone(), format!("{message}; {why}")),
        None => check.finds(status, subject.clone(), message.to_owned()),
    };
    let told = |finding: Finding, line: &LogLine| finding.evidence(format!("log of pod {}", log.pod), line.shown());
    let refused = with(&|line| refusal::begins(line) && line.contains("eks-auth:"));
    if let Some((line, refusal)) = refused.and_then(|line| Some((line, refusal::refusals(line.raw()).pop()?))) {
        let finding = finding(&NODE_REFUSED, Status::Failed, "EKS Auth refuses the role of its node", line);
        return Some(told(finding, line).change(refusal.remedy()));
    }
    let fits = |row: &Words, line: &str| {
        row.any.iter().any(|words| words.iter().all(|word| line.contains(word))) && (about(line) || row.alone)
    };
    let of_row = |row: &'static Words| Some((row, with(&|line| fits(row, line))?));
    let found = || WORDS.iter().filter_map(of_row);
    let found = found().find(|(_, line)| over(line).is_none()).or_else(|| found().next());
    if let Some((row, line)) = found {
        return Some(told(finding(row.check, row.status, row.message, line), line).change(row.remedy));
    }
    if let Some(line) = with(&|line| line.contains(CALL) && SLOWLY.iter().any(|words| line.contains(words))) {
        return Some(
            told(SLOW.warns(subject, "SDKs timed out before EKS Auth answered"), line)
                .command("podid agent upgrade")
                .change("raise the SDK's timeout: AWS_METADATA_SERVICE_TIMEOUT=5 and AWS_METADATA_SERVICE_NUM_ATTEMPTS=3, or its own setting"),
        );
    }
    let unknown = |line: &str| {
        about(line) && reports_an_error(line) && !PASSED_ON.iter().chain(SLOWLY).any(|words| line.contains(words))
    };
    let line = with(&unknown)?;
    let finding = AGENT_FAILS.warns(subject, "it reports an error that podid does not know");
    Some(
        told(finding, line)
            .change("look up the message in the issues of the agent (github.com/aws/eks-pod-identity-agent)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::have::Observed;

    fn of(lines: Vec<LogLine>) -> Option<(&'static str, Status)> {
        let lines = Observed::Known(lines);
        let log = PodLog { pod: "kube-system/agent-x".to_owned(), container: "agent".to_owned(), lines };
        let now = "2026-07-01T12:00:00Z".parse().unwrap();
        words(&log, now).map(|finding| (finding.check.id, finding.status))
    }

    fn said(line: &str) -> Option<(&'static str, Status)> {
        of(vec!["started".into(), line.into(), "more".into()])
    }

    #[test]
    fn what_is_older_than_any_session_only_warns() {
        let lost = "dial tcp: lookup eks-auth.us-west-2.api.aws on 10.0.0.2:53: no such host";
        let imds = "operation error ec2imds: GetMetadata, request canceled, context deadline exceeded";
        let refused = "operation error EKS Auth: AssumeRoleForPodIdentity, api error AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/nodes/i-0a is not authorized to perform: eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:us-west-2:111122223333:cluster/c because no identity-based policy allows it";
        for (log, wanted) in [
            (vec![("05:59:59", lost)], ("network.eks-auth-unreachable", Status::Warning)),
            (vec![("06:00:00", lost)], ("network.eks-auth-unreachable", Status::Failed)),
            (vec![("05:00:00", refused)], ("network.node-refused", Status::Warning)),
            (vec![("11:00:00", refused)], ("network.node-refused", Status::Failed)),
            // What is old hides nothing that is new.
            (vec![("05:00:00", imds), ("11:00:00", lost)], ("network.eks-auth-unreachable", Status::Failed)),
        ] {
            let text: Vec<String> = log.iter().map(|(at, line)| format!("2026-07-01T{at}Z {line}")).collect();
            let text = text.join("\n");
            assert_eq!(of(LogLine::of_stamped_log(&text, str::to_owned)), Some(wanted), "{text}");
        }
    }

    #[test]
    fn each_failure_of_the_agent_is_told_from_what_it_passes_on() {
        let call = |what: &str| format!("operation error EKS Auth: AssumeRoleForPodIdentity, {what}");
        for (line, wanted) in [
            (
                "x509: certificate signed by unknown authority".to_owned(),
                Some(("network.eks-auth-unreachable", Status::Failed)),
            ),
            (
                call("tls: failed to verify certificate: x509: certificate signed"),
                Some(("network.eks-auth-unreachable", Status::Failed)),
            ),
            (
                "Post \"https://eks-auth.us-west-2.api.aws/\": Proxy Authentication Required".to_owned(),
                Some(("network.eks-auth-unreachable", Status::Failed)),
            ),
            (
                "dial tcp: lookup eks-auth.us-west-2.api.aws on 10.0.0.2:53: no such host".to_owned(),
                Some(("network.eks-auth-unreachable", Status::Failed)),
            ),
            (
                call("Post \"https://eks-auth.us-west-2.api.aws/clusters/c\": EOF"),
                Some(("network.eks-auth-unreachable", Status::Failed)),
            ),
            (
                "operation error ec2imds: GetMetadata, request canceled, context deadline exceeded".to_owned(),
                Some(("network.imds", Status::Failed)),
            ),
            (
                call("api error InvalidSignatureException: Signature expired: 1 is now earlier than 2"),
                Some(("network.agent-fails", Status::Failed)),
            ),
            (
                call("api error ExpiredTokenException: The security token included in the request is expired"),
                Some(("network.agent-fails", Status::Failed)),
            ),
            (
                call("https response error StatusCode: 404, ResourceNotFoundException: Cluster does not exist"),
                Some(("network.agent-fails", Status::Failed)),
            ),
            (call("api error InternalServerException: x"), Some(("network.agent-fails", Status::Warning))),
            (call("api error ServiceUnavailableException: x"), Some(("network.agent-fails", Status::Warning))),
            (call("context deadline exceeded"), Some(("network.eks-auth-slow", Status::Warning))),
            (
                call(
                    "api error AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/nodes/i-0a is not authorized to perform: eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:us-west-2:111122223333:cluster/c with an explicit deny in a service control policy",
                ),
                Some(("network.node-refused", Status::Failed)),
            ),
            (call("api error FooException: bar"), Some(("network.agent-fails", Status::Warning))),
            (call("api error ThrottlingException: slow"), Some(("network.throttled", Status::Warning))),
            (call("canceled, context canceled"), Some(("network.eks-auth-slow", Status::Warning))),
            // Of the pod's own token, association and role.
            (
                call(
                    "https response error StatusCode: 400, AccessDeniedException: Unauthorized Exception! EKS does not have permissions to assume the associated role.",
                ),
                None,
            ),
            (
                call(
                    "https response error StatusCode: 404, ResourceNotFoundException: The token included in the request has no service account role association for it.",
                ),
                None,
            ),
            ("Service account token failed basic claim validations: token is expired".to_owned(), None),
            ("dial tcp 10.0.0.1:5432: connect: connection refused".to_owned(), None),
            ("listening on 169.254.170.23:80".to_owned(), None),
        ] {
            assert_eq!(said(&line), wanted, "{line}");
        }
    }
}
