#!/usr/bin/env python3
"""Drives the sandbox's AWS side with boto3: every operation, paginator and waiter, and the error codes.

Takes the endpoint and keys from the environment, as `podid-sandbox` exports them.
"""
import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ServiceId
from botocore.signers import RequestSigner

CLUSTER = "eks-workshop"
ACCOUNT = "111122223333"
REGION = os.environ["AWS_REGION"]
CONFIG = Config(retries={"total_max_attempts": 1})

passed = 0


def check(name, condition=True):
    global passed
    assert condition, name
    passed += 1
    print(f"ok  {name}")


def refused(name, code, status, call, text=None, /, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        answer = error.response
        got = answer["Error"]
        assert got["Code"] == code, f"{name}: {got}"
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status, f"{name}: {answer['ResponseMetadata']}"
        assert text is None or text in got["Message"], f"{name}: {got['Message']}"
        assert len(answer["ResponseMetadata"]["RequestId"]) >= 32, answer["ResponseMetadata"]
        check(f"{name}: {code}")
        return got["Message"]
    raise AssertionError(f"{name}: not refused")


def client(service, **more):
    return boto3.client(service, region_name=REGION, config=CONFIG, **more)


def trust(*actions, service="pods.eks.amazonaws.com", condition=None):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


POD = trust("sts:AssumeRole", "sts:TagSession")
eks, iam, sts, ddb = client("eks"), client("iam"), client("sts"), client("dynamodb")

# Identity
who = sts.get_caller_identity()
check("GetCallerIdentity", who["Account"] == ACCOUNT and who["Arn"].startswith(f"arn:aws:iam::{ACCOUNT}:"))
wrong = dict(aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="wrong")
unknown = dict(aws_access_key_id="AKIAI44QH8DHBEXAMPLE", aws_secret_access_key="wrong")
refused("sts, wrong secret", "SignatureDoesNotMatch", 403, client("sts", **wrong).get_caller_identity)
refused("iam, wrong secret", "SignatureDoesNotMatch", 403, client("iam", **wrong).list_roles)
refused("eks, wrong secret", "InvalidSignatureException", 403, client("eks", **wrong).list_clusters)
refused("sts, unknown key", "InvalidClientTokenId", 403, client("sts", **unknown).get_caller_identity)
refused("iam, unknown key", "InvalidClientTokenId", 403, client("iam", **unknown).list_roles)
refused("eks, unknown key", "UnrecognizedClientException", 403, client("eks", **unknown).list_clusters)
refused("dynamodb, unknown key", "UnrecognizedClientException", 400, client("dynamodb", **unknown).list_tables)

# Clusters
cluster = eks.describe_cluster(name=CLUSTER)["cluster"]
check("DescribeCluster", cluster["arn"] == f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}" and cluster["status"] == "ACTIVE")
check("cluster CA", base64.b64decode(cluster["certificateAuthority"]["data"]).startswith(b"-----BEGIN CERTIFICATE"))
check("cluster endpoint and issuer", cluster["endpoint"].startswith("https://127.0.0.1") and "oidc" in cluster["identity"])
check("createdAt is a time", cluster["createdAt"].year > 2000)
check("ListClusters", CLUSTER in [c for p in eks.get_paginator("list_clusters").paginate() for c in p["clusters"]])
refused("unknown cluster", "ResourceNotFoundException", 404, eks.describe_cluster, "No cluster found for name: nope.", name="nope")
elsewhere = boto3.client("eks", region_name="eu-west-1", config=CONFIG)
check("no clusters in another region", elsewhere.list_clusters()["clusters"] == [])
refused("cluster of another region", "ResourceNotFoundException", 404, elsewhere.describe_cluster, name=CLUSTER)
eks.get_waiter("cluster_active").wait(name=CLUSTER, WaiterConfig={"Delay": 1, "MaxAttempts": 2})
check("waiter cluster_active")

# Roles
ROLE = "boto3-check"
made = iam.create_role(
    RoleName=ROLE, Path="/team/", AssumeRolePolicyDocument=POD, Description="a & b <c>",
    Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "x=y"}], MaxSessionDuration=7200,
)["Role"]
check("CreateRole", made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/{ROLE}" and made["RoleId"].startswith("AROA"))
refused("role not yet seen by EKS", "InvalidParameterException", 400, eks.create_pod_identity_association,
        "Role provided in the request does not exist", clusterName=CLUSTER, namespace="n", serviceAccount="s", roleArn=made["Arn"])
got = iam.get_role(RoleName=ROLE)["Role"]
check("GetRole", got["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "pods.eks.amazonaws.com"})
check("GetRole fields", got["Description"] == "a & b <c>" and got["MaxSessionDuration"] == 7200 and len(got["Tags"]) == 2)
check("CreateDate is a time", got["CreateDate"].year > 2000)
iam.get_waiter("role_exists").wait(RoleName=ROLE, WaiterConfig={"Delay": 1, "MaxAttempts": 2})
check("waiter role_exists")
refused("role exists", "EntityAlreadyExists", 409, iam.create_role, f"Role with name {ROLE} already exists.", RoleName=ROLE, AssumeRolePolicyDocument=POD)
refused("no role", "NoSuchEntity", 404, iam.get_role, "The role with name nope cannot be found.", RoleName="nope")
refused("role name too long", "ValidationError", 400, iam.create_role, RoleName="r" * 65, AssumeRolePolicyDocument=POD)
refused("role name with a blank", "ValidationError", 400, iam.create_role, RoleName="a b", AssumeRolePolicyDocument=POD)
create = dict(RoleName="malformed")
for name, document, text in [
    ("no JSON", "{", "This policy contains invalid Json"),
    ("no statement", '{"Version":"2012-10-17","Statement":[]}', "Syntax errors in policy."),
    ("unknown service", trust("sts:AssumeRole", service="eks-pods.amazonaws.com"), 'Invalid principal in policy: "SERVICE":"eks-pods.amazonaws.com"'),
    ("no principal", '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}', "Missing required field Principal"),
    ("with a resource", POD.replace('"Effect"', '"Resource":"*","Effect"'), "Has prohibited field Resource"),
    ("other actions", trust("s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
    ("unknown operator", trust("sts:AssumeRole", condition={"StringEqual": {"aws:SourceAccount": "1"}}), "Invalid Condition type"),
]:
    refused(f"trust policy, {name}", "MalformedPolicyDocument", 400, iam.create_role, text, AssumeRolePolicyDocument=document, **create)
long = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"], "Sid": f"S{i}" + "x" * 50} for i in range(12)
]}, indent=2)
refused("trust policy too long", "LimitExceeded", 409, iam.create_role, "Cannot exceed quota for ACLSizePerRole: 2048", AssumeRolePolicyDocument=long, **create)
for i in range(105):
    iam.create_role(RoleName=f"page-{i:03}", Path="/page/", AssumeRolePolicyDocument=POD)
names = [r["RoleName"] for p in iam.get_paginator("list_roles").paginate(PathPrefix="/page/") for r in p["Roles"]]
check("ListRoles in pages", len(names) == 105 == len(set(names)))
first = iam.list_roles(PathPrefix="/page/")
check("a page of roles has 100", len(first["Roles"]) == 100 and first["IsTruncated"] and "Tags" not in first["Roles"][0])
for name in names:
    iam.delete_role(RoleName=name)

iam.tag_role(RoleName=ROLE, Tags=[{"Key": "c", "Value": ""}])
iam.untag_role(RoleName=ROLE, TagKeys=["a"])
check("TagRole, UntagRole, ListRoleTags", {t["Key"] for t in iam.list_role_tags(RoleName=ROLE)["Tags"]} == {"b", "c"})
refused("reserved role tag", "InvalidInput", 400, iam.tag_role, RoleName=ROLE, Tags=[{"Key": "aws:x", "Value": ""}])

QUERY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["dynamodb:Query"], "Resource": [
    f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/eks-workshop-carts", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/eks-workshop-carts/index/*"]}]})
