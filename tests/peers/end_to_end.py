#!/usr/bin/env python3
"""The main job, recycle, verify, apply and the way back, in a world that this script does not know: one suite for all worlds.

Takes the AWS endpoint and keys and KUBECONFIG from the environment, podid's and kubectl's paths from PODID and KUBECTL, and:
BRIDGE    the endpoint is no sandbox's: DescribeCluster shall lead to KUBECONFIG's cluster
SHADOW    the sandbox's endpoint, whose Kubernetes that is: it is told of what the endpoint takes
Without SHADOW a bridged cluster is anybody's: nothing is injected there, its pods may never leave Pending nor ever end.

Everything in Kubernetes happens in a namespace `podid-test-…`, which goes when the script ends, however it ends.
"""
import contextlib
import json
import os
import pathlib
import secrets
import signal
import sys
import tempfile
import time

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from bridge import Bridge
from cli import Client, check, done, until

CLUSTER = "eks-workshop"
TABLE = "eks-workshop-carts"
NAMESPACE = f"podid-test-{secrets.token_hex(4)}"
GATE = "podid.dev/test"
SUBJECT = f"{NAMESPACE}/carts"
IMAGE = os.environ.get("PODID_TEST_IMAGE", "registry.k8s.io/pause:3.10")
BRIDGED, SHADOW = "BRIDGE" in os.environ, os.environ.get("SHADOW")
# Whether new pods get what an association says.
INJECTS = not BRIDGED or bool(SHADOW)
SESSION = botocore.session.get_session()

kubectl = Client(os.environ["KUBECTL"], KUBECONFIG=os.environ["KUBECONFIG"])


def client(service):
    return SESSION.create_client(service, config=Config(retries={"total_max_attempts": 1}))


def k(line, given=None):
    return kubectl.run(f"--namespace {NAMESPACE} {line}", given=given)


def read(line):
    return json.loads(k(f"get {line} --output json"))


def own_cluster():
    """What DescribeCluster shall say of KUBECONFIG's cluster."""
    config = json.loads(kubectl.run("config view --raw --minify --flatten --output json"))
    cluster = config["clusters"][0]["cluster"]
    said = {"endpoint": cluster["server"]}
    if "certificate-authority-data" in cluster:
        said["certificateAuthority"] = {"data": cluster["certificate-authority-data"]}
    return said


