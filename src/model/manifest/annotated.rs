//! What annotations of IRSA ask for: each service account that names a role is to have an association with it, where the role is
//! one of those that may be named. Whoever may edit a service account decides what its annotation says.

use std::{fmt, str::FromStr};

use super::{Association, Entries, Manifest, Place, entries};
use crate::model::{
    arn::{Arn, last},
    glob::Glob,
    irsa::{Annotation, Keeper},
    names::ServiceAccount,
};

/// Roles that annotations may name: a pattern for names, or for whole ARNs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePattern(Glob);

impl FromStr for RolePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-*?".contains(c);
        let arn =
            text.starts_with("arn:") && text.contains(":role/") && text.chars().all(|c| name(c) || ":/".contains(c));
        if text.is_empty() || !arn && !text.chars().all(name) {
            return Err("is neither a pattern for role names, such as `app-*`, nor for their ARNs".to_owned());
        }
        Ok(Self(Glob::any(text)))
    }
}

impl fmt::Display for RolePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl RolePattern {
    fn matches(&self, role: &Arn) -> bool {
        self.0.matches(role.name()) || self.0.matches(&role.to_string())
    }
}

/// Why the annotation of a service account is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The service account.
    pub subject: ServiceAccount,
    /// Why.
    pub why: String,
}

/// The entries that annotations come to, and those that are passed over. `cluster` is where the associations would be.
pub fn annotated(
    accounts: &[(ServiceAccount, Annotation)],
    allowed: &[RolePattern],
    cluster: &Arn,
) -> (Entries, Vec<PassedOver>) {
    let (mut associations, mut passed) = (Vec::new(), Vec::new());
    for (subject, annotation) in accounts {
        match wanted(annotation, allowed, cluster) {
            Ok(role) => associations.push(Association {
                service_account: subject.to_string(),
                role: role.to_string(),
                ..Association::default()
            }),
            Err(why) => passed.push(PassedOver { subject: subject.clone(), why }),
        }
    }
    let sources: Vec<String> = associations.iter().map(|it| format!("serviceaccount {}", it.service_account)).collect();
    let place = |path: &str| {
        let index = path.split(['[', ']']).nth(1).and_then(|index| index.parse::<usize>().ok());
        let source = index.and_then(|index| sources.get(index)).cloned().unwrap_or_default();
        Place { source, ..Place::default() }
    };
    let manifest = Manifest { associations, ..Manifest::default() };
    let all = entries([(manifest, &place as super::Places<'_>)]);
    // Service accounts are told apart by their names, so nothing contradicts.
    (all.unwrap_or_default(), passed)
}

/// The role that an annotation names, if an association with it is to be.
fn wanted(annotation: &Annotation, allowed: &[RolePattern], cluster: &Arn) -> Result<Arn, String> {
    let named = &annotation.role;
    let role = named.parse::<Arn>().ok().filter(|arn| arn.service == "iam" && arn.resource.starts_with("role/"));
    let Some(role) = role else { return Err(format!("`{named}` is not the ARN of a role")) };
    if annotation.keeper() == Keeper::AddOn {
        return Err("an EKS add-on sets its annotation: use `podid addon associate`".to_owned());
    }
    if role.account != cluster.account || role.partition != cluster.partition {
        return Err(format!(
            "role {} belongs to account {}: pods get it as the target role of a role of account {}",
            last(named),
            role.account,
            cluster.account
        ));
    }
    if !allowed.iter().any(|pattern| pattern.matches(&role)) {
        return Err(format!("--allow-role does not allow role {}", role.name()));
    }
    Ok(role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::{cluster, subject};

    fn annotation(role: &str) -> Annotation {
        Annotation { role: role.to_owned(), ..Annotation::default() }
    }

    #[test]
    fn only_roles_that_may_be_named() {
        let app = "arn:aws:iam::111122223333:role/team/app-one";
        let of = |annotation: Annotation, allowed: &str| {
            let patterns: Vec<RolePattern> = allowed.split(' ').map(|text| text.parse().unwrap()).collect();
            let (entries, passed) = annotated(&[(subject("carts/carts"), annotation)], &patterns, &cluster().arn);
            let wanted = entries.associations.first().map(|it| (it.value.role.clone(), it.at.to_string()));
            (wanted, passed.first().map(|it| it.why.clone()))
        };
        let taken = (Some((app.to_owned(), "serviceaccount carts/carts".to_owned())), None);
        for allowed in ["app-*", "other app-one", "*", "arn:aws:iam::111122223333:role/team/*"] {
            assert_eq!(of(annotation(app), allowed), taken, "{allowed}");
        }
        for allowed in ["app", "APP-*", "arn:aws:iam::111122223333:role/*/other", "arn:aws:iam::999988887777:role/*"] {
            let (wanted, why) = of(annotation(app), allowed);
            assert_eq!((wanted, why.as_deref()), (None, Some("--allow-role does not allow role app-one")), "{allowed}");
        }
        let far = "arn:aws:iam::999988887777:role/app-one";
        assert!(of(annotation(far), "*").1.unwrap().contains("belongs to account 999988887777"));
        for bad in ["", "app-one", "arn:aws:iam::111122223333:user/app-one"] {
            assert!(of(annotation(bad), "*").1.unwrap().contains("is not the ARN of a role"), "{bad}");
        }
        let addon = Annotation { managers: vec!["eks".to_owned()], ..annotation(app) };
        assert!(of(addon, "*").1.unwrap().contains("podid addon associate"));
    }

    #[test]
    fn patterns() {
        for good in ["*", "app-*", "a?p", "arn:aws:iam::1:role/*", "arn:*:iam::*:role/team/*"] {
            assert!(good.parse::<RolePattern>().is_ok(), "{good}");
        }
        for bad in ["", "team/app", "arn:aws:iam::1:user/x", "a b", "app\n"] {
            assert!(bad.parse::<RolePattern>().is_err(), "{bad}");
        }
    }
}
