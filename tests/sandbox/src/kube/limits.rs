//! What a namespace's LimitRanges and ResourceQuotas make of a new pod, as the plugins LimitRanger and ResourceQuota do it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    failure::Failure,
    json::{entries, list, object, text},
    kinds,
};
use crate::State;

/// Amounts by resource, in thousandths.
type Amounts = BTreeMap<String, i128>;

/// A quota's key with what is requested, used and the limit.
type Over<'k> = (&'k String, i128, i128, i128);

/// A container's requests and limits, by LimitRange's defaults where it has none of its own.
pub(crate) fn fill(state: &State, namespace: &str, pod: &mut Value) {
    for item in items(state, namespace, "Container") {
        let words = |field: &str| -> BTreeMap<String, Value> {
            let all = item.get(field).and_then(Value::as_object).into_iter().flatten();
            all.map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        // The API server completes each item when it is made: limits by the maximum, requests by the limits and the minimum.
        let mut limits = words("max");
        limits.extend(words("default"));
        let mut requests = words("min");
        requests.extend(limits.clone());
        requests.extend(words("defaultRequest"));
        for field in ["initContainers", "containers"] {
            let all = pod.get_mut("spec").and_then(|s| s.get_mut(field)).and_then(Value::as_array_mut);
            for container in all.into_iter().flatten() {
                for (part, defaults) in [("limits", &limits), ("requests", &requests)] {
                    for (resource, amount) in defaults {
                        let own = object(container, &["resources", part]);
                        own.entry(resource.clone()).or_insert_with(|| amount.clone());
                    }
                }
            }
        }
    }
}

/// Refuses a pod that is outside a LimitRange.
pub(crate) fn check(state: &State, namespace: &str, name: &str, pod: &Value) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for kind in ["Container", "Pod"] {
        for item in items(state, namespace, kind) {
            if kind == "Pod" {
                outside(&item, kind, &total(pod, "requests"), &total(pod, "limits"), &mut wrong);
                continue;
            }
            for container in list(pod, "/spec/containers") {
                outside(&item, kind, &amounts(container, "requests"), &amounts(container, "limits"), &mut wrong);
            }
        }
    }
    let why = match &wrong[..] {
        [] => return Ok(()),
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    };
    Err(Failure::forbidden(kinds::of("pods"), name, &why))
}

fn items(state: &State, namespace: &str, kind: &str) -> Vec<Value> {
    let ranges = state.kube.store.list("limitranges", namespace);
    ranges.flat_map(|r| list(r, "/spec/limits")).filter(|item| text(item, "/type") == kind).cloned().collect()
}

fn outside(item: &Value, kind: &str, requests: &Amounts, limits: &Amounts, wrong: &mut Vec<String>) {
    for (resource, bound) in bounds(item, "min") {
        let least = shown(bound);
        match requests.get(&resource) {
            None => {
                wrong.push(format!("minimum {resource} usage per {kind} is {least}.  No request is specified"));
            }
            Some(asked) if *asked < bound => {
                wrong.push(format!("minimum {resource} usage per {kind} is {least}, but request is {}", shown(*asked)));
            }
            Some(_) => {}
        }
    }
    for (resource, bound) in bounds(item, "max") {
        let most = shown(bound);
        match limits.get(&resource) {
            None => wrong.push(format!("maximum {resource} usage per {kind} is {most}.  No limit is specified")),
            Some(limit) if *limit > bound => {
                wrong.push(format!("maximum {resource} usage per {kind} is {most}, but limit is {}", shown(*limit)));
            }
            Some(_) => {}
        }
    }
    for (resource, most) in bounds(item, "maxLimitRequestRatio") {
        let what = format!("{resource} max limit to request ratio per {kind} is {}", shown(most));
        match (requests.get(&resource), limits.get(&resource)) {
            (None | Some(0), _) => wrong.push(format!("{what}, but no request is specified or request is 0")),
            (_, None | Some(0)) => wrong.push(format!("{what}, but no limit is specified or limit is 0")),
            (Some(request), Some(limit)) if limit * 1000 > most * request => {
                wrong.push(format!("{what}, but provided ratio is {}.000000", limit / request));
            }
            _ => {}
        }
    }
}

