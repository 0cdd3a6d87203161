//! The second role of an association: what the first may do to it, and what it has to trust (EKS User Guide,
//! pod-id-assign-target-role).

use serde_json::{Value, json};

use super::{
    admits::allows,
    own::{self, SidTaken, is_hash, statements_match},
};
use crate::model::{
    arn::Arn,
    cluster::Cluster,
    document::{Document, strings},
    names::ServiceAccount,
    policy::same_meaning,
    text,
};

/// Name of the inline policy by which a role may assume the target roles of its associations.
pub const POLICY: &str = "podid-target";

/// Stands in a planned document for the external id, which EKS gives only once the association is there.
pub const EXTERNAL_ID: &str = "the external id of the association";

/// How one association reaches its target role.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// Cluster.
    pub cluster: &'a Cluster,
    /// Service account.
    pub subject: &'a ServiceAccount,
    /// The association's own role.
    pub primary: &'a Arn,
    /// Whether the six session tags are sent.
    pub session_tags: bool,
    /// What EKS sends as `sts:ExternalId`; read from the API, never built.
    pub external_id: Option<&'a str>,
}

/// The statements that the target role's trust policy needs. With session tags they name the service account; without,
/// the external id does, and `sts:TagSession` stands apart since it knows no external id.
pub fn target_statements(link: &Link<'_>) -> Vec<Value> {
    let arn = link.cluster.arn.to_string();
    let hash = text::short_hash(&["target", &arn, &link.subject.namespace, &link.subject.name], 16);
    let primary = link.primary.to_string();
    let root = format!("arn:{}:iam::{}:root", link.primary.partition, link.primary.account);
    let by_primary = json!({"ArnEquals": {"aws:PrincipalArn": primary}});
    let statement = |sid: String, action: Value, condition: Value| {
        json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": root},
            "Action": action,
            "Condition": condition,
        })
    };
    if link.session_tags {
        let condition = json!({
            "StringEquals": {
                "aws:RequestTag/eks-cluster-arn": arn,
                "aws:RequestTag/kubernetes-namespace": link.subject.namespace,
                "aws:RequestTag/kubernetes-service-account": link.subject.name,
            },
            "ArnEquals": by_primary["ArnEquals"],
        });
        return vec![statement(format!("PodidTarget{hash}"), json!(["sts:AssumeRole", "sts:TagSession"]), condition)];
    }
    let external = json!({
        "StringEquals": {"sts:ExternalId": link.external_id.unwrap_or(EXTERNAL_ID)},
        "ArnEquals": by_primary["ArnEquals"],
    });
    vec![
        statement(format!("PodidTarget{hash}"), json!("sts:AssumeRole"), external),
        statement(format!("PodidTargetTag{hash}"), json!("sts:TagSession"), by_primary),
    ]
}

/// Whether a statement is podid's for a target role, for whatever association: it equals the one rebuilt from its own
/// values. Where there are no session tags, the hash in the Sid cannot be rebuilt: then its form has to do.
pub fn is_podid_target(statement: &Value) -> bool {
    let Some(sid) = statement.get("Sid").and_then(Value::as_str).filter(|sid| hash(sid).is_some()) else {
        return false;
    };
    let value = |pointer: &str| match strings(statement.pointer(pointer))[..] {
        [one] => Some(one.to_owned()),
        _ => None,
    };
    let tag = |tag: &str| value(&format!("/Condition/StringEquals/aws:RequestTag~1{tag}"));
    let primary = value("/Condition/ArnEquals/aws:PrincipalArn").and_then(|arn| arn.parse::<Arn>().ok());
    let Some(primary) = primary else { return false };
    let (cluster, external_id) = (tag("eks-cluster-arn"), value("/Condition/StringEquals/sts:ExternalId"));
    let session_tags = cluster.is_some();
    let arn = cluster.as_deref().unwrap_or("arn:aws:eks:::cluster/any").parse::<Arn>();
    let Some(arn) = arn.ok() else { return false };
    let (namespace, name) = (tag("kubernetes-namespace"), tag("kubernetes-service-account"));
    let subject = ServiceAccount { namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default() };
    let link = Link {
        cluster: &Cluster::named(arn),
        subject: &subject,
        primary: &primary,
        session_tags,
        external_id: external_id.as_deref(),
    };
    let kind = |sid: &str| sid.starts_with("PodidTargetTag");
    target_statements(&link).into_iter().any(|mut rebuilt| {
        if !session_tags && rebuilt["Sid"].as_str().is_some_and(|other| kind(other) == kind(sid)) {
            rebuilt["Sid"] = json!(sid);
        }
        statements_match(statement, &rebuilt)
    })
}

