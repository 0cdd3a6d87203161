//! What other tools' files come to, and that what podid writes for them comes back as it was.

use serde_json::json;

use super::*;
use crate::model::{
    fixtures,
    formats::{self, ForeignFormat, Written, tests::have},
    manifest::export,
};

fn imported(document: Value) -> Imported {
    import(&[document], None).expect("a known kind").expect("valid")
}

/// Service accounts with their role, as far as its name tells.
fn associations(manifest: &Manifest) -> Vec<(String, String, bool)> {
    let of = |it: &Association| {
        let role = it.role.rsplit('/').next().unwrap_or_default().to_owned();
        (it.service_account.clone(), role, it.session_policy != Field::Unmanaged)
    };
    let mut all: Vec<_> = manifest.associations.iter().map(of).collect();
    all.sort();
    all
}

/// What is written for another tool, and read again, is what `export` prints.
#[test]
fn round_and_round() {
    let cluster = fixtures::cluster();
    let have = have(&cluster);
    let own = export(&cluster, &have).0;
    for format in [ForeignFormat::CloudFormation, ForeignFormat::Ack, ForeignFormat::Crossplane, ForeignFormat::Eksctl]
    {
        let Written::Yaml(documents) = formats::write(format, &cluster, &have).0 else { panic!("{format:?}") };
        let back = import(&documents, None).unwrap().unwrap();
        let mut wanted = associations(&own);
        if format == ForeignFormat::Crossplane {
            for (_, _, session) in &mut wanted {
                *session = false;
            }
        }
        assert_eq!(associations(&back.manifest), wanted, "{format:?}");
        assert_eq!(back.manifest.cluster, own.cluster, "{format:?}");
        if format == ForeignFormat::CloudFormation {
            let (role, wanted) = (&back.manifest.roles[0], &own.roles[0]);
            assert_eq!((&role.name, &role.policies), (&wanted.name, &wanted.policies));
            assert_eq!(back.left, Vec::<String>::new());
        }
    }
}

#[test]
fn roles_that_a_file_only_describes_are_written() {
    let item = json!({"namespace": "orders", "serviceAccountName": "orders", "createServiceAccount": true,
        "permissionPolicyARNs": ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"],
        "wellKnownPolicies": {"ebsCSIController": true, "externalDNS": true, "certManager": false}});
    let config = |item: &Value| {
        json!({"apiVersion": "eksctl.io/v1alpha5", "kind": "ClusterConfig",
            "metadata": {"name": "eks-workshop", "region": "us-west-2"},
            "iam": {"podIdentityAssociations": [item]}})
    };
    let found = imported(config(&item));
    let role = &found.manifest.roles[0];
    assert_eq!(role.name, "eks-workshop-orders-orders");
    assert_eq!(role.policies.managed.set().map(Vec::len), Some(2));
    assert_eq!(found.manifest.associations[0].create_service_account, Some(true));
    let left = found.left.join("\n");
    assert!(left.contains("wellKnownPolicies.externalDNS: ") && !left.contains("certManager"), "{left}");
    // With an ARN nothing is described.
    let mut by_arn = item.clone();
    by_arn["roleARN"] = json!("arn:aws:iam::111122223333:role/orders");
    let found = imported(config(&by_arn));
    assert_eq!((found.manifest.roles.len(), found.left.len()), (0, 0));
    // Without anything it is wrong, and the place is told.
    let bare = json!({"namespace": "orders", "serviceAccountName": "orders"});
    let problem = import(&[config(&bare)], None).unwrap().unwrap_err();
    assert_eq!(place(&problem.path), "iam.podIdentityAssociations[0]");
}

#[test]
fn irsa_of_eksctl_becomes_associations() {
    let found = imported(json!({"kind": "ClusterConfig", "metadata": {"name": "c"}, "iam": {"serviceAccounts": [
        {"metadata": {"name": "a", "namespace": "ns"}, "attachRoleARN": "arn:aws:iam::111122223333:role/a"},
        {"metadata": {"name": "b"}, "status": {"roleARN": "arn:aws:iam::111122223333:role/b"}},
        {"metadata": {"name": "p"}, "subjectPattern": "p-*", "attachRoleARN": "arn:aws:iam::111122223333:role/p"},
    ]}}));
    let names: Vec<&str> = found.manifest.associations.iter().map(|it| it.service_account.as_str()).collect();
    assert_eq!(names, ["ns/a", "default/b"]);
    assert_eq!(found.left.iter().filter(|one| one.contains("podid migrate plan")).count(), 2);
    assert!(found.left.iter().any(|one| one.starts_with("iam.serviceAccounts[2]: subjectPattern")));
}

