//! What a role of a file may do. A list that is given is the whole list: what is not in it goes.

use std::collections::BTreeMap;

use super::Work;
use crate::{
    model::{
        document::Document,
        have::Seen,
        manifest::{Entry, Inline, Role, RoleHoldings, Table},
        policy::{self, DYNAMODB, MAX_ATTACHED, MAX_INLINE, TableText},
        trust::target,
        want::{Field, Indexes, TableGrant},
    },
    plan::{Refusal, Step, missing, role::Planned},
};

impl Work<'_> {
    pub(super) fn policies(
        &mut self,
        entry: &Entry<Role>,
        role: &Planned,
        have: &RoleHoldings,
        targets: &[&str],
    ) -> Result<(), Refusal> {
        self.managed(&entry.value.policies.managed, role, have)?;
        self.inline(entry, role, have, targets)
    }

    fn managed(&mut self, wanted: &Field<Vec<String>>, role: &Planned, have: &RoleHoldings) -> Result<(), Refusal> {
        let nothing = Vec::new();
        let wanted = match wanted {
            Field::Unmanaged => return Ok(()),
            Field::Set(list) => list,
            Field::Cleared => &nothing,
        };
        let attached = if role.is_new() { &nothing } else { known(&have.attached, role, "attached policies")? };
        let name = &role.name;
        for policy_arn in wanted.iter().filter(|arn| !attached.contains(arn)) {
            let (role, policy_arn, holder) = (name.clone(), policy_arn.clone(), role.holder);
            self.plan.steps.push(Step::AttachPolicy { role, policy_arn, holder });
        }
        for policy_arn in attached.iter().filter(|arn| !wanted.contains(arn)) {
            self.plan.steps.push(Step::DetachPolicy { role: name.clone(), policy_arn: policy_arn.clone() });
        }
        if wanted.len() > MAX_ATTACHED && wanted.len() > attached.len() {
            self.plan.warn(format!(
                "role `{name}` would have {} managed policies; the quota is {MAX_ATTACHED} unless it was raised",
                wanted.len()
            ));
        }
        Ok(())
    }

    fn inline(
        &mut self,
        entry: &Entry<Role>,
        role: &Planned,
        have: &RoleHoldings,
        targets: &[&str],
    ) -> Result<(), Refusal> {
        let policies = &entry.value.policies;
        if policies.dynamodb.is_unmanaged() && policies.inline.is_unmanaged() && targets.is_empty() {
            return Ok(());
        }
        let nothing = BTreeMap::new();
        let before = if role.is_new() { &nothing } else { known(&have.inline, role, "inline policies")? };
        let mut after = before.clone();
        match &policies.inline {
            Field::Unmanaged => {}
            Field::Set(list) => listed(list, &mut after),
            Field::Cleared => listed(&[], &mut after),
        }
        for policy in policies.inline.set().into_iter().flatten() {
            for warning in
                policy.source.document().map(|document| policy::warnings(&policy.name, document)).unwrap_or_default()
            {
                self.plan.warn(warning);
            }
        }
        let tables = match &policies.dynamodb {
            Field::Unmanaged => None,
            Field::Set(tables) => Some(tables.as_slice()),
            Field::Cleared => Some(&[][..]),
        };
        if let Some(tables) = tables {
            let grants = self.grants(tables)?;
            missing::tables(&grants, before.get(DYNAMODB), self.ask.allow.resources, &mut self.plan)?;
            match policy::exactly(before.get(DYNAMODB), &grants) {
                Some(document) => after.insert(DYNAMODB.to_owned(), document),
                None => after.remove(DYNAMODB),
            };
        }
        for arn in targets {
            if !after.values().any(|document| target::grants(document, arn)) {
                let granting = target::granting(after.get(target::POLICY), arn);
                after.insert(target::POLICY.to_owned(), granting);
            }
        }
        self.writes(role, before, after)
    }

    fn writes(
        &mut self,
        role: &Planned,
        before: &BTreeMap<String, Document>,
        after: BTreeMap<String, Document>,
    ) -> Result<(), Refusal> {
        let size: usize = after.values().map(Document::size).sum();
        let (name, mut steps) = (&role.name, Vec::new());
        for (policy, document) in before.iter().filter(|(policy, _)| !after.contains_key(*policy)) {
            let (role, name, before) = (name.clone(), policy.clone(), Some(document.clone()));
            steps.push(Step::DeletePolicy { role, name, before });
        }
        for (policy, document) in after {
            let present = before.get(&policy);
            if present.is_some_and(|present| policy::same_meaning(present, &document)) {
                continue;
            }
            steps.push(Step::PutPolicy {
                role: name.clone(),
                name: policy,
                before: present.cloned(),
                after: document,
                holder: role.holder,
            });
        }
        if size > MAX_INLINE && !steps.is_empty() {
            return Err(Refusal::new(format!(
                "the inline policies of role `{name}` would have {size} characters together, IAM takes {MAX_INLINE}"
            ))
            .hint("make a managed policy of some of it and list its ARN under `policies.managed`"));
        }
        self.plan.steps.extend(steps);
        Ok(())
    }

    fn grants(&self, tables: &[Table]) -> Result<Vec<TableGrant>, Refusal> {
        let home = &self.ask.cluster.arn;
        let grant = |table: &Table| {
            let text: TableText = table.table.parse().map_err(|e| Refusal::new(format!("table: {e}")))?;
            let arn = text.at(&home.partition, &home.region, &home.account);
            let key = table.kms_key.clone().or_else(|| self.ask.have.keys.get(&arn).cloned());
            Ok(TableGrant {
                access: table.access,
                indexes: table.indexes.clone().map_or(Indexes::All, Indexes::These),
                leading_keys: table.leading_keys.clone(),
                key,
                missing: self.ask.have.missing.get(&arn).cloned(),
                table: arn,
            })
        };
        tables.iter().map(grant).collect()
    }
}

/// The list is the whole list, except for the policies that podid keeps for tables and target roles.
fn listed(list: &[Inline], after: &mut BTreeMap<String, Document>) {
    after.retain(|name, _| policy::RESERVED.contains(&name.as_str()));
    let documents = list.iter().filter_map(|policy| Some((policy.name.clone(), policy.source.document()?.clone())));
    after.extend(documents);
}

/// What was not read is not written over.
fn known<'a, T>(seen: &'a Seen<T>, role: &Planned, what: &str) -> Result<&'a T, Refusal> {
    let why = match seen {
        Seen::Read(value) => return Ok(value),
        Seen::Unreadable(why) => why.as_str(),
        Seen::NotAsked => "they were not read",
    };
    Err(Refusal::denied(format!("cannot read the {what} of role `{}`: {why}", role.name))
        .hint("writing them unread could lose what they grant"))
}
