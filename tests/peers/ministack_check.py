#!/usr/bin/env python3
"""Runs podid against ministack, an AWS emulator that others wrote: what podid writes, another client reads.

Takes the endpoint and keys from the environment, and podid's path from PODID. Ends with what ministack is known to do
unlike AWS: when one of those fails, ministack has moved, and the list and what it excuses can go.
"""
import json
import os
import subprocess

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

CLUSTER = os.environ["PODID_CLUSTER"]
ACCOUNT = os.environ["AWS_ACCESS_KEY_ID"]  # ministack takes a key of twelve digits for the account
SESSION = botocore.session.get_session()

passed = 0


def check(name, condition):
    global passed
    assert condition, name
    passed += 1
    print(f"ok  {name}")


def client(service):
    return SESSION.create_client(service, config=Config(retries={"total_max_attempts": 1}))


def podid(line, code=0):
    run = subprocess.run([os.environ["PODID"], *line.split(), "-o", "json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    check(f"podid {line}: exit {code}", run.returncode == code or print(run.stdout, run.stderr))
    return json.loads(run.stdout) if run.stdout else {}, run.stderr


def steps(answer):
    return [(step["action"], step["status"]) for step in answer["steps"]]


def trust(action="sts:AssumeRole"):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": action}]})


eks, iam = client("eks"), client("iam")
iam.create_role(RoleName="cluster", AssumeRolePolicyDocument=trust())
eks.create_cluster(name=CLUSTER, roleArn=f"arn:aws:iam::{ACCOUNT}:role/cluster", resourcesVpcConfig={"subnetIds": ["subnet-1"]})


def described():
    [summary] = eks.list_pod_identity_associations(clusterName=CLUSTER, namespace="carts", serviceAccount="carts")["associations"]
    return eks.describe_pod_identity_association(clusterName=CLUSTER, associationId=summary["associationId"])["association"]


# From nothing to an association
check("nothing is there", podid("list")[0] == {"associations": []})
CREATE = "associate carts/carts --create-role --dynamodb carts-table=read-write --allow-missing-resources --tag team=shop --no-wait"
check("a dry run plans three writes", len(podid(CREATE + " --dry-run --exit-code", 3)[0]["steps"]) == 3)
check("... and sends none", podid("list")[0] == {"associations": []})
answer, _ = podid(CREATE)
check("three writes", steps(answer) == [("createRole", "done"), ("putPolicy", "done"), ("createAssociation", "done")])

# Read by another client
association = described()
name = association["roleArn"].rsplit("/", 1)[1]
check("the association", association["associationArn"] == answer["association"]["associationArn"] and association["tags"]["team"] == "shop")
role = iam.get_role(RoleName=name)["Role"]
check("the role", role["Arn"] == association["roleArn"] and role["Path"] == "/podid/")
check("its tags", {t["Key"]: t["Value"] for t in iam.list_role_tags(RoleName=name)["Tags"]}["podid.dev/managed-by"] == "podid")
[statement] = role["AssumeRolePolicyDocument"]["Statement"]
check("its trust policy", statement["Principal"] == {"Service": "pods.eks.amazonaws.com"} and statement["Action"] == ["sts:AssumeRole", "sts:TagSession"])
check("... for this service account", statement["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] == "carts")
[policy] = iam.list_role_policies(RoleName=name)["PolicyNames"]
document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
check("its policy", f"arn:aws:dynamodb:us-west-2:{ACCOUNT}:table/carts-table" in json.dumps(document))

# Again, and changed
check("a second run writes nothing", podid(CREATE)[0]["steps"] == [])
[listed] = podid(f"list --role {name}")[0]["associations"]
check("list", listed["associationId"] == association["associationId"])
shown, _ = podid("show carts/carts --no-pods")
check("show", shown["trust"]["verdict"] == "allows" and shown["inlinePolicies"] == [policy])
CHANGE = "associate carts/carts --create-role --role other --no-wait"
podid(CHANGE, 2)
check("nothing changes without a yes", described()["roleArn"] == association["roleArn"])
check("an update", steps(podid(CHANGE + " --yes")[0]) == [("createRole", "done"), ("updateAssociation", "done")])
check("the other role", described()["roleArn"].endswith(":role/podid/other"))
iam.create_role(RoleName="own", AssumeRolePolicyDocument=trust())
podid("associate carts/own --role own --no-wait --create-role --yes", 2)
_, error = podid("associate carts/own --role own --no-wait", 2)
kept = iam.get_role(RoleName="own")["Role"]["AssumeRolePolicyDocument"]
check("a role of others is not touched, and its trust policy is explained", kept == json.loads(trust()) and "pods.eks.amazonaws.com" in error)
podid("associate carts/gone --role gone --no-wait", 2)
_, error = podid("show carts/cart --no-pods", 1)
check("near names", "podid show carts/carts" in error)

# Known differences from AWS
check("ids are short: a- and 16", len(association["associationId"]) == 18)
gone = dict(clusterName=CLUSTER, namespace="n", roleArn=f"arn:aws:iam::{ACCOUNT}:role/nowhere")
check("a missing role is accepted", "association" in eks.create_pod_identity_association(serviceAccount="s", **gone))
for i in range(105):
    eks.create_pod_identity_association(serviceAccount=f"s{i}", **gone)
page = eks.list_pod_identity_associations(clusterName=CLUSTER)
check("a list is cut at 100", len(page["associations"]) == 100 and not page.get("nextToken"))
check("a trust policy is not validated", "Role" in iam.create_role(RoleName="broken", AssumeRolePolicyDocument="{}"))
try:
    eks.describe_addon_versions(addonName="eks-pod-identity-agent")
    raise AssertionError("DescribeAddonVersions is there")
except ClientError as error:
    check("no DescribeAddonVersions", error.response["ResponseMetadata"]["HTTPStatusCode"] == 400)
_, error = podid("agent install --no-wait", 1)
check("... which podid says", "No route" in error)
check("no CA", "certificateAuthority" not in eks.describe_cluster(name=CLUSTER)["cluster"] or not eks.describe_cluster(name=CLUSTER)["cluster"]["certificateAuthority"].get("data"))

print(f"{passed} passed, 0 failed")
