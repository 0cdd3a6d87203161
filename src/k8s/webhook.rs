//! The registration of the webhook that injects pods.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use kube::{Api, Client, api::ListParams};

use super::{convert, list::list};
use crate::model::webhook::{Target, Webhook};

/// The webhooks that inject pods: one, where all is well.
pub(super) async fn webhooks(client: &Client) -> Result<Vec<Webhook>, kube::Error> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let all = list(&api, &ListParams::default()).await?.items;
    let of = |configuration: MutatingWebhookConfiguration| {
        let name = configuration.metadata.name.unwrap_or_default();
        let hooks = configuration.webhooks.unwrap_or_default().into_iter();
        hooks.filter(|hook| Webhook::is_it(&name, &hook.name)).map(|hook| webhook(&name, hook)).collect::<Vec<_>>()
    };
    Ok(all.into_iter().flat_map(of).collect())
}

fn webhook(configuration: &str, hook: MutatingWebhook) -> Webhook {
    let any = |names: Option<&Vec<String>>, wanted: &[&str]| {
        names.is_some_and(|names| names.iter().any(|name| wanted.contains(&name.as_str())))
    };
    let for_new_pods = hook.rules.iter().flatten().any(|rule| {
        any(rule.operations.as_ref(), &["CREATE", "*"])
            && any(rule.api_groups.as_ref(), &["", "*"])
            && any(rule.resources.as_ref(), &["pods", "*", "*/*"])
    });
    let config = hook.client_config;
    let target = match (config.url, config.service) {
        (Some(url), _) => Target::Url(url),
        (None, service) => {
            let service = service.unwrap_or_default();
            let ca = config.ca_bundle.is_some_and(|bundle| !bundle.0.is_empty());
            Target::Service { name: format!("{}/{}", service.namespace, service.name), ca }
        }
    };
    Webhook {
        configuration: configuration.to_owned(),
        name: hook.name,
        target,
        for_new_pods,
        objects: hook.object_selector.as_ref().map(convert::selector).unwrap_or_default(),
        namespaces: hook.namespace_selector.as_ref().map(convert::selector).unwrap_or_default(),
        conditions: hook.match_conditions.is_some_and(|conditions| !conditions.is_empty()),
        fails_closed: hook.failure_policy.as_deref() != Some("Ignore"),
    }
}
