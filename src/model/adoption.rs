//! What a role has that podid would not have given it. A role of podid's name and tags is not yet podid's work: tags are
//! anybody's to write, and what the role allows besides goes to the pods with it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    add_on_policy::{self, AddOnGrant},
    cluster::Cluster,
    document::Document,
    grant::{self, Grant},
    have::Observed,
    names::ServiceAccount,
    policy::{self, DYNAMODB},
    role::Role,
    trust,
    want::{Scope, TableGrant},
};

/// What is asked of a role that is there already.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The cluster in use.
    pub cluster: &'a Cluster,
    /// Service accounts whose own statement may let any cluster: a scope was asked for, and replaces it if it is another one.
    pub scoped: &'a [&'a ServiceAccount],
    /// Permissions boundary.
    pub boundary: Option<&'a str>,
    /// Managed policies; `None` where whatever else is attached is shown and goes.
    pub policy_arns: Option<&'a [String]>,
    /// Names of inline policies; `None` where all others are shown and go.
    pub inline: Option<&'a [&'a str]>,
    /// What podid's own policies are to allow, where the role is for one service account alone: several share the others, and
    /// each has its own tables there.
    pub requested: Option<Requested<'a>>,
}

/// What one service account is to reach through policies that podid writes.
#[derive(Debug, Clone, Copy)]
pub struct Requested<'a> {
    /// Tables.
    pub tables: &'a [TableGrant],
    /// Grants of other services.
    pub grants: &'a [Grant],
    /// What add-ons need.
    pub add_ons: &'a [AddOnGrant],
    /// Target role.
    pub target: Option<&'a str>,
}

/// What differs on a role from what podid creates, one line each.
///
/// # Errors
/// Why its policies could not be read.
pub fn differences<'a>(
    role: &Role,
    attached: &'a Observed<Vec<String>>,
    inline: &'a Observed<BTreeMap<String, Document>>,
    asked: &Asked<'_>,
) -> Result<Vec<String>, &'a str> {
    let mut found = foreign_trust(role, asked);
    if let Some(wanted) = asked.boundary.filter(|wanted| role.permissions_boundary.as_deref() != Some(*wanted)) {
        found.push(match role.permissions_boundary.as_deref() {
            Some(have) => format!("its permissions boundary is {have}, not {wanted}"),
            None => format!("it lacks the permissions boundary {wanted}"),
        });
    }
    if let Some(wanted) = asked.policy_arns {
        let others = known(attached)?.into_iter().flatten().filter(|arn| !wanted.contains(arn));
        found.extend(others.map(|arn| format!("{arn} is attached to it")));
    }
    found.extend(known(inline)?.into_iter().flatten().flat_map(|(name, document)| match name.as_str() {
        DYNAMODB => own_policy(
            name,
            tables(document),
            asked.requested.map(|own| own.tables.iter().map(|t| t.table.to_string())),
        ),
        grant::POLICY => own_policy(
            name,
            grant::only_podids(document).map(resources),
            asked.requested.map(|own| own.grants.iter().map(|grant| grant.resource.to_string())),
        ),
        trust::target::POLICY => own_policy(
            name,
            trust::target::targets(document).map(|targets| targets.into_iter().map(str::to_owned).collect()),
            asked.requested.map(|own| own.target.into_iter().map(str::to_owned)),
        ),
        _ if policy::is_podids(name) => add_on(name, document, asked),
        _ if asked.inline.is_none_or(|wanted| wanted.contains(&name.as_str())) => Vec::new(),
        _ => vec![format!("it has the inline policy {name}")],
    }));
    Ok(found)
}

/// What differs in an inline policy of podid's name: `found` is what it allows if podid wrote it, `requested` what it may.
fn own_policy(name: &str, found: Option<Vec<String>>, requested: Option<impl Iterator<Item = String>>) -> Vec<String> {
    let Some(found) = found else {
        return vec![format!("its inline policy {name} has statements that podid did not create")];
    };
    let Some(requested) = requested else { return Vec::new() };
    let requested: Vec<String> = requested.collect();
    let others = found.into_iter().filter(|arn| !requested.contains(arn));
    others.map(|arn| format!("its inline policy {name} allows {arn}, which was not requested")).collect()
}

