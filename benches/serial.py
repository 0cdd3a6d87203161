"""What a script does: lists the associations of a cluster, and describes one after the other."""
import os

import boto3

eks = boto3.client("eks")
cluster = os.environ["PODID_CLUSTER"]
for page in eks.get_paginator("list_pod_identity_associations").paginate(clusterName=cluster):
    for one in page["associations"]:
        found = eks.describe_pod_identity_association(clusterName=cluster, associationId=one["associationId"])["association"]
        print(found["namespace"], found["serviceAccount"], found["roleArn"])
