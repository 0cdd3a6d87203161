//! The tables themselves: whether they and their indexes are there, and whether their KMS keys can be used.

use super::{Finding, KMS, Session, Snapshot, WRONG_ARN, remedy};
use crate::model::{
    access::{self, Effect, Need},
    arn::{Arn, last},
    table::Table,
};

/// The tables that needs name and that were read, each with its needs.
fn tables(snapshot: &Snapshot) -> Vec<(Arn, Option<&Table>, Vec<&Need>)> {
    let read = snapshot.access.tables.iter().filter_map(|(arn, seen)| Some((arn.parse::<Arn>().ok()?, seen.known()?)));
    read.map(|(arn, table)| {
        let own =
            snapshot.needs.iter().filter(|need| access::table_of(&need.resource).as_ref() == Some(&arn)).collect();
        (arn, table.as_ref(), own)
    })
    .collect()
}

/// KMS keys.
pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(session) = Session::of(snapshot) else { return Vec::new() };
    let mut findings = Vec::new();
    for (arn, table, needs) in tables(snapshot) {
        let Some((table, key)) = table.and_then(|table| Some((table, table.key.as_ref()?))) else { continue };
        let subject = format!("table {}", arn.name());
        if table.status == "INACCESSIBLE_ENCRYPTION_CREDENTIALS" {
            findings.push(
                KMS.fails(subject, format!("it is inaccessible: DynamoDB cannot use its key {key}"))
                    .evidence("DescribeTable", &table.status)
                    .change(format!(
                        "enable the key, or let DynamoDB use it again: `aws kms describe-key --key-id {key}`"
                    )),
            );
            continue;
        }
        if !needs.iter().any(|need| access::uses_key(&need.action)) {
            continue;
        }
        let need = Need::new("kms:Decrypt", key, "");
        let simulated = snapshot.access.simulated.known();
        let answer = simulated.and_then(|all| all.iter().find(|one| one.is_of(&need)).cloned());
        let predicted = || access::predict(super::role(snapshot).documents.known()?, &session, &need).ok();
        let Some(decision) = answer.or_else(predicted) else { continue };
        let source = super::source(simulated.is_some());
        match decision.effect {
            Effect::Allowed => {}
            Effect::Explicit if decision.hangs_on(&session).is_empty() => findings.push(
                KMS.fails(subject, format!("kms:Decrypt on its key {key} is denied to role {}", last(&session.role)))
                    .evidence(source, "kms:Decrypt: explicitDeny")
                    .change("change the Deny: an added permission does not overrule it"),
            ),
            // Whether it is a key that AWS manages, whose policy allows every caller, DescribeTable does not tell.
            Effect::Implicit | Effect::Explicit => {
                let message = format!(
                    "no policy of role {} allows kms:Decrypt on its key {key}: reads and writes work only if the key policy allows it (that of an AWS managed key does)",
                    last(&session.role)
                );
                let finding = KMS.warns(subject, message).evidence(source, "kms:Decrypt: implicitDeny");
                findings.push(remedy::grant(finding, &arn, &needs, &session, snapshot));
            }
        }
    }
    findings
}

/// Tables and indexes that do not exist. They may yet be made.
pub(super) fn nowhere(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (arn, table, needs) in tables(snapshot) {
        let from = needs.first().map_or_else(String::new, |need| need.from.clone());
        let Some(table) = table else {
            // An application that makes its table is not wrong about it.
            if !needs.iter().any(|need| need.action == "dynamodb:CreateTable") {
                let finding = WRONG_ARN
                    .warns(format!("table {}", arn.name()), format!("the table does not exist in {}", arn.region))
                    .evidence("DescribeTable", "ResourceNotFoundException")
                    .evidence(from, arn.to_string());
                findings.push(finding.change(format!(
                    "correct the table's name or region in the settings of the application, or create it: `aws dynamodb list-tables --region {}` shows those that exist",
                    arn.region
                )));
            }
            continue;
        };
        let named = needs.iter().filter_map(|need| need.resource.split_once("/index/").map(|(_, index)| index));
        let mut gone: Vec<&str> =
            named.filter(|i| !i.contains('*') && !table.indexes.iter().any(|known| known == i)).collect();
        gone.dedup();
        for index in gone {
            let have = if table.indexes.is_empty() { "none".to_owned() } else { table.indexes.join(", ") };
            findings.push(
                WRONG_ARN
                    .warns(format!("table {}", arn.name()), format!("it has no index `{index}` (indexes: {have})"))
                    .evidence("DescribeTable", have.clone())
                    .evidence(from.clone(), index)
                    .change("correct the index's name in the settings of the application, or create the index"),
            );
        }
    }
    findings
}
