//! Access to resources of other services than DynamoDB: under the name of its flag, each service has a list.

use schemars::Schema;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::model::{
    arn::Arn,
    grant::{Grant, GrantText, SERVICES, Service},
    want::Field,
};

/// The lists that a file has, by their services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(pub Vec<(&'static Service, Field<Vec<GrantText>>)>);

impl Grants {
    /// All lists empty.
    pub fn cleared() -> Self {
        Self(SERVICES.iter().map(|service| (*service, Field::Cleared)).collect())
    }

    /// Lists of these grants; names that are the cluster's own are short.
    pub fn of(grants: &[Grant], home: &Arn) -> Self {
        let list = |service: &'static Service| {
            let own = grants.iter().filter(|grant| grant.service == service);
            let own: Vec<GrantText> =
                own.filter_map(|grant| GrantText::granting(service, &grant.short(Some(home))).ok()).collect();
            (!own.is_empty()).then_some((service, Field::Set(own)))
        };
        Self(SERVICES.iter().copied().filter_map(list).collect())
    }

    /// The services whose list is given.
    pub fn services(&self) -> Vec<&'static Service> {
        self.0.iter().filter(|(_, list)| !list.is_unmanaged()).map(|(service, _)| *service).collect()
    }

    /// All that is granted.
    pub fn at(&self, home: &Arn) -> Vec<Grant> {
        let all = self.0.iter().flat_map(|(_, list)| list.set().into_iter().flatten());
        all.filter_map(|text| text.at(Some(home))).collect()
    }
}

impl Serialize for Grants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|(_, list)| !list.is_unmanaged()).map(|(s, list)| (s.flag, list)))
    }
}

/// Puts the lists into the schema of policies.
pub(super) fn into_schema(schema: &mut Schema) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for service in SERVICES {
        properties.insert(service.flag.to_owned(), service.schema());
    }
}
