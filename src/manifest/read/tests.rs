//! What is read, and how what is wrong is told.

use super::*;

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
    6 things are wrong with the file:
    stdin:3:1: rolez: unknown key; did you mean `roles`?
    3 | rolez: []
      | ^
    stdin:5:9: roles[0].name: role name `a/b` has a `/`; give the name alone, or the role's ARN
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
