//! Files of other tools, from one state: that each takes over all that it declares, and says what it cannot express.

use serde_json::json;

use super::{hcl, *};
use crate::model::{
    arn::Arn,
    association::{Association, AssociationSummary},
    fixtures,
    have::Observed,
    manifest::RoleState,
    names::ServiceAccount,
};

fn association(subject: &str, role_arn: &str, policy: Option<&str>) -> (ServiceAccount, Association) {
    let subject: ServiceAccount = subject.parse().unwrap();
    let id = format!("a-{}", short_hash(&[&subject.to_string()], 16));
    let association = Association {
        summary: AssociationSummary {
            cluster_name: "eks-workshop".into(),
            subject: subject.clone(),
            association_arn: format!("arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/{id}"),
            association_id: id,
            owner_arn: None,
        },
        role_arn: role_arn.into(),
        target_role_arn: None,
        external_id: None,
        disable_session_tags: policy.is_some(),
        policy: policy.map(str::to_owned),
        tags: BTreeMap::from([("team".into(), "${shop}".into()), ("aws:x".into(), "of AWS".into())]),
        created_at: None,
        modified_at: None,
    };
    (subject, association)
}

/// A role of podid's with a policy of each kind, a role of somebody else's, and names that come to the same identifier.
pub(in crate::model) fn have(cluster: &Cluster) -> ClusterState {
    let mut role = fixtures::role("carts", Document::of(json!([])));
    role.arn = Arn::iam("aws", "111122223333", "role", "/podid/", "carts");
    role.path = "/podid/".into();
    role.tags = crate::model::tags::association_tags(cluster, &"carts/carts".parse().unwrap());
    let document = Document::of(json!([{"Effect": "Allow", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/kubernetes-namespace}/*"}]));
    let (name, arn) = (role.name.clone(), role.arn.to_string());
    let held = RoleState {
        role: Observed::Known(Some(role)),
        attached: Observed::Known(vec!["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess".into()]),
        inline: Observed::Known(BTreeMap::from([("own".into(), document)])),
    };
    let session = r#"{"Version":"2012-10-17","Statement":[]}"#;
    ClusterState {
        associations: BTreeMap::from([
            association("carts/carts", &arn, None),
            association("a/b-c", "arn:aws:iam::111122223333:role/other", Some(session)),
            association("a-b/c", "arn:aws:iam::111122223333:role/other", None),
        ]),
        roles: BTreeMap::from([(name, held)]),
        ..ClusterState::default()
    }
}

fn written(format: ForeignFormat) -> (Written, Vec<String>) {
    let cluster = fixtures::cluster();
    write(format, &cluster, &have(&cluster))
}

fn yaml(format: ForeignFormat) -> Vec<Value> {
    match written(format).0 {
        Written::Yaml(documents) => documents,
        other => panic!("{other:?}"),
    }
}

#[test]
fn terraform_imports_each_resource_that_it_declares() {
    let Written::Text(text) = written(ForeignFormat::Terraform).0 else { panic!("not text") };
    let declared: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("resource ")?.strip_suffix(" {"))
        .map(|line| line.replace("\" \"", ".").replace('"', ""))
        .collect();
    let imported: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  to = ")).collect();
    assert_eq!(declared, imported);
    assert_eq!(declared.iter().collect::<BTreeSet<_>>().len(), 6, "{declared:?}");
    // What Terraform would interpolate is escaped; what is AWS's own is left away.
    assert!(text.contains("b/$${aws:PrincipalTag/kubernetes-namespace}/*"), "{text}");
    assert!(text.contains("team = \"$${shop}\"") && !text.contains("aws:x"), "{text}");
    assert!(text.contains("role_arn        = aws_iam_role.carts.arn"), "{text}");
    assert!(text.contains("\"arn:aws:iam::111122223333:role/other\""), "{text}");
    assert!(text.contains("policy = jsonencode({\n    Version   = \"2012-10-17\"\n    Statement = []\n  })"), "{text}");
    for id in ["carts:own", "carts/arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "eks-workshop,a-"] {
        assert!(text.contains(&format!("id = \"{id}")), "{id}\n{text}");
    }
}

#[test]
fn texts_are_quoted_as_hcl_reads_them() {
    for (text, quoted) in [
        ("plain", r#""plain""#),
        ("say \"hi\" \\ there", r#""say \"hi\" \\ there""#),
        ("${a} %{b} $a {c}", r#""$${a} %%{b} $a {c}""#),
        ("$${a}", r#""$$${a}""#),
        ("a\nb\t", r#""a\nb\t""#),
        ("é \u{1b}[31m #", r#""é \u001b[31m \u0023""#),
        ("\u{202e}", r#""\u202e""#),
    ] {
        assert_eq!(hcl::quoted(text), quoted);
    }
}

#[test]
fn every_resource_of_the_template_is_retained_and_imported() {
    let template = yaml(ForeignFormat::CloudFormation).remove(0);
    let Written::Json(imports) = written(ForeignFormat::CloudFormationImport).0 else { panic!("not JSON") };
    let resources = template["Resources"].as_object().unwrap();
    let names: Vec<&str> =
        imports.as_array().unwrap().iter().map(|one| one["LogicalResourceId"].as_str().unwrap()).collect();
    assert_eq!(resources.keys().map(String::as_str).collect::<Vec<_>>(), names);
    assert_eq!(names.len(), 4);
    for (name, resource) in resources {
        assert_eq!(resource["DeletionPolicy"], "Retain", "{name}");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
    }
    assert_eq!(
        resources["AssociationCartsCarts"]["Properties"]["RoleArn"],
        json!({"Fn::GetAtt": ["RoleCarts", "Arn"]})
    );
}

#[test]
fn ack_adopts_and_retains_everything() {
    let all = yaml(ForeignFormat::Ack);
    assert_eq!(all.len(), 4);
    let names: BTreeSet<String> =
        all.iter().map(|one| format!("{} {}", one["kind"], one["metadata"]["name"])).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for one in &all {
        let annotations = &one["metadata"]["annotations"];
        assert_eq!(annotations["services.k8s.aws/adoption-policy"], "adopt-or-create");
        assert_eq!(annotations["services.k8s.aws/deletion-policy"], "retain");
    }
    let role = all.iter().find(|one| one["kind"] == "Role").unwrap();
    assert_eq!(role["spec"]["policies"], json!(["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]));
    assert!(role["spec"]["inlinePolicies"]["own"].as_str().unwrap().contains("s3:GetObject"));
}

#[test]
fn what_a_format_cannot_express_is_said() {
    let notes = |format| written(format).1.join("\n");
    assert!(notes(ForeignFormat::Crossplane).contains("the session policy of a/b-c is omitted"));
    assert!(notes(ForeignFormat::Eksctl).contains("eksctl references roles by ARN: carts"));
    for format in [ForeignFormat::Terraform, ForeignFormat::CloudFormation, ForeignFormat::Ack] {
        assert_eq!(notes(format), "");
    }
    for one in yaml(ForeignFormat::Crossplane) {
        let policies = one["spec"]["managementPolicies"].to_string();
        assert!(!policies.contains("Delete") && !policies.contains('*'), "{policies}");
    }
}

#[test]
fn a_stack_that_has_it_already_is_named() {
    let cluster = fixtures::cluster();
    let mut have = have(&cluster);
    let association = have.associations.values_mut().next().unwrap();
    association.tags.insert("aws:cloudformation:stack-name".into(), "eksctl-x".into());
    let notes = write(ForeignFormat::Terraform, &cluster, &have).1;
    assert!(notes[0].contains("belongs to CloudFormation stack `eksctl-x`"), "{notes:?}");
}
