//! What the API offers: versions, groups, resources, and as much OpenAPI as kubectl needs to trust the server's own validation.

use http::{Response, header};
use serde_json::{Value, json};

use super::{
    failure::{json_answer, typed_answer},
    kinds::{KINDS, Kind, REVIEW, SELF},
};
use crate::{http::Body, scenario::Scenario};

const ALL: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];

fn verbs(kind: &Kind) -> &'static [&'static str] {
    if kind.resource.starts_with("selfsubject") { &["create"] } else { ALL }
}

fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain([&REVIEW, &SELF])
}

/// Groups other than the core one, in order.
fn groups(offers: &dyn Fn(&str) -> bool) -> Vec<&'static str> {
    let mut groups: Vec<&str> = kinds().map(|k| k.group).filter(|g| !g.is_empty() && offers(g)).collect();
    groups.dedup();
    groups
}

/// `/version`.
pub(crate) fn version(scenario: &Scenario) -> Value {
    let version = &scenario.cluster().version;
    let (major, minor) = version.split_once('.').unwrap_or((version, ""));
    json!({
        "major": major, "minor": minor, "gitVersion": format!("v{version}.4-eks-113cf36"), "gitCommit": "a4a9d0ddb8f48aef3dbbf7e76a6b2f30b0ae1cd1",
        "gitTreeState": "clean", "buildDate": "2026-09-01T00:00:00Z", "goVersion": "go1.24.5", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// Everything under `/api`, `/apis` and `/openapi` that is no resource.
pub(crate) fn answer(path: &str, accept: &str, server: &str, offers: &dyn Fn(&str) -> bool) -> Response<Body> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let aggregated = accept.contains("as=APIGroupDiscoveryList") && accept.contains("v=v2;");
    match parts.as_slice() {
        ["api"] if aggregated => list(&[""]),
        ["apis"] if aggregated => list(&groups(offers)),
        ["api"] => json_answer(
            200,
            &json!({
                "kind": "APIVersions", "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server.trim_start_matches("https://")}],
            }),
        ),
        ["apis"] => {
            let groups: Vec<Value> = groups(offers).into_iter().map(group).collect();
            json_answer(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] if offers(name) => {
            let mut group = group(name);
            let mut whole = json!({"kind": "APIGroup", "apiVersion": "v1"});
            if let (Value::Object(whole), Value::Object(group)) = (&mut whole, &mut group) {
                whole.append(group);
            }
            json_answer(200, &whole)
        }
        ["api", _] => json_answer(200, &resources("", "v1")),
        ["apis", group, version] if offers(group) => json_answer(200, &resources(group, version)),
        ["openapi", "v3"] => json_answer(200, &openapi_index(offers)),
        ["openapi", "v3", "api", _] => json_answer(200, &openapi("")),
        ["openapi", "v3", "apis", group, _] if offers(group) => json_answer(200, &openapi(group)),
        [""] => json_answer(
            200,
            &json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]}),
        ),
        _ => typed_answer(404, "text/plain; charset=utf-8", "404 page not found\n".to_owned()),
    }
}

fn version_of(group: &str) -> &'static str {
    kinds().find(|k| k.group == group).map_or("v1", |k| k.version)
}

fn group(name: &str) -> Value {
    let version = version_of(name);
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str, version: &str) -> Value {
    let mut all = Vec::new();
    for kind in kinds().filter(|k| k.group == group && k.version == version) {
        let mut one = json!({
            "name": kind.resource, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": verbs(kind),
        });
        if !kind.short.is_empty() {
            one["shortNames"] = json!(kind.short);
        }
        if kind.all {
            one["categories"] = json!(["all"]);
        }
        all.push(one);
        for (name, of, verbs) in kind.subresources {
            all.push(json!({
                "name": format!("{}/{name}", kind.resource), "singularName": "", "namespaced": kind.namespaced,
                "kind": of, "verbs": verbs,
            }));
        }
    }
    let own = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": own, "resources": all})
}

/// Aggregated discovery.
fn list(groups: &[&str]) -> Response<Body> {
    let items: Vec<Value> = groups
        .iter()
        .map(|group| {
            let resources: Vec<Value> = kinds().filter(|k| k.group == *group).map(aggregated).collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": [{"version": version_of(group), "resources": resources, "freshness": "Current"}]})
        })
        .collect();
    let body = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    let mut response =
        typed_answer(200, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", body.to_string());
    response.headers_mut().insert(header::VARY, header::HeaderValue::from_static("Accept"));
    response
}

fn aggregated(kind: &'static Kind) -> Value {
    let response_kind = |kind: &str| json!({"group": "", "version": "", "kind": kind});
    let mut one = json!({
        "resource": kind.resource, "responseKind": response_kind(kind.kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.kind.to_lowercase(), "verbs": verbs(kind),
    });
    if !kind.short.is_empty() {
        one["shortNames"] = json!(kind.short);
    }
    if kind.all {
        one["categories"] = json!(["all"]);
    }
    if !kind.subresources.is_empty() {
        one["subresources"] = kind
            .subresources
            .iter()
            .map(|(name, of, verbs)| json!({"subresource": name, "responseKind": response_kind(of), "verbs": verbs}))
            .collect();
    }
    one
}

fn openapi_index(offers: &dyn Fn(&str) -> bool) -> Value {
    let mut paths = serde_json::Map::new();
    paths.insert("api/v1".into(), json!({"serverRelativeURL": "/openapi/v3/api/v1"}));
    for group in groups(offers) {
        let at = format!("apis/{group}/{}", version_of(group));
        paths.insert(at.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{at}")}));
    }
    json!({"paths": paths})
}

/// Paths and parameters only: kubectl looks whether the server validates fields and takes a dry-run.
fn openapi(group: &str) -> Value {
    let parameter =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let mut paths = serde_json::Map::new();
    for kind in kinds().filter(|k| k.group == group) {
        let root =
            if group.is_empty() { format!("/api/{}", kind.version) } else { format!("/apis/{group}/{}", kind.version) };
        let inside = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
        let gvk = json!({"group": group, "version": kind.version, "kind": kind.kind});
        let parameters = json!([parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")]);
        let operation = |action: &str| {
            json!({"parameters": parameters, "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk,
                "responses": {"200": {"description": "OK"}}})
        };
        paths.insert(format!("{root}{inside}/{}", kind.resource), json!({"post": operation("post")}));
        paths.insert(
            format!("{root}{inside}/{}/{{name}}", kind.resource),
            json!({"put": operation("put"), "patch": operation("patch")}),
        );
    }
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1"}, "paths": paths})
}
