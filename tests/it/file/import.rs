//! `podid import`: files of other tools become manifests that `apply` takes, and what is wrong in them is told with its place.

use crate::support::Env;

const EKSCTL: &str = include_str!("eksctl.yaml");

const TEMPLATE: &str = "\
Parameters:
  Cluster: {Type: String, Default: eks-workshop}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: carts-cfn
      ManagedPolicyArns: [!ImportValue policy]
  Association:
    Type: AWS::EKS::PodIdentityAssociation
    Properties:
      ClusterName: !Ref Cluster
      Namespace: carts
      ServiceAccount: carts
      RoleArn: !GetAtt Role.Arn
";

#[test]
fn a_manifest_that_apply_takes() {
    let env = Env::new("carts-agent");
    let file = env.file("cluster.yaml", EKSCTL);
    let run = env.podid(&format!("import {file} --strict")).ok();
    insta::assert_snapshot!(run.stdout, @"
    apiVersion: podid.dev/v1
    kind: PodIdentity
    cluster: eks-workshop
    region: us-west-2
    roles:
    - name: carts-eksctl
      policies:
        managed:
        - arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess
    associations:
    - serviceAccount: carts/carts
      role: carts-eksctl
    ");
    assert!(env.world.journal().calls().is_empty());
    let manifest = env.file("podid.yaml", &run.stdout);
    let planned = env.podid(&format!("apply -f {manifest} --dry-run")).ok();
    assert!(
        planned.stdout.contains("create role carts-eksctl") || planned.stderr.contains("create role carts-eksctl"),
        "{planned}"
    );
}

#[test]
fn what_is_left_out_is_said_with_its_place() {
    let env = Env::new("carts-agent");
    let file = env.file("template.yaml", TEMPLATE);
    let run = env.podid(&format!("import {file}")).ok();
    assert!(
        run.stderr.contains("template.yaml: Resources.Role.Properties.ManagedPolicyArns[0]: the policy is omitted: its ARN is not a literal"),
        "{run}"
    );
    assert!(run.stdout.contains("role: carts-cfn"), "{run}");
    assert!(env.podid(&format!("import {file} --strict")).code(3).stdout.contains("carts-cfn"));
    // The same with the whole ARN leaves nothing out.
    let whole = env.file(
        "whole.yaml",
        &TEMPLATE.replace("!ImportValue policy", "!Sub 'arn:${AWS::Partition}:iam::aws:policy/ReadOnlyAccess'"),
    );
    assert!(env.podid(&format!("import {whole} --strict")).ok().stderr.is_empty());
    // podid's own manifests have no such tags.
    let own = env.file("own.yaml", "apiVersion: podid.dev/v1\nkind: PodIdentity\ncluster: !Ref Cluster\n");
    assert!(env.podid(&format!("diff -f {own}")).code(2).stderr.contains("the tag !Ref is not known here"));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let env = Env::new("carts-agent");
    let file = env.file("cluster.yaml", &EKSCTL.replace("      serviceAccountName: carts\n", ""));
    let good = env.file("good.yaml", EKSCTL);
    let run = env.podid(&format!("import {good} {file}")).code(2);
    assert!(
        run.stderr.contains("cluster.yaml:6:7: iam.podIdentityAssociations[0]: key `serviceAccountName` is missing"),
        "{run}"
    );
    assert_eq!(run.stdout, "", "no partial result");
    let named = env.file("named.yaml", &EKSCTL.replace("roleName: carts-eksctl", "roleName: 'a b'"));
    assert!(
        env.podid(&format!("import {named}"))
            .code(2)
            .stderr
            .contains("the manifest of this eksctl ClusterConfig is not valid")
    );
    let other = env.file("other.yaml", "apiVersion: v1\nkind: Pod\n");
    assert!(env.podid(&format!("import {other}")).code(2).stderr.contains("unsupported kind of file"));
    assert!(env.podid("import /nowhere.yaml").code(2).stderr.contains("cannot read `/nowhere.yaml`"));
}
