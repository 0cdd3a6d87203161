//! What is there, as a file that plans nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Agent, Association as Wanted, ClusterState, Grants, Inline, Manifest, Metadata, Policies, Role as WantedRole,
    RoleState, Source, Table, Tags,
};
use crate::model::{
    add_on_policy,
    addon::Addon,
    arn::{Arn, last},
    association::Association,
    cluster::Cluster,
    document::Document,
    grant, ownership,
    policy::{self, DYNAMODB},
    role::{PATH, Role, tags as keys},
    tags, trust,
    want::{Field, Indexes, Scope, TableGrant},
};

/// The roles that podid created for the cluster, by name: those that are written with all they hold.
pub fn made_for<'a>(cluster: &Cluster, have: &'a ClusterState) -> BTreeMap<&'a str, (&'a Role, &'a RoleState)> {
    let known =
        have.roles.iter().filter_map(|(name, held)| Some((name.as_str(), (held.role.known()?.as_ref()?, held))));
    known.filter(|(_, (role, _))| ownership::is_created_for(&role.tags, &cluster.arn)).collect()
}

/// The file of what is held, and what it cannot tell, one line each. Roles that podid did not make are named by ARN.
pub fn export(cluster: &Cluster, have: &ClusterState) -> (Manifest, Vec<String>) {
    let mut notes = Vec::new();
    let made = made_for(cluster, have);
    let mut associations = Vec::new();
    let mut users: BTreeMap<&str, Vec<&Association>> = BTreeMap::new();
    for association in have.associations.values() {
        let name = last(&association.role_arn);
        let defined = made.get(name).filter(|(role, _)| role.arn.to_string() == association.role_arn);
        if defined.is_some() {
            users.entry(name).or_default().push(association);
        }
        associations.push(wanted(association, defined.is_some()));
    }
    let mut roles = Vec::new();
    for (name, (role, held)) in &made {
        let used = users.get(name).map(Vec::as_slice).unwrap_or_default();
        let scope = scope(cluster, role, used);
        if used.is_empty() && !matches!(scope, Some(Scope::Cluster | Scope::None)) {
            notes.push(format!(
                "role `{name}` is omitted: no association uses it, and it trusts no other service account"
            ));
            continue;
        }
        let exported = role_of(cluster, role, held, scope);
        let left = [
            (DYNAMODB, exported.policies.dynamodb.is_unmanaged()),
            (grant::POLICY, exported.policies.grants.0.is_empty()),
        ];
        let there = |policy: &str| held.inline.known().is_some_and(|all| all.contains_key(policy));
        for (policy, _) in left.into_iter().filter(|(policy, left)| *left && there(policy)) {
            notes.push(format!(
                "inline policy `{policy}` of role `{name}` is omitted: it has statements that podid did not create; `podid apply` leaves it unchanged"
            ));
        }
        let add_ons = held.inline.known().into_iter().flatten().map(|(name, _)| name);
        for policy in add_ons.filter(|policy| add_on_policy::is_inline(policy)) {
            notes.push(format!(
                "inline policy `{policy}` of role `{name}` is left out: a manifest has no add-ons; `podid apply` keeps it as it is"
            ));
        }
        roles.push(exported);
    }
    let exported: BTreeSet<&str> = roles.iter().map(|role| role.name.as_str()).collect();
    let tagged = made.values().filter(|(role, _)| exported.contains(role.name.as_str())).map(|(role, _)| &role.tags);
    let tagged = tagged.chain(
        have.associations.values().map(|a| &a.tags).filter(|tags| ownership::is_created_for(tags, &cluster.arn)),
    );
    let names: BTreeSet<Option<&String>> = tagged.map(|tags| tags.get(keys::MANIFEST)).collect();
    let name = if names.len() == 1 { names.into_iter().next().flatten().cloned() } else { None };
    let manifest = Manifest {
        metadata: Metadata { name },
        cluster: Some(cluster.name.clone()),
        region: Some(cluster.arn.region.clone()),
        agent: have.addon.known().and_then(Option::as_ref).map(|addon| agent(addon, &mut notes)),
        roles,
        associations,
        ..Manifest::default()
    };
    (manifest, notes)
}

fn agent(addon: &Addon, notes: &mut Vec<String>) -> Agent {
    let configuration = configuration(addon.configuration.as_deref()).unwrap_or_else(|| {
        notes.push("the agent's configuration is omitted: it is not JSON".to_owned());
        Field::Unmanaged
    });
    Agent { version: Some(addon.version.clone()), configuration }
}

