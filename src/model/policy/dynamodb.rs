//! DynamoDB: tables as users name them, and podid's least-privilege statements for one.

use std::{fmt, str::FromStr};

use serde_json::{Value, json};

use super::put_by_sid;
use crate::model::{
    arn::{Arn, ArnError, is_region},
    document::{Document, strings},
    have::Observed,
    table::Table,
    text,
    want::{Access, Indexes, TableGrant},
};

/// Why a `--dynamodb` value is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Not a name.
    #[error("{what} `{text}` {why}")]
    Name {
        /// `table name` or `index name`.
        what: &'static str,
        /// As given.
        text: String,
        /// The broken rule.
        why: &'static str,
    },
    /// Not a region.
    #[error("`{0}` is not a region; a table is written as `name`, `region:name` or ARN")]
    Region(String),
    /// Not an access level.
    #[error("`{0}` is not an access level (read, write, read-write, stream, full)")]
    Access(String),
    /// Not an ARN of a table.
    #[error(transparent)]
    Arn(#[from] ArnError),
    /// The ARN of a part of a table.
    #[error(
        "`{0}` names an index or a stream: pass the table's ARN; access covers its indexes, and `stream` its streams"
    )]
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

/// A table as a user names it: `NAME`, `REGION:NAME` or ARN, with or without `=ACCESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableText {
    table: Named,
    /// The access named with it.
    pub access: Option<Access>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Arn(Arn),
    Name { region: Option<String>, name: String },
}

impl FromStr for TableText {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        let (table, access) = match text.rsplit_once('=') {
            Some((table, access)) => (table, Some(access.parse()?)),
            None => (text, None),
        };
        if table.starts_with("arn:") {
            return Ok(Self { table: Named::Arn(table_arn(table)?), access });
        }
        let (region, name) = match table.split_once(':') {
            Some((given, _)) if !is_region(given) => return Err(TableError::Region(given.to_owned())),
            Some((given, name)) => (Some(given.to_owned()), name),
            None => (None, table),
        };
        check_table_name(name)?;
        Ok(Self { table: Named::Name { region, name: name.to_owned() }, access })
    }
}

impl TableText {
    /// Its ARN, when it was given as one: no cluster has to complete it.
    pub fn arn(&self) -> Option<&Arn> {
        match &self.table {
            Named::Arn(arn) => Some(arn),
            Named::Name { .. } => None,
        }
    }

    /// The table's ARN; what is not said is taken from a partition, region and account.
    pub fn at(&self, partition: &str, region: &str, account: &str) -> Arn {
        match &self.table {
            Named::Arn(arn) => arn.clone(),
            Named::Name { region: given, name } => Arn {
                partition: partition.to_owned(),
                service: "dynamodb".to_owned(),
                region: given.as_deref().unwrap_or(region).to_owned(),
                account: account.to_owned(),
                resource: format!("table/{name}"),
            },
        }
    }
}

/// Reads `TABLE[=ACCESS]`, where TABLE is a name in the given region and account, `REGION:NAME`, or an ARN.
///
/// # Errors
/// When the name, the ARN or the access level is none.
pub fn parse_table(text: &str, partition: &str, region: &str, account: &str) -> Result<TableGrant, TableError> {
    let table: TableText = text.parse()?;
    Ok(TableGrant::new(table.at(partition, region, account), table.access.unwrap_or(Access::Read)))
}

fn table_arn(text: &str) -> Result<Arn, TableError> {
    let arn = Arn::strict(text)?;
    let Some(name) = arn.resource.strip_prefix("table/").filter(|_| arn.service == "dynamodb") else {
        let kind = arn.resource.split(['/', ':']).next().unwrap_or_default();
        let found = format!("{} {kind}", arn.service);
        return Err(ArnError::Other { text: text.to_owned(), wanted: "a DynamoDB table", found }.into());
    };
    if name.contains('/') {
        return Err(TableError::Part(text.to_owned()));
    }
    check_table_name(name)?;
    Ok(arn.in_region()?)
}

/// Checks the name of an index, whose rule is that of tables.
///
/// # Errors
/// When it breaks the rule.
pub fn check_index_name(text: &str) -> Result<(), TableError> {
    check_name("index name", text)
}

fn check_table_name(text: &str) -> Result<(), TableError> {
    check_name("table name", text)
}

