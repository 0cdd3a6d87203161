//! Credentials that the SDKs find before those of Pod Identity, container by container. Whether Pod Identity's own settings
//! are there is `pod_spec`'s.

mod keys;

use super::{
    Check, Finding, FindingSubject, Follows, Link, Status,
    environment::{Environment, meant},
};
use crate::model::{
    pod_spec::{ContainerSpec, JAVA_KEYS as PROPERTY, JAVA_OPTIONS, KEYS_INSIDE, VolumeSource},
    snapshot::Snapshot,
    text::count,
    workload::{Container, Pod},
};

pub(super) static CHECKS: &[&Check] =
    &[&PASSED, &STATIC_KEYS, &OWN_KEYS, &JAVA_KEYS, &WEB_IDENTITY, &PROFILE, &FILES, &RELATIVE_URI, &ENDPOINT, &REGION];

const ORDER: &str = "https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html";
const HOW: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html";

static PASSED: Check = Check {
    id: "override.ok",
    link: Link::Override,
    title: "no credentials override Pod Identity",
    background: "SDKs search for credentials in a fixed order and use the first that they find. Pod Identity comes late: after keys in the environment, web identities and profiles.",
    sources: &[HOW, ORDER],
    follows: Follows::Nothing,
};

static STATIC_KEYS: Check = Check {
    id: "override.static-keys",
    link: Link::Override,
    title: "access keys in the environment override Pod Identity",
    background: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY come first in every SDK, whether they are set in the manifest or come from a ConfigMap or Secret. A common case is keys for a local DynamoDB, which AWS does not know. One of the two alone is an error in botocore, and Java v1, Go and Ruby also use AWS_ACCESS_KEY with AWS_SECRET_KEY: while the pod is ready, these are a warning.",
    sources: &[ORDER],
    follows: Follows::Nothing,
};

static OWN_KEYS: Check = Check {
    id: "override.own-keys",
    link: Link::Override,
    title: "the application has its own access keys",
    background: "An application that reads access keys from its own variables (`…_ACCESS_KEY_ID`) or from a connection URI passes them to the SDK, which then does not search further. This is a warning, because the keys may be for a service outside AWS.",
    sources: &[ORDER],
    follows: Follows::Nothing,
};

static JAVA_KEYS: Check = Check {
    id: "override.java-keys",
    link: Link::Override,
    title: "access keys in the JVM's properties override Pod Identity",
    background: "The AWS SDK for Java uses the system properties aws.accessKeyId and aws.secretAccessKey first.",
    sources: &["https://docs.aws.amazon.com/sdk-for-java/latest/developer-guide/credentials-chain.html"],
    follows: Follows::Nothing,
};

static WEB_IDENTITY: Check = Check {
    id: "override.web-identity",
    link: Link::Override,
    title: "a web identity (IRSA) overrides Pod Identity",
    background: "AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE comes before container credentials. The webhook sets them for an annotated service account without an association; variables in a manifest are kept.",
    sources: &[HOW, ORDER],
    follows: Follows::Nothing,
};

static PROFILE: Check = Check {
    id: "override.profile",
    link: Link::Override,
    title: "a profile may override Pod Identity",
    background: "With AWS_PROFILE, the SDKs read configuration files first, and some fail if the profile does not exist. A profile with `credential_source = EcsContainer` uses Pod Identity: while the pod is ready, this is a warning.",
    sources: &[ORDER],
    follows: Follows::Nothing,
};

static FILES: Check = Check {
    id: "override.files",
    link: Link::Override,
    title: "a credentials file may override Pod Identity",
    background: "A credentials file at a path that the SDKs read (`.aws` in a home directory, or the value of AWS_SHARED_CREDENTIALS_FILE or AWS_CONFIG_FILE) comes before container credentials, if its profile has credentials. podid does not read the file: while the pod is ready, this is a warning.",
    sources: &[ORDER],
    follows: Follows::Nothing,
};

static RELATIVE_URI: Check = Check {
    id: "override.relative-uri",
    link: Link::Override,
    title: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI overrides Pod Identity's address",
    background: "The relative URI is for Amazon ECS. If it is set, SDKs ignore the full URI that the webhook adds.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"],
    follows: Follows::Nothing,
};

static ENDPOINT: Check = Check {
    id: "override.endpoint",
    link: Link::Override,
    title: "the SDK uses another endpoint",
    background: "AWS_ENDPOINT_URL and its service-specific variants redirect calls: to an emulator for tests, or to a VPC endpoint. An emulator does not have the real tables.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html"],
    follows: Follows::Nothing,
};

