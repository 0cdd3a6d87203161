//! What add-ons need: `podid policy show`, and `--add-on` of the commands that print it, put it on a role and take it off again.

use podid::model::add_on_policy::ADD_ONS;
use serde_json::json;

use super::roles::{ROLE, attach};
use crate::support::{Env, denying};

const ZONE: &str = "Z0123456789ABCDEFGHIJ";

fn detach(rest: &str) -> String {
    format!("policy detach {ROLE} {rest}")
}

/// Names of the inline policies of a role.
fn inline(env: &Env, role: &str) -> Vec<String> {
    env.world.with(|state| state.aws.roles[role].inline.keys().cloned().collect())
}

fn attached(env: &Env, role: &str) -> Vec<String> {
    env.world.with(|state| state.aws.roles[role].attached.clone())
}

/// A world that has AWS's managed policies for add-ons.
fn world(scenario: &'static str) -> Env {
    let env = Env::new(scenario);
    let document = json!({"Version": "2012-10-17", "Statement": []});
    let managed = ADD_ONS.iter().flat_map(|policy| policy.managed("aws"));
    env.world.with(|state| state.aws.policies.extend(managed.map(|arn| (arn, document.clone()))));
    env
}

#[test]
fn all_are_listed() {
    let env = Env::new("carts-before");
    let run = env.podid("policy show").ok();
    let run = run.says("ebs-csi").says("external-dns=ZONE").says("podid-add-on-velero").says("2026-11");
    let all = env.podid("policy show -o json").ok().json();
    let all = all["addOns"].as_array().unwrap();
    assert_eq!((all.len(), run.stdout.lines().count()), (13, 13), "{run}");
    for one in all {
        let name = one["name"].as_str().unwrap();
        let shown = env.podid(&format!("policy show {name}")).ok().says(one["source"].as_str().unwrap());
        let warned = shown.stderr.contains(&format!("warning: {name} may need more than this"));
        assert_eq!(warned, one["releasePolicy"].is_null(), "{shown}");
        assert_eq!(&env.podid(&format!("policy show {name} -o json -q")).ok().json(), one);
        let kinds = ["managedPolicies", "document", "releasePolicy"];
        let set = kinds.iter().filter(|kind| !one[**kind].is_null() && one[**kind] != json!([])).count();
        assert_eq!(set, 1, "{one}");
        assert_eq!(env.podid(&format!("policy show {name} -o name -q")).ok().stdout, format!("{name}\n"));
    }
    let _ = env.podid("policy show ebs").code(2).says("did you mean `ebs-csi`?");
    let _ = env.podid("policy show karpenter").ok().says("changes with each release; take it from");
    assert!(env.operations().is_empty());
}

#[test]
fn one_in_full() {
    let env = Env::new("carts-before");
    insta::assert_snapshot!(env.podid("policy show cluster-autoscaler").ok(), @r#"
    exit 0
    --- stdout
    Add-on:           cluster-autoscaler
    Description:      scaling of the cluster's Auto Scaling groups
    Service account:  kube-system/cluster-autoscaler unless configured otherwise
    Flag:             --add-on cluster-autoscaler
    Inline policy:    podid-add-on-cluster-autoscaler
    Source:           https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md
    As of:            2026-11
    Notes:            only groups with the tag kubernetes.io/cluster/CLUSTER=owned are scaled, which EKS
                      node groups have

    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Effect": "Allow",
          "Action": [
            "autoscaling:SetDesiredCapacity",
            "autoscaling:TerminateInstanceInAutoScalingGroup"
          ],
          "Resource": "arn:aws:autoscaling:<REGION>:<ACCOUNT>:autoScalingGroup:*:autoScalingGroupName/*",
          "Condition": {
            "StringEquals": {
              "aws:ResourceTag/kubernetes.io/cluster/<CLUSTER>": "owned"
            }
          }
        },
        {
          "Effect": "Allow",
          "Action": [
            "eks:DescribeNodegroup"
          ],
          "Resource": "arn:aws:eks:<REGION>:<ACCOUNT>:nodegroup/<CLUSTER>/*/*"
        },
        {
          "Effect": "Allow",
          "Action": [
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLaunchConfigurations",
            "autoscaling:DescribeScalingActivities",
            "autoscaling:DescribeTags",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:GetInstanceTypesFromInstanceRequirements"
          ],
          "Resource": "*"
        }
      ]
    }
    --- stderr
    warning: cluster-autoscaler may need more than this, depending on its version and configuration: compare with https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md
    "#);
    let run = env.podid("policy show ebs-csi").ok().says("Managed policies:");
    let _ = run.says("arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicyV2").says("kube-system/ebs-csi-controller-sa");
}

