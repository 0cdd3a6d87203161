#!/usr/bin/env python3
"""Files that podid writes for other tools, read by what others wrote: python-hcl2, cfn-lint, a YAML parser, and Terraform itself
where it is installed."""
import os
import pathlib
import shutil
import tempfile

import hcl2
import yaml

from cli import PROGRAMS, Client, check, done

podid = Client(os.environ["PODID"], PODID_CLUSTER="eks-workshop")
MANIFEST = """
apiVersion: podid.dev/v1
kind: PodIdentity
metadata: {name: carts}
agent: {configuration: {tolerations: [{operator: Exists}]}}
roles:
  - name: carts-role
    tags: {team: "a b", "x:y": "1"}
    policies:
      dynamodb: [{table: eks-workshop-carts, access: read-write}]
      managed: ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"]
      inline:
        - name: own.policy
          document:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/${aws:PrincipalTag/kubernetes-namespace}/*"}
associations:
  - serviceAccount: carts/carts
    role: carts-role
  - serviceAccount: carts/other
    role: carts-role
    disableSessionTags: true
    sessionPolicy: {document: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}}
"""


def exported(file_format):
    return podid.run(f"export --format {file_format}")


def plain(text):
    """A text of python-hcl2 without its quotes."""
    return text.strip('"')


with tempfile.TemporaryDirectory() as name:
    home = pathlib.Path(name)
    (home / "podid.yaml").write_text(MANIFEST)
    podid.run(f"apply -f {home / 'podid.yaml'} --yes --no-wait")

    hcl = home / "pod-identity.tf"
    hcl.write_text(exported("terraform") + "\n")
    read = hcl2.loads(hcl.read_text())
    declared = [f"{plain(kind)}.{plain(label)}" for block in read["resource"] for kind, labels in block.items() if not kind.startswith("__") for label in labels if not label.startswith("__")]
    check("python-hcl2 reads the file, and each resource is imported", len(declared) == len(read["import"]) == 7, (declared, len(read["import"])))
    kinds = sorted({one.split(".")[0] for one in declared})
    check("every kind of resource is there", kinds == ["aws_eks_addon", "aws_eks_pod_identity_association", "aws_iam_role", "aws_iam_role_policy", "aws_iam_role_policy_attachment"], kinds)
    check("what IAM interpolates is escaped for Terraform", '"arn:aws:s3:::b/$${aws:PrincipalTag/kubernetes-namespace}/*"' in hcl.read_text())
    if terraform := shutil.which("terraform"):
        empty = home / "terraformrc"
        empty.write_text("")
        said = Client(terraform, TF_CLI_CONFIG_FILE=str(empty)).attempt(f"fmt -check -diff {hcl}")
        check("terraform fmt would change nothing", said.returncode == 0, said.stdout + said.stderr)

    template = home / "template.yaml"
    template.write_text(exported("cloudformation") + "\n")
    said = Client(PROGRAMS / "cfn-lint").attempt(f"--region us-west-2 -- {template}")
    check("cfn-lint finds nothing", said.returncode == 0, said.stdout + said.stderr)
    resources = yaml.safe_load(template.read_text())["Resources"]
    imported = yaml.safe_load(exported("cloudformation-import"))
    check("each resource of the template is imported", [one["LogicalResourceId"] for one in imported] == list(resources), imported)

    for file_format, groups in (("ack", {"eks.services.k8s.aws/v1alpha1", "iam.services.k8s.aws/v1alpha1"}), ("crossplane", {"eks.aws.upbound.io/v1beta1", "iam.aws.upbound.io/v1beta1"})):
        objects = list(yaml.safe_load_all(exported(file_format)))
        check(f"{file_format}: all are objects of its groups", {one["apiVersion"] for one in objects} == groups, objects)
        names = [(one["kind"], one["metadata"]["name"]) for one in objects]
        check(f"{file_format}: each has a name of its own", len(set(names)) == len(names), names)
    config = yaml.safe_load(exported("eksctl"))
    accounts = [(one["namespace"], one["serviceAccountName"], one["roleARN"].split("/")[-1]) for one in config["iam"]["podIdentityAssociations"]]
    check("eksctl: the associations with their role", accounts == [("carts", "carts", "carts-role"), ("carts", "other", "carts-role")], accounts)

done()
