//! Trust policies: what podid writes or proposes takes no service's principal away, opens no role, is not too long for IAM,
//! and leaves alone what podid did not write.

mod property;

use serde_json::{Value, json};

use crate::{
    file::CARTS,
    role::{ROLE, set_trust, trust_of},
    support::{Env, Run},
};

const PODS: &str = "pods.eks.amazonaws.com";
const FARGATE: &str = "eks-fargate-pods.amazonaws.com";
const ARN: &str = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";
const SID: &str = "Podid8233eca52c385fc1";

/// The workshop's role with this trust policy.
fn world(statements: &Value) -> Env {
    let env = Env::new("carts-associated");
    set_trust(&env, ROLE, &json!({"Version": "2012-10-17", "Statement": statements}));
    env
}

fn allowing(service: &Value, actions: &Value) -> Value {
    json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": actions})
}

fn both() -> Value {
    json!(["sts:AssumeRole", "sts:TagSession"])
}

/// podid's own statement for a service account of the workshop's cluster; the Sid is carts/carts'.
fn own(namespace: &str, name: &str) -> Value {
    let mut own = allowing(&json!(PODS), &both());
    own["Sid"] = json!(SID);
    own["Condition"] = json!({"StringEquals": {
        "aws:RequestTag/eks-cluster-arn": ARN,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": name,
    }});
    own
}

fn trust(env: &Env, rest: &str) -> Run {
    env.podid(&format!("role trust {ROLE} {rest}"))
}

#[test]
fn a_principal_that_aws_has_is_no_mistake_and_stays() {
    let assume = json!("sts:AssumeRole");
    for other in [FARGATE, "eks-nodegroup.amazonaws.com", "eks-fargate.amazonaws.com", "capabilities.eks.amazonaws.com"]
    {
        let env = world(&json!([allowing(&json!([other, PODS]), &both())]));
        let _ = trust(&env, "").ok().says("no mistakes found");
        let _ = trust(&env, "--fix --yes").ok();
        let _ = trust(&env, "--service-account carts/carts --fix --yes").ok();
        assert!(env.writes().is_empty(), "{other}");
        // Alone it does not let pods in: podid's statement comes beside it.
        let alone = json!([allowing(&json!(other), &assume)]);
        let env = world(&alone);
        assert!(!trust(&env, "").code(3).stdout.contains("does not exist: the name is"), "{other}");
        let verify = env.podid("verify carts/carts");
        assert!(verify.to_string().contains("--service-account carts/carts --fix"), "{verify}");
        let _ = trust(&env, "--service-account carts/carts --fix --yes").ok();
        assert_eq!(trust_of(&env, ROLE)["Statement"], json!([alone[0], own("carts", "carts")]), "{other}");
    }
    // Another's in the same statement as a misspelled one.
    let env = world(&json!([allowing(&json!([FARGATE, "eks-pods.amazonaws.com"]), &both())]));
    let _ = trust(&env, "--fix --yes").ok();
    assert_eq!(trust_of(&env, ROLE)["Statement"][0]["Principal"]["Service"], json!([FARGATE, PODS]));
}

#[test]
fn a_misspelled_principal_is_still_a_mistake() {
    for typo in ["eks-pods.amazonaws.com", "pods.eks.amazonaws.com.cn", "Pods.eks.amazonaws.com"] {
        let env = world(&json!([allowing(&json!(typo), &both())]));
        let run = trust(&env, "").code(3).says("every pod of every cluster in account 111122223333");
        assert!(run.stdout.contains(&format!("service `{typo}` does not exist")), "{run}");
        // For nobody in particular it is corrected as it is written …
        let _ = trust(&env, "--fix --yes").ok();
        assert_eq!(trust_of(&env, ROLE)["Statement"], json!([allowing(&json!(PODS), &both())]));
        // … and for one service account the statement, which allowed nobody, is not made to allow all.
        let env = world(&json!([allowing(&json!(typo), &both())]));
        let _ = trust(&env, "--service-account carts/carts --fix --yes").ok();
        assert_eq!(trust_of(&env, ROLE)["Statement"], json!([own("carts", "carts")]));
        let _ = trust(&env, "--service-account orders/app").code(3);
    }
    // What podid does not know may be another service's: it is reported, and stays.
    let unknown = json!([allowing(&json!("foo.eks.amazonaws.com"), &both())]);
    let env = world(&unknown);
    let _ = trust(&env, "--fix --yes").code(3);
    assert!(env.writes().is_empty());
    let corrected = trust(&env, "--service-account carts/carts -o json").code(3).json();
    assert_eq!(corrected["corrected"]["Statement"], json!([unknown[0], own("carts", "carts")]));
}

