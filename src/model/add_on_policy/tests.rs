//! Each add-on gets what it needs in its own cluster and nothing else, by the evaluator that `verify` uses.

use serde_json::json;

use super::*;
use crate::model::{
    access::{Effect, Need, RoleDocuments, Session, predict},
    document::Document,
    policy::{is_podids, lint, own_name},
};

const HOME: &str = "arn:aws:eks:us-west-2:111122223333:cluster/c";
const ZONE: &str = "Z0123456789ABCDEFGHIJ";

/// One name of each add-on that podid has statements for.
const OWN: [&str; 7] = [
    "cert-manager=Z0123456789ABCDEFGHIJ",
    "cluster-autoscaler",
    "external-dns=Z0123456789ABCDEFGHIJ",
    "external-secrets",
    "fluent-bit",
    "mountpoint-s3=images/up",
    "velero=backups",
];

fn grant_at(text: &str, home: &str) -> AddOnGrant {
    AddOnText::granting(text).unwrap().at(Some(&home.parse().unwrap())).unwrap()
}

fn grant(text: &str) -> AddOnGrant {
    grant_at(text, HOME)
}

fn removal(text: &str) -> AddOnRemoval {
    AddOnText::parse(text).unwrap().removal(Some(&HOME.parse().unwrap())).unwrap()
}

fn refused(text: &str) -> String {
    AddOnText::granting(text).unwrap_err().to_string()
}

/// Whether the statements allow a call, if it brings along what their conditions ask for.
fn allows(text: &str, action: &str, resource: &str) -> bool {
    let identity = vec![("p".to_owned(), merged(None, &[&grant(text)]))];
    let session = Session::plain("arn:aws:iam::111122223333:role/app");
    let via = ("kms:ViaService".to_owned(), Some("ssm.us-west-2.amazonaws.com".to_owned()));
    let need = Need { context: vec![via], ..Need::new(action, resource, "") };
    predict(&RoleDocuments { identity, boundary: None }, &session, &need)
        .map_or(true, |it| it.effect != Effect::Implicit)
}

#[test]
fn what_each_may_call() {
    let zone = format!("arn:aws:route53:::hostedzone/{ZONE}");
    let other = "arn:aws:route53:::hostedzone/ZOTHER";
    for (text, action, resource, allowed) in [
        (OWN[0], "route53:ChangeResourceRecordSets", zone.as_str(), true),
        (OWN[0], "route53:ChangeResourceRecordSets", other, false),
        (OWN[0], "route53:GetChange", "arn:aws:route53:::change/C1", true),
        (OWN[0], "route53:ListHostedZonesByName", "*", true),
        (OWN[0], "route53:ListHostedZones", "*", false),
        (
            OWN[1],
            "autoscaling:SetDesiredCapacity",
            "arn:aws:autoscaling:us-west-2:111122223333:autoScalingGroup:u:autoScalingGroupName/g",
            true,
        ),
        (
            OWN[1],
            "autoscaling:SetDesiredCapacity",
            "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:u:autoScalingGroupName/g",
            false,
        ),
        (
            OWN[1],
            "autoscaling:DeleteAutoScalingGroup",
            "arn:aws:autoscaling:us-west-2:111122223333:autoScalingGroup:u:autoScalingGroupName/g",
            false,
        ),
        (OWN[1], "eks:DescribeNodegroup", "arn:aws:eks:us-west-2:111122223333:nodegroup/c/n/u", true),
        (OWN[1], "eks:DescribeNodegroup", "arn:aws:eks:us-west-2:111122223333:nodegroup/other/n/u", false),
        (OWN[2], "route53:ChangeResourceRecordSets", zone.as_str(), true),
        (OWN[2], "route53:ListResourceRecordSets", other, true),
        (OWN[2], "route53:ChangeResourceRecordSets", other, false),
        (OWN[2], "route53:ListHostedZones", "*", true),
        (OWN[2], "route53:DeleteHostedZone", zone.as_str(), false),
        (
            OWN[3],
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbC123",
            true,
        ),
        (
            OWN[3],
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbC123",
            false,
        ),
        (
            OWN[3],
            "secretsmanager:PutSecretValue",
            "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbC123",
            false,
        ),
        (OWN[3], "ssm:GetParameter", "arn:aws:ssm:us-west-2:111122223333:parameter/app/key", true),
        (OWN[3], "kms:Decrypt", "arn:aws:kms:us-west-2:111122223333:key/k", true),
        (OWN[3], "kms:Encrypt", "arn:aws:kms:us-west-2:111122223333:key/k", false),
        (
            OWN[4],
            "logs:PutLogEvents",
            "arn:aws:logs:us-west-2:111122223333:log-group:/aws/containerinsights/c/host:log-stream:s",
            true,
        ),
        (
            OWN[4],
            "logs:PutLogEvents",
            "arn:aws:logs:us-west-2:111122223333:log-group:/aws/containerinsights/other/host:log-stream:s",
            false,
        ),
        (
            OWN[4],
            "logs:PutRetentionPolicy",
            "arn:aws:logs:us-west-2:111122223333:log-group:/aws/containerinsights/c/host",
            false,
        ),
        (OWN[5], "s3:PutObject", "arn:aws:s3:::images/up/a", true),
        (OWN[5], "s3:PutObject", "arn:aws:s3:::images/down/a", false),
        (OWN[5], "s3:ListBucket", "arn:aws:s3:::images", true),
        (OWN[6], "s3:PutObjectTagging", "arn:aws:s3:::backups/b/x", true),
        (OWN[6], "s3:GetObject", "arn:aws:s3:::images/b/x", false),
        (OWN[6], "ec2:CreateSnapshot", "arn:aws:ec2:us-west-2:111122223333:volume/vol-1", true),
        (OWN[6], "ec2:DeleteSnapshot", "arn:aws:ec2:us-west-2::snapshot/snap-1", true),
        (OWN[6], "ec2:DeleteVolume", "arn:aws:ec2:us-west-2:111122223333:volume/vol-1", false),
    ] {
        assert_eq!(allows(text, action, resource), allowed, "{text}: {action} on {resource}");
    }
}

