//! What each container acts as: the first source of credentials that its SDK finds, in the order in which the SDKs look. Whether that
//! is the right one, the other checks say; this one names it.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Check, Finding, FindingSubject, Follows, Link, environment::Environment, overrides::beside};
use crate::model::{
    arn::last,
    have::Observed,
    pod_spec::{ContainerSpec, JAVA_KEYS, JAVA_OPTIONS},
    snapshot::Snapshot,
    workload::{Container, Pod},
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &OTHER];

const ORDER: &str = "https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html";

static PASSED: Check = Check {
    id: "identity.ok",
    link: Link::Identity,
    title: "the containers use the intended credentials",
    background: "An SDK uses the first credentials that it finds: Java system properties, access keys in the environment, a web identity (IRSA), profiles and files, container credentials (Amazon ECS, Pod Identity), and finally the node's role. podid determines from the running pod which of these a container finds; code that selects a specific source may differ.",
    sources: &[ORDER],
    follows: Follows::Nothing,
};

static OTHER: Check = Check {
    id: "identity.other",
    link: Link::Identity,
    title: "a container uses other credentials than those of Pod Identity",
    background: "The service account has an association, or should have one, but a container finds other credentials first, or none.",
    sources: &[ORDER],
    follows: Follows::Anything,
};

/// Where a container's credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Access keys in the environment or in the options of a JVM.
    StaticKeys,
    /// A web identity: IAM roles for service accounts.
    Irsa,
    /// The address of Amazon ECS, or another one of the manifest's own.
    EcsUri,
    /// The agent.
    PodIdentity,
    /// The instance's metadata service.
    NodeRole,
    /// Nothing.
    None,
}

/// What a container acts as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The pod, as `NAMESPACE/NAME`.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Where its SDK finds credentials first.
    pub source: Source,
    /// The role, if it is known.
    pub role: Option<String>,
    /// The variable, ConfigMap or Secret that they come from.
    pub origin: Option<String>,
    /// A profile or file that the SDK reads before, and that may have credentials.
    pub unless: Option<String>,
    /// Whether its pod has a SPIFFE workload identity too.
    pub workload_identity: bool,
}

impl Identity {
    /// `Pod Identity (role carts)`, `static keys (Secret keys)`, `the node's role`.
    pub fn text(&self) -> String {
        let role = self.role.as_deref().map(last);
        let of =
            |what: &str, more: Option<&str>| more.map_or_else(|| what.to_owned(), |more| format!("{what} ({more})"));
        let with_role = |what: &str| role.map_or_else(|| what.to_owned(), |role| format!("{what} (role {role})"));
        let text = match self.source {
            Source::StaticKeys => of("static keys", self.origin.as_deref()),
            Source::Irsa => with_role("IRSA"),
            Source::EcsUri => of("a custom credentials address", self.origin.as_deref()),
            Source::PodIdentity => with_role("Pod Identity"),
            Source::NodeRole => with_role("the node's role"),
            Source::None => "no credentials".to_owned(),
        };
        let text = if self.workload_identity { format!("{text} and a SPIFFE workload identity") } else { text };
        match &self.unless {
            Some(what) => format!("{text}, unless {what} has credentials"),
            None => text,
        }
    }
}