iam.put_role_policy(RoleName=ROLE, PolicyName="query", PolicyDocument=QUERY)
check("PutRolePolicy, GetRolePolicy", iam.get_role_policy(RoleName=ROLE, PolicyName="query")["PolicyDocument"] == json.loads(QUERY))
check("ListRolePolicies", [n for p in iam.get_paginator("list_role_policies").paginate(RoleName=ROLE) for n in p["PolicyNames"]] == ["query"])
refused("no inline policy", "NoSuchEntity", 404, iam.get_role_policy, "The role policy with name nope cannot be found.", RoleName=ROLE, PolicyName="nope")
refused("inline policy with a principal", "MalformedPolicyDocument", 400, iam.put_role_policy, "should not specify a principal", RoleName=ROLE, PolicyName="p", PolicyDocument=POD)
large = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::" + "b" * 1000] * 11}]})
refused("inline policies too large", "LimitExceeded", 409, iam.put_role_policy, "Maximum policy size of 10240 bytes exceeded for role", RoleName=ROLE, PolicyName="p", PolicyDocument=large)
READ = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess"
iam.attach_role_policy(RoleName=ROLE, PolicyArn=READ)
iam.attach_role_policy(RoleName=ROLE, PolicyArn=READ)
attached = [a for p in iam.get_paginator("list_attached_role_policies").paginate(RoleName=ROLE) for a in p["AttachedPolicies"]]
check("AttachRolePolicy, ListAttachedRolePolicies", attached == [{"PolicyName": "AmazonDynamoDBReadOnlyAccess", "PolicyArn": READ}])
refused("no such policy", "NoSuchEntity", 404, iam.attach_role_policy, "does not exist or is not attachable.", RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/Nope")
check("GetPolicy", iam.get_policy(PolicyArn=READ)["Policy"]["AttachmentCount"] == 1)
check("GetPolicyVersion", "Statement" in iam.get_policy_version(PolicyArn=READ, VersionId="v1")["PolicyVersion"]["Document"])
refused("delete with attached", "DeleteConflict", 409, iam.delete_role, "must detach all policies first.", RoleName=ROLE)
iam.detach_role_policy(RoleName=ROLE, PolicyArn=READ)
refused("detach twice", "NoSuchEntity", 404, iam.detach_role_policy, RoleName=ROLE, PolicyArn=READ)
refused("delete with inline", "DeleteConflict", 409, iam.delete_role, "must delete policies first.", RoleName=ROLE)
iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=READ)
check("PutRolePermissionsBoundary", iam.get_role(RoleName=ROLE)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ)
iam.delete_role_permissions_boundary(RoleName=ROLE)
check("DeleteRolePermissionsBoundary", "PermissionsBoundary" not in iam.get_role(RoleName=ROLE)["Role"])

