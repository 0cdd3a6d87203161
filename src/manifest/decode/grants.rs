//! Access to resources of other services than DynamoDB: lists under the names of their flags.

use super::{Decoder, Node, fields::Fields};
use crate::model::{
    grant::{ACCESS, ACTIONS, GrantError, GrantText, SERVICES, Service},
    manifest::Grants,
};

impl Decoder<'_> {
    pub(super) fn grants(&mut self, fields: &Fields<'_>) -> Grants {
        let mut lists = Vec::new();
        for service in SERVICES {
            let list = self.field(fields, service.flag, |this, node, path| {
                Some(this.list(node, path, |this, node, path| this.grant(service, node, path)))
            });
            if !list.is_unmanaged() {
                lists.push((service, list));
            }
        }
        Grants(lists)
    }

    fn grant(&mut self, service: &'static Service, node: &Node, path: &str) -> Option<GrantText> {
        let fields = self.fields(node, path, &service.keys())?;
        let resource = self.required(&fields, node, service.key, |_| Ok(()))?;
        let read = if service.levels.is_empty() {
            let actions = self.actions(&fields, node, path)?;
            GrantText::allowing(service, &actions, &resource)
        } else {
            let below = service.below.and_then(|key| self.optional(&fields, key));
            let level = match service.levels {
                [_] => self.optional(&fields, ACCESS),
                _ => Some(self.required(&fields, node, ACCESS, |_| Ok(()))?),
            };
            GrantText::of_entry(service, &resource, below.as_deref(), level.as_deref())
        };
        let wrong = match &read {
            Err(GrantError::Level { .. }) => ACCESS,
            _ => service.key,
        };
        let at = fields.get(wrong).map_or(node.at, |node| node.at);
        read.map_err(|e| self.say(at, &fields.path(wrong), e.to_string())).ok()
    }

    fn actions(&mut self, fields: &Fields<'_>, node: &Node, path: &str) -> Option<Vec<String>> {
        let Some(list) = fields.get(ACTIONS) else {
            self.say(node.at, path, format!("key `{ACTIONS}` is missing"));
            return None;
        };
        let actions = self.list(list, &fields.path(ACTIONS), Self::text);
        if actions.is_empty() {
            self.say(list.at, &fields.path(ACTIONS), "no action specified");
        }
        (!actions.is_empty()).then_some(actions)
    }
}
