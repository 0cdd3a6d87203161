//! The API server: reads a request, asks who may, and answers reads.

use std::sync::{Arc, MutexGuard};

use http::{Method, Response, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    auth::{self, Ask, User},
    discovery,
    failure::{Failure, json_answer, typed_answer},
    json::text,
    kinds::{Place, Target},
    logs,
    select::Selector,
    store::place,
    table, watch, writes,
};
use crate::{
    State,
    http::{Body, Req},
    scenario::Scenario,
    state::World,
};

/// A request, read but not judged.
pub(crate) struct Call {
    pub target: Target,
    pub verb: &'static str,
    query: Vec<(String, String)>,
}

impl Call {
    pub(crate) fn read(req: &Req) -> Self {
        let uri = &req.parts.uri;
        let path = percent_encoding::percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
        let query: Vec<(String, String)> =
            form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let target = Target::of(&path);
        let watches = query.iter().any(|(k, v)| k == "watch" && matches!(v.as_str(), "true" | "1"));
        let named = matches!(&target, Target::Resource(place) if !place.name.is_empty());
        let verb = match (&req.parts.method, named) {
            (&Method::GET | &Method::HEAD, _) if watches => "watch",
            (&Method::GET | &Method::HEAD, true) => "get",
            (&Method::GET | &Method::HEAD, false) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, true) => "delete",
            (&Method::DELETE, false) => "deletecollection",
            _ => "unknown",
        };
        Self { target, verb, query }
    }

    /// A query parameter, or the empty string.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.param("dryRun") == "All"
    }

    /// As in the journal.
    pub(crate) fn operation(&self) -> String {
        match &self.target {
            Target::Version => "get version".to_owned(),
            Target::Discovery | Target::Unknown => "discover".to_owned(),
            Target::Health => "get health".to_owned(),
            Target::Issuer => "get openid-configuration".to_owned(),
            Target::Resource(place) => {
                let dry = if self.dry_run() { " (dry-run)" } else { "" };
                format!("{} {}{dry}", self.verb, place.resource())
            }
        }
    }

    /// True when the world is another one afterwards.
    pub(crate) fn writes(&self) -> bool {
        let Target::Resource(place) = &self.target else { return false };
        let asks = place.subresource == "token" || place.kind.resource.starts_with("selfsubject");
        !asks && !self.dry_run() && !matches!(self.verb, "get" | "list" | "watch" | "unknown")
    }
}

/// A request under way, with the world locked.
pub(crate) struct Context<'w> {
    pub state: MutexGuard<'w, State>,
    pub scenario: &'w Scenario,
    pub call: &'w Call,
    pub req: &'w Req,
    pub now: Timestamp,
}

/// Answers a request.
pub(crate) fn answer(world: &Arc<World>, req: &Req) -> Result<Response<Body>, Failure> {
    let call = Call::read(req);
    let header = |name| req.parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let bearer = header(header::AUTHORIZATION).strip_prefix("Bearer ").map(str::trim);
    let now = world.clock.now();
    let user = match bearer {
        Some(token) => Some(authenticate(world, token, now).ok_or_else(Failure::unauthorized)?),
        None => None,
    };
    let accept = header(header::ACCEPT);
    let path = req.parts.uri.path();
    match &call.target {
        Target::Version => return Ok(json_answer(200, &discovery::version(&world.scenario))),
        Target::Health => return Ok(typed_answer(200, "text/plain; charset=utf-8", "ok".to_owned())),
        _ => {}
    }
    let user = user.ok_or_else(Failure::unauthorized)?;
    match &call.target {
        Target::Discovery => {
            let served = |group: &str| world.state().kube.serves(group);
            Ok(discovery::answer(path, accept, &world.kube_url, &served))
        }
        Target::Issuer => {
            let issuer = super::tokens::issuer(&world.scenario, &world.scenario.cluster().name);
            Ok(json_answer(
                200,
                &json!({
                    "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
                }),
            ))
        }
        Target::Resource(place) if world.state().kube.serves(place.kind.group) => {
            resource(world, req, &call, place, &user, accept, now)
        }
        _ => Ok(typed_answer(404, "text/plain; charset=utf-8", "404 page not found\n".to_owned())),
    }
}

fn authenticate<'w>(world: &'w World, token: &str, now: Timestamp) -> Option<User<'w>> {
    if let Some(user) = auth::caller(world, token) {
        return Some(user);
    }
    let claims = world.state().kube.claims(token).ok()?;
    let audience = claims.audience == "https://kubernetes.default.svc";
    (audience && claims.expires > now)
        .then(|| User::ServiceAccount(format!("system:serviceaccount:{}:{}", claims.namespace, claims.service_account)))
}