# Simulation
TABLE_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/eks-workshop-carts"
tagged = json.loads(QUERY)
tagged["Statement"][0]["Action"] = "dynamodb:Scan"
tagged["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalTag/team": "shop"}}
iam.put_role_policy(RoleName=ROLE, PolicyName="tagged", PolicyDocument=json.dumps(tagged))
team = [{"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyType": "string", "ContextKeyValues": ["shop"]}]
ask = dict(PolicySourceArn=made["Arn"], ActionNames=["dynamodb:Scan"], ResourceArns=[TABLE_ARN])
simulate = lambda **more: iam.simulate_principal_policy(**{**ask, **more})["EvaluationResults"][0]
result = simulate(ContextEntries=team)
check("SimulatePrincipalPolicy", result["EvalDecision"] == "allowed" and result["MissingContextValues"] == [])
check("matched statements", result["MatchedStatements"][0]["SourcePolicyId"] == f"role_{ROLE}_tagged")
check("missing context", simulate()["MissingContextValues"] == ["aws:PrincipalTag/team"])
result = simulate(ContextEntries=team, ResourceArns=[TABLE_ARN, TABLE_ARN + "s"])
check("one result for each action", result["EvalDecision"] == "implicitDeny")
check("each resource apart", [r["EvalResourceDecision"] for r in result["ResourceSpecificResults"]] == ["allowed", "implicitDeny"])
iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary="arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy")
result = simulate(ContextEntries=team)
check("a boundary apart", result["EvalDecision"] == "implicitDeny" and not result["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"])
iam.delete_role_permissions_boundary(RoleName=ROLE)
many = [f"dynamodb:Action{i}" for i in range(103)]
pages = list(iam.get_paginator("simulate_principal_policy").paginate(**{**ask, "ActionNames": many}))
check("SimulatePrincipalPolicy in pages", [r["EvalActionName"] for p in pages for r in p["EvaluationResults"]] == many and len(pages) == 2)
refused("simulation of a wildcard", "InvalidInput", 400, iam.simulate_principal_policy, **{**ask, "ActionNames": ["dynamodb:*"]})
refused("simulation of a session", "InvalidInput", 400, iam.simulate_principal_policy, "does not clearly define entity type and name.", **{**ask, "PolicySourceArn": sts.get_caller_identity()["Arn"].replace(":iam:", ":sts:").replace("user/", "assumed-role/x/")})
report = lambda **more: iam.get_service_last_accessed_details(**{"JobId": job, **more})
job = iam.generate_service_last_accessed_details(Arn=ask["PolicySourceArn"])["JobId"]
while report()["JobStatus"] == "IN_PROGRESS":
    time.sleep(0.05)
