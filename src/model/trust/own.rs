//! podid's own statements in a trust policy: what podid writes for one service account, how it recognizes that, and how it
//! is added and removed. A statement is podid's only if it equals the one rebuilt from its own values: a Sid of podid's
//! form alone proves nothing, since anybody may write one, or change a statement that podid wrote.

use std::fmt;

use serde_json::{Value, json};

use super::{PRINCIPAL, allowed};
use crate::model::{
    arn::Arn,
    cluster::Cluster,
    document::{Document, strings},
    names::ServiceAccount,
    policy::same_meaning,
    text,
    want::Scope,
};

/// The Sid of podid's statement is on a statement that podid did not write as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidTaken(pub String);

impl fmt::Display for SidTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its statement `{}` has the Sid of podid's statement, but podid did not create it", self.0)
    }
}

impl SidTaken {
    /// What the owner of the role can do about it.
    pub fn advice(&self, role: &str) -> String {
        format!(
            "podid neither replaces nor removes a statement that it did not create: give `{}` another Sid, or remove it (`aws iam get-role --role-name {role}` shows it)",
            self.0
        )
    }
}

/// podid's Sid for one service account: `Podid` and 16 hex digits of a hash. A Sid may have letters and digits only
/// (IAM reference, Sid element). The scope is not part of it: one statement per service account, whatever its width.
pub fn sid(cluster: &Cluster, subject: &ServiceAccount) -> String {
    format!("Podid{}", text::short_hash(&[&cluster.arn.to_string(), &subject.namespace, &subject.name], 16))
}

/// Whether a Sid is of the form that [`sid`] makes.
pub fn is_podid_sid(text: &str) -> bool {
    text.strip_prefix("Podid").is_some_and(is_hash)
}

/// 16 hex digits, as [`text::short_hash`] writes them.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// podid's own statement for one service account. A scope that needs session tags keeps its conditions also when
/// there are none: such a statement admits nobody, which is safer than one that admits more than was asked for.
pub fn statement(cluster: &Cluster, subject: &ServiceAccount, scope: Scope, session_tags: bool) -> Value {
    let arn = cluster.arn.to_string();
    let mut statement = json!({
        "Sid": sid(cluster, subject),
        "Effect": "Allow",
        "Principal": {"Service": PRINCIPAL},
        "Action": super::ACTIONS,
    });
    let condition = match scope {
        Scope::ServiceAccount => json!({"StringEquals": {
            "aws:RequestTag/eks-cluster-arn": arn,
            "aws:RequestTag/kubernetes-namespace": subject.namespace,
            "aws:RequestTag/kubernetes-service-account": subject.name,
        }}),
        Scope::Namespace => json!({"StringEquals": {
            "aws:RequestTag/eks-cluster-arn": arn,
            "aws:RequestTag/kubernetes-namespace": subject.namespace,
        }}),
        Scope::Cluster if session_tags => json!({"StringEquals": {"aws:RequestTag/eks-cluster-arn": arn}}),
        // The source ARN is the cluster's, never the association's (AWS Containers blog, EKS Pod Identity launch).
        Scope::Cluster => json!({
            "ArnEquals": {"aws:SourceArn": arn},
            "StringEquals": {"aws:SourceAccount": cluster.arn.account},
        }),
        Scope::None => return statement,
    };
    statement["Condition"] = condition;
    statement
}

