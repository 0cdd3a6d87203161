//! DynamoDB: tables that can be described and queried, and the calls of apps in this world.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Aws, Ctx,
    policy::Facts,
    sts::{AppCredentials, Who},
    wire::{Answer, AwsError, Reply, epoch, err},
};
use crate::{
    State,
    scenario::{Scenario, Table},
};

fn not_found(message: impl Into<String>) -> AwsError {
    err(400, "ResourceNotFoundException", message)
}

/// An app's call, such as `dynamodb:Query` on `eks-workshop-carts/index/idx_global_customerId`; the error is AWS's message with its code.
pub(crate) fn app_call(
    state: &mut State,
    scenario: &Scenario,
    who: &AppCredentials,
    action: &str,
    resource: &str,
    _now: Timestamp,
) -> Result<(), String> {
    let aws = &state.aws;
    let who = match who {
        AppCredentials::Static { access_key_id } => {
            let caller = scenario.callers.iter().find(|caller| caller.access_key_id == *access_key_id);
            Who::caller(
                caller.ok_or("UnrecognizedClientException: The security token included in the request is invalid.")?,
            )
        }
        AppCredentials::PodIdentity(session) => Who::session(session),
        AppCredentials::NodeRole { role, instance } => Who::session(&aws.node_session(role, instance)),
    };
    if action == "sts:GetCallerIdentity" {
        return Ok(());
    }
    let dynamodb = action.starts_with("dynamodb:");
    let arn = if dynamodb && !resource.starts_with("arn:") { aws.table_arn(resource) } else { resource.to_owned() };
    if let Err(why) = aws.permits(&who, action, &arn, &Facts::new()) {
        let reason = why.text(action);
        return Err(format!(
            "AccessDeniedException: User: {} is not authorized to perform: {action} on resource: {arn}{reason}",
            who.arn
        ));
    }
    if dynamodb && !resource.starts_with("arn:") && !aws.has(resource) {
        return Err("ResourceNotFoundException: Requested resource not found".to_owned());
    }
    Ok(())
}

impl Aws {
    fn table_arn(&self, resource: &str) -> String {
        self.arn("dynamodb", true, &format!("table/{resource}"))
    }

    /// Whether `TABLE` or `TABLE/index/INDEX` exists.
    fn has(&self, resource: &str) -> bool {
        let mut parts = resource.split('/');
        let Some(table) = self.tables.get(parts.next().unwrap_or_default()) else { return false };
        match (parts.next(), parts.next()) {
            (Some("index"), Some(index)) => index == "*" || table.indexes.iter().any(|known| known == index),
            _ => true,
        }
    }

    pub(super) fn dynamodb(&mut self, ctx: &Ctx<'_>) -> Answer {
        if !ctx.call.well_formed {
            return Err(err(400, "SerializationException", "Unexpected token in the request body."));
        }
        let operation = ctx.call.operation.as_str();
        // A table may also be named by its ARN; its policy is asked for by that alone.
        let named = ctx.call.text("TableName").or_else(|| ctx.call.text("ResourceArn")).unwrap_or_default();
        let table = named.rsplit('/').next().unwrap_or_default().to_owned();
        let resource = match ctx.call.text("IndexName") {
            Some(index) => format!("{table}/index/{index}"),
            None => table.clone(),
        };
        let resource = if operation == "ListTables" { "*".to_owned() } else { resource };
        ctx.permit(self, &format!("dynamodb:{operation}"), &self.table_arn(&resource), &Facts::new())?;
        // One of another account or region is not here.
        let here = ctx.region == self.region && (!named.starts_with("arn:") || named == self.table_arn(&table));
        match operation {
            "ListTables" => {
                Ok(Reply::Json(json!({"TableNames": self.tables.keys().filter(|_| here).collect::<Vec<_>>()})))
            }
            "CreateTable" => {
                if self.tables.contains_key(&table) {
                    return Err(err(400, "ResourceInUseException", format!("Table already exists: {table}")));
                }
                let indexes = ctx.call.json.get("GlobalSecondaryIndexes").and_then(Value::as_array);
                let listed = indexes.into_iter().flatten().filter_map(|index| index["IndexName"].as_str());
                let made = Table {
                    name: table.clone(),
                    indexes: listed.map(ToOwned::to_owned).collect(),
                    kms_key: None,
                    stream: false,
                    policy: None,
                    status: "ACTIVE".to_owned(),
                };
                self.tables.insert(table.clone(), made);
                Ok(Reply::Json(json!({"TableDescription": self.describe_table(&table)})))
            }
            "DescribeTable" if here && self.tables.contains_key(&table) => {
                Ok(Reply::Json(json!({"Table": self.describe_table(&table)})))
            }
            "GetResourcePolicy" if here && self.tables.contains_key(&table) => {
                match self.tables.get(&table).and_then(|table| table.policy.as_ref()) {
                    Some(policy) => {
                        Ok(Reply::Json(json!({"Policy": policy.to_string(), "RevisionId": "1700000000000"})))
                    }
                    None => Err(err(
                        400,
                        "PolicyNotFoundException",
                        format!("Resource-based policy not found for the provided ResourceArn: {named}"),
                    )),
                }
            }
            "GetResourcePolicy" | "DescribeTable" => {
                Err(not_found(format!("Requested resource not found: Table: {table} not found")))
            }
            "Query" | "Scan" if here && self.has(&resource) => {
                Ok(Reply::Json(json!({"Items": [], "Count": 0, "ScannedCount": 0})))
            }
            "GetItem" | "PutItem" | "DeleteItem" | "UpdateItem" if here && self.has(&resource) => {
                Ok(Reply::Json(json!({})))
            }
            "Query" if here && self.tables.contains_key(&table) => {
                let index = ctx.call.text("IndexName").unwrap_or_default();
                Err(err(400, "ValidationException", format!("The table does not have the specified index: {index}")))
            }
            "Query" | "Scan" | "GetItem" | "PutItem" | "DeleteItem" | "UpdateItem" => {
                Err(not_found("Requested resource not found"))
            }
            _ => Err(err(400, "UnknownOperationException", "")),
        }
    }

    fn describe_table(&self, table: &str) -> Value {
        let Some(known) = self.tables.get(table) else { return Value::Null };
        let indexes: Vec<_> = known
            .indexes
            .iter()
            .map(|index| {
                json!({
                    "IndexName": index,
                    "IndexArn": self.table_arn(&format!("{table}/index/{index}")),
                    "IndexStatus": "ACTIVE",
                    "KeySchema": [{"AttributeName": "customerId", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                })
            })
            .collect();
        let mut out = json!({
            "TableName": table,
            "TableArn": self.table_arn(table),
            "TableStatus": known.status,
            "CreationDateTime": epoch(self.started),
            "ItemCount": 0,
            "TableSizeBytes": 0,
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "customerId", "AttributeType": "S"},
            ],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        });
        if !indexes.is_empty() {
            out["GlobalSecondaryIndexes"] = json!(indexes);
        }
        if let Some(key) = &known.kms_key {
            out["SSEDescription"] = json!({"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key});
        }
        if known.stream {
            out["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
            out["LatestStreamArn"] = json!(self.table_arn(&format!("{table}/stream/2026-01-01T00:00:00.000")));
        }
        out
    }
}
