//! What `podid migrate plan` checks.

use crate::checks::{Check, Follows, Link};

/// Every check of a migration.
pub static CHECKS: &[&Check] = &[
    &READY,
    &UNREAD,
    &INVALID_ROLE,
    &NO_ROLE,
    &OTHER_ACCOUNT,
    &OTHER_ASSOCIATION,
    &SESSION_POLICY,
    &ADD_ON,
    &NOT_TRUSTED,
    &TRUST_UNCLEAR,
    &OPEN_SUBJECT,
    &TRUST_FULL,
    &TRUST_BLOCKED,
    &ISSUER_CONDITIONS,
    &CHAINED_ROLE,
    &SELF_ASSUMED,
    &MSK,
    &AGENT,
    &NODES,
    &UNSUPPORTED_NODES,
    &NETWORK,
    &OWN_VARIABLES,
    &UNREAD_SECRETS,
    &AUDIENCE,
    &NO_PODS,
    &NOT_SERVED,
    &UNSEEN_ROLE,
    &OTHER_POD_ROLE,
    &NO_CREDENTIALS,
    &BY_HAND,
    &MANAGED_ROLE,
];

const RESTRICTIONS: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html";
const ROLE_PAGE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html";
const TARGET_PAGE: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html";
const WEBHOOK: &str = "https://github.com/aws/amazon-eks-pod-identity-webhook";
const SIZE_PAGE: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html";
const ORDER: &str = "https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html";
const KEYS_PAGE: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html";

macro_rules! checks {
    ($($name:ident = $id:literal: $title:literal, $background:literal, [$($source:expr),*];)+) => {$(
        pub(super) static $name: Check = Check {
            id: $id,
            link: Link::Migration,
            title: $title,
            background: $background,
            sources: &[$($source),*],
            follows: Follows::Nothing,
        };
    )+};
}