/// Refuses a pod for which a quota has no room, or that does not say how much of it it takes.
pub(crate) fn quota(state: &State, namespace: &str, name: &str, pod: &Value) -> Result<(), Failure> {
    let live = |p: &&Value| !matches!(text(p, "/status/phase"), "Succeeded" | "Failed");
    let pods: Vec<&Value> = state.kube.store.list("pods", namespace).map(AsRef::as_ref).filter(live).collect();
    let refused = |why: &str| Err(Failure::forbidden(kinds::of("pods"), name, why));
    for quota in state.kube.store.list("resourcequotas", namespace) {
        let scoped = |pod: &Value| {
            list(quota, "/spec/scopes").iter().all(|scope| match scope.as_str() {
                Some("BestEffort") => best_effort(pod),
                Some("NotBestEffort") => !best_effort(pod),
                _ => true,
            })
        };
        if !scoped(pod) {
            continue;
        }
        let own = text(quota, "/metadata/name");
        let hard: Vec<(String, i128)> = bounds(quota.pointer("/spec").unwrap_or(&Value::Null), "hard");
        let unsaid: Vec<String> = hard
            .iter()
            .filter_map(|(key, _)| {
                let (part, resource) = compute(key)?;
                let lacks = |c: &&Value| !amounts(c, part).contains_key(resource);
                let who: Vec<&str> =
                    list(pod, "/spec/containers").iter().filter(lacks).map(|c| text(c, "/name")).collect();
                (!who.is_empty()).then(|| format!("{key} for: {}", who.join(",")))
            })
            .collect();
        if !unsaid.is_empty() {
            return refused(&format!("failed quota: {own}: must specify {}", unsaid.join("; ")));
        }
        let of = |pod: &Value, key: &str| match compute(key) {
            Some((part, resource)) => total(pod, part).get(resource).copied().unwrap_or(0),
            None => 1000,
        };
        let known = |key: &str| matches!(key, "pods" | "count/pods") || compute(key).is_some();
        let over: Vec<Over<'_>> = hard
            .iter()
            .filter(|(key, _)| known(key))
            .map(|(key, most)| {
                (key, of(pod, key), pods.iter().filter(|p| scoped(p)).map(|p| of(p, key)).sum::<i128>(), *most)
            })
            .filter(|(_, asked, used, most)| asked + used > *most)
            .collect();
        if over.is_empty() {
            continue;
        }
        let each = |pick: &dyn Fn(&Over<'_>) -> i128| {
            over.iter().map(|one| format!("{}={}", one.0, shown(pick(one)))).collect::<Vec<_>>().join(",")
        };
        return refused(&format!(
            "exceeded quota: {own}, requested: {}, used: {}, limited: {}",
            each(&|o| o.1),
            each(&|o| o.2),
            each(&|o| o.3)
        ));
    }
    Ok(())
}

/// The part and resource of a container that a quota's key counts.
fn compute(key: &str) -> Option<(&'static str, &str)> {
    match key.split_once('.') {
        Some(("requests", resource)) => Some(("requests", resource)),
        Some(("limits", resource)) => Some(("limits", resource)),
        _ if matches!(key, "cpu" | "memory") => Some(("requests", key)),
        _ => None,
    }
}

fn best_effort(pod: &Value) -> bool {
    ["requests", "limits"].iter().all(|part| total(pod, part).is_empty())
}

fn total(pod: &Value, part: &str) -> Amounts {
    let mut sum = Amounts::new();
    for container in list(pod, "/spec/containers") {
        for (resource, amount) in amounts(container, part) {
            *sum.entry(resource).or_insert(0) += amount;
        }
    }
    sum
}

/// Requests that are left out are those of the limits.
fn amounts(container: &Value, part: &str) -> Amounts {
    let of = |part: &str| -> Amounts {
        let pointer = format!("/resources/{part}");
        entries(container, &pointer).map(|(k, v)| (k.to_owned(), thousandths(v))).collect()
    };
    let mut all = if part == "requests" { of("limits") } else { Amounts::new() };
    all.extend(of(part));
    all
}

fn bounds(of: &Value, field: &str) -> Vec<(String, i128)> {
    let all = of.get(field).and_then(Value::as_object).into_iter().flatten();
    all.map(|(key, value)| (key.clone(), thousandths(value))).collect()
}

/// A quantity in thousandths.
fn thousandths(value: &Value) -> i128 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i128 = text[..at].parse().unwrap_or(0);
    let unit: i128 = match &text[at..] {
        "m" => 1,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        _ => 1000,
    };
    number * unit
}

/// As the API server writes it.
fn shown(amount: i128) -> String {
    if amount % 1000 != 0 {
        return format!("{amount}m");
    }
    let whole = amount / 1000;
    for (shift, unit) in [(30, "Gi"), (20, "Mi"), (10, "Ki")] {
        if whole != 0 && whole % (1 << shift) == 0 {
            return format!("{}{unit}", whole >> shift);
        }
    }
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_and_written() {
        for text in ["50m", "1", "4Mi", "64Mi", "1Gi", "1500m", "0"] {
            assert_eq!(shown(thousandths(&json!(text))), text);
        }
        assert_eq!(thousandths(&json!(2)), 2000);
    }

    #[test]
    fn what_is_outside_is_said_as_the_api_server_says_it() {
        let item = json!({"min": {"cpu": "50m"}, "max": {"memory": "2Mi"}, "maxLimitRequestRatio": {"cpu": "2"}});
        let container = json!({"resources": {"requests": {"cpu": "1m"}, "limits": {"cpu": "3m", "memory": "4Mi"}}});
        let mut wrong = Vec::new();
        outside(&item, "Container", &amounts(&container, "requests"), &amounts(&container, "limits"), &mut wrong);
        assert_eq!(
            wrong,
            [
                "minimum cpu usage per Container is 50m, but request is 1m",
                "maximum memory usage per Container is 2Mi, but limit is 4Mi",
                "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
            ]
        );
    }
}
