//! A call that is asked about, as users write it: an action, and what it is made on. What a short name leaves open is the cluster's.

use super::{Need, NeedText, needs};
use crate::model::{
    arn::{Arn, ArnError},
    grant::{GrantError, GrantText, SERVICES},
    policy,
};

/// An action and a resource as they were named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionText {
    action: String,
    on: On,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum On {
    /// An ARN, or `*`.
    Whole(String),
    /// A table, or an index of it.
    Table(NeedText),
    /// A bucket, or an object: `BUCKET[/KEY]`.
    Bucket(String),
    /// A resource that podid grants access to.
    Resource(GrantText),
}

/// Why a text is no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Not an action, or not a table.
    #[error(transparent)]
    Need(#[from] needs::NeedError),
    /// Not an ARN.
    #[error(transparent)]
    Arn(#[from] ArnError),
    /// Not the name of such a resource.
    #[error(transparent)]
    Name(#[from] GrantError),
    /// A pattern.
    #[error("`{0}` stands for several resources: name one, without `*`, `?` and variables")]
    Pattern(String),
    /// An action that works on something.
    #[error("`{0}` works on resources of {1}: name one by its ARN")]
    Nothing(String, String),
    /// An action that every caller may.
    #[error("`{0}` needs no permission: every caller with credentials can make this call")]
    Free(String),
    /// Several actions.
    #[error("`{0}` matches several actions: name one")]
    Several(String),
    /// No name.
    #[error("the name of the resource in `{0}` is empty")]
    Empty(String),
    /// An object without its key.
    #[error("`{0}` works on objects: use BUCKET/KEY")]
    NoKey(String),
    /// The address of a queue or another one.
    #[error("`{0}` is a URL: use the name or the ARN of the resource")]
    Url(String),
    /// Of a key, IAM sees its own ARN.
    #[error("`{0}` is an alias, and IAM evaluates the ARN of the key: name the key by its ARN")]
    Alias(String),
    /// A resource of another service.
    #[error("`{arn}` is a resource of {found}, and {service} actions work on resources of {service}")]
    Foreign {
        /// As given.
        arn: String,
        /// Its service.
        found: String,
        /// The action's.
        service: String,
    },
    /// A name that only an ARN tells.
    #[error("`{0}` is not an ARN, which {1} actions need")]
    NoArn(String, String),
}

impl QuestionText {
    /// Reads an action and what it is made on.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(action: &str, resource: &str) -> Result<Self, QuestionError> {
        if action.contains(['*', '?']) {
            return Err(QuestionError::Several(action.to_owned()));
        }
        // IAM ignores the case of both parts.
        let lower = action.split_once(':').map(|(service, name)| format!("{}:{name}", service.to_ascii_lowercase()));
        let action = lower.as_deref().unwrap_or(action);
        needs::check_action(action)?;
        if FREE.iter().any(|free| free.eq_ignore_ascii_case(action)) {
            return Err(QuestionError::Free(action.to_owned()));
        }
        let (service, call) = action.split_once(':').unwrap_or_default();
        let resource = if service == "s3" { resource.strip_prefix("s3://").unwrap_or(resource) } else { resource };
        if resource.is_empty() {
            return Err(QuestionError::Empty(resource.to_owned()));
        }
        if resource.starts_with("https://") || resource.starts_with("http://") {
            return Err(QuestionError::Url(resource.to_owned()));
        }
        if service == "kms" && resource.rsplit(':').next().is_some_and(|name| name.starts_with("alias/")) {
            return Err(QuestionError::Alias(resource.to_owned()));
        }
        let pattern = resource.contains(['*', '?']) || resource.contains("${");
        let on = match resource {
            "*" if policy::works_on_resources(action) => {
                return Err(QuestionError::Nothing(action.to_owned(), service.to_owned()));
            }
            "*" => On::Whole("*".to_owned()),
            _ if pattern => return Err(QuestionError::Pattern(resource.to_owned())),
            arn if arn.starts_with("arn:") => On::Whole(whole(service, call, arn)?),
            name if service == "dynamodb" => On::Table(format!("{action}@{name}").parse()?),
            name if service == "s3" => {
                bucket(call, name)?;
                On::Bucket(name.to_owned())
            }
            name => On::Resource(Self::resource(service, name)?),
        };
        Ok(Self { action: action.to_owned(), on })
    }

    /// A resource by the name that the flags of grants take; not where that stands for several.
    fn resource(service: &str, name: &str) -> Result<GrantText, QuestionError> {
        let no_arn = || QuestionError::NoArn(name.to_owned(), service.to_owned());
        let row = SERVICES.iter().find(|row| row.in_arns == service && !row.levels.is_empty()).ok_or_else(no_arn)?;
        let text = GrantText::of(row, name, None)?;
        let anywhere = Arn {
            partition: "aws".to_owned(),
            service: service.to_owned(),
            region: "us-east-1".to_owned(),
            account: "111122223333".to_owned(),
            resource: String::new(),
        };
        let whole = text.resource(Some(&anywhere)).is_some_and(|it| !it.to_string().contains(['*', '?']));
        if whole { Ok(text) } else { Err(no_arn()) }
    }

    /// The call; what a name leaves open is taken from the cluster's ARN.
    pub fn at(&self, cluster: &Arn) -> Need {
        let resource = match &self.on {
            On::Whole(resource) => resource.clone(),
            On::Table(need) => need.at(cluster).resource,
            On::Bucket(name) => format!("arn:{}:s3:::{name}", cluster.partition),
            On::Resource(text) => text.resource(Some(cluster)).map(|it| it.to_string()).unwrap_or_default(),
        };
        Need::new(&self.action, resource, "who-can")
    }

    /// Why the action may not exist.
    pub fn doubt(&self) -> Option<String> {
        policy::unknown_action(&self.action)
    }
}

/// Actions that need no permission (AWS STS API Reference).
const FREE: [&str; 2] = ["sts:GetCallerIdentity", "sts:GetSessionToken"];

/// Services whose actions work on nothing but their own resources.
const OWN: [&str; 8] = ["dynamodb", "s3", "sqs", "sns", "kms", "secretsmanager", "firehose", "iam"];

/// An ARN that can be one of the action's.
fn whole(service: &str, call: &str, text: &str) -> Result<String, QuestionError> {
    let arn: Arn = text.parse()?;
    // The key of an object may have any character.
    Arn::strict(&Arn { resource: "name".to_owned(), ..arn.clone() }.to_string())?;
    if OWN.contains(&service) && arn.service != service {
        return Err(QuestionError::Foreign { arn: text.to_owned(), found: arn.service, service: service.to_owned() });
    }
    if arn.service == "s3" && arn.region.is_empty() {
        bucket(call, &arn.resource)?;
    } else if arn.resource.is_empty() || arn.resource.ends_with(['/', ':']) {
        return Err(QuestionError::Empty(text.to_owned()));
    }
    Ok(arn.to_string())
}

/// Checks `BUCKET[/KEY]`.
fn bucket(call: &str, name: &str) -> Result<(), QuestionError> {
    let (bucket, key) = name.split_once('/').unwrap_or((name, ""));
    let of_objects = ["GetObject", "PutObject", "DeleteObject", "RestoreObject"];
    let call = call.to_ascii_lowercase();
    match (bucket, key) {
        ("", _) => Err(QuestionError::Empty(name.to_owned())),
        (_, "") if of_objects.iter().any(|object| call.starts_with(&object.to_ascii_lowercase())) => {
            Err(QuestionError::NoKey(name.to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_as_users_write_them() {
        let cluster: Arn = "arn:aws-cn:eks:cn-north-1:111122223333:cluster/c".parse().unwrap();
        let at = |action: &str, resource: &str| match QuestionText::parse(action, resource) {
            Ok(text) => text.at(&cluster).resource,
            Err(why) => why.to_string(),
        };
        for (action, resource, wanted) in [
            (
                "dynamodb:Query",
                "arn:aws:dynamodb:eu-west-1:111122223333:table/Items",
                "arn:aws:dynamodb:eu-west-1:111122223333:table/Items",
            ),
            ("dynamodb:Query", "Items", "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/Items"),
            (
                "dynamodb:Query",
                "Items/index/byId",
                "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/Items/index/byId",
            ),
            ("s3:GetObject", "images/a/b.png", "arn:aws-cn:s3:::images/a/b.png"),
            ("sqs:SendMessage", "orders", "arn:aws-cn:sqs:cn-north-1:111122223333:orders"),
            ("ec2:DescribeInstances", "*", "*"),
            ("dynamodb:ListTables", "*", "*"),
            ("iam:PassRole", "app", "`app` is not an ARN, which iam actions need"),
            (
                "dynamodb:Query",
                "Items/index/*",
                "`Items/index/*` stands for several resources: name one, without `*`, `?` and variables",
            ),
            ("s3:GetObject", "*", "`s3:GetObject` works on resources of s3: name one by its ARN"),
            ("secretsmanager:GetSecretValue", "db", "`db` is not an ARN, which secretsmanager actions need"),
            ("dynamodb:*", "Items", "`dynamodb:*` matches several actions: name one"),
            ("Query", "Items", "`Query` is not an action: use SERVICE:ACTION, such as dynamodb:Query"),
        ] {
            assert_eq!(at(action, resource), wanted, "{action} {resource}");
        }
        for (action, resource, wanted) in [
            ("S3:GetObject", "s3://images/a.png", "arn:aws-cn:s3:::images/a.png"),
            ("s3:ListBucket", "images", "arn:aws-cn:s3:::images"),
            ("s3:GetObject", "images", "use BUCKET/KEY"),
            ("s3:GetObject", "arn:aws-cn:s3:::images", "use BUCKET/KEY"),
            ("s3:ListBucket", "arn:aws-cn:s3:::", "is not an ARN"),
            ("dynamodb:Query", "", "is empty"),
            ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:table/", "is empty"),
            ("dynamodb:Query", "arn:aws:s3:::images", "is a resource of s3"),
            ("dynamodb:Query", "arn:aws:dynamodb:mars:111122223333:table/Items", "invalid region"),
            ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:1:table/Items", "invalid account"),
            ("dynamodb:Query", "arn:amazon:dynamodb:eu-west-1:111122223333:table/Items", "is not an ARN"),
            ("kms:Decrypt", "alias/orders", "is an alias"),
            ("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:alias/orders", "is an alias"),
            ("sts:GetCallerIdentity", "*", "needs no permission"),
            ("sqs:SendMessage", "https://sqs.eu-west-1.amazonaws.com/111122223333/orders", "is a URL"),
        ] {
            let said = at(action, resource);
            assert!(said.ends_with(wanted) || said.contains(wanted), "{action} {resource}: {said}");
        }
        assert!(QuestionText::parse("dynamodb:Qurey", "Items").unwrap().doubt().unwrap().contains("dynamodb:Query"));
        assert!(policy::known_actions().iter().any(|action| action == "dynamodb:Query"));
    }
}
