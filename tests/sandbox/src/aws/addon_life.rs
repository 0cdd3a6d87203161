//! The life of add-ons from CREATING to gone, and the DaemonSet that the agent's one applies.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Aws,
    catalog::{AGENT, default_namespace},
    ms,
    wire::epoch,
};
use crate::{State, scenario::Scenario};

/// An installed add-on.
#[derive(Debug, Clone)]
pub struct Addon {
    /// `eks-pod-identity-agent`.
    pub name: String,
    /// Cluster name.
    pub cluster: String,
    /// `v1.3.10-eksbuild.1`.
    pub version: String,
    /// `CREATING`, `ACTIVE`, …
    pub status: String,
    /// Its ARN.
    pub arn: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Configuration values.
    pub configuration: Option<String>,
    /// IRSA role ARN.
    pub service_account_role: Option<String>,
    /// `namespaceConfig.namespace`.
    pub namespace: Option<String>,
    /// Health issues: code, message, resource ids.
    pub issues: Vec<(String, String, Vec<String>)>,
    /// Its updates, in order.
    pub updates: Vec<Update>,
    pub(super) detaches_irsa: bool,
    /// Service accounts whose pods the change under way restarts.
    pub(super) rolling: Vec<String>,
    pub(super) resolve_conflicts: String,
    pub(super) preserve: bool,
    /// When the change under way was asked for.
    pub(super) since: Timestamp,
    /// When its objects were applied to the cluster.
    pub(super) applied_at: Option<Timestamp>,
    /// Steps of the world in which its replicas were missed after EKS's patience was over.
    pub(super) missed: u32,
}

/// An update of an add-on.
#[derive(Debug, Clone)]
pub struct Update {
    /// A uuid.
    pub id: String,
    /// `InProgress`, `Successful`, `Failed`.
    pub status: String,
    /// What was asked: type and value.
    pub params: Vec<(String, String)>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Why it failed: code and message.
    pub errors: Vec<(String, String)>,
}

impl Update {
    pub(super) fn json(&self) -> Value {
        let params: Vec<_> = self.params.iter().map(|(kind, value)| json!({"type": kind, "value": value})).collect();
        let errors: Vec<_> =
            self.errors.iter().map(|(code, message)| json!({"errorCode": code, "errorMessage": message})).collect();
        json!({
            "id": self.id, "status": self.status, "type": "AddonUpdate", "params": params,
            "createdAt": epoch(self.created_at), "errors": errors,
        })
    }
}

impl Addon {
    /// The namespace of its objects.
    pub(super) fn place(&self) -> &str {
        self.namespace.as_deref().unwrap_or_else(|| default_namespace(&self.name))
    }

    pub(super) fn json(&self, aws: &Aws) -> Value {
        let issues: Vec<_> = self
            .issues
            .iter()
            .map(|(code, message, ids)| json!({"code": code, "message": message, "resourceIds": ids}))
            .collect();
        let mut out = json!({
            "addonName": self.name,
            "clusterName": self.cluster,
            "status": self.status,
            "addonVersion": self.version,
            "health": {"issues": issues},
            "addonArn": self.arn,
            "createdAt": epoch(self.created_at),
            "modifiedAt": epoch(self.modified_at),
            "tags": self.tags,
        });
        let owned: Vec<_> = aws.owned_by(&self.arn).into_iter().map(|id| aws.associations[&id].arn.clone()).collect();
        if !owned.is_empty() {
            out["podIdentityAssociations"] = json!(owned);
        }
        if let Some(role) = &self.service_account_role {
            out["serviceAccountRoleArn"] = json!(role);
        }
        if let Some(namespace) = &self.namespace {
            out["namespaceConfig"] = json!({"namespace": namespace});
        }
        if let Some(configuration) = &self.configuration {
            out["configurationValues"] = json!(configuration);
        }
        out
    }

