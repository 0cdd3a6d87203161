//! What drifted from the manifest, each in one field: shown by `diff`, mended by `apply`, and then there is none.

use serde_json::{Value, json};

use super::CARTS;
use crate::support::Env;

/// A cluster as the file says.
fn applied(text: &str) -> (Env, String) {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", text);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    let _ = env.podid(&format!("diff -f {file}")).ok();
    (env, file)
}

/// The drift as it is shown; mended, nothing is left of it.
#[track_caller]
fn mended(env: &Env, file: &str) -> String {
    let run = env.podid(&format!("diff -f {file}")).code(3);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    let _ = env.podid(&format!("diff -f {file}")).ok();
    run.steady()
}

fn role(env: &Env, change: impl Fn(&mut podid_sandbox::aws::Role)) {
    env.world.with(|state| change(state.aws.roles.get_mut("carts-role").unwrap()));
}

#[test]
fn trust() {
    let (env, file) = applied(CARTS);
    // Without podid's statement nothing admits: it is added again, beside the other.
    role(&env, |role| {
        role.trust = role.trust.replace("\"Podid", "\"Theirs").replace("sts:TagSession", "sts:SetSourceIdentity");
    });
    let run = mended(&env, &file);
    assert!(
        run.contains("update the trust policy of role carts-role") && run.contains("+      \"Sid\": \"Podid"),
        "{run}"
    );
    // One that has podid's Sid, and that podid did not write, is not replaced.
    let (env, file) = applied(CARTS);
    role(&env, |role| role.trust = role.trust.replace("sts:TagSession", "sts:SetSourceIdentity"));
    let run = env.podid(&format!("apply -f {file} --no-wait --yes")).code(2).says("has the Sid of podid's statement");
    assert!(run.stderr.contains("neither replaces nor removes a statement that it did not create"), "{run}");
}