/// The sources that a container's environment offers, in the SDKs' order.
fn source(environment: &Environment, java_keys: bool, injected: bool) -> (Source, Option<String>) {
    let set = |name: &str| environment.get(name);
    let from = |name: &str| set(name).map(|it| format!("{name} from {}", it.source));
    let by_the_jvm = JAVA_OPTIONS
        .iter()
        .take(super::overrides::READ_BY_THE_JVM)
        .find(|name| set(name).is_some_and(|it| it.value.as_deref() == Some(JAVA_KEYS)));
    if java_keys || by_the_jvm.is_some() {
        return (Source::StaticKeys, Some(by_the_jvm.map_or(JAVA_KEYS, |name| name).to_owned()));
    }
    if set("AWS_ACCESS_KEY_ID").is_some() && set("AWS_SECRET_ACCESS_KEY").is_some() {
        return (Source::StaticKeys, from("AWS_ACCESS_KEY_ID"));
    }
    if set("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() && set("AWS_ROLE_ARN").is_some() {
        return (Source::Irsa, from("AWS_ROLE_ARN"));
    }
    if set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").is_some() {
        return (Source::EcsUri, from("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"));
    }
    if injected {
        return (Source::PodIdentity, None);
    }
    if set("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some() {
        return (Source::EcsUri, from("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    }
    let off = set("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|it| it.value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("true")));
    if off { (Source::None, None) } else { (Source::NodeRole, None) }
}

/// A profile or file that is looked at before the container's credentials.
fn unless(environment: &Environment) -> Option<String> {
    let profile = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].into_iter().find(|name| environment.get(name).is_some());
    let file = ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"]
        .into_iter()
        .find(|name| environment.get(name).is_some_and(|it| it.value.as_deref() != Some("/dev/null")));
    match (profile, file) {
        (Some(name), _) => {
            let value = environment.get(name).and_then(|it| it.value.as_deref());
            Some(value.map_or_else(|| format!("the profile of {name}"), |value| format!("profile {value}")))
        }
        (None, Some(name)) => Some(format!("the file of {name}")),
        (None, None) => None,
    }
}

fn of_container(snapshot: &Snapshot, pod: &Pod, spec: &ContainerSpec, state: &Container) -> Identity {
    let environment = Environment::of(snapshot, spec);
    let (source, origin) = source(&environment, spec.java_keys, state.injected);
    let role = match source {
        Source::PodIdentity => snapshot.associated().map(|it| it.acts_as().to_owned()),
        Source::Irsa => environment.get("AWS_ROLE_ARN").and_then(|it| it.value.clone()),
        Source::NodeRole => node_role(snapshot, pod),
        Source::StaticKeys | Source::EcsUri | Source::None => None,
    };
    let late = matches!(source, Source::EcsUri | Source::PodIdentity | Source::NodeRole | Source::None);
    Identity {
        pod: pod.full_name(),
        container: spec.name.clone(),
        source,
        role,
        origin,
        unless: if late { unless(&environment) } else { None },
        workload_identity: pod.spec.has_workload_identity(),
    }
}

/// The role of the pod's node, where it was read.
fn node_role(snapshot: &Snapshot, pod: &Pod) -> Option<String> {
    let node = pod.node.as_ref()?;
    let nodes = &snapshot.cluster.agent.known()?.nodes;
    let group = nodes.iter().find(|one| one.name == *node)?.labels.get("eks.amazonaws.com/nodegroup")?;
    match snapshot.node_roles.get(group)? {
        Observed::Known(role) => Some(role.arn.clone()),
        Observed::Unreadable(_) | Observed::NotRequested => None,
    }
}

/// What every container of its live pods acts as.
pub fn identities(snapshot: &Snapshot) -> Vec<Identity> {
    let pods = snapshot.live_pods();
    let of_pod = |pod: &&Pod| -> Vec<Identity> {
        pod.spec
            .containers
            .iter()
            .zip(&pod.containers)
            .map(|(spec, state)| of_container(snapshot, pod, spec, state))
            .collect()
    };
    pods.iter().flat_map(of_pod).collect()
}

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let wanted = match (&snapshot.association, snapshot.uses_irsa()) {
        (Observed::Known(None), Some(_)) => Source::Irsa,
        (Observed::Known(_), _) => Source::PodIdentity,
        (Observed::Unreadable(_) | Observed::NotRequested, _) => return Vec::new(),
    };
    let left_out = |identity: &Identity| {
        let pods = snapshot.live_pods();
        let own = pods.iter().filter(|pod| identity.pod == pod.full_name());
        own.flat_map(|pod| pod.spec.containers.iter().zip(&pod.containers).map(move |both| (pod, both)))
            .any(|(pod, (spec, it))| spec.name == identity.container && (it.skipped || beside(pod, spec, it)))
    };
    let (mut found, mut as_meant, mut others) = (Vec::<Finding>::new(), Vec::<String>::new(), Vec::<String>::new());
    for identity in identities(snapshot) {
        let text = identity.text();
        let said = format!("container {} uses {text}", identity.container);
        // The pods of a workload are alike.
        if identity.source == wanted || left_out(&identity) {
            if !as_meant.contains(&said) {
                as_meant.push(said);
            }
        } else if !others.contains(&said) {
            others.push(said);
            let subject = FindingSubject::container(&identity.pod, &identity.container);
            let origin = identity.origin.unwrap_or_else(|| "no Pod Identity variables".to_owned());
            let said = format!("uses {text}");
            found.push(OTHER.warns(subject, said).evidence("the pod's spec", origin));
        }
    }
    if !as_meant.is_empty() {
        found
            .insert(0, PASSED.ok("the pods", as_meant.join("; ")).evidence("the pods' specs", "the order of the SDKs"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::environment::tests::environment;

    #[test]
    fn the_first_of_the_sdks_order_wins() {
        const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        const WEB: [&str; 2] = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"];
        const FULL: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
        const ECS: [&str; 1] = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
        let all: Vec<&str> = [&KEYS[..], &WEB, &ECS, &FULL].concat();
        for (set, java, injected, wanted) in [
            (&all[..], true, true, Source::StaticKeys),
            (&all[..], false, true, Source::StaticKeys),
            (&all[2..], false, true, Source::Irsa),
            (&all[4..], false, true, Source::EcsUri),
            (&all[5..], false, true, Source::PodIdentity),
            // Set by the manifest, and no token.
            (&FULL, false, false, Source::EcsUri),
            // Half of what a source takes is none.
            (&KEYS[..1], false, true, Source::PodIdentity),
            (&WEB[..1], false, true, Source::PodIdentity),
            (&[], true, true, Source::StaticKeys),
            (&[], false, true, Source::PodIdentity),
            (&[], false, false, Source::NodeRole),
            (&WEB, false, false, Source::Irsa),
        ] {
            assert_eq!(source(&environment(set), java, injected).0, wanted, "{set:?} {java} {injected}");
        }
    }

    #[test]
    fn what_may_come_before_is_told() {
        assert_eq!(unless(&environment(&[])), None);
        assert_eq!(unless(&environment(&["AWS_PROFILE"])).as_deref(), Some("the profile of AWS_PROFILE"));
        assert_eq!(unless(&environment(&["AWS_CONFIG_FILE"])).as_deref(), Some("the file of AWS_CONFIG_FILE"));
    }

    #[test]
    fn in_words() {
        let identity = |source, role: Option<&str>, origin: Option<&str>, unless: Option<&str>| Identity {
            pod: "carts/carts-a".to_owned(),
            container: "carts".to_owned(),
            source,
            role: role.map(str::to_owned),
            origin: origin.map(str::to_owned),
            unless: unless.map(str::to_owned),
            workload_identity: false,
        };
        let role = Some("arn:aws:iam::111122223333:role/carts");
        for (identity, wanted) in [
            (identity(Source::PodIdentity, role, None, None), "Pod Identity (role carts)"),
            (identity(Source::Irsa, role, None, None), "IRSA (role carts)"),
            (
                identity(Source::StaticKeys, None, Some("AWS_ACCESS_KEY_ID from env"), None),
                "static keys (AWS_ACCESS_KEY_ID from env)",
            ),
            (
                identity(Source::NodeRole, None, None, Some("profile dev")),
                "the node's role, unless profile dev has credentials",
            ),
            (identity(Source::None, None, None, None), "no credentials"),
            (
                Identity { workload_identity: true, ..identity(Source::PodIdentity, role, None, None) },
                "Pod Identity (role carts) and a SPIFFE workload identity",
            ),
        ] {
            assert_eq!(identity.text(), wanted);
        }
    }
}
