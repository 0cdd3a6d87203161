#!/usr/bin/env python3
"""Drives the sandbox's AWS side with the AWS CLI: every call that podid makes, `--query`, pages, waiters, errors and exit codes.

Takes the endpoint and keys from the environment, as `podid-sandbox` exports them. The CLI ends with 0, with 255 when the
service refuses or a waiter fails, and with 252 or 2 when it refuses the command itself.
"""
import json
import re

from cli import PROGRAMS, Client, check, done, until

CLUSTER = "eks-workshop"
ACCOUNT = "111122223333"
aws = Client(PROGRAMS / "aws")


def a(line, code=0, **environment):
    return aws.run(line, code, **environment)


def read(line, **environment):
    said = a(f"{line} --output json", **environment)
    return json.loads(said) if said else None


def query(line, expression):
    """What `--query` leaves, as text."""
    return a(f"{line} --query '{expression}' --output text")


def refused(name, line, code, text, **environment):
    said = a(line, 255, **environment)
    check(f"{name}: {code}", f"An error occurred ({code}) when calling the " in said and text in said, said)


def trust(*actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": list(actions)}]})


def document(action):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": f"arn:aws:dynamodb:us-west-2:{ACCOUNT}:table/eks-workshop-carts"}]})


# Identity
check("sts get-caller-identity", read("sts get-caller-identity")["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/workshop")
refused("a wrong secret", "sts get-caller-identity", "SignatureDoesNotMatch", "signature we calculated does not match", AWS_SECRET_ACCESS_KEY="wrong")
refused("an unknown key", "eks list-clusters", "UnrecognizedClientException", "security token", AWS_ACCESS_KEY_ID="AKIAI44QH8DHBEXAMPLE")
token = read(f"eks get-token --cluster-name {CLUSTER}")
check("eks get-token", token["kind"] == "ExecCredential" and token["status"]["token"].startswith("k8s-aws-v1."), token)

# Clusters
check("eks list-clusters", query("eks list-clusters", "clusters") == CLUSTER)
cluster = read(f"eks describe-cluster --name {CLUSTER}")["cluster"]
check("eks describe-cluster", cluster["arn"] == f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/{CLUSTER}" and cluster["status"] == "ACTIVE", cluster)
check("--query of a nested field", query(f"eks describe-cluster --name {CLUSTER}", "cluster.identity.oidc.issuer").startswith("https://oidc.eks.us-west-2"))
a(f"eks wait cluster-active --name {CLUSTER}")
check("eks wait cluster-active", True)
refused("no such cluster", "eks describe-cluster --name nope", "ResourceNotFoundException", "No cluster found for name: nope.")
said = a("eks wait cluster-active --name nope", 255)
check("eks wait cluster-active: fails", "Waiter ClusterActive failed: An error occurred (ResourceNotFoundException)" in said, said)
said = a(f"eks wait cluster-deleted --name {CLUSTER}", 255)
check("eks wait cluster-deleted: fails", "Waiter ClusterDeleted failed: Waiter encountered a terminal failure state" in said, said)
check("a cluster is of one region", query("eks list-clusters --region eu-west-1", "length(clusters)") == "0")

# Roles and policies
made = read(f"iam create-role --role-name cli --path /team/ --assume-role-policy-document '{trust('sts:AssumeRole', 'sts:TagSession')}' --tags Key=a,Value=1 Key=b,Value=x=y")["Role"]
check("iam create-role", made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/cli", made)
a("iam wait role-exists --role-name cli")
check("iam wait role-exists", True)
check("iam get-role", query("iam get-role --role-name cli", "Role.AssumeRolePolicyDocument.Statement[0].Action") == "sts:AssumeRole\tsts:TagSession")
check("--query of tags", query("iam get-role --role-name cli", "Role.Tags[?Key==`b`].Value") == "x=y")
refused("role exists", f"iam create-role --role-name cli --assume-role-policy-document '{trust('sts:AssumeRole')}'", "EntityAlreadyExists", "Role with name cli already exists.")
refused("no such role", "iam get-role --role-name nope", "NoSuchEntity", "The role with name nope cannot be found.")
refused("a malformed trust policy", "iam create-role --role-name bad --assume-role-policy-document {", "MalformedPolicyDocument", "This policy contains invalid Json")
pages = read("iam list-roles --page-size 1")["Roles"]
check("iam list-roles in pages of one", {role["RoleName"] for role in pages} >= {"cli", "eks-workshop-nodes"}, pages)
first = read("iam list-roles --max-items 1")
rest = read(f"iam list-roles --starting-token {first['NextToken']}")["Roles"]
check("iam list-roles --starting-token", {role["RoleName"] for role in first["Roles"] + rest} == {role["RoleName"] for role in pages} and len(first["Roles"]) == 1)
check("iam list-roles --path-prefix", query("iam list-roles --path-prefix /team/", "Roles[].RoleName") == "cli")
a("iam tag-role --role-name cli --tags Key=c,Value=3")
a(f"iam update-assume-role-policy --role-name cli --policy-document '{trust('sts:AssumeRole')}'")
role = read("iam get-role --role-name cli")["Role"]
check("iam tag-role, update-assume-role-policy", len(role["Tags"]) == 3 and role["AssumeRolePolicyDocument"] == json.loads(trust("sts:AssumeRole")), role)
a(f"iam update-assume-role-policy --role-name cli --policy-document '{trust('sts:AssumeRole', 'sts:TagSession')}'")
for name in ["one", "two"]:
    a(f"iam put-role-policy --role-name cli --policy-name {name} --policy-document '{document('dynamodb:Query')}'")
check("iam put-role-policy, list-role-policies", query("iam list-role-policies --role-name cli --page-size 1", "PolicyNames[]").split() == ["one", "two"])
check("iam get-role-policy", read("iam get-role-policy --role-name cli --policy-name two")["PolicyDocument"] == json.loads(document("dynamodb:Query")))
refused("no such inline policy", "iam get-role-policy --role-name cli --policy-name nope", "NoSuchEntity", "cannot be found")
READ = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess"
a(f"iam attach-role-policy --role-name cli --policy-arn {READ}")
check("iam attach-role-policy, list-attached-role-policies", query("iam list-attached-role-policies --role-name cli", "AttachedPolicies[].PolicyArn") == READ)
check("iam list-instance-profiles-for-role", query("iam list-instance-profiles-for-role --role-name cli", "length(InstanceProfiles)") == "0")
refused("delete with policies", "iam delete-role --role-name cli", "DeleteConflict", "must detach all policies first")

# Associations
where = f"--cluster-name {CLUSTER}"
ids = {}


def created(name):
    """Creates an association. A new role is seen by EKS after a while."""
    line = f"eks create-pod-identity-association {where} --namespace cli --service-account {name} --role-arn {made['Arn']} --tags team={name}"

    def answered():
        run = aws.attempt(line)
        return None if "Role provided in the request does not exist" in run.stderr else run

    run = until(answered)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)["association"]


for name in ["a", "b", "c"]:
    association = created(name)
    ids[name] = association["associationId"]
check("eks create-pod-identity-association", re.fullmatch(r"a-\w{17}", ids["a"]) and association["tags"] == {"team": "c"} and association["disableSessionTags"] is False, association)
check("eks list-pod-identity-associations in pages", query(f"eks list-pod-identity-associations {where} --page-size 2", "associations[].serviceAccount").split() == ["a", "b", "c"])
check("... and none of them has a role", query(f"eks list-pod-identity-associations {where}", "associations[].roleArn") == "")
check("... by namespace and name", query(f"eks list-pod-identity-associations {where} --namespace cli --service-account b", "associations[].associationId") == ids["b"])
check("... of another namespace", query(f"eks list-pod-identity-associations {where} --namespace other", "length(associations)") == "0")
said = a(f"eks list-pod-identity-associations {where} --max-items 2 --output json")
token = json.loads(said)["NextToken"]
check("... --starting-token", query(f"eks list-pod-identity-associations {where} --starting-token {token}", "associations[].serviceAccount") == "c")
one = f"{where} --association-id {ids['a']}"
shown = read(f"eks describe-pod-identity-association {one}")["association"]
check("eks describe-pod-identity-association", shown["roleArn"] == made["Arn"] and shown["serviceAccount"] == "a", shown)
arn = shown["associationArn"]
a(f"eks tag-resource --resource-arn {arn} --tags k=v")
check("eks tag-resource", read(f"eks list-tags-for-resource --resource-arn {arn}")["tags"] == {"team": "a", "k": "v"})
changed = read(f"eks update-pod-identity-association {one} --target-role-arn arn:aws:iam::999988887777:role/there --disable-session-tags")["association"]
check("eks update-pod-identity-association", changed["disableSessionTags"] and changed["externalId"].endswith("/cli/a"), changed)
refused("association exists", f"eks create-pod-identity-association {where} --namespace cli --service-account a --role-arn {made['Arn']}", "ResourceInUseException", f"Association already exists: {ids['a']}")
refused("no such role", f"eks create-pod-identity-association {where} --namespace cli --service-account d --role-arn arn:aws:iam::{ACCOUNT}:role/nope", "InvalidParameterException", "Role provided in the request does not exist")
said = a(f"eks create-pod-identity-association {where}", 2)
check("an argument is missing", "the following arguments are required: --namespace, --service-account" in said, said)

# What a pod gets: a token of the cluster becomes a session of the role
handed = f"eks-auth assume-role-for-pod-identity {where} --token a.b.c"
refused("a token of nobody", handed, "InvalidTokenException", "")
for name in ids:
    gone = read(f"eks delete-pod-identity-association {where} --association-id {ids[name]}")["association"]
    check(f"eks delete-pod-identity-association {name}", gone["associationId"] == ids[name])
refused("association is gone", f"eks describe-pod-identity-association {one}", "ResourceNotFoundException", ids["a"])

# Add-ons
AGENT = "eks-pod-identity-agent"
addon = f"{where} --addon-name {AGENT}"
versions = "addons[].addonVersions[?compatibilities[0].defaultVersion].addonVersion | [0][0]"
version = query(f"eks describe-addon-versions --addon-name {AGENT} --kubernetes-version 1.33", versions)
check("eks describe-addon-versions", version == "v1.3.10-eksbuild.1", version)
schema = query(f"eks describe-addon-configuration --addon-name {AGENT} --addon-version {version}", "configurationSchema")
check("eks describe-addon-configuration", "definitions" in json.loads(schema))
refused("no add-on", f"eks describe-addon {addon}", "ResourceNotFoundException", f"No addon: {AGENT} found in cluster: {CLUSTER}")
said = a(f"eks wait addon-active {addon}", 255)
check("eks wait addon-active: fails", "Waiter AddonActive failed: An error occurred (ResourceNotFoundException)" in said, said)
addition = read(f"eks create-addon {addon} --addon-version v1.3.9-eksbuild.3")["addon"]
check("eks create-addon", addition["status"] == "CREATING", addition)
a(f"eks wait addon-active {addon}")
check("eks wait addon-active", query(f"eks describe-addon {addon}", "addon.status") == "ACTIVE")
refused("add-on exists", f"eks create-addon {addon}", "ResourceInUseException", "Addon already exists.")
refused("no such version", f"eks update-addon {addon} --addon-version v9", "InvalidParameterException", "Addon version specified is not supported")
update = read(f"eks update-addon {addon} --addon-version {version} --resolve-conflicts PRESERVE")["update"]
check("eks update-addon", update["status"] == "InProgress" and update["type"] == "AddonUpdate", update)
a(f"eks wait addon-active {addon}")
check("eks describe-update", query(f"eks describe-update --name {CLUSTER} --addon-name {AGENT} --update-id {update['id']}", "update.status") == "Successful")
check("the other version", query(f"eks describe-addon {addon}", "addon.addonVersion") == version)
check("eks delete-addon", query(f"eks delete-addon {addon}", "addon.status") == "DELETING")
a(f"eks wait addon-deleted {addon}")
check("eks wait addon-deleted", query(f"eks list-addons {where}", "length(addons)") == "0")

# DynamoDB
check("dynamodb describe-table", query("dynamodb describe-table --table-name eks-workshop-carts", "Table.[TableStatus,GlobalSecondaryIndexes[0].IndexName]").split() == ["ACTIVE", "idx_global_customerId"])
a("dynamodb wait table-exists --table-name eks-workshop-carts")
check("dynamodb wait table-exists", True)
refused("no such table", "dynamodb describe-table --table-name nope", "ResourceNotFoundException", "Requested resource not found: Table: nope not found")

# The end of the role
for name in ["one", "two"]:
    a(f"iam delete-role-policy --role-name cli --policy-name {name}")
a(f"iam detach-role-policy --role-name cli --policy-arn {READ}")
a("iam delete-role --role-name cli")
refused("iam delete-role", "iam get-role --role-name cli", "NoSuchEntity", "")

done()