check("last use of a role", report()["JobStatus"] == "COMPLETED" and all("ServiceNamespace" in one for one in report()["ServicesLastAccessed"]))
refused("last use of no role", "NoSuchEntity", 404, iam.generate_service_last_accessed_details, Arn=f"arn:aws:iam::{ACCOUNT}:role/nope")
refused("report of no job", "NoSuchEntity", 404, iam.get_service_last_accessed_details, JobId="00000000-0000-4000-a000-000000000000")
refused("simulation of no role", "NoSuchEntity", 404, iam.simulate_principal_policy, **{**ask, "PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:role/nope"})
iam.delete_role_policy(RoleName=ROLE, PolicyName="tagged")
check("DescribeNodegroup", eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName="default")["nodegroup"]["nodeRole"] == f"arn:aws:iam::{ACCOUNT}:role/eks-workshop-nodes")
refused("no node group", "ResourceNotFoundException", 404, eks.describe_nodegroup, clusterName=CLUSTER, nodegroupName="nope")
refused("no table policy", "PolicyNotFoundException", 400, ddb.get_resource_policy, ResourceArn=TABLE_ARN)

# Associations
time.sleep(0.5)
pod = dict(clusterName=CLUSTER, namespace="boto", serviceAccount="check")
association = eks.create_pod_identity_association(roleArn=made["Arn"], tags={"k": "v"}, clientRequestToken="t1", **pod)["association"]
ID = association["associationId"]
check("CreatePodIdentityAssociation", ID.startswith("a-") and len(ID) == 19 and association["associationArn"].endswith(f"podidentityassociation/{CLUSTER}/{ID}"))
check("association fields", association["tags"] == {"k": "v"} and association["disableSessionTags"] is False and "externalId" not in association)
again = eks.create_pod_identity_association(roleArn=made["Arn"], tags={"k": "v"}, clientRequestToken="t1", **pod)["association"]
check("same client token, same association", again["associationId"] == ID)
refused("association exists", "ResourceInUseException", 409, eks.create_pod_identity_association, f"Association already exists: {ID}", roleArn=made["Arn"], **pod)
other = dict(pod, serviceAccount="other")
refused("no such role", "InvalidParameterException", 400, eks.create_pod_identity_association, "Role provided in the request does not exist", roleArn=f"arn:aws:iam::{ACCOUNT}:role/nope", **other)
refused("role without its path", "InvalidParameterException", 400, eks.create_pod_identity_association, "Role provided in the request does not exist", roleArn=f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", **other)
refused("role of another account", "InvalidParameterException", 400, eks.create_pod_identity_association, "Cross-account pass role is not allowed.", roleArn="arn:aws:iam::999988887777:role/x", **other)
refused("node role", "InvalidParameterException", 400, eks.create_pod_identity_association, "Trust policy of the role provided is invalid.", roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks-workshop-nodes", **other)
refused("no cluster", "ResourceNotFoundException", 404, eks.create_pod_identity_association, "No cluster found for name: nope.", **dict(other, clusterName="nope", roleArn=made["Arn"]))
refused("reserved tag", "InvalidParameterException", 400, eks.create_pod_identity_association, roleArn=made["Arn"], tags={"AWS:x": "y"}, **other)
refused("session policy with session tags", "InvalidParameterException", 400, eks.create_pod_identity_association, "PackedPolicyTooLarge", roleArn=made["Arn"], policy=QUERY, **other)
refused("session policy too long", "InvalidParameterException", 400, eks.create_pod_identity_association, "2048", roleArn=made["Arn"], policy=QUERY + " " * 2048, disableSessionTags=True, **other)
described = eks.describe_pod_identity_association(clusterName=CLUSTER, associationId=ID)["association"]
check("DescribePodIdentityAssociation", described == association and described["createdAt"].year > 2000)
refused("no such association", "ResourceNotFoundException", 404, eks.describe_pod_identity_association, clusterName=CLUSTER, associationId="a-nope")
TARGET = "arn:aws:iam::999988887777:role/target"
updated = eks.update_pod_identity_association(clusterName=CLUSTER, associationId=ID, targetRoleArn=TARGET, disableSessionTags=True, policy=QUERY)["association"]
check("UpdatePodIdentityAssociation", updated["targetRoleArn"] == TARGET and updated["disableSessionTags"] and updated["policy"] == QUERY)
check("externalId", updated["externalId"] == f"{REGION}/{ACCOUNT}/{CLUSTER}/boto/check" and updated["modifiedAt"] > association["modifiedAt"])
refused("update of nothing", "InvalidParameterException", 400, eks.update_pod_identity_association, clusterName=CLUSTER, associationId=ID)
iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust("sts:AssumeRole"))
kept = eks.update_pod_identity_association(clusterName=CLUSTER, associationId=ID, roleArn=made["Arn"])
check("EKS still sees the old trust policy", kept["association"]["roleArn"] == made["Arn"])
time.sleep(0.5)
refused("trust policy without sts:TagSession", "InvalidParameterException", 400, eks.update_pod_identity_association, "Trust policy of the role provided is invalid.", clusterName=CLUSTER, associationId=ID, roleArn=made["Arn"])
iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=POD)
arn = association["associationArn"]
eks.tag_resource(resourceArn=arn, tags={"x": "1", "y": "2"})
eks.untag_resource(resourceArn=arn, tagKeys=["x", "k"])
check("TagResource, UntagResource, ListTagsForResource", eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"y": "2"})
eks.tag_resource(resourceArn=cluster["arn"], tags={"env": "lab"})
check("tags of a cluster", eks.describe_cluster(name=CLUSTER)["cluster"]["tags"] == {"env": "lab"})
refused("tags of nothing", "NotFoundException", 404, eks.list_tags_for_resource, resourceArn=arn + "x")
deleted = eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=ID)["association"]
check("DeletePodIdentityAssociation", deleted["associationId"] == ID)
refused("delete twice", "ResourceNotFoundException", 404, eks.delete_pod_identity_association, clusterName=CLUSTER, associationId=ID)
time.sleep(0.5)
ids = [eks.create_pod_identity_association(clusterName=CLUSTER, namespace=f"n{i % 2}", serviceAccount=f"s{i}", roleArn=made["Arn"])["association"]["associationId"] for i in range(103)]
pages = list(eks.get_paginator("list_pod_identity_associations").paginate(clusterName=CLUSTER))
listed = [a["associationId"] for p in pages for a in p["associations"]]
check("ListPodIdentityAssociations in pages", set(ids) <= set(listed) and len(listed) == len(set(listed)) and len(pages[0]["associations"]) == 100)
check("a summary has no role", set(pages[0]["associations"][0]) == {"clusterName", "namespace", "serviceAccount", "associationArn", "associationId"})
check("filter by namespace", len(eks.list_pod_identity_associations(clusterName=CLUSTER, namespace="n1")["associations"]) == 51)
check("filter by both", len(eks.list_pod_identity_associations(clusterName=CLUSTER, namespace="n1", serviceAccount="s1")["associations"]) == 1)
check("maxResults", len(eks.list_pod_identity_associations(clusterName=CLUSTER, maxResults=7)["associations"]) == 7)
refused("invented token", "InvalidParameterException", 400, eks.list_pod_identity_associations, clusterName=CLUSTER, nextToken="x")
for i in ids:
    eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=i)

