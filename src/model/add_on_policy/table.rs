//! The add-ons that `--add-on` knows, with what each needs. A row of its own statements says where the requirements are published
//! and when they were last compared.

use super::{AddOnPolicy, Argument, Managed, Part, Permits};

const fn part(suffix: &'static str, actions: &'static [&'static str], on: &'static [&'static str]) -> Part {
    Part { suffix, actions, on, when: &[] }
}

const fn managed(name: &'static str) -> Managed {
    Managed { name, elsewhere: None }
}

/// Every object of the bucket, or of the folder in it.
const OBJECTS: &[&str] = &["{argument}/*"];
const BUCKET: &[&str] = &["{bucket}"];
const EVERY: &[&str] = &["*"];

/// All add-ons, by their names.
pub static ADD_ONS: [AddOnPolicy; 13] = [
    AddOnPolicy {
        name: "adot",
        what: "AWS Distro for OpenTelemetry collector: metrics to Managed Prometheus, traces to X-Ray",
        account: "opentelemetry-operator-system/adot-col-prom-metrics",
        argument: None,
        permits: Permits::Managed(&[managed("AmazonPrometheusRemoteWriteAccess"), managed("AWSXrayWriteOnlyAccess")]),
        sid: "",
        source: "https://aws-otel.github.io/docs/getting-started/adot-eks-add-on",
        as_of: "2026-11",
        notes: &[
            "the collectors of the EKS add-on have a service account each: traces come from `adot-col-otlp-ingest`",
        ],
    },
    AddOnPolicy {
        name: "aws-load-balancer-controller",
        what: "load balancers for Ingress and Service",
        account: "kube-system/aws-load-balancer-controller",
        argument: None,
        permits: Permits::Release(
            "https://raw.githubusercontent.com/kubernetes-sigs/aws-load-balancer-controller/VERSION/docs/install/iam_policy.json \
             (iam_policy_cn.json and iam_policy_us-gov.json in other partitions)",
        ),
        sid: "",
        source: "https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/installation/",
        as_of: "2026-11",
        notes: &[],
    },
    AddOnPolicy {
        name: "cert-manager",
        what: "DNS01 challenges in a hosted zone of Route 53",
        account: "cert-manager/cert-manager",
        argument: Some(Argument::Zone),
        permits: Permits::Statements(&[
            Part {
                suffix: "Records",
                actions: &["route53:ChangeResourceRecordSets"],
                on: &["{argument}"],
                when: &[("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes", &["TXT"])],
            },
            part("List", &["route53:ListResourceRecordSets"], &["{argument}"]),
            part("Change", &["route53:GetChange"], &["arn:{partition}:route53:::change/*"]),
            part("Zones", &["route53:ListHostedZonesByName"], EVERY),
        ]),
        sid: "PodidCertManager",
        source: "https://cert-manager.io/docs/configuration/acme/dns01/route53/",
        as_of: "2026-11",
        notes: &["only TXT records can be changed, which are all that DNS01 challenges need"],
    },
    AddOnPolicy {
        name: "cloudwatch-agent",
        what: "CloudWatch agent and CloudWatch Observability add-on: metrics, logs and traces",
        account: "amazon-cloudwatch/cloudwatch-agent",
        argument: None,
        permits: Permits::Managed(&[managed("CloudWatchAgentServerPolicy")]),
        sid: "",
        source: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/install-CloudWatch-Observability-EKS-addon.html",
        as_of: "2026-11",
        notes: &["CloudWatchAgentServerPolicy includes what AWSXrayWriteOnlyAccess allows"],
    },
    AddOnPolicy {
        name: "cluster-autoscaler",
        what: "scaling of the cluster's Auto Scaling groups",
        account: "kube-system/cluster-autoscaler",
        argument: None,
        permits: Permits::Statements(&[
            Part {
                suffix: "Scale",
                actions: &["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
                on: &["arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/*"],
                when: &[("StringEquals", "aws:ResourceTag/kubernetes.io/cluster/{cluster}", &["owned"])],
            },
            part(
                "NodeGroups",
                &["eks:DescribeNodegroup"],
                &["arn:{partition}:eks:{region}:{account}:nodegroup/{cluster}/*/*"],
            ),
            part(
                "Read",
                &[
                    "autoscaling:DescribeAutoScalingGroups",
                    "autoscaling:DescribeAutoScalingInstances",
                    "autoscaling:DescribeLaunchConfigurations",
                    "autoscaling:DescribeScalingActivities",
                    "autoscaling:DescribeTags",
                    "ec2:DescribeImages",
                    "ec2:DescribeInstanceTypes",
                    "ec2:DescribeLaunchTemplateVersions",
                    "ec2:GetInstanceTypesFromInstanceRequirements",
                ],
                EVERY,
            ),
        ]),
        sid: "PodidAutoscaler",
        source: "https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md",
        as_of: "2026-11",
        notes: &["only groups with the tag kubernetes.io/cluster/CLUSTER=owned are scaled, which EKS node groups have"],
    },
    AddOnPolicy {
        name: "ebs-csi",
        what: "EBS CSI driver: volumes and snapshots of EBS",
        account: "kube-system/ebs-csi-controller-sa",
        argument: None,
        permits: Permits::Managed(&[Managed {
            name: "AmazonEBSCSIDriverPolicyV2",
            elsewhere: Some("service-role/AmazonEBSCSIDriverPolicy"),
        }]),
        sid: "",
        source: "https://docs.aws.amazon.com/eks/latest/userguide/ebs-csi.html",
        as_of: "2026-11",
        notes: &[
            "AmazonEBSCSIDriverPolicyV2 allows only volumes and snapshots that the driver tagged; service-role/AmazonEBSCSIDriverPolicy, \
             which is attached outside the partition aws, allows others too",
            "AmazonEBSCSIDriverEKSClusterScopedPolicy is narrower still, and fails without session tags and for volumes of another cluster",
            "volumes with a customer managed KMS key need a grant of that key too",
        ],
    },
    AddOnPolicy {
        name: "efs-csi",
        what: "EFS CSI driver: access points of EFS",
        account: "kube-system/efs-csi-controller-sa",
        argument: None,
        permits: Permits::Managed(&[managed("service-role/AmazonEFSCSIDriverPolicy")]),
        sid: "",
        source: "https://docs.aws.amazon.com/eks/latest/userguide/efs-csi.html",
        as_of: "2026-11",
        notes: &[],
    },
    AddOnPolicy {
        name: "external-dns",
        what: "DNS records in a hosted zone of Route 53",
        account: "external-dns/external-dns",
        argument: Some(Argument::Zone),
        permits: Permits::Statements(&[
            part("Records", &["route53:ChangeResourceRecordSets"], &["{argument}"]),
            part(
                "Read",
                &["route53:ListResourceRecordSets", "route53:ListTagsForResource", "route53:ListTagsForResources"],
                &["arn:{partition}:route53:::hostedzone/*"],
            ),
            part("Zones", &["route53:ListHostedZones"], EVERY),
        ]),
        sid: "PodidExternalDns",
        source: "https://kubernetes-sigs.github.io/external-dns/latest/docs/tutorials/aws/",
        as_of: "2026-11",
        notes: &["it reads the records of every zone of the account, and changes only those of the zone that is named"],
    },
    AddOnPolicy {
        name: "external-secrets",
        what: "External Secrets Operator: reads secrets of Secrets Manager and parameters of SSM",
        account: "external-secrets/external-secrets",
        argument: None,
        permits: Permits::Statements(&[
            part(
                "Secrets",
                &[
                    "secretsmanager:DescribeSecret",
                    "secretsmanager:GetResourcePolicy",
                    "secretsmanager:GetSecretValue",
                    "secretsmanager:ListSecretVersionIds",
                ],
                &["arn:{partition}:secretsmanager:{region}:{account}:secret:*"],
            ),
            part(
                "Parameters",
                &["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
                &["arn:{partition}:ssm:{region}:{account}:parameter/*"],
            ),
            Part {
                suffix: "Keys",
                actions: &["kms:Decrypt"],
                on: &["arn:{partition}:kms:{region}:{account}:key/*"],
                when: &[("StringLike", "kms:ViaService", &["secretsmanager.{region}.{dns}", "ssm.{region}.{dns}"])],
            },
            part(
                "Find",
                &["secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets", "ssm:DescribeParameters"],
                EVERY,
            ),
        ]),
        sid: "PodidExternalSecrets",
        source: "https://external-secrets.io/latest/provider/aws-secrets-manager/",
        as_of: "2026-11",
        notes: &[
            "it can read every secret and parameter of the cluster's region; --secret and --ssm grant single ones instead",
            "PushSecret is not included",
        ],
    },
    AddOnPolicy {
        name: "fluent-bit",
        what: "Fluent Bit for Container Insights: logs to the cluster's groups in CloudWatch Logs",
        account: "amazon-cloudwatch/fluent-bit",
        argument: None,
        permits: Permits::Statements(&[
            part(
                "Streams",
                &["logs:CreateLogStream", "logs:PutLogEvents"],
                &["arn:{partition}:logs:{region}:{account}:log-group:/aws/containerinsights/{cluster}/*:log-stream:*"],
            ),
            part(
                "Groups",
                &["logs:CreateLogGroup", "logs:DescribeLogStreams"],
                &["arn:{partition}:logs:{region}:{account}:log-group:/aws/containerinsights/{cluster}/*"],
            ),
        ]),
        sid: "PodidFluentBit",
        source: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-setup-logs-FluentBit.html",
        as_of: "2026-11",
        notes: &[
            "only log groups below /aws/containerinsights/CLUSTER are allowed; grant another one with --logs GROUP=write",
            "setting the retention of log groups is not included",
        ],
    },
    AddOnPolicy {
        name: "karpenter",
        what: "nodes on demand",
        account: "kube-system/karpenter",
        argument: None,
        permits: Permits::Release(
            "https://karpenter.sh/docs/reference/cloudformation/ (the policies of the controller)",
        ),
        sid: "",
        source: "https://karpenter.sh/docs/reference/cloudformation/",
        as_of: "2026-11",
        notes: &[],
    },
    AddOnPolicy {
        name: "mountpoint-s3",
        what: "Mountpoint for Amazon S3 CSI driver: a bucket as a file system",
        account: "kube-system/s3-csi-driver-sa",
        argument: Some(Argument::Folder),
        permits: Permits::Statements(&[
            part("Objects", &["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"], OBJECTS),
            Part {
                suffix: "List",
                actions: &["s3:ListBucket"],
                on: BUCKET,
                when: &[("StringLike", "s3:prefix", &["{prefix}/*", "{prefix}", "{prefix}/"])],
            },
        ]),
        sid: "PodidMountpoint",
        source: "https://github.com/awslabs/mountpoint-s3/blob/main/doc/CONFIGURATION.md",
        as_of: "2026-11",
        notes: &[
            "with a prefix, mount the bucket with the option `prefix PREFIX/`",
            "pods with authenticationSource `pod` use their own service account's role instead",
        ],
    },
    AddOnPolicy {
        name: "velero",
        what: "backups in an S3 bucket, and snapshots of EBS volumes",
        account: "velero/velero-server",
        argument: Some(Argument::Bucket),
        permits: Permits::Statements(&[
            part(
                "Objects",
                &[
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:PutObjectTagging",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                OBJECTS,
            ),
            part("List", &["s3:ListBucket"], BUCKET),
            part(
                "Volumes",
                &["ec2:CreateSnapshot", "ec2:CreateTags", "ec2:CreateVolume"],
                &["arn:{partition}:ec2:{region}:{account}:volume/*", "arn:{partition}:ec2:{region}::snapshot/*"],
            ),
            part("Snapshots", &["ec2:DeleteSnapshot"], &["arn:{partition}:ec2:{region}::snapshot/*"]),
            part("Read", &["ec2:DescribeSnapshots", "ec2:DescribeVolumes"], EVERY),
        ]),
        sid: "PodidVelero",
        source: "https://github.com/vmware-tanzu/velero-plugin-for-aws",
        as_of: "2026-11",
        notes: &[
            "it can snapshot every EBS volume of the cluster's region and account, and delete every snapshot there",
            "a bucket or volumes with a customer managed KMS key need a grant of that key too",
        ],
    },
];
