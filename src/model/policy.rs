//! Permission policies: the DynamoDB presets, the inline policies that podid writes, and their limits. Trust is elsewhere.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde_json::{Value, json};

use super::{
    arn::{Arn, ArnError},
    document::{Document, strings},
    text,
    want::{Access, TableGrant},
};

/// Name of the inline policy that holds podid's DynamoDB statements.
pub const DYNAMODB: &str = "podid-dynamodb";

/// Characters of all inline policies of a role together, white space not counted (IAM User Guide, IAM quotas).
pub const MAX_INLINE: usize = 10_240;

/// Characters of a managed policy (IAM User Guide, IAM quotas).
pub const MAX_MANAGED: usize = 6_144;

/// Managed policies on a role before the quota is raised (IAM User Guide, IAM quotas).
pub const MAX_ATTACHED: usize = 10;

/// Why a `--dynamodb` value is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Not a table name.
    #[error("table name `{text}` {why}")]
    Name {
        /// As given.
        text: String,
        /// The broken rule.
        why: &'static str,
    },
    /// Not a region.
    #[error("`{0}` is not a region; a table is given as `name`, `region:name` or ARN")]
    Region(String),
    /// Not an access level.
    #[error("`{0}` is not an access level (read, write, read-write, stream, full)")]
    Access(String),
    /// Not an ARN of a table.
    #[error(transparent)]
    Arn(#[from] ArnError),
    /// The ARN of a part of a table.
    #[error("`{0}` names an index or a stream; give the table's ARN: access covers its indexes, `stream` its streams")]
    Part(String),
}

impl Access {
    /// All levels, as users type them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::ReadWrite, Self::Stream, Self::Full];

    /// `read`, `read-write`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "read-write",
            Self::Stream => "stream",
            Self::Full => "full",
        }
    }

    /// Whether all that `other` grants is granted by it too.
    pub fn covers(self, other: Self) -> bool {
        self == other
            || self == Self::Full && other != Self::Stream
            || self == Self::ReadWrite && matches!(other, Self::Read | Self::Write)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Access {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        Self::ALL.into_iter().find(|a| a.as_str() == text).ok_or_else(|| TableError::Access(text.to_owned()))
    }
}

/// Reads `TABLE[=ACCESS]`, where TABLE is a name in the given region and account, `REGION:NAME`, or an ARN.
///
/// # Errors
/// When the name, the ARN or the access level is none.
pub fn parse_table(text: &str, partition: &str, region: &str, account: &str) -> Result<TableGrant, TableError> {
    let (table, access) = match text.rsplit_once('=') {
        Some((table, access)) => (table, access.parse()?),
        None => (text, Access::Read),
    };
    let of = |region: &str, name: &str| Arn {
        partition: partition.to_owned(),
        service: "dynamodb".to_owned(),
        region: region.to_owned(),
        account: account.to_owned(),
        resource: format!("table/{name}"),
    };
    let table = if table.starts_with("arn:") {
        table_arn(table)?
    } else {
        let (region, name) = match table.split_once(':') {
            Some((given, _)) if !is_region(given) => return Err(TableError::Region(given.to_owned())),
            Some((given, name)) => (given, name),
            None => (region, table),
        };
        check_table_name(name)?;
        of(region, name)
    };
    Ok(TableGrant { table, access })
}

/// `us-west-2`, `us-gov-east-1`, …: words and a number.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [words @ .., number] = &parts[..] else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && number.bytes().all(|b| b.is_ascii_digit())
        && !number.is_empty()
}

fn table_arn(text: &str) -> Result<Arn, TableError> {
    let arn: Arn = text.parse()?;
    let Some(name) = arn.resource.strip_prefix("table/").filter(|_| arn.service == "dynamodb") else {
        let kind = arn.resource.split(['/', ':']).next().unwrap_or_default();
        let found = format!("{} {kind}", arn.service);
        return Err(ArnError::Other { text: text.to_owned(), wanted: "a DynamoDB table", found }.into());
    };
    if name.contains('/') {
        return Err(TableError::Part(text.to_owned()));
    }
    check_table_name(name)?;
    Ok(arn)
}

