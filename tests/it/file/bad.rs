//! Bad files: a clear error before any call, never a hang.

use std::{fs, os::unix::fs::symlink};

use super::CARTS;
use crate::support::Env;

const HEAD: &str = "apiVersion: podid.dev/v1\nkind: PodIdentity\n";

/// What is said of a file; nothing was asked of anybody.
fn said(env: &Env, bytes: &[u8]) -> String {
    let path = env.file("bad.yaml", "");
    fs::write(&path, bytes).unwrap();
    let run = env.podid(&format!("diff -f {path}")).code(2);
    assert!(env.operations().is_empty(), "{:?}", env.operations());
    run.stderr.replace(&path, "bad.yaml")
}

#[test]
fn each_in_its_words() {
    let env = Env::new("carts-agent");
    let all: Vec<String> = [
        b"".as_slice(),
        b"\n# nothing\n",
        b"apiVersion: v1\nkind: Pod\n",
        b"a: [b\n",
        b"a: b\n\tc: d\n",
        b"\xff\xfea\0",
        b"a: b\nc: \xc3\x28\n",
        b"- 1\n- 2\n",
        b"a: !custom x\n",
        b"a: *nowhere\n",
    ]
    .into_iter()
    .map(|bytes| said(&env, bytes))
    .collect();
    insta::assert_snapshot!(all.join("\n"), @r"
    error: bad.yaml: the file is empty

    hint: a manifest begins with `apiVersion: podid.dev/v1` and `kind: PodIdentity`: `podid export` prints one

    error: bad.yaml: the file is empty

    hint: a manifest begins with `apiVersion: podid.dev/v1` and `kind: PodIdentity`: `podid export` prints one

    error: 2 problems in the manifest:
      bad.yaml:1:13: apiVersion: podid accepts only `podid.dev/v1`
      1 | apiVersion: v1
        |             ^
      bad.yaml:2:7: kind: podid accepts only `PodIdentity`
      2 | kind: Pod
        |       ^

    hint: editors can check it with the JSON Schema from `podid schema`

    error: bad.yaml:1:4: this is not YAML: unclosed bracket '['
      1 | a: [b
        |    ^

    error: bad.yaml:1:4: this is not YAML: while scanning a plain scalar, found a tab
      1 | a: b
        |    ^

    error: bad.yaml: this is UTF-16, not UTF-8

    error: bad.yaml:2: this is not UTF-8 text

    error: bad.yaml:1:1: this is a list, not a mapping of keys
      1 | - 1
        | ^

    hint: editors can check it with the JSON Schema from `podid schema`

    error: bad.yaml:1:12: this is not YAML: the tag !custom is not known here
      1 | a: !custom x
        |            ^

    error: bad.yaml:1:4: this is not YAML: while parsing node, found unknown anchor
      1 | a: *nowhere
        |    ^
    ");
}

#[test]
fn all_at_once_with_their_places() {
    let env = Env::new("carts-agent");
    let text = format!(
        "{HEAD}metadata: {{name: Carts}}\nroles:\n- name: app\n  scope: namespace\n- name: app\n  policies: {{dynamodb: [{{table: a}}, {{table: carts, access: all}}]}}\n- name: lonely\nassociations:\n- serviceAccount: carts/carts\n  role: ap\n  sessionPolicy: {{document: {{Statement: []}}}}\n- {{serviceAccount: carts/carts, role: app, disableSessionTags: true}}\n- {{serviceAccount: carts/other, role: app, tags: {{aws:x: y}}}}\n"
    );
    insta::assert_snapshot!(said(&env, text.as_bytes()), @r"
    error: 5 problems in the manifest:
      bad.yaml:3:18: metadata.name: a name may have only lower-case letters, digits, `-` and `.`, at most 253
      3 | metadata: {name: Carts}
        |                  ^
      bad.yaml:8:33: roles[1].policies.dynamodb[0].table: table name `a` is shorter than 3 characters
      8 |   policies: {dynamodb: [{table: a}, {table: carts, access: all}]}
        |                                 ^
      bad.yaml:8:60: roles[1].policies.dynamodb[1].access: `all` is not an access level (read, write, read-write, stream, full)
      8 |   policies: {dynamodb: [{table: a}, {table: carts, access: all}]}
        |                                                            ^
      bad.yaml:13:18: associations[0].sessionPolicy: the document is not a policy document: it has no Statement
      13 |   sessionPolicy: {document: {Statement: []}}
         |                  ^
      bad.yaml:15:51: associations[2].tags: tag `aws:x` begins with `aws:`, which is reserved by AWS
      15 | - {serviceAccount: carts/other, role: app, tags: {aws:x: y}}
         |                                                   ^

    hint: editors can check it with the JSON Schema from `podid schema`
    ");
    // What only the whole tells.
    let text = format!(
        "{HEAD}roles:\n- name: app\n  scope: namespace\n- name: app\n- name: lonely\nassociations:\n- serviceAccount: carts/carts\n  role: ap\n- {{serviceAccount: carts/carts, role: app, disableSessionTags: true}}\n"
    );
    insta::assert_snapshot!(said(&env, text.as_bytes()), @"
    error: 4 problems in the manifest:
      bad.yaml:6:9: roles[1].name: role `app` is defined twice, first at bad.yaml:4:3
      6 | - name: app
        |         ^
      bad.yaml:7:9: roles[2].name: no association uses role `lonely`, so its trust policy would be empty: `scope: cluster` trusts the whole cluster
      7 | - name: lonely
        |         ^
      bad.yaml:10:9: associations[0].role: role `ap` is not defined in the manifest: reference an existing role by its ARN; did you mean `app`?
      10 |   role: ap
         |         ^
      bad.yaml:11:20: associations[1].serviceAccount: service account `carts/carts` is defined twice, first at bad.yaml:9:3
      11 | - {serviceAccount: carts/carts, role: app, disableSessionTags: true}
         |                    ^

    hint: editors can check it with the JSON Schema from `podid schema`
    ");
}

#[test]
fn rejects_deep_large_and_billion_laughs_yaml() {
    let env = Env::new("carts-agent");
    let large = [HEAD.as_bytes(), &b"# x\n".repeat(12_500_000)].concat();
    assert!(said(&env, &large).contains("bad.yaml: larger than 16 MB"));
    assert!(said(&env, "[".repeat(100_000).as_bytes()).contains("this is not YAML"));
    assert!(said(&env, format!("{HEAD}x: {}", "{a: ".repeat(70)).as_bytes()).contains("nested more than 64 deep"));
    let level = |n: usize| format!("a{}: &a{} [{}]\n", n, n, vec![format!("*a{}", n - 1); 8].join(", "));
    let laughs: String =
        std::iter::once(format!("{HEAD}a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")).chain((1..12).map(level)).collect();
    assert!(said(&env, laughs.as_bytes()).contains("more than 1000000 values"));
}

/// Line ends and a byte order mark of other systems are no matter.
#[test]
fn of_other_systems() {
    let env = Env::new("carts-agent");
    let path = env.file("podid.yaml", &format!("\u{feff}{}", CARTS.replace('\n', "\r\n")));
    let run = env.podid(&format!("diff -f {path} -o name")).code(3);
    assert_eq!(run.stdout, "role/carts-role\nassociation/carts/carts\n");
}

#[test]
fn folders() {
    let env = Env::new("carts-agent");
    let folder = env.file("folder/podid.yaml", CARTS);
    let folder = folder.strip_suffix("/podid.yaml").unwrap();
    let _ = env.file("folder/deployment.yml", "apiVersion: apps/v1\nkind: Deployment\n---\nnot: ours\n");
    let _ = env.file("folder/notes.txt", "not YAML: [");
    let _ = env.file("folder/deeper/podid.yaml", "not: read");
    symlink(folder, format!("{folder}/loop")).unwrap();
    let run = env.podid(&format!("diff -f {folder} -o name")).code(3);
    assert_eq!(run.stdout, "role/carts-role\nassociation/carts/carts\n");
    assert!(run.stderr.contains("2 documents of other kinds ignored"), "{run}");
    symlink("round.yaml", format!("{folder}/round.yaml")).unwrap();
    let run = env.podid(&format!("diff -f {folder}")).code(2);
    assert!(run.stderr.contains("round.yaml`\n  caused by: Too many levels of symbolic links"), "{run}");
    let run = env.podid(&format!("diff -f {folder}/deeper/none.yaml")).code(2);
    assert!(run.stderr.contains("No such file or directory"), "{run}");
}

/// Several documents and files are one.
#[test]
fn several() {
    let env = Env::new("carts-agent");
    let roles = env.file("roles.yaml", &format!("{HEAD}roles: [{{name: carts-role}}]\n"));
    let associations = env.file(
        "associations.yaml",
        &format!("{HEAD}---\n{HEAD}associations: [{{serviceAccount: carts/carts, role: carts-role}}]\n"),
    );
    let run = env.podid(&format!("diff -f {roles} -f {associations} -o name")).code(3);
    assert_eq!(run.stdout, "role/carts-role\nassociation/carts/carts\n");
    let run = env.podid(&format!("diff -f {roles} -f {roles}")).code(2);
    assert!(run.stderr.contains("is passed twice"), "{run}");
}
