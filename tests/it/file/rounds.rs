//! Round and round: what is exported plans nothing, and what was applied is exported.

use std::time::Duration;

use podid_sandbox::{
    Sandbox,
    faults::{Action, Fault},
};
use serde_json::json;

use super::CARTS;
use crate::support::Env;

/// A file for another tool is on stdout alone; what the tool cannot express is a warning, and with --strict exit 3.
#[test]
fn exported_for_other_tools() {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", CARTS);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    for (format, wanted) in [
        ("terraform", "resource \"aws_eks_pod_identity_association\" \"carts_carts\" {"),
        ("cloudformation", "Type: AWS::EKS::PodIdentityAssociation"),
        ("cloudformation-import", "\"RoleName\": \"carts-role\""),
        ("ack", "services.k8s.aws/adoption-policy: adopt-or-create"),
        ("crossplane", "crossplane.io/external-name: carts-role"),
    ] {
        let run = env.podid(&format!("export --format {format} --strict")).ok();
        assert!(run.stdout.contains(wanted), "{format}\n{run}");
    }
    let run = env.podid("export --format eksctl").ok();
    assert!(run.stdout.contains("roleARN: arn:aws:iam::111122223333:role/podid/carts-role"), "{run}");
    assert!(run.stderr.contains("because eksctl references roles by ARN: carts-role"), "{run}");
    assert!(env.podid("export --format eksctl --strict").code(3).stdout.contains("ClusterConfig"));
    let both = env.podid("export --format eksctl -o json").code(2);
    assert!(both.stderr.contains("`--format` conflicts with `-o`"), "{both}");
}

/// A session policy is a mapping in YAML too.
#[test]
fn a_session_policy_comes_back() {
    let env = Env::new("carts-associated");
    let policy = env.file(
        "session.json",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:Query","Resource":"*"}]}"#,
    );
    let associate = "associate carts/carts --role eks-workshop-carts-dynamo --disable-session-tags --yes --no-wait";
    let _ = env.podid(&format!("{associate} --session-policy {policy}")).ok();
    let exported = env.podid("export").ok().stdout;
    assert!(exported.contains("sessionPolicy:\n    document:\n"), "{exported}");
    let file = env.file("again.yaml", &exported);
    let _ = env.podid(&format!("diff -f {file}")).ok();
}

