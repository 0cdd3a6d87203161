//! `podid copy`: the associations of cluster blue for cluster eks-workshop, each situation against its healthy twin.

use podid_sandbox::aws::{session_tags, trust_admits};
use serde_json::{Value, json};

use crate::{
    kill::{end, kill_after_each_and},
    support::{Env, admitting},
};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
const OTHER: &str = "arn:aws:iam::111122223333:role/other";
const BLUE: &str = "arn:aws:eks:us-west-2:111122223333:cluster/blue";
const GREEN: &str = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";
const LINE: &str = "copy --from blue --yes";

type Set = Vec<(&'static str, Value)>;

fn trust_of(cluster: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [admitting("Blue", cluster, ("carts", "carts"))] })
}

fn association(cluster: &str, service_account: &str, role: &str) -> Value {
    json!({ "cluster": cluster, "namespace": "carts", "service_account": service_account, "role": role })
}

/// The healthy one, on the scenario `carts-verified`: blue has the association and its role, both clusters have the agent.
pub(crate) fn blue() -> Set {
    let agent = json!({ "name": "eks-pod-identity-agent", "version": "v1.3.10-eksbuild.1" });
    let mut of_blue = agent.clone();
    of_blue["cluster"] = json!("blue");
    vec![
        ("/associations", json!([association("blue", "carts", ROLE)])),
        ("/roles/1/trust", trust_of(BLUE)),
        ("/roles/-", json!({ "name": "other", "trust": trust_of(GREEN) })),
        ("/addons", json!([agent, of_blue])),
    ]
}

/// An association of blue whose service account is not in the other cluster.
pub(crate) fn missing(service_account: &str) -> (&'static str, Value) {
    ("/associations/-", association("blue", service_account, ROLE))
}

fn world(set: &[(&'static str, Value)]) -> Env {
    Env::with("carts-verified", &[blue(), set.to_vec()].concat())
}

fn trust(env: &Env, role: &str) -> Value {
    env.world.with(|state| serde_json::from_str(&state.aws.roles[role].trust).unwrap())
}

/// Whether the role lets pods of carts/carts of the cluster in, by the sandbox's evaluator.
fn admits(env: &Env, cluster: &str) -> bool {
    let tags = session_tags(cluster, ["carts", "carts"], ["carts-1", "0"]);
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    trust_admits(&trust(env, "eks-workshop-carts-dynamo"), cluster, &tags, now, &["sts:AssumeRole", "sts:TagSession"])
}

/// Who is associated with which role, by cluster.
fn associations(env: &Env) -> Vec<String> {
    env.world.with(|state| {
        let told = state.aws.associations.values().map(|it| {
            format!(
                "{} {}/{} {}",
                it.cluster,
                it.namespace,
                it.service_account,
                it.role_arn.rsplit('/').next().unwrap()
            )
        });
        let mut all: Vec<String> = told.collect();
        all.sort();
        all
    })
}

#[test]
fn the_other_cluster_gets_what_blue_has() {
    let env = world(&[]);
    let before = trust(&env, "eks-workshop-carts-dynamo")["Statement"][0].clone();
    let run = env.podid("copy --from blue --dry-run").ok();
    assert!(env.writes().is_empty() && run.stderr.contains("+ associate carts/carts"), "{run}");
    let _ = env.podid("copy --from blue --dry-run --exit-code").code(3);
    let _ = env.podid("copy --from blue").code(2).says("confirmation required");
    assert!(admits(&env, BLUE) && !admits(&env, GREEN));
    let run = env.podid(LINE).ok().says("associated carts/carts with role eks-workshop-carts-dynamo");
    assert!(admits(&env, BLUE) && admits(&env, GREEN), "{run}");
    assert_eq!(trust(&env, "eks-workshop-carts-dynamo")["Statement"][0], before);
    let all = ["blue carts/carts eks-workshop-carts-dynamo", "eks-workshop carts/carts eks-workshop-carts-dynamo"];
    assert_eq!(associations(&env), all);
    let _ = env.podid("diff --cluster eks-workshop --against blue").ok();
    let writes = env.writes().len();
    let again = env.podid("copy --from blue --to eks-workshop").ok();
    let _ = again.says("nothing to change: 1 association of blue in eks-workshop");
    assert_eq!(env.writes().len(), writes);
}

/// All that an association says goes with it: nothing is left for `diff` to tell.
#[test]
fn everything_of_an_association() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let open = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": { "ArnEquals": { "aws:SourceArn": BLUE }, "StringEquals": { "aws:SourceAccount": "111122223333" } },
    }] });
    let env = world(&[
        ("/associations/0/disable_session_tags", json!(true)),
        ("/associations/0/policy", json!(policy)),
        ("/associations/0/tags", json!({ "team": "store" })),
        ("/associations/0/target_role", json!("arn:aws:iam::444455556666:role/table")),
        ("/roles/1/trust", open),
    ]);
    let run = env.podid(&format!("{LINE} -o json")).ok();
    let statement = &run.json()["targetTrust"][0]["statements"][0];
    let id = statement["Condition"]["StringEquals"]["sts:ExternalId"].as_str().unwrap().to_owned();
    assert!(id.contains("eks-workshop/carts/carts"), "{id}: {run}");
    assert!(
        run.stderr.contains("add these statements to the trust policy of arn:aws:iam::444455556666:role/table"),
        "{run}"
    );
    let _ = env.podid("diff --against blue").ok();
    let _ = env.podid(LINE).ok().says("nothing to change");
}

