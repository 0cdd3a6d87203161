//! What the API server fills in, and what it refuses as invalid.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    failure::Failure,
    json::{default, list, number, object, stamp, text},
    kinds::Kind,
    select::chooses,
};

/// Fills in an object's defaults.
pub(crate) fn fill(kind: &Kind, new: &mut Value, cluster_version: &str, now: Timestamp) {
    // Go's types know no null: clients that send `creationTimestamp: null` mean nothing by it.
    for half in ["metadata", "spec"] {
        if let Some(half) = new.get_mut(half) {
            without_nulls(half);
        }
    }
    match kind.resource {
        "pods" => pod_spec(&mut new["spec"]),
        "namespaces" => {
            let name = text(new, "/metadata/name").to_owned();
            default(new, &["metadata", "labels"], "kubernetes.io/metadata.name", name);
            default(new, &["spec"], "finalizers", json!(["kubernetes"]));
            default(new, &["status"], "phase", "Active");
        }
        "nodes" => node(new, cluster_version, now),
        "secrets" => default(new, &[], "type", "Opaque"),
        "deployments" | "replicasets" | "statefulsets" | "daemonsets" => workload(kind, new),
        _ => {}
    }
}

fn workload(kind: &Kind, new: &mut Value) {
    object(new, &["spec", "template", "spec"]);
    default(new, &["spec", "template"], "metadata", json!({}));
    if let Some(spec) = new.pointer_mut("/spec/template/spec") {
        pod_spec(spec);
    }
    object(new, &["status"]);
    if kind.resource != "daemonsets" {
        default(new, &["spec"], "replicas", 1);
    }
    match kind.resource {
        "deployments" => {
            default(new, &["spec", "strategy"], "type", "RollingUpdate");
            if text(new, "/spec/strategy/type") == "RollingUpdate" {
                default(new, &["spec", "strategy", "rollingUpdate"], "maxUnavailable", "25%");
                default(new, &["spec", "strategy", "rollingUpdate"], "maxSurge", "25%");
            }
            default(new, &["spec"], "revisionHistoryLimit", 10);
            default(new, &["spec"], "progressDeadlineSeconds", 600);
        }
        "statefulsets" => {
            default(new, &["spec"], "podManagementPolicy", "OrderedReady");
            default(new, &["spec", "updateStrategy"], "type", "RollingUpdate");
            if text(new, "/spec/updateStrategy/type") == "RollingUpdate" {
                default(new, &["spec", "updateStrategy", "rollingUpdate"], "partition", 0);
            }
            default(new, &["spec"], "revisionHistoryLimit", 10);
            let keep = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
            default(new, &["spec"], "persistentVolumeClaimRetentionPolicy", keep);
        }
        "daemonsets" => {
            default(new, &["spec", "updateStrategy"], "type", "RollingUpdate");
            if text(new, "/spec/updateStrategy/type") == "RollingUpdate" {
                default(new, &["spec", "updateStrategy", "rollingUpdate"], "maxUnavailable", 1);
                default(new, &["spec", "updateStrategy", "rollingUpdate"], "maxSurge", 0);
            }
            default(new, &["spec"], "revisionHistoryLimit", 10);
        }
        _ => {}
    }
}