/// The hash in a Sid of podid's for a target role.
fn hash(sid: &str) -> Option<&str> {
    let hash = sid.strip_prefix("PodidTargetTag").or_else(|| sid.strip_prefix("PodidTarget"))?;
    is_hash(hash).then_some(hash)
}

/// The trust policy with podid's statements for one association in it; those of an earlier setting of its session tags go.
///
/// # Errors
/// When a statement that is not podid's has the Sid of one.
pub fn with_target(document: &Document, statements: &[Value]) -> Result<Document, SidTaken> {
    fn sid(statement: &Value) -> &str {
        statement.get("Sid").and_then(Value::as_str).unwrap_or_default()
    }
    let own = statements.first().and_then(|statement| hash(sid(statement)));
    let earlier = |other: &Value| {
        hash(sid(other)) == own && !statements.iter().any(|new| sid(new) == sid(other)) && is_podid_target(other)
    };
    let clean = own::without(document, earlier);
    statements.iter().try_fold(clean, |document, statement| own::put(&document, statement.clone(), is_podid_target))
}

/// The document with the external id in its place.
pub fn with_external_id(document: &Document, id: &str) -> Document {
    fn fill(value: &mut Value, id: &str) {
        match value {
            Value::String(text) if text == EXTERNAL_ID => id.clone_into(text),
            Value::Array(list) => list.iter_mut().for_each(|one| fill(one, id)),
            Value::Object(fields) => fields.values_mut().for_each(|one| fill(one, id)),
            _ => {}
        }
    }
    let mut filled = document.clone();
    fill(&mut filled.0, id);
    filled
}

/// Whether a permission policy lets a role assume the target without conditions, in podid's statement or another.
pub fn grants(document: &Document, target: &str) -> bool {
    ["sts:AssumeRole", "sts:TagSession"].iter().all(|action| {
        document.statements().iter().any(|statement| {
            let matches = |key: &str, wanted: &str| {
                strings(statement.get(key)).iter().any(|pattern| {
                    if key == "Action" {
                        text::wildcard(&pattern.to_ascii_lowercase(), &wanted.to_ascii_lowercase())
                    } else {
                        text::wildcard(pattern, wanted)
                    }
                })
            };
            allows(statement)
                && statement.get("Condition").is_none()
                && matches("Action", action)
                && matches("Resource", target)
        })
    })
}

/// podid's policy for target roles with this one in it; the others stay, since several associations share a role.
pub fn granting(before: Option<&Document>, target: &str) -> Document {
    let before = before.map(Document::statements).unwrap_or_default();
    let own = before.iter().find(|s| s.get("Sid").and_then(Value::as_str) == Some("PodidTarget"));
    let mut targets: Vec<&str> = own.map(|s| strings(s.get("Resource"))).unwrap_or_default();
    if !targets.contains(&target) {
        targets.push(target);
    }
    let statement = json!({
        "Sid": "PodidTarget",
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Resource": targets,
    });
    let others = before.iter().filter(|s| s.get("Sid").and_then(Value::as_str) != Some("PodidTarget"));
    let mut all: Vec<Value> = others.map(|s| (*s).clone()).collect();
    all.push(statement);
    Document::of(all)
}

