//! The port [`Tables`] on the AWS SDK.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    config::{Builder, Region},
    error::ProvideErrorMetadata,
    types::{SseType, StreamSpecification, TableDescription},
};

use super::{Aws, convert};
use crate::{
    failure::Result,
    model::{arn::Arn, document::Document, table::Table},
    ports::Tables,
};

/// Pages of tables' names that are read, 100 each: they only make a message better.
const PAGES: usize = 10;

#[async_trait]
impl Tables for Aws {
    async fn table(&self, table: &Arn) -> Result<Option<Table>> {
        let what = format!("cannot describe table `{table}`");
        let dynamodb = self.dynamodb(&what).await?;
        let region = Builder::new().region(Region::new(table.region.clone()));
        let call = dynamodb.api.describe_table().table_name(table.to_string()).customize().config_override(region);
        match call.send().await {
            Ok(answer) => {
                convert::need(answer.table(), "Table").and_then(read).map(Some).map_err(|failure| failure.context(what))
            }
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(dynamodb.errors.failure("DescribeTable", &what, &error)),
        }
    }

    async fn names(&self, region: &str) -> Result<Vec<String>> {
        let what = "cannot list tables";
        let dynamodb = self.dynamodb(what).await?;
        let (mut names, mut start) = (Vec::new(), None);
        for _ in 0..PAGES {
            let config = Builder::new().region(Region::new(region.to_owned()));
            let call = dynamodb.api.list_tables().set_exclusive_start_table_name(start.take());
            let page = match call.customize().config_override(config).send().await {
                Ok(page) => page,
                Err(error) => return Err(dynamodb.errors.failure("ListTables", what, &error)),
            };
            names.extend(page.table_names.unwrap_or_default());
            start = page.last_evaluated_table_name;
            if start.is_none() {
                break;
            }
        }
        Ok(names)
    }

    async fn table_policy(&self, table: &Arn) -> Result<Option<Document>> {
        let what = format!("cannot read the policy of table `{table}`");
        let dynamodb = self.dynamodb(&what).await?;
        let region = Builder::new().region(Region::new(table.region.clone()));
        let call = dynamodb.api.get_resource_policy().resource_arn(table.to_string());
        match call.customize().config_override(region).send().await {
            Ok(answer) => convert::need(answer.policy(), "Policy")
                .and_then(convert::document)
                .map(Some)
                .map_err(|failure| failure.context(what)),
            Err(error) if matches!(error.code(), Some("PolicyNotFoundException" | "ResourceNotFoundException")) => {
                Ok(None)
            }
            Err(error) => Err(dynamodb.errors.failure("GetResourcePolicy", &what, &error)),
        }
    }
}

fn read(from: &TableDescription) -> Result<Table> {
    let global = from.global_secondary_indexes().iter().filter_map(|index| index.index_name());
    let local = from.local_secondary_indexes().iter().filter_map(|index| index.index_name());
    let sse = from.sse_description().filter(|sse| sse.sse_type() == Some(&SseType::Kms));
    Ok(Table {
        arn: convert::arn_of_one(convert::need(from.table_arn(), "TableArn")?)?,
        status: from.table_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        key: sse.and_then(|sse| sse.kms_master_key_arn()).map(ToOwned::to_owned),
        indexes: global.chain(local).map(ToOwned::to_owned).collect(),
        stream: from.stream_specification().is_some_and(StreamSpecification::stream_enabled),
    })
}