#[test]
fn exported_is_as_applied() {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", CARTS);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    let run = env.podid("export").ok();
    insta::assert_snapshot!(run.stdout, @r"
    apiVersion: podid.dev/v1
    kind: PodIdentity
    metadata:
      name: carts
    cluster: eks-workshop
    region: us-west-2
    agent:
      version: v1.3.10-eksbuild.1
    roles:
    - name: carts-role
      policies:
        dynamodb:
        - table: eks-workshop-carts
          access: read-write
    associations:
    - serviceAccount: carts/carts
      role: carts-role
    ");
    let again = env.file("again.yaml", &run.stdout);
    let _ = env.podid(&format!("diff -f {again} --prune")).ok();
    let json = env.file("again.json", &env.podid("export -o json").ok().stdout);
    let _ = env.podid(&format!("diff -f {json}")).ok();
    assert_eq!(env.podid("export -o name").ok().stdout, "role/carts-role\nassociation/carts/carts\n");
    assert_eq!(env.podid("export shop/* -o name").ok().stdout, "");
}

/// Every service has its list; a list that is given is the whole list, and one that is left away stays.
#[test]
fn grants_of_every_service() {
    let env = Env::new("carts-agent");
    let lists = "      s3:
        - {bucket: images, prefix: up, access: read-write}
        - {bucket: images, access: list}
      sqs: [{queue: orders, access: both}]
      sns: [{topic: 'eu-west-1:news', access: publish}]
      secret: [{secret: db/main, access: read}]
      ssm: [{parameter: /app/*, access: read}]
      kms: [{key: alias/app, access: decrypt}]
      kinesis: [{stream: clicks, access: consume}]
      firehose: [{stream: lake, access: put}]
      events: [{bus: default}]
      logs: [{group: /app/carts}]
      cloudwatch: [{namespace: App/Carts}]
      bedrock: [{model: us.anthropic.claude-x}]
      allow: [{actions: [xray:PutTraceSegments], resource: '*'}]
";
    let whole = CARTS.replace("    policies:\n", &format!("    policies:\n{lists}"));
    let file = env.file("podid.yaml", &whole);
    let run = env.podid(&format!("apply -f {file} --yes --no-wait")).ok().says("add inline policy podid-access");
    let run = run.says("xray:PutTraceSegments is allowed on every resource");
    assert!(env.podid(&format!("diff -f {file}")).ok().stdout.is_empty(), "{run}");
    let exported = env.podid("export").ok().stdout;
    for line in ["prefix: up", "- topic: eu-west-1:news", "model: us."] {
        assert!(exported.contains(line), "{line}: {exported}");
    }
    let again = env.file("again.yaml", &exported);
    let _ = env.podid(&format!("diff -f {again} --prune")).ok();
    // Without one entry of a list, its access goes; without the list, it stays.
    let less = whole
        .replace("        - {bucket: images, access: list}\n", "")
        .replace("      sqs: [{queue: orders, access: both}]\n", "");
    let file = env.file("less.yaml", &less);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok().says("update inline policy podid-access");
    let left = env.podid("export").ok().stdout;
    assert_eq!((left.matches("bucket: images").count(), left.contains("queue: orders")), (1, true), "{left}");
    // And what is wrong is said where it stands.
    for (entry, why) in [
        ("s3: [{bucket: images}]", "key `access` is missing"),
        (
            "s3: [{bucket: images, access: full}]",
            "policies.s3[0].access: `full` is not an access level of an S3 bucket",
        ),
        ("sqs: [{queue: 'a*', access: both}]", "policies.sqs[0].queue: `a*` may have only letters"),
        ("allow: [{actions: [], resource: '*'}]", "no action specified"),
        ("s4: []", "did you mean `s3`?"),
    ] {
        let file = env.file("bad.yaml", &CARTS.replace("    policies:\n", &format!("    policies:\n      {entry}\n")));
        let _ = env.podid(&format!("diff -f {file}")).code(2).says(why);
    }
}

/// What others made is named, and left to them.
#[test]
fn what_others_made() {
    let env = Env::new("carts-associated");
    let run = env.podid("export").ok();
    assert!(run.stdout.contains("role: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"), "{run}");
    assert!(!run.stdout.contains("roles:"), "{run}");
    let file = env.file("podid.yaml", &run.stdout);
    let _ = env.podid(&format!("diff -f {file}")).ok();
    assert!(!env.podid("export --owned-only").ok().stdout.contains("associations"));
}

/// A dry run of `associate` is the beginning of a file.
#[test]
fn from_associate() {
    let env = Env::new("carts-agent");
    let line = "associate carts/carts --create-role --dynamodb eks-workshop-carts=read-write";
    let run = env.podid(&format!("{line} --dry-run -o yaml")).ok();
    insta::assert_snapshot!(run.stdout, @r"
    apiVersion: podid.dev/v1
    kind: PodIdentity
    cluster: eks-workshop
    region: us-west-2
    roles:
    - name: eks-workshop-carts-carts-8233eca5
      policies:
        dynamodb:
        - table: eks-workshop-carts
          access: read-write
    associations:
    - serviceAccount: carts/carts
      role: eks-workshop-carts-carts-8233eca5
    ");
    let file = env.file("podid.yaml", &run.stdout);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    // The same command finds its work done.
    let run = env.podid(&format!("{line} --no-wait")).ok();
    assert!(run.stderr.contains("carts/carts is already associated as requested: nothing to change"), "{run}");
}

/// Killed after each request, the same command again comes to the same end.
#[test]
fn killed() {
    let whole = Env::new("carts-agent");
    let file = whole.file("podid.yaml", CARTS);
    let _ = whole.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    let writes = whole.writes();
    let end = whole.podid("export").ok().stdout;
    assert_eq!(writes.len(), 3, "{writes:?}");
    for write in &writes {
        let (_, operation) = write.split_once(' ').unwrap();
        let env = Env::new("carts-agent");
        let file = env.file("podid.yaml", CARTS);
        // The answer is lost: podid does not know whether it was done.
        env.world.faults().add(Fault::once("*", operation, Action::Drop));
        let _ = env.run(&["apply", "-f", &file, "--yes", "--no-wait", "--timeout", "20s"]);
        let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
        assert_eq!(env.podid("export").ok().stdout, end, "{write}");
    }
}

/// Stopped midway: what is left is said, and the same command finishes.
#[test]
fn stopped_midway() {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", CARTS);
    env.world.faults().add(Fault::once(
        "eks",
        "CreatePodIdentityAssociation",
        Action::error(400, "InvalidParameterException", "no"),
    ));
    insta::assert_snapshot!(env.podid(&format!("apply -f {file} --yes --no-wait")).code(6).steady(), @"
    exit 6
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      + create role carts-role (path /podid/)
      + add inline policy podid-dynamodb to role carts-role
      + associate carts/carts with role carts-role
    Plan: 3 to create, 0 to change, 0 to delete
    created role carts-role
    added inline policy podid-dynamodb to role carts-role
    could not associate carts/carts with role carts-role
    note: 2 steps done, 1 failed, 0 not started
    error: cannot create the association of `carts/carts` in cluster `eks-workshop`
      caused by: no
      request id: [uuid]

    hint: run the same command again: finished steps are skipped
    ");
    let run = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    assert!(run.stderr.contains("associated carts/carts with role carts-role"), "{run}");
}

/// Interrupted while EKS is asked: the exit code, and a summary that is true.
#[test]
fn interrupted() {
    let env = Env::new("carts-agent");
    let file = env.file("podid.yaml", CARTS);
    env.world.faults().add(Fault::always("eks", "CreatePodIdentityAssociation", Action::Hold(Duration::from_mins(5))));
    let line = format!("apply -f {file} --yes --no-wait");
    let asked = |world: &Sandbox| world.journal().count("eks", "CreatePodIdentityAssociation") > 0;
    let run = env.signalled(&line, "INT", asked).code(130);
    assert!(run.stderr.contains("note: 2 steps done, 0 failed, 1 unknown, 0 not started"), "{run}");
    env.world.faults().clear();
    let run = env.podid(&line).ok();
    assert!(run.stderr.contains("associated carts/carts with role carts-role"), "{run}");
}

/// What an EKS add-on owns is not exported, not pruned, and changed by nobody but the add-on.
#[test]
fn of_an_add_on() {
    let owner = json!("arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/aws-ebs-csi-driver/1e2d3c");
    let env = Env::with("carts-associated", &[("/associations/0/owner", owner)]);
    let run = env.podid("export").ok();
    assert!(run.stderr.contains("1 association of EKS add-ons omitted"), "{run}");
    assert!(!run.stdout.contains("associations:"), "{run}");
    let file = env.file("podid.yaml", CARTS);
    let run = env.podid(&format!("apply -f {file} --prune --yes --no-wait")).code(2);
    assert!(run.stderr.contains("belongs to the EKS add-on `aws-ebs-csi-driver`"), "{run}");
    assert!(env.writes().is_empty(), "{:?}", env.writes());
}

/// A run that is stopped right after it made the association leaves the restart to the next one, which may come too soon.
#[test]
fn an_association_of_a_run_just_before() {
    let env = Env::with("carts-agent", &[("/delays", json!({ "association": [4_000, 6_000] }))]);
    let file = env.file("podid.yaml", CARTS);
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    let run = env.podid(&format!("apply -f {file} --yes --recycle")).ok();
    let run = run.says("carts/carts: ready: new pods get credentials (6 of 6 dry-run pods)");
    let _ = run.says("carts/deployment/carts: rolled out");
}
