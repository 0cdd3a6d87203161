//! Plans policies on a role that is there, and taking them off again. Only what is missing or differs is written; only what
//! is named goes.

use std::collections::BTreeMap;

use super::{Holder, Plan, Refusal, Step, missing};
use crate::model::{
    arn::Arn,
    document::Document,
    have::Seen,
    policy::{self, DYNAMODB, MAX_ATTACHED, MAX_INLINE},
    role::Role,
    want::{Access, InlinePolicy, TableGrant},
};

/// What is to be on a role, and what is.
#[derive(Debug, Clone, Copy)]
pub struct Attach<'a> {
    /// Name of the role.
    pub role: &'a str,
    /// Whose role it is.
    pub holder: Holder,
    /// ARNs attached to it.
    pub attached: &'a Seen<Vec<String>>,
    /// All its inline policies.
    pub inline: &'a Seen<BTreeMap<String, Document>>,
    /// Access to tables.
    pub tables: &'a [TableGrant],
    /// Managed policies.
    pub policy_arns: &'a [String],
    /// Inline policies.
    pub files: &'a [InlinePolicy],
    /// Grant access to tables that do not exist.
    pub allow_missing: bool,
}

/// What is to go from a role, and what is there.
#[derive(Debug, Clone, Copy)]
pub struct Detach<'a> {
    /// The role.
    pub role: &'a Role,
    /// ARNs attached to it.
    pub attached: &'a Seen<Vec<String>>,
    /// All its inline policies.
    pub inline: &'a Seen<BTreeMap<String, Document>>,
    /// Tables, with one access level or all.
    pub tables: &'a [(Arn, Option<Access>)],
    /// Managed policies.
    pub policy_arns: &'a [String],
    /// Names of inline policies.
    pub names: &'a [String],
}

/// Plans policies on a role.
///
/// # Errors
/// When its inline policies could not be read, or would be larger than IAM takes.
pub fn attach(ask: &Attach<'_>) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let role = ask.role;
    managed(ask, &mut plan);
    if ask.tables.is_empty() && ask.files.is_empty() {
        return Ok(plan);
    }
    let before = read(ask.inline, role)?;
    let mut after = before.clone();
    if !ask.tables.is_empty() {
        missing::tables(ask.tables, before.get(DYNAMODB), ask.allow_missing, &mut plan)?;
        after.insert(DYNAMODB.to_owned(), policy::merged(before.get(DYNAMODB), ask.tables));
    }
    for file in ask.files {
        for warning in policy::warnings(&file.name, &file.document) {
            plan.warn(warning);
        }
        after.insert(file.name.clone(), file.document.clone());
    }
    let steps: Vec<Step> = after
        .iter()
        .filter(|(name, document)| !before.get(*name).is_some_and(|before| policy::same_meaning(before, document)))
        .map(|(name, document)| Step::PutPolicy {
            role: role.to_owned(),
            name: name.clone(),
            before: before.get(name).cloned(),
            after: document.clone(),
            holder: ask.holder,
        })
        .collect();
    let size: usize = after.values().map(Document::size).sum();
    if size > MAX_INLINE && !steps.is_empty() {
        return Err(too_large(role, size, &after));
    }
    plan.steps.extend(steps);
    Ok(plan)
}

fn managed(ask: &Attach<'_>, plan: &mut Plan) {
    if ask.policy_arns.is_empty() {
        return;
    }
    let role = ask.role;
    if let Seen::Unreadable(why) = ask.attached {
        // Attaching twice is no error, so that not knowing does no harm.
        plan.warn(format!("attached policies not checked: {why}"));
    }
    let mut attached: Vec<&String> = ask.attached.read().into_iter().flatten().collect();
    for policy_arn in ask.policy_arns {
        if !attached.contains(&policy_arn) {
            attached.push(policy_arn);
            plan.steps.push(Step::AttachPolicy {
                role: role.to_owned(),
                policy_arn: policy_arn.clone(),
                holder: ask.holder,
            });
        }
    }
    if attached.len() > MAX_ATTACHED && !plan.steps.is_empty() {
        plan.warn(format!(
            "role `{role}` would have {} managed policies; the quota is {MAX_ATTACHED} unless it was raised: detach one, or \
             put several into one policy",
            attached.len()
        ));
    }
}

fn read<'a>(
    inline: &'a Seen<BTreeMap<String, Document>>,
    role: &str,
) -> Result<&'a BTreeMap<String, Document>, Refusal> {
    let why = match inline {
        Seen::Read(inline) => return Ok(inline),
        Seen::Unreadable(why) => why.as_str(),
        Seen::NotAsked => "they were not read",
    };
    Err(Refusal::denied(format!("cannot read the inline policies of role `{role}`: {why}"))
        .hint("writing them unread could lose what they grant: allow iam:ListRolePolicies and iam:GetRolePolicy"))
}