/// Table and index names: 3 to 255 of `[a-zA-Z0-9_.-]` (DynamoDB Developer Guide, naming rules).
fn check_name(what: &'static str, text: &str) -> Result<(), TableError> {
    let rule = |why| Err(TableError::Name { what, text: text.to_owned(), why });
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

/// Shared by the streams of all tables: ListStreams knows no resource.
const LIST_STREAMS: &str = "PodidDynamodbListStreams";

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
    let streams = format!("{table}/stream/*");
    let mut indexes: Vec<String> = match &grant.indexes {
        Indexes::All => vec![format!("{table}/index/*")],
        Indexes::These(names) => names.iter().map(|name| format!("{table}/index/{name}")).collect(),
    };
    indexes.insert(0, table.clone());
    let resources = |list: &[String]| if let [one] = list { json!(one) } else { json!(list) };
    let read = ["GetItem", "BatchGetItem"];
    let write = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "ConditionCheckItem"];
    let items = match grant.access {
        Access::Read => read.to_vec(),
        Access::Write => write.to_vec(),
        Access::ReadWrite => [&read[..], &write[..]].concat(),
        Access::Stream => {
            let own = allow(sid, &["DescribeStream", "GetRecords", "GetShardIterator"], json!(streams));
            let list = allow(LIST_STREAMS.to_owned(), &["ListStreams"], json!("*"));
            return [own, list].into_iter().chain(key(grant)).collect();
        }
        Access::Full => {
            indexes.push(streams);
            return [allow(sid, &["*"], json!(indexes))].into_iter().chain(key(grant)).collect();
        }
    };
    let reads = grant.access != Access::Write;
    let mut all = Vec::new();
    if let Some(tag) = &grant.leading_keys {
        // Only what names partition keys can be held to them: a Scan names none, DescribeTable shows none
        // (DynamoDB Developer Guide, fine-grained access control).
        let condition = json!({"ForAllValues:StringEquals": {
            "dynamodb:LeadingKeys": [format!("${{aws:PrincipalTag/{tag}}}")],
        }});
        let held = |mut statement: Value| {
            statement["Condition"] = condition.clone();
            statement
        };
        all.push(held(allow(sid.clone(), &items, json!(table))));
        if reads {
            all.push(held(allow(format!("{sid}Index"), &["Query"], resources(&indexes))));
        }
        all.push(allow(format!("{sid}Describe"), &["DescribeTable"], json!(table)));
    } else {
        let described = match grant.access {
            Access::Write => [&items[..], &["DescribeTable"]].concat(),
            _ => [&read[..], &["DescribeTable"], &items[read.len()..]].concat(),
        };
        all.push(allow(sid.clone(), &described, json!(table)));
        if reads {
            all.push(allow(format!("{sid}Index"), &["Query", "Scan"], resources(&indexes)));
        }
    }
    all.extend(key(grant));
    all
}

/// The use of the table's KMS key through DynamoDB alone. DynamoDB decrypts the table's key as the caller, for writers too
/// (DynamoDB Developer Guide, encryption usage notes).
fn key(grant: &TableGrant) -> Option<Value> {
    let (partition, region) = (grant.table.partition.as_str(), &grant.table.region);
    // The names of services end in the partition's own suffix; only these two partitions are known to share it.
    let via = match partition {
        "aws" | "aws-us-gov" => json!({"StringEquals": {"kms:ViaService": format!("dynamodb.{region}.amazonaws.com")}}),
        _ => json!({"StringLike": {"kms:ViaService": format!("dynamodb.{region}.amazonaws.*")}}),
    };
    grant.key.as_ref().map(|key| {
        json!({
            "Sid": key_sid(&grant.table),
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:DescribeKey"],
            "Resource": key,
            "Condition": via,
        })
    })
}

fn sid(grant: &TableGrant) -> String {
    sid_of(&grant.table, grant.access)
}

pub(super) fn sid_of(table: &Arn, access: Access) -> String {
    format!("PodidDynamodb{}", text::short_hash(&[&table.to_string(), access.as_str()], 16))
}

pub(super) fn key_sid(table: &Arn) -> String {
    format!("PodidDynamodb{}Kms", text::short_hash(&[&table.to_string()], 16))
}

/// The Sids that only one table's access has.
fn own_sids(table: &Arn, access: Access) -> [String; 3] {
    let sid = sid_of(table, access);
    [format!("{sid}Index"), format!("{sid}Describe"), sid]
}

pub(super) fn sid_in(statement: &Value, sids: &[String]) -> bool {
    statement.get("Sid").and_then(Value::as_str).is_some_and(|sid| sids.iter().any(|own| own == sid))
}

/// The policy for these tables alone.
pub fn dynamodb(grants: &[TableGrant]) -> Document {
    merged(None, grants)
}

