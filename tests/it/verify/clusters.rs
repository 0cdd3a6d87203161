//! `podid verify` of several clusters.

use serde_json::json;

use crate::support::Env;

/// Cluster blue, whose service account `carts/carts` has an association with the same role; its Kubernetes API is not there.
fn two() -> Env {
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    let association = json!({ "cluster": "blue", "namespace": "carts", "service_account": "carts", "role": role });
    Env::with("carts-verified", &[("/associations/-", association)])
}

#[test]
fn each_report_names_its_cluster() {
    let env = two();
    // The role trusts the first cluster alone.
    let run = env.podid("verify carts/carts --cluster eks-workshop --cluster blue").code(3);
    for line in [
        "carts/carts in cluster eks-workshop  ok ",
        "carts/carts in cluster blue          failed",
        "fix: `podid role trust eks-workshop-carts-dynamo --service-account carts/carts --fix --cluster blue`",
    ] {
        assert!(run.stdout.contains(line), "{run}");
    }
    let run = env.podid("verify carts/carts --all-clusters -o json").code(3);
    let outcomes: Vec<(String, String)> = run.json()["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["cluster"].as_str().unwrap().to_owned(), one["reports"][0]["outcome"].as_str().unwrap().to_owned())
        })
        .collect();
    let arn = |name: &str| format!("arn:aws:eks:us-west-2:111122223333:cluster/{name}");
    assert_eq!(outcomes, [(arn("blue"), "failed".to_owned()), (arn("eks-workshop"), "ok".to_owned())]);
    let run = env.podid("verify carts/carts -c eks-workshop -c blue -o name").code(3);
    assert_eq!(run.stdout, "blue/carts/carts trust.condition\n");
    // The remedy heals it, but for what cannot be read there.
    let _ =
        env.podid("role trust eks-workshop-carts-dynamo --service-account carts/carts --fix --cluster blue --yes").ok();
    let run = env.podid("verify carts/carts -c eks-workshop -c blue -o name");
    assert!(run.stdout.is_empty(), "{run}");
}

#[test]
fn a_cluster_that_is_not_there_hides_no_other() {
    let env = two();
    let run = env.podid("verify carts/carts -c eks-workshop -c blues").code(1);
    assert!(run.stdout.contains("All checks passed"), "{run}");
    let _ = run.says("cluster blues in us-west-2 could not be checked").says("did you mean `--cluster blue`?");
}

#[test]
fn what_goes_with_one_cluster_only() {
    let env = two();
    let _ =
        env.podid("verify carts/carts -c eks-workshop -c blue --watch").code(2).says("`--watch` checks one cluster");
    let _ = env.podid("verify carts/carts -c blue --all-clusters").code(2).says("conflicts with `--cluster blue`");
    let config = env.kubeconfig();
    let _ = env
        .podid(&format!("verify carts/carts --all-clusters --kubeconfig {config}"))
        .code(2)
        .says("--kubeconfig, --context and --in-cluster select only one cluster");
}
