//! The adapter against the sandbox: another reading of the same services.

use std::collections::BTreeMap;

use podid_sandbox::{Sandbox, scenario::Scenario};
use serde_json::json;

use super::{Aws, tests::aws_with};
use crate::{
    failure::{Failure, Kind},
    model::{
        addon::{AGENT, Settings},
        association::{AssociationChange, AssociationFilter, AssociationSpec, NewAssociation},
        cluster::Cluster,
        document::Document,
        names::ServiceAccount,
        role::{NewRole, Role},
    },
    ports::{Eks, Iam},
};

const CLUSTER: &str = "eks-workshop";
const ACCOUNT: &str = "111122223333";

/// Runs a test on a sandbox. The sandbox has its own runtime, which must begin and end outside of the test's.
fn with(test: impl AsyncFnOnce(&Sandbox, Aws)) {
    let sandbox = Sandbox::start(Scenario::named("carts-before").unwrap()).unwrap();
    let exports: BTreeMap<_, _> = sandbox.exports().into_iter().collect();
    let aws = aws_with(sandbox.aws_url(), &exports["AWS_ACCESS_KEY_ID"], &exports["AWS_SECRET_ACCESS_KEY"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test(&sandbox, aws));
}

fn trust(actions: &[&str]) -> Document {
    let principal = json!({"Service": "pods.eks.amazonaws.com"});
    let statement = json!({"Effect": "Allow", "Principal": principal, "Action": actions});
    Document(json!({"Version": "2012-10-17", "Statement": [statement]}))
}

async fn make_role(aws: &Aws, name: &str, actions: &[&str]) -> Role {
    let new = NewRole {
        name: name.into(),
        path: "/podid/".into(),
        arn: format!("arn:aws:iam::{ACCOUNT}:role/podid/{name}").parse().unwrap(),
        trust: trust(actions),
        tags: BTreeMap::from([("podid.dev/managed-by".into(), "podid".into())]),
        permissions_boundary: None,
        description: "for a test, with = and & in it".into(),
    };
    let role = aws.create_role(&new).await.unwrap();
    assert_eq!((&role.arn, &role.trust, &role.tags, role.path.as_str()), (&new.arn, &new.trust, &new.tags, "/podid/"));
    role
}

/// Creates the association as soon as IAM has spread the role.
async fn associate(aws: &Aws, subject: &str, role: &Role) -> Result<crate::model::association::Association, Failure> {
    let new = NewAssociation {
        subject: subject.parse().unwrap(),
        spec: AssociationSpec {
            role_arn: role.arn.to_string(),
            tags: BTreeMap::from([("team".into(), "carts".into())]),
            ..AssociationSpec::default()
        },
    };
    loop {
        let answer = aws.create_association(CLUSTER, &new, &format!("token-{subject}")).await;
        match answer {
            Err(failure) if failure.service_message().contains("does not exist") => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            other => return other,
        }
    }
}

#[test]
fn the_cluster_and_the_caller() {
    with(async |_sandbox, aws| {
        let cluster: Cluster = aws.cluster(CLUSTER).await.unwrap();
        assert_eq!(cluster.arn.to_string(), format!("arn:aws:eks:us-west-2:{ACCOUNT}:cluster/{CLUSTER}"));
        assert_eq!((cluster.version.as_str(), cluster.status.as_str()), ("1.33", "ACTIVE"));
        assert!(cluster.endpoint.starts_with("https://") && !cluster.certificate_authority.is_empty());
        assert_eq!(aws.clusters().await.unwrap(), [CLUSTER]);
        let caller = aws.caller().await.unwrap();
        assert_eq!((caller.account.as_str(), caller.arn.contains(":user/workshop")), (ACCOUNT, true));
        let failure = aws.cluster("eks-workshp").await.unwrap_err();
        assert!(failure.has_code("ResourceNotFoundException") && failure.is(Kind::NotFound), "{failure:?}");
        assert!(!failure.hints.is_empty(), "{failure:?}");
        assert!(failure.service.unwrap().request_id.is_some());
    });
}

#[test]
fn an_association_lives() {
    with(async |_sandbox, aws| {
        let role = make_role(&aws, "carts", &["sts:AssumeRole", "sts:TagSession"]).await;
        let made = associate(&aws, "carts/carts", &role).await.unwrap();
        assert_eq!((made.role_arn.as_str(), made.tags["team"].as_str()), (role.arn.to_string().as_str(), "carts"));
        assert!(made.created_at.is_some() && !made.disable_session_tags);

        let filter = AssociationFilter::from(&ServiceAccount::new("carts", "carts").unwrap());
        let id = made.summary.association_id.clone();
        assert_eq!(aws.associations(CLUSTER, &filter).await.unwrap(), std::slice::from_ref(&made.summary));
        assert_eq!(aws.association(CLUSTER, &id).await.unwrap().unwrap(), made);
        assert_eq!(aws.association(CLUSTER, "a-00000000000000000").await, Ok(None));

        let change = AssociationChange { disable_session_tags: Some(true), ..AssociationChange::default() };
        let changed = aws.update_association(CLUSTER, &id, &change, "token-2").await.unwrap();
        assert!(changed.disable_session_tags && changed.role_arn == made.role_arn);
        let tags = BTreeMap::from([("more".into(), "tags".into())]);
        aws.tag(&made.summary.association_arn, &tags).await.unwrap();
        assert_eq!(aws.association(CLUSTER, &id).await.unwrap().unwrap().tags.len(), 2);

        let again = NewAssociation {
            subject: made.summary.subject.clone(),
            spec: AssociationSpec { role_arn: made.role_arn.clone(), ..AssociationSpec::default() },
        };
        let failure = aws.create_association(CLUSTER, &again, "another").await.unwrap_err();
        assert!(
            failure.has_code("ResourceInUseException") && failure.is(Kind::InUse) && failure.causes[1].contains(&id),
            "{failure:?}"
        );
    });
}

#[test]
fn a_trust_without_tag_session_is_explained() {
    with(async |_sandbox, aws| {
        let role = make_role(&aws, "carts", &["sts:AssumeRole"]).await;
        let failure = associate(&aws, "carts/carts", &role).await.unwrap_err();
        assert!(failure.causes[0].contains("Trust policy of the role provided is invalid"), "{failure:?}");
        assert!(failure.causes[1].contains("`sts:TagSession`"), "{failure:?}");
    });
}

#[test]
fn more_associations_than_a_page() {
    with(async |_sandbox, aws| {
        let role = make_role(&aws, "many", &["sts:AssumeRole", "sts:TagSession"]).await;
        for n in 0..103 {
            associate(&aws, &format!("many/sa{n:03}"), &role).await.unwrap();
        }
        let all = aws.associations(CLUSTER, &AssociationFilter::default()).await.unwrap();
        let names: std::collections::BTreeSet<_> = all.iter().map(|one| one.subject.name.as_str()).collect();
        assert_eq!(names.len(), 103);
    });
}

#[test]
fn a_roles_policies_are_written_and_read() {
    with(async |_sandbox, aws| {
        let role = make_role(&aws, "carts", &["sts:AssumeRole"]).await;
        let name = role.name.as_str();
        assert_eq!(aws.role(name).await.unwrap().unwrap(), role);
        assert_eq!(aws.role("nobody").await, Ok(None));

        aws.put_trust(name, &trust(&["sts:AssumeRole", "sts:TagSession"])).await.unwrap();
        aws.tag_role(name, &BTreeMap::from([("k".into(), "v w".into())])).await.unwrap();
        let now = aws.role(name).await.unwrap().unwrap();
        assert_eq!((now.trust, now.tags["k"].as_str()), (trust(&["sts:AssumeRole", "sts:TagSession"]), "v w"));

        let managed = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess";
        aws.attach_policy(name, managed).await.unwrap();
        aws.attach_policy(name, managed).await.unwrap();
        assert_eq!(aws.attached_policies(name).await.unwrap(), [managed]);
        assert_eq!(aws.attached_policies("nobody").await.unwrap(), Vec::<String>::new());

        let statement = json!({"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"});
        let document = Document(json!({"Version": "2012-10-17", "Statement": [statement]}));
        aws.put_inline_policy(name, "podid", &document).await.unwrap();
        assert_eq!(aws.inline_policies(name).await.unwrap(), ["podid"]);
        assert_eq!(aws.inline_policy(name, "podid").await.unwrap(), Some(document));
        assert_eq!(aws.inline_policy(name, "other").await, Ok(None));

        let broken = Document(json!({"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}));
        let failure = aws.put_trust(name, &broken).await.unwrap_err();
        assert!(failure.has_code("MalformedPolicyDocument") && !failure.hints.is_empty(), "{failure:?}");
    });
}

#[test]
fn a_role_goes_after_its_policies() {
    with(async |sandbox, aws| {
        let name = make_role(&aws, "carts", &["sts:AssumeRole"]).await.name;
        let managed = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess";
        let statement = json!({"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"});
        let document = Document(json!({"Version": "2012-10-17", "Statement": [statement]}));
        aws.attach_policy(&name, managed).await.unwrap();
        aws.put_inline_policy(&name, "podid", &document).await.unwrap();
        let conflict = async |part: &str| {
            let failure = aws.delete_role(&name).await.unwrap_err();
            assert!(
                failure.has_code("DeleteConflict")
                    && failure.is(Kind::Conflict)
                    && failure.service_message().contains(part),
                "{failure:?}"
            );
        };
        conflict("detach all policies").await;
        assert_eq!(aws.detach_policy(&name, managed).await, Ok(true));
        assert_eq!(aws.detach_policy(&name, managed).await, Ok(false));
        conflict("delete policies").await;
        assert_eq!(aws.delete_inline_policy(&name, "podid").await, Ok(true));
        assert_eq!(aws.delete_inline_policy(&name, "podid").await, Ok(false));
        assert_eq!(aws.instance_profiles(&name).await, Ok(vec![]));
        let profiles = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            sandbox.with(|state| state.aws.roles.get_mut(&name).unwrap().instance_profiles = names);
        };
        profiles(&["nodes", "batch"]);
        assert_eq!(aws.instance_profiles(&name).await, Ok(vec!["batch".to_owned(), "nodes".to_owned()]));
        conflict("instance profile").await;
        profiles(&[]);
        assert_eq!(aws.delete_role(&name).await, Ok(true));
        assert_eq!(aws.delete_role(&name).await, Ok(false));
        assert_eq!(aws.instance_profiles(&name).await, Ok(vec![]));
        assert_eq!(aws.detach_policy(&name, managed).await, Ok(false));
    });
}

#[test]
fn the_agents_addon() {
    with(async |_sandbox, aws| {
        assert_eq!(aws.addon(CLUSTER, AGENT).await, Ok(None));
        let versions = aws.addon_versions(AGENT, "1.33").await.unwrap();
        assert_eq!(versions.iter().filter(|version| version.default).count(), 1, "{versions:?}");
        let addon = aws.create_addon(CLUSTER, AGENT, &versions[0].version, &Settings::default()).await.unwrap();
        assert_eq!((addon.name.as_str(), &addon.version), (AGENT, &versions[0].version));
        assert!(aws.addon(CLUSTER, AGENT).await.unwrap().is_some());
        let failure = aws.create_addon(CLUSTER, AGENT, &versions[0].version, &Settings::default()).await.unwrap_err();
        assert!(failure.has_code("ResourceInUseException") && failure.is(Kind::InUse), "{failure:?}");
        assert!(failure.hints.contains(&"show it: `podid agent status`".to_owned()), "{failure:?}");
        assert!(aws.addon("no-such-cluster", AGENT).await.is_err());
    });
}

#[test]
fn wrong_keys_are_denied() {
    with(async |sandbox, _| {
        let failure = aws_with(sandbox.aws_url(), "AKIAUNKNOWN", "secret").clusters().await.unwrap_err();
        assert!(failure.denied() && !failure.hints.is_empty(), "{failure:?}");
    });
}