/// The inline policy that was there, with these tables in it: podid's own statements are brought up to date in place,
/// new ones go to the end, and all others stay. What a statement already there covers is not granted twice.
pub fn merged(before: Option<&Document>, grants: &[TableGrant]) -> Document {
    let mut after = Document::to_extend(before);
    let mut list: Vec<Value> = after.statements().into_iter().cloned().collect();
    for grant in grants {
        let covered = Access::ALL.into_iter().filter(|wider| *wider != grant.access && wider.covers(grant.access)).any(
            |access| {
                let wider = TableGrant { access, key: None, ..grant.clone() };
                statements(&wider).iter().all(|statement| list.contains(statement))
            },
        );
        let wanted: Vec<Value> = if covered { key(grant).into_iter().collect() } else { statements(grant) };
        if !covered {
            // Statements of another form of the same access, such as one without a tenant's condition.
            let own = own_sids(&grant.table, grant.access);
            list.retain(|other| !sid_in(other, &own) || wanted.iter().any(|s| s.get("Sid") == other.get("Sid")));
        }
        put_by_sid(&mut list, wanted);
    }
    after.set_statements(list);
    after
}

/// Access levels in podid's statements for a grant's table that include what the grant asks for, and more.
pub fn wider(before: Option<&Document>, grant: &TableGrant) -> Vec<Access> {
    let Some(before) = before else { return Vec::new() };
    let there = |access: Access| {
        let sid = sid_of(&grant.table, access);
        before.statements().iter().any(|statement| sid_in(statement, std::slice::from_ref(&sid)))
    };
    Access::ALL.into_iter().filter(|a| *a != grant.access && a.covers(grant.access) && there(*a)).collect()
}

/// The inline policy that was there, with these tables in it, and no other access to them in podid's statements. Those for
/// other tables stay, and so do all that podid did not write.
pub fn reduced(before: Option<&Document>, grants: &[TableGrant]) -> Document {
    let wanted: Vec<String> = grants.iter().map(sid).collect();
    let levels = grants.iter().flat_map(|grant| Access::ALL.map(|access| (&grant.table, access)));
    let gone: Vec<String> = levels
        .filter(|(table, access)| !wanted.contains(&sid_of(table, *access)))
        .flat_map(|(table, access)| own_sids(table, access))
        .collect();
    let kept = before.map(|before| without_idle_streams(&before.keeping(|statement| !sid_in(statement, &gone))));
    merged(kept.as_ref(), grants)
}

/// ListStreams goes with the last table whose streams are read.
fn without_idle_streams(document: &Document) -> Document {
    let reads_streams = |s: &Value| strings(s.get("Action")).contains(&"dynamodb:GetRecords");
    let reads = document.statements().into_iter().any(reads_streams);
    document.keeping(|statement| reads || !sid_in(statement, &[LIST_STREAMS.to_owned()]))
}

/// The inline policy without podid's statements for a table, all of them or those of one access; `None` when nothing is
/// left to grant.
pub fn without(before: &Document, table: &Arn, access: Option<Access>) -> Option<Document> {
    let gone: Vec<String> = Access::ALL
        .into_iter()
        .filter(|a| access.is_none_or(|only| only == *a))
        .flat_map(|a| own_sids(table, a))
        .collect();
    let kept = before.keeping(|statement| !sid_in(statement, &gone));
    let rest: Vec<String> = Access::ALL.into_iter().flat_map(|a| own_sids(table, a)).collect();
    let used = kept.statements().into_iter().any(|statement| sid_in(statement, &rest));
    let kept = kept.keeping(|statement| used || !sid_in(statement, &[key_sid(table)]));
    without_idle_streams(&kept).unless_empty()
}

/// What a look at the table says about a grant, one line each; the grant gets the table's key.
pub fn remarks(grant: &mut TableGrant, table: &Observed<Option<Table>>) -> Vec<String> {
    let arn = &grant.table;
    let table = match table {
        // The plan refuses a missing one, or says that access is granted all the same.
        Observed::NotRequested | Observed::Known(None) => return Vec::new(),
        Observed::Unreadable(why) => {
            return vec![format!(
                "table {arn} not checked: {why}; if it uses a customer managed KMS key, `kms:Decrypt` on it is needed too"
            )];
        }
        Observed::Known(Some(table)) => table,
    };
    let mut remarks = Vec::new();
    if let Some(key) = &table.key {
        grant.key = Some(key.clone());
        if table.status == "INACCESSIBLE_ENCRYPTION_CREDENTIALS" {
            remarks.push(format!("table {arn} is inaccessible: DynamoDB cannot use its key {key}"));
        }
    }
    if grant.access == Access::Stream && !table.stream {
        remarks.push(format!("table {arn} has no stream: enable it before it can be read"));
    }
    if let Indexes::These(names) = &grant.indexes {
        for name in names.iter().filter(|name| !table.indexes.contains(name)) {
            let have = if table.indexes.is_empty() { "none".to_owned() } else { table.indexes.join(", ") };
            remarks.push(format!("table {arn} has no index `{name}` (indexes: {have})"));
        }
    }
    remarks
}
