//! Plans what a role may do: managed policies, inline policies, access to tables, target roles. The one place for it: flags ask
//! for at least something or take something away, a file says exactly what there is. Only what is missing or differs is written.

mod add_ons;
mod grants;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{Plan, Refusal, RoleOwnership, Step, missing};
use crate::model::{
    add_on_policy::{AddOnGrant, AddOnRemoval},
    arn::Arn,
    document::Document,
    grant::{self, Grant, Removal, Service},
    have::Observed,
    policy::{self, DYNAMODB, MAX_ATTACHED, MAX_INLINE},
    trust::target,
    want::{Access, InlinePolicy, Provenance, TableGrant, Wanted},
};

/// What is wanted of a role's policies, and what is there.
#[derive(Debug, Clone, Copy)]
pub struct Policies<'a> {
    /// Name of the role.
    pub role: &'a str,
    /// Whose role it is. One that the plan creates has no policies yet, whatever was read.
    pub holder: RoleOwnership,
    /// ARNs attached to it.
    pub attached: &'a Observed<Vec<String>>,
    /// All its inline policies: their limit is one for all together.
    pub inline: &'a Observed<BTreeMap<String, Document>>,
    /// Managed policies.
    pub managed: Wanted<'a, String>,
    /// Access to tables; taken away, all of it or one level.
    pub tables: Wanted<'a, TableGrant, (Arn, Option<Access>)>,
    /// Grants of other services.
    pub grants: Wanted<'a, Grant, Removal>,
    /// Where grants are to be exactly these: the services whose list is given.
    pub services: &'a [&'static Service],
    /// What add-ons need, as far as it is podid's own statements.
    pub add_ons: Wanted<'a, AddOnGrant, AddOnRemoval>,
    /// Inline policies; taken away, by their names.
    pub documents: Wanted<'a, InlinePolicy, String>,
    /// ARNs of target roles that it has to be allowed to assume.
    pub targets: &'a [&'a str],
    /// Where at least some access to a resource is wanted: no more than that.
    pub exact: bool,
    /// Grant access to tables that do not exist.
    pub allow_missing: bool,
    /// Where it was asked for.
    pub provenance: Provenance,
}

impl<'a> Policies<'a> {
    /// Everything stays: to be completed by what is wanted.
    pub fn keep(
        role: &'a str,
        holder: RoleOwnership,
        (attached, inline): (&'a Observed<Vec<String>>, &'a Observed<BTreeMap<String, Document>>),
        provenance: Provenance,
    ) -> Self {
        Self {
            role,
            holder,
            attached,
            inline,
            managed: Wanted::Keep,
            tables: Wanted::Keep,
            grants: Wanted::Keep,
            services: &[],
            add_ons: Wanted::Keep,
            documents: Wanted::Keep,
            targets: &[],
            exact: false,
            allow_missing: false,
            provenance,
        }
    }

    fn is_new(&self) -> bool {
        self.holder == RoleOwnership::New
    }

    /// Where a value goes that is not known as it is now.
    fn known<'s, T>(
        &self,
        seen: &'s Observed<T>,
        none: &'s T,
        what: &str,
        permissions: &str,
    ) -> Result<&'s T, Refusal> {
        let why = match seen {
            _ if self.is_new() => return Ok(none),
            Observed::Known(value) => return Ok(value),
            Observed::Unreadable(why) => why.as_str(),
            Observed::NotRequested => "they were not read",
        };
        Err(Refusal::denied(format!("cannot read the {what} of role `{}`: {why}", self.role))
            .hint(format!("allow {permissions}: without reading the policies, podid could overwrite what they grant")))
    }

    fn put(&self, name: String, before: Option<Document>, after: Document) -> Step {
        Step::PutPolicy { role: self.role.to_owned(), name, before, after, holder: self.holder }
    }
}

/// Plans the policies of a role.
///
/// # Errors
/// When what would be written over could not be read, a table does not exist, or IAM's limit is exceeded.
pub fn policies(ask: &Policies<'_>) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    managed(ask, &mut plan)?;
    inline(ask, &mut plan)?;
    Ok(plan)
}