    /// Ends the change under way as the DaemonSet (wanted and ready pods) tells; `late` when EKS's patience is over.
    fn judge(&mut self, there: Option<(u64, u64)>, late: bool, now: Timestamp) {
        let issue = match there {
            Some((desired, ready)) if desired == ready => {
                self.issues.clear();
                self.finish("ACTIVE", "Successful", now);
                return;
            }
            Some(_) => (
                "InsufficientNumberOfReplicas",
                "The add-on is unhealthy because it doesn't have the desired number of replicas.",
            ),
            None => ("K8sResourceNotFound", "The add-on is unhealthy because its DaemonSet does not exist."),
        };
        if self.status == "DEGRADED" || !late {
            return;
        }
        // The clock may have been turned: the controllers get steps of their own before they are judged.
        if self.missed < STEPS {
            self.missed += 1;
            return;
        }
        self.issues = vec![(issue.0.to_owned(), issue.1.to_owned(), Vec::new())];
        self.finish("DEGRADED", "Successful", now);
    }

    fn finish(&mut self, status: &str, update: &str, now: Timestamp) {
        status.clone_into(&mut self.status);
        self.modified_at = now;
        if let Some(last) = self.updates.last_mut().filter(|last| last.status == "InProgress") {
            update.clone_into(&mut last.status);
        }
    }
}

/// A field that somebody else set, as EKS reports it.
fn conflict(field: &str) -> (String, String) {
    let message = format!(
        "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts: DaemonSet.apps {AGENT} - {field}"
    );
    ("ConfigurationConflict".to_owned(), message)
}

/// Steps that missing replicas get after a turn of the clock.
const STEPS: u32 = 20;

/// Moves add-ons along their life.
pub(crate) fn step(state: &mut State, scenario: &Scenario, now: Timestamp) {
    state.aws.forget(now);
    let delay = ms(state.aws.delays.addon);
    // EKS reports missing replicas only after it has given them a while.
    let patience = (delay * 10).max(SignedDuration::from_millis(100));
    // Pods that it restarts for an association are to find it in effect.
    let spread = ms(state.aws.delays.association.iter().copied().max().unwrap_or_default());
    let first = scenario.cluster().name.as_str();
    let mut gone = Vec::new();
    for (key, addon) in &mut state.aws.addons {
        let agent = addon.name == AGENT && addon.cluster == first;
        let rolling = addon.cluster == first && !addon.rolling.is_empty();
        let due = now >= addon.since + delay + if rolling { spread } else { SignedDuration::ZERO };
        let there = match agent {
            true => state.kube.daemon_set("kube-system", AGENT),
            false if rolling => Some((1, u64::from(state.kube.rolled_out(addon.place(), &addon.rolling)))),
            false => Some((0, 0)),
        };
        match addon.status.as_str() {
            "DELETING" if due => {
                if agent && !addon.preserve {
                    state.kube.remove_agent(now);
                }
                gone.push(key.clone());
            }
            "CREATING" | "UPDATING" if due && addon.applied_at.is_none() => {
                let creating = addon.status == "CREATING";
                if creating && agent && there.is_some() && addon.resolve_conflicts != "OVERWRITE" {
                    let (code, message) = conflict(".spec.template.spec.containers");
                    addon.issues = vec![(code, message, Vec::new())];
                    addon.finish("CREATE_FAILED", "Failed", now);
                    continue;
                }
                let changed = if !creating && agent { state.kube.agent_changed(now) } else { None };
                match changed {
                    Some(field) if addon.resolve_conflicts == "NONE" => {
                        let (code, message) = conflict(&field);
                        if let Some(update) = addon.updates.last_mut() {
                            update.errors = vec![(code.clone(), message.clone())];
                        }
                        addon.issues = vec![(code, message, Vec::new())];
                        addon.finish("UPDATE_FAILED", "Failed", now);
                        continue;
                    }
                    _ if agent => {
                        let preserve = addon.resolve_conflicts == "PRESERVE";
                        state.kube.set_agent(&addon.version, addon.configuration.as_deref(), preserve, now);
                    }
                    _ if rolling => state.kube.roll(addon.place(), &addon.rolling, now),
                    _ => {}
                }
                addon.applied_at = Some(now);
                addon.missed = 0;
            }
            "CREATING" | "UPDATING" | "DEGRADED" => {
                let Some(applied) = addon.applied_at else { continue };
                if now < applied + delay {
                    continue;
                }
                addon.judge(there, now >= applied + patience, now);
            }
            _ => {}
        }
    }
    for key in gone {
        if let Some(addon) = state.aws.addons.remove(&key).filter(|addon| !addon.preserve) {
            for id in state.aws.owned_by(&addon.arn) {
                state.aws.remove_association(&id, now);
            }
        }
    }
}