/// The one that is there says something else.
#[test]
fn a_different_one_is_refused_or_replaced() {
    let there = ("/associations/-", association("eks-workshop", "carts", OTHER));
    let tags = ("/associations/1/tags", json!({ "old": "tag" }));
    let env = world(&[there, tags]);
    let run = env.podid(LINE).code(3);
    assert!(run.stderr.contains("role other -> eks-workshop-carts-dynamo"), "{run}");
    let _ = run.says("pass `--replace`").says("nothing to copy from blue");
    let named = env.podid("copy carts/carts --from blue --yes").code(2);
    let _ = named.says("carts/carts cannot be copied: nothing was changed");
    let told = env.podid("copy --from blue --dry-run -o json").code(3).json();
    assert_eq!(told["notCopied"][0]["reason"], "different");
    assert!(env.writes().is_empty());
    let _ = env.podid("copy carts/carts --from blue --replace --yes").ok();
    let _ = env.podid("diff --against blue").ok();
    assert!(admits(&env, BLUE) && admits(&env, GREEN));
}

#[test]
fn what_an_add_on_owns_is_listed() {
    let owner = "arn:aws:eks:us-west-2:111122223333:addon/blue/aws-ebs-csi-driver/1";
    let env = world(&[("/associations/0/owner", json!(owner))]);
    let run = env.podid(LINE).ok().says("carts/carts not copied: owned by add-on `aws-ebs-csi-driver` in blue");
    let _ = run.says("aws eks create-addon --cluster-name eks-workshop --addon-name aws-ebs-csi-driver");
    let _ = env.podid("copy carts/carts --from blue --yes").code(2).says("owned by add-on");
    assert!(env.writes().is_empty());
}

#[test]
fn what_the_other_cluster_lacks() {
    let env = world(&[missing("new")]);
    let run = env.podid(LINE).code(2).says("service account carts/new does not exist");
    let _ = run.says("--allow-missing-service-account").says("kubectl create serviceaccount new -n carts");
    assert!(env.writes().is_empty());
    let _ = env.podid(&format!("{LINE} --allow-missing-service-account")).ok();
    let _ = env.podid("diff --against blue").ok();

    let of_blue = json!([{ "cluster": "blue", "name": "eks-pod-identity-agent", "version": "v1.3.10-eksbuild.1" }]);
    let env = world(&[("/addons", of_blue)]);
    let _ = env.podid(LINE).code(2).says("to install it, pass `--install-agent`");
    assert!(env.writes().is_empty());
    let _ = env.podid(&format!("{LINE} --install-agent")).ok();
    let _ = env.podid("diff --against blue").ok();
}

/// A statement that names blue alone is told; its twin that names both is not.
#[test]
fn the_old_clusters_name_is_found() {
    let inline = |names: Value| {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Sid": "Own", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
            "Condition": { "StringEquals": { "aws:PrincipalTag/eks-cluster-name": names } },
        }] })
    };
    let place = "`eks-workshop-carts-dynamo`: inline policy `named`, statement `Own`, condition StringEquals \
                 aws:PrincipalTag/eks-cluster-name names cluster blue and not eks-workshop";
    let told = |names: Value| {
        let env = world(&[("/roles/1/inline/named", inline(names))]);
        let run = env.podid("copy --from blue --dry-run -o json").ok();
        (run.stderr.contains(place), run.json()["clusterNames"].as_array().unwrap().len())
    };
    assert_eq!(told(json!("blue")), (true, 1));
    assert_eq!(told(json!(["blue", "eks-workshop"])), (false, 0));
}