fn resource(
    world: &Arc<World>,
    req: &Req,
    call: &Call,
    place: &Place,
    user: &User<'_>,
    accept: &str,
    now: Timestamp,
) -> Result<Response<Body>, Failure> {
    let full = place.resource();
    let ask = Ask {
        verb: call.verb,
        group: place.kind.group,
        resource: &full,
        namespace: &place.namespace,
        name: &place.name,
    };
    if !user.may(ask) {
        let why = user.refusal(call.verb, &full, place.kind.group, &place.namespace);
        return Err(Failure::forbidden(place.kind, &place.name, &why));
    }
    if place.kind.resource.starts_with("selfsubject") {
        let body =
            super::protobuf::read(&req.body).or_else(|| serde_json::from_slice(&req.body).ok()).unwrap_or_default();
        let answer = if place.kind.resource == "selfsubjectreviews" {
            json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {"creationTimestamp": null},
                "status": {"userInfo": {"username": user.name(), "groups": ["system:authenticated"]}}})
        } else {
            user.review(&body)
        };
        return Ok(json_answer(201, &answer));
    }
    if call.verb == "watch" {
        return watch::answer(world, call, place, accept);
    }
    if call.verb == "get" && place.subresource == "log" {
        let pod = world.state().kube.store.get("pods", &place.namespace, &place.name).cloned();
        let pod = pod.ok_or_else(|| Failure::not_found(place.kind, &place.name))?;
        return logs::answer(world, call, &pod, now);
    }
    let mut context = Context { state: world.state(), scenario: &world.scenario, call, req, now };
    match call.verb {
        "get" => {
            let object = context.find(place)?;
            let object = if place.subresource == "scale" { writes::scale(&object) } else { Value::clone(&object) };
            Ok(table::or_plain(place.kind, accept, &object, now))
        }
        "list" => Ok(table::or_plain(place.kind, accept, &context.list(place)?, now)),
        _ => context.write(place),
    }
}

impl Context<'_> {
    /// The object that a place names.
    pub(crate) fn find(&self, place: &Place) -> Result<Arc<Value>, Failure> {
        let found = self.state.kube.store.get(place.kind.resource, &place.namespace, &place.name);
        found.cloned().ok_or_else(|| Failure::not_found(place.kind, &place.name))
    }

    fn list(&self, asked: &Place) -> Result<Value, Failure> {
        let store = &self.state.kube.store;
        let selector = Selector::parse(asked.kind, self.call.param("labelSelector"), self.call.param("fieldSelector"))?;
        let limit: usize = self.call.param("limit").parse().unwrap_or(0);
        let (rv, start) = match self.call.param("continue") {
            "" => (store.rv(), None),
            token => {
                let (rv, start) = read_continue(token).ok_or_else(|| {
                    Failure::bad_request("continue key is not valid: encoded version is not recognized")
                })?;
                // -1: the rest of the list as it is by now.
                let then = u64::try_from(rv).unwrap_or_else(|_| store.rv());
                if then < store.floor() {
                    let mut failure = Failure::expired(
                        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
                    );
                    failure.resume = Some(write_continue(-1, &start));
                    return Err(failure);
                }
                (then, Some(start))
            }
        };
        let all = store.list_at(asked.kind.resource, &asked.namespace, rv);
        // Namespace and name as a pair: in one string `a-b/x` would come before `a/x`.
        let start = start.as_ref().map(|s| s.rsplit_once('/').unwrap_or(("", s)));
        let after_start = |object: &Value| {
            let (namespace, name) = place(object);
            start.is_none_or(|start| (namespace.as_str(), name.as_str()) > start)
        };
        let mut rest: Vec<&Arc<Value>> = all.iter().filter(|o| after_start(o) && selector.matches(o)).collect();
        let mut metadata = json!({"resourceVersion": rv.to_string()});
        if limit > 0 && rest.len() > limit {
            let remaining = rest.len() - limit;
            rest.truncate(limit);
            let (namespace, name) = rest.last().map(|o| place(o)).unwrap_or_default();
            let last = if namespace.is_empty() { name } else { format!("{namespace}/{name}") };
            metadata["continue"] = json!(write_continue(i64::try_from(rv).unwrap_or_default(), &last));
            metadata["remainingItemCount"] = json!(remaining);
        }
        let items: Vec<Value> = rest
            .into_iter()
            .map(|o| {
                let mut item = Value::clone(o);
                if let Value::Object(map) = &mut item {
                    map.shift_remove("kind");
                    map.shift_remove("apiVersion");
                }
                item
            })
            .collect();
        Ok(json!({
            "kind": format!("{}List", asked.kind.kind), "apiVersion": asked.kind.api_version(),
            "metadata": metadata, "items": items,
        }))
    }
}

fn write_continue(rv: i64, last: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": rv, "start": format!("/{last}\u{0}")}).to_string())
}

fn read_continue(token: &str) -> Option<(i64, String)> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let start = text(&token, "/start").trim_start_matches('/').trim_end_matches('\u{0}').to_owned();
    Some((token.get("rv")?.as_i64()?, start))
}
