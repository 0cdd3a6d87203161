//! What to change: a command of podid's where one does it with the least that covers the needs, else the exact statement.

use serde_json::{Value, json};

use super::{
    Finding, Session, Snapshot,
    judge::{Cause, Judged},
    listed, role,
};
use crate::model::{
    access::{self, Need},
    arn::{self, Arn, last},
    document::strings,
    grant,
    have::Observed,
    text::nearest,
};

pub(super) fn remedies(
    finding: Finding,
    cause: &Cause,
    own: &[&Judged<'_>],
    session: &Session,
    snapshot: &Snapshot,
) -> Finding {
    let needs: Vec<&Need> = own.iter().map(|one| one.need).collect();
    let what = listed(needs.iter().copied());
    match cause {
        Cause::Missing | Cause::Index | Cause::WrongArn { .. } => granted(finding, &needs, session, snapshot),
        Cause::Tags(_) => {
            let association = snapshot.associated();
            match association.filter(|association| association.disable_session_tags) {
                Some(association) => finding.change(format!(
                    "enable session tags: `aws eks update-pod-identity-association --cluster-name {} --association-id {} --no-disable-session-tags`, then `podid recycle {}`; or remove the condition from the policy",
                    association.summary.cluster_name, association.summary.association_id, snapshot.subject
                )),
                None => finding.change(format!(
                    "change the policy's condition to the values of the session, or allow {what} without it"
                )),
            }
        }
        Cause::Denied(policies) => finding.change(match &policies[..] {
            [] => "remove or narrow the Deny: an added permission does not overrule it".to_owned(),
            names => {
                format!("remove or narrow the Deny in {}: an added permission does not overrule it", names.join(", "))
            }
        }),
        Cause::Boundary(arn) => {
            let boundary = arn.as_deref().unwrap_or("the role's permissions boundary");
            finding.change(format!("allow it in {boundary} too: {}", statement(&needs)))
        }
        Cause::Organization { .. } => finding.change(format!(
            "ask the administrator of the organization to allow {what} in its service control policies"
        )),
        Cause::Session { denied } => finding.change(if *denied {
            format!("remove the Deny from the session policy: `{}`", with_session_policy(snapshot))
        } else {
            format!("allow it in the session policy too (`{}`): {}", with_session_policy(snapshot), statement(&needs))
        }),
        Cause::Table { .. } => {
            let table = needs.first().and_then(|need| access::table_of(&need.resource));
            let arn = table.map_or_else(|| "ARN".to_owned(), |arn| arn.to_string());
            finding.change(format!(
                "change the table's resource policy: `aws dynamodb get-resource-policy --resource-arn {arn}` shows it, `aws dynamodb put-resource-policy` writes it"
            ))
        }
        Cause::Key if needs.iter().all(|need| is_grant(&need.from)) => granted(finding, &needs, session, snapshot),
        Cause::Key => finding.change(format!("allow it to role {}: {}", last(&session.role), statement(&needs))),
    }
}

/// The command that gives the association another session policy, which needs session tags to be off.
fn with_session_policy(snapshot: &Snapshot) -> String {
    let role = snapshot.associated().map_or("ROLE", |association| last(&association.role_arn));
    format!("podid associate {} --role {role} --disable-session-tags --session-policy FILE", snapshot.subject)
}

/// The smallest grants that cover the needs, table by table; statements for what no grant covers.
fn granted(mut finding: Finding, needs: &[&Need], session: &Session, snapshot: &Snapshot) -> Finding {
    let (tables, rest) = by_table(needs);
    for (table, own) in &tables {
        finding = grant(finding, table, own, session, snapshot);
    }
    let here = arn::account(&session.role) == snapshot.cluster.cluster.known().map(|c| c.arn.account.as_str());
    let (flags, uncovered) = flags_for(&rest, snapshot);
    let uncovered = if here && flags.iter().all(|flag| is_plain(flag)) {
        if !flags.is_empty() {
            finding = finding.command(format!("podid policy attach {} {}", last(&session.role), shell(&flags)));
        }
        uncovered
    } else {
        rest
    };
    if uncovered.is_empty() { finding } else { allowed(finding, &uncovered, session) }
}

/// The needs of each table, in the order in which the tables are named first, and those that are of none.
fn by_table<'a>(needs: &[&'a Need]) -> (Vec<(Arn, Vec<&'a Need>)>, Vec<&'a Need>) {
    let (mut tables, mut rest): (Vec<(Arn, Vec<&Need>)>, Vec<&Need>) = (Vec::new(), Vec::new());
    for need in needs.iter().copied() {
        match access::table_of(&need.resource) {
            None => rest.push(need),
            Some(table) => match tables.iter_mut().find(|(known, _)| *known == table) {
                Some((_, own)) => own.push(need),
                None => tables.push((table, vec![need])),
            },
        }
    }
    (tables, rest)
}

/// Actions, and on what.
fn calls<'a>(needs: &[&'a Need]) -> Vec<(&'a str, &'a str)> {
    needs.iter().map(|need| (need.action.as_str(), need.resource.as_str())).collect()
}