/// No statement of podid's overrules a Deny; the twin without it is copied.
#[test]
fn a_trust_policy_that_denies() {
    let deny = json!({
        "Sid": "OnlyBlue", "Effect": "Deny", "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": "sts:AssumeRole",
        "Condition": { "StringNotEquals": { "aws:RequestTag/eks-cluster-name": "blue" } },
    });
    let mut denying = trust_of(BLUE);
    denying["Statement"].as_array_mut().unwrap().push(deny);
    let env = world(&[("/roles/1/trust", denying)]);
    let run = env.podid(LINE).code(2);
    let _ = run.says("cannot add podid's statement to the trust policy of role `eks-workshop-carts-dynamo`");
    assert!(env.writes().is_empty());
}

/// An association that is equal needs the role's trust all the same.
#[test]
fn an_equal_one_whose_role_does_not_trust_the_cluster() {
    let env = world(&[("/associations/-", association("eks-workshop", "carts", ROLE))]);
    let _ = env.podid(LINE).ok().says("updated the trust policy of role eks-workshop-carts-dynamo");
    assert!(admits(&env, BLUE) && admits(&env, GREEN));
    let trusted = world(&[
        ("/associations/-", association("eks-workshop", "carts", ROLE)),
        ("/roles/1/trust/Statement/-", trust_of(GREEN)["Statement"][0].clone()),
    ]);
    let _ = trusted.podid(LINE).ok().says("nothing to change");
}

#[test]
fn what_cannot_be_copied_from() {
    let env = world(&[]);
    let _ = env.podid("copy --from eks-workshop").code(2).says("--from: eks-workshop is the cluster itself");
    let _ = env.podid("copy --from blu").code(1).says("did you mean `--from blue`?");
    let _ = env.podid("copy --from blue --to x --cluster y").code(2).says("pass one of them");
    let _ = env.podid("copy --from blue --to eks-worksho").code(1).says("did you mean `--to eks-workshop`?");
    let _ = env.podid("copy carts/cart --from blue").code(2).says("did you mean `carts/carts`?");
    let _ = env.podid("copy nowhere/* --from blue --yes").ok().says("blue has no association of nowhere/*");
    let _ = env.podid("copy").code(2).says("--from <CLUSTER>");
    let elsewhere = "arn:aws:eks:us-west-2:444455556666:cluster/blue";
    let run = env.podid(&format!("copy --from {elsewhere} --yes")).code(2);
    let _ = run.says("roles are not copied between accounts").says("--from-profile");
    assert!(env.writes().is_empty());
}

/// Each account by a profile of its own: the roles that are needed are listed, and nothing is written.
#[test]
fn from_another_account() {
    let far = Env::with(
        "carts-verified",
        &[
            ("/account", json!("444455556666")),
            ("/associations/0/role", json!("arn:aws:iam::444455556666:role/eks-workshop-carts-dynamo")),
        ],
    );
    let mut env = world(&[("/associations", json!([]))]);
    let exported = |env: &Env, name: &str| {
        let all = env.world.exports();
        all.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value).unwrap()
    };
    let section = |name: &str, env: &Env| {
        format!(
            "[profile {name}]\nendpoint_url = {}\naws_access_key_id = {}\naws_secret_access_key = {}\nregion = us-west-2\n",
            exported(env, "AWS_ENDPOINT_URL"),
            exported(env, "AWS_ACCESS_KEY_ID"),
            exported(env, "AWS_SECRET_ACCESS_KEY"),
        )
    };
    let config = env.file("aws-config", &format!("{}{}", section("near", &env), section("far", &far)));
    for name in ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        env.unset(name);
    }
    env.var("AWS_CONFIG_FILE", &config);
    let run = env.podid("copy --from eks-workshop --from-profile far --profile near --yes").code(3);
    let _ = run.says("carts/carts not copied: its role").says("role needed there: eks-workshop-carts-dynamo");
    assert!(env.writes().is_empty() && far.writes().is_empty());
}

/// Killed after each request: pods of blue keep their role, and a second run goes on to the end.
#[test]
fn killed_after_each_request() {
    let env = world(&[]);
    let _ = env.podid(LINE).ok();
    let undisturbed = end(&env);
    let requests = kill_after_each_and(
        || world(&[]),
        LINE,
        |n, env| {
            assert!(admits(env, BLUE), "killed after request {n}");
            // An association never comes before the trust that it needs.
            let copied = associations(env).iter().any(|it| it.starts_with("eks-workshop "));
            assert!(!copied || admits(env, GREEN), "killed after request {n}");
        },
        |n, env, again| {
            assert_eq!(end(env), undisturbed, "killed after request {n}\n{again}");
            assert!(admits(env, BLUE) && admits(env, GREEN), "killed after request {n}\n{again}");
        },
    );
    assert!(requests > 10, "{requests}");
}
