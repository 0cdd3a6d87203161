//! The port [`EksAuth`] on the AWS SDK. A session's credentials stay in here.

use async_trait::async_trait;
use aws_credential_types::Credentials as Keys;
use aws_sdk_dynamodb::{
    config::{Builder, Region},
    primitives::Blob,
    types::{AttributeValue, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription},
};
use secrecy::{ExposeSecret, SecretString};

use super::{Aws, convert};
use crate::{
    failure::{Failure, Result},
    model::{arn::Arn, table::Table},
    ports::{AsPod, Caller, Credentials, EksAuth, Iam, Tables},
    secrets,
};

/// A pod's session.
struct Session {
    aws: Aws,
    arn: String,
    /// `None` without an end.
    credentials: Option<Credentials>,
}

#[async_trait]
impl EksAuth for Aws {
    async fn as_pod(&self, cluster: &str, token: &SecretString) -> Result<Box<dyn AsPod>> {
        let what = format!("cannot get credentials from EKS Auth of cluster `{cluster}`");
        let eks_auth = self.eks_auth(&what).await?;
        secrets::hold(token.expose_secret());
        let call = eks_auth.api.assume_role_for_pod_identity().cluster_name(cluster).token(token.expose_secret());
        let answer = call.send().await;
        let answer = answer.map_err(|error| eks_auth.errors.failure("AssumeRoleForPodIdentity", &what, &error))?;
        let given = convert::need(answer.credentials(), "credentials").map_err(|failure| failure.context(&what))?;
        let user =
            convert::need(answer.assumed_role_user(), "assumedRoleUser").map_err(|failure| failure.context(&what))?;
        let keys = Keys::new(
            given.access_key_id(),
            given.secret_access_key(),
            Some(given.session_token().to_owned()),
            None,
            "EksAuth",
        );
        super::config::keep_secret(&keys);
        let credentials = convert::time(Some(given.expiration())).map(|expires| Credentials {
            access_key_id: given.access_key_id().to_owned(),
            secret_access_key: given.secret_access_key().into(),
            session_token: given.session_token().into(),
            expires,
        });
        Ok(Box::new(Session { aws: self.acting_as(keys).await?, arn: user.arn().to_owned(), credentials }))
    }
}

#[async_trait]
impl AsPod for Session {
    fn session(&self) -> &str {
        &self.arn
    }

    fn credentials(&self) -> Result<Credentials> {
        let missing = || Failure::failed("cannot use the credentials from EKS Auth");
        self.credentials.clone().ok_or_else(|| missing().because("the response has no valid `expiration`"))
    }

    async fn caller(&self) -> Result<Caller> {
        Iam::caller(&self.aws).await
    }

    async fn table(&self, table: &Arn) -> Result<Option<Table>> {
        Tables::table(&self.aws, table).await
    }

    async fn query(&self, resource: &Arn) -> Result<usize> {
        let what = format!("cannot query `{resource}`");
        let dynamodb = self.aws.dynamodb(&what).await?;
        let region = || Builder::new().region(Region::new(resource.region.clone()));
        let (table, index) = match resource.resource.split_once("/index/") {
            Some((table, index)) => (Arn { resource: table.to_owned(), ..resource.clone() }, Some(index.to_owned())),
            None => (resource.clone(), None),
        };
        let describe = dynamodb.api.describe_table().table_name(table.to_string());
        let described = describe.customize().config_override(region()).send().await;
        let described = described.map_err(|error| dynamodb.errors.failure("DescribeTable", &what, &error))?;
        let (name, value) = described
            .table()
            .and_then(|table| partition_key(table, index.as_deref()))
            .ok_or_else(|| Failure::failed(&what).because("DescribeTable returned no partition key for it"))?;
        let query = dynamodb
            .api
            .query()
            .table_name(table.to_string())
            .set_index_name(index)
            .key_condition_expression("#key = :value")
            .expression_attribute_names("#key", name)
            .expression_attribute_values(":value", value)
            .limit(1);
        let answer = query.customize().config_override(region()).send().await;
        let answer = answer.map_err(|error| dynamodb.errors.failure("Query", &what, &error))?;
        Ok(usize::try_from(answer.count()).unwrap_or_default())
    }
}

/// The partition key of a table or index, and a value of its type that nobody is likely to have.
fn partition_key(table: &TableDescription, index: Option<&str>) -> Option<(String, AttributeValue)> {
    let hash = |keys: &[KeySchemaElement]| {
        keys.iter().find(|key| *key.key_type() == KeyType::Hash).map(|key| key.attribute_name().to_owned())
    };
    let name = match index {
        None => hash(table.key_schema())?,
        Some(index) => {
            let global = table.global_secondary_indexes().iter().find(|it| it.index_name() == Some(index));
            let local = table.local_secondary_indexes().iter().find(|it| it.index_name() == Some(index));
            global.map(|it| hash(it.key_schema())).or_else(|| local.map(|it| hash(it.key_schema())))??
        }
    };
    let attribute = table.attribute_definitions().iter().find(|it| it.attribute_name() == name)?;
    let value = match attribute.attribute_type() {
        ScalarAttributeType::N => AttributeValue::N("0".to_owned()),
        ScalarAttributeType::B => AttributeValue::B(Blob::new("podid-verify")),
        _ => AttributeValue::S("podid-verify".to_owned()),
    };
    Some((name, value))
}
