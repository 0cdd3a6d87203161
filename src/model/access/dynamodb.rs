//! DynamoDB's actions: on what each works, and which access of podid's covers some of them
//! (Service Authorization Reference, Amazon DynamoDB).

use crate::model::{
    arn::Arn,
    document::strings,
    policy,
    text::wildcard,
    want::{Access, TableGrant},
};

/// On a table, and on its indexes with the index's own ARN.
const TABLE_AND_INDEX: [&str; 3] = ["Query", "Scan", "PartiQLSelect"];

/// On a table alone.
const TABLE: [&str; 24] = [
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
    "DeleteItem",
    "DeleteTable",
    "DescribeContinuousBackups",
    "DescribeTable",
    "DescribeTimeToLive",
    "GetItem",
    "PartiQLDelete",
    "PartiQLInsert",
    "PartiQLUpdate",
    "PutItem",
    "TagResource",
    "UntagResource",
    "ListTagsOfResource",
    "UpdateContinuousBackups",
    "UpdateItem",
    "UpdateTable",
    "UpdateTimeToLive",
    "CreateTable",
    "CreateBackup",
    "DescribeContributorInsights",
    "UpdateContributorInsights",
];

/// On a stream.
const STREAM: [&str; 3] = ["DescribeStream", "GetRecords", "GetShardIterator"];

/// On nothing in particular.
const NOTHING: [&str; 7] = [
    "ListTables",
    "ListStreams",
    "DescribeLimits",
    "DescribeEndpoints",
    "ListBackups",
    "ListGlobalTables",
    "ListContributorInsights",
];

/// Whether a DynamoDB action is known to work on no resource.
pub(super) fn without_resource(action: &str) -> bool {
    NOTHING.iter().any(|name| name.eq_ignore_ascii_case(action))
}

/// The action that a call is authorized as, where that is another one.
pub(super) fn authorized_as(call: &str) -> Option<&'static str> {
    match call {
        "TransactGetItems" => Some("GetItem"),
        "TransactWriteItems" => Some("PutItem, UpdateItem, DeleteItem or ConditionCheckItem"),
        "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction" => {
            Some("PartiQLSelect, PartiQLInsert, PartiQLUpdate or PartiQLDelete")
        }
        _ => None,
    }
}

/// The actions that `dynamodb:*` stands for on a resource, given as the last part of its ARN.
pub(super) fn every_action_on(resource: &str) -> Vec<&'static str> {
    if resource.contains("/index/") {
        TABLE_AND_INDEX[..2].to_vec()
    } else if resource.contains("/stream/") {
        STREAM.to_vec()
    } else {
        TABLE_AND_INDEX[..2].iter().chain(&TABLE).copied().collect()
    }
}

/// The table that an ARN of DynamoDB belongs to.
pub fn table_of(resource: &str) -> Option<Arn> {
    let arn: Arn = resource.parse().ok()?;
    let name = arn.resource.strip_prefix("table/").filter(|_| arn.service == "dynamodb")?.split('/').next()?;
    (!name.is_empty() && !name.contains('*')).then(|| Arn { resource: format!("table/{name}"), ..arn.clone() })
}

/// The smallest access to a table that allows these actions on these resources; `None` when none of podid's does.
pub fn covering(table: &Arn, wanted: &[(&str, &str)]) -> Option<Access> {
    // `Access::ALL` goes from narrow to wide, but for streams, which nothing else covers.
    Access::ALL.into_iter().find(|access| {
        let statements = policy::statements(&TableGrant::new(table.clone(), *access));
        wanted.iter().all(|(action, resource)| {
            statements.iter().any(|statement| {
                let hit = |key: &str, text: &str| strings(statement.get(key)).iter().any(|one| wildcard(one, text));
                hit("Action", action) && hit("Resource", resource)
            })
        })
    })
}

/// Whether an action reads or writes items, for which DynamoDB decrypts the table's key in the name of the caller.
pub fn uses_key(action: &str) -> bool {
    let Some(name) = action.strip_prefix("dynamodb:") else { return false };
    name.ends_with("Item") || name.starts_with("PartiQL") || ["Query", "Scan", "GetRecords"].contains(&name)
}
