//! What an add-on is granted, as statements: the row's texts with the cluster and the argument filled in.

use serde_json::{Map, Value, json};

use super::{AddOnPolicy, Part};
use crate::model::{arn::Arn, document::Document, text::short_hash};

/// What an add-on is granted in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOnGrant {
    /// The add-on.
    pub policy: &'static AddOnPolicy,
    /// Its hosted zone or bucket.
    pub argument: Option<Arn>,
    /// ARN of the cluster; `None` where the statements do not name its region, account or name.
    pub(super) home: Option<Arn>,
}

/// What is filled into the texts of a row.
struct Places(Vec<(&'static str, String)>);

impl Places {
    /// The text, filled in; `None` where there is nothing to fill in.
    fn fill(&self, text: &str) -> Option<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}')?;
            let (_, value) = self.0.iter().find(|(name, _)| *name == place)?;
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    fn statement(&self, part: &Part) -> Value {
        let resources: Vec<String> = part.on.iter().filter_map(|text| self.fill(text)).collect();
        let resources = if let [one] = &resources[..] { json!(one) } else { json!(resources) };
        let mut statement = json!({"Effect": "Allow", "Action": part.actions, "Resource": resources});
        let mut conditions = Map::new();
        for (operator, key, values) in part.when {
            let values: Vec<String> = values.iter().filter_map(|value| self.fill(value)).collect();
            let (Some(key), false) = (self.fill(key), values.is_empty()) else { continue };
            let values = if let [one] = &values[..] { json!(one) } else { json!(values) };
            let keys = conditions.entry(*operator).or_insert_with(|| json!({}));
            keys[key] = values;
        }
        if !conditions.is_empty() {
            statement["Condition"] = Value::Object(conditions);
        }
        statement
    }
}

impl AddOnGrant {
    /// podid's statements for it. Their Sids are made from what they allow, so that those for another zone, bucket or region stand
    /// beside them.
    pub fn statements(&self) -> Vec<Value> {
        self.policy.parts().iter().map(|part| self.statement(part)).collect()
    }

    /// Those that are for its argument alone.
    pub(super) fn own_statements(&self) -> Vec<Value> {
        let own = |part: &&Part| part.has(&["{argument}", "{bucket}", "{prefix}"]);
        self.policy.parts().iter().filter(own).map(|part| self.statement(part)).collect()
    }

    fn statement(&self, part: &Part) -> Value {
        let filled = self.places().statement(part);
        let said = [&filled["Resource"], &filled["Condition"]].map(Value::to_string);
        let hash = short_hash(&[&said[0], &said[1]], 16);
        let mut statement = json!({"Sid": format!("{}{hash}{}", self.policy.sid, part.suffix)});
        if let (Some(fields), Value::Object(filled)) = (statement.as_object_mut(), filled) {
            fields.extend(filled);
        }
        statement
    }

    fn places(&self) -> Places {
        let mut places = Vec::new();
        if let Some(partition) = self.argument.as_ref().or(self.home.as_ref()).map(|arn| &arn.partition) {
            places.push(("partition", partition.clone()));
        }
        if let Some(home) = &self.home {
            // The names of services' endpoints differ where the partition is neither of these.
            let dns = if ["aws", "aws-us-gov"].contains(&home.partition.as_str()) { "com" } else { "*" };
            places.push(("region", home.region.clone()));
            places.push(("account", home.account.clone()));
            places.push(("cluster", home.name().to_owned()));
            places.push(("dns", format!("amazonaws.{dns}")));
        }
        if let Some(argument) = &self.argument {
            let (first, below) = argument
                .resource
                .split_once('/')
                .map_or((argument.resource.as_str(), None), |(first, below)| (first, Some(below)));
            places.push(("argument", argument.to_string()));
            places.push(("bucket", Arn { resource: first.to_owned(), ..argument.clone() }.to_string()));
            places.extend(below.map(|below| ("prefix", below.to_owned())));
        }
        Places(places)
    }
}

impl AddOnPolicy {
    /// Its statements as they are for any cluster, to be read: the places that are filled in later are named.
    pub fn outline(&self) -> Option<Document> {
        let named = |name: &str| format!("<{name}>");
        let places = Places(vec![
            ("partition", "aws".to_owned()),
            ("region", named("REGION")),
            ("account", named("ACCOUNT")),
            ("cluster", named("CLUSTER")),
            ("dns", "amazonaws.com".to_owned()),
            (
                "argument",
                match self.argument {
                    Some(super::Argument::Zone) => "arn:aws:route53:::hostedzone/<ZONE>".to_owned(),
                    Some(super::Argument::Folder) => "arn:aws:s3:::<BUCKET>/<PREFIX>".to_owned(),
                    Some(super::Argument::Bucket) | None => "arn:aws:s3:::<BUCKET>".to_owned(),
                },
            ),
            ("bucket", "arn:aws:s3:::<BUCKET>".to_owned()),
            ("prefix", named("PREFIX")),
        ]);
        let parts = self.parts();
        (!parts.is_empty()).then(|| Document::of(parts.iter().map(|part| places.statement(part)).collect::<Vec<_>>()))
    }
}