#[test]
fn conditions_hold_what_resources_cannot() {
    let of = |text: &str, home: &str, at: &str| {
        let all: Vec<String> =
            grant_at(text, home).statements().iter().filter_map(|it| it.pointer(at)).map(ToString::to_string).collect();
        all.join(" ")
    };
    assert_eq!(
        of("cluster-autoscaler", HOME, "/Condition"),
        r#"{"StringEquals":{"aws:ResourceTag/kubernetes.io/cluster/c":"owned"}}"#
    );
    assert_eq!(
        of("cert-manager=Z1", HOME, "/Condition"),
        r#"{"ForAllValues:StringEquals":{"route53:ChangeResourceRecordSetsRecordTypes":"TXT"}}"#
    );
    assert_eq!(of("mountpoint-s3=images", HOME, "/Condition"), "");
    assert_eq!(
        of("mountpoint-s3=images/up", HOME, "/Condition"),
        r#"{"StringLike":{"s3:prefix":["up/*","up","up/"]}}"#
    );
    let keys = "/Condition/StringLike/kms:ViaService";
    assert_eq!(
        of("external-secrets", HOME, keys),
        r#"["secretsmanager.us-west-2.amazonaws.com","ssm.us-west-2.amazonaws.com"]"#
    );
    assert_eq!(
        of("external-secrets", "arn:aws-cn:eks:cn-north-1:111122223333:cluster/c", keys),
        r#"["secretsmanager.cn-north-1.amazonaws.*","ssm.cn-north-1.amazonaws.*"]"#
    );
}