# Add-ons
AGENT = "eks-pod-identity-agent"
versions = eks.describe_addon_versions(addonName=AGENT, kubernetesVersion="1.33")["addons"][0]["addonVersions"]
default = [v["addonVersion"] for v in versions if v["compatibilities"][0]["defaultVersion"]]
check("DescribeAddonVersions", default == ["v1.3.10-eksbuild.1"] and len(versions) == 3)
check("DescribeAddonVersions in pages", len([a for p in eks.get_paginator("describe_addon_versions").paginate(PaginationConfig={"PageSize": 2}) for a in p["addons"]]) == 6)
schema = eks.describe_addon_configuration(addonName=AGENT, addonVersion=default[0])["configurationSchema"]
check("DescribeAddonConfiguration", "definitions" in json.loads(schema))
addon = dict(clusterName=CLUSTER, addonName=AGENT)
refused("no add-on", "ResourceNotFoundException", 404, eks.describe_addon, f"No addon: {AGENT} found in cluster: {CLUSTER}", **addon)
refused("unknown add-on", "InvalidParameterException", 400, eks.create_addon, "Addon specified is not supported", clusterName=CLUSTER, addonName="nope")
refused("unknown version", "InvalidParameterException", 400, eks.create_addon, "Addon version specified is not supported", addonVersion="v9", **addon)
refused("unknown configuration", "InvalidParameterException", 400, eks.create_addon, "Json schema validation failed", configurationValues='{"env":{}}', **addon)
check("CreateAddon", eks.create_addon(addonVersion="v1.3.9-eksbuild.3", tags={"k": "v"}, **addon)["addon"]["status"] == "CREATING")
refused("add-on exists", "ResourceInUseException", 409, eks.create_addon, "Addon already exists.", **addon)
refused("update while creating", "ResourceInUseException", 409, eks.update_addon, addonVersion="v1.3.10-eksbuild.1", **addon)
eks.get_waiter("addon_active").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 20}, **addon)
check("waiter addon_active")
check("ListAddons", eks.list_addons(clusterName=CLUSTER)["addons"] == [AGENT])
update = eks.update_addon(addonVersion="v1.3.10-eksbuild.1", resolveConflicts="PRESERVE", **addon)["update"]
check("UpdateAddon", update["status"] == "InProgress")
for _ in range(40):
    update = eks.describe_update(name=CLUSTER, updateId=update["id"], addonName=AGENT)["update"]
    if update["status"] != "InProgress":
        break
    time.sleep(0.25)