checks! {
    READY = "migrate.ready": "the service account can move to Pod Identity",
        "podid checks the role, its trust policy and permissions, the association, the nodes, and the pods. It does not check the versions of the SDKs in the images, or applications that read the token of IRSA themselves.",
        [ROLE_PAGE];
    UNREAD = "migrate.unread": "something that decides could not be read",
        "Without it podid cannot tell whether the service account would keep its access, so it does not call it ready.",
        [];
    INVALID_ROLE = "migrate.invalid-role": "the annotation does not name a role",
        "The webhook of IRSA injects whatever the annotation says, and STS rejects it when a pod asks for credentials.",
        [WEBHOOK];
    NO_ROLE = "migrate.role-missing": "the role of the annotation does not exist",
        "Pods with this annotation get no credentials today.",
        [ROLE_PAGE];
    OTHER_ACCOUNT = "migrate.other-account": "the role is in another account than the cluster",
        "An association takes only roles of the cluster's account. EKS assumes a role there first, and with it the role of the other account, which is the association's target role. The trust policy of the target role has to allow the first role; the OIDC provider of the other account stays until nothing uses it.",
        [TARGET_PAGE];
    OTHER_ASSOCIATION = "migrate.other-association": "the service account has an association for another role",
        "An association takes precedence over the annotation: pods that start now get its role, and those that started before it keep the role of the annotation.",
        [WEBHOOK];
    SESSION_POLICY = "migrate.session-policy": "the association has a session policy",
        "The session policy limits what pods may do by the association. Sessions of IRSA have none: pods that start now have fewer permissions than those that use IRSA.",
        [ROLE_PAGE];
    ADD_ON = "migrate.add-on": "the service account belongs to an EKS add-on",
        "EKS add-ons have a setting of their own for Pod Identity. An update of the add-on creates the association, and restarts the add-on's pods.",
        ["https://docs.aws.amazon.com/eks/latest/userguide/add-ons-iam.html"];
    NOT_TRUSTED = "migrate.not-trusted": "the role's trust policy does not allow the service account through IRSA",
        "The service account has no access to this role today, because a statement is for another cluster or another service account, or has a typo. Moving it to Pod Identity would give it access that it does not have.",
        ["https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html"];
    TRUST_UNCLEAR = "migrate.trust-unclear": "whether the trust policy allows the service account through IRSA cannot be determined",
        "A condition asks for something that only the request itself has, for example its network. Such a condition does not hold for Pod Identity: EKS makes the call, not the pod.",
        [KEYS_PAGE];
    OPEN_SUBJECT = "migrate.open-subject": "the trust policy allows service accounts that it does not name",
        "An association is for one service account, without wildcards. The service accounts of this plan get one each; a service account that is created later gets none by itself, although the trust policy would allow it through IRSA.",
        ["https://github.com/aws/amazon-eks-pod-identity-webhook/issues/193"];
    TRUST_FULL = "migrate.trust-full": "podid's statements do not fit into the trust policy",
        "Statements for IRSA and for Pod Identity stand beside each other until the migration is finished. IAM limits a trust policy to 2,048 characters, or up to 4,096 after a quota increase.",
        [SIZE_PAGE];
    TRUST_BLOCKED = "migrate.trust-blocked": "podid cannot add its statement to the trust policy",
        "A statement denies it, or one that podid did not create has its Sid.",
        [ROLE_PAGE];
    ISSUER_CONDITIONS = "migrate.issuer-conditions": "a policy of the role asks for the claims of a web identity",
        "Keys such as oidc.eks.REGION.amazonaws.com/id/ID:sub and aws:FederatedProvider exist only in sessions of IRSA. In sessions of Pod Identity these conditions do not hold. Policies of buckets, queues and keys may have them as well: podid reads only those of the role.",
        [KEYS_PAGE];
    CHAINED_ROLE = "migrate.chained-role": "the role may assume other roles",
        "The session tags of Pod Identity are transitive: when the application assumes another role, STS requires sts:TagSession in the policies of the first role and in the trust policy of the other one. Sessions of IRSA have no tags. With `--disable-session-tags` of `podid associate` there are none either.",
        ["https://github.com/aws/eks-pod-identity-agent/issues/80"];
    SELF_ASSUMED = "migrate.self-assumed": "the role may assume itself, without sts:TagSession",
        "Applications that assume their own role again, by AWS_ROLE_ARN or a setting, need sts:TagSession in its trust policy, because the sessions of Pod Identity have tags.",
        ["https://github.com/robertlestak/cert-manager-sync/issues/20"];
    MSK = "migrate.msk": "the role allows connections to Amazon MSK",
        "The name of a Pod Identity session changes whenever the credentials are renewed. Amazon MSK ends the connection then: `Cannot change principals during re-authentication`. A client that assumes a second role with a fixed session name is not affected.",
        ["https://github.com/aws/containers-roadmap/issues/2362"];
    AGENT = "migrate.agent": "the agent is not installed",
        "Pods get their credentials from the agent on their node. The plan installs it first.",
        ["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"];
    NODES = "migrate.nodes": "a node of the pods has no ready agent",
        "Pods on such a node would lose their access when they restart.",
        ["https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html"];
    UNSUPPORTED_NODES = "migrate.unsupported-nodes": "pods run where Pod Identity does not work",
        "Pod Identity works on Linux nodes of EC2 and EKS Auto Mode, and on hybrid nodes with their own DaemonSet; not on Fargate, Windows or AWS Outposts. IRSA does.",
        [RESTRICTIONS];
    NETWORK = "migrate.network": "something may block the pods from the agent",
        "IRSA calls STS over the network, and Pod Identity calls the agent on the node at 169.254.170.23 (or [fd00:ec2::23]), port 80. A NetworkPolicy for egress, a proxy without these addresses in NO_PROXY, or security groups for pods in strict mode block that, and IRSA works beside them.",
        ["https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html"];
    OWN_VARIABLES = "migrate.own-variables": "the pods set the variables of a web identity themselves",
        "AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE comes before the credentials of Pod Identity in every SDK, and the webhook removes nothing that a pod sets itself: such pods stay on IRSA without an error, until its token or trust is removed.",
        [ORDER];
    UNREAD_SECRETS = "migrate.unread-secrets": "the pods take variables from Secrets that were not read",
        "A Secret may set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or access keys, which come before the credentials of Pod Identity. With `--read-secrets` podid reads the names of the keys, never a value.",
        [ORDER];
    AUDIENCE = "migrate.audience": "the token has another audience than STS",
        "The annotation eks.amazonaws.com/audience gives pods a token for another audience, often for a system that is not AWS. The token of Pod Identity is only for EKS Auth, and pods with an association get no other one.",
        [WEBHOOK];
    NO_PODS = "migrate.no-pods": "nothing runs as the service account",
        "A controller may read the annotation and request a token for the service account itself (external-secrets, CSI drivers, Flux, Crossplane). Such a controller does not use an association, and stops working when the annotation is removed.",
        ["https://github.com/external-secrets/external-secrets/issues/2343"];
    NOT_SERVED = "migrate.not-served": "the role's trust policy does not allow the service account by Pod Identity",
        "The association is there, and EKS may not assume its role for the service account: pods that start now get no credentials.",
        [ROLE_PAGE];
    UNSEEN_ROLE = "migrate.unseen-role": "the role of the association was not checked",
        "With a target role, EKS assumes the role of the association first. The plan reads only the role of the annotation, so it cannot tell whether the chain of both works; `podid verify` can.",
        [TARGET_PAGE];
    OTHER_POD_ROLE = "migrate.other-pod-role": "pods run with another role than that of the annotation",
        "The annotation was changed after these pods started: they keep the role that they started with. A restart gives them the role of the annotation, through IRSA or Pod Identity.",
        [WEBHOOK];
    NO_CREDENTIALS = "migrate.no-credentials": "pods use neither IRSA nor Pod Identity",
        "They started before the annotation was there, or their annotations or labels keep the webhook away, which then applies to Pod Identity too.",
        [WEBHOOK];
    BY_HAND = "migrate.by-hand": "podid does not restart some of the pods",
        "A pod without a controller is not recreated by anything, and pods of other controllers are restarted in their own way. They use IRSA until they are recreated.",
        [ROLE_PAGE];
    MANAGED_ROLE = "migrate.managed-role": "CloudFormation manages the role",
        "The next update of the stack may remove podid's statement from the trust policy, and the pods lose their access.",
        ["https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html"];
}
