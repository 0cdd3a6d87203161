//! Policy documents as IAM accepts them, and its words for those that it does not.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Aws,
    policy::{many_of, one_or_many},
    wire::{AwsError, err},
};

/// Services that may stand in a trust policy; IAM refuses those it does not know.
const SERVICES: &[&str] = &[
    "pods.eks.amazonaws.com",
    "eks.amazonaws.com",
    "eks-fargate-pods.amazonaws.com",
    "eks-nodegroup.amazonaws.com",
    "eks-fargate.amazonaws.com",
    "eks-auth.amazonaws.com",
    "capabilities.eks.amazonaws.com",
    "eks-connector.amazonaws.com",
    "ec2.amazonaws.com",
    "ec2.amazonaws.com.cn",
    "ecs.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "lambda.amazonaws.com",
    "ssm.amazonaws.com",
    "dynamodb.amazonaws.com",
    "s3.amazonaws.com",
    "events.amazonaws.com",
    "states.amazonaws.com",
    "codebuild.amazonaws.com",
    "cloudformation.amazonaws.com",
    "apigateway.amazonaws.com",
    "autoscaling.amazonaws.com",
    "elasticloadbalancing.amazonaws.com",
    "rds.amazonaws.com",
    "sagemaker.amazonaws.com",
    "glue.amazonaws.com",
    "batch.amazonaws.com",
    "scheduler.amazonaws.com",
    "backup.amazonaws.com",
];

const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

fn malformed(message: impl Into<String>) -> AwsError {
    err(400, "MalformedPolicyDocument", message)
}

/// Characters that count against a quota: all but white space.
pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// A document of a trust policy.
pub(super) fn check_trust(aws: &Aws, callers: &[String], document: &str) -> Result<(), AwsError> {
    let root = parse(document)?;
    for statement in statements(&root)? {
        if statement.contains_key("Resource") || statement.contains_key("NotResource") {
            return Err(malformed("Has prohibited field Resource"));
        }
        let Some(principal) = statement.get("Principal").or_else(|| statement.get("NotPrincipal")) else {
            return Err(malformed("Missing required field Principal"));
        };
        check_principal(aws, callers, principal)?;
        for action in actions(&statement)? {
            let known = action == "*" || action.to_ascii_lowercase().starts_with("sts:");
            if !known {
                return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
            }
        }
    }
    let quota = aws.trust_policy_quota;
    if size(document) > quota {
        return Err(err(409, "LimitExceeded", format!("Cannot exceed quota for ACLSizePerRole: {quota}")));
    }
    Ok(())
}

/// A document of a session policy; incomplete ARNs are for identity policies only (IAM User Guide, ARNs).
pub(super) fn check_session(document: &str) -> Result<(), AwsError> {
    check_identity(document)?;
    for statement in statements(&parse(document)?)? {
        let mut resources = many_of(&statement, "Resource");
        resources.extend(many_of(&statement, "NotResource"));
        if let Some(half) =
            resources.iter().find(|r| *r != "*" && r.as_str().unwrap_or_default().split(':').count() < 6)
        {
            return Err(malformed(format!("Resource {half} must be in ARN format or \"*\".")));
        }
    }
    Ok(())
}

/// A document of an identity policy.
pub(super) fn check_identity(document: &str) -> Result<(), AwsError> {
    if !document.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
        return Err(err(400, "ValidationError", "The specified value for policyDocument is invalid."));
    }
    let root = parse(document)?;
    for statement in statements(&root)? {
        if statement.contains_key("Principal") || statement.contains_key("NotPrincipal") {
            return Err(malformed("Policy document should not specify a principal."));
        }
        for action in actions(&statement)? {
            if action != "*" && !action.contains(':') {
                return Err(malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."));
            }
        }
        let mut resources = many_of(&statement, "Resource");
        resources.extend(many_of(&statement, "NotResource"));
        if resources.is_empty() {
            return Err(malformed("Policy statement must contain resources."));
        }
        for resource in resources {
            let Some(text) = resource.as_str() else { return Err(malformed("Syntax errors in policy.")) };
            check_resource(text)?;
        }
    }
    Ok(())
}

fn check_resource(text: &str) -> Result<(), AwsError> {
    let mut parts = text.splitn(6, ':');
    let (head, partition) = (parts.next().unwrap_or_default(), parts.next());
    let Some(partition) = partition.filter(|_| head == "arn" && text != "*") else {
        return if text == "*" {
            Ok(())
        } else {
            Err(malformed(format!("Resource {text} must be in ARN format or \"*\".")))
        };
    };
    let known = ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];
    if !known.contains(&partition) && !partition.contains(['*', '?']) {
        return Err(malformed(format!("Partition \"{partition}\" is not valid for resource \"{text}\".")));
    }
    let (service, region) = (parts.next(), parts.next().unwrap_or_default());
    match service {
        Some("") => Err(malformed("Vendor  is not valid")),
        Some("iam") if region.contains(|c: char| c.is_ascii_alphanumeric()) => {
            Err(malformed(format!("IAM resource {text} cannot contain region information.")))
        }
        _ => Ok(()),
    }
}

