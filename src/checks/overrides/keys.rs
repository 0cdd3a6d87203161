//! Access keys that some SDKs take, or that the application may: half a pair, older names, options that a start script hands on
//! to a JVM, variables of the application's own, connection URIs.

use super::{
    Check, Finding, FindingSubject, JAVA_KEYS, JAVA_OPTIONS, KEYS_INSIDE, OWN_KEYS, PROPERTY, READ_BY_THE_JVM,
    STATIC_KEYS, Status, at_worst, removal,
};
use crate::{
    checks::environment::Environment,
    model::{snapshot::Snapshot, workload::Pod},
};

pub(super) const ID: &str = "AWS_ACCESS_KEY_ID";
pub(super) const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
/// Older names of the two, which Java v1, Go, and Ruby read as well.
pub(super) const OLD_ID: &str = "AWS_ACCESS_KEY";
pub(super) const OLD_SECRET: &str = "AWS_SECRET_KEY";

pub(super) fn findings(
    snapshot: &Snapshot,
    pod: &Pod,
    environment: &Environment,
    subject: &FindingSubject,
) -> Vec<Finding> {
    let source = |variable: &str| environment.get(variable).map(|it| it.source.clone()).unwrap_or_default();
    let told = |check: &'static Check, status: Status, variable: &str, said: String| {
        let from = source(variable);
        check.finds(status, subject, said).evidence(&from, variable).change(removal(snapshot, variable, &from))
    };
    let mut found = Vec::new();
    if let Some((variable, said, status)) = odd(environment, pod) {
        found.push(told(&STATIC_KEYS, status, variable, said));
    }
    for variable in &JAVA_OPTIONS[READ_BY_THE_JVM..] {
        if environment.get(variable).and_then(|it| it.value.as_deref()) == Some(PROPERTY) {
            let said = format!("aws.accessKeyId in {variable} overrides Pod Identity if the image passes it to Java");
            found.push(told(&JAVA_KEYS, at_worst(pod), variable, said));
        }
    }
    let own = environment.iter().find_map(|(variable, it)| {
        let inside = it.value.as_deref() == Some(KEYS_INSIDE);
        (inside || of_the_application(variable)).then(|| (variable.to_owned(), inside))
    });
    if let Some((variable, inside)) = own {
        let what = if inside { "has access keys in its value" } else { "gives the application its own access key" };
        let said = format!("{variable} {what}, which may be used instead of Pod Identity");
        found.push(told(&OWN_KEYS, Status::Warning, &variable, said));
    }
    found
}

/// Keys that not every SDK takes: which variable, what it does, and how bad that is.
fn odd(environment: &Environment, pod: &Pod) -> Option<(&'static str, String, Status)> {
    let set = |name: &str| environment.get(name).is_some();
    match (set(ID), set(SECRET)) {
        (true, true) => None,
        (id, secret) if (id || set(OLD_ID)) && (secret || set(OLD_SECRET)) => {
            let first = if id { ID } else { OLD_ID };
            let second = if secret { SECRET } else { OLD_SECRET };
            let said = format!("{first} with {second} overrides Pod Identity in the SDKs for Java v1, Go, and Ruby");
            Some((if id { OLD_SECRET } else { OLD_ID }, said, at_worst(pod)))
        }
        (true, false) => {
            Some((ID, format!("{ID} is set without {SECRET}, which is an error in botocore"), at_worst(pod)))
        }
        (false, true) => Some((SECRET, format!("{SECRET} is set without {ID}"), Status::Warning)),
        (false, false) => None,
    }
}

/// A variable of the application's own for an access key id: `SHOP_S3_ACCESS_KEY_ID`, `MINIO_ACCESS_KEY`.
fn of_the_application(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let id = upper.ends_with("_ACCESS_KEY_ID") || upper.ends_with("_ACCESS_KEY") && !upper.contains("SECRET");
    id && ![ID, OLD_ID].contains(&upper.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checks::environment::tests::environment,
        model::{
            fixtures::{pod, workload},
            workload::WorkloadKind,
        },
    };

    #[test]
    fn variables_of_an_application() {
        for (name, wanted) in [
            ("SHOP_S3_ACCESS_KEY_ID", true),
            ("MINIO_ACCESS_KEY", true),
            ("AWS_S3_ACCESS_KEY_ID", true),
            ("shop_access_key_id", true),
            ("AWS_ACCESS_KEY_ID", false),
            ("AWS_ACCESS_KEY", false),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("SHOP_S3_SECRET_ACCESS_KEY", false),
            ("ACCESS_KEY_ROTATION", false),
        ] {
            assert_eq!(of_the_application(name), wanted, "{name}");
        }
    }

    #[test]
    fn pairs() {
        let carts = workload(WorkloadKind::Deployment, "carts");
        let (mut ready, mut broken) = (pod(&carts, "a", true), pod(&carts, "b", true));
        (ready.ready, broken.ready) = (true, false);
        let (warning, failed) = (Some(Status::Warning), Some(Status::Failed));
        for (set, of_ready, of_broken) in [
            (&[][..], None, None),
            (&[ID, SECRET], None, None),
            (&[ID], warning, failed),
            (&[SECRET], warning, warning),
            (&[OLD_ID, OLD_SECRET], warning, failed),
            (&[ID, OLD_SECRET], warning, failed),
            (&[OLD_ID], None, None),
        ] {
            let environment = environment(set);
            let status = |pod| odd(&environment, pod).map(|(_, _, status)| status);
            assert_eq!((status(&ready), status(&broken)), (of_ready, of_broken), "{set:?}");
        }
    }
}
