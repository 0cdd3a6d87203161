//! The files that `apply` and `diff` are tried with, and what is there of them.

use serde_json::{Value, json};

use super::CLUSTER;
use crate::support::admitting;

const HEAD: &str = "apiVersion: podid.dev/v1\nkind: PodIdentity\nmetadata: {name: proof}\n";

/// Nothing of it is there.
pub(super) const NEW: &str = "agent: {}
roles:
- name: new
  path: /podid/
  policies:
    managed: [arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess]
    dynamodb: [{table: eks-workshop-carts}]
associations:
- {serviceAccount: carts/carts, role: new}
";

/// A service account that is not there yet.
pub(super) const CREATED: &str = "agent: {}
roles:
- {name: new, path: /podid/, policies: {dynamodb: [{table: eks-workshop-carts}]}}
associations:
- {serviceAccount: carts/newcomer, role: new, createServiceAccount: true}
";

/// As [`kept_here`] has it.
pub(super) const SAME: &str = "roles:
- {name: kept, tags: {new: tag}}
associations:
- {serviceAccount: carts/carts, role: kept}
";

/// Everything of it differs from [`kept`].
pub(super) const CHANGED: &str = "roles:
- name: kept
  permissionsBoundary: arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
  tags: {new: tag, old: null}
  policies:
    managed: [arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess]
    inline: [{name: mine, document: {Statement: [{Effect: Allow, Action: s3:GetObject, Resource: '*'}]}}]
    dynamodb: [{table: eks-workshop-carts}]
- {name: bounded, permissionsBoundary: null}
associations:
- {serviceAccount: carts/carts, role: kept, tags: {new: tag, old: null}}
- {serviceAccount: carts/moves, role: bounded}
";

/// The agent of a newer version.
pub(super) const UPGRADE: &str = "agent: {version: v1.3.10-eksbuild.1}\n";

/// One service account is looked for.
pub(super) const PATTERN: &str =
    "roles: [{name: wide, scope: cluster}]\nassociations:\n- {serviceAccount: 'c*/carts', role: wide}\n";

/// Writes a file, and answers its path.
pub(super) fn file(name: &str, text: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("proof");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    // Each test writes the same; another may be reading it.
    let whole = format!("{HEAD}{text}");
    if std::fs::read_to_string(&path).ok().as_deref() != Some(whole.as_str()) {
        let own = folder.join(format!("{name}.{:?}", std::thread::current().id()));
        std::fs::write(&own, whole).unwrap();
        std::fs::rename(&own, &path).unwrap();
    }
    path.display().to_string()
}

fn tags() -> Value {
    json!({ "podid.dev/managed-by": "podid", "podid.dev/cluster": CLUSTER, "podid.dev/manifest": "proof", "old": "tag" })
}

fn role(name: &str, subject: &str, sid: &str) -> Value {
    let statement = admitting(sid, CLUSTER, ("carts", subject));
    json!({
        "name": name,
        "path": "/podid/",
        "trust": { "Version": "2012-10-17", "Statement": [statement] },
        "attached": ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"],
        "inline": { "theirs": { "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*" },
        ] } },
        "boundary": if name == "bounded" { json!("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess") } else { Value::Null },
        "tags": tags(),
    })
}

fn association(subject: &str, role: &str) -> Value {
    let arn = format!("arn:aws:iam::111122223333:role/podid/{role}");
    json!({ "namespace": "carts", "service_account": subject, "role": arn, "tags": tags() })
}

/// The association of carts/carts with its role, and how the rest of the world is.
pub(super) fn kept_here(more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut set = more.to_vec();
    set.push(("/roles/-", role("kept", "carts", "Podid8233eca52c385fc1")));
    set.push(("/associations", json!([association("carts", "kept")])));
    set
}

/// [`kept`], with the role of no file open to every service account of every cluster.
pub(super) fn opened() -> Vec<(&'static str, Value)> {
    let mut set = kept();
    let gone = set.iter_mut().find(|(_, it)| it["name"] == "gone").unwrap();
    gone.1["trust"]["Statement"][0].as_object_mut().unwrap().remove("Condition");
    set
}

/// That, an association that moves to another role, and one that is in no file any more, with its role.
pub(super) fn kept() -> Vec<(&'static str, Value)> {
    let mut set = kept_here(&[]);
    set.push(("/roles/-", role("bounded", "elsewhere", "Podid0000000000000000")));
    set.push(("/roles/-", role("gone", "gone", "Podidc16411d9d1441b2f")));
    set.push(("/associations/-", association("moves", "kept")));
    set.push(("/associations/-", association("gone", "gone")));
    set
}
