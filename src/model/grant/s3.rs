//! S3: buckets and what is below a prefix in them (Service Authorization Reference, Amazon S3).

use serde_json::{Value, json};

use super::{
    Level, Part, Resource, Service,
    service::{REGIONAL, Refused, always},
};
use crate::model::{arn::Arn, document::strings};

const GET: &str = "s3:GetObject";
const PUT: &str = "s3:PutObject";
const DELETE: &str = "s3:DeleteObject";
const ABORT: &str = "s3:AbortMultipartUpload";
const PARTS: &str = "s3:ListMultipartUploadParts";

/// Whether a missing object is 404 or 403 hangs on ListBucket: reading includes it.
const fn listed(suffix: &'static str) -> Part {
    Part { suffix, actions: &["s3:ListBucket"], on: bucket, condition: prefix }
}

/// A request for the location has no prefix: no condition on it could hold.
const LOCATION: Part = Part { suffix: "Location", actions: &["s3:GetBucketLocation"], on: bucket, condition: always };

const fn objects(actions: &'static [&'static str]) -> Part {
    Part { suffix: "", actions, on: below, condition: always }
}

pub(super) static S3: Service = Service {
    flag: "s3",
    what: "an S3 bucket",
    also: ", or everything below a prefix in it",
    key: "bucket",
    below: Some("prefix"),
    value: "BUCKET[/PREFIX]=ACCESS",
    sid: "PodidS3",
    in_arns: "s3",
    regional: false,
    owned: |_| false,
    by_name: checked,
    by_arn: |part| Some(checked(part.strip_suffix("/*").unwrap_or(part))),
    tails: &["/*"],
    from_statement: granted,
    holds: |part| Some(part.rsplit_once('/').map_or(part, |(folder, _)| folder).to_owned()),
    holder: |part| part.split('/').next().unwrap_or(part),
    levels: &[
        Level { name: "list", parts: &[listed(""), LOCATION] },
        Level { name: "read", parts: &[objects(&[GET]), listed("List"), LOCATION] },
        Level { name: "write", parts: &[objects(&[PUT, DELETE, ABORT, PARTS])] },
        Level { name: "read-write", parts: &[objects(&[GET, PUT, DELETE, ABORT, PARTS]), listed("List"), LOCATION] },
    ],
    ..REGIONAL
};

fn checked(name: &str) -> Result<String, Refused> {
    let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
    check_bucket(bucket)?;
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.starts_with('/') || prefix.ends_with('/') {
        return Err("has an empty folder in its prefix");
    }
    if prefix.len() > 1000 {
        return Err("has a prefix of more than 1000 characters");
    }
    if !prefix.bytes().all(|b| b.is_ascii_graphic() && !b"*?$\"".contains(&b)) {
        return Err("may have only printable ASCII without spaces, `*`, `?`, `$` and `\"` in its prefix");
    }
    Ok(if prefix.is_empty() { bucket.to_owned() } else { format!("{bucket}/{prefix}") })
}

/// Names of general purpose buckets (S3 User Guide, bucket naming rules).
fn check_bucket(name: &str) -> Result<(), Refused> {
    if name.ends_with("--x-s3") {
        return Err("is a directory bucket, which needs `s3express:CreateSession`: use `--allow`");
    }
    if name.ends_with("-s3alias") || name.ends_with("--ol-s3") {
        return Err("is the alias of an access point: name the bucket");
    }
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(fine) && name.bytes().last().is_some_and(fine);
    if !(3..=63).contains(&name.len()) || !ends || !name.bytes().all(|b| fine(b) || b".-".contains(&b)) {
        return Err("has no bucket name: 3 to 63 lower-case letters, digits, `.` and `-`");
    }
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() == 4 && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        return Err("is an IP address, which is not allowed as a bucket name");
    }
    Ok(())
}

fn bucket(resource: &Resource) -> Vec<String> {
    let part = resource.part();
    vec![resource.with(part.split('/').next().unwrap_or(part))]
}

fn below(resource: &Resource) -> Vec<String> {
    vec![format!("{resource}/*")]
}

/// What may be listed: the folder, by whichever of its names.
fn prefix(resource: &Resource) -> Value {
    match resource.part().split_once('/') {
        Some((_, prefix)) => {
            json!({"StringLike": {"s3:prefix": [format!("{prefix}/*"), prefix, format!("{prefix}/")]}})
        }
        None => Value::Null,
    }
}

fn granted(statement: &Value) -> Option<Resource> {
    let arn: Arn = strings(statement.get("Resource")).first()?.parse().ok()?;
    let listed = strings(statement.pointer("/Condition/StringLike/s3:prefix"));
    let name = match listed.first() {
        Some(prefix) => format!("{}/{}", arn.resource, prefix.strip_suffix("/*")?),
        None => arn.resource.strip_suffix("/*").unwrap_or(&arn.resource).to_owned(),
    };
    Some(Resource::Arn(Arn { resource: name, ..arn }))
}