check("DescribeUpdate", update["status"] == "Successful")
check("updated add-on", eks.describe_addon(**addon)["addon"]["addonVersion"] == "v1.3.10-eksbuild.1")
check("DeleteAddon", eks.delete_addon(**addon)["addon"]["status"] == "DELETING")
eks.get_waiter("addon_deleted").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 10}, **addon)
check("waiter addon_deleted")

# Associations that an add-on owns
CNI = dict(clusterName=CLUSTER, addonName="vpc-cni")
offered = eks.describe_addon_versions(addonName="adot", kubernetesVersion="1.33")["addons"][0]
check("defaultNamespace", offered["defaultNamespace"] == "opentelemetry-operator-system")
needed = eks.describe_addon_configuration(addonName="vpc-cni", addonVersion="v1.20.4-eksbuild.1")["podIdentityConfiguration"]
check("podIdentityConfiguration", needed == [{"serviceAccount": "aws-node", "recommendedManagedPolicies": ["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"]}])
check("no podIdentityConfiguration", eks.describe_addon_configuration(addonName="aws-ebs-csi-driver", addonVersion="v1.29.1-eksbuild.1")["podIdentityConfiguration"] == [])
NODE = {"serviceAccount": "aws-node", "roleArn": made["Arn"]}
refused("unknown service account", "InvalidParameterException", 400, eks.create_addon, "Service account x in pod identity configuration is not supported for addon vpc-cni", podIdentityAssociations=[{**NODE, "serviceAccount": "x"}], **CNI)
refused("version without Pod Identity", "InvalidParameterException", 400, eks.create_addon, "Pod Identity feature is not supported for addon version: v1.29.1-eksbuild.1", clusterName=CLUSTER, addonName="aws-ebs-csi-driver", addonVersion="v1.29.1-eksbuild.1", podIdentityAssociations=[{**NODE, "serviceAccount": "ebs-csi-controller-sa"}])
installed = eks.create_addon(podIdentityAssociations=[NODE], **CNI)["addon"]
eks.get_waiter("addon_active").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 20}, **CNI)
owned = eks.list_pod_identity_associations(clusterName=CLUSTER, namespace="kube-system", serviceAccount="aws-node")["associations"]
check("CreateAddon with an association", owned[0]["ownerArn"] == installed["addonArn"] and installed["podIdentityAssociations"] == [owned[0]["associationArn"]])
update = eks.update_addon(resolveConflicts="PRESERVE", podIdentityAssociations=[NODE], **CNI)["update"]
check("params of the update", {"type": "PodIdentityAssociations", "value": json.dumps([NODE], separators=(",", ":"))} in [{**p, "value": json.dumps(json.loads(p["value"]), separators=(",", ":"))} for p in update["params"] if p["type"] == "PodIdentityAssociations"])
eks.get_waiter("addon_active").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 20}, **CNI)
check("the same list changes nothing", eks.describe_addon(**CNI)["addon"]["podIdentityAssociations"] == [owned[0]["associationArn"]])
eks.update_addon(addonVersion="v1.20.4-eksbuild.1", **CNI)
eks.get_waiter("addon_active").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 20}, **CNI)
check("no list keeps them", eks.describe_addon(**CNI)["addon"]["podIdentityAssociations"] == [owned[0]["associationArn"]])
eks.update_addon(podIdentityAssociations=[], **CNI)
eks.get_waiter("addon_active").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 20}, **CNI)
check("an empty list deletes them", "podIdentityAssociations" not in eks.describe_addon(**CNI)["addon"])
eks.delete_addon(**CNI)
eks.get_waiter("addon_deleted").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 10}, **CNI)

