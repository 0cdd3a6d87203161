//! Plans the associations that an EKS add-on owns: UpdateAddon takes them as one list, which replaces the one before.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Kind, Plan, Refusal, Step, role::Planned};
use crate::model::{
    addon::{AGENT, Addon, AddonAssociation, AddonIdentity, OwningAddon},
    arn::last,
    association::{Association, add_on},
    cluster::Cluster,
    have::{Have, Observed},
    names::ServiceAccount,
    text,
    want::Want,
};

/// UpdateAddon with the associations that the add-on owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonStep {
    /// Cluster name.
    pub cluster: String,
    /// The add-on, as it was read.
    pub addon: Addon,
    /// Whose association changes.
    pub subject: ServiceAccount,
    /// Id of its association, when it has one.
    pub association_id: Option<String>,
    /// Its role before.
    pub before: Option<String>,
    /// Its role afterwards; none: it has no association.
    pub after: Option<String>,
    /// All associations of the add-on, as they were read.
    pub present: Vec<AddonAssociation>,
    /// All associations of the add-on afterwards.
    pub wanted: Vec<AddonAssociation>,
    /// The role of IRSA that the update states.
    pub service_account_role: Option<String>,
}

impl AddonStep {
    fn new(cluster: &Cluster, owning: &OwningAddon, subject: &ServiceAccount, after: Option<&str>) -> Self {
        let own = owning.associations.iter().find(|a| a.summary.subject == *subject);
        let present = AddonAssociation::list(&owning.associations);
        let mut wanted: Vec<_> = present.iter().filter(|a| a.service_account != subject.name).cloned().collect();
        wanted.extend(
            after.map(|role| AddonAssociation { service_account: subject.name.clone(), role_arn: role.to_owned() }),
        );
        wanted.sort();
        Self {
            cluster: cluster.name.clone(),
            addon: owning.addon.clone(),
            subject: subject.clone(),
            association_id: own.map(|a| a.summary.association_id.clone()),
            before: own.map(|a| a.role_arn.clone()),
            after: after.map(str::to_owned),
            present,
            wanted,
            service_account_role: owning.addon.service_account_role.clone(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        if self.after.is_some() { Kind::Update } else { Kind::Delete }
    }

    /// One imperative line.
    pub(super) fn describe(&self) -> String {
        let (subject, addon) = (&self.subject, &self.addon.name);
        match (self.before.as_deref().map(last), self.after.as_deref().map(last)) {
            (Some(before), Some(after)) => {
                format!("change the role of {subject} from {before} to {after} through add-on {addon}")
            }
            (None, Some(after)) => format!("associate {subject} with role {after} through add-on {addon}"),
            (Some(before), None) => {
                format!("delete the association of {subject} (role {before}) through add-on {addon}")
            }
            (None, None) => format!("leave {subject} without an association through add-on {addon}"),
        }
    }

    /// One line in the past tense.
    pub(super) fn done(&self) -> String {
        format!("asked EKS to {}", self.describe())
    }
}

/// The service account of an add-on that is meant: the one that is named, or the only one.
///
/// # Errors
/// When the version supports none, several are there and none is named, or the named one is not among them.
pub fn identity<'a>(
    addon: &Addon,
    identities: &'a [AddonIdentity],
    named: Option<&str>,
) -> Result<&'a AddonIdentity, Refusal> {
    let (name, version) = (&addon.name, &addon.version);
    let known = || identities.iter().map(|it| it.service_account.as_str());
    match (identities, named) {
        ([], _) if name == AGENT => {
            Err(Refusal::new(format!("add-on `{AGENT}` takes no association: it uses the role of its node")))
        }
        ([], _) => Err(Refusal::new(format!("add-on `{name}` {version} does not support Pod Identity"))),
        (_, Some(named)) => identities.iter().find(|it| it.service_account == named).ok_or_else(|| {
            let refusal = Refusal::new(format!("add-on `{name}` {version} has no service account `{named}`"));
            let refusal = match text::meant(&text::nearest(named, known())) {
                Some(question) => refusal.hint(question),
                None => refusal,
            };
            refusal.hint(format!("it has: {}", known().collect::<Vec<_>>().join(", ")))
        }),
        ([only], None) => Ok(only),
        (_, None) => Err(Refusal::new(format!(
            "add-on `{name}` has several service accounts: {}",
            known().collect::<Vec<_>>().join(", ")
        ))
        .hint("name one with `--service-account`")),
    }
}