static REGION: Check = Check {
    id: "override.region",
    link: Link::Override,
    title: "the container's region is not the cluster's",
    background: "The webhook sets the region only if the manifest does not. A table of this region does not exist in another one.",
    sources: &["https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html"],
    follows: Follows::Nothing,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let pods = snapshot.live_pods();
    if pods.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Finding> = Vec::new();
    let mut unread: Vec<(String, String)> = Vec::new();
    for pod in &pods {
        for (spec, container) in meant(pod) {
            let mut environment = Environment::of(snapshot, spec);
            unread.append(&mut environment.unread);
            for finding in of_container(snapshot, pod, (spec, container), &environment) {
                keep_worst(&mut found, finding);
            }
        }
    }
    unread.sort();
    unread.dedup();
    if found.iter().all(|finding| finding.status != Status::Failed) {
        let said = format!("nothing in {}", count(pods.len(), "pod"));
        if unread.is_empty() && found.is_empty() {
            found.insert(
                0,
                PASSED
                    .ok("the pods", said)
                    .evidence("env, envFrom, mounts and arguments of every container", "checked"),
            );
        }
        found.extend(unread.into_iter().map(|(what, why)| PASSED.skips(what, why)));
    }
    found
}

/// The pods of a workload are alike: what several of them have is said once, for the one that it hurts most.
fn keep_worst(found: &mut Vec<Finding>, finding: Finding) {
    let same = |other: &&mut Finding| {
        other.check == finding.check && other.message == finding.message && other.container() == finding.container()
    };
    match found.iter_mut().find(same) {
        Some(other) if other.status == Status::Warning && finding.status == Status::Failed => *other = finding,
        Some(_) => {}
        None => found.push(finding),
    }
}

fn of_container(
    snapshot: &Snapshot,
    pod: &Pod,
    (container, state): (&ContainerSpec, &Container),
    environment: &Environment,
) -> Vec<Finding> {
    let subject = FindingSubject::container(&pod.full_name(), &container.name);
    let source = |variable: &str| environment.get(variable).map(|it| it.source.clone());
    let value = |variable: &str| environment.get(variable).and_then(|it| it.value.clone()).unwrap_or_default();
    let mut found = Vec::new();
    let mut shadow = |check: &'static Check, variable: &str, from: &str, what: &str| {
        // What is in a profile is not known: it may have no credentials, or lead to the container's.
        let (status, wins) = if [&PROFILE, &FILES].iter().any(|profile| std::ptr::eq(*profile, check)) {
            (at_worst(pod), "may win")
        } else if beside(pod, container, state) {
            (Status::Warning, "wins there")
        } else {
            (Status::Failed, "wins")
        };
        found.push(
            check
                .finds(status, &subject, format!("{what} from {from} {wins} over Pod Identity"))
                .evidence(from, variable)
                .change(removal(snapshot, variable, from)),
        );
    };
    if container.java_keys {
        shadow(&JAVA_KEYS, PROPERTY, "the JVM's arguments", "aws.accessKeyId");
    }
    for variable in &JAVA_OPTIONS[..READ_BY_THE_JVM] {
        if let Some(from) = source(variable).filter(|_| value(variable) == PROPERTY) {
            shadow(&JAVA_KEYS, variable, &format!("{variable} ({from})"), "aws.accessKeyId");
        }
    }
    if let (Some(from), Some(_)) = (source("AWS_ACCESS_KEY_ID"), source("AWS_SECRET_ACCESS_KEY")) {
        shadow(&STATIC_KEYS, "AWS_ACCESS_KEY_ID", &from, "AWS_ACCESS_KEY_ID");
    }
    // In a container without Pod Identity's settings they are the webhook's own, of before the association.
    if let (true, Some(from), Some(_)) = (state.injected, source("AWS_WEB_IDENTITY_TOKEN_FILE"), source("AWS_ROLE_ARN"))
    {
        shadow(&WEB_IDENTITY, "AWS_WEB_IDENTITY_TOKEN_FILE", &from, "AWS_WEB_IDENTITY_TOKEN_FILE");
    }
    for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
        if let Some(from) = source(variable) {
            shadow(&PROFILE, variable, &from, variable);
        }
    }
    for variable in ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"] {
        // Pointed at nothing, it keeps the SDKs from files: no harm.
        if let Some(from) = source(variable).filter(|_| value(variable) != "/dev/null") {
            shadow(&FILES, variable, &from, variable);
        }
    }
    if let Some(from) = source("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        shadow(
            &RELATIVE_URI,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            &from,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        );
    }
    found.extend(keys::findings(snapshot, pod, environment, &subject));
    found.extend(files(pod, container, &subject));
    found.extend(endpoint(environment, &snapshot.needs, &subject));
    found.extend(region(snapshot, environment, &subject));
    found
}

/// Options that the JVM reads itself: the first of [`JAVA_OPTIONS`].
pub(super) const READ_BY_THE_JVM: usize = 3;

/// An init container that did its work, or a container that runs beside the pod's first one: keys of its own do not keep the
/// application from Pod Identity.
pub(super) fn beside(pod: &Pod, container: &ContainerSpec, state: &Container) -> bool {
    let first = pod.spec.containers.iter().find(|it| !it.init);
    let works = if state.running {
        state.restarts == 0
    } else {
        state.waiting.is_none() && state.terminated.as_ref().is_some_and(|ended| ended.exit_code == 0)
    };
    works && (container.init || first.is_some_and(|first| first.name != container.name))
}