/// The target roles of podid's policy for them; `None` when it is not as podid writes it.
pub fn targets(document: &Document) -> Option<Vec<&str>> {
    let targets: Vec<&str> = document.statements().into_iter().flat_map(|s| strings(s.get("Resource"))).collect();
    let rebuilt = targets.iter().fold(None, |before, target| Some(granting(before.as_ref(), target)))?;
    let are_roles = targets.iter().all(|target| Arn::parse_iam(target, "role", "an IAM role").is_ok());
    (are_roles && same_meaning(&rebuilt, document)).then_some(targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fixtures::{cluster, subject},
        trust::document,
    };

    const TARGET: &str = "arn:aws:iam::222233334444:role/target";

    fn statements(session_tags: bool, external_id: Option<&str>) -> Vec<Value> {
        let primary: Arn = "arn:aws:iam::111122223333:role/podid/app".parse().unwrap();
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        target_statements(&Link { cluster: &cluster, subject: &subject, primary: &primary, session_tags, external_id })
    }

    #[test]
    fn the_target_trusts_by_tags_or_by_the_external_id() {
        let tagged = statements(true, Some("x"));
        assert_eq!(tagged.len(), 1);
        assert_eq!(tagged[0]["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-namespace"], "carts");
        assert!(!tagged[0].to_string().contains("ExternalId"));
        let bare = statements(false, Some("us-west-2/1/c/carts/carts"));
        assert_eq!(bare[0]["Condition"]["StringEquals"]["sts:ExternalId"], "us-west-2/1/c/carts/carts");
        assert_eq!(bare[1]["Action"], "sts:TagSession");
        assert!(!bare[1].to_string().contains("ExternalId"), "TagSession carries no external id");
        for statement in tagged.iter().chain(&bare) {
            assert_eq!(
                statement["Condition"]["ArnEquals"]["aws:PrincipalArn"],
                "arn:aws:iam::111122223333:role/podid/app"
            );
        }
        let unknown = Document(json!({"Statement": statements(false, None)}));
        assert_eq!(
            with_external_id(&unknown, "id").0["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"],
            "id"
        );
    }

    #[test]
    fn statements_replace_those_of_the_other_setting_and_keep_others() {
        let theirs = json!({"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"});
        let bare = with_target(&document(theirs.clone()), &statements(false, Some("x"))).unwrap();
        assert_eq!(bare.statements().len(), 3);
        let tagged = with_target(&bare, &statements(true, None)).unwrap();
        assert_eq!(tagged.statements().len(), 2, "{tagged:?}");
        assert_eq!(tagged.0["Statement"][0], theirs);
        assert_eq!(with_target(&tagged, &statements(true, None)), Ok(tagged));
    }

    #[test]
    fn a_changed_statement_is_neither_replaced_nor_removed() {
        let mut moved = statements(true, None);
        moved[0]["Condition"]["ArnEquals"]["aws:PrincipalArn"] = json!("arn:aws:iam::111122223333:role/other");
        for own in [statements(true, None), statements(false, Some("x")), statements(false, None), moved] {
            for statement in own {
                assert!(is_podid_target(&statement), "{statement}");
                let sid = statement["Sid"].as_str().unwrap().to_owned();
                for (key, value) in [
                    ("Principal", json!({"AWS": "arn:aws:iam::222233334444:root"})),
                    ("Principal", json!("*")),
                    ("Action", json!("sts:*")),
                    ("Effect", json!("Deny")),
                    ("Condition", json!({"StringEquals": {"sts:ExternalId": "x"}})),
                    ("Sid", json!(format!("{sid}0"))),
                ] {
                    let mut other = statement.clone();
                    other[key] = value;
                    assert!(!is_podid_target(&other), "{other}");
                    let there = document(other.clone());
                    for wanted in [statements(true, None), statements(false, Some("x"))] {
                        match with_target(&there, &wanted) {
                            Ok(after) => assert_eq!(after.statements()[0], &other),
                            Err(taken) => assert_eq!(json!(taken.0), other["Sid"]),
                        }
                    }
                }
            }
        }
    }

    /// What else has the policy's name is not podid's to count, or to replace.
    #[test]
    fn targets_are_read_only_as_podid_writes_them() {
        let other = "arn:aws:iam::222233334444:role/other";
        let two = granting(Some(&granting(None, TARGET)), other);
        assert_eq!(targets(&two), Some(vec![TARGET, other]));
        for foreign in ["*", "arn:aws:s3:::bucket"] {
            assert_eq!(targets(&granting(None, foreign)), None, "{foreign}");
        }
        let mut wider = two;
        wider.0["Statement"][0]["Action"] = json!("sts:*");
        assert_eq!(targets(&wider), None);
    }

    #[test]
    fn permission_on_targets_is_merged_and_recognized() {
        let one = granting(None, TARGET);
        assert!(grants(&one, TARGET) && !grants(&one, "arn:aws:iam::222233334444:role/other"));
        let two = granting(Some(&one), "arn:aws:iam::222233334444:role/other");
        assert!(grants(&two, TARGET) && grants(&two, "arn:aws:iam::222233334444:role/other"));
        assert_eq!(granting(Some(&two), TARGET), two);
        let mut limited = one.clone();
        limited.0["Statement"][0]["Condition"] = json!({"Bool": {"aws:SecureTransport": "true"}});
        assert!(!grants(&limited, TARGET), "a condition may or may not hold");
        let mut partial = one;
        partial.0["Statement"][0]["Action"] = json!("sts:AssumeRole");
        assert!(!grants(&partial, TARGET));
    }
}
