//! The webhook's registration: whether new pods of the service account reach the webhook that injects them.

use super::{Check, Finding, Follows, Link, Status, restart};
use crate::model::{
    have::Observed,
    selector::Labels,
    snapshot::Snapshot,
    staleness::SKIP_LABEL,
    text::listed,
    webhook::{CONFIGURATION, NAME, Target, URL, Webhook},
    workload::{Injection, Pod},
};

pub(super) static CHECKS: &[&Check] = &[&PASSED, &MISSING, &NOT_CALLED, &TARGET];

const SOURCES: &[&str] = &[
    "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html",
    "https://github.com/aws/amazon-eks-pod-identity-webhook",
];

static PASSED: Check = Check {
    id: "webhook.ok",
    link: Link::Webhook,
    title: "new pods reach the webhook that injects them",
    background: "The API server calls the webhook of the MutatingWebhookConfiguration pod-identity-webhook whenever a pod is created. EKS creates it with the cluster, and runs the webhook itself.",
    sources: SOURCES,
    follows: Follows::Nothing,
};

static MISSING: Check = Check {
    id: "webhook.missing",
    link: Link::Webhook,
    title: "the webhook that injects pods is not registered",
    background: "The MutatingWebhookConfiguration pod-identity-webhook does not exist. New pods are created without credentials, and no error is reported. Running pods keep their credentials until they are replaced.",
    sources: SOURCES,
    follows: Follows::Nothing,
};

static NOT_CALLED: Check = Check {
    id: "webhook.not-called",
    link: Link::Webhook,
    title: "the API server does not call the webhook for these pods",
    background: "The rules, namespaceSelector and objectSelector of a webhook decide for which objects the API server calls it. It is never called for a pod that they exclude.",
    sources: &["https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/"],
    follows: Follows::Nothing,
};

static TARGET: Check = Check {
    id: "webhook.target",
    link: Link::Webhook,
    title: "the webhook is registered with the wrong address",
    background: "EKS runs the webhook beside its API servers. A registration that was restored from another cluster, or that was left by a manual installation, sends the API server to another address. With failurePolicy Ignore, pods are then created without credentials.",
    sources: &["https://github.com/awsdocs/amazon-eks-user-guide/issues/894"],
    follows: Follows::Nothing,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(association) = snapshot.associated() else { return Vec::new() };
    // It proves that the webhook was reached.
    let injected =
        |pod: &&Pod| restart::too_early(pod, association).is_none() && pod.injection() == Injection::Injected;
    registered(snapshot, snapshot.live_pods().iter().any(injected))
}

/// What there is to say of the registration. `injected`: a pod was made after the association, and has its settings.
fn registered(snapshot: &Snapshot, injected: bool) -> Vec<Finding> {
    let hooks = match &snapshot.webhooks {
        Observed::Known(hooks) => hooks,
        Observed::Unreadable(why) => return vec![PASSED.skips(subject(CONFIGURATION), why)],
        Observed::NotRequested => return Vec::new(),
    };
    if hooks.is_empty() {
        let running = if injected { "; the running pods were injected before it was removed" } else { "" };
        return vec![
            MISSING
                .fails("the cluster", format!("the webhook that injects pods is not registered{running}"))
                .evidence("MutatingWebhookConfigurations", format!("no {CONFIGURATION}, and no webhook {NAME}"))
                .change(format!(
                    "restore the MutatingWebhookConfiguration {CONFIGURATION} from a backup (webhook {NAME}, url {URL}, caBundle of this cluster), or contact AWS Support"
                )),
        ];
    }
    // Any one of them injects.
    let judged = hooks.iter().map(|hook| judge(snapshot, hook, injected));
    judged.min_by_key(|finding| finding.status).into_iter().collect()
}

fn subject(configuration: &str) -> String {
    format!("MutatingWebhookConfiguration {configuration}")
}