/// The largest are named: it is they that can become managed policies.
fn too_large(role: &str, size: usize, after: &BTreeMap<String, Document>) -> Refusal {
    let mut sizes: Vec<(usize, &String)> = after.iter().map(|(name, document)| (document.size(), name)).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let largest: Vec<String> = sizes.iter().take(3).map(|(size, name)| format!("{name} {size}")).collect();
    Refusal::new(format!(
        "the inline policies of role `{role}` would have {size} characters together, IAM takes {MAX_INLINE} (largest: {})",
        largest.join(", ")
    ))
    .hint("make a managed policy of one of them, and attach it with `--policy-arn`")
}

/// Plans taking policies off a role.
///
/// # Errors
/// When what it rests on could not be read.
pub fn detach(ask: &Detach<'_>) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let role = &ask.role.name;
    if let (Seen::Unreadable(why), false) = (ask.attached, ask.policy_arns.is_empty()) {
        plan.warn(format!("attached policies not checked: {why}"));
    }
    for policy_arn in ask.policy_arns {
        if ask.attached.read().is_some_and(|attached| !attached.contains(policy_arn)) {
            plan.warn(format!("{policy_arn} is not attached to role `{role}`"));
        } else {
            // Unread, it is asked for all the same: detaching what is not attached does no harm.
            plan.steps.push(Step::DetachPolicy { role: role.clone(), policy_arn: policy_arn.clone() });
        }
    }
    if ask.tables.is_empty() && ask.names.is_empty() {
        return Ok(plan);
    }
    let inline = read(ask.inline, role)?;
    let delete = |name: &str, before: &Document| Step::DeletePolicy {
        role: role.clone(),
        name: name.to_owned(),
        before: Some(before.clone()),
    };
    for name in ask.names {
        match inline.get(name) {
            Some(before) => plan.steps.push(delete(name, before)),
            None => plan.warn(format!("role `{role}` has no inline policy `{name}`")),
        }
    }
    if !ask.tables.is_empty() && !ask.names.iter().any(|name| name == DYNAMODB) {
        tables(ask, inline.get(DYNAMODB), &delete, &mut plan);
    }
    Ok(plan)
}

