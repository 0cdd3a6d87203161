//! What EKS answers when an association is made.

use serde_json::{Value, json};

use super::{Broken, Case, all_but, role, trust, with_role};
use crate::support::{Env, SOON};

const ROLE: &str = "arn:aws:iam::111122223333:role/carts";
const ASSOCIATE: &str = "associate carts/carts --role carts --no-wait --yes";

/// The role `carts` is there, and podid may do all but this.
fn unread(actions: &[&str]) -> Vec<(&'static str, Value)> {
    vec![("/roles/-", role("carts")), ("/callers/0/policies", all_but(actions))]
}

fn association(number: usize) -> Value {
    json!({"namespace": "other", "service_account": format!("sa-{number}"), "role": ROLE})
}

/// A trust policy that lacks one action is seen by podid first; without iam:GetRole only EKS can tell.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    let quota: Vec<Value> = (0..4999).map(association).collect();
    vec![
        Case {
            name: "cross-account",
            world: with_role(),
            args: ASSOCIATE,
            // podid itself never sends a role of another account.
            broken: Broken::Answer(
                "eks",
                "CreatePodIdentityAssociation",
                400,
                "InvalidParameterException",
                "Cross-account pass role is not allowed.",
            ),
            says: &[
                "Cross-account pass role is not allowed.",
                "accepts only roles of the cluster's account",
                "`podid associate NS/SA --role NAME`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "pass-role",
            world: with_role(),
            args: ASSOCIATE,
            broken: Broken::Field("/callers/0/policies", all_but(&["iam:PassRole"])),
            says: &[
                "is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/carts",
                "the caller may not pass this role to EKS",
                "allow `iam:PassRole` on `arn:aws:iam::111122223333:role/carts`",
                "request id",
            ],
            code: 4,
        },
        Case {
            name: "trust-invalid",
            world: unread(&["iam:GetRole"]),
            args: "associate carts/carts --role carts --no-wait --yes --timeout 6s",
            broken: Broken::Field("/roles/1/trust", trust(&["sts:AssumeRole"])),
            says: &[
                "Trust policy of the role provided is invalid.",
                "does not trust `pods.eks.amazonaws.com` for both `sts:AssumeRole` and `sts:TagSession`",
                "`podid associate NS/SA --create-role`",
                "request id",
            ],
            code: 5,
        },
        Case {
            name: "role-missing",
            world: unread(&["iam:GetRole"]),
            args: "associate carts/carts --role carts --no-wait --yes --timeout 6s",
            broken: Broken::Field("/roles/1", Value::Null),
            says: &[
                "Role provided in the request does not exist",
                "the role does not exist, or was created seconds ago",
                "`podid associate NS/SA --role ROLE --create-role`",
                "request id",
            ],
            code: 5,
        },
        Case {
            name: "association-exists",
            world: with_role(),
            args: ASSOCIATE,
            broken: Broken::Meanwhile(associate_first),
            says: &[
                "Association already exists: a-0123456789abcdefg",
                "this one has `a-0123456789abcdefg`, created by another user",
                "`podid associate NS/SA --role ROLE`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "packed-policy",
            world: vec![
                ("/roles/-", role("carts")),
                (
                    "/associations",
                    json!([{"namespace": "carts", "service_account": "carts",
                            "role": "arn:aws:iam::111122223333:role/eks-workshop-nodes"}]),
                ),
            ],
            args: ASSOCIATE,
            broken: Broken::Field("/associations/0/policy", json!("{\"Version\":\"2012-10-17\",\"Statement\":[]}")),
            says: &[
                "PackedPolicyTooLarge: a session policy requires disableSessionTags",
                "session tags and session policy together exceed the size limit of STS",
                "`podid associate NS/SA --role ROLE --disable-session-tags`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "packed-policy-code",
            world: with_role(),
            args: ASSOCIATE,
            broken: Broken::Answer(
                "eks",
                "CreatePodIdentityAssociation",
                400,
                "PackedPolicyTooLargeException",
                "Packed size of session tags consumes 112% of allotted space.",
            ),
            says: &[
                "Packed size of session tags consumes 112% of allotted space.",
                "session tags and session policy together exceed the size limit of STS",
                "`podid associate NS/SA --role ROLE --disable-session-tags`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "association-id",
            world: vec![
                ("/roles/-", role("carts")),
                ("/associations", json!([{"namespace": "carts", "service_account": "carts", "role": ROLE}])),
            ],
            args: "list",
            broken: Broken::Answer(
                "eks",
                "DescribePodIdentityAssociation",
                400,
                "InvalidParameterException",
                "The parameter associationId should be 19 characters long",
            ),
            says: &[
                "The parameter associationId should be 19 characters long",
                "this is not an association ID",
                "`podid list`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "eks-quota",
            world: vec![("/roles/-", role("carts")), ("/associations", json!(quota))],
            args: ASSOCIATE,
            broken: Broken::Field("/associations/-", association(4999)),
            says: &[
                "You've reached the quota of 5000 pod identity associations",
                "an EKS quota is exhausted",
                "list the associations: `podid list`",
                "request id",
            ],
            code: 1,
        },
    ]
}

/// Somebody else is faster: after podid's List, before its Create.
fn associate_first(env: &Env) {
    let listed = |env: &Env| env.world.journal().calls().iter().any(|c| c.operation == "ListPodIdentityAssociations");
    let start = std::time::Instant::now();
    while !listed(env) {
        assert!(start.elapsed() < SOON, "podid never listed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let id = "a-0123456789abcdefg".to_owned();
    let now = env.world.clock().now();
    env.world.with(|state| {
        let association = podid_sandbox::aws::Association {
            id: id.clone(),
            arn: format!("arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/{id}"),
            cluster: "eks-workshop".to_owned(),
            namespace: "carts".to_owned(),
            service_account: "carts".to_owned(),
            role_arn: "arn:aws:iam::111122223333:role/eks-workshop-nodes".to_owned(),
            target_role_arn: None,
            disable_session_tags: false,
            policy: None,
            owner_arn: None,
            tags: std::collections::BTreeMap::new(),
            created_at: now,
            modified_at: now,
            deleted_at: None,
        };
        state.aws.associations.insert(id, association);
    });
}
