//! The agent's own log, where a pod on its node has trouble.

use super::{IMDS, SLOW, THROTTLED, UNREACHABLE};
use crate::{checks::Finding, model::snapshot::PodLog};

/// What the agent's log is known to say when it cannot do its work.
pub(super) fn words(log: &PodLog) -> Option<Finding> {
    let lines = log.lines.known()?;
    let with = |words: &[&str]| {
        lines.iter().rev().find(|line| {
            let lower = line.raw().to_lowercase();
            words.iter().all(|word| lower.contains(word))
        })
    };
    let subject = format!("agent pod {}", log.pod);
    let source = format!("log of pod {}", log.pod);
    if let Some(line) = with(&["no ec2 imds role found"]).or_else(|| with(&["ec2imds", "failed"])) {
        return Some(
            IMDS.fails(subject, "it cannot get its node's credentials")
                .evidence(source, line.shown())
                .change("enable the metadata service (IMDSv2) of the node"),
        );
    }
    if let Some(line) = with(&["assumeroleforpodidentity", "failed to verify certificate"]) {
        return Some(
            UNREACHABLE
                .fails(subject, "a proxy between it and EKS Auth answers with an untrusted certificate")
                .evidence(source, line.shown())
                .change("exempt eks-auth.REGION.api.aws from the proxy that inspects TLS, or use the interface endpoint com.amazonaws.REGION.eks-auth"),
        );
    }
    // How Go's network says that nobody was reached.
    let unreached = [
        "i/o timeout",
        "no such host",
        "connection refused",
        "no route to host",
        "network is unreachable",
        "connection reset",
        "server misbehaving",
    ];
    if let Some(line) = unreached.iter().find_map(|words| with(&["assumeroleforpodidentity", words])) {
        return Some(
            UNREACHABLE
                .fails(subject, "it cannot reach EKS Auth")
                .evidence(source, line.shown())
                .change("add the interface endpoint com.amazonaws.REGION.eks-auth with private DNS and port 443 to the subnets, or a NAT gateway"),
        );
    }
    if let Some(line) = with(&["too many requests"]).or_else(|| with(&["throttlingexception"])) {
        return Some(
            THROTTLED
                .warns(subject, "it was throttled")
                .evidence(source, line.shown())
                .change("start fewer pods at once; rejected requests are retried automatically"),
        );
    }
    let line = with(&["assumeroleforpodidentity", "context canceled"])?;
    Some(
        SLOW.warns(subject, "SDKs timed out before EKS Auth answered")
            .evidence(source, line.shown())
            .command("podid agent upgrade")
            .change("raise the SDK's timeout: AWS_METADATA_SERVICE_TIMEOUT=5 and AWS_METADATA_SERVICE_NUM_ATTEMPTS=3, or its own setting"),
    )
}