/// A configuration of the agent that is given as text; `None` where it is not JSON. None and an empty one are not asked for.
pub fn configuration(text: Option<&str>) -> Option<Field<Value>> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    match text.map(serde_json::from_str::<Value>) {
        Some(Ok(Value::Object(fields))) if fields.is_empty() => Some(Field::Unmanaged),
        Some(Ok(value @ Value::Object(_))) => Some(Field::Set(value)),
        Some(_) => None,
        None => Some(Field::Unmanaged),
    }
}

/// The user's own tags.
pub fn custom_tags(tags: &BTreeMap<String, String>) -> Field<Tags> {
    let theirs = tags.iter().filter(|(key, _)| tags::is_custom(key));
    let found: Tags = theirs.map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    if found.is_empty() { Field::Unmanaged } else { Field::Set(found) }
}

/// An association whose role is named by its ARN.
pub fn referenced(association: &Association) -> Wanted {
    wanted(association, false)
}

fn wanted(association: &Association, defined: bool) -> Wanted {
    let policy = association.policy.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Wanted {
        service_account: association.summary.subject.to_string(),
        role: if defined { last(&association.role_arn).to_owned() } else { association.role_arn.clone() },
        target_role: Field::from(association.target_role_arn.clone()),
        disable_session_tags: Field::switch(association.disable_session_tags),
        session_policy: Field::from(policy.map(|value| Source::Document(Document(value)))),
        tags: custom_tags(&association.tags),
        create_service_account: None,
    }
}

/// The one scope of podid's statements for the users of a role; `None` where it is the one that podid takes by itself, or
/// where they differ.
fn scope(cluster: &Cluster, role: &Role, users: &[&Association]) -> Option<Scope> {
    let nobody = crate::model::names::ServiceAccount { namespace: String::new(), name: String::new() };
    let of = |subject, tags: bool| trust::own_scope(&role.trust, cluster, subject, tags);
    if users.is_empty() {
        return of(&nobody, true);
    }
    let mut stated = users
        .iter()
        .filter(|a| trust::has_podid_statement(&role.trust, cluster, &a.summary.subject))
        .map(|a| of(&a.summary.subject, !a.disable_session_tags));
    let first = stated.next().flatten()?;
    let own = users.iter().all(|a| trust::default_scope(!a.disable_session_tags) == first);
    (stated.all(|scope| scope == Some(first)) && !own).then_some(first)
}

fn role_of(cluster: &Cluster, role: &Role, held: &RoleState, scope: Option<Scope>) -> WantedRole {
    let inline = held.inline.known();
    let grants = inline.and_then(|all| all.get(DYNAMODB)).and_then(policy::granted);
    let dynamodb = grants.unwrap_or_default().into_iter().map(|grant| table(cluster, grant)).collect::<Vec<_>>();
    let granted = inline.and_then(|all| all.get(grant::POLICY)).and_then(grant::granted);
    // podid's own policies follow from the tables and the associations.
    let others = inline.into_iter().flatten().filter(|(name, _)| !policy::is_podids(name));
    let others = others
        .map(|(name, document)| Inline { name: name.clone(), source: Source::Document(document.clone()) })
        .collect::<Vec<_>>();
    WantedRole {
        name: role.name.clone(),
        path: Some(role.path.clone()).filter(|path| path != PATH),
        scope,
        permissions_boundary: Field::from(role.permissions_boundary.clone()),
        tags: custom_tags(&role.tags),
        policies: Policies {
            dynamodb: Field::listed(dynamodb),
            grants: Grants::of(&granted.unwrap_or_default(), &cluster.arn),
            managed: Field::listed(held.attached.known().cloned().unwrap_or_default()),
            inline: Field::listed(others),
        },
    }
}

fn table(cluster: &Cluster, grant: TableGrant) -> Table {
    let TableGrant { table, access, indexes, leading_keys, key, missing: _ } = grant;
    Table {
        table: short(&table, &cluster.arn),
        access,
        indexes: match indexes {
            Indexes::All => None,
            Indexes::These(names) => Some(names),
        },
        leading_keys,
        kms_key: key,
    }
}

/// The table as users name it.
fn short(table: &Arn, home: &Arn) -> String {
    let name = table.name();
    if table.partition != home.partition || table.account != home.account {
        table.to_string()
    } else if table.region == home.region {
        name.to_owned()
    } else {
        format!("{}:{name}", table.region)
    }
}