/// What may still work is broken only where the pod does not work.
fn at_worst(pod: &Pod) -> Status {
    if pod.ready { Status::Warning } else { Status::Failed }
}

/// A variable as `kubectl set env` takes it away, with those that are of no use without it.
fn unset(variable: &str) -> String {
    let rest = match variable {
        keys::ID => format!(" {}- AWS_SESSION_TOKEN-", keys::SECRET),
        keys::OLD_ID => format!(" {}-", keys::OLD_SECRET),
        _ => String::new(),
    };
    format!("{variable}-{rest}")
}

/// How to take a variable away, where it comes from.
fn removal(snapshot: &Snapshot, variable: &str, from: &str) -> String {
    let namespace = &snapshot.subject.namespace;
    match (from.split_once(' '), snapshot.own_workloads().first()) {
        _ if variable.starts_with("-D") => format!("remove {variable} from the container's arguments"),
        _ if JAVA_OPTIONS.contains(&variable) => format!("remove {PROPERTY} from {variable}, then restart the pods"),
        (Some((kind @ ("ConfigMap" | "Secret"), object)), _) => {
            format!(
                "remove {variable} from {kind} {object}, then restart the pods: `podid recycle {}`",
                snapshot.subject
            )
        }
        (_, Some(workload)) => {
            format!("remove it: `kubectl -n {namespace} set env {} {}`", workload.id, unset(variable))
        }
        (_, None) => format!("remove {variable} from the pod's manifest"),
    }
}

/// Files that are mounted where the SDKs look.
fn files(pod: &Pod, container: &ContainerSpec, subject: &FindingSubject) -> Option<Finding> {
    let at_home = |path: &str| path.trim_end_matches('/').ends_with("/.aws") || path.contains("/.aws/");
    let mount = container.mounts.iter().find(|mount| at_home(&mount.path))?;
    let volume = pod.spec.volumes.iter().find(|volume| volume.name == mount.volume)?;
    let source = match &volume.source {
        VolumeSource::Secret(name) => format!("Secret {name}"),
        VolumeSource::ConfigMap(name) => format!("ConfigMap {name}"),
        VolumeSource::Projected(objects) => objects.join(", "),
        VolumeSource::Csi(driver) => format!("CSI driver {driver}"),
        VolumeSource::Tokens(_) | VolumeSource::Other => return None,
    };
    Some(
        FILES
            .finds(
                at_worst(pod),
                subject,
                format!("files of {source} are mounted at {}, which the SDKs read first", mount.path),
            )
            .evidence(format!("mount {}", mount.path), source)
            .change(format!("remove the mount {} from the pod template", mount.path)),
    )
}

/// Variables of AWS that end like an address and are none: flags, and the address of the metadata service.
const NO_ADDRESS: [&str; 3] =
    ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];

/// The service whose calls alone a variable leads elsewhere: `AWS_ENDPOINT_URL_DYNAMODB` gives `dynamodb`.
fn only_of(name: &str) -> Option<String> {
    let service = name.strip_prefix("AWS_ENDPOINT_URL_")?;
    Some(service.to_ascii_lowercase().replace('_', ""))
}

fn endpoint(
    environment: &Environment,
    needs: &[crate::model::access::Need],
    subject: &FindingSubject,
) -> Option<Finding> {
    let ignored = environment
        .get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .is_some_and(|it| it.value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("true")));
    // Where it is known what is called, another service's address is of no concern.
    let called = |name: &str| match only_of(name) {
        Some(service) if !needs.is_empty() => {
            needs.iter().any(|need| need.action.split(':').next().unwrap_or_default().replace('-', "") == service)
        }
        _ => true,
    };
    let known = |name: &str| {
        if name.starts_with("AWS_ENDPOINT_URL") {
            return !ignored && called(name);
        }
        name.starts_with("AWS_") && name.ends_with("_ENDPOINT") && !NO_ADDRESS.contains(&name)
            || name.ends_with("_DYNAMODB_ENDPOINT")
    };
    let (name, it) = environment.iter().find(|(name, _)| known(name))?;
    let calls = only_of(name).map_or_else(|| "the calls".to_owned(), |service| format!("the calls of {service}"));
    Some(
        ENDPOINT
            .warns(subject, format!("{name} from {} redirects {calls}", it.source))
            .evidence(&it.source, name)
            .change(format!("if it is the address of an emulator, remove {name}")),
    )
}

fn region(snapshot: &Snapshot, environment: &Environment, subject: &FindingSubject) -> Option<Finding> {
    let home = &snapshot.cluster.cluster.known()?.arn.region;
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| {
        let it = environment.get(name)?;
        Some((*name, it.value.as_deref()?, &it.source))
    });
    let (name, value, source) = named.filter(|(_, value, _)| value != home)?;
    Some(
        REGION
            .warns(subject, format!("{name} is {value}, the cluster is in {home}"))
            .evidence(source, format!("{name}={value}"))
            .change(format!("if its resources are in {home}, set {name} to {home}")),
    )
}
