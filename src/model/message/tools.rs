//! Controllers, drivers and images that add words of their own.

use super::{Meaning, Row, row};

pub(super) static ROWS: &[Row] = &[
    row(
        "external-dns",
        "external-dns",
        Meaning::UnnamedRefusal,
        &["records retrieval failed: failed to list hosted zones"],
        "records retrieval failed: failed to list hosted zones: AccessDenied",
        "https://github.com/kubernetes-sigs/external-dns/issues/4219",
    )
    .remedy("allow `route53:ListHostedZones` on `*` to its role")
    .rank(-1),
    row(
        "cert-manager-role",
        "cert-manager",
        Meaning::SecondRole,
        &["error instantiating route53 challenge solver: unable to assume role"],
        "error instantiating route53 challenge solver: unable to assume role: AccessDenied",
        "https://github.com/cert-manager/cert-manager/issues/5557",
    )
    .remedy("remove `role` and `auth` from `spec.acme.solvers[].dns01.route53` of the issuer, if it is the role that the pod already has"),
    row(
        "cert-manager-ambient",
        "cert-manager",
        Meaning::Ambient,
        &["empty credentials; perhaps you meant to enable ambient credentials"],
        "error instantiating route53 challenge solver: unable to construct route53 provider: empty credentials; perhaps you meant to enable ambient credentials?",
        "https://github.com/cert-manager/cert-manager/issues/6909",
    ),
    row(
        "cert-manager-zone",
        "cert-manager",
        Meaning::UnnamedRefusal,
        &["failed to determine route 53 hosted zone id"],
        "failed to determine Route 53 hosted zone ID: AccessDenied",
        "https://github.com/cert-manager/cert-manager/issues/2010",
    )
    .remedy("allow `route53:ListHostedZonesByName` on `*` to its role")
    .rank(-1),
    row(
        "alb-vpc",
        "AWS Load Balancer Controller",
        Meaning::Metadata,
        &["failed to fetch vpc id from instance metadata"],
        "unable to initialize AWS cloud: failed to get VPC ID: failed to fetch VPC ID from instance metadata: error in fetching vpc id through ec2 metadata: get mac metadata: operation error ec2imds: GetMetadata, canceled, context deadline exceeded",
        "https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/3937",
    )
    .remedy("pass `--aws-vpc-id` and `--aws-region` to the controller (`vpcId` and `region` of its Helm chart)")
    .rank(1),
    row(
        "alb-introspect",
        "AWS Load Balancer Controller",
        Meaning::Metadata,
        &["failed to introspect vpcid from ec2metadata"],
        "failed to introspect vpcID from EC2Metadata, specify --aws-vpc-id instead if EC2Metadata is unavailable: RequestError: send request failed",
        "https://github.com/awslabs/cdk-eks-blueprints/issues/312",
    )
    .remedy("pass `--aws-vpc-id` and `--aws-region` to the controller (`vpcId` and `region` of its Helm chart)")
    .rank(1),
    row(
        "alb-region",
        "AWS Load Balancer Controller",
        Meaning::Metadata,
        &["failed to introspect region from ec2metadata"],
        "failed to introspect region from EC2Metadata, specify --aws-region instead if EC2Metadata is unavailable",
        "https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1561",
    )
    .remedy("pass `--aws-vpc-id` and `--aws-region` to the controller (`vpcId` and `region` of its Helm chart)")
    .rank(1),
    row(
        "karpenter-fleet",
        "Karpenter",
        Meaning::Encoded,
        &["with fleet error(s), unauthorizedoperation"],
        "launching instances, with fleet error(s), UnauthorizedOperation: You are not authorized to perform this operation. Encoded authorization failure message: g4oZPBqZ",
        "https://github.com/aws/karpenter-provider-aws/issues/1488",
    ),
    row(
        "karpenter-class",
        "Karpenter",
        Meaning::UnnamedRefusal,
        &["controller isn't authorized to call"],
        "Controller isn't authorized to call ec2:CreateFleet",
        "https://github.com/kubernetes-sigs/karpenter/issues/2813",
    )
    .remedy("allow the action in the line for the role of the controller"),
    row(
        "ebs-volume",
        "EBS CSI driver",
        Meaning::Encoded,
        &["could not create volume in ec2: unauthorizedoperation"],
        "could not create volume in EC2: UnauthorizedOperation: You are not authorized to perform this operation.",
        "https://github.com/kubernetes-sigs/aws-ebs-csi-driver/issues/963",
    )
    .remedy("attach the managed policy that the driver needs: `podid associate NS/SA --role ROLE --policy-arn arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy`")
    .rank(1),
    row(
        "ec2-unauthorized",
        "Amazon EC2",
        Meaning::Encoded,
        &["unauthorizedoperation", "you are not authorized to perform this operation"],
        "UnauthorizedOperation: You are not authorized to perform this operation.",
        "https://github.com/hashicorp/terraform-provider-aws/issues/8720",
    )
    .rank(-1),
    row(
        "kubelet-ecr",
        "containerd",
        Meaning::UnnamedRefusal,
        &["failed to resolve reference", ".dkr.ecr.", "403 forbidden"],
        "failed to pull and unpack image \"111122223333.dkr.ecr.us-west-2.amazonaws.com/carts:1\": failed to resolve reference \"111122223333.dkr.ecr.us-west-2.amazonaws.com/carts:1\": unexpected status from HEAD request to https://111122223333.dkr.ecr.us-west-2.amazonaws.com/v2/carts/manifests/1: 403 Forbidden",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/ECR_on_EKS.html",
    )
    .remedy("allow the role of the node to pull the image (AmazonEC2ContainerRegistryPullOnly), and in the policy of the repository, if that is in another account: the node pulls images, not the pod, so Pod Identity is not used")
    .rank(1),
    row(
        "efs-mount",
        "EFS CSI driver",
        Meaning::UnnamedRefusal,
        &["mount.nfs4: access denied by server while mounting"],
        "b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'",
        "https://github.com/awslabs/cdk-eks-blueprints/issues/1052",
    )
    .remedy("check the file system policy and the access point, allow `elasticfilesystem:ClientMount` to the role, and mount with the option `iam`"),
    row(
        "s3-csi-list",
        "Mountpoint for S3 CSI driver",
        Meaning::UnnamedRefusal,
        &["initial listobjectsv2 failed for bucket"],
        "Error: Failed to create S3 client. Caused by: 0: initial ListObjectsV2 failed for bucket orders in region us-east-1",
        "https://github.com/awslabs/mountpoint-s3-csi-driver/issues/586",
    )
    .remedy("allow `s3:ListBucket` on the bucket to the role of the driver, or of the pod with `authenticationSource: pod`")
    .rank(-1),
    row(
        "eso-provider",
        "External Secrets",
        Meaning::SecondRole,
        &["could not validate provider: accessdenied"],
        "could not validate provider: AccessDenied",
        "https://github.com/external-secrets/external-secrets/issues/5222",
    )
    .remedy("remove `role` and `auth` from the SecretStore, if it is the role that the pod already has")
    .rank(-1),
    row(
        "eso-irsa",
        "External Secrets",
        Meaning::WantsIrsa,
        &["expected env variable: aws_web_identity_token_file not found on controller's pod"],
        "expected env variable: AWS_WEB_IDENTITY_TOKEN_FILE not found on controller's pod",
        "https://github.com/external-secrets/external-secrets/issues/2951",
    ),
    row(
        "fluent-bit-profile",
        "Fluent Bit",
        Meaning::Profile,
        &["[aws_credentials] failed to retrieve credentials for aws profile"],
        "[aws_credentials] Failed to retrieve credentials for AWS Profile default",
        "https://github.com/fluent/fluent-bit/blob/master/src/aws/flb_aws_credentials_profile.c",
    ),
    row(
        "fluent-bit-none",
        "Fluent Bit",
        Meaning::NoCredentials,
        &["[signv4] provider returned no credentials"],
        "[2026/01/01 00:00:00] [error] [signv4] Provider returned no credentials, service=logs",
        "https://github.com/fluent/fluent-bit/blob/master/src/flb_signv4.c",
    ),
    row(
        "fluent-bit-sts",
        "Fluent Bit",
        Meaning::SecondRole,
        &["[aws_credentials] failed to parse response from sts"],
        "[aws_credentials] Failed to parse response from STS",
        "https://github.com/aws/aws-for-fluent-bit/issues/784",
    )
    .remedy("use a release of Fluent Bit that supports Pod Identity, and remove `role_arn` if it is the role that the pod already has"),
    row(
        "opensearch",
        "Amazon OpenSearch",
        Meaning::UnnamedRefusal,
        &["no permissions for [", "and user [name=arn:"],
        "no permissions for [indices:data/write/bulk] and User [name=arn:aws:iam::111122223333:role/nodes, backend_roles=[arn:aws:iam::111122223333:role/nodes], requestedTenant=null]",
        "https://github.com/aws/aws-for-fluent-bit/issues/83",
    )
    .remedy("map the role to a role of OpenSearch in its security settings; IAM allowed the call"),
    row(
        "vault-seal",
        "Vault",
        Meaning::NoCredentials,
        &["error fetching aws kms wrapping key information"],
        "error parsing Seal configuration: error fetching AWS KMS wrapping key information: NoCredentialProviders: no valid providers in chain. Deprecated.",
        "https://github.com/hashicorp/vault/issues/30625",
    )
    .remedy("use a release of Vault whose AWS SDK supports Pod Identity")
    .rank(1),
    row(
        "vault-storage",
        "Vault",
        Meaning::NoCredentials,
        &["error initializing storage of type dynamodb"],
        "Error initializing storage of type dynamodb: NoCredentialProviders: no valid providers in chain. Deprecated.",
        "https://github.com/hashicorp/vault/issues/31860",
    )
    .remedy("use IRSA or another storage: the DynamoDB client of Vault does not support Pod Identity")
    .rank(1),
    row(
        "velero-store",
        "Velero",
        Meaning::NoCredentials,
        &["error getting backup store for"],
        "Error getting backup store for this location",
        "https://github.com/velero-io/velero/issues/5612",
    )
    .remedy("use a release of velero-plugin-for-aws whose AWS SDK supports Pod Identity, and no credentials Secret (`credentials.useSecret: false` of its Helm chart)")
    .rank(-1),
    row(
        "velero-location",
        "Velero",
        Meaning::NoCredentials,
        &["backupstoragelocation", "is unavailable"],
        "BackupStorageLocation \"default\" is unavailable: rpc error: code = Unknown desc = no credentials",
        "https://github.com/velero-io/velero/issues/6439",
    )
    .remedy("use a release of velero-plugin-for-aws whose AWS SDK supports Pod Identity, and no credentials Secret (`credentials.useSecret: false` of its Helm chart)")
    .rank(-1),
    row(
        "secrets-store",
        "Secrets Store CSI driver",
        Meaning::Slow,
        &["endpoint attempt failed: http request to pod identity agent failed"],
        "IPv4 endpoint attempt failed: HTTP request to pod identity agent failed: Get \"http://169.254.170.23/v1/credentials\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        "https://github.com/aws/secrets-store-csi-driver-provider-aws/issues/465",
    )
    .rank(1),
    row(
        "secrets-store-role",
        "AWS provider of the Secrets Store CSI driver",
        Meaning::WantsIrsa,
        &["an iam role must be associated with service account"],
        "MountVolume.SetUp failed for volume \"secrets\": us-west-2: An IAM role must be associated with service account carts (namespace: carts)",
        "https://github.com/aws/secrets-store-csi-driver-provider-aws/issues/300",
    )
    .remedy("set `usePodIdentity: \"true\"` in the parameters of the SecretProviderClass: without it, the provider uses IRSA"),
    row(
        "nginx-keys",
        "nginx-s3-gateway",
        Meaning::WantsKeys,
        &["required aws_access_key_id environment variable missing"],
        "Required AWS_ACCESS_KEY_ID environment variable missing",
        "https://github.com/nginx/nginx-s3-gateway/issues/373",
    ),
    row(
        "wants-key-id",
        "images with an entry point",
        Meaning::WantsKeys,
        &["aws_access_key_id", "must be set"],
        "error: AWS_ACCESS_KEY_ID must be set",
        "https://github.com/opf/helm-charts/issues/174",
    )
    .rank(-1),
    row(
        "wants-key-id-required",
        "images with an entry point",
        Meaning::WantsKeys,
        &["aws_access_key_id", "is required"],
        "AWS_ACCESS_KEY_ID is required",
        "https://github.com/opf/helm-charts/issues/174",
    )
    .rank(-1),
    row(
        "wants-key-python",
        "Python programs",
        Meaning::WantsKeys,
        &["keyerror: 'aws_access_key_id'"],
        "KeyError: 'AWS_ACCESS_KEY_ID'",
        "https://docs.python.org/3/library/os.html#os.environ",
    )
    .remedy("remove the keys from the code, so that boto3 uses its default chain; or use a release of the program that does not require them")
    .rank(-1),
    row(
        "wants-key-spring",
        "Spring",
        Meaning::WantsKeys,
        &["could not resolve placeholder 'aws_access_key_id'"],
        "java.lang.IllegalArgumentException: Could not resolve placeholder 'AWS_ACCESS_KEY_ID' in value \"${AWS_ACCESS_KEY_ID}\"",
        "https://docs.spring.io/spring-framework/reference/core/beans/environment.html",
    )
    .remedy("remove the access keys from the settings of the program (application.yaml), so that the SDK uses its default chain"),
    row(
        "terraform-none",
        "Terraform",
        Meaning::NoCredentials,
        &["no valid credential sources"],
        "Error: No valid credential sources found",
        "https://registry.terraform.io/providers/hashicorp/aws/latest/docs",
    )
    .rank(-1),
    row(
        "exaws-metadata",
        "ExAws",
        Meaning::Metadata,
        &["instance meta error:"],
        "** (RuntimeError) Instance Meta Error: {:error, %{reason: :econnrefused}}",
        "https://github.com/ex-aws/ex_aws/pull/1169",
    )
    .remedy("upgrade ex_aws to a release with the Pod Identity provider"),
    row(
        "opendal-none",
        "OpenDAL",
        Meaning::NoCredentials,
        &["loading credential to sign http request"],
        "Unexpected (temporary) at stat => loading credential to sign http request",
        "https://github.com/apache/opendal-reqsign/pull/676",
    )
    .remedy("use a release of the program whose OpenDAL reads container credentials"),
    row(
        "envoy-task-role",
        "Envoy",
        Meaning::TokenMissing,
        &["could not load aws credentials document from the task role"],
        "[error][aws] Could not load AWS credentials document from the task role",
        "https://github.com/aws/aws-app-mesh-roadmap/issues/493",
    ),
    row(
        "envoy-metadata",
        "Envoy",
        Meaning::NoCredentials,
        &["could not fetch aws metadata"],
        "[source/extensions/common/aws/utility.cc:350] Could not fetch AWS metadata: HTTP response code said error",
        "https://github.com/envoyproxy/envoy/issues/37837",
    )
    .rank(-1),
];