#[test]
fn are_printed() {
    let mut env = Env::new("carts-agent");
    let zones = format!("--add-on external-dns={ZONE} --add-on external-dns=Z2");
    insta::assert_snapshot!(env.podid(&format!("policy print {zones} --add-on ebs-csi")).ok(), @r#"
    exit 0
    --- stdout
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "PodidExternalDns7010839749904880Records",
          "Effect": "Allow",
          "Action": [
            "route53:ChangeResourceRecordSets"
          ],
          "Resource": "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
        },
        {
          "Sid": "PodidExternalDns1e439bd6097e6e29Read",
          "Effect": "Allow",
          "Action": [
            "route53:ListResourceRecordSets",
            "route53:ListTagsForResource",
            "route53:ListTagsForResources"
          ],
          "Resource": "arn:aws:route53:::hostedzone/*"
        },
        {
          "Sid": "PodidExternalDns6c5f745dd5a8a612Zones",
          "Effect": "Allow",
          "Action": [
            "route53:ListHostedZones"
          ],
          "Resource": "*"
        },
        {
          "Sid": "PodidExternalDns0890ff9189783ce3Records",
          "Effect": "Allow",
          "Action": [
            "route53:ChangeResourceRecordSets"
          ],
          "Resource": "arn:aws:route53:::hostedzone/Z2"
        }
      ]
    }
    --- stderr
    note: add-on ebs-csi needs the managed policy arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicyV2, which is not printed
    "#);
    let run = env.podid("policy print --add-on cluster-autoscaler").ok();
    let _ = run.says(r#""aws:ResourceTag/kubernetes.io/cluster/eks-workshop": "owned""#);
    // Nothing but a managed policy is no document at all.
    let run = env.podid("policy print --add-on adot").ok().says("AWSXrayWriteOnlyAccess");
    assert_eq!(run.stdout, "");
    // With ARNs alone no cluster is needed, unless its region or name is in the statements.
    env.unset("PODID_CLUSTER").unset("AWS_REGION");
    let run =
        env.podid(&format!("policy print --add-on external-dns=arn:aws-cn:route53:::hostedzone/{ZONE} -o name")).ok();
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (3, ""), "{run}");
    let _ = env
        .podid("policy print --add-on fluent-bit")
        .code(2)
        .says("the policy for add-on `fluent-bit` is for one cluster");
}

#[test]
fn with_statements_of_podids() {
    let env = Env::new("carts-associated");
    let before = inline(&env, ROLE);
    let line = attach(&format!("--add-on external-dns={ZONE}"));
    let run = env.podid(&format!("{line} --dry-run")).ok();
    let run = run.says(&format!("add inline policy podid-add-on-external-dns to role {ROLE}"));
    assert!(!run.stderr.contains("warning"), "{run}");
    let _ = env.podid(&format!("{line} --yes")).ok();
    let _ = env.podid(&line).ok().says("nothing to change");
    // Another zone stands beside the first one, and goes by itself.
    let _ = env.podid(&attach("--add-on external-dns=Z2 --add-on velero=backups --yes")).ok();
    assert_eq!(inline(&env, ROLE).len(), before.len() + 2);
    let _ = env
        .podid(&detach("--add-on external-dns=Z3"))
        .ok()
        .says("podid put no statement for arn:aws:route53:::hostedzone/Z3");
    let _ = env
        .podid(&detach("--add-on external-dns=Z2 --yes"))
        .ok()
        .says("update inline policy podid-add-on-external-dns");
    let _ = env.podid(&line).ok().says("nothing to change");
    // Reduced to what is asked for now.
    let _ = env.podid(&attach("--add-on external-dns=Z2 --exact --yes")).ok();
    let document = env.world.with(|state| state.aws.roles[ROLE].inline["podid-add-on-external-dns"].clone());
    assert!(document.contains("hostedzone/Z2") && !document.contains(ZONE), "{document}");
    // Shown as podid's own.
    let _ = env.podid(&format!("role show {ROLE}")).ok().says("podid-add-on-velero (inline, from podid)");
    let _ = env.podid(&detach("--add-on external-dns --add-on velero --yes")).ok();
    assert_eq!(inline(&env, ROLE), before);
    let _ = env.podid(&detach("--add-on velero")).ok().says("has no inline policy `podid-add-on-velero`");
}

#[test]
fn with_managed_policies() {
    let env = world("carts-associated");
    let before = attached(&env, ROLE);
    let _ = env.podid(&attach("--add-on adot --add-on efs-csi --yes")).ok();
    let _ = env.podid(&attach("--add-on adot --add-on efs-csi")).ok().says("nothing to change");
    let all = attached(&env, ROLE);
    for name in ["AmazonPrometheusRemoteWriteAccess", "AWSXrayWriteOnlyAccess", "service-role/AmazonEFSCSIDriverPolicy"]
    {
        assert!(all.contains(&format!("arn:aws:iam::aws:policy/{name}")), "{all:?}");
    }
    let _ = env.podid(&detach("--add-on adot --add-on efs-csi --yes")).ok();
    assert_eq!(attached(&env, ROLE), before);
    let _ = env.podid(&detach("--add-on adot")).ok().says("is not attached to role");
}