/// In every partition the ARNs are of that one, and podid has nothing to say against its own policies.
#[test]
fn in_every_partition() {
    for (partition, region) in [("aws", "us-west-2"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")] {
        let home = format!("arn:{partition}:eks:{region}:111122223333:cluster/c");
        for text in OWN {
            let document = merged(None, &[&grant_at(text, &home)]);
            assert_eq!(lint(&document), [], "{text}");
            let text = document.0.to_string();
            assert!(!text.contains(['{', '<'].map(|c| format!("\"{c}")).concat().as_str()), "{text}");
            let arns = text.matches("arn:").count();
            assert_eq!(text.matches(&format!("arn:{partition}:")).count(), arns, "{text}");
        }
    }
    for (name, partition, arns) in [
        ("ebs-csi", "aws", &["arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicyV2"][..]),
        ("ebs-csi", "aws-cn", &["arn:aws-cn:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"]),
        ("efs-csi", "aws-us-gov", &["arn:aws-us-gov:iam::aws:policy/service-role/AmazonEFSCSIDriverPolicy"]),
        ("cloudwatch-agent", "aws", &["arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"]),
        (
            "adot",
            "aws",
            &[
                "arn:aws:iam::aws:policy/AmazonPrometheusRemoteWriteAccess",
                "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
            ],
        ),
        ("external-dns", "aws", &[]),
    ] {
        assert_eq!(add_on(name).unwrap().managed(partition), arns, "{name}");
    }
}

#[test]
fn the_table_is_whole() {
    assert!(ADD_ONS.is_sorted_by_key(|policy| policy.name));
    let own: Vec<&str> = OWN.iter().map(|text| text.split('=').next().unwrap()).collect();
    for policy in &ADD_ONS {
        let name = policy.name;
        assert_eq!(own.contains(&name), !policy.parts().is_empty(), "{name}");
        assert_eq!(policy.sid.is_empty(), policy.parts().is_empty(), "{name}");
        assert!(policy.sid.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
        assert!(policy.source.starts_with("https://") && policy.as_of.len() == 7, "{name}");
        assert!(policy.account.split('/').count() == 2, "{name}");
        assert_eq!(of_inline(&policy.inline()), Some(policy));
        // Its inline policy is nobody else's.
        assert!(is_podids(&policy.inline()) && own_name(&policy.inline().to_uppercase()).is_err(), "{name}");
    }
}

#[test]
fn names_and_arguments() {
    for (text, why) in [
        ("exteral-dns=Z1", "podid does not know the add-on `exteral-dns`; did you mean `external-dns`?"),
        ("nothing-like-it", "podid does not know the add-on `nothing-like-it`; `podid policy show` lists"),
        ("", "podid does not know the add-on ``"),
        ("external-dns", "`external-dns` needs an argument: external-dns=ZONE"),
        ("external-dns=", "`external-dns` needs an argument: external-dns=ZONE"),
        ("mountpoint-s3", "`mountpoint-s3` needs an argument: mountpoint-s3=BUCKET[/PREFIX]"),
        ("ebs-csi=x", "`ebs-csi` takes no argument"),
        ("cluster-autoscaler=", "`cluster-autoscaler` takes no argument"),
        ("karpenter", "`--policy-file FILE`"),
        ("aws-load-balancer-controller", "docs/install/iam_policy.json"),
        ("external-dns=example.com", "`example.com` is not a hosted zone"),
        ("external-dns=Z*", "is not a hosted zone"),
        ("external-dns=z1", "is not a hosted zone"),
        ("external-dns=arn:aws:route53:::change/C1", "is not a hosted zone"),
        ("external-dns=arn:aws:s3:::hostedzone/Z1", "is not a hosted zone"),
        ("external-dns=arn:aws:route53:::hostedzone/Z1*", "is not a hosted zone"),
        ("velero=backups/cluster", "`backups/cluster` has a prefix; `velero` takes a bucket only"),
        ("velero=arn:aws:s3:::backups/cluster", "has a prefix"),
        ("velero=B", "has no bucket name"),
        ("mountpoint-s3=b-*", "has no bucket name"),
    ] {
        assert!(refused(text).contains(why), "{text}: {}", refused(text));
    }
    for same in ["Z1", "/hostedzone/Z1", "arn:aws:route53:::hostedzone/Z1"] {
        assert_eq!(grant(&format!("external-dns={same}")).statements(), grant("external-dns=Z1").statements());
    }
    // What an ARN says needs no cluster, unless the statements name one.
    for (text, alone) in [
        ("external-dns=arn:aws-cn:route53:::hostedzone/Z1", true),
        ("external-dns=Z1", false),
        ("mountpoint-s3=arn:aws:s3:::images/up", true),
        ("velero=arn:aws:s3:::backups", false),
        ("external-secrets", false),
    ] {
        let text = AddOnText::granting(text).unwrap();
        assert_eq!((text.at(None).is_some(), text.needs_cluster()), (alone, !alone), "{text:?}");
    }
    assert!(!AddOnText::granting("ebs-csi").unwrap().needs_cluster());
    assert!(AddOnText::parse("external-dns").is_ok());
}

/// Zones stand side by side; each goes by itself, and what they share with the last one.
#[test]
fn arguments_come_and_go() {
    let (one, two) = (grant("cert-manager=Z1"), grant("cert-manager=Z2"));
    let first = merged(None, &[&one]);
    let both = merged(Some(&first), &[&two]);
    assert_eq!(both, merged(None, &[&one, &two]));
    assert_eq!(merged(Some(&both), &[&one]), both);
    assert_eq!((first.statements().len(), both.statements().len()), (4, 6));
    assert_eq!(reduced(Some(&both), &[&one]), first);
    assert_eq!(without(&both, &removal("cert-manager=Z2")), Some(first.clone()));
    assert_eq!(without(&both, &removal("cert-manager=Z3")), Some(both.clone()));
    assert_eq!(without(&both, &removal("cert-manager")), None);
    assert_eq!(without(&first, &removal("cert-manager=Z1")), None);
    // What others wrote into it stays.
    let theirs = json!({"Sid": "Theirs", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
    let mut mixed = first.clone();
    mixed.set_statements(first.statements().into_iter().cloned().chain([theirs.clone()]).collect());
    assert_eq!(without(&mixed, &removal("cert-manager=Z1")).unwrap().statements(), [&theirs]);
    let other = reduced(Some(&mixed), &[&two]);
    assert!(other.statements().contains(&&theirs) && other.statements().len() == 5, "{other:?}");
    assert!(!other.0.to_string().contains("hostedzone/Z1"), "{other:?}");
}

#[test]
fn what_podid_wrote_is_known_again() {
    let home: Arn = HOME.parse().unwrap();
    for text in OWN {
        let grant = grant(text);
        let document = merged(None, &[&grant]);
        let found = granted(&document, grant.policy, &home);
        assert_eq!(found, Some(grant.argument.iter().cloned().collect()), "{text}");
        // Anything that was changed is not podid's any more.
        for (at, value) in [("/Statement/0/Resource", json!("*")), ("/Statement/0/Action", json!("s3:*"))] {
            let mut other = document.clone();
            *other.0.pointer_mut(at).unwrap() = value;
            assert_eq!(granted(&other, grant.policy, &home), None, "{text}");
        }
    }
    let both = merged(None, &[&grant("velero=backups"), &grant("velero=more")]);
    assert_eq!(granted(&both, add_on("velero").unwrap(), &home).unwrap().len(), 2);
    assert_eq!(granted(&Document(json!({})), add_on("velero").unwrap(), &home), None);
}