/// Whether a statement is podid's, for whatever service account: it equals the one rebuilt from its own values. Where a
/// scope leaves out the service account, the hash in the Sid cannot be rebuilt: then its form has to do.
pub fn is_podid(statement: &Value) -> bool {
    let Some(sid) = statement.get("Sid").and_then(Value::as_str).filter(|sid| is_podid_sid(sid)) else { return false };
    let value = |pointer: &str| match strings(statement.pointer(pointer))[..] {
        [one] => Some(one.to_owned()),
        _ => None,
    };
    let tag = |tag: &str| value(&format!("/Condition/StringEquals/aws:RequestTag~1{tag}"));
    let (namespace, name) = (tag("kubernetes-namespace"), tag("kubernetes-service-account"));
    let (tagged, source) = (tag("eks-cluster-arn"), value("/Condition/ArnEquals/aws:SourceArn"));
    let scope = match (&tagged, &namespace, &name) {
        (Some(_), Some(_), Some(_)) => Scope::ServiceAccount,
        (Some(_), Some(_), None) => Scope::Namespace,
        (Some(_), None, None) => Scope::Cluster,
        (None, None, None) if source.is_some() => Scope::Cluster,
        (None, None, None) => Scope::None,
        _ => return false,
    };
    let cluster = tagged.as_deref().or(source.as_deref()).unwrap_or("arn:aws:eks:::cluster/any");
    let Some(arn) = cluster.parse::<Arn>().ok().filter(is_cluster) else { return false };
    let subject = ServiceAccount { namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default() };
    let mut rebuilt = self::statement(&Cluster::named(arn), &subject, scope, tagged.is_some());
    if scope != Scope::ServiceAccount {
        rebuilt["Sid"] = json!(sid);
    }
    statements_match(statement, &rebuilt)
}

fn is_cluster(arn: &Arn) -> bool {
    arn.service == "eks" && arn.resource.starts_with("cluster/")
}

/// podid's statements that name a cluster: Sid, cluster, and the service account where its scope names it.
pub fn own_statements(document: &Document) -> Vec<(String, Arn, Option<ServiceAccount>)> {
    let own = document.statements().into_iter().filter(|statement| is_podid(statement));
    let named = own.filter_map(|statement| {
        let sid = statement.get("Sid").and_then(Value::as_str)?.to_owned();
        let allowed = allowed(&super::document(statement.clone()));
        let cluster = allowed.clusters.into_iter().next()?;
        Some((sid, cluster, allowed.subjects.into_iter().next().map(|(_, subject)| subject)))
    });
    named.collect()
}

/// Whether a statement is podid's for this service account, of any scope.
fn is_podid_for(statement: &Value, cluster: &Cluster, subject: &ServiceAccount) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(sid(cluster, subject).as_str())
        && Scope::ALL.into_iter().any(|scope| {
            [true, false]
                .into_iter()
                .any(|tags| statements_match(statement, &self::statement(cluster, subject, scope, tags)))
        })
}

pub(super) fn statements_match(a: &Value, b: &Value) -> bool {
    a == b || same_meaning(&Document(a.clone()), &Document(b.clone()))
}

/// podid's own statement for a service account, if the document has it.
pub fn podid_statement<'a>(document: &'a Document, cluster: &Cluster, subject: &ServiceAccount) -> Option<&'a Value> {
    document.statements().into_iter().find(|statement| is_podid_for(statement, cluster, subject))
}

/// The scope of podid's statement for one service account, where there is one.
pub fn own_scope(
    document: &Document,
    cluster: &Cluster,
    subject: &ServiceAccount,
    session_tags: bool,
) -> Option<Scope> {
    let own = podid_statement(document, cluster, subject)?;
    Scope::ALL.into_iter().find(|scope| statements_match(own, &statement(cluster, subject, *scope, session_tags)))
}

/// Whether the document has podid's own statement for a service account.
pub fn has_podid_statement(document: &Document, cluster: &Cluster, subject: &ServiceAccount) -> bool {
    podid_statement(document, cluster, subject).is_some()
}

/// The statement that has the Sid of podid's for a service account, and is not podid's.
pub fn taken(document: &Document, cluster: &Cluster, subject: &ServiceAccount) -> Option<SidTaken> {
    let sid = sid(cluster, subject);
    document
        .statements()
        .into_iter()
        .any(|s| s.get("Sid").and_then(Value::as_str) == Some(sid.as_str()) && !is_podid_for(s, cluster, subject))
        .then_some(SidTaken(sid))
}

/// Whether a trust policy is podid's statement for this service account at its narrowest, and nothing else.
pub fn admits_only(document: &Document, cluster: &Cluster, subject: &ServiceAccount) -> bool {
    same_meaning(document, &super::document(statement(cluster, subject, Scope::ServiceAccount, true)))
}