/// The flags that grant calls of other services than DynamoDB, and the calls that no flag grants. What was named as a grant is
/// granted so.
fn flags_for<'a>(needs: &[&'a Need], snapshot: &Snapshot) -> (Vec<String>, Vec<&'a Need>) {
    let (named, others): (Vec<&Need>, Vec<&Need>) = needs.iter().partition(|need| is_grant(&need.from));
    let mut flags: Vec<String> = named.iter().map(|need| need.from.clone()).collect();
    let (grants, uncovered) = grant::covering(&others);
    let home = snapshot.cluster.cluster.known().map(|cluster| &cluster.arn);
    flags.extend(grants.iter().map(|grant| format!("--{} {}", grant.service.flag, grant.short(home))));
    flags.dedup();
    (flags, uncovered)
}

/// The flags that give a new role what the workload is known to need, as far as podid's grants go and in the cluster's account.
/// Empty where nothing is known.
pub(in crate::checks) fn for_a_new_role(snapshot: &Snapshot) -> String {
    let Some(home) = snapshot.cluster.cluster.known().map(|cluster| &cluster.arn) else { return String::new() };
    let own =
        |need: &&Need| !need.names_no_resource() && arn::account(&need.resource).is_none_or(|it| it == home.account);
    let needs: Vec<&Need> = snapshot.needs.iter().filter(own).collect();
    let (tables, rest) = by_table(&needs);
    let of_table = |(table, own): &(Arn, Vec<&Need>)| {
        let access = access::covering(table, &calls(own))?;
        Some(format!("--dynamodb {}={access}", named(table, snapshot)))
    };
    let mut flags: Vec<String> = tables.iter().filter_map(of_table).collect();
    flags.extend(flags_for(&rest, snapshot).0);
    flags.retain(|flag| is_plain(flag));
    flags.sort();
    shell(&flags)
}

/// A log may name anything: what a shell would read otherwise is no command.
fn is_plain(flag: &str) -> bool {
    flag.bytes().all(|b| b.is_ascii_alphanumeric() || b" -_./:=+@,*?".contains(&b))
}

