//! A finding as it is printed, and its schema: the one place for the names of its fields.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::{Check, Evidence, Finding, Link, Remedy, Status};
use crate::model::arn::Arn;

/// A finding as it is printed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
struct Written<'a> {
    /// Stable id of the check
    id: &'a str,
    /// The group of the check
    link: Link,
    /// How the check came out
    status: Status,
    /// On what
    subject: &'a str,
    /// In an audit of several clusters: ARN of the cluster that it is in; absent otherwise, and for roles
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a Arn>,
    /// What was found
    message: &'a str,
    /// What was read, and from where
    evidence: &'a [Evidence],
    /// What to do, each with a command or a change in words
    remedies: &'a [Remedy],
    /// Pages and issues that the check is based on
    sources: &'a [&'a str],
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { check: Check { id, link, sources, .. }, status, subject, message, evidence, remedies, .. } = self;
        let cluster = self.cluster.as_ref().map(|cluster| &cluster.arn);
        Written { id, link: *link, status: *status, subject, cluster, message, evidence, remedies, sources }
            .serialize(serializer)
    }
}

impl JsonSchema for Finding {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}