/// Where AWS has no such policy, as in a partition that lacks it, nothing is changed.
#[test]
fn that_aws_does_not_have() {
    let env = Env::new("carts-associated");
    let missing = "managed policy arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicyV2 does not exist";
    for line in [
        attach("--add-on ebs-csi --yes"),
        attach("--add-on ebs-csi --dry-run"),
        "role create new --service-account carts/carts --add-on ebs-csi --yes".to_owned(),
        format!("associate carts/carts --role {ROLE} --add-on ebs-csi --no-wait --yes"),
    ] {
        let _ = env.podid(&line).code(2).says(missing).says("aws iam list-policies");
    }
    let both = attach("--add-on adot --yes");
    let _ = env.podid(&both).code(2).says("managed policies ").says("AWSXrayWriteOnlyAccess do not exist");
    assert!(env.writes().is_empty());
    // Where podid may not ask, it goes on.
    let line = attach("--add-on ebs-csi --yes");
    let _ = world("carts-associated").podid(&line).ok();
    let env = Env::with("carts-associated", &[denying("iam:GetPolicy")]);
    let run = env.podid(&line).code(1).says("AmazonEBSCSIDriverPolicyV2 not checked: not allowed: iam:GetPolicy");
    let _ = run.says("does not exist or is not attachable");
}

/// A role is created with it, and an unchanged line changes nothing; whoever asks for less is refused.
#[test]
fn of_a_new_role() {
    let env = world("carts-agent");
    let line = "associate carts/carts --create-role --no-wait --yes";
    let _ = env.podid(&format!("{line} --add-on cluster-autoscaler --add-on cloudwatch-agent")).ok();
    let _ = env
        .podid(&format!("{line} --add-on cluster-autoscaler --add-on cloudwatch-agent"))
        .ok()
        .says("nothing to change");
    let name =
        env.world.with(|state| state.aws.roles.iter().find(|(_, role)| role.path == "/podid/").unwrap().0.clone());
    assert_eq!(inline(&env, &name), ["podid-add-on-cluster-autoscaler"]);
    assert_eq!(attached(&env, &name), ["arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"]);
    let _ = env
        .podid("export")
        .ok()
        .says("inline policy `podid-add-on-cluster-autoscaler`")
        .says("a manifest has no add-ons");
    env.world.with(|state| state.aws.associations.clear());
    let _ = env
        .podid(line)
        .code(2)
        .says("it has the inline policy podid-add-on-cluster-autoscaler, which was not requested");
    let _ = env.podid(&format!("{line} --add-on cluster-autoscaler --add-on cloudwatch-agent")).ok();
    let create = "role create new --service-account carts/carts --add-on velero=backups --yes";
    let _ = env.podid(create).ok();
    let _ = env.podid(create).ok().says("nothing to change");
    assert_eq!(inline(&env, "new"), ["podid-add-on-velero"]);
    // What others wrote under podid's name is not taken over.
    let any = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}).to_string();
    env.world.with(|state| {
        state.aws.roles.get_mut("new").unwrap().inline.insert("podid-add-on-velero".to_owned(), any);
    });
    let _ = env
        .podid("role create new --service-account carts/carts --add-on fluent-bit --yes")
        .code(2)
        .says("its inline policy podid-add-on-velero has statements that podid did not create");
    let _ = env.podid("role delete new --yes").ok();
    assert!(!env.world.with(|state| state.aws.roles.contains_key("new")));
}

/// What is no add-on is refused before any call, in the words of the flag.
#[test]
fn that_are_none() {
    let env = Env::new("carts-associated");
    for (wrong, why) in [
        ("exteral-dns=Z1", "did you mean `external-dns`?"),
        ("external-dns", "`external-dns` needs an argument: external-dns=ZONE"),
        ("external-dns=example.com", "`example.com` is not a hosted zone"),
        ("ebs-csi=x", "`ebs-csi` takes no argument"),
        ("karpenter", "pass it with `--policy-file FILE`"),
        ("aws-load-balancer-controller", "aws-load-balancer-controller/VERSION/docs/install/iam_policy.json"),
    ] {
        for line in [
            attach(""),
            "policy print".to_owned(),
            "role create x".to_owned(),
            "associate carts/carts --create-role".to_owned(),
        ] {
            let _ = env.podid(&format!("{line} --add-on {wrong}")).code(2).says(why).says("--add-on");
        }
    }
    let _ = env.podid(&detach("--add-on ebs-csi=x")).code(2).says("`ebs-csi` takes no argument");
    assert!(env.operations().is_empty());
    let _ = env.podid(&attach("--add-on velero=backups --dry-run -o json")).ok().json();
}