#[test]
fn a_correction_for_one_opens_the_role_to_nobody_else() {
    let assume = allowing(&json!(PODS), &json!("sts:AssumeRole"));
    let mut tag = allowing(&json!(PODS), &json!("sts:TagSession"));
    tag["Condition"] = json!({"StringEquals": {"aws:RequestTag/kubernetes-service-account": "checkout"}});
    let env = world(&json!([assume, tag]));
    let refused = |env: &Env| trust(env, "--service-account orders/app").code(3).says("");
    let _ = refused(&env);
    let _ = trust(&env, "--service-account carts/carts --fix --yes").ok();
    assert_eq!(trust_of(&env, ROLE)["Statement"], json!([assume, tag, own("carts", "carts")]));
    let _ = refused(&env);
    let _ = trust(&env, "--service-account carts/carts").ok();
    // One that its conditions keep to the service account is completed where it stands.
    let mut narrow = own("carts", "carts");
    narrow["Sid"] = json!("Theirs");
    let healthy = narrow.clone();
    narrow["Action"] = json!("sts:AssumeRole");
    let env = world(&json!([narrow, tag]));
    let _ = trust(&env, "--service-account carts/carts --fix --yes").ok();
    assert_eq!(trust_of(&env, ROLE)["Statement"], json!([healthy, tag]));
    let _ = refused(&env);
}

#[test]
fn what_only_others_lack_is_not_corrected_for_one() {
    let typo = allowing(&json!("eks-pods.amazonaws.com"), &both());
    let env = world(&json!([own("carts", "carts"), typo]));
    let run = trust(&env, "--service-account carts/carts --fix --yes").code(3);
    let _ = run.says(&format!("correcting it would allow other users too: list them with `podid role trust {ROLE}`"));
    assert!(env.writes().is_empty());
}

/// A role of many IRSA statements, so long as this.
fn irsa(count: usize) -> Value {
    let statement = |n: usize| {
        let provider = format!("oidc.eks.us-west-2.amazonaws.com/id/{n:032}");
        json!({
            "Sid": format!("Irsa{n:02}"),
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{provider}")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {format!("{provider}:aud"): "sts.amazonaws.com"}},
        })
    };
    Value::Array((0..count).map(statement).collect())
}

#[test]
fn what_iam_would_refuse_for_its_length_is_not_proposed() {
    for (count, fits) in [(4, true), (5, false)] {
        let env = world(&irsa(count));
        let associate = format!("associate carts/carts --role {ROLE} --dry-run");
        let verify = env.podid("verify carts/carts");
        assert_eq!(verify.to_string().contains("--service-account carts/carts --fix"), fits, "{verify}");
        let run = env.podid(&associate).code(2);
        assert_eq!(run.stderr.contains("update-assume-role-policy"), fits, "{run}");
        assert_eq!(run.stderr.contains("the IAM limit is 2048"), !fits, "{run}");
        assert_eq!(run.stderr.contains("OIDC providers of deleted clusters"), !fits, "{run}");
        let run = trust(&env, "--fix --dry-run").code(3);
        assert_eq!(run.stderr.contains("the IAM limit is 2048"), !fits, "{run}");
        let run = trust(&env, "--service-account carts/carts");
        assert_eq!((run.code, run.stdout.contains(SID)), (if fits { 3 } else { 2 }, fits), "{run}");
        assert!(env.writes().is_empty());
    }
    // The present one shows that the quota was raised, and not how far: nothing is proposed that may not fit.
    let env = world(&irsa(6));
    let raised = "the current one has 2066, so this account's quota was raised, to 4096 at most";
    let run = env.podid(&format!("associate carts/carts --role {ROLE} --dry-run")).code(2).says(raised);
    assert!(!run.stderr.contains("update-assume-role-policy") && !run.stderr.contains(SID), "{run}");
    let _ = trust(&env, "--fix --dry-run").code(3).says(raised);
}

