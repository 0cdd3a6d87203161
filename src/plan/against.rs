//! What would make the Pod Identity of one cluster equal to that of another: its agent and its associations.

use std::collections::BTreeMap;

use super::Step;
use crate::model::{
    addon::{Addon, Settings},
    association::{Association, AssociationChange, AssociationSpec, NewAssociation},
    names::ServiceAccount,
    tags,
};

/// The agent's add-on and the associations of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    /// The agent, where it is installed as an add-on.
    pub agent: Option<&'a Addon>,
    /// Every association.
    pub associations: &'a [Association],
}

impl<'a> Side<'a> {
    fn by_subject(self) -> BTreeMap<&'a ServiceAccount, &'a Association> {
        self.associations.iter().map(|it| (&it.summary.subject, it)).collect()
    }
}

/// The steps from one cluster to another, which nobody carries out: they tell the differences. Tags that podid or AWS set belong to
/// one cluster, and are no difference.
pub fn against(own: Side<'_>, other: Side<'_>) -> Vec<Step> {
    let cluster = own.cluster.to_owned();
    let mut steps: Vec<Step> = agent(own, other).into_iter().collect();
    let (mine, theirs) = (own.by_subject(), other.by_subject());
    for (&subject, theirs) in &theirs {
        let (subject, spec) = (subject.clone(), compared(theirs));
        let Some(mine) = mine.get(&subject) else {
            let association = NewAssociation { subject, spec };
            steps.push(Step::CreateAssociation { cluster: cluster.clone(), association });
            continue;
        };
        let present = compared(mine);
        let change = present.diff(&spec);
        if change != AssociationChange::default() {
            steps.push(Step::UpdateAssociation {
                cluster: cluster.clone(),
                association_id: mine.summary.association_id.clone(),
                subject: subject.clone(),
                from_role: mine.role_arn.clone(),
                change,
            });
        }
        let association_arn = &mine.summary.association_arn;
        let tags = present.missing_tags(&spec);
        if !tags.is_empty() {
            let (association_arn, subject) = (association_arn.clone(), subject.clone());
            steps.push(Step::TagAssociation { association_arn, subject, tags });
        }
        let keys: Vec<String> = present.tags.keys().filter(|key| !spec.tags.contains_key(*key)).cloned().collect();
        if !keys.is_empty() {
            steps.push(Step::UntagAssociation { association_arn: association_arn.clone(), subject, keys });
        }
    }
    for (&subject, mine) in mine.iter().filter(|(subject, _)| !theirs.contains_key(*subject)) {
        steps.push(Step::DeleteAssociation {
            cluster: cluster.clone(),
            association_id: mine.summary.association_id.clone(),
            subject: subject.clone(),
            role_arn: mine.role_arn.clone(),
        });
    }
    steps
}

fn agent(own: Side<'_>, other: Side<'_>) -> Option<Step> {
    let cluster = own.cluster.to_owned();
    match (own.agent, other.agent) {
        (None, None) => None,
        (None, Some(theirs)) => Some(Step::InstallAgent {
            cluster,
            version: theirs.version.clone(),
            settings: Settings { configuration: theirs.configuration.clone(), conflicts: None },
        }),
        (Some(mine), None) => Some(Step::RemoveAgent { cluster, version: mine.version.clone() }),
        (Some(mine), Some(theirs)) => {
            let configuration = theirs.configuration.clone().unwrap_or_default();
            let other = !mine.is_configured(&configuration);
            (other || mine.version != theirs.version).then(|| Step::UpdateAgent {
                cluster,
                from: Box::new(mine.clone()),
                version: theirs.version.clone(),
                settings: Settings { configuration: other.then_some(configuration), conflicts: None },
            })
        }
    }
}

fn compared(association: &Association) -> AssociationSpec {
    let mut spec = association.spec();
    spec.tags.retain(|key, _| tags::is_custom(key));
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::{association, subject};

    const ROLE: &str = "arn:aws:iam::111122223333:role/app";

    fn addon(version: &str, configuration: Option<&str>) -> Addon {
        Addon {
            name: "eks-pod-identity-agent".to_owned(),
            version: version.to_owned(),
            status: "ACTIVE".to_owned(),
            issues: Vec::new(),
            configuration: configuration.map(str::to_owned),
            service_account_role: None,
            namespace: None,
            associations: Vec::new(),
        }
    }

    fn told(own: (Option<&Addon>, &[Association]), other: (Option<&Addon>, &[Association])) -> Vec<String> {
        let side = |cluster, (agent, associations)| Side { cluster, agent, associations };
        against(side("green", own), side("blue", other)).iter().map(|step| step.action().to_owned()).collect()
    }

    #[test]
    fn each_difference_is_told_and_its_twin_is_not() {
        type Change = fn(&mut Association);
        let one = association(ROLE);
        let same = std::slice::from_ref(&one);
        assert_eq!(told((None, same), (None, same)), [""; 0]);
        assert_eq!(told((None, &[]), (None, same)), ["createAssociation"]);
        assert_eq!(told((None, same), (None, &[])), ["deleteAssociation"]);
        let rows: &[(Change, &[&str])] = &[
            (|it| it.role_arn.push('2'), &["updateAssociation"]),
            (|it| it.target_role_arn = Some(ROLE.to_owned()), &["updateAssociation"]),
            (|it| it.disable_session_tags = true, &["updateAssociation"]),
            (|it| it.policy = Some("{}".to_owned()), &["updateAssociation"]),
            (|it| _ = it.tags.insert("team".to_owned(), "a".to_owned()), &["tagAssociation"]),
            // What belongs to one cluster alone.
            (|it| it.summary.association_id = "a-other".to_owned(), &[]),
            (|it| _ = it.tags.insert(format!("{}subject", tags::PREFIX), "x".to_owned()), &[]),
            (|it| it.summary.subject = subject("carts/other"), &["createAssociation", "deleteAssociation"]),
        ];
        for (change, wanted) in rows {
            let mut other = one.clone();
            change(&mut other);
            assert_eq!(told((None, same), (None, &[other])), *wanted);
        }
        let mut tagged = one.clone();
        tagged.tags.insert("team".to_owned(), "a".to_owned());
        assert_eq!(told((None, &[tagged]), (None, same)), ["untagAssociation"]);
    }

    #[test]
    fn the_agent_is_compared_by_version_and_by_what_its_configuration_means() {
        let (old, new) = (addon("v1.3.0-eksbuild.1", None), addon("v1.3.1-eksbuild.1", None));
        assert_eq!(told((Some(&old), &[]), (Some(&old), &[])), [""; 0]);
        assert_eq!(told((Some(&old), &[]), (Some(&new), &[])), ["updateAgent"]);
        assert_eq!(told((None, &[]), (Some(&new), &[])), ["installAgent"]);
        assert_eq!(told((Some(&old), &[]), (None, &[])), ["removeAgent"]);
        let empty = addon("v1.3.0-eksbuild.1", Some("{}"));
        assert_eq!(told((Some(&old), &[]), (Some(&empty), &[])), [""; 0]);
        let other = addon("v1.3.0-eksbuild.1", Some(r#"{"replicaCount":2}"#));
        assert_eq!(told((Some(&old), &[]), (Some(&other), &[])), ["updateAgent"]);
    }
}
