//! What `podid copy` tells of the roles of the associations: where their policies name the other cluster, and what their target roles
//! have to trust.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::Selected;
use crate::{
    commands::shared,
    context::Context,
    failure::Result,
    model::{
        arn::{Arn, last},
        association::Association,
        cluster::Cluster,
        document::Document,
        have::Observed,
        names::ServiceAccount,
        policy::same_meaning,
        snapshot::RoleView,
        trust::{self, target},
    },
};

/// A place that names the other cluster, and not the one that is copied to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OldName {
    /// Name of the role; of a session policy `NAMESPACE/SERVICE_ACCOUNT`.
    subject: String,
    /// Which of its documents.
    policy: String,
    /// Where in it.
    place: String,
}

/// What a target role's trust policy needs for one association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetTrust {
    #[serde(flatten)]
    subject: ServiceAccount,
    target_role_arn: String,
    statements: Vec<Value>,
}

/// The places that name the other cluster, each told in a warning. A statement for Pod Identity in the trust policy of an
/// association's role is none: the plan has one for this cluster beside it.
pub(super) fn old_names(ctx: &Context, old: &Arn, new: &Arn, selected: &Selected<'_>) -> Vec<OldName> {
    let mut found = BTreeSet::new();
    let mut look = |subject: &str, policy: String, document: &Document, passes: &dyn Fn(&Value) -> bool| {
        for place in trust::cluster_names(document, old, new, passes) {
            found.insert(OldName { subject: subject.to_owned(), policy: policy.clone(), place });
        }
    };
    let mut unread = BTreeSet::new();
    for (arn, view) in &selected.roles {
        if !selected.going.iter().any(|it| it.role_arn == *arn || it.target_role_arn.as_ref() == Some(arn)) {
            continue;
        }
        let name = last(arn);
        if let Observed::Known(Some(role)) = &view.role {
            look(name, "trust policy".to_owned(), &role.trust, &allows_pods);
        }
        match (&view.role, &view.documents) {
            // That the role is missing or elsewhere is another matter.
            (Observed::Known(Some(_)), Observed::Unreadable(why)) => {
                unread.insert(format!("role `{name}` not checked for the name of cluster {}: {why}", old.name()));
            }
            (_, Observed::Known(documents)) => {
                for (policy, document) in &documents.identity {
                    let managed = policy.starts_with("arn:");
                    let policy = if managed { policy.clone() } else { format!("inline policy `{policy}`") };
                    look(name, policy, document, &|_| false);
                }
                if let Some((arn, document)) = &documents.boundary {
                    look(name, format!("permissions boundary {arn}"), document, &|_| false);
                }
            }
            _ => {}
        }
    }
    for it in &selected.going {
        let policy = it.policy.as_deref().and_then(|text| serde_json::from_str(text).ok()).map(Document);
        if let Some(document) = policy {
            look(&it.summary.subject.to_string(), "session policy".to_owned(), &document, &|_| false);
        }
    }
    for why in unread {
        ctx.term.warn(why);
    }
    for OldName { subject, policy, place } in &found {
        let (old, new) = (old.name(), new.name());
        let new = if new == old { "the new cluster" } else { new };
        ctx.term.warn(format!(
            "`{subject}`: {policy}, {place} names cluster {old} and not {new}: pods in {new} may be denied what pods in {old} are allowed"
        ));
    }
    found.into_iter().collect()
}

fn allows_pods(statement: &Value) -> bool {
    let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    allows && trust::trusts_pods(&trust::document(statement.clone()))
}

/// The statements that target roles need and that were not seen there, each told.
///
/// # Errors
/// When an association cannot be read.
pub(super) async fn target_trust(
    ctx: &Context,
    cluster: &Cluster,
    selected: &Selected<'_>,
    now: &[Association],
) -> Result<Vec<TargetTrust>> {
    let mut all = Vec::new();
    for theirs in &selected.going {
        let subject = &theirs.summary.subject;
        let (Some(target_arn), Ok(primary)) = (&theirs.target_role_arn, theirs.role_arn.parse::<Arn>()) else {
            continue;
        };
        let mine = now.iter().find(|it| it.summary.subject == *subject);
        let external_id = match mine {
            Some(mine) if mine.disable_session_tags && mine.external_id.is_none() => {
                // The external id is read back, never built.
                let read = ctx.eks()?.association(&mine.summary.cluster_name, &mine.summary.association_id);
                let read = ctx.deadline.within("reading the association's external id", read).await?;
                read.and_then(|it| it.external_id)
            }
            mine => mine.and_then(|it| it.external_id.clone()),
        };
        let link = target::Link {
            cluster,
            subject,
            primary: &primary,
            session_tags: !theirs.disable_session_tags,
            external_id: external_id.as_deref(),
        };
        let statements = target::target_statements(&link);
        if selected.roles.get(target_arn).is_some_and(|view| trusted(view, &statements)) {
            continue;
        }
        shared::tell_target_trust(ctx, target_arn, &statements);
        all.push(TargetTrust { subject: subject.clone(), target_role_arn: target_arn.clone(), statements });
    }
    Ok(all)
}

fn trusted(view: &RoleView, statements: &[Value]) -> bool {
    let Observed::Known(Some(role)) = &view.role else { return false };
    target::with_target(&role.trust, statements).is_ok_and(|after| same_meaning(&role.trust, &after))
}