#[test]
fn a_document_longer_than_the_default_shows_a_raised_quota() {
    for (quota, code) in [(4096, 0), (2048, 1)] {
        let env = Env::with("carts-associated", &[("/trust_policy_quota", json!(quota))]);
        set_trust(&env, ROLE, &json!({"Version": "2012-10-17", "Statement": irsa(8)}));
        let run = trust(&env, "--service-account carts/carts --fix --yes").code(code);
        // IAM knows how far the quota was raised, and its number is in the message.
        assert_eq!(run.stderr.contains("this account's quota of 2048 characters"), code == 1, "{run}");
    }
    let env = Env::with("carts-associated", &[("/trust_policy_quota", json!(4096))]);
    set_trust(&env, ROLE, &json!({"Version": "2012-10-17", "Statement": irsa(11)}));
    let _ = trust(&env, "--service-account carts/carts").code(2).says("the IAM limit is 4096");
}

#[test]
fn opening_a_role_to_the_whole_account_is_warned_about() {
    let warning = "every pod of every cluster in account 111122223333";
    let manifest =
        |scope: &str| CARTS.replace("  - name: carts-role\n", &format!("  - name: carts-role\n    scope: {scope}\n"));
    for (scope, opens) in [("none", true), ("cluster", false)] {
        let env = Env::new("carts-agent");
        let file = env.file("podid.yaml", &manifest(scope));
        for line in [
            format!("associate carts/carts --create-role --scope {scope} --dry-run"),
            format!("role create app --scope {scope} --dry-run"),
            format!("role create app --service-account carts/carts --scope {scope} --dry-run"),
            format!("apply -f {file} --dry-run"),
        ] {
            let run = env.podid(&line).ok();
            assert_eq!(run.stderr.contains(warning), opens, "{line}: {run}");
        }
    }
    // Also where it is there already, and only its scope is widened; not once it is open.
    let env = Env::new("carts-agent");
    let _ = env.podid("role create app --service-account carts/carts --yes").ok();
    let line = "role create app --service-account carts/carts --scope none --yes";
    let _ = env.podid(line).ok().says(warning);
    let again = env.podid(line).ok();
    assert!(!again.stderr.contains(warning), "{again}");
}

/// A role that podid made for carts/carts, with podid's statement changed by somebody else.
fn changed(key: &str, value: Value) -> Env {
    let env = Env::new("carts-agent");
    let _ = env.podid("associate carts/carts --create-role --role app --no-wait").ok();
    let mut document = trust_of(&env, "app");
    document["Statement"][0][key] = value;
    set_trust(&env, "app", &document);
    env.world.journal().clear();
    env
}

