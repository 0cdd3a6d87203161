//! What is fed with anything at all: by cargo-fuzz for as long as one likes, and by `tests/it/fuzz.rs` for a moment in CI. A
//! target panics when something does, or when what it says of its result does not hold.

use std::{path::PathBuf, sync::LazyLock};

use podid::model::{
    access::{self, Need, RoleDocuments, Session},
    arn::{Arn, RoleRef},
    cluster::Cluster,
    document::Document,
    glob::Pattern,
    log_line::LogLine,
    names::ServiceAccount,
    policy,
    trust::{self, Lint, Request},
    want::Scope,
};

/// A target.
pub(crate) type Target = fn(&str);

/// Every target by its name.
pub(crate) const TARGETS: [(&str, Target); 5] =
    [("manifest", manifest), ("trust", trust), ("policy", policy), ("names", names), ("lines", lines)];

static CLUSTER: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::named("arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop".parse().unwrap()));

/// The file of `apply`: read or refused.
pub(crate) fn manifest(text: &str) {
    let _ = podid::manifest::read(&[PathBuf::from("-")], &mut text.as_bytes());
}

fn document(text: &str) -> Option<Document> {
    serde_json::from_str(text).ok().map(Document)
}

/// A trust policy: evaluated, linted and mended. What is mended has no more mistakes than before, and the statement for a
/// service account admits it unless something denies.
pub(crate) fn trust(text: &str) {
    let Some(document) = document(text) else { return };
    let subject = ServiceAccount::new("carts", "carts").unwrap();
    let role = "arn:aws:iam::111122223333:role/r".parse().unwrap();
    for session_tags in [true, false] {
        let request = Request { cluster: &CLUSTER, subject: &subject, session_tags, now: None, pod: None };
        let before = trust::evaluate(&document, &request);
        let ask = Lint { role: &role, request: Some(&request) };
        let _ = trust::lint(&document, &ask);
        let _ = trust::corrected(&document, &ask);
        let scope = trust::default_scope(session_tags);
        let own = trust::statement(&CLUSTER, &subject, scope, session_tags);
        let Ok(after) = trust::with_statement(&document, &CLUSTER, &subject, own) else {
            assert!(trust::taken(&document, &CLUSTER, &subject).is_some(), "{document:?}");
            continue;
        };
        if before == trust::Verdict::Admits {
            assert_eq!(trust::evaluate(&after, &request), trust::Verdict::Admits, "{after:?}");
        }
        let without = trust::without_statement(&after, &CLUSTER, &subject);
        assert!(!trust::has_podid_statement(&without, &CLUSTER, &subject));
    }
    let _ = trust::narrows(&document, &CLUSTER, Scope::Namespace, [&subject]);
    let _ = (trust::reach(&document), trust::admits(&document), document.size());
}

/// A permissions policy: checked, evaluated and added to.
pub(crate) fn policy(text: &str) {
    let checked = policy::check_text(text);
    assert!(checked.issues.iter().all(|issue| issue.line.is_some_and(|line| line > 0)), "{checked:?}");
    assert!(checked.document.is_some() || checked.errors().count() == 1, "{checked:?}");
    let Some(document) = document(text) else { return };
    assert!(policy::same_meaning(&document, &document));
    let _ = (policy::warnings("x", &document), policy::faults(&document));
    let _ = policy::check_session(&document);
    let grant = policy::parse_table("carts=read", "aws", "us-west-2", "111122223333").unwrap();
    let merged = policy::merged(Some(&document), std::slice::from_ref(&grant));
    assert_eq!(policy::merged(Some(&merged), &[grant]), merged);
    let session = Session::plain("arn:aws:iam::111122223333:role/r");
    let need = Need::new("dynamodb:Query", "arn:aws:dynamodb:us-west-2:111122223333:table/carts", "");
    let documents = RoleDocuments { identity: vec![("x".to_owned(), document.clone())], boundary: None };
    let _ = access::predict(&documents, &session, &need);
    let _ = access::table_says(&document, &session, &need, false);
    let _ = access::session_allows(text, &session, &need);
}

/// Names, patterns, ARNs, tables, needs and durations: what is taken is written as it was read.
pub(crate) fn names(text: &str) {
    if let Ok(subject) = text.parse::<ServiceAccount>() {
        assert_eq!(subject.to_string().parse::<ServiceAccount>().ok(), Some(subject));
    }
    if let Ok(pattern) = text.parse::<Pattern>() {
        assert_eq!(pattern.to_string().parse::<Pattern>().ok(), Some(pattern));
    }
    if let Ok(arn) = text.parse::<Arn>() {
        assert_eq!(arn.to_string().parse::<Arn>().ok(), Some(arn));
    }
    let _ = text.parse::<RoleRef>();
    let _ = policy::parse_table(text, "aws", "us-west-2", "111122223333");
    let _ = text.parse::<access::NeedText>();
    let _ = humantime::parse_duration(text);
}

/// What pods say: masked, nothing in it moves the cursor, and masking twice changes nothing; and what may be read out of it.
pub(crate) fn lines(text: &str) {
    let masked = podid::output::mask::mask(text);
    let moves = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!masked.contains(moves), "{masked:?}");
    assert_eq!(podid::output::mask::mask(&masked), masked);
    let _ = access::from_log("carts/carts-1", &LogLine::of_log(text, text), None, &[]);
    let _ = podid::explain::told(text);
    let _ = podid::explain::log_line(text);
}