/// Plans one association of the add-on.
pub(super) fn associate(
    want: &Want,
    owning: &OwningAddon,
    have: &Have,
    role: &Planned,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let (subject, name) = (&want.subject, &owning.addon.name);
    recommended(want, owning, have, plan);
    let present = match &have.association {
        Observed::Known(present) => present.as_ref(),
        Observed::NotRequested => return Err(Refusal::new(format!("the association of {subject} was not read"))),
        Observed::Unreadable(why) => {
            return Err(Refusal::new(format!("cannot read the association of {subject}: {why}")));
        }
    };
    if let Some(present) = present {
        owned_by(name, subject, present)?;
    }
    let arn = role.arn.to_string();
    if present.is_some_and(|present| present.role_arn == arn) {
        return Ok(());
    }
    idle(&owning.addon)?;
    let mut step = AddonStep::new(&want.cluster, owning, subject, Some(&arn));
    if let Some(irsa) = owning.addon.service_account_role.as_deref().filter(|_| present.is_none()) {
        if !owning.replace_irsa {
            return Err(Refusal::new(format!("add-on `{name}` uses role {irsa} with IRSA (serviceAccountRoleArn)"))
                .hint(format!(
                    "with an association its new pods use role {} instead, and EKS may detach {} from the add-on",
                    role.name,
                    last(irsa)
                ))
                .hint("to replace IRSA, pass `--replace-irsa`"));
        }
        plan.warn(format!(
            "add-on `{name}` leaves IRSA: its pods use role {} instead of {}, which EKS may detach from the add-on",
            role.name,
            last(irsa)
        ));
        plan.warn(format!(
            "to go back: `aws eks update-addon --cluster-name {} --addon-name {name} --service-account-role-arn {irsa} \
             --pod-identity-associations '[]'` (the list replaces all of the add-on's associations)",
            want.cluster.name
        ));
        step.service_account_role = None;
    }
    plan.warn(format!("EKS restarts the pods of add-on `{name}`"));
    keeps(owning, subject, plan);
    plan.steps.push(Step::UpdateAddon(Box::new(step)));
    Ok(())
}

/// Plans the end of an association of the add-on.
pub(super) fn disassociate(
    cluster: &Cluster,
    owning: &OwningAddon,
    (subject, association): (&ServiceAccount, &Association),
    plan: &mut Plan,
) -> Result<(), Refusal> {
    owned_by(&owning.addon.name, subject, association)?;
    idle(&owning.addon)?;
    keeps(owning, subject, plan);
    let then = match &owning.addon.service_account_role {
        Some(irsa) => format!("role {} (IRSA)", last(irsa)),
        None => "the role of their node, unless the service account has an IRSA role".to_owned(),
    };
    plan.warn(format!("EKS restarts the pods of add-on `{}`: they then use {then}", owning.addon.name));
    plan.steps.push(Step::UpdateAddon(Box::new(AddonStep::new(cluster, owning, subject, None))));
    Ok(())
}

/// An add-on cannot take over an association that exists (EKS User Guide, add-ons-iam).
fn owned_by(name: &str, subject: &ServiceAccount, association: &Association) -> Result<(), Refusal> {
    let owner = association.summary.owner_arn.as_deref();
    let role = last(&association.role_arn);
    match owner.map(|owner| add_on(owner).unwrap_or(owner)) {
        Some(owner) if owner == name => Ok(()),
        Some(owner) => Err(Refusal::new(format!(
            "the association of {subject} (role {role}) belongs to add-on `{owner}`, not to `{name}`"
        ))
        .hint(format!("delete it first: `podid addon disassociate {owner} --service-account {}`", subject.name))),
        None => Err(Refusal::new(format!(
            "{subject} has an association (role {role}) that add-on `{name}` does not own, and EKS cannot hand it over"
        ))
        .hint(format!("delete it: `podid disassociate {subject}`"))),
    }
}

/// EKS refuses an update while another one is under way.
fn idle(addon: &Addon) -> Result<(), Refusal> {
    if !addon.is_changing() {
        return Ok(());
    }
    let Addon { name, version, status, .. } = addon;
    Err(Refusal::new(format!("add-on `{name}` {version} is {status}: another change is in progress"))
        .hint(format!("wait until `podid addon show {name}` shows ACTIVE, then run the same command again")))
}

/// The list of UpdateAddon carries roles alone.
fn keeps(owning: &OwningAddon, subject: &ServiceAccount, plan: &mut Plan) {
    let others = owning.associations.iter().filter(|a| a.summary.subject != *subject);
    for other in others.filter(|a| a.target_role_arn.is_some() || a.policy.is_some() || a.disable_session_tags) {
        let of = &other.summary.subject;
        plan.warn(format!(
            "the association of {of} has more than a role, which EKS may reset with this update: check it with `podid show {of}`"
        ));
    }
}

/// A role that is there may lack what EKS recommends: said, never attached in passing.
fn recommended(want: &Want, owning: &OwningAddon, have: &Have, plan: &mut Plan) {
    if want.role.create {
        return;
    }
    let name = want.role.role.name();
    match &have.attached {
        Observed::Known(attached) => {
            for policy in owning.policies.iter().filter(|policy| !attached.contains(policy)) {
                plan.warn(format!("role `{name}` does not have the policy that EKS recommends, {policy}"));
            }
        }
        Observed::Unreadable(why) => plan.warn(format!("policies of role `{name}` not checked: {why}")),
        Observed::NotRequested => {}
    }
}