def prepare_aws():
    """The cluster, its role and the table, where the endpoint has none."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    with unless_there("EntityAlreadyExists"):
        client("iam").create_role(RoleName="cluster", AssumeRolePolicyDocument=json.dumps(trust))
    role = client("iam").get_role(RoleName="cluster")["Role"]["Arn"]
    with unless_there("ResourceInUseException"):
        client("eks").create_cluster(name=CLUSTER, version="1.33", roleArn=role, resourcesVpcConfig={"subnetIds": ["subnet-1"]})
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "customerId")]
    index = {"IndexName": "idx_global_customerId", "KeySchema": [{"AttributeName": "customerId", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    with unless_there("ResourceInUseException"):
        client("dynamodb").create_table(
            TableName=TABLE, AttributeDefinitions=attributes, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[index], BillingMode="PAY_PER_REQUEST",
        )


@contextlib.contextmanager
def unless_there(code):
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


class Podid:
    def __init__(self, home):
        self.home = pathlib.Path(home)
        # Anybody's cluster does not know the tokens that podid makes.
        self.flags = "" if INJECTS else f"--kubeconfig {os.environ['KUBECONFIG']}"
        leading = {"PODID_CLUSTER": CLUSTER, "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]}
        self.client = Client(os.environ["PODID"], **leading)
        self.client.environment.pop("KUBECONFIG", None)

    def __call__(self, line, code=0):
        run = self.client.attempt(f"{line} {self.flags} -o json")
        check(f"podid {line}: exit {code}", run.returncode == code, f"exit {run.returncode}\n{run.stdout}{run.stderr}")
        return json.loads(run.stdout) if run.stdout else {}, run.stderr

    def text(self, line):
        return self.client.run(f"{line} {self.flags}")

    def start(self, line):
        return self.client.start(f"{line} {self.flags} -o json")


def steps(answer):
    return [(step["action"], step["status"]) for step in answer["steps"]]


def deploy():
    """Two pods that are ready only when this script says so."""
    labels = {"app": "carts"}
    pod = {
        "serviceAccountName": "carts", "readinessGates": [{"conditionType": GATE}], "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "carts", "image": IMAGE}],
    }
    metadata = {"labels": labels, "annotations": {"sandbox.podid.dev/app": f"dynamodb:Query {TABLE}/index/idx_global_customerId"} if INJECTS else {}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": metadata, "spec": pod}}
    things = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "carts"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "carts"}, "spec": spec},
    ]
    for thing in things:
        k("apply --filename -", json.dumps(thing))


def pods():
    return [pod for pod in read("pods --selector app=carts")["items"] if "deletionTimestamp" not in pod["metadata"]]


def conditions(pod):
    return {each["type"]: each["status"] for each in pod.get("status", {}).get("conditions", [])}


def open_gates():
    """Says of each pod whose gate is shut that it is open."""
    for pod in pods():
        if conditions(pod).get(GATE) != "True":
            patch = {"status": {"conditions": [{"type": GATE, "status": "True"}]}}
            name = pod["metadata"]["name"]
            # A pod may go while it is looked at.
            kubectl.attempt(f"--namespace {NAMESPACE} patch pod {name} --subresource status --type strategic --patch-file /dev/stdin", json.dumps(patch))


def ready():
    return [pod for pod in pods() if conditions(pod).get("Ready") == "True"]


def injected(pod):
    names = {each["name"] for each in pod["spec"]["containers"][0].get("env", [])}
    return "AWS_CONTAINER_CREDENTIALS_FULL_URI" in names


def restarted():
    return read("deployment/carts")["spec"]["template"]["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/restartedAt")


def finish(child):
    """Exit code, the answer and what was said of a podid that was started."""
    stdout, stderr = child.communicate(timeout=120)
    return child.returncode, json.loads(stdout) if stdout else {}, stderr


def meanwhile(child, look, within=60):
    """What `look` finds while podid runs; what podid said, when it ends or finds nothing."""
    try:
        found = until(lambda: look() or child.poll() is not None, within)
    except AssertionError as error:
        child.terminate()
        raise AssertionError(f"{error}: {finish(child)}") from None
    if child.poll() is not None:
        raise AssertionError(f"podid ended: {finish(child)}")
    return found


def rolled_out(child, old):
    """Opens the gates of new pods until podid ends; not before it waits for them."""
    check("pods that are not ready are waited for", meanwhile(child, lambda: names() - old))
    end = time.monotonic() + 120
    while child.poll() is None and time.monotonic() < end:
        open_gates()
        time.sleep(0.2)
    return finish(child)


def names():
    return {pod["metadata"]["name"] for pod in pods()}


def agent(podid):
    """The agent, as far as the endpoint knows of its add-on."""
    if not BRIDGED:
        answer, _ = podid("agent install")
        check("agent install", steps(answer) == [("installAgent", "done")], answer)
        return
    _, error = podid("agent install --no-wait", 1)
    check("no DescribeAddonVersions: said", "No route" in error, error)
    with unless_there("ResourceInUseException"):
        client("eks").create_addon(clusterName=CLUSTER, addonName="eks-pod-identity-agent", addonVersion="v1.3.10-eksbuild.1")
    if INJECTS:
        until(agent_ready)


def agent_ready():
    sets = json.loads(kubectl.run("get daemonsets --namespace kube-system --output json"))["items"]
    return sets and all(each["status"]["numberReady"] == each["status"]["desiredNumberScheduled"] > 0 for each in sets)


def main_job(podid):
    create = f"associate {SUBJECT} --create-role --role podid-e2e --dynamodb {TABLE}=read-write"
    check("a dry run plans three writes", len(podid(f"{create} --dry-run --no-wait --exit-code", 3)[0]["steps"]) == 3)
    check("... and sends none", podid(f"list --namespace {NAMESPACE}")[0] == {"associations": []})
    before = names()
    if INJECTS:
        code, answer, error = rolled_out(podid.start(f"{create} --recycle --timeout 110s"), before)
        check("associate with --recycle ends well", code == 0, error)
        check("four steps", steps(answer)[:3] == [("createRole", "done"), ("putPolicy", "done"), ("createAssociation", "done")] and ("restart", "done") in steps(answer), answer)
        check("all pods are new, ready and injected", len(ready()) == 2 and not names() & before and all(map(injected, pods())))
    else:
        create += " --no-wait"
        answer, _ = podid(create)
        check("three writes", steps(answer) == [("createRole", "done"), ("putPolicy", "done"), ("createAssociation", "done")], answer)
    [listed] = podid(f"list --namespace {NAMESPACE}")[0]["associations"]
    eks = client("eks")
    [summary] = eks.list_pod_identity_associations(clusterName=CLUSTER, namespace=NAMESPACE)["associations"]
    check("list says what another client reads", listed["associationId"] == summary["associationId"])
    shown, _ = podid(f"show {SUBJECT}")
    check("show", shown["trust"]["verdict"] == "allows" and len(shown["pods"]) == 2, shown)
    check("... and whether pods have it", {pod["injection"] for pod in shown["pods"]} == {"injected" if INJECTS else "no"}, shown["pods"])
    check("a second run writes nothing", podid(create)[0]["steps"] == [])


def recycle(podid):
    before, at = names(), restarted()
    line = f"recycle {SUBJECT} --timeout 60s --yes"
    if INJECTS:
        code, _, error = rolled_out(podid.start(line), before)
        check("recycle ends well", code == 0, error)
        check("no old pod is left", restarted() != at and len(ready()) == 2 and not names() & before)
        return
    child = podid.start(line)
    until(lambda: child.poll() is not None or restarted() != at)
    # Only where there are nodes that need an agent.
    if child.poll() is not None:
        code, _, error = finish(child)
        check("without an agent nothing is restarted", code == 2 and "no ready agent" in error and restarted() == at, error)
        child = podid.start(f"{line} --allow-missing-agent")
    # Nobody injects pods here: a restart would bring none that has credentials.
    code, _, error = finish(child)
    check("where new pods are not injected nothing is restarted", code == 2 and "would not be injected" in error and restarted() == at, error)


def verified(podid, code=0):
    """Ids of what fails."""
    found, _ = podid(f"verify {SUBJECT}", code)
    [report] = found["reports"]
    return [finding["id"] for finding in report["findings"] if finding["status"] == "failed"]


def verify(podid):
    failed = verified(podid, 0 if INJECTS else 3)
    check("verify", not failed if INJECTS else failed, failed)
    if INJECTS:
        # One thing broken, outside of podid.
        iam = client("iam")
        whole = iam.get_role(RoleName="podid-e2e")["Role"]["AssumeRolePolicyDocument"]
        broken = json.loads(json.dumps(whole))
        broken["Statement"][0]["Action"] = "sts:AssumeRole"
        iam.update_assume_role_policy(RoleName="podid-e2e", PolicyDocument=json.dumps(broken))
        failed = verified(podid, 3)
        check("... names the broken link", failed == ["trust.missing-tag-session"], failed)
        iam.update_assume_role_policy(RoleName="podid-e2e", PolicyDocument=json.dumps(whole))
        check("... until it is mended", not verified(podid))


def apply(podid):
    file = podid.home / "podid.yaml"
    entries = {
        "apiVersion": "podid.dev/v1", "kind": "PodIdentity", "metadata": {"name": "end-to-end"},
        "roles": [{"name": "podid-e2e-file", "policies": {"dynamodb": [{"table": TABLE, "access": "read"}]}}],
        "associations": [
            {"serviceAccount": f"{NAMESPACE}/cart-reader", "role": "podid-e2e-file"},
            {"serviceAccount": f"{NAMESPACE}/cart-viewer", "role": "podid-e2e-file"},
        ],
    }
    file.write_text(json.dumps(entries))
    # Its service accounts come later, as those of a GitOps repository may.
    flags = f"-f {file} --allow-missing-service-account"
    podid(f"diff {flags}", 3)
    answer, _ = podid(f"apply {flags} --no-wait --yes")
    check("apply", {status for _, status in steps(answer)} == {"done"} and sum(action == "createAssociation" for action, _ in steps(answer)) == 2, answer)
    podid(f"diff {flags}")
    check("the same again is no step", podid(f"apply {flags} --no-wait --yes")[0]["steps"] == [])
    trust = client("iam").get_role(RoleName="podid-e2e-file")["Role"]["AssumeRolePolicyDocument"]
    check("the role admits both", all(name in json.dumps(trust) for name in ("cart-reader", "cart-viewer")))
    exported = podid.home / "exported.yaml"
    exported.write_text(podid.text("export"))
    podid(f"diff -f {exported}")
    entries["associations"].pop()
    file.write_text(json.dumps(entries))
    podid(f"apply {flags} --no-wait --yes --prune")
    left = [each["serviceAccount"] for each in podid(f"list --namespace {NAMESPACE}")[0]["associations"]]
    check("what the file has no more goes with --prune", sorted(left) == ["cart-reader", "carts"], left)


def way_back(podid):
    answer, _ = podid(f"disassociate {SUBJECT} --delete-role --no-wait --yes")
    check("disassociate", {status for _, status in steps(answer)} == {"done"}, answer)
    try:
        client("iam").get_role(RoleName="podid-e2e")
        raise AssertionError("the role is still there")
    except ClientError as error:
        check("... and the role was deleted", error.response["Error"]["Code"] == "NoSuchEntity")


@contextlib.contextmanager
def namespace():
    kubectl.run(f"create namespace {NAMESPACE}")
    try:
        yield
    finally:
        # A pod that nobody ends would keep its namespace for ever.
        kubectl.attempt(f"--namespace {NAMESPACE} delete deployments --all --wait=false")
        kubectl.attempt(f"--namespace {NAMESPACE} delete pods --all --force --grace-period=0 --wait=false")
        gone = kubectl.attempt(f"delete namespace {NAMESPACE} --wait=false")
        print(f"namespace {NAMESPACE}: {(gone.stdout + gone.stderr).strip()}")


def main():
    # A signal, too, is followed by the clean-up.
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda number, _: sys.exit(128 + number))
    bridge = None
    if BRIDGED:
        key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        shadow = SHADOW and {"url": SHADOW, "key": key, "secret": secret, "region": os.environ["AWS_REGION"]}
        prepare_aws()
        bridge = Bridge(os.environ["AWS_ENDPOINT_URL"], own_cluster(), shadow)
        os.environ["AWS_ENDPOINT_URL"] = bridge.url
    with namespace(), tempfile.TemporaryDirectory() as home:
        podid = Podid(home)
        agent(podid)
        deploy()
        until(lambda: len(pods()) == 2)
        main_job(podid)
        recycle(podid)
        verify(podid)
        apply(podid)
        way_back(podid)
        check("server and sandbox are one world", not (bridge and bridge.apart), bridge and bridge.apart)
    done()


if __name__ == "__main__":
    main()
