//! Secrets Manager and SSM Parameter Store (Service Authorization Reference of each).

use super::{
    Level, Part, Resource, Service,
    service::{REGIONAL, Refused, always, check},
};

/// Secrets Manager ends the ARN of a secret with a hyphen and six random characters.
const RANDOM: &str = "-??????";

pub(super) static SECRET: Service = Service {
    flag: "secret",
    what: "a secret",
    also: " of Secrets Manager",
    key: "secret",
    value: "NAME|ARN=ACCESS",
    sid: "PodidSecret",
    in_arns: "secretsmanager",
    by_name: |name| check_secret(name).map(|()| format!("secret:{name}{RANDOM}")),
    by_arn: secret,
    name: |part| part.strip_prefix("secret:")?.strip_suffix(RANDOM),
    tails: &[RANDOM],
    levels: &[
        Level {
            name: "read",
            parts: &[Part::itself(&["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"])],
        },
        Level {
            name: "write",
            parts: &[Part::itself(&[
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecret",
                "secretsmanager:UpdateSecretVersionStage",
            ])],
        },
    ],
    ..REGIONAL
};

/// A whole ARN is that secret; one without the random characters is completed by a pattern for them.
fn secret(part: &str) -> Option<Result<String, Refused>> {
    let name = part.strip_prefix("secret:")?;
    if let Some(name) = name.strip_suffix(RANDOM) {
        return Some(check_secret(name).map(|()| part.to_owned()));
    }
    let random = |end: &str| end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric());
    let whole = name.rsplit_once('-').is_some_and(|(name, end)| !name.is_empty() && random(end));
    Some(check_secret(name).map(|()| if whole { part.to_owned() } else { format!("{part}{RANDOM}") }))
}

fn check_secret(name: &str) -> Result<(), Refused> {
    check(name, 512, b"/_+=.@-", "may have only letters, digits and `/_+=.@-`; at most 512")
}

/// GetParametersByPath is authorized by the requested path alone, whatever is below it: only access to a tree includes it.
pub(super) static SSM: Service = Service {
    flag: "ssm",
    what: "an SSM parameter",
    also: ", or all parameters below a path with `/PATH/*`",
    key: "parameter",
    value: "/PATH=ACCESS",
    sid: "PodidSsm",
    in_arns: "ssm",
    by_name: |name| check_parameter(name).map(|()| format!("parameter/{}", name.strip_prefix('/').unwrap_or(name))),
    by_arn: |part| {
        let name = part.strip_prefix("parameter/")?;
        Some(check_parameter(name).map(|()| part.to_owned()))
    },
    // With the slash: a name without one is the same parameter's to IAM.
    name: |part| part.strip_prefix("parameter").filter(|name| name.starts_with('/')),
    tails: &["/*"],
    levels: &[
        Level {
            name: "read",
            parts: &[
                Part::itself(&["ssm:GetParameter", "ssm:GetParameters"]),
                Part { suffix: "Path", actions: &["ssm:GetParametersByPath"], on: tree, condition: always },
            ],
        },
        Level {
            name: "write",
            parts: &[Part::itself(&["ssm:PutParameter", "ssm:LabelParameterVersion", "ssm:AddTagsToResource"])],
        },
    ],
    ..REGIONAL
};

/// The path, and what is below it.
fn tree(resource: &Resource) -> Vec<String> {
    let all = resource.to_string();
    all.strip_suffix("/*").map_or_else(Vec::new, |path| vec![path.to_owned(), all.clone()])
}

fn check_parameter(name: &str) -> Result<(), Refused> {
    let name = name.strip_prefix('/').unwrap_or(name);
    if name == "*" {
        return Err("matches every parameter: name a path, such as `/app/*`");
    }
    let path = name.strip_suffix("/*").unwrap_or(name);
    let lower = path.to_ascii_lowercase();
    if lower.starts_with("aws") || lower.starts_with("ssm") {
        return Err("begins with `aws` or `ssm`, which is reserved by AWS");
    }
    if path.starts_with('/') || path.ends_with('/') || path.contains("//") {
        return Err("has an empty part");
    }
    check(path, 1011, b"_.-/", "may have only letters, digits, `_`, `.`, `-` and `/`")
}
