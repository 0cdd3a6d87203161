//! KMS keys that a workload uses itself (Service Authorization Reference, AWS KMS).

use serde_json::{Value, json};

use super::{
    Level, Part, Resource, Service,
    service::{REGIONAL, Refused, check},
};
use crate::model::{arn::Arn, document::strings};

const DECRYPT: &str = "kms:Decrypt";
const DESCRIBE: &str = "kms:DescribeKey";
const ENCRYPT: &str = "kms:Encrypt";
const DATA_KEY: &str = "kms:GenerateDataKey";
const DATA_KEY_ONLY: &str = "kms:GenerateDataKeyWithoutPlaintext";
/// Takes a text from under the key, and so belongs to who may decrypt.
const FROM: &str = "kms:ReEncryptFrom";
const TO: &str = "kms:ReEncryptTo";

const fn key(actions: &'static [&'static str]) -> Part {
    Part { suffix: "", actions, on: keys, condition: alias }
}

pub(super) static KMS: Service = Service {
    flag: "kms",
    what: "a KMS key",
    also: ", or the keys of an alias with `alias/NAME`",
    key: "key",
    value: "KEY|ALIAS=ACCESS",
    sid: "PodidKms",
    in_arns: "kms",
    by_name: |name| {
        if name.starts_with("alias/") {
            return check_alias(name).map(|()| name.to_owned());
        }
        check_id(name).map(|()| format!("key/{name}"))
    },
    by_arn: |part| match part.strip_prefix("key/") {
        Some(id) => Some(check_id(id).map(|()| part.to_owned())),
        None => part.starts_with("alias/").then(|| check_alias(part).map(|()| part.to_owned())),
    },
    name: |part| Some(part.strip_prefix("key/").unwrap_or(part)),
    from_statement: granted,
    levels: &[
        Level { name: "decrypt", parts: &[key(&[DECRYPT, DESCRIBE])] },
        Level { name: "encrypt", parts: &[key(&[ENCRYPT, DATA_KEY, DATA_KEY_ONLY, TO, DESCRIBE])] },
        Level { name: "both", parts: &[key(&[DECRYPT, ENCRYPT, DATA_KEY, DATA_KEY_ONLY, FROM, TO, DESCRIBE])] },
    ],
    ..REGIONAL
};

fn check_id(id: &str) -> Result<(), Refused> {
    check(id, 128, b"-", "is neither a key ID nor an alias; an alias is written as `alias/NAME`")
}

fn check_alias(alias: &str) -> Result<(), Refused> {
    if alias.starts_with("alias/aws/") {
        return Err("is an AWS managed key, which only its service uses: no policy has to allow it");
    }
    let name = alias.strip_prefix("alias/").unwrap_or(alias);
    check(name, 250, b"/_-", "may have only letters, digits, `/`, `_` and `-`")
}

/// The ARN of an alias stands only for actions on the alias: access by an alias is to keys that have it.
fn keys(resource: &Resource) -> Vec<String> {
    if resource.part().starts_with("alias/") { vec![resource.with("key/*")] } else { vec![resource.to_string()] }
}

fn alias(resource: &Resource) -> Value {
    let alias = resource.part();
    if !alias.starts_with("alias/") {
        return Value::Null;
    }
    json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}})
}

fn granted(statement: &Value) -> Option<Resource> {
    let arn: Arn = strings(statement.get("Resource")).first()?.parse().ok()?;
    let alias = strings(statement.pointer("/Condition/ForAnyValue:StringEquals/kms:ResourceAliases"));
    let resource = alias.first().map_or_else(|| arn.resource.clone(), |alias| (*alias).to_owned());
    Some(Resource::Arn(Arn { resource, ..arn }))
}