fn managed(ask: &Policies<'_>, plan: &mut Plan) -> Result<(), Refusal> {
    if ask.managed.is_nothing() {
        return Ok(());
    }
    let (role, none) = (ask.role, Vec::new());
    let before: &Vec<String> = match (&ask.managed, ask.attached) {
        (Wanted::Exactly(_), attached) => {
            ask.known(attached, &none, "attached policies", "iam:ListAttachedRolePolicies")?
        }
        _ if ask.is_new() => &none,
        (_, Observed::Known(attached)) => attached,
        (_, Observed::NotRequested) => &none,
        // Neither attaching twice nor detaching what is not attached does harm, so that not knowing does none.
        (_, Observed::Unreadable(why)) => {
            plan.warn(format!("attached policies not checked: {why}"));
            &none
        }
    };
    let mut after = before.clone();
    match &ask.managed {
        Wanted::Keep => {}
        Wanted::AtLeast(wanted) => after.extend(wanted.iter().cloned()),
        Wanted::Exactly(wanted) => after = wanted.to_vec(),
        Wanted::Without(gone) => {
            let unread = ask.attached.unreadable().is_some();
            for policy_arn in *gone {
                if unread || before.contains(policy_arn) {
                    plan.steps.push(Step::DetachPolicy { role: role.to_owned(), policy_arn: policy_arn.clone() });
                } else {
                    plan.warn(format!("{policy_arn} is not attached to role `{role}`"));
                }
            }
            return Ok(());
        }
    }
    let mut seen: Vec<&String> = before.iter().collect();
    for policy_arn in &after {
        if !seen.contains(&policy_arn) {
            seen.push(policy_arn);
            let (role, policy_arn, holder) = (role.to_owned(), policy_arn.clone(), ask.holder);
            plan.steps.push(Step::AttachPolicy { role, policy_arn, holder });
        }
    }
    let count = seen.iter().filter(|arn| after.contains(arn)).count();
    if count > MAX_ATTACHED && !plan.steps.is_empty() {
        plan.warn(format!(
            "role `{role}` would have {count} managed policies; the quota is {MAX_ATTACHED} unless it was raised: detach one, or combine several in one policy",
        ));
    }
    for policy_arn in before.iter().filter(|arn| !after.contains(arn)) {
        plan.steps.push(Step::DetachPolicy { role: role.to_owned(), policy_arn: policy_arn.clone() });
    }
    Ok(())
}

fn inline(ask: &Policies<'_>, plan: &mut Plan) -> Result<(), Refusal> {
    let asked = [
        ask.tables.is_nothing(),
        ask.grants.is_nothing(),
        ask.add_ons.is_nothing(),
        ask.documents.is_nothing(),
        ask.targets.is_empty(),
    ];
    if asked == [true; 5] {
        return Ok(());
    }
    let none = BTreeMap::new();
    let before = ask.known(ask.inline, &none, "inline policies", "iam:ListRolePolicies and iam:GetRolePolicy")?;
    let mut after = before.clone();
    documents(ask, &mut after, plan);
    tables(ask, before.get(DYNAMODB), &mut after, plan)?;
    grants::grants(ask, before.get(grant::POLICY), &mut after, plan);
    add_ons::add_ons(ask, &mut after, plan);
    for target in ask.targets {
        if !after.values().any(|document| target::grants(document, target)) {
            let granting = target::granting(after.get(target::POLICY), target);
            after.insert(target::POLICY.to_owned(), granting);
        }
    }
    write(ask, before, after, plan)
}

fn documents(ask: &Policies<'_>, after: &mut BTreeMap<String, Document>, plan: &mut Plan) {
    match ask.documents {
        Wanted::Keep => {}
        Wanted::Without(names) => {
            for name in names {
                if after.remove(name).is_none() {
                    plan.warn(format!("role `{}` has no inline policy `{name}`", ask.role));
                }
            }
        }
        Wanted::AtLeast(wanted) | Wanted::Exactly(wanted) => {
            if matches!(ask.documents, Wanted::Exactly(_)) {
                // The list is the whole list, but for the policies that podid keeps for itself.
                after.retain(|name, _| policy::is_podids(name));
            }
            for InlinePolicy { name, document } in wanted {
                for warning in policy::warnings(name, document) {
                    plan.warn(warning);
                }
                after.insert(name.clone(), document.clone());
            }
        }
    }
}