/// What differs in podid's inline policy for an add-on.
fn add_on(name: &str, document: &Document, asked: &Asked<'_>) -> Vec<String> {
    let policy = add_on_policy::of_inline(name);
    let found = policy.and_then(|policy| add_on_policy::granted(document, policy, &asked.cluster.arn));
    let found: Option<Vec<String>> = found.map(|arguments| arguments.iter().map(ToString::to_string).collect());
    let Some(requested) = asked.requested.filter(|_| found.is_some()) else {
        return own_policy(name, found, None::<std::iter::Empty<String>>);
    };
    let own: Vec<&AddOnGrant> = requested.add_ons.iter().filter(|grant| Some(grant.policy) == policy).collect();
    if own.is_empty() {
        return vec![format!("it has the inline policy {name}, which was not requested")];
    }
    own_policy(name, found, Some(own.into_iter().filter_map(|grant| grant.argument.as_ref().map(ToString::to_string))))
}

/// What was read; nothing where nobody asked, because the role was known to be new.
fn known<T>(seen: &Observed<T>) -> Result<Option<&T>, &str> {
    match seen {
        Observed::Known(value) => Ok(Some(value)),
        Observed::NotRequested => Ok(None),
        Observed::Unreadable(why) => Err(why),
    }
}

/// The tables of podid's policy for them, each once; `None` when podid did not write all of its statements.
fn tables(document: &Document) -> Option<Vec<String>> {
    let grants = policy::granted(document)?;
    let mut tables: Vec<String> = Vec::new();
    for table in grants.iter().map(|grant| grant.table.to_string()) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    policy::same_meaning(&policy::dynamodb(&grants), document).then_some(tables)
}

/// What grants are for, each once.
fn resources(grants: Vec<Grant>) -> Vec<String> {
    let mut found: Vec<String> = grants.into_iter().map(|grant| grant.resource.to_string()).collect();
    found.dedup();
    found
}

/// Who may assume the role beside the service accounts of this cluster for which podid wrote a statement.
fn foreign_trust(role: &Role, asked: &Asked<'_>) -> Vec<String> {
    let cluster = asked.cluster;
    let open: Vec<_> = asked
        .scoped
        .iter()
        .map(|subject| trust::document(trust::statement(cluster, subject, Scope::None, true)))
        .collect();
    let is_own = |statement: &Value| {
        let one = trust::document(statement.clone());
        open.iter().any(|own| policy::same_meaning(&one, own))
    };
    // Nothing is said of podid's own, and the others keep their numbers.
    let blank = json!({"Effect": "Deny"});
    let statements = role.trust.statements().into_iter();
    let rest: Vec<Value> = statements.map(|s| if is_own(s) { blank.clone() } else { s.clone() }).collect();
    let allowed = trust::allowed(&Document(json!({ "Statement": rest })));
    let others = allowed.others.iter().map(|other| format!("its trust policy allows {other}"));
    let open = allowed.open.iter().map(|open| format!("in its trust policy {open}"));
    let mut found: Vec<String> = others.chain(trust::other_clusters(&allowed, &cluster.arn)).chain(open).collect();
    for (index, statement) in rest.iter().enumerate() {
        if statement["Effect"] != "Deny" && !trust::is_podid(statement) && !names_another(statement, &cluster.arn) {
            let name = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
            let name = name.map_or_else(|| (index + 1).to_string(), str::to_owned);
            found.push(format!("podid did not create statement {name} of its trust policy"));
        }
    }
    found
}