fn parse(document: &str) -> Result<Map<String, Value>, AwsError> {
    let Ok(Value::Object(root)) = serde_json::from_str(document) else {
        return Err(malformed("This policy contains invalid Json"));
    };
    for key in root.keys() {
        if !["Version", "Id", "Statement"].contains(&key.as_str()) {
            return Err(malformed("Syntax errors in policy."));
        }
    }
    match root.get("Version").map(Value::as_str) {
        None | Some(Some("2012-10-17" | "2008-10-17")) => Ok(root),
        _ => Err(malformed("The policy is not in the correct version.")),
    }
}

fn statements(root: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, AwsError> {
    let all = many_of(root, "Statement");
    if all.is_empty() {
        return Err(malformed("Syntax errors in policy."));
    }
    let mut sids = BTreeSet::new();
    let mut out = Vec::new();
    for statement in all {
        let Value::Object(statement) = statement else { return Err(malformed("Syntax errors in policy.")) };
        for key in statement.keys() {
            let known = [
                "Sid",
                "Effect",
                "Principal",
                "NotPrincipal",
                "Action",
                "NotAction",
                "Resource",
                "NotResource",
                "Condition",
            ];
            if !known.contains(&key.as_str()) {
                return Err(malformed("Syntax errors in policy."));
            }
        }
        // Of these, a statement has one or the other.
        let both = |one: &str| statement.contains_key(one) && statement.contains_key(&format!("Not{one}"));
        if ["Principal", "Action", "Resource"].into_iter().any(both)
            || statement.get("Sid").is_some_and(|s| !s.is_string())
        {
            return Err(malformed("Syntax errors in policy."));
        }
        if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
            return Err(malformed("Syntax errors in policy."));
        }
        if let Some(sid) = statement.get("Sid").and_then(Value::as_str) {
            if !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err(malformed(
                    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
                ));
            }
            if !sid.is_empty() && !sids.insert(sid.to_owned()) {
                return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
            }
        }
        if let Some(condition) = statement.get("Condition") {
            check_condition(condition)?;
        }
        out.push(statement);
    }
    Ok(out)
}

fn check_condition(condition: &Value) -> Result<(), AwsError> {
    let Some(block) = condition.as_object() else { return Err(malformed("Syntax errors in policy.")) };
    for (operator, keys) in block {
        let bare = operator.trim_start_matches("ForAnyValue:").trim_start_matches("ForAllValues:");
        let bare = bare.strip_suffix("IfExists").unwrap_or(bare);
        if !OPERATORS.iter().any(|known| known.eq_ignore_ascii_case(bare)) {
            return Err(malformed(format!("Invalid Condition type : {operator}.")));
        }
        let Some(keys) = keys.as_object() else { return Err(malformed("Syntax errors in policy.")) };
        if keys.keys().any(|key| !key.contains(':')) {
            return Err(malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."));
        }
        if keys.values().any(|value| value.is_object() || value.is_null()) {
            return Err(malformed("Syntax errors in policy."));
        }
    }
    Ok(())
}

fn actions(statement: &Map<String, Value>) -> Result<Vec<String>, AwsError> {
    let mut all = many_of(statement, "Action");
    all.extend(many_of(statement, "NotAction"));
    if all.is_empty() {
        return Err(malformed("Policy statement must contain actions."));
    }
    all.iter().map(|a| a.as_str().map(ToOwned::to_owned).ok_or_else(|| malformed("Syntax errors in policy."))).collect()
}

fn check_principal(aws: &Aws, callers: &[String], principal: &Value) -> Result<(), AwsError> {
    let Some(kinds) = principal.as_object() else {
        return if principal == "*" { Ok(()) } else { Err(malformed("Invalid principal in policy.")) };
    };
    for (kind, ids) in kinds {
        for id in one_or_many(ids) {
            let id = id.as_str().unwrap_or_default();
            let known = match kind.as_str() {
                "Service" => SERVICES.contains(&id),
                "AWS" => known_principal(aws, callers, id),
                "Federated" => {
                    id.contains(":oidc-provider/")
                        || id.contains(":saml-provider/")
                        || (!id.starts_with("arn:") && id.contains('.'))
                }
                "CanonicalUser" => id.len() == 64,
                _ => return Err(malformed("Syntax errors in policy.")),
            };
            if !known {
                return Err(malformed(format!("Invalid principal in policy: \"{}\":\"{id}\"", kind.to_uppercase())));
            }
        }
    }
    Ok(())
}

/// IAM looks up what is of its own account; of other accounts it is content with the form here.
fn known_principal(aws: &Aws, callers: &[String], id: &str) -> bool {
    if id == "*" || (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())) {
        return true;
    }
    let parts: Vec<&str> = id.splitn(6, ':').collect();
    let ["arn", partition, service, "", account, resource] = parts[..] else { return false };
    if partition != aws.partition || !["iam", "sts"].contains(&service) || account.len() != 12 {
        return false;
    }
    if account != aws.account || resource == "root" {
        return true;
    }
    aws.role_by_arn(id).is_some() || callers.iter().any(|arn| arn == id) || resource.starts_with("assumed-role/")
}