fn attributes(cluster: &str, account: &str, role: Option<&str>) -> Value {
    json!({"cluster_name": cluster, "namespace": "carts", "service_account": account, "role_arn": role,
        "disable_session_tags": false, "policy": "", "target_role_arn": "", "tags": {"team": "shop"},
        "association_arn": "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/c/a-1"})
}

#[test]
fn terraform_states_and_plans() {
    const KIND: &str = "aws_eks_pod_identity_association";
    let role = Some("arn:aws:iam::111122223333:role/carts");
    let state = json!({"version": 4, "terraform_version": "1.11.4", "resources": [
        {"mode": "managed", "type": KIND, "instances": [{"attributes": attributes("c", "carts", role)},
            {"deposed": "00000001", "attributes": attributes("c", "old", role)}]},
        {"mode": "data", "type": KIND, "instances": [{"attributes": attributes("c", "data", role)}]},
    ]});
    let resource = |values: Value| json!({"mode": "managed", "type": KIND, "values": values});
    let module = json!({"resources": [resource(attributes("c", "carts", role))],
        "child_modules": [{"resources": [resource(attributes("c", "later", None))]}]});
    let shown = json!({"format_version": "1.0", "values": {"root_module": module}});
    let plan = json!({"format_version": "1.2", "planned_values": {"root_module": module}, "values": {}});
    for (document, left) in [(state, 0), (shown, 1), (plan, 1)] {
        let found = imported(document);
        assert_eq!(associations(&found.manifest), [("carts/carts".into(), "carts".into(), false)]);
        assert_eq!(found.manifest.region.as_deref(), Some("eu-west-1"));
        assert_eq!(found.left.len(), left, "{:?}", found.left);
        assert_eq!(found.manifest.associations[0].tags.set().map(BTreeMap::len), Some(1));
    }
}

#[test]
fn one_manifest_is_of_one_cluster() {
    let role = Some("arn:aws:iam::111122223333:role/carts");
    let instances: Vec<Value> =
        ["blue", "green"].iter().map(|cluster| json!({"attributes": attributes(cluster, cluster, role)})).collect();
    let state = json!({"version": 4, "terraform_version": "1", "resources": [
        {"mode": "managed", "type": "aws_eks_pod_identity_association", "instances": instances}]});
    let problem = import(std::slice::from_ref(&state), None).unwrap().unwrap_err();
    assert!(problem.message.contains("blue, green"), "{problem:?}");
    let green = import(&[state], Some("green")).unwrap().unwrap();
    assert_eq!(green.manifest.cluster.as_deref(), Some("green"));
    assert_eq!(associations(&green.manifest)[0].0, "carts/green");
}

#[test]
fn references_within_a_template_are_resolved() {
    let template = json!({
        "Parameters": {"Name": {"Type": "String", "Default": "eks-workshop"}},
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess", {"Ref": "Policy"}],
                "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [{"Resource": {"Fn::Sub": "${Bucket}"}}]}}]}},
            "A": {"Type": "AWS::EKS::PodIdentityAssociation", "Properties": {"ClusterName": {"Ref": "Name"},
                "Namespace": "carts", "ServiceAccount": "carts", "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}},
            "B": {"Type": "AWS::EKS::PodIdentityAssociation", "Properties": {"ClusterName": {"Ref": "Name"},
                "Namespace": "carts", "ServiceAccount": "b", "RoleArn": {"Fn::ImportValue": "role"}}},
        },
    });
    let found = imported(template);
    assert_eq!(found.manifest.cluster.as_deref(), Some("eks-workshop"));
    assert_eq!(associations(&found.manifest), [("carts/carts".into(), "Role".into(), false)]);
    assert_eq!(found.manifest.roles[0].policies.managed.set().map(Vec::len), Some(1));
    for wanted in ["ManagedPolicyArns[1]: ", "Policies[0]: ", "Resources.B.Properties.RoleArn: ", "generates the name"]
    {
        assert!(found.left.iter().any(|one| one.contains(wanted)), "{wanted}: {:?}", found.left);
    }
}

#[test]
fn what_no_tool_wrote_is_not_known() {
    for document in
        [json!({}), json!([]), json!({"kind": "Deployment", "apiVersion": "apps/v1"}), json!({"Resources": {}})]
    {
        assert_eq!(import(std::slice::from_ref(&document), None), None, "{document}");
    }
}

/// A role without its boundary would be more than it was: it is left out, and what uses it too.
#[test]
fn nothing_is_written_with_more_permissions_than_it_had() {
    let template = |boundary: Value, target: Value| {
        json!({"Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "carts", "PermissionsBoundary": boundary}},
            "A": {"Type": "AWS::EKS::PodIdentityAssociation", "Properties": {"ClusterName": "c", "Namespace": "carts",
                "ServiceAccount": "carts", "RoleArn": {"Fn::GetAtt": "Role.Arn"}, "TargetRoleArn": target}},
        }})
    };
    let unknown = json!({"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:policy/pb"});
    let (boundary, target) = ("arn:aws:iam::111122223333:policy/pb", "arn:aws:iam::444455556666:role/t");
    for (document, written) in [
        (template(json!(boundary), json!(target)), 1),
        (template(unknown.clone(), json!(target)), 0),
        (template(json!(boundary), unknown), 0),
    ] {
        let found = imported(document);
        assert_eq!(found.manifest.associations.len(), written);
        assert_eq!(found.left.len(), 1 - written, "{:?}", found.left);
    }
    let role = |key: &str| {
        json!({"apiVersion": "iam.services.k8s.aws/v1alpha1", "kind": "Role", "metadata": {"name": "r"},
            "spec": {"name": "r", "assumeRolePolicyDocument": "{}", key: {"from": {"name": "pb"}}}})
    };
    let user = json!({"apiVersion": "eks.services.k8s.aws/v1alpha1", "kind": "PodIdentityAssociation",
        "spec": {"clusterName": "c", "namespace": "a", "serviceAccount": "b", "roleRef": {"from": {"name": "r"}}}});
    for (key, written) in [("someOther", 1), ("permissionsBoundaryRef", 0)] {
        let found = import(&[role(key), user.clone()], None).unwrap().unwrap();
        assert_eq!(found.manifest.associations.len(), written, "{key}");
    }
}

