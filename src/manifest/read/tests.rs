//! What is read, and how what is wrong is told.

use proptest::prelude::*;

use super::*;
use crate::model::want::Field;

fn of(text: &str) -> Result<Read> {
    read(&[PathBuf::from("-")], &mut text.as_bytes())
}

const HEAD: &str = "apiVersion: podid.dev/v1\nkind: PodIdentity\n";

#[test]
fn a_file_is_read() {
    let read = of(&format!(
        "{HEAD}roles:\n- name: app\n  policies:\n    dynamodb:\n    - {{table: carts, access: read-write}}\nassociations:\n- serviceAccount: carts/carts\n  role: app\n"
    ))
    .unwrap();
    assert_eq!(read.entries.roles[0].value.name, "app");
    assert_eq!(read.entries.associations[0].at, Place { source: "stdin".into(), line: 9, column: 3 });
}

#[test]
fn all_that_is_wrong_is_said_with_its_place() {
    let failure = of(&format!(
        "{HEAD}rolez: []\nroles:\n- name: a/b\n  scope: all\nassociations:\n- serviceAccount: Carts/carts\n  role: on\n  tags: [x]\n- role: app\n"
    ))
    .unwrap_err();
    insta::assert_snapshot!(failure.message, @r"
    6 problems in the manifest:
    stdin:3:1: rolez: unknown key; did you mean `roles`?
    3 | rolez: []
      | ^
    stdin:5:9: roles[0].name: role name `a/b` has a `/`: pass only the name, or the role's ARN
    5 | - name: a/b
      |         ^
    stdin:6:10: roles[0].scope: `all` is not a scope: `service-account`, `namespace`, `cluster`, `none`
    6 |   scope: all
      |          ^
    stdin:8:19: associations[0].serviceAccount: namespace `Carts` has upper-case letters; Kubernetes names are lower-case
    8 | - serviceAccount: Carts/carts
      |                   ^
    stdin:10:9: associations[0].tags: this is a list, not a mapping of keys to values
    10 |   tags: [x]
       |         ^
    stdin:11:3: associations[1]: key `serviceAccount` is missing
    ");
}

#[test]
fn a_long_line_is_cut_around_its_place() {
    let text = format!("{HEAD}roles: [{{name: app, path: \"{}\", scope: all}}]\n", "x".repeat(200));
    let failure = of(&text).unwrap_err();
    let lines: Vec<&str> = failure.message.lines().collect();
    assert!(lines.iter().all(|line| line.len() < 400), "{failure}");
    let (shown, mark) = (lines[lines.len() - 2], lines[lines.len() - 1]);
    assert_eq!(&shown[mark.find('^').unwrap()..][..3], "all", "{failure}");
}

/// A tag's value, by AWS's rule, and what YAML could take for something else.
fn tag() -> impl Strategy<Value = String> {
    let odd =
        ["on", "null", "012345678901", "1e3", "true", "- a", "a: b", " ", "=", "2026-11-26", "0x1f", ".5", "@x", "a "];
    prop_oneof![prop::sample::select(odd.to_vec()).prop_map(str::to_owned), "[a-zA-Z0-9 _.:/=+@-]{0,12}"]
}

proptest! {
    /// What is written is read as it was, whatever the texts look like.
    #[test]
    fn written_and_read_back(tags in prop::collection::btree_map("[a-z]{1,5}", tag(), 1..4), resource in "[\t\n\r -\u{ff}]{0,24}") {
        let statement = serde_json::json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{resource}"),
            "Condition": {"ForAnyValue:StringEquals": {"aws:x": [1, 1.5, true, "1", resource]}}});
        let document = crate::model::document::Document(serde_json::json!({"Version": "2012-10-17", "Statement": [statement]}));
        let role = crate::model::manifest::Role {
            name: "app".to_owned(),
            scope: Some(crate::model::want::Scope::Cluster),
            tags: Field::Set(tags.into_iter().map(|(key, value)| (key, Some(value))).collect()),
            policies: crate::model::manifest::Policies {
                inline: Field::Set(vec![crate::model::manifest::Inline {
                    name: "x".to_owned(),
                    source: crate::model::manifest::Source::Document(document),
                }]),
                ..Default::default()
            },
            ..Default::default()
        };
        let manifest = Manifest { roles: vec![role.clone()], ..Manifest::default() };
        let text = crate::output::json::yaml(&manifest).unwrap();
        let read = of(&text).unwrap();
        prop_assert_eq!(&read.entries.roles[0].value, &role, "{}", text);
        // JSON is YAML, but for the DEL that it may have as it is.
        let text = serde_json::to_string(&manifest).unwrap();
        if !text.contains(char::is_control) {
            let read = of(&text).unwrap();
            prop_assert_eq!(&read.entries.roles[0].value, &role, "{}", text);
        }
    }

    /// Whatever it is, it is read or refused.
    #[test]
    fn anything_at_all(bytes in prop::collection::vec(any::<u8>(), 0..200), pieces in prop::collection::vec(0..16usize, 0..40)) {
        let _ = read(&[PathBuf::from("-")], &mut bytes.as_slice());
        let words = ["roles:", "\n", "- ", "name: a", "{", "}", "[", "]", "&x ", "*x", "  ", "\"", ": ", "? ", "|\n", "associations:"];
        let text: String = pieces.into_iter().map(|i| words[i]).collect();
        let _ = of(&format!("{HEAD}{text}"));
    }
}
