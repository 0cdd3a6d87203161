//! What SDKs in pods say: podid shows their last lines when a rollout is ended.

use serde_json::{Value, json};

use super::{Broken, Case, role, trust};
use crate::support::APP;

const RECYCLE: &str = "recycle carts/carts --allow-missing-agent --timeout 90s";

/// The carts lab done: role, association and agent. The pods are well once they are restarted.
fn done() -> Vec<(&'static str, Value)> {
    let mut carts = role("carts");
    carts["inline"] = json!({"table": allow("dynamodb:*")});
    vec![
        ("/roles/-", carts),
        (
            "/associations",
            json!([{"namespace": "carts", "service_account": "carts", "role": "arn:aws:iam::111122223333:role/carts"}]),
        ),
        ("/addons", json!([{"name": "eks-pod-identity-agent", "version": "v1.3.10-eksbuild.1"}])),
    ]
}

fn allow(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

fn case(name: &'static str, broken: Broken, says: &'static [&'static str]) -> Case {
    // The restart itself was written.
    Case { name, world: done(), args: RECYCLE, broken, says, code: 6 }
}

/// The app ends with this text: for what an SDK says in worlds that cannot be had here.
fn says(text: &str) -> Broken {
    Broken::Field(APP, json!(format!("crash {text}")))
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    let mut denied = allow("dynamodb:*");
    denied["Statement"] = json!([
        denied["Statement"][0],
        {"Effect": "Deny", "Action": "dynamodb:Query", "Resource": "*"},
    ]);
    vec![
        case(
            "log-node-role",
            says(
                "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/eks-workshop-nodes/i-0a11b22c33d44e551 is not \
                 authorized to perform: dynamodb:Query on resource: \
                 arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts/index/idx_global_customerId because no \
                 identity-based policy allows the dynamodb:Query action",
            ),
            &[
                "Caused by: software.amazon.awssdk.services.dynamodb.model.DynamoDbException: AccessDeniedException: User: \
                 arn:aws:sts::111122223333:assumed-role/eks-workshop-nodes/i-0a11b22c33d44e55",
                "the pod acts as its node's role `eks-workshop-nodes`",
                "`podid associate carts/carts --create-role --dynamodb us-west-2:eks-workshop-carts=read`",
            ],
        ),
        case(
            "log-role-lacks-permission",
            Broken::Field("/roles/1/inline", json!({})),
            &[
                "is not authorized to perform: dynamodb:Query",
                "the credentials work: the pod acts as role `carts`, which lacks `dynamodb:Query`",
                "`podid associate carts/carts --role carts --dynamodb us-west-2:eks-workshop-carts=read`",
            ],
        ),
        case(
            "log-explicit-deny",
            Broken::Field("/roles/1/inline/table", denied),
            &[
                "with an explicit deny in an identity-based policy",
                "the credentials work, and an identity-based policy denies `dynamodb:Query`",
                "find the Deny on `dynamodb:Query`",
            ],
        ),
        case(
            "log-boundary",
            Broken::Field("/roles/1/boundary", json!("arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy")),
            &[
                "because no permissions boundary allows the dynamodb:Query action",
                "the credentials work, and the permissions boundary does not allow `dynamodb:Query`",
                "`aws iam get-role --role-name carts --query Role.PermissionsBoundary`",
            ],
        ),
        case(
            "log-session-policy",
            Broken::Field("/associations/0/policy", json!(allow("s3:*").to_string())),
            &[
                "because no session policy allows the dynamodb:Query action",
                "the credentials work, and a session policy does not allow `dynamodb:Query`",
                "`podid show carts/carts -o yaml`",
            ],
        ),
        case(
            "log-trust",
            Broken::Field("/roles/1/trust", trust(&["sts:AssumeRole"])),
            &[
                "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
                "EKS may not assume the associated role",
                "check the trust policy: `podid role trust ROLE`",
            ],
        ),
        case(
            "log-node-role-lacks-eks-auth",
            Broken::Field("/roles/0/attached", json!([])),
            &[
                "is not authorized to perform: eks-auth:AssumeRoleForPodIdentity",
                "the node role `eks-workshop-nodes` lacks `eks-auth:AssumeRoleForPodIdentity`",
                "`aws iam attach-role-policy --role-name eks-workshop-nodes",
            ],
        ),
        case(
            "log-no-agent",
            Broken::Field("/addons", json!([])),
            &[
                "Connect timeout on endpoint URL: \"http://169.254.170.23/v1/credentials\"",
                "no agent answers at 169.254.170.23",
                "check where the agent is ready: `podid agent status`",
            ],
        ),
        case(
            "log-agent-refused",
            says("Error when retrieving credentials from container-role: Connection refused: 169.254.170.23:80"),
            &[
                "Connection refused: 169.254.170.23:80",
                "no agent answers at 169.254.170.23",
                "check where the agent is ready: `podid agent status`",
            ],
        ),
        case(
            "log-no-association",
            says(
                "Error when retrieving credentials from container-role: (ResourceNotFoundException): The token included \
                 in the request has no service account role association for it., fault: client",
            ),
            &[
                "has no service account role association for it",
                "EKS finds no association for the service account",
                "`podid associate carts/carts --role ROLE`",
            ],
        ),
        Case {
            world: [done(), vec![("/manifests/7/data/AWS_SECRET_ACCESS_KEY", json!("secret"))]].concat(),
            ..case(
                "log-static-keys",
                Broken::Field("/manifests/7/data/AWS_ACCESS_KEY_ID", json!("key")),
                &[
                    "The security token included in the request is invalid.",
                    "it uses access keys that AWS does not know",
                    "`podid verify carts/carts --read-secrets`",
                ],
            )
        },
    ]
}
