//! What AWS and Kubernetes answer to everything else.

use serde_json::{Value, json};

use super::{Broken, Case, all_but, role, with_role};
use crate::support::Env;

fn of_the_agent() -> Vec<Case> {
    let install = "agent install --yes";
    let daemon_set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "eks-pod-identity-agent", "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "agent", "image": "agent:1"}]},
            },
        },
    });
    vec![
        Case {
            name: "addon-exists",
            world: Vec::new(),
            args: install,
            // podid finds an add-on that is there; AWS may know of one that it does not show yet.
            broken: Broken::Answer("eks", "CreateAddon", 409, "ResourceInUseException", "Addon already exists."),
            says: &[
                "Addon already exists.",
                "is already installed, or is being installed",
                "`podid agent status`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "addon-version",
            world: Vec::new(),
            args: install,
            // Only for an add-on that is installed with associations.
            broken: Broken::Answer(
                "eks",
                "CreateAddon",
                400,
                "InvalidParameterException",
                "Pod Identity feature is not supported for addon version v1.2.0-eksbuild.1",
            ),
            says: &[
                "is not supported for addon version v1.2.0-eksbuild.1",
                "does not support Pod Identity yet",
                "`aws eks describe-addon-versions --addon-name ADDON`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "addon-conflict",
            // podid sees a DaemonSet first and installs nothing, unless it may not look.
            world: vec![("/callers/0/rbac_denies", json!(["list daemonsets"]))],
            args: install,
            broken: Broken::Field("/manifests/-", daemon_set),
            says: &[
                "ConfigurationConflict: Conflicts found when trying to apply.",
                "the agent was installed by other means",
                "`podid agent status`",
            ],
            code: 6,
        },
        Case {
            name: "addon-conflict-code",
            world: vec![("/addons", json!([{"name": "eks-pod-identity-agent", "version": "v1.3.10-eksbuild.1"}]))],
            args: install,
            broken: Broken::State(conflict),
            says: &[
                "ConfigurationConflict: Apply failed with 1 conflict",
                "the agent was installed by other means",
                "`podid agent status`",
            ],
            code: 1,
        },
    ]
}

/// The add-on's state: a conflict that another field manager has brought.
fn conflict(env: &Env) {
    env.world.with(|state| {
        for addon in state.aws.addons.values_mut() {
            "UPDATE_FAILED".clone_into(&mut addon.status);
            let why = "Apply failed with 1 conflict: conflict with helm: .spec.template";
            addon.issues = vec![("ConfigurationConflict".to_owned(), why.to_owned(), Vec::new())];
        }
    });
}

fn iam_answers() -> Vec<Case> {
    vec![
        Case {
            name: "malformed-policy",
            world: with_role(),
            args: "associate carts/carts --role carts --dynamodb eks-workshop-carts --no-wait --yes",
            // podid sends none that breaks a rule it knows; IAM may have more.
            broken: Broken::Answer(
                "iam",
                "PutRolePolicy",
                400,
                "MalformedPolicyDocument",
                "Policy statement must contain actions.",
            ),
            says: &[
                "Policy statement must contain actions.",
                "IAM rejects the policy document",
                "`aws accessanalyzer validate-policy",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "role-exists",
            world: Vec::new(),
            args: "associate carts/carts --role carts --create-role --no-wait --yes",
            // GetRole tells names apart by case, CreateRole does not.
            broken: Broken::Field("/roles/-", role("CARTS")),
            says: &[
                "Role with name carts already exists.",
                "IAM already has one of that name, possibly under another path",
                "`podid associate NS/SA --role ROLE`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "trust-size",
            world: Vec::new(),
            args: "associate carts/carts --create-role --no-wait --yes",
            // podid counts before it writes; AWS may count otherwise.
            broken: Broken::Answer(
                "iam",
                "CreateRole",
                409,
                "LimitExceeded",
                "Cannot exceed quota for ACLSizePerRole: 2048",
            ),
            says: &[
                "Cannot exceed quota for ACLSizePerRole: 2048",
                "trust policy would be longer than this account's quota of 2048 characters",
                "`podid associate NS/SA --create-role --scope namespace`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "inline-size",
            world: with_role(),
            args: "associate carts/carts --role carts --dynamodb eks-workshop-carts --no-wait --yes",
            // podid counts what is there, and writes nothing that it could not read.
            broken: Broken::Answer(
                "iam",
                "PutRolePolicy",
                409,
                "LimitExceeded",
                "Maximum policy size of 10240 bytes exceeded for role carts",
            ),
            says: &[
                "Maximum policy size of 10240 bytes exceeded for role carts",
                "inline policies together would exceed IAM's size limit",
                "`podid associate NS/SA --role ROLE --policy-arn ARN`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "iam-quota",
            world: with_role(),
            args: "associate carts/carts --role carts --policy-arn arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess --no-wait --yes",
            broken: Broken::Field("/roles/1/attached", attached()),
            says: &[
                "Cannot exceed quota for PoliciesPerRole",
                "an IAM quota is exhausted",
                "`aws iam get-account-summary`",
                "request id",
            ],
            code: 1,
        },
    ]
}

/// As many managed policies as a role may have.
fn attached() -> Value {
    (0..PER_ROLE).map(|n| json!(format!("arn:aws:iam::111122223333:policy/p{n}"))).collect()
}

/// AWS's quota of managed policies for each role.
const PER_ROLE: usize = 10;

#[expect(clippy::too_many_lines, reason = "a table")]
fn of_callers() -> Vec<Case> {
    let deny = json!([
        {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "eks:ListPodIdentityAssociations", "Resource": "*"},
        ]},
    ]);
    vec![
        Case {
            name: "no-cluster",
            // Without eks:ListClusters podid cannot say which clusters there are.
            world: vec![("/callers/0/policies", all_but(&["eks:ListClusters"]))],
            args: "list",
            broken: Broken::Field("/clusters/0/name", json!("eks-workshop-blue")),
            says: &[
                "No cluster found for name: eks-workshop.",
                "the cluster does not exist in this account and region",
                "list the clusters: `aws eks list-clusters`",
                "request id",
            ],
            code: 1,
        },
        Case {
            name: "expired",
            world: Vec::new(),
            args: "list",
            broken: Broken::Answer(
                "eks",
                "ListPodIdentityAssociations",
                403,
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
            says: &[
                "The security token included in the request is expired",
                "the AWS credentials have expired",
                "`aws sso login`",
                "request id",
            ],
            code: 4,
        },
        Case {
            name: "unknown-key",
            world: Vec::new(),
            args: "list",
            broken: Broken::Var("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7UNKNOWN"),
            says: &[
                "The security token included in the request is invalid.",
                "AWS does not know these credentials",
                "`aws sts get-caller-identity`",
                "request id",
            ],
            code: 4,
        },
        Case {
            name: "wrong-signature",
            world: Vec::new(),
            args: "list",
            broken: Broken::Var("AWS_SECRET_ACCESS_KEY", "wrong"),
            says: &[
                "The request signature we calculated does not match the signature you provided.",
                "the secret access key is wrong, or this machine's clock is off",
                "`aws configure`",
                "request id",
            ],
            code: 4,
        },
        Case {
            name: "unauthorized",
            world: Vec::new(),
            args: "agent status",
            broken: Broken::Field("/callers/0/access_entry", json!(false)),
            says: &[
                "the cluster does not know the caller",
                "has no access entry for arn:aws:iam::111122223333:user/workshop",
                "`aws eks create-access-entry --cluster-name eks-workshop --principal-arn arn:aws:iam::111122223333:user/workshop`",
            ],
            code: 4,
        },
        Case {
            name: "explicit-deny",
            world: Vec::new(),
            args: "list",
            broken: Broken::Field("/callers/0/policies", deny),
            says: &[
                "with an explicit deny in an identity-based policy",
                "a policy denies `eks:ListPodIdentityAssociations` to the caller",
                "or use another `--profile`",
                "request id",
            ],
            code: 4,
        },
        Case {
            name: "denied",
            world: Vec::new(),
            args: "list",
            broken: Broken::Field("/callers/0/policies", all_but(&["eks:ListPodIdentityAssociations"])),
            says: &[
                "is not authorized to perform: eks:ListPodIdentityAssociations",
                "the caller lacks the permission `eks:ListPodIdentityAssociations`",
                "allow `eks:ListPodIdentityAssociations` on `arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop`",
                "request id",
            ],
            code: 4,
        },
        Case {
            name: "throttled",
            world: Vec::new(),
            args: "list",
            broken: Broken::Answer("eks", "ListPodIdentityAssociations", 429, "ThrottlingException", "Rate exceeded"),
            says: &["Rate exceeded", "makes too many calls", "`AWS_MAX_ATTEMPTS=20`", "request id"],
            code: 1,
        },
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [of_the_agent(), iam_answers(), of_callers()].into_iter().flatten().collect()
}
