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
        needs::check_action(action)?;
        let service = action.split(':').next().unwrap_or_default();
        let pattern = resource.contains(['*', '?']) || resource.contains("${");
        let on = match resource {
            "*" if policy::works_on_resources(action) => {
                return Err(QuestionError::Nothing(action.to_owned(), service.to_owned()));
            }
            "*" => On::Whole("*".to_owned()),
            _ if pattern => return Err(QuestionError::Pattern(resource.to_owned())),
            arn if arn.starts_with("arn:") => On::Whole(arn.parse::<Arn>()?.to_string()),
            name if service == "dynamodb" => On::Table(format!("{action}@{name}").parse()?),
            name if service == "s3" && !name.is_empty() => On::Bucket(name.to_owned()),
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

/// The actions that podid knows by name, whole: `dynamodb:Query`. Of other services none is known.
pub fn known_actions() -> Vec<String> {
    policy::known_actions()
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
            ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:1:table/Items", "arn:aws:dynamodb:eu-west-1:1:table/Items"),
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
            (
                "dynamodb:*",
                "Items",
                "`dynamodb:*` matches several actions: name each one, or an access level with --dynamodb TABLE=ACCESS",
            ),
            ("Query", "Items", "`Query` is not an action: use SERVICE:ACTION, such as dynamodb:Query"),
        ] {
            assert_eq!(at(action, resource), wanted, "{action} {resource}");
        }
        assert!(QuestionText::parse("dynamodb:Qurey", "Items").unwrap().doubt().unwrap().contains("dynamodb:Query"));
        assert!(known_actions().iter().any(|action| action == "dynamodb:Query"));
    }
}