fn tables(
    ask: &Policies<'_>,
    before: Option<&Document>,
    after: &mut BTreeMap<String, Document>,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let document = match ask.tables {
        Wanted::Keep | Wanted::AtLeast([]) => return Ok(()),
        Wanted::AtLeast(grants) => {
            missing::tables(grants, before, ask.allow_missing, plan)?;
            if ask.exact {
                Some(policy::reduced(before, grants))
            } else {
                more_than_asked(ask.role, before, grants, plan);
                Some(policy::merged(before, grants))
            }
        }
        Wanted::Exactly(grants) => {
            missing::tables(grants, before, ask.allow_missing, plan)?;
            policy::exactly(before, grants)
        }
        Wanted::Without(gone) => {
            // The policy as a whole may have been named too.
            let Some(left) = after.get(DYNAMODB).cloned() else {
                if before.is_none() {
                    for (table, access) in gone {
                        not_granted(ask.role, table, *access, plan);
                    }
                }
                return Ok(());
            };
            without(ask.role, left, gone, plan)
        }
    };
    match document {
        Some(document) => after.insert(DYNAMODB.to_owned(), document),
        None => after.remove(DYNAMODB),
    };
    Ok(())
}

/// Least privilege is told of: what an earlier run granted stays, and is more than what is asked for now.
fn more_than_asked(role: &str, before: Option<&Document>, grants: &[TableGrant], plan: &mut Plan) {
    for grant in grants {
        let asked = |access: Access| grants.iter().any(|other| other.table == grant.table && other.access == access);
        for wider in policy::wider(before, grant).into_iter().filter(|wider| !asked(*wider)) {
            plan.warn(format!(
                "role `{role}` already grants {wider} on table {}: pass `--exact` to reduce it to {}",
                grant.table.name(),
                grant.access
            ));
        }
    }
}

fn without(role: &str, document: Document, gone: &[(Arn, Option<Access>)], plan: &mut Plan) -> Option<Document> {
    let mut left = Some(document);
    for (table, access) in gone {
        let after = left.as_ref().and_then(|document| policy::without(document, table, *access));
        if after == left {
            not_granted(role, table, *access, plan);
        }
        left = after;
    }
    left
}

fn not_granted(role: &str, table: &Arn, access: Option<Access>, plan: &mut Plan) {
    let access = access.map_or(String::new(), |access| format!(" of access `{access}`"));
    plan.warn(format!("role `{role}` has no statement{access} from podid for table {table}"));
}

fn write(
    ask: &Policies<'_>,
    before: &BTreeMap<String, Document>,
    after: BTreeMap<String, Document>,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let role = ask.role;
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    let mut steps: Vec<Step> = gone
        .map(|(name, document)| {
            let (role, name, before) = (role.to_owned(), name.clone(), Some(document.clone()));
            Step::DeletePolicy { role, name, before }
        })
        .collect();
    let too_large = too_large(ask, &after);
    for (name, document) in after {
        let present = before.get(&name);
        if !present.is_some_and(|present| policy::same_meaning(present, &document)) {
            steps.push(ask.put(name, present.cloned(), document));
        }
    }
    // What is over the limit already and stays as it is, is IAM's and not podid's affair.
    match too_large {
        Some(refusal) if steps.iter().any(|step| matches!(step, Step::PutPolicy { .. })) => return Err(refusal),
        _ => plan.steps.extend(steps),
    }
    Ok(())
}

/// The largest are named: it is they that can become managed policies.
fn too_large(ask: &Policies<'_>, after: &BTreeMap<String, Document>) -> Option<Refusal> {
    let mut sizes: Vec<(usize, &String)> = after.iter().map(|(name, document)| (document.size(), name)).collect();
    let size: usize = sizes.iter().map(|(size, _)| size).sum();
    if size <= MAX_INLINE {
        return None;
    }
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let largest: Vec<String> = sizes.iter().take(3).map(|(size, name)| format!("{name} {size}")).collect();
    let message = format!(
        "the inline policies of role `{}` would have {size} characters together; the IAM limit is {MAX_INLINE} (largest: {})",
        ask.role,
        largest.join(", ")
    );
    Some(Refusal::new(message).hint(match ask.provenance {
        Provenance::Flags => "create a managed policy from one of them, and attach it with `--policy-arn`",
        Provenance::File => "create a managed policy from one of them, and list its ARN under `policies.managed`",
    }))
}