fn tables(ask: &Detach<'_>, before: Option<&Document>, delete: &dyn Fn(&str, &Document) -> Step, plan: &mut Plan) {
    let role = &ask.role.name;
    let mut left = before.cloned();
    for (table, access) in ask.tables {
        let after = left.as_ref().and_then(|document| policy::without(document, table, *access));
        if after == left {
            let access = access.map_or(String::new(), |access| format!(" of access `{access}`"));
            plan.warn(format!("podid put no statement{access} for table {table} on role `{role}`"));
        }
        left = after;
    }
    match (before, left) {
        (Some(before), None) => plan.steps.push(delete(DYNAMODB, before)),
        (Some(before), Some(after)) if *before != after => plan.steps.push(Step::PutPolicy {
            role: role.clone(),
            name: DYNAMODB.to_owned(),
            before: Some(before.clone()),
            after,
            holder: Holder::Shared,
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{fixtures, policy::parse_table};

    const ARN: &str = "arn:aws:iam::aws:policy/A";

    fn grant(text: &str) -> TableGrant {
        parse_table(text, "aws", "us-west-2", "111122223333").unwrap()
    }

    fn file(name: &str, resource: &str) -> InlinePolicy {
        let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource});
        InlinePolicy { name: name.to_owned(), document: Document(json!({"Statement": statement})) }
    }

    fn role() -> Role {
        fixtures::role("app", Document(json!({})))
    }

    fn inline(policies: &[(&str, Document)]) -> Seen<BTreeMap<String, Document>> {
        Seen::Read(policies.iter().map(|(name, document)| ((*name).to_owned(), document.clone())).collect())
    }

    fn ids(plan: &Plan) -> Vec<String> {
        plan.steps.iter().map(Step::id).collect()
    }

    #[test]
    fn only_what_is_missing_or_differs_is_written() {
        let (tables, files, arns) = ([grant("carts")], [file("s3", "arn:aws:s3:::b/*")], [ARN.to_owned()]);
        let plan = |attached: &[&str], there: &[(&str, Document)]| {
            let attached = Seen::Read(attached.iter().map(|arn| (*arn).to_owned()).collect());
            let inline = inline(there);
            let ask = Attach {
                role: "app",
                holder: Holder::Shared,
                attached: &attached,
                inline: &inline,
                tables: &tables,
                policy_arns: &arns,
                files: &files,
                allow_missing: false,
            };
            attach(&ask).unwrap()
        };
        let all = [format!("attach-policy/{ARN}"), "put-policy/podid-dynamodb".to_owned(), "put-policy/s3".to_owned()];
        let dynamodb = policy::dynamodb(&tables);
        assert_eq!(ids(&plan(&[], &[])), all);
        assert_eq!(ids(&plan(&[ARN], &[])), all[1..]);
        assert_eq!(ids(&plan(&[ARN], &[(DYNAMODB, dynamodb.clone())])), all[2..]);
        assert!(plan(&[ARN], &[(DYNAMODB, dynamodb.clone()), ("s3", files[0].document.clone())]).is_empty());
        let other = file("s3", "arn:aws:s3:::c/*").document;
        let update = plan(&[ARN], &[(DYNAMODB, dynamodb), ("s3", other.clone())]);
        assert!(matches!(&update.steps[..], [Step::PutPolicy { before: Some(before), .. }] if *before == other));
    }

    #[test]
    fn the_limit_is_one_over_all_inline_policies() {
        let large = |characters: usize| file("x", &"x".repeat(characters)).document;
        let plan = |there: &[(&str, Document)]| {
            let (attached, inline, files) = (Seen::NotAsked, inline(there), [file("s3", "arn:aws:s3:::b/*")]);
            let ask = Attach {
                role: "app",
                holder: Holder::Shared,
                attached: &attached,
                inline: &inline,
                tables: &[],
                policy_arns: &[],
                files: &files,
                allow_missing: false,
            };
            attach(&ask)
        };
        let mine = file("s3", "arn:aws:s3:::b/*").document.size();
        let around = large(0).size();
        let room = MAX_INLINE - mine - 2 * around;
        assert!(plan(&[("a", large(room / 2)), ("b", large(room - room / 2))]).is_ok());
        let refusal = plan(&[("a", large(room / 2)), ("b", large(room - room / 2 + 1))]).unwrap_err();
        assert!(refusal.message.contains("would have 10241 characters together, IAM takes 10240 (largest: b "));
        // One that is over the limit already and stays as it is, is IAM's and not podid's affair.
        let there = [("a", large(MAX_INLINE)), ("s3", file("s3", "arn:aws:s3:::b/*").document)];
        assert!(plan(&there).unwrap().is_empty());
    }

    #[test]
    fn what_was_not_read_is_not_written_over() {
        let (role, unread) = (role(), Seen::Unreadable("not allowed: x".to_owned()));
        let tables = [grant("carts")];
        let ask = Attach {
            role: "app",
            holder: Holder::Shared,
            attached: &Seen::NotAsked,
            inline: &unread,
            tables: &tables,
            policy_arns: &[],
            files: &[],
            allow_missing: false,
        };
        assert!(attach(&ask).unwrap_err().message.contains("not allowed: x"));
        let named = [(tables[0].table.clone(), None)];
        let ask = Detach {
            role: &role,
            attached: &Seen::NotAsked,
            inline: &unread,
            tables: &named,
            policy_arns: &[],
            names: &[],
        };
        assert!(detach(&ask).is_err());
    }

    #[test]
    fn exactly_what_is_named_goes() {
        let role = role();
        let (carts, orders) = (grant("carts"), grant("orders=write"));
        let both = policy::dynamodb(&[carts.clone(), orders.clone()]);
        let inline =
            inline(&[(DYNAMODB, both.clone()), ("s3", file("s3", "x").document), ("t", file("t", "x").document)]);
        let attached = Seen::Read(vec![ARN.to_owned()]);
        let plan = |tables: &[(Arn, Option<Access>)], arns: &[&str], names: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
            let ask = Detach {
                role: &role,
                attached: &attached,
                inline: &inline,
                tables,
                policy_arns: &owned(arns),
                names: &owned(names),
            };
            detach(&ask).unwrap()
        };
        let some = plan(&[(carts.table.clone(), None)], &[ARN], &["s3"]);
        assert_eq!(
            ids(&some),
            [format!("detach-policy/{ARN}"), "delete-policy/s3".to_owned(), "put-policy/podid-dynamodb".to_owned()]
        );
        assert!(
            matches!(&some.steps[2], Step::PutPolicy { after, .. } if policy::same_meaning(after, &policy::dynamodb(std::slice::from_ref(&orders))))
        );
        let every = plan(&[(carts.table.clone(), Some(Access::Read)), (orders.table.clone(), None)], &[], &[]);
        assert_eq!(ids(&every), ["delete-policy/podid-dynamodb"]);
        let none = plan(&[(carts.table.clone(), Some(Access::Write))], &["arn:aws:iam::aws:policy/B"], &["u"]);
        assert!(none.is_empty());
        assert_eq!(none.warnings.len(), 3, "{:?}", none.warnings);
    }
}