/// Whether a statement was named already for whom it allows.
fn names_another(statement: &Value, home: &super::arn::Arn) -> bool {
    let allowed = trust::allowed(&trust::document(statement.clone()));
    !allowed.others.is_empty() || !allowed.open.is_empty() || !trust::other_clusters(&allowed, home).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fixtures::{cluster, role, subject},
        policy::parse_table,
        tags,
    };

    const TARGET: &str = "arn:aws:iam::222233334444:role/target";
    const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/b";

    /// A role as podid creates it for carts/carts.
    fn created(scope: Scope) -> Role {
        let mut role = role("app", trust::document(trust::statement(&cluster(), &subject("carts/carts"), scope, true)));
        role.tags = tags::association_tags(&cluster(), &subject("carts/carts"));
        role
    }

    fn differing(role: &Role, attached: &[&str], inline: &[(&str, Document)], boundary: Option<&str>) -> Vec<String> {
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        let arns = ["arn:aws:iam::aws:policy/A".to_owned()];
        let asked = Asked {
            cluster: &cluster,
            scoped: &[&subject],
            boundary,
            policy_arns: Some(&arns),
            inline: Some(&["s3"]),
            requested: None,
        };
        let attached = Observed::Known(attached.iter().map(|arn| (*arn).to_owned()).collect());
        let inline =
            Observed::Known(inline.iter().map(|(name, document)| ((*name).to_owned(), document.clone())).collect());
        differences(role, &attached, &inline, &asked).unwrap()
    }

    #[test]
    fn what_an_interrupted_run_leaves_is_podids() {
        let table = parse_table("carts=write", "aws", "us-west-2", "111122223333").unwrap();
        let dynamodb = policy::dynamodb(&[table]);
        for scope in Scope::ALL {
            let role = created(scope);
            for attached in [&[][..], &["arn:aws:iam::aws:policy/A"]] {
                let all = [("s3", Document(json!({}))), (DYNAMODB, dynamodb.clone())];
                for inline in [&all[..0], &all[..1], &all[..]] {
                    assert_eq!(differing(&role, attached, inline, None), Vec::<String>::new(), "{scope:?}");
                }
            }
        }
        let mut bounded = created(Scope::ServiceAccount);
        bounded.permissions_boundary = Some(BOUNDARY.to_owned());
        assert!(differing(&bounded, &[], &[], Some(BOUNDARY)).is_empty());
    }

    #[test]
    fn every_other_thing_is_named() {
        let role = created(Scope::ServiceAccount);
        assert_eq!(
            differing(&role, &["arn:aws:iam::aws:policy/B"], &[], None),
            ["arn:aws:iam::aws:policy/B is attached to it"]
        );
        assert_eq!(differing(&role, &[], &[("x", Document(json!({})))], None), ["it has the inline policy x"]);
        let any = Document(json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}));
        let assuming = |target| trust::target::granting(None, target);
        for document in [any.clone(), assuming("*"), trust::target::granting(Some(&any), TARGET)] {
            assert_eq!(
                differing(&role, &[], &[(trust::target::POLICY, document)], None),
                ["its inline policy podid-target has statements that podid did not create"]
            );
        }
        assert!(differing(&role, &[], &[(trust::target::POLICY, assuming(TARGET))], None).is_empty());
        assert_eq!(
            differing(&role, &[], &[(DYNAMODB, any)], None),
            ["its inline policy podid-dynamodb has statements that podid did not create"]
        );
        assert_eq!(
            differing(&role, &[], &[], Some(BOUNDARY)),
            [format!("it lacks the permissions boundary {BOUNDARY}")]
        );
        let mut other = role.clone();
        other.permissions_boundary = Some("arn:aws:iam::111122223333:policy/c".to_owned());
        assert!(
            differing(&other, &[], &[], Some(BOUNDARY))[0].contains("policy/c, not arn:aws:iam::111122223333:policy/b")
        );
        let mut far = cluster();
        far.arn.resource = "cluster/far".to_owned();
        let lambda =
            json!({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"});
        let mut open = trust::statement(&cluster(), &subject("carts/carts"), Scope::None, true);
        open["Sid"] = json!("Any");
        let mut by_hand = trust::statement(&cluster(), &subject("carts/other"), Scope::ServiceAccount, true);
        by_hand["Sid"] = json!("Mine");
        let mut wider = trust::statement(&cluster(), &subject("carts/other"), Scope::ServiceAccount, true);
        wider["Condition"]["StringEquals"].as_object_mut().unwrap().remove("aws:RequestTag/kubernetes-namespace");
        let wide = format!("podid did not create statement {}", wider["Sid"].as_str().unwrap());
        for (statement, part) in [
            (lambda, "allows Service lambda.amazonaws.com"),
            (trust::statement(&far, &subject("carts/carts"), Scope::ServiceAccount, true), "cluster/far too"),
            (open, "statement Any names no cluster"),
            (by_hand, "podid did not create statement Mine of its trust policy"),
            (wider, wide.as_str()),
        ] {
            let mut role = role.clone();
            role.trust.0["Statement"].as_array_mut().unwrap().push(statement);
            let found = differing(&role, &[], &[], None);
            assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
        }
    }

    #[test]
    fn another_service_accounts_statement_and_a_deny_are_nothing_foreign() {
        for scope in [Scope::ServiceAccount, Scope::Namespace, Scope::Cluster] {
            let mut role = created(Scope::ServiceAccount);
            let list = role.trust.0["Statement"].as_array_mut().unwrap();
            list.push(trust::statement(&cluster(), &subject("carts/other"), scope, true));
            list.push(json!({"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "*"}));
            assert_eq!(differing(&role, &[], &[], None), Vec::<String>::new(), "{scope:?}");
        }
    }

    #[test]
    fn a_role_that_is_open_to_every_cluster_is_podids_only_where_a_scope_was_asked_for() {
        let (cluster, subject, role) = (cluster(), subject("carts/carts"), created(Scope::None));
        let asked = Asked {
            cluster: &cluster,
            scoped: &[&subject],
            boundary: None,
            policy_arns: None,
            inline: None,
            requested: None,
        };
        let found =
            |asked: &Asked<'_>| differences(&role, &Observed::NotRequested, &Observed::NotRequested, asked).unwrap();
        assert!(found(&asked).is_empty());
        let unsaid = found(&Asked { scoped: &[], ..asked });
        assert!(unsaid.len() == 1 && unsaid[0].contains("names no cluster"), "{unsaid:?}");
    }

    #[test]
    fn a_role_of_one_service_account_allows_no_more_than_was_requested() {
        let (cluster, role) = (cluster(), created(Scope::ServiceAccount));
        let table = |text: &str| parse_table(text, "aws", "us-west-2", "111122223333").unwrap();
        let found = |tables: &[&str], targets: &[&str], requested: Option<Requested<'_>>| {
            let mut inline = BTreeMap::new();
            if !tables.is_empty() {
                let tables: Vec<_> = tables.iter().copied().map(table).collect();
                inline.insert(DYNAMODB.to_owned(), policy::dynamodb(&tables));
            }
            for target in targets {
                let before = inline.get(trust::target::POLICY);
                inline.insert(trust::target::POLICY.to_owned(), trust::target::granting(before, target));
            }
            let asked =
                Asked { cluster: &cluster, scoped: &[], boundary: None, policy_arns: None, inline: None, requested };
            differences(&role, &Observed::NotRequested, &Observed::Known(inline), &asked).unwrap()
        };
        let other = "arn:aws:iam::222233334444:role/other";
        let orders = "its inline policy podid-dynamodb allows arn:aws:dynamodb:us-west-2:111122223333:table/orders, \
                      which was not requested";
        let target = format!("its inline policy podid-target allows {TARGET}, which was not requested");
        let none: &[&str] = &[];
        let tables = ["carts", "payments"].map(table);
        for (has, targets, tables, to, wanted) in [
            (none, none, &tables[..], Some(TARGET), vec![]),
            (&["carts"], none, &tables, None, vec![]),
            (&["carts=write", "payments"], &[TARGET], &tables, Some(TARGET), vec![]),
            (&["carts", "orders=write", "orders"], none, &tables, None, vec![orders]),
            (&["orders", "carts", "orders=write"], none, &tables, None, vec![orders]),
            (&["us-west-2:orders"], none, &[], None, vec![orders]),
            (none, &[TARGET], &[], None, vec![target.as_str()]),
            (none, &[TARGET, other], &[], Some(other), vec![target.as_str()]),
            (&["orders"], &[TARGET], &tables, Some(other), vec![orders, target.as_str()]),
        ] {
            assert_eq!(
                found(has, targets, Some(Requested { tables, grants: &[], add_ons: &[], target: to })),
                wanted,
                "{has:?} {targets:?}"
            );
            // Of a role that several share, it is not known whose they are.
            assert!(found(has, targets, None).is_empty(), "{has:?} {targets:?}");
        }
    }

    #[test]
    fn unread_policies_are_not_taken_for_none() {
        let (cluster, subject, role) = (cluster(), subject("carts/carts"), created(Scope::Cluster));
        let asked = Asked {
            cluster: &cluster,
            scoped: &[&subject],
            boundary: None,
            policy_arns: Some(&[]),
            inline: Some(&[]),
            requested: None,
        };
        let unread = Observed::Unreadable("not allowed".to_owned());
        assert_eq!(differences(&role, &unread, &Observed::Known(BTreeMap::new()), &asked), Err("not allowed"));
        let free = Asked { policy_arns: None, ..asked };
        assert_eq!(differences(&role, &unread, &Observed::Known(BTreeMap::new()), &free), Ok(Vec::new()));
    }
}