/// Whether writing podid's statements for these service accounts with another scope may come to admit fewer than today:
/// one that is wider than its service account is not of that scope. Whoever else uses the role has to be known then.
pub fn narrows<'a>(
    document: &Document,
    cluster: &Cluster,
    scope: Scope,
    users: impl IntoIterator<Item = &'a ServiceAccount>,
) -> bool {
    users.into_iter().any(|subject| {
        podid_statement(document, cluster, subject).is_some_and(|own| {
            let is = |scope, tags| statements_match(own, &statement(cluster, subject, scope, tags));
            !is(Scope::ServiceAccount, true) && !is(scope, true) && !is(scope, false)
        })
    })
}

/// The document with podid's statement for a service account in it; all other statements stay, in order. podid's earlier
/// statement for it is replaced where it stands. A document that is none at all becomes a new one.
///
/// # Errors
/// When a statement that is not podid's has its Sid.
pub fn with_statement(
    document: &Document,
    cluster: &Cluster,
    subject: &ServiceAccount,
    statement: Value,
) -> Result<Document, SidTaken> {
    put(document, statement, |other| is_podid_for(other, cluster, subject))
}

/// The document with a statement in it, in the place of the one of the same Sid if that is podid's own.
pub(super) fn put(
    document: &Document,
    statement: Value,
    is_own: impl Fn(&Value) -> bool,
) -> Result<Document, SidTaken> {
    let mut after = document.clone();
    let Some(fields) = after.0.as_object_mut() else { return Ok(super::document(statement)) };
    let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let same = |other: &&mut Value| other.get("Sid").and_then(Value::as_str) == Some(sid.as_str());
    let place = match fields.get_mut("Statement") {
        Some(Value::Array(list)) => list.iter_mut().find(same),
        Some(one @ Value::Object(_)) => Some(one).filter(same),
        _ => None,
    };
    match place {
        Some(own) if is_own(own) => {
            *own = statement;
            return Ok(after);
        }
        Some(_) => return Err(SidTaken(sid)),
        None => {}
    }
    match fields.get_mut("Statement") {
        Some(Value::Array(list)) => list.push(statement),
        Some(one @ Value::Object(_)) => *one = Value::Array(vec![one.take(), statement]),
        _ => {
            fields.insert("Statement".to_owned(), json!([statement]));
        }
    }
    Ok(after)
}

/// The document without podid's statement for this service account. IAM refuses a document without statements:
/// whoever removes the last one has to delete the role or leave it.
pub fn without_statement(document: &Document, cluster: &Cluster, subject: &ServiceAccount) -> Document {
    without(document, |statement| is_podid_for(statement, cluster, subject))
}

/// The document without podid's statements of these Sids.
pub fn without_own(document: &Document, sids: &[&str]) -> Document {
    without(document, |statement| {
        is_podid(statement) && statement.get("Sid").and_then(Value::as_str).is_some_and(|sid| sids.contains(&sid))
    })
}