/// Table names: 3 to 255 of `[a-zA-Z0-9_.-]` (DynamoDB Developer Guide, naming rules).
fn check_table_name(text: &str) -> Result<(), TableError> {
    let rule = |why| Err(TableError::Name { text: text.to_owned(), why });
    if text.len() < 3 {
        return rule("is shorter than 3 characters");
    }
    if text.len() > 255 {
        return rule("is longer than 255 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        return rule("may have only letters, digits, `_`, `.` and `-`");
    }
    Ok(())
}

/// podid's statements for one table. Their Sids are made from table and access, so that another table, or another
/// service account's access on a shared role, never replaces them.
///
/// Which action works on which resource: Service Authorization Reference, Amazon DynamoDB. Query and Scan need the
/// index's own ARN when they read an index; everything else works on the table.
pub fn statements(grant: &TableGrant) -> Vec<Value> {
    let table = grant.table.to_string();
    let sid = sid(grant);
    let allow = |sid: String, actions: &[&str], resources: Value| {
        let actions: Vec<String> = actions.iter().map(|action| format!("dynamodb:{action}")).collect();
        json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
    };
    let index = json!([table, format!("{table}/index/*")]);
    let search = || allow(format!("{sid}Index"), &["Query", "Scan"], index.clone());
    let read = ["GetItem", "BatchGetItem", "DescribeTable"];
    let write = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "ConditionCheckItem"];
    match grant.access {
        Access::Read => vec![allow(sid.clone(), &read, json!(table)), search()],
        Access::Write => vec![allow(sid.clone(), &[&write[..], &["DescribeTable"]].concat(), json!(table))],
        Access::ReadWrite => vec![allow(sid.clone(), &[&read[..], &write[..]].concat(), json!(table)), search()],
        Access::Stream => vec![
            allow(
                sid.clone(),
                &["DescribeStream", "GetRecords", "GetShardIterator"],
                json!(format!("{table}/stream/*")),
            ),
            // ListStreams knows no resource; one statement serves every table.
            allow("PodidDynamodbListStreams".to_owned(), &["ListStreams"], json!("*")),
        ],
        Access::Full => {
            vec![allow(sid.clone(), &["*"], json!([table, format!("{table}/index/*"), format!("{table}/stream/*")]))]
        }
    }
}

fn sid(grant: &TableGrant) -> String {
    format!("PodidDynamodb{}", text::short_hash(&[&grant.table.to_string(), grant.access.as_str()], 16))
}

/// The policy for these tables alone.
pub fn dynamodb(grants: &[TableGrant]) -> Document {
    merged(None, grants)
}

/// The inline policy that was there, with these tables in it: podid's own statements are brought up to date in place,
/// new ones go to the end, and all others stay. What a statement already there covers is not granted twice.
pub fn merged(before: Option<&Document>, grants: &[TableGrant]) -> Document {
    let mut after = before.cloned().unwrap_or_else(|| Document(json!({"Version": "2012-10-17", "Statement": []})));
    if !after.0.is_object() {
        after = Document(json!({"Version": "2012-10-17", "Statement": []}));
    }
    let mut list: Vec<Value> = after.statements().into_iter().cloned().collect();
    for grant in grants {
        let covered = Access::ALL.into_iter().filter(|wider| *wider != grant.access && wider.covers(grant.access)).any(
            |access| {
                let wider = TableGrant { table: grant.table.clone(), access };
                statements(&wider).iter().all(|statement| list.contains(statement))
            },
        );
        if covered {
            continue;
        }
        for statement in statements(grant) {
            match list.iter_mut().find(|other| other.get("Sid") == statement.get("Sid")) {
                Some(own) if same_value(own, &statement) => {}
                Some(own) => *own = statement,
                None => list.push(statement),
            }
        }
    }
    let single = after.0.get("Statement").is_some_and(Value::is_object);
    after.0["Statement"] = if single && list.len() == 1 { list.remove(0) } else { Value::Array(list) };
    after
}

/// Whether two documents mean the same: a string is a list of one, and neither the order of a list's values, nor that
/// of keys or statements, means anything to IAM.
pub fn same_meaning(a: &Document, b: &Document) -> bool {
    same_value(&a.0, &b.0)
}

fn same_value(a: &Value, b: &Value) -> bool {
    normal(a) == normal(b)
}

/// One way of writing a policy value: lists for single values, everything in order.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, Value> = fields
                .iter()
                .map(|(key, value)| {
                    let value = match (key.as_str(), value) {
                        // These are never lists.
                        ("Version" | "Id" | "Sid" | "Effect", _) => value.clone(),
                        // Actions know no case (IAM reference, Action element).
                        ("Action" | "NotAction", _) => normal_list(&json!(
                            strings(Some(value)).iter().map(|one| one.to_ascii_lowercase()).collect::<Vec<_>>()
                        )),
                        ("Condition" | "Principal" | "NotPrincipal", Value::Object(_)) => normal(value),
                        (_, Value::Object(_)) if key != "Statement" => normal(value),
                        _ => normal_list(value),
                    };
                    (key, value)
                })
                .collect();
            json!(sorted)
        }
        Value::Bool(b) => json!(b.to_string()),
        Value::Number(n) => json!(n.to_string()),
        other => other.clone(),
    }
}

fn normal_list(value: &Value) -> Value {
    let mut list: Vec<Value> = match value {
        Value::Array(list) => list.iter().map(normal).collect(),
        one => vec![normal(one)],
    };
    list.sort_by_cached_key(Value::to_string);
    list.dedup();
    Value::Array(list)
}

/// Inline policy name for a file: its name without directories and extension, by IAM's rule `[\w+=,.@-]{1,128}`
/// (IAM API reference, PutRolePolicy).
///
/// # Errors
/// When what is left is no policy name.
pub fn inline_name(file: &str) -> Result<String, ArnError> {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = match base.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => base,
    };
    let rule = |why| Err(ArnError::Name { what: "policy name", text: stem.to_owned(), why });
    if stem.is_empty() {
        return rule("is empty");
    }
    if stem.len() > 128 {
        return rule("is longer than 128 characters");
    }
    if !stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
        return rule("may have only letters, digits and `_+=,.@-`; rename the file");
    }
    Ok(stem.to_owned())
}

#[cfg(test)]
mod tests;