/// Defaults of a pod's spec, also inside templates.
fn pod_spec(spec: &mut Value) {
    for field in ["initContainers", "containers"] {
        for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            let image = text(container, "/image").to_owned();
            let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag.to_owned());
            let pull =
                if image.contains('@') || tag.is_some_and(|t| t != "latest") { "IfNotPresent" } else { "Always" };
            default(container, &[], "resources", json!({}));
            default(container, &[], "terminationMessagePath", "/dev/termination-log");
            default(container, &[], "terminationMessagePolicy", "File");
            default(container, &[], "imagePullPolicy", pull);
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in ["projected", "configMap", "secret"] {
            if let Some(source) = volume.get_mut(source) {
                default(source, &[], "defaultMode", 420);
            }
        }
    }
    default(spec, &[], "restartPolicy", "Always");
    default(spec, &[], "terminationGracePeriodSeconds", 30);
    default(spec, &[], "dnsPolicy", "ClusterFirst");
    let account = text(spec, "/serviceAccountName").to_owned();
    if !account.is_empty() {
        default(spec, &[], "serviceAccount", account);
    }
    default(spec, &[], "securityContext", json!({}));
    default(spec, &[], "schedulerName", "default-scheduler");
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn node(new: &mut Value, cluster_version: &str, now: Timestamp) {
    let name = text(new, "/metadata/name").to_owned();
    default(new, &["metadata", "labels"], "kubernetes.io/hostname", name.clone());
    let os = super::json::entry(new, "/metadata/labels", "kubernetes.io/os").unwrap_or("linux").to_owned();
    let arch = super::json::entry(new, "/metadata/labels", "kubernetes.io/arch").unwrap_or("amd64").to_owned();
    let created = stamp(now);
    let size = json!({"cpu": "2", "ephemeral-storage": "80Gi", "memory": "7934Mi", "pods": "110"});
    default(new, &["status"], "capacity", size.clone());
    default(new, &["status"], "allocatable", size);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "lastHeartbeatTime": created, "lastTransitionTime": created, "reason": reason, "message": message});
    let conditions = json!([
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]);
    default(new, &["status"], "conditions", conditions);
    // EKS names nodes after their private address.
    let address = name
        .strip_prefix("ip-")
        .and_then(|n| n.split('.').next())
        .map_or("10.42.0.1".to_owned(), |n| n.replace('-', "."));
    let addresses = json!([{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]);
    default(new, &["status"], "addresses", addresses);
    let info = json!({
        "architecture": arch, "operatingSystem": os, "kubeletVersion": format!("v{cluster_version}.4-eks-99d6cc0"),
        "containerRuntimeVersion": "containerd://1.7.27", "kernelVersion": "6.12.37-61.105.amzn2023.x86_64",
        "osImage": "Amazon Linux 2023.8.20250808", "kubeProxyVersion": "", "machineID": "", "systemUUID": "", "bootID": "",
    });
    default(new, &["status"], "nodeInfo", info);
}

/// Refuses what the real server refuses as invalid. `before` is the object that an update replaces.
pub(crate) fn validate(kind: &Kind, object: &Value, before: Option<&Value>) -> Result<(), Failure> {
    let name = text(object, "/metadata/name");
    let mut causes: Vec<(&str, &str, String)> = Vec::new();
    if name.is_empty() {
        causes.push(("metadata.name", "FieldValueRequired", "Required value: name or generateName is required".into()));
    } else if !subdomain(name) && kind.group != "rbac.authorization.k8s.io" {
        causes.push(("metadata.name", "FieldValueInvalid", format!("Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")));
    }
    if kind.resource == "pods" && list(object, "/spec/containers").is_empty() {
        causes.push(("spec.containers", "FieldValueRequired", "Required value".into()));
    }
    if matches!(kind.resource, "deployments" | "replicasets" | "statefulsets" | "daemonsets") {
        let replicas = number(object, "/spec/replicas");
        if replicas < 0 {
            causes.push((
                "spec.replicas",
                "FieldValueInvalid",
                format!("Invalid value: {replicas}: must be greater than or equal to 0"),
            ));
        }
        let template = object.pointer("/spec/template").cloned().unwrap_or_default();
        if !chooses(object, "/spec/selector", &template) {
            let labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
            causes.push((
                "spec.template.metadata.labels",
                "FieldValueInvalid",
                format!("Invalid value: {labels}: `selector` does not match template `labels`"),
            ));
        }
        let selector = object.pointer("/spec/selector");
        if let (Some(selector), Some(before)) = (selector, before)
            && before.pointer("/spec/selector") != Some(selector)
        {
            causes.push((
                "spec.selector",
                "FieldValueInvalid",
                format!("Invalid value: {selector}: field is immutable"),
            ));
        }
        if list(object, "/spec/template/spec/containers").is_empty() {
            causes.push(("spec.template.spec.containers", "FieldValueRequired", "Required value".into()));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, name, &causes)) }
}

fn subdomain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}