#[test]
fn a_statement_that_podid_did_not_write_is_not_podids_whatever_its_sid() {
    let root = json!({"AWS": "arn:aws:iam::111122223333:root"});
    for (key, value) in [
        ("Principal", root),
        ("Action", json!(["sts:AssumeRole", "sts:SetSourceIdentity"])),
        ("Condition", json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "other"}})),
    ] {
        let env = changed(key, value);
        let before = trust_of(&env, "app");
        // Not replaced …
        let run = env.podid("associate carts/carts --create-role --role app --no-wait --yes").code(2);
        let _ =
            run.says(&format!("its statement `{SID}` has the Sid")).says("give `Podid8233eca52c385fc1` another Sid");
        assert_eq!(trust_of(&env, "app"), before, "{key}");
        // … not counted as podid's by what deletes the role …
        let run = env.podid("disassociate carts/carts --delete-role --no-wait --yes").code(2);
        let _ = run.says(&format!("statement {SID} is not podid's"));
        // … and not removed.
        let run = env.podid("disassociate carts/carts --no-wait --yes").ok();
        let _ = run.says("the trust policy of role `app` may still allow carts/carts");
        assert_eq!(trust_of(&env, "app"), before, "{key}");
        assert!(!env.writes().iter().any(|write| write.contains("Role")), "{:?}", env.writes());
    }
    // As podid wrote it, it is.
    let env = changed("Effect", json!("Allow"));
    let _ = env.podid("disassociate carts/carts --delete-role --no-wait --yes").ok();
    assert!(env.writes().contains(&"iam DeleteRole".to_owned()), "{:?}", env.writes());
}

#[test]
fn prune_deletes_no_role_that_trusts_others_under_podids_sid() {
    for (principal, goes) in
        [(json!({"Service": PODS}), true), (json!({"AWS": "arn:aws:iam::111122223333:root"}), false)]
    {
        let env = Env::new("carts-agent");
        let file = env.file("podid.yaml", CARTS);
        let _ = env.podid(&format!("apply -f {file} --no-wait --yes")).ok();
        let mut document = trust_of(&env, "carts-role");
        document["Statement"][0]["Principal"] = principal;
        set_trust(&env, "carts-role", &document);
        std::fs::write(&file, CARTS.replace("carts-role", "new-role")).unwrap();
        let run = env.podid(&format!("apply -f {file} --prune --no-wait --yes")).ok();
        let stays = env.world.with(|state| state.aws.roles.contains_key("carts-role"));
        assert_eq!(stays, !goes, "{run}");
    }
}

#[test]
fn a_target_role_of_another_partition_is_refused() {
    for (arn, code) in [
        ("arn:aws-cn:iam::222233334444:role/target", 2),
        ("arn:aws-us-gov:iam::111122223333:role/target", 2),
        ("arn:aws:iam::222233334444:role/target", 0),
    ] {
        let env = Env::new("carts-associated");
        let run = env.podid(&format!("associate carts/carts --role {ROLE} --target-role {arn} --dry-run")).code(code);
        assert_eq!(run.stderr.contains("the cluster is in `aws`"), code == 2, "{run}");
        let file = env.file("podid.yaml", &CARTS.replace("    role:", &format!("    targetRole: {arn}\n    role:")));
        let run = env.podid(&format!("apply -f {file} --dry-run")).code(code);
        assert_eq!(run.stderr.contains("the cluster is in `aws`"), code == 2, "{run}");
        assert!(env.writes().is_empty());
    }
}

#[test]
fn everyone_narrowed_to_pod_identity_is_an_odd_form_and_no_mistake() {
    let everyone = |service: &str| {
        json!([{"Effect": "Allow", "Principal": "*", "Action": both(),
            "Condition": {"StringEquals": {"aws:PrincipalServiceName": service}}}])
    };
    let listed = |env: &Env| env.podid("role list -o name").ok().stdout.lines().any(|name| name == ROLE);
    let env = world(&everyone(PODS));
    let run = trust(&env, "").ok().says("no mistakes found").says("allows everyone (`*`)");
    let _ = run.says("name pods.eks.amazonaws.com instead");
    let _ = trust(&env, "--service-account carts/carts").ok();
    assert!(listed(&env));
    // Narrowed to another service it is none of a pod's.
    let env = world(&everyone("ec2.amazonaws.com"));
    let _ = trust(&env, "").code(3);
    assert!(!listed(&env));
}
