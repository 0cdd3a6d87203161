//! What the application's own log says of its credentials. It only points back to a link, unless none is broken.

mod failing;

use super::{Check, Finding, Link};
use crate::model::{
    have::Seen,
    snapshot::{PodLog, Snapshot},
    workload::Injection,
};

pub(super) static CHECKS: &[&Check] = &[
    &SOUND,
    &OLD_SDK,
    &TOKEN,
    &BEARER,
    &UNKNOWN_KEYS,
    &NODE_ROLE,
    &NODE_REFUSED,
    &REFUSED,
    &PACKED,
    &NO_ANSWER,
    &failing::DENIED,
    &failing::NOT_STARTED,
    &failing::FAILING,
];

static SOUND: Check = Check {
    id: "app.sound",
    link: Link::App,
    title: "the application says nothing of broken credentials",
    background: "The SDKs' last words often name the link that is broken, in a text that is known. A caller `assumed-role/ROLE/eks-…` shows that the credentials of Pod Identity are used.",
    sources: &["https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html"],
    symptom: false,
};

static OLD_SDK: Check = Check {
    id: "app.old-sdk",
    link: Link::App,
    title: "the SDK is too old for Pod Identity",
    background: "Older SDKs take container credentials from loopback addresses and 169.254.170.2 only, and refuse the agent's address in so many words.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    symptom: true,
};

static TOKEN: Check = Check {
    id: "app.token-unreadable",
    link: Link::App,
    title: "the application may not read the token's file",
    background: "The token's file belongs to root unless the pod has an fsGroup, or runs as one user that the kubelet knows of. A process of another user gets `permission denied`.",
    sources: &["https://github.com/aws/amazon-eks-pod-identity-webhook"],
    symptom: true,
};

static BEARER: Check = Check {
    id: "app.bearer",
    link: Link::App,
    title: "the token is sent in a form that the agent does not read",
    background: "The agent wants the token alone in the Authorization header. Code of one's own that puts `Bearer` before it, or sends a token that has expired, is refused.",
    sources: &["https://github.com/aws/eks-pod-identity-agent"],
    symptom: true,
};

static NODE_ROLE: Check = Check {
    id: "app.node-role",
    link: Link::App,
    title: "the application acts as its node's role in spite of its settings",
    background: "A caller `assumed-role/ROLE/i-…` is the node. When the pod has the settings of Pod Identity, the application does not use the SDK's default chain, or its SDK is built without container credentials.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html"],
    symptom: true,
};

static UNKNOWN_KEYS: Check = Check {
    id: "app.unknown-keys",
    link: Link::App,
    title: "the application has access keys that AWS does not know",
    background: "Credentials of Pod Identity are always known to AWS. These came from elsewhere: from a Secret that was not read, a file in the image, or the code.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"],
    symptom: true,
};

static NODE_REFUSED: Check = Check {
    id: "app.node-role-refused",
    link: Link::App,
    title: "the agent may not ask for the pod's credentials",
    background: "The application's words hold what EKS Auth answered the agent, which asks as its node's role. Whether that role lacks eks-auth:AssumeRoleForPodIdentity is asked of IAM too; the words tell it without that.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    symptom: true,
};

static REFUSED: Check = Check {
    id: "app.refused",
    link: Link::App,
    title: "EKS may not assume the role, though nothing that can be read forbids it",
    background: "A policy of the organisation (SCP or RCP) that denies sts:AssumeRole or sts:TagSession shows nowhere in the account. A role or trust policy that was written seconds ago gives the same words.",
    sources: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html"],
    symptom: true,
};

static PACKED: Check = Check {
    id: "app.packed-policy",
    link: Link::App,
    title: "session tags and policies are too large together",
    background: "The six session tags are transitive: they stay in every role that the application assumes from there, and take up most of the space that STS packs them into.",
    sources: &["https://github.com/aws/containers-roadmap/issues/2413"],
    symptom: true,
};

static NO_ANSWER: Check = Check {
    id: "app.no-answer",
    link: Link::App,
    title: "no agent answers the application",
    background: "A timeout or a refused connection at 169.254.170.23: no agent on the node, or something between. What the node's own firewall drops, no API shows.",
    sources: &["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"],
    symptom: true,
};

/// A known text: the check, words that are all in the line (lower case), what it means, what to do.
struct Known {
    check: &'static Check,
    words: &'static [&'static str],
    message: &'static str,
    change: &'static str,
}

const UPGRADE: &str = "upgrade the SDK to a version that knows Pod Identity: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html";
const OLD: &str = "its SDK refuses the agent's address";