fn judge(snapshot: &Snapshot, hook: &Webhook, injected: bool) -> Finding {
    let subject = subject(&hook.configuration);
    let source = format!("webhook {}", hook.name);
    let look = format!("kubectl get mutatingwebhookconfigurations {} -o yaml", hook.configuration);
    let namespace = snapshot.subject.namespace.as_str();
    if !hook.for_new_pods {
        return NOT_CALLED
            .fails(subject, "its rules do not include CREATE of pods")
            .evidence(source, "rules")
            .change("restore the rule that EKS sets: operations CREATE, apiGroups \"\", apiVersions v1, resources pods")
            .command(look);
    }
    if hook.covers(namespace) == Some(false) {
        return NOT_CALLED
            .fails(subject, format!("its namespaceSelector excludes namespace {namespace}"))
            .evidence(source, "namespaceSelector")
            .change("remove the namespaceSelector: EKS sets none")
            .command(look);
    }
    // The label by which a pod opts out is a check of its own.
    let without = |labels: &Labels| {
        let mut labels = labels.clone();
        labels.remove(SKIP_LABEL);
        labels
    };
    let pods = snapshot.live_pods();
    let left_out: Vec<&str> =
        pods.iter().filter(|pod| !hook.objects.matches(&without(&pod.labels))).map(|pod| pod.name.as_str()).collect();
    if !left_out.is_empty() {
        return NOT_CALLED
            .fails(subject, format!("its objectSelector excludes pods: {}", listed(&left_out, 3)))
            .evidence(source, "objectSelector")
            .change(format!("restore the objectSelector that EKS sets: {SKIP_LABEL} DoesNotExist"))
            .command(look);
    }
    match &hook.target {
        Target::Url(url) if url != URL && !injected => {
            return TARGET
                .fails(subject, format!("its url is {url}, but EKS runs the webhook at {URL}"))
                .evidence(source, url)
                .change(format!("set its clientConfig.url to {URL}"))
                .command(look);
        }
        Target::Service { name, ca: false } => {
            return TARGET
                .finds(
                    if injected { Status::Warning } else { Status::Failed },
                    subject,
                    format!("it has no caBundle for Service {name}, so the API server rejects the certificate"),
                )
                .evidence(source, "clientConfig")
                .change(format!("set caBundle to the CA of Service {name}"))
                .command(look);
        }
        Target::Url(_) | Target::Service { .. } => {}
    }
    let mut more = String::new();
    if hook.covers(namespace).is_none() {
        more += "; its namespaceSelector uses labels that podid does not read";
    }
    if hook.conditions {
        more += "; only the API server can evaluate its matchConditions";
    }
    let policy = if hook.fails_closed { "failurePolicy Fail" } else { "failurePolicy Ignore" };
    PASSED.ok(subject, format!("registered for new pods ({policy}){more}")).evidence(source, "its rules and selectors")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        fixtures::{at, subject},
        selector::Selector,
        workload::Expression,
    };

    fn hook() -> Webhook {
        Webhook {
            configuration: CONFIGURATION.to_owned(),
            name: NAME.to_owned(),
            target: Target::Url(URL.to_owned()),
            for_new_pods: true,
            objects: Selector::default(),
            namespaces: Selector::default(),
            conditions: false,
            fails_closed: false,
        }
    }

    fn told(hooks: Vec<Webhook>, injected: bool) -> (&'static str, Status) {
        let mut snapshot = Snapshot::unread(subject("carts/carts"), at(0), Arc::default());
        snapshot.webhooks = Observed::Known(hooks);
        let found = registered(&snapshot, injected);
        (found[0].check.id, found[0].status)
    }

    #[test]
    fn what_keeps_the_webhook_from_being_called() {
        let elsewhere = || Target::Url("https://10.0.0.9/mutate".to_owned());
        let service = |ca| Target::Service { name: "kube-system/hook".to_owned(), ca };
        let other = Selector {
            expressions: vec![Expression {
                key: "kubernetes.io/metadata.name".to_owned(),
                operator: "NotIn".to_owned(),
                values: vec!["carts".to_owned()],
            }],
            ..Selector::default()
        };
        let ok = ("webhook.ok", Status::Ok);
        let failed = |id| (id, Status::Failed);
        assert_eq!(told(vec![hook()], false), ok);
        assert_eq!(told(vec![], true), failed("webhook.missing"));
        assert_eq!(told(vec![Webhook { for_new_pods: false, ..hook() }], true), failed("webhook.not-called"));
        assert_eq!(told(vec![Webhook { namespaces: other, ..hook() }], true), failed("webhook.not-called"));
        assert_eq!(told(vec![Webhook { target: elsewhere(), ..hook() }], false), failed("webhook.target"));
        // A pod that it injected proves that it is reached.
        assert_eq!(told(vec![Webhook { target: elsewhere(), ..hook() }], true), ok);
        assert_eq!(told(vec![Webhook { target: service(true), ..hook() }], false), ok);
        assert_eq!(told(vec![Webhook { target: service(false), ..hook() }], false), failed("webhook.target"));
        // One of two is enough.
        assert_eq!(told(vec![Webhook { for_new_pods: false, ..hook() }, hook()], false), ok);
    }
}
