//! CloudWatch Logs and metrics (Service Authorization Reference of each).

use serde_json::{Value, json};

use super::{
    Level, Part, Resource, Service,
    service::{REGIONAL, Refused, always, check},
};
use crate::model::document::strings;

/// Some of these actions work on the group and some on its streams, and requests name the group in both forms.
pub(super) static LOGS: Service = Service {
    flag: "logs",
    what: "a log group",
    key: "group",
    value: "GROUP=write",
    sid: "PodidLogs",
    in_arns: "logs",
    by_name: |name| check_group(name).map(|()| format!("log-group:{name}")),
    by_arn: |part| {
        let group = part.strip_suffix(":*").unwrap_or(part);
        Some(check_group(group.strip_prefix("log-group:")?).map(|()| group.to_owned()))
    },
    name: |part| part.strip_prefix("log-group:"),
    tails: &[":*"],
    holds: |part| Some(format!("log-group:{}", part.strip_prefix("log-group:")?.split(':').next()?)),
    levels: &[Level {
        name: "write",
        parts: &[Part {
            suffix: "",
            actions: &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            on: |group| vec![group.to_string(), format!("{group}:*")],
            condition: always,
        }],
    }],
    ..REGIONAL
};

fn check_group(name: &str) -> Result<(), Refused> {
    check(name, 512, b"._-/#", "may have only letters, digits and `._-/#`; at most 512")
}

/// Metrics have no ARN: a condition holds to the namespace.
pub(super) static CLOUDWATCH: Service = Service {
    flag: "cloudwatch",
    what: "a CloudWatch namespace",
    key: "namespace",
    value: "NAMESPACE=put",
    sid: "PodidCloudwatch",
    regional: false,
    by_name: |name| check_namespace(name).map(|()| name.to_owned()),
    from_statement: |statement| {
        let held = strings(statement.pointer("/Condition/StringEquals/cloudwatch:namespace"));
        Some(Resource::Name((*held.first()?).to_owned()))
    },
    holds: |_| None,
    levels: &[Level {
        name: "put",
        parts: &[Part {
            suffix: "",
            actions: &["cloudwatch:PutMetricData"],
            on: |_| vec!["*".to_owned()],
            condition: namespace,
        }],
    }],
    ..REGIONAL
};

fn namespace(resource: &Resource) -> Value {
    json!({"StringEquals": {"cloudwatch:namespace": resource.to_string()}})
}

fn check_namespace(name: &str) -> Result<(), Refused> {
    if name.starts_with("AWS/") {
        return Err("is reserved by AWS: applications cannot write to it");
    }
    check(name, 255, b"._-/#:", "may have only letters, digits and `._-/#:`; at most 255")
}