#[test]
fn policy() {
    let (env, file) = applied(CARTS);
    role(&env, |role| {
        let text = role.inline["podid-dynamodb"].replace("\"dynamodb:Scan\"", "\"dynamodb:PartiQLSelect\"");
        role.inline.insert("podid-dynamodb".to_owned(), text);
    });
    insta::assert_snapshot!(mended(&env, &file), @r#"
    exit 3
    --- stdout
    Cluster eks-workshop (111122223333, us-west-2):
      ~ role carts-role
          update inline policy podid-dynamodb of role carts-role
          @@ -21,7 +21,7 @@
                 "Effect": "Allow",
                 "Action": [
                   "dynamodb:Query",
          -        "dynamodb:PartiQLSelect"
          +        "dynamodb:Scan"
                 ],
                 "Resource": [
                   "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
    --- stderr
    0 added, 1 changed, 0 removed
    "#);
}

/// The order of actions, a string or a list of one: no drift.
#[test]
fn the_same_otherwise_written() {
    let (env, file) = applied(CARTS);
    role(&env, |role| {
        let mut trust: Value = serde_json::from_str(&role.trust).unwrap();
        let actions = &mut trust["Statement"][0]["Action"];
        *actions = json!(["sts:TagSession", "sts:AssumeRole"]);
        let service = &mut trust["Statement"][0]["Principal"]["Service"];
        *service = json!([service.as_str().unwrap()]);
        role.trust = trust.to_string();
        let mut policy: Value = serde_json::from_str(&role.inline["podid-dynamodb"]).unwrap();
        let statements = policy["Statement"].as_array_mut().unwrap();
        statements.reverse();
        statements[0]["Action"].as_array_mut().unwrap().reverse();
        role.inline.insert("podid-dynamodb".to_owned(), policy.to_string());
    });
    let _ = env.podid(&format!("diff -f {file}")).ok();
}

#[test]
fn tags_boundary_and_attached() {
    let text = CARTS.replace(
        "  - name: carts-role\n",
        "  - name: carts-role\n    tags: {team: store}\n    permissionsBoundary: arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess\n",
    );
    let text = text.replace(
        "    policies:\n",
        "    policies:\n      managed: [arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess]\n",
    );
    let (env, file) = applied(&text);
    role(&env, |role| {
        role.tags.insert("team".to_owned(), "other".to_owned());
        role.tags.insert("theirs".to_owned(), "stays".to_owned());
        role.boundary = None;
        role.attached = vec!["arn:aws:iam::aws:policy/AmazonSQSFullAccess".to_owned()];
    });
    insta::assert_snapshot!(mended(&env, &file), @r"
    exit 3
    --- stdout
    Cluster eks-workshop (111122223333, us-west-2):
      ~ role carts-role
          set the permissions boundary of role carts-role to arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess
          tag role carts-role (team)
          +team=store
          attach arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess to role carts-role
          detach arn:aws:iam::aws:policy/AmazonSQSFullAccess from role carts-role
    --- stderr
    0 added, 1 changed, 0 removed
    ");
    role(&env, |role| assert_eq!(role.tags["theirs"], "stays"));
    // What is cleared goes; what is not named stays.
    let cleared = env.file(
        "cleared.yaml",
        &text
            .replace("{team: store}", "{team: null}")
            .replace("arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess", "null")
            .replace("[arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess]", "[]"),
    );
    insta::assert_snapshot!(mended(&env, &cleared), @r"
    exit 3
    --- stdout
    Cluster eks-workshop (111122223333, us-west-2):
      ~ role carts-role
          remove the permissions boundary of role carts-role (was arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess)
          remove tags from role carts-role (team)
          detach arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess from role carts-role
    --- stderr
    0 added, 1 changed, 0 removed
    ");
    role(&env, |role| {
        assert!(role.boundary.is_none() && role.attached.is_empty() && !role.tags.contains_key("team"));
        assert_eq!(role.tags["theirs"], "stays");
    });
    // A file without the keys plans nothing for them.
    let without = env.file("without.yaml", CARTS);
    role(&env, |role| {
        role.attached.push("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess".to_owned());
    });
    let _ = env.podid(&format!("diff -f {without}")).ok();
}

#[test]
fn the_role_of_an_association() {
    let (env, file) = applied(CARTS);
    env.world.with(|state| {
        let association = state.aws.associations.values_mut().next().unwrap();
        association.role_arn = "arn:aws:iam::111122223333:role/other".to_owned();
    });
    insta::assert_snapshot!(mended(&env, &file), @r"
    exit 3
    --- stdout
    Cluster eks-workshop (111122223333, us-west-2):
      ~ association carts/carts
          update the association of carts/carts (role other -> carts-role)
    --- stderr
    0 added, 1 changed, 0 removed
    ");
}

#[test]
fn a_session_policy() {
    let policy = |action: &str| {
        format!(
            "{CARTS}    disableSessionTags: true\n    sessionPolicy:\n      document: {{Version: 2012-10-17, Statement: [{{Effect: Allow, Action: {action}, Resource: '*'}}]}}\n"
        )
    };
    let (env, _) = applied(&policy("dynamodb:GetItem"));
    let file = env.file("other.yaml", &policy("dynamodb:Query"));
    insta::assert_snapshot!(mended(&env, &file), @r#"
    exit 3
    --- stdout
    Cluster eks-workshop (111122223333, us-west-2):
      ~ association carts/carts
          update the association of carts/carts (another session policy)
          @@ -3,7 +3,7 @@
             "Statement": [
               {
                 "Effect": "Allow",
          -      "Action": "dynamodb:GetItem",
          +      "Action": "dynamodb:Query",
                 "Resource": "*"
               }
             ]
    --- stderr
    0 added, 1 changed, 0 removed
    "#);
    // `null` takes it away again.
    let none = env.file("none.yaml", &format!("{CARTS}    disableSessionTags: true\n    sessionPolicy: null\n"));
    let _ = mended(&env, &none);
    let left = env.world.with(|state| state.aws.associations.values().next().unwrap().policy.clone());
    assert_eq!(left, None);
}

/// IAM's own variables arrive byte for byte.
#[test]
fn variables_survive() {
    const RESOURCE: &str = "arn:aws:s3:::b/${aws:PrincipalTag/kubernetes-namespace}/$HOME/${x}/{{y}}/*";
    let inline = format!(
        "      inline:\n        - name: s3\n          document: {{Version: 2012-10-17, Statement: [{{Effect: Allow, Action: s3:GetObject, Resource: \"{RESOURCE}\"}}]}}\n"
    );
    let (env, _) = applied(&CARTS.replace("associations:", &format!("{inline}associations:")));
    role(&env, |role| {
        let document: Value = serde_json::from_str(&role.inline["s3"]).unwrap();
        assert_eq!(document["Statement"][0]["Resource"], RESOURCE);
        assert_eq!(document["Version"], "2012-10-17");
    });
}

/// A role's scope is narrowed while a service account of no file uses it through the wide statement: it is asked for,
/// which costs its reads only then, and keeps a statement of its own.
#[test]
fn narrowed_with_a_stranger_on_it() {
    let wide = CARTS.replace("  - name: carts-role\n", "  - name: carts-role\n    scope: cluster\n");
    assert_ne!(wide, CARTS);
    let (env, file) = applied(&wide);
    let _ = env.podid("associate carts/other --role carts-role --yes --no-wait").ok();
    env.world.journal().clear();
    let _ = env.podid(&format!("diff -f {file}")).ok();
    assert_eq!(asked(&env), 2);
    std::fs::write(&file, wide.replace("scope: cluster", "scope: service-account")).unwrap();
    env.world.journal().clear();
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    assert_eq!(asked(&env), 4);
    let trust = env.world.with(|state| state.aws.roles["carts-role"].trust.clone());
    assert!(trust.contains("\"other\""), "{trust}");
    let _ = env.podid(&format!("diff -f {file}")).ok();
}

/// How often associations were asked for.
fn asked(env: &Env) -> usize {
    let journal = env.world.journal();
    journal.count("eks", "ListPodIdentityAssociations") + journal.count("eks", "DescribePodIdentityAssociation")
}
