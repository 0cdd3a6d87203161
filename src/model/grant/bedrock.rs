//! Bedrock: foundation models and inference profiles (Service Authorization Reference, Amazon Bedrock).

use serde_json::{Value, json};

use super::{
    Level, Part, Resource, Service,
    service::{REGIONAL, Refused, check},
};

/// What the ID of an inference profile begins with (Bedrock User Guide, supported inference profiles).
const AREAS: [&str; 8] = ["us", "eu", "apac", "global", "us-gov", "jp", "au", "ca"];

/// Converse is authorized as InvokeModel, and ConverseStream as InvokeModelWithResponseStream.
const INVOKE: &[&str] = &["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"];

pub(super) static BEDROCK: Service = Service {
    flag: "bedrock",
    what: "a Bedrock model",
    also: " or inference profile",
    key: "model",
    value: "MODEL=invoke",
    sid: "PodidBedrock",
    in_arns: "bedrock",
    owned: |part| !part.starts_with("foundation-model/"),
    by_name: |name| {
        let kind = if model_of(name).is_some() { "inference-profile" } else { "foundation-model" };
        check_id(name).map(|()| format!("{kind}/{name}"))
    },
    by_arn: |part| {
        let (kind, id) = part.split_once('/')?;
        let kinds = ["foundation-model", "inference-profile", "application-inference-profile", "provisioned-model"];
        kinds.contains(&kind).then(|| check_id(id).map(|()| part.to_owned()))
    },
    name: |part| match part.split_once('/')? {
        ("foundation-model", id) => Some(id).filter(|id| model_of(id).is_none()),
        ("inference-profile", id) => Some(id).filter(|id| model_of(id).is_some()),
        _ => None,
    },
    levels: &[Level {
        name: "invoke",
        parts: &[Part::itself(INVOKE), Part { suffix: "Models", actions: INVOKE, on: models, condition: through }],
    }],
    ..REGIONAL
};

/// The model of an inference profile's ID.
fn model_of(id: &str) -> Option<&str> {
    id.split_once('.').filter(|(area, _)| AREAS.contains(area)).map(|(_, model)| model)
}

fn is_profile(part: &str) -> bool {
    part.starts_with("inference-profile/") || part.starts_with("application-inference-profile/")
}

/// A profile needs its models too, in every region to which it may lead.
fn models(resource: &Resource) -> Vec<String> {
    let (Some(arn), part) = (resource.arn(), resource.part()) else { return Vec::new() };
    if !is_profile(part) {
        return Vec::new();
    }
    let model = part.strip_prefix("inference-profile/").and_then(model_of).unwrap_or("*");
    vec![format!("arn:{}:bedrock:*::foundation-model/{model}", arn.partition)]
}

/// By way of the profile alone.
fn through(resource: &Resource) -> Value {
    json!({"StringEquals": {"bedrock:InferenceProfileArn": resource.to_string()}})
}

fn check_id(id: &str) -> Result<(), Refused> {
    check(id, 256, b"._-:", "may have only letters, digits, `.`, `_`, `-` and `:`; at most 256")
}