/// Flags for a shell: a pattern is quoted.
fn shell(flags: &[String]) -> String {
    let quoted = |flag: &String| match flag.split_once(' ') {
        Some((name, value)) if value.contains(['*', '?']) => format!("{name} '{value}'"),
        _ => flag.clone(),
    };
    flags.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Whether a need comes from the flag of a grant: `--s3 BUCKET=read`.
fn is_grant(from: &str) -> bool {
    from.strip_prefix("--")
        .and_then(|flag| flag.split_once(' '))
        .is_some_and(|(flag, _)| grant::service(flag).is_some())
}

/// A grant of a table's access.
pub(super) fn grant(finding: Finding, table: &Arn, needs: &[&Need], session: &Session, snapshot: &Snapshot) -> Finding {
    let wanted = calls(needs);
    let tenant = tenant(table, snapshot);
    // Held to partition keys, podid grants no Scan: adding it would give away what that policy keeps apart.
    let scans = wanted.iter().any(|(action, _)| *action == "dynamodb:Scan");
    let here = arn::account(&session.role) == snapshot.cluster.cluster.known().map(|c| c.arn.account.as_str());
    match access::covering(table, &wanted) {
        Some(access) if here && !(scans && tenant.is_some()) => {
            let held = tenant.map(|tag| format!(" --leading-keys {tag}")).unwrap_or_default();
            let absent = matches!(snapshot.access.tables.get(&table.to_string()), Some(Observed::Known(None)));
            if let Some(near) = near(table, snapshot).filter(|_| absent) {
                let name = table.name();
                return finding.change(format!("table `{name}` does not exist: did you mean `{near}`?"));
            }
            let name = named(table, snapshot);
            let waits = if absent { " --allow-missing-resources" } else { "" };
            let role = last(&session.role);
            finding.command(format!("podid policy attach {role} --dynamodb {name}={access}{held}{waits}"))
        }
        _ => allowed(finding, needs, session),
    }
}

/// A table with a similar name that exists, or that the role's policies name.
fn near(table: &Arn, snapshot: &Snapshot) -> Option<String> {
    let exist = snapshot.access.tables.iter().filter(|(_, seen)| matches!(seen, Observed::Known(Some(_))));
    let documents = role(snapshot).documents.known();
    let granted = documents.into_iter().flat_map(|all| &all.identity).flat_map(|(_, document)| document.statements());
    let granted = granted.flat_map(|statement| strings(statement.get("Resource")));
    let known: Vec<Arn> = exist
        .map(|(arn, _)| arn.as_str())
        .chain(granted)
        .filter_map(access::table_of)
        .filter(|known| known.region == table.region && !known.resource.contains(['*', '?']))
        .collect();
    nearest(table.name(), known.iter().map(Arn::name)).into_iter().next()
}

fn allowed(mut finding: Finding, needs: &[&Need], session: &Session) -> Finding {
    let role = last(&session.role);
    // A log that names no resource does not ask for all of them.
    let (unnamed, named): (Vec<&Need>, Vec<&Need>) =
        needs.iter().partition(|need| need.is_told() && need.names_no_resource());
    for need in unnamed {
        finding = finding.change(format!(
            "allow `{}` in a policy of role {role} on the resource that the program uses: the log does not name it",
            need.action
        ));
    }
    if named.is_empty() {
        return finding;
    }
    finding.change(format!("allow it in a policy of role {role}: {}", statement(&named)))
}

/// A table as `--dynamodb` takes it: as short as can be.
fn named(table: &Arn, snapshot: &Snapshot) -> String {
    match snapshot.cluster.cluster.known().map(|cluster| &cluster.arn) {
        Some(home) if (&home.partition, &home.account) == (&table.partition, &table.account) => {
            if home.region == table.region {
                table.name().to_owned()
            } else {
                format!("{}:{}", table.region, table.name())
            }
        }
        _ => table.to_string(),
    }
}

/// The tag to which the role's access to the table is held: one table, many tenants.
fn tenant(table: &Arn, snapshot: &Snapshot) -> Option<String> {
    let documents = role(snapshot).documents.known()?;
    let arn = table.to_string();
    documents.identity.iter().flat_map(|(_, document)| document.statements()).find_map(|statement| {
        let condition = statement.get("Condition")?.to_string();
        let about = strings(statement.get("Resource")).iter().any(|one| access::resource_like(one, &arn));
        let (_, after) = condition.split_once("dynamodb:LeadingKeys").filter(|_| about)?;
        let (_, key) = after.split_once("${aws:PrincipalTag/")?;
        Some(key.split('}').next()?.to_owned())
    })
}

/// A statement that allows the needs, and nothing else.
fn statement(needs: &[&Need]) -> Value {
    let each = |of: fn(&Need) -> &str| {
        let mut all: Vec<&str> = needs.iter().map(|need| of(need)).collect();
        all.sort_unstable();
        all.dedup();
        if let [one] = all[..] { json!(one) } else { json!(all) }
    };
    json!({"Effect": "Allow", "Action": each(|need| &need.action), "Resource": each(|need| &need.resource)})
}