#[test]
fn policies_beside_the_role_are_its_own() {
    let policy = |document: Value| {
        json!({"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "grant",
        "Roles": [{"Ref": "Role"}], "PolicyDocument": document}})
    };
    let template = |document: Value| {
        json!({"Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "carts", "ManagedPolicyArns": [
                {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::aws:policy/ReadOnlyAccess"]]}]}},
            "Policy": policy(document),
            "A": {"Type": "AWS::EKS::PodIdentityAssociation", "Properties": {"ClusterName": "c", "Namespace": "carts",
                "ServiceAccount": "carts", "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}},
        }})
    };
    let known = json!({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject",
        "Resource": {"Fn::Sub": "arn:${AWS::Partition}:s3:::b/${!aws:PrincipalTag/x}"}}]});
    let found = imported(template(known));
    let role = &found.manifest.roles[0];
    assert_eq!(role.policies.managed.set().unwrap(), &["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    let document = role.policies.inline.set().unwrap()[0].source.document().unwrap().0.to_string();
    assert!(document.contains("arn:aws:s3:::b/${aws:PrincipalTag/x}"), "{document}");
    assert_eq!(found.left, Vec::<String>::new());
    let found = imported(template(json!({"Statement": [{"Resource": {"Fn::GetAtt": ["Table", "Arn"]}}]})));
    assert!(found.manifest.roles[0].policies.inline.is_unmanaged());
    assert!(found.left[0].starts_with("Resources.Policy.Properties: the policy is omitted"), "{:?}", found.left);
}

#[test]
fn every_document_of_a_file_is_read() {
    let config = |cluster: &str, account: &str| {
        json!({"kind": "ClusterConfig", "metadata": {"name": cluster}, "iam": {"podIdentityAssociations": [
            {"namespace": "a", "serviceAccountName": account, "roleARN": "arn:aws:iam::111122223333:role/r"}]}})
    };
    let user = json!({"apiVersion": "eks.services.k8s.aws/v1alpha1", "kind": "PodIdentityAssociation",
        "spec": {"clusterName": "one", "namespace": "a", "serviceAccount": "ack", "roleARN": "arn:aws:iam::111122223333:role/r"}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [user]});
    let names = |documents: &[Value], cluster: Option<&str>| -> Result<Vec<String>, String> {
        let found = import(documents, cluster).unwrap().map_err(|problem| problem.message)?;
        Ok(associations(&found.manifest).into_iter().map(|(name, _, _)| name).collect())
    };
    let other = json!({"x-common": 1});
    assert_eq!(names(&[other.clone(), config("one", "x"), list.clone()], None).unwrap(), ["a/ack", "a/x"]);
    assert_eq!(names(&[config("one", "x"), config("two", "y")], Some("two")).unwrap(), ["a/y"]);
    assert!(names(&[config("one", "x"), config("two", "y")], None).unwrap_err().contains("one, two"));
    // The same twice is taken once.
    assert_eq!(names(&[config("one", "ack"), list], None).unwrap(), ["a/ack"]);
    let found = import(&[other, config("one", "x")], None).unwrap().unwrap();
    assert_eq!(found.left, ["1 document of another kind ignored"]);
}