# DynamoDB
table = ddb.describe_table(TableName="eks-workshop-carts")["Table"]
check("DescribeTable", table["TableArn"] == f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/eks-workshop-carts")
query = dict(KeyConditionExpression="customerId = :c", ExpressionAttributeValues={":c": {"S": "1"}})
check("Query", ddb.query(TableName="eks-workshop-carts", IndexName="idx_global_customerId", **query)["Items"] == [])
refused("no table", "ResourceNotFoundException", 400, ddb.query, "Requested resource not found", TableName="nope", **query)
ddb.create_table(TableName="boto3-check", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                 AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
ddb.get_waiter("table_exists").wait(TableName="boto3-check", WaiterConfig={"Delay": 1, "MaxAttempts": 2})
check("CreateTable, waiter table_exists")

# EKS Auth
auth = client("eks-auth")
refused("no token of the cluster", "InvalidTokenException", 400, auth.assume_role_for_pod_identity, clusterName=CLUSTER, token="a.b.c")



def eks_token(session, name):
    """A bearer token, made the way of the AWS CLI's `eks get-token`."""
    signer = RequestSigner(ServiceId("sts"), REGION, "sts", "v4", session.get_credentials(), session.events)
    url = f"https://sts.{REGION}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    request = {"method": "GET", "url": url, "body": {}, "headers": {"x-k8s-aws-id": name}, "context": {}}
    signed = signer.generate_presigned_url(request, region_name=REGION, expires_in=60, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")


def kubernetes(token, path, body=None):
    trusted = ssl.create_default_context(cadata=base64.b64decode(cluster["certificateAuthority"]["data"]).decode())
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(cluster["endpoint"] + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, context=trusted) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, {}


# The EKS token opens the Kubernetes API of its own cluster only.
token = eks_token(boto3.Session(), CLUSTER)
check("EKS token", kubernetes(token, "/api/v1/namespaces/carts")[0] == 200)
check("EKS token of another cluster", kubernetes(eks_token(boto3.Session(), "other"), "/api/v1/namespaces/carts")[0] == 401)

# A service account's token becomes a session of the role, with what the role may do.
def pod_token(audience="pods.eks.amazonaws.com"):
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [audience], "expirationSeconds": 3600}}
    status, answer = kubernetes(token, "/api/v1/namespaces/carts/serviceaccounts/carts/token", wanted)
    assert status == 201, (status, answer)
    return answer["status"]["token"]


refused("wrong audience", "InvalidTokenException", 400, auth.assume_role_for_pod_identity, clusterName=CLUSTER, token=pod_token("sts.amazonaws.com"))
refused("no association", "ResourceNotFoundException", 404, auth.assume_role_for_pod_identity,
        "The token included in the request has no service account role association for it.", clusterName=CLUSTER, token=pod_token())
mine = eks.create_pod_identity_association(clusterName=CLUSTER, namespace="carts", serviceAccount="carts", roleArn=made["Arn"])["association"]
handed = auth.assume_role_for_pod_identity(clusterName=CLUSTER, token=pod_token())
check("AssumeRoleForPodIdentity", handed["subject"] == {"namespace": "carts", "serviceAccount": "carts"} and handed["podIdentityAssociation"]["associationId"] == mine["associationId"])
keys = handed["credentials"]
session = dict(aws_access_key_id=keys["accessKeyId"], aws_secret_access_key=keys["secretAccessKey"], aws_session_token=keys["sessionToken"])
check("the session's identity", client("sts", **session).get_caller_identity()["Arn"] == handed["assumedRoleUser"]["arn"])
check("the session may query", client("dynamodb", **session).query(TableName="eks-workshop-carts", IndexName="idx_global_customerId", **query)["Count"] == 0)
refused("the session may not put", "AccessDeniedException", 400, client("dynamodb", **session).put_item,
        "because no identity-based policy allows the dynamodb:PutItem action", TableName="eks-workshop-carts", Item={"id": {"S": "1"}})
refused("another session token", "UnrecognizedClientException", 400, client("dynamodb", **dict(session, aws_session_token="x")).list_tables)
iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust("sts:AssumeRole", "sts:TagSession", condition={"StringEquals": {"aws:RequestTag/kubernetes-namespace": "other"}}))
time.sleep(0.5)
refused("trust for another namespace", "AccessDeniedException", 400, auth.assume_role_for_pod_identity,
        "Unauthorized Exception! EKS does not have permissions to assume the associated role.", clusterName=CLUSTER, token=pod_token())
eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=mine["associationId"])

iam.delete_role_policy(RoleName=ROLE, PolicyName="query")
iam.delete_role(RoleName=ROLE)
refused("role is gone", "NoSuchEntity", 404, iam.get_role, RoleName=ROLE)
refused("unknown IAM operation", "InvalidAction", 400, iam.list_users)

print(f"{passed} passed, 0 failed")