static KNOWN: &[Known] = &[
    Known { check: &OLD_SDK, words: &["unsupported host '169.254.170.23'"], message: OLD, change: UPGRADE },
    Known {
        check: &OLD_SDK,
        words: &["invalid endpoint host", "only loopback hosts are allowed"],
        message: OLD,
        change: UPGRADE,
    },
    Known {
        check: &OLD_SDK,
        words: &["169.254.170.23 is not a valid container metadata service hostname"],
        message: OLD,
        change: UPGRADE,
    },
    Known {
        check: &OLD_SDK,
        words: &["aws_container_credentials_full_uri", "has an invalid host"],
        message: OLD,
        change: UPGRADE,
    },
    Known { check: &OLD_SDK, words: &["uri did not refer to the loopback interface"], message: OLD, change: UPGRADE },
    Known {
        check: &TOKEN,
        words: &["permission denied", "eks-pod-identity-token"],
        message: "it may not read the token's file",
        change: "set securityContext.fsGroup in the pod template",
    },
    Known {
        check: &BEARER,
        words: &["service account token cannot be parsed"],
        message: "it sends the token in a form that the agent does not read",
        change: "send the file's content alone in the Authorization header, without `Bearer`",
    },
    Known {
        check: &BEARER,
        words: &["failed basic claim validations"],
        message: "it sends a token that has expired or is not for EKS Auth",
        change: "read the token's file anew for each request: the kubelet renews it",
    },
    Known {
        check: &BEARER,
        words: &["the token included in the request is expired"],
        message: "it sends a token that has expired or is not for EKS Auth",
        change: "read the token's file anew for each request: the kubelet renews it",
    },
    Known {
        check: &UNKNOWN_KEYS,
        words: &["the security token included in the request is invalid"],
        message: "it uses access keys that AWS does not know",
        change: "find where they come from: `podid verify NS/SA --read-secrets`, then the image and the code",
    },
    Known {
        check: &NODE_REFUSED,
        words: &["is not authorized to perform: eks-auth:assumeroleforpodidentity"],
        message: "its agent's node role may not ask for its credentials",
        change: "attach AmazonEKSWorkerNodePolicy to the role that the line names, and look for what denies it",
    },
    Known {
        check: &PACKED,
        words: &["packed size of session tags consumes"],
        message: "session tags and policies are too large together",
        change: "leave the session tags out: `podid associate NS/SA --role ROLE --disable-session-tags`, if no policy asks for them",
    },
    Known {
        check: &REFUSED,
        words: &["does not have permissions to assume the associated role"],
        message: "EKS may not assume its role",
        change: "if the role was written less than a minute ago, wait; else ask who owns the organisation's policies (SCPs, RCPs)",
    },
    Known {
        check: &NO_ANSWER,
        words: &["169.254.170.23", "timeout"],
        message: "no agent answers it",
        change: "from a pod on that node: `curl http://169.254.170.23/v1/credentials` must answer at once; look at the node's firewall",
    },
    Known {
        check: &NO_ANSWER,
        words: &["169.254.170.23", "refused"],
        message: "no agent answers it",
        change: "see the agent on that node: `podid agent status`",
    },
];

pub(super) fn look(snapshot: &Snapshot) -> Vec<Finding> {
    let pods = snapshot.live_pods();
    if pods.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Finding> = Vec::new();
    let mut keep = |finding: Finding| {
        // The pods of a workload are alike: each check is reported once for each status.
        if !found.iter().any(|other| other.check == finding.check && other.status == finding.status) {
            found.push(finding);
        }
    };
    for (pod, container) in pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (*pod, container))) {
        let name = format!("{}/{}", pod.namespace, pod.name);
        let log = snapshot.logs.iter().find(|log| log.pod == name && log.container == container.name);
        let known = log.and_then(|log| known_text(snapshot, log));
        if pod.failing(container, snapshot.now) && known.as_ref().is_none_or(|finding| finding.check == &SOUND) {
            keep(failing::explain(snapshot, pod, container, log));
        } else if let Some(finding) = known {
            keep(finding);
        }
    }
    if found.is_empty() {
        let trouble = pods.iter().any(|pod| pod.containers.iter().any(|container| pod.troubled(container)));
        let source = "states and logs of the containers";
        found.push(match (trouble, snapshot.logs.is_empty()) {
            (true, true) => SOUND.skips("the pods", "they had trouble, and their logs were not read"),
            (_, true) => SOUND.ok("the pods", "no container has trouble").evidence(source, "no trouble"),
            (_, false) => SOUND.ok("the pods", "no known text about credentials").evidence(source, "looked through"),
        });
    }
    found
}

/// What a container's log says in a text that is known; the last such line counts.
fn known_text(snapshot: &Snapshot, log: &PodLog) -> Option<Finding> {
    let subject = format!("pod {}, container {}", log.pod, log.container);
    let source = format!("log of pod {}, container {}", log.pod, log.container);
    let lines = match &log.lines {
        Seen::Read(lines) => lines,
        Seen::Unreadable(why) => return Some(SOUND.skips(subject, why)),
        Seen::NotAsked => return None,
    };
    for line in lines.iter().rev() {
        let lower = line.to_lowercase();
        if let Some(known) = KNOWN.iter().find(|known| known.words.iter().all(|word| lower.contains(word))) {
            let change = known.change.replace("NS/SA", &snapshot.subject.to_string());
            return Some(known.check.fails(subject, known.message).evidence(source, line.trim()).change(change));
        }
        let Some((_, caller)) = line.split_once(":assumed-role/") else { continue };
        let mut parts = caller.split(['/', ' ']);
        let (role, session) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if session.starts_with("eks-") {
            return Some(
                SOUND
                    .ok(subject, format!("it acts as role {role}: the credentials of Pod Identity work"))
                    .evidence(source, line.trim()),
            );
        }
        if session.starts_with("i-") {
            return node_role(snapshot, log, role).map(|finding| finding.evidence(source, line.trim()));
        }
    }
    None
}

/// It acts as the node. That follows from a pod that was not injected, and is a failure of its own in one that was.
fn node_role(snapshot: &Snapshot, log: &PodLog, role: &str) -> Option<Finding> {
    let pod = snapshot.live_pods().into_iter().find(|pod| format!("{}/{}", pod.namespace, pod.name) == log.pod)?;
    if pod.injection() == Injection::No {
        return None;
    }
    let subject = format!("pod {}, container {}", log.pod, log.container);
    Some(
        NODE_ROLE
            .fails(subject, format!("it acts as its node's role {role}, though it has the settings of Pod Identity"))
            .change("let the application use the SDK's default credential chain, and upgrade the SDK"),
    )
}
