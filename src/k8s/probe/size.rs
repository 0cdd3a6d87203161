//! Requests and limits of the dry-run pod: small ones first, then those that the namespace's own rules ask for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Small enough for every quota that has room at all.
const CPU: &str = "1m";
const MEMORY: &str = "4Mi";

/// What the dry-run pod asks for, by how often it was refused for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// Next to nothing.
    Tiny,
    /// Nothing: the namespace's defaults, if any.
    Unsaid,
    /// Just what the refusals name.
    Told,
}

impl Size {
    /// What to try after a refusal; `None` when nothing is left, or resources are not why.
    pub(super) fn next(self, refusal: &str) -> Option<Self> {
        match self {
            Self::Tiny if about_resources(refusal) => Some(Self::Unsaid),
            Self::Unsaid => Some(Self::Told),
            Self::Tiny | Self::Told => None,
        }
    }

    /// `resources` of the container.
    pub(super) fn resources(self, refusals: &[String]) -> Value {
        if self == Self::Unsaid {
            return json!({});
        }
        let mut amounts: BTreeMap<String, String> = BTreeMap::new();
        if self == Self::Told {
            for refusal in refusals {
                learn(refusal, &mut amounts);
            }
        }
        amounts.entry("cpu".to_owned()).or_insert_with(|| CPU.to_owned());
        amounts.entry("memory".to_owned()).or_insert_with(|| MEMORY.to_owned());
        // Equal, so that no ratio of the two is too large.
        json!({"requests": amounts, "limits": amounts})
    }
}

/// A refusal of LimitRanger.
pub(super) fn by_limit_range(text: &str) -> bool {
    text.contains(" usage per ") && (text.contains("minimum ") || text.contains("maximum "))
        || text.contains(" max limit to request ratio per ")
}

/// A refusal for which other requests may help.
fn about_resources(text: &str) -> bool {
    by_limit_range(text) || text.contains("exceeded quota") || text.contains("failed quota")
}

/// The amounts that LimitRanger's texts name: `minimum cpu usage per Container is 50m, but …`, `maximum … is 1.  No limit …`,
/// `cpu max limit to request ratio per Container is 2, but no request …`. What a Pod is to have goes before a Container's.
fn learn(text: &str, amounts: &mut BTreeMap<String, String>) {
    for kind in ["Container", "Pod"] {
        let usage = format!(" usage per {kind} is ");
        for (at, _) in text.match_indices(&usage) {
            let Some(resource) = text[..at].rsplit(' ').next().filter(|resource| !resource.is_empty()) else {
                continue;
            };
            let rest = &text[at + usage.len()..];
            let amount = rest.split([',', ' ', ']']).next().unwrap_or_default().trim_end_matches('.');
            if !amount.is_empty() {
                amounts.insert(resource.to_owned(), amount.to_owned());
            }
        }
    }
    for (at, _) in text.match_indices(" max limit to request ratio per ") {
        let Some(resource) = text[..at].rsplit([' ', '[']).next().filter(|resource| !resource.is_empty()) else {
            continue;
        };
        let least = if resource == "cpu" { CPU } else { MEMORY };
        amounts.entry(resource.to_owned()).or_insert_with(|| least.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refusal_names_is_asked_for() {
        for (refusal, wanted) in [
            ("minimum cpu usage per Container is 50m, but request is 1m", json!({"cpu": "50m", "memory": MEMORY})),
            (
                "[minimum cpu usage per Container is 50m, but request is 1m, minimum memory usage per Container is 64Mi, but request is 4Mi]",
                json!({"cpu": "50m", "memory": "64Mi"}),
            ),
            (
                "[minimum cpu usage per Container is 50m, but request is 1m, minimum cpu usage per Pod is 100m, but request is 1m]",
                json!({"cpu": "100m", "memory": MEMORY}),
            ),
            (
                "maximum ephemeral-storage usage per Pod is 1Gi.  No limit is specified",
                json!({"cpu": CPU, "memory": MEMORY, "ephemeral-storage": "1Gi"}),
            ),
            ("minimum cpu usage per Pod is 1.5.  No request is specified", json!({"cpu": "1.5", "memory": MEMORY})),
            (
                "[ephemeral-storage max limit to request ratio per Container is 2, but no request is specified or request is 0]",
                json!({"cpu": CPU, "memory": MEMORY, "ephemeral-storage": MEMORY}),
            ),
            ("failed quota: compute: must specify limits.cpu for: probe", json!({"cpu": CPU, "memory": MEMORY})),
        ] {
            let resources = Size::Told.resources(&[refusal.to_owned()]);
            assert_eq!(resources, json!({"requests": wanted, "limits": wanted}), "{refusal}");
        }
        assert_eq!(Size::Unsaid.resources(&[]), json!({}));
    }

    #[test]
    fn only_a_refusal_about_resources_is_asked_again() {
        for (refusal, again) in [
            ("minimum cpu usage per Container is 50m, but request is 1m", true),
            ("cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000", true),
            ("exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0", true),
            ("violates PodSecurity \"restricted:latest\": runAsNonRoot != true", false),
            ("unable to create new content in namespace carts because it is being terminated", false),
        ] {
            assert_eq!(Size::Tiny.next(refusal), again.then_some(Size::Unsaid), "{refusal}");
        }
        assert_eq!(Size::Told.next("exceeded quota"), None);
    }
}
