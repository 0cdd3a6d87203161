//! What a role of a file may do. A list that is given is the whole list: what is not in it goes.

use super::Work;
use crate::{
    model::{
        manifest::{Entry, Role, RoleState, Table},
        policy::TableText,
        want::{Field, Indexes, InlinePolicy, Provenance, TableGrant, Wanted},
    },
    plan::{
        Refusal,
        policies::{self, Policies},
        role::Planned,
    },
};

impl Work<'_> {
    pub(super) fn policies(
        &mut self,
        entry: &Entry<Role>,
        role: &Planned,
        have: &RoleState,
        targets: &[&str],
    ) -> Result<(), Refusal> {
        let wanted = &entry.value.policies;
        let tables = match &wanted.dynamodb {
            Field::Set(tables) => self.grants(tables)?,
            Field::Unmanaged | Field::Cleared => Vec::new(),
        };
        let (services, grants) = (wanted.grants.services(), wanted.grants.at(&self.ask.cluster.arn));
        let inline = wanted.inline.set().map(Vec::as_slice).unwrap_or_default();
        let documents: Vec<InlinePolicy> = inline
            .iter()
            .filter_map(|one| Some(InlinePolicy { name: one.name.clone(), document: one.source.document()?.clone() }))
            .collect();
        let policies = policies::policies(&Policies {
            managed: whole(&wanted.managed, wanted.managed.set().map(Vec::as_slice).unwrap_or_default()),
            tables: whole(&wanted.dynamodb, &tables),
            grants: if services.is_empty() { Wanted::Keep } else { Wanted::Exactly(&grants) },
            services: &services,
            documents: whole(&wanted.inline, &documents),
            targets,
            allow_missing: self.ask.allow.resources,
            ..Policies::keep(&role.name, role.holder, (&have.attached, &have.inline), Provenance::File)
        })?;
        self.plan.merge(policies);
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

/// A list that is given is the whole list; one that is left away stays.
fn whole<'a, T, G, F>(field: &Field<F>, list: &'a [T]) -> Wanted<'a, T, G> {
    if field.is_unmanaged() { Wanted::Keep } else { Wanted::Exactly(list) }
}
