//! What a migration refuses, each beside a world that differs in one field and in which it goes on.

use serde_json::{Value, json};

use super::{ANNOTATIONS, ROLE, TRUST, trust};
use crate::support::{Env, denying, forbidding};

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/2E81FAC1E085A4DEBF8AEA59EAEFA75B";

type Field = (&'static str, Value);

/// The role's trust policy for these subjects, by this operator.
fn trusting(operator: &str, subjects: &Value) -> Field {
    (
        TRUST,
        json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}") },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { operator: { format!("{ISSUER}:sub"): subjects } },
    }] }),
    )
}

/// A second service account of the same role, without pods.
pub(super) fn twin() -> Vec<Field> {
    let worker = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": "worker", "namespace": "carts", "annotations": { "eks.amazonaws.com/role-arn": ROLE },
    } });
    let both = json!(["system:serviceaccount:carts:carts", "system:serviceaccount:carts:worker"]);
    vec![("/manifests/-", worker), trusting("StringEquals", &both)]
}

fn managed(by: &str) -> Field {
    let mut annotations = json!({ "eks.amazonaws.com/role-arn": ROLE });
    annotations[by] = json!("shop");
    (ANNOTATIONS, annotations)
}

/// A world in which carts/carts has moved.
fn moved(set: &[Field]) -> Env {
    let env = Env::with("carts-irsa", set);
    let _ = env.podid("migrate run carts/carts --yes").ok();
    env
}

#[test]
fn what_is_not_ready_is_refused_before_any_write() {
    let fargate = ("/manifests/3/metadata/labels/eks.amazonaws.com~1compute-type", json!("fargate"));
    for (set, code, says) in [
        (fargate, 2, "migrate.unsupported-nodes"),
        (("/addons", json!([])), 2, "pass `--install-agent`"),
        (denying("iam:GetRole"), 4, "not allowed: iam:GetRole"),
        (forbidding(&["list pods"]), 4, "not allowed: list pods"),
        (trusting("StringLike", &json!("system:serviceaccount:carts:*")), 2, "pass `--accept migrate.open-subject`"),
    ] {
        let env = Env::with("carts-irsa", std::slice::from_ref(&set));
        let run = env.podid("migrate run carts/carts --yes").code(code).says(says);
        assert!(run.stderr.contains("carts/carts cannot be migrated: nothing was changed"), "{run}");
        assert_eq!(env.writes(), Vec::<String>::new());
        // By a pattern it is left out, with its reason.
        let env = Env::with("carts-irsa", &[set]);
        let run = env.podid("migrate run carts/* --yes").code(3);
        assert!(run.stderr.contains("carts/carts not migrated: "), "{run}");
        assert_eq!(env.writes(), Vec::<String>::new());
    }
    let _ = Env::new("carts-irsa").podid("migrate run carts/carts --yes").ok();
}

#[test]
fn what_the_user_says_is_done_or_accepted() {
    let env = Env::with("carts-irsa", &[("/addons", json!([]))]);
    let _ =
        env.podid("migrate run carts/carts --install-agent --yes").ok().says("created add-on eks-pod-identity-agent");
    let env = Env::with("carts-irsa", &[trusting("StringLike", &json!("system:serviceaccount:carts:*"))]);
    let _ = env.podid("migrate run carts/carts --accept migrate.open-subject --yes").ok();
    // What is not ready at all is never accepted.
    let fargate = ("/manifests/3/metadata/labels/eks.amazonaws.com~1compute-type", json!("fargate"));
    let env = Env::with("carts-irsa", &[fargate]);
    let _ = env.podid("migrate run carts/carts --accept migrate.unsupported-nodes --yes").code(2);
    let _ = env
        .podid("migrate run carts/carts --accept migrate.nothing")
        .code(2)
        .says("no check of a migration has the id");
    assert_eq!(env.writes(), Vec::<String>::new());
}

/// The nodes may not ask EKS Auth: the new pods fail, podid stops there and says how to go back, and the old ones run on.
#[test]
fn it_stops_at_the_first_failure() {
    let env = Env::with("carts-irsa", &[("/roles/0/attached", json!([]))]);
    let run = env.podid("migrate run carts/carts --yes").code(6);
    assert!(run.stderr.contains("the rollout of deployment/carts failed"), "{run}");
    assert!(run.stderr.contains("`podid migrate rollback carts/carts --cluster eks-workshop`"), "{run}");
    // The pods of an earlier revision would come by the association too.
    assert!(!run.stderr.contains("rollout undo"), "{run}");
    let ready = env.world.acting("carts").into_iter().filter(|(_, acts)| acts.is_ok()).count();
    assert!(ready > 0, "{:?}", env.world.acting("carts"));
    let _ = env.podid("migrate rollback carts/carts --yes").ok();
    super::story::all_act(&env.world, "back");
}

#[test]
fn the_way_back_is_refused_where_pods_would_lose_their_access() {
    let env = moved(&[]);
    let pods = trust(&env)["Statement"][1].clone();
    env.world.with(|state| {
        let role = state.aws.roles.get_mut("eks-workshop-carts-dynamo").unwrap();
        role.set_trust(&json!({ "Version": "2012-10-17", "Statement": [pods] }));
    });
    let written = env.writes().len();
    let run = env.podid("migrate rollback carts/carts --yes").code(2);
    assert!(run.stderr.contains("does not allow it through IRSA"), "{run}");
    let _ = env.podid("migrate rollback --all --yes").code(3).says("carts/carts not rolled back: ");
    assert_eq!(env.writes().len(), written);
    let _ = moved(&[]).podid("migrate rollback carts/carts --yes").ok();
}

