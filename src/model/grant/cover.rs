//! The smallest grants that cover the calls of a workload.

use super::{Access, Grant, Resource, SERVICES, Service};
use crate::model::{access::Need, arn::Arn, document::strings, text::wildcard};

/// The smallest grants that allow these calls, and the calls that none of podid's levels allows.
pub fn covering<'a>(calls: &[&'a Need]) -> (Vec<Grant>, Vec<&'a Need>) {
    let placed: Vec<(&Need, Option<(&'static Service, Resource)>)> =
        calls.iter().map(|call| (*call, place(call))).collect();
    let (mut grants, mut rest): (Vec<Grant>, Vec<&Need>) = (Vec::new(), Vec::new());
    let mut done: Vec<&Need> = Vec::new();
    for (call, place) in &placed {
        let Some((service, resource)) = place else {
            rest.push(call);
            continue;
        };
        if done.contains(call) {
            continue;
        }
        // Several folders of one bucket: the bucket.
        let holder = held(service, resource);
        let own: Vec<(&Need, &Resource)> = placed
            .iter()
            .filter_map(|(other, place)| Some((*other, place.as_ref()?)))
            .filter(|(_, (of, other))| of == service && held(of, other) == holder)
            .map(|(other, (_, resource))| (other, resource))
            .collect();
        let same = own.iter().all(|(_, other)| *other == resource);
        let resource = if same { resource.clone() } else { holder };
        let own: Vec<&Need> = own.into_iter().map(|(other, _)| other).collect();
        done.extend(&own);
        match smallest(service, &resource, &own) {
            Some(grant) => grants.push(grant),
            // Two levels together, where neither is enough.
            None => {
                for one in own {
                    match smallest(service, &resource, &[one]) {
                        Some(grant) if grants.contains(&grant) => {}
                        Some(grant) => grants.push(grant),
                        None => rest.push(one),
                    }
                }
            }
        }
    }
    (grants, rest)
}

/// The service that has the action in a level, and the resource that a grant of it would name.
fn place(call: &Need) -> Option<(&'static Service, Resource)> {
    let arn: Arn = call.resource.parse().ok()?;
    let has = |service: &&Service| {
        let mut parts = service.levels.iter().flat_map(|level| level.parts);
        parts.any(|part| part.actions.iter().any(|action| action.eq_ignore_ascii_case(&call.action)))
    };
    let service = SERVICES.iter().copied().find(has).filter(|service| service.in_arns == arn.service)?;
    let named = Arn { resource: (service.holds)(&arn.resource)?, ..arn };
    Some((service, service.arn(&named.to_string()).ok()?))
}

fn held(service: &Service, resource: &Resource) -> Resource {
    match resource {
        Resource::Arn(arn) => {
            Resource::Arn(Arn { resource: (service.holder)(&arn.resource).to_owned(), ..arn.clone() })
        }
        Resource::Name(_) => resource.clone(),
    }
}

fn smallest(service: &'static Service, resource: &Resource, calls: &[&Need]) -> Option<Grant> {
    let grant = |level| Grant { service, resource: resource.clone(), access: Access::Level(level) };
    service.levels.iter().map(grant).find(|grant| {
        let statements = grant.statements();
        calls.iter().all(|call| {
            statements.iter().any(|statement| {
                let actions = strings(statement.get("Action"));
                actions.iter().any(|action| action.eq_ignore_ascii_case(&call.action))
                    && strings(statement.get("Resource")).iter().any(|one| wildcard(one, &call.resource))
            })
        })
    })
}
