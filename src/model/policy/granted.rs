//! podid's statements for tables, the other way round: which tables a policy grants, and exactly these and no others.

use serde_json::Value;

use super::{
    dynamodb::{dynamodb, key_sid, merged, sid_in, sid_of},
    same_meaning,
};
use crate::model::{
    arn::Arn,
    document::{Document, strings},
    want::{Access, Indexes, TableGrant},
};

/// The inline policy with exactly these tables in podid's statements; statements of others stay. A key that is not named
/// stays with its table. `None` when there is nothing left to grant.
pub fn exactly(before: Option<&Document>, grants: &[TableGrant]) -> Option<Document> {
    let wanted: Vec<Value> = dynamodb(grants).statements().into_iter().cloned().collect();
    let keyless: Vec<String> = grants.iter().filter(|g| g.key.is_none()).map(|g| key_sid(&g.table)).collect();
    let stays = |statement: &Value| match podid_sid(statement) {
        Some(_) => sid_in(statement, &keyless) || wanted.iter().any(|w| w.get("Sid") == statement.get("Sid")),
        None => true,
    };
    merged(before.map(|before| before.keeping(stays)).as_ref(), grants).unless_empty()
}

/// The Sid of one of podid's statements.
fn podid_sid(statement: &Value) -> Option<&str> {
    statement.get("Sid").and_then(Value::as_str).filter(|sid| sid.starts_with("PodidDynamodb"))
}

/// The tables that podid's statements in an inline policy grant; `None` when they are not as podid writes them, so that
/// only the document itself tells them without loss.
pub fn granted(document: &Document) -> Option<Vec<TableGrant>> {
    let own: Vec<&Value> = document.statements().into_iter().filter(|s| podid_sid(s).is_some()).collect();
    let of = |sid: &str| own.iter().copied().find(|s| podid_sid(s) == Some(sid));
    let mut grants = Vec::new();
    for statement in &own {
        let resources = strings(statement.get("Resource"));
        let Some(table) = resources.first().and_then(|resource| table_of(resource)) else { continue };
        let Some(access) =
            Access::ALL.into_iter().find(|access| podid_sid(statement) == Some(&sid_of(&table, *access)))
        else {
            continue;
        };
        let sid = sid_of(&table, access);
        let held = statement.pointer("/Condition/ForAllValues:StringEquals/dynamodb:LeadingKeys");
        let leading_keys = strings(held).first().and_then(|text| {
            text.strip_prefix("${aws:PrincipalTag/").and_then(|rest| rest.strip_suffix('}')).map(str::to_owned)
        });
        let prefix = format!("{table}/index/");
        let listed = if access == Access::Full { Some(*statement) } else { of(&format!("{sid}Index")) };
        let names: Vec<String> = strings(listed.and_then(|s| s.get("Resource")))
            .into_iter()
            .filter_map(|resource| resource.strip_prefix(&prefix).map(str::to_owned))
            .collect();
        let all = listed.is_none() || names == ["*"];
        let indexes = if all { Indexes::All } else { Indexes::These(names) };
        let key = of(&key_sid(&table)).and_then(|s| s.get("Resource")).and_then(Value::as_str).map(str::to_owned);
        grants.push(TableGrant { table, access, indexes, leading_keys, key, missing: None });
    }
    let written = dynamodb(&grants);
    let own = Document::of(own);
    (same_meaning(&written, &own) && !grants.is_empty()).then_some(grants)
}

/// The table of a table's, index's or stream's ARN.
fn table_of(resource: &str) -> Option<Arn> {
    let arn: Arn = resource.parse().ok()?;
    let name = arn.resource.strip_prefix("table/")?.split('/').next()?.to_owned();
    Some(Arn { resource: format!("table/{name}"), ..arn })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::policy::parse_table;

    fn grant(text: &str) -> TableGrant {
        parse_table(text, "aws", "us-west-2", "111122223333").unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let key = Some("arn:aws:kms:us-west-2:111122223333:key/k".to_owned());
        let some = TableGrant { indexes: Indexes::These(vec!["by-name".into(), "by-age".into()]), ..grant("orders") };
        let all = [
            grant("carts=read-write"),
            grant("us-east-1:carts=write"),
            some,
            TableGrant { indexes: Indexes::These(Vec::new()), ..grant("plain") },
            TableGrant { leading_keys: Some("kubernetes-namespace".into()), key: key.clone(), ..grant("tenants") },
            TableGrant { key, ..grant("events=stream") },
            grant("whole=full"),
        ];
        for one in &all {
            assert_eq!(granted(&dynamodb(std::slice::from_ref(one))).unwrap(), std::slice::from_ref(one), "{one:?}");
        }
        assert_eq!(granted(&dynamodb(&all)).unwrap(), all);
        // Touched by hand, only the document itself tells it.
        let mut changed = dynamodb(&all);
        changed.0["Statement"][0]["Action"] = json!(["dynamodb:*"]);
        assert_eq!(granted(&changed), None);
    }

    #[test]
    fn exactly_these() {
        let (carts, orders) = (grant("carts"), grant("orders=write"));
        let theirs = json!({"Sid": "Theirs", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
        let mut before = dynamodb(&[carts.clone(), orders.clone()]);
        before.0["Statement"].as_array_mut().unwrap().push(theirs.clone());
        let after = exactly(Some(&before), std::slice::from_ref(&orders)).unwrap();
        let mut wanted = dynamodb(std::slice::from_ref(&orders));
        wanted.0["Statement"].as_array_mut().unwrap().push(theirs.clone());
        assert!(same_meaning(&after, &wanted), "{after:?}");
        assert_eq!(exactly(Some(&before), &[]).unwrap().statements(), [&theirs]);
        assert_eq!(exactly(Some(&dynamodb(std::slice::from_ref(&carts))), &[]), None);
        // A key that is not named stays with its table, and goes with it.
        let keyed = TableGrant { key: Some("arn:aws:kms:us-west-2:111122223333:key/k".to_owned()), ..carts.clone() };
        let before = dynamodb(std::slice::from_ref(&keyed));
        assert_eq!(exactly(Some(&before), std::slice::from_ref(&carts)).as_ref(), Some(&before));
        assert!(!exactly(Some(&before), &[orders]).unwrap().0.to_string().contains("kms:"));
    }
}
