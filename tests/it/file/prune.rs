//! `--prune`: what carries the file's name and is not in it goes, and nothing else.

use serde_json::json;

use super::CARTS;
use crate::support::Env;

const TWO: &str = "\
apiVersion: podid.dev/v1
kind: PodIdentity
metadata: {name: carts}
roles:
  - name: carts-role
  - name: other-role
associations:
  - {serviceAccount: carts/carts, role: carts-role}
  - {serviceAccount: carts/other, role: other-role}
";

fn applied(text: &str) -> Env {
    let env = Env::new("carts-agent");
    let file = env.file("two.yaml", text);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    env.world.journal().clear();
    env
}

fn left(env: &Env) -> (Vec<String>, Vec<String>) {
    env.world.with(|state| {
        let mut associations: Vec<String> =
            state.aws.associations.values().map(|a| format!("{}/{}", a.namespace, a.service_account)).collect();
        associations.sort();
        let roles = state.aws.roles.keys().filter(|name| name.ends_with("-role")).cloned().collect();
        (associations, roles)
    })
}

#[test]
fn what_is_in_no_file_any_more() {
    let env = applied(TWO);
    let file = env.file("podid.yaml", CARTS);
    // Without the flag nothing is looked for.
    let run = env.podid(&format!("diff -f {file}")).code(3);
    assert!(!run.stdout.contains("other"), "{run}");
    insta::assert_snapshot!(env.podid(&format!("apply -f {file} --prune --no-wait")).code(2).steady(), @"
    exit 2
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ add inline policy podid-dynamodb to role carts-role
    Delete (no longer in the manifest):
      - delete the association of carts/other (role other-role)
      - delete role other-role
    Plan: 0 to create, 1 to change, 2 to delete
    error: confirmation required: this deletes a role, or changes more than the service accounts named one by one, and there is no terminal to ask on
      caused by: cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration)

    hint: check the plan with `--dry-run`, then pass `--yes`
    ");
    assert!(env.writes().is_empty());
    // On a terminal the cluster name is typed.
    let words = ["apply", "-f", &file, "--prune", "--no-wait"];
    let _ = env.tty(120, &words, "no\n").code(2);
    insta::assert_snapshot!(env.tty(120, &words, "eks-workshop\n").ok().steady(), @"
    exit 0
    --- stdout
    eks-workshop
    Plan for cluster eks-workshop (111122223333, us-west-2):
      ~ add inline policy podid-dynamodb to role carts-role
    Delete (no longer in the manifest):
      - delete the association of carts/other (role other-role)
      - delete role other-role
    Plan: 0 to create, 1 to change, 2 to delete
    This applies to cluster eks-workshop (from PODID_CLUSTER), account 111122223333 (from the AWS credentials), region us-west-2 (from the AWS configuration).
    To confirm, type the cluster name (eks-workshop): ✔ added inline policy podid-dynamodb to role carts-role
    ✔ deleted the association of carts/other
    ✔ deleted role other-role
    ");
    assert_eq!(left(&env), (vec!["carts/carts".to_owned()], vec!["carts-role".to_owned()]));
    let _ = env.podid(&format!("diff -f {file} --prune")).ok();
}

/// Others' associations and roles, another file's, and those of `associate` stay.
#[test]
fn nothing_else_goes() {
    let env = applied(&TWO.replace("name: carts}", "name: another}"));
    let _ = env.podid("associate carts/third --create-role --no-wait").ok();
    let file = env.file("podid.yaml", &CARTS.replace("carts-role", "new-role"));
    let run = env.podid(&format!("apply -f {file} --prune --no-wait --yes")).ok();
    assert!(!env.writes().iter().any(|write| write.contains("Delete")), "{:?}", env.writes());
    assert!(
        run.stderr.contains("the association of carts/carts also belongs to the manifest named `another`"),
        "{run}"
    );
    let env = Env::with("carts-associated", &[("/associations/0/tags", json!({ "podid.dev/manifest": "carts" }))]);
    let file = env.file(
        "podid.yaml",
        "apiVersion: podid.dev/v1\nkind: PodIdentity\nmetadata: {name: carts}\nroles: [{name: new-role, scope: cluster}]\n",
    );
    // The tag of a file alone does not make it podid's.
    let _ = env.podid(&format!("apply -f {file} --prune --no-wait --yes")).ok();
    assert_eq!(left(&env).0, ["carts/carts"]);
}

/// Renaming a role: the new one is made, its associations move, the old one goes.
#[test]
fn a_role_is_renamed() {
    let env = applied(CARTS);
    let file = env.file("podid.yaml", &CARTS.replace("carts-role", "new-role"));
    let _ = env.podid(&format!("apply -f {file} --prune --no-wait --yes")).ok();
    let writes = env.writes();
    let at = |name: &str| {
        writes.iter().position(|write| write.ends_with(name)).unwrap_or_else(|| panic!("{name}: {writes:?}"))
    };
    assert!(at("CreateRole") < at("UpdatePodIdentityAssociation"), "{writes:?}");
    assert!(at("UpdatePodIdentityAssociation") < at("DeleteRolePolicy"), "{writes:?}");
    assert!(at("DeleteRolePolicy") < at("DeleteRole"), "{writes:?}");
    assert_eq!(left(&env), (vec!["carts/carts".to_owned()], vec!["new-role".to_owned()]));
}

/// A role that an association still uses, whoever's that is, stays; so does what is shared with another cluster.
#[test]
fn a_role_with_users_stays() {
    let env = applied(TWO);
    env.world.with(|state| {
        let mut copy = state.aws.associations.values().find(|a| a.service_account == "other").unwrap().clone();
        copy.service_account = "third".to_owned();
        copy.tags.clear();
        copy.id = "a-thirdthirdthird".to_owned();
        copy.arn = copy.arn.rsplit_once('/').unwrap().0.to_owned() + "/a-thirdthirdthird";
        state.aws.associations.insert("a-thirdthirdthird".to_owned(), copy);
    });
    let file = env.file("podid.yaml", CARTS);
    let run = env.podid(&format!("apply -f {file} --prune --no-wait --yes")).ok();
    assert!(
        run.stderr.contains(
            "keeping role `other-role`, which is no longer in a manifest: an association that is kept uses it"
        ),
        "{run}"
    );
    assert!(left(&env).1.contains(&"other-role".to_owned()));
}

#[test]
fn refused() {
    let env = applied(TWO);
    let unnamed = env.file("unnamed.yaml", &CARTS.replace("metadata:\n  name: carts\n", ""));
    let run = env.podid(&format!("diff -f {unnamed} --prune")).code(2);
    assert!(run.stderr.contains("a document has no `metadata.name`"), "{run}");
    let empty = env.file("empty.yaml", "apiVersion: podid.dev/v1\nkind: PodIdentity\nmetadata: {name: carts}\n");
    let run = env.podid(&format!("apply -f {empty} --prune --yes")).code(2);
    assert!(run.stderr.contains("would delete everything"), "{run}");
    let file = env.file("podid.yaml", CARTS);
    let run = env.podid(&format!("apply -f {file} --prune --prune-limit 1 --no-wait --yes")).code(2);
    assert!(run.stderr.contains("`--prune` would delete 2 associations and roles; the limit is 1"), "{run}");
    assert!(env.writes().is_empty(), "{:?}", env.writes());
    let _ = env.podid(&format!("apply -f {file} --prune --prune-limit 2 --no-wait --yes")).ok();
}