#[test]
fn the_end_is_refused_where_something_needs_irsa() {
    // Not moved.
    let env = Env::new("carts-irsa");
    let _ = env.podid("migrate finish carts/carts --yes").code(2).says("it has no association");
    assert_eq!(env.writes(), Vec::<String>::new());
    // A pod still uses IRSA.
    let env = Env::with("carts-irsa", &[]);
    let _ = env.podid("role trust eks-workshop-carts-dynamo --service-account carts/carts --fix --yes").ok();
    let _ = env.podid("associate carts/carts --role eks-workshop-carts-dynamo --yes").ok();
    let run = env.podid("migrate finish carts/carts --yes").code(2);
    assert!(run.stderr.contains("pods do not use Pod Identity: "), "{run}");
    assert!(run.stderr.contains("podid migrate run carts/carts"), "{run}");
    // Who would restore the annotation is named.
    for (mark, says) in [
        ("argocd.argoproj.io/instance", "in the source of the Argo CD application shop"),
        ("meta.helm.sh/release-name", "in the values of the Helm release shop"),
        ("kustomize.toolkit.fluxcd.io/name", "in the source of the Flux Kustomization shop"),
    ] {
        let env = moved(&[managed(mark)]);
        let written = env.writes().len();
        let run = env.podid("migrate finish carts/carts --yes").code(2);
        assert!(run.stderr.replace("\n  ", " ").contains(says), "{run}");
        assert_eq!(env.writes().len(), written);
    }
    let _ = moved(&[]).podid("migrate finish carts/carts --yes").ok();
}

/// It was removed where it is defined: the rest goes.
#[test]
fn the_end_goes_on_without_the_annotation() {
    let env = moved(&[managed("argocd.argoproj.io/instance")]);
    env.world.with(|state| {
        assert!(state.kube.edit("serviceaccounts", "carts", "carts", |account| {
            account["metadata"]["annotations"] = json!({});
        }));
    });
    let _ = env.podid("migrate finish --all --yes").ok();
    assert_eq!(trust(&env)["Statement"].as_array().unwrap().len(), 1);
    assert_eq!(env.world.journal().count("kubernetes", "patch serviceaccounts"), 0);
}

/// A statement that names nobody may serve others: it stays, and is named.
#[test]
fn what_may_serve_others_stays() {
    let env = Env::with("carts-irsa", &[trusting("StringLike", &json!("system:serviceaccount:carts:*"))]);
    let _ = env.podid("migrate run carts/carts --accept migrate.open-subject --yes").ok();
    let before = trust(&env);
    let run = env.podid("migrate finish carts/carts --yes").ok();
    assert!(run.stderr.contains("statement 1 stays, because it allows a pattern of service accounts"), "{run}");
    assert_eq!(trust(&env), before);
}

/// Only the one key goes: fields that eksctl wipes stay.
#[test]
fn the_service_account_keeps_all_else() {
    let mut set = vec![managed("example.com/team")];
    set.push(("/manifests/6/imagePullSecrets", json!([{ "name": "registry" }])));
    set.push(("/manifests/6/automountServiceAccountToken", json!(true)));
    let env = moved(&set);
    let _ = env.podid("migrate finish carts/carts --yes").ok();
    let account = env.world.with(|state| state.kube.get("serviceaccounts", "carts", "carts")).unwrap();
    assert_eq!(account["metadata"]["annotations"], json!({ "example.com/team": "shop" }));
    assert_eq!(account["imagePullSecrets"], json!([{ "name": "registry" }]));
    assert_eq!(account["automountServiceAccountToken"], true);
}

/// It limits pods that had no limit by IRSA.
#[test]
fn a_session_policy_is_not_ready() {
    let env = moved(&[]);
    let _ = env.podid("migrate run carts/carts --yes").ok().says("uses Pod Identity already");
    env.world.with(|state| {
        for association in state.aws.associations.values_mut() {
            association.policy = Some("{}".to_owned());
        }
    });
    let _ = env.podid("migrate run carts/carts --yes").code(2).says("migrate.session-policy");
}

/// Nothing renews the credentials of pods that nobody restarts.
#[test]
fn the_way_back_leaves_no_pod_without_a_word() {
    let solo = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "carts", "name": "solo" },
        "spec": { "serviceAccountName": "carts", "containers": [{ "name": "app", "image": "app" }] } });
    let there = ("/associations", json!([{ "namespace": "carts", "service_account": "carts", "role": ROLE }]));
    let env = Env::with("carts-irsa", &[there.clone(), ("/manifests/-", solo)]);
    let run = env.podid("migrate rollback carts/carts --yes").code(2).says("pod/solo");
    assert!(run.stderr.contains("pass `--accept migrate.by-hand`"), "{run}");
    assert_eq!(env.writes(), Vec::<String>::new());
    let run = env.podid("migrate rollback carts/carts --accept migrate.by-hand --yes -o json").code(3);
    assert_eq!(run.json()["serviceAccounts"][0]["result"], "partly", "{run}");
    let run = Env::with("carts-irsa", &[there]).podid("migrate rollback carts/carts --yes -o json").ok();
    assert_eq!(run.json()["serviceAccounts"][0]["result"], "rolled-back", "{run}");
}