/// The document without the statements that are podid's own.
pub(super) fn without(document: &Document, is_own: impl Fn(&Value) -> bool) -> Document {
    let mut after = document.clone();
    match after.0.get_mut("Statement") {
        Some(Value::Array(list)) => list.retain(|other| !is_own(other)),
        Some(one @ Value::Object(_)) if is_own(one) => *one = json!([]),
        _ => {}
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::{cluster, subject};

    /// Each statement that podid writes.
    fn written() -> Vec<(Scope, bool, Value)> {
        let all = Scope::ALL.into_iter().flat_map(|scope| [(scope, true), (scope, false)]);
        all.map(|(scope, tags)| (scope, tags, statement(&cluster(), &subject("carts/carts"), scope, tags))).collect()
    }

    /// The statement with one field changed.
    fn changed(statement: &Value, pointer: &str, value: Value) -> Value {
        let mut other = statement.clone();
        if let Some(there) = other.pointer_mut(pointer) {
            *there = value;
        } else {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            other.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = value;
        }
        other
    }

    #[test]
    fn what_podid_writes_is_podids_in_whatever_form_iam_returns_it() {
        let (cluster, own) = (cluster(), subject("carts/carts"));
        for (scope, tags, statement) in written() {
            let reordered = changed(&statement, "/Action", json!(["sts:TagSession", "sts:AssumeRole"]));
            let listed = changed(&reordered, "/Principal/Service", json!([PRINCIPAL]));
            for one in [&statement, &reordered, &listed] {
                assert!(is_podid(one), "{scope:?} {tags}: {one}");
                let document = super::super::document(one.clone());
                assert!(has_podid_statement(&document, &cluster, &own), "{scope:?} {tags}: {one}");
                assert!(without_statement(&document, &cluster, &own).statements().is_empty());
                assert_eq!(taken(&document, &cluster, &own), None);
            }
        }
    }

    #[test]
    fn one_changed_field_makes_it_somebody_elses() {
        let (cluster, own) = (cluster(), subject("carts/carts"));
        for (scope, tags, statement) in written() {
            for (pointer, value) in [
                ("/Principal", json!("*")),
                ("/Principal", json!({"AWS": "arn:aws:iam::222233334444:root"})),
                ("/Principal/Service", json!([PRINCIPAL, "ec2.amazonaws.com"])),
                ("/Principal/AWS", json!("arn:aws:iam::111122223333:root")),
                ("/Action", json!("sts:AssumeRole")),
                ("/Action", json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])),
                ("/Action", json!("sts:*")),
                ("/Effect", json!("Deny")),
                ("/Condition", json!({"StringEquals": {"aws:SourceAccount": "111122223333"}})),
                (
                    "/Condition",
                    json!({"StringLike": {
                        "aws:RequestTag/eks-cluster-arn": cluster.arn.to_string(),
                        "aws:RequestTag/kubernetes-namespace": "carts",
                        "aws:RequestTag/kubernetes-service-account": "carts",
                    }}),
                ),
                (
                    "/Condition",
                    json!({"StringEquals": {
                        "aws:RequestTag/eks-cluster-arn": [cluster.arn.to_string(), "arn:aws:eks:us-west-2:111122223333:cluster/b"],
                    }}),
                ),
                ("/Condition", json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "carts"}})),
                (
                    "/Condition",
                    json!({
                        "StringEquals": {"aws:RequestTag/eks-cluster-arn": cluster.arn.to_string()},
                        "Bool": {"aws:SecureTransport": "true"},
                    }),
                ),
                ("/NotAction", json!("sts:GetCallerIdentity")),
            ] {
                let foreign = changed(&statement, pointer, value);
                assert!(!is_podid(&foreign), "{scope:?} {tags}: {foreign}");
                let document = super::super::document(foreign.clone());
                assert_eq!(podid_statement(&document, &cluster, &own), None, "{foreign}");
                assert_eq!(without_statement(&document, &cluster, &own), document, "{foreign}");
                let sid = SidTaken(sid(&cluster, &own));
                assert_eq!(taken(&document, &cluster, &own), Some(sid.clone()), "{foreign}");
                assert_eq!(with_statement(&document, &cluster, &own, statement.clone()), Err(sid), "{foreign}");
            }
        }
    }

    #[test]
    fn the_sid_is_part_of_it() {
        let (cluster, own, other) = (cluster(), subject("carts/carts"), subject("orders/app"));
        let narrow = statement(&cluster, &own, Scope::ServiceAccount, true);
        for sid in ["Podid", "Podid0123456789abcdeg", "PodidTarget0123456789abcdef", "Theirs", ""] {
            assert!(!is_podid(&changed(&narrow, "/Sid", json!(sid))), "{sid}");
        }
        // Its values are another's than its Sid says.
        assert!(!is_podid(&changed(&narrow, "/Sid", json!(sid(&cluster, &other)))));
        let moved = changed(&narrow, "/Condition/StringEquals/aws:RequestTag~1kubernetes-service-account", json!("b"));
        assert!(!is_podid(&moved));
        let document = super::super::document(narrow);
        assert!(!has_podid_statement(&document, &cluster, &other));
        assert_eq!(without_statement(&document, &cluster, &other), document);
    }

    /// It names no cluster of EKS: podid never wrote it.
    #[test]
    fn a_statement_for_another_thing_than_a_cluster_is_not_podids() {
        let own = statement(&cluster(), &subject("carts/carts"), Scope::Namespace, true);
        for (arn, is) in [
            ("arn:aws:eks:us-west-2:111122223333:cluster/other", true),
            ("arn:aws:ecs:us-west-2:111122223333:cluster/other", false),
            ("arn:aws:eks:us-west-2:111122223333:nodegroup/other/n/1", false),
        ] {
            let of = changed(&own, "/Condition/StringEquals/aws:RequestTag~1eks-cluster-arn", json!(arn));
            assert_eq!(is_podid(&of), is, "{arn}");
        }
    }

    /// Without session tags the cluster is known by the source of the call alone.
    #[test]
    fn a_cluster_is_named_by_what_is_sent() {
        let named = "/Condition/StringEquals/aws:RequestTag~1eks-cluster-arn";
        for (tags, pointer) in [(true, named), (false, "/Condition/ArnEquals/aws:SourceArn")] {
            let statement = statement(&cluster(), &subject("carts/carts"), Scope::Cluster, tags);
            assert_eq!(statement.pointer(pointer), Some(&json!(cluster().arn.to_string())), "{statement}");
        }
    }

    /// Whoever uses a role through a wide statement loses it with a narrower one.
    #[test]
    fn another_scope_narrows_only_what_is_wider_than_one_service_account() {
        let (cluster, own, other) = (cluster(), subject("carts/carts"), subject("orders/app"));
        for (present, tags, statement) in written() {
            let alone = present == Scope::ServiceAccount;
            let document = super::super::document(statement.clone());
            for scope in Scope::ALL {
                let narrower = !alone && present != scope;
                assert_eq!(narrows(&document, &cluster, scope, [&own]), narrower, "{present:?} {tags} to {scope:?}");
                assert!(!narrows(&document, &cluster, scope, [&other]), "{present:?} {tags} to {scope:?}");
            }
            assert_eq!(own_scope(&document, &cluster, &own, tags), Some(present), "{tags}");
            assert_eq!(admits_only(&document, &cluster, &own), alone, "{present:?} {tags}");
            assert!(!admits_only(&document, &cluster, &other), "{present:?} {tags}");
            let both = Document(json!({"Version": "2012-10-17", "Statement": [statement, {"Effect": "Allow"}]}));
            assert!(!admits_only(&both, &cluster, &own), "{present:?} {tags}");
        }
    }

    /// IAM takes one statement without a list around it.
    #[test]
    fn a_single_statement_is_replaced_and_removed_as_one_of_a_list_is() {
        let (cluster, own, other) = (cluster(), subject("carts/carts"), subject("orders/app"));
        let of = |scope| statement(&cluster, &own, scope, true);
        let single = Document(json!({"Statement": of(Scope::Namespace)}));
        let narrowed = with_statement(&single, &cluster, &own, of(Scope::ServiceAccount)).unwrap();
        assert_eq!(narrowed.statements(), [&of(Scope::ServiceAccount)]);
        let added = statement(&cluster, &other, Scope::ServiceAccount, true);
        let both = with_statement(&single, &cluster, &other, added.clone()).unwrap();
        assert_eq!(both.statements(), [&of(Scope::Namespace), &added]);
        assert_eq!(without_statement(&single, &cluster, &other), single);
        assert!(without_statement(&single, &cluster, &own).statements().is_empty());
        for document in [json!({}), json!({"Statement": "none"}), json!("none")] {
            let new = with_statement(&Document(document.clone()), &cluster, &other, added.clone()).unwrap();
            assert_eq!(new.statements(), [&added], "{document}");
        }
    }

    #[test]
    fn sids_are_letters_and_digits() {
        let sid = sid(&cluster(), &subject("carts/carts"));
        assert!(is_podid_sid(&sid) && sid.len() == 21, "{sid}");
        for other in ["PodidDynamodb0123456789abcdef", "Podid", "Podid0123456789abcdeG", "Podid0123456789abcde"] {
            assert!(!is_podid_sid(other), "{other}");
        }
    }
}
