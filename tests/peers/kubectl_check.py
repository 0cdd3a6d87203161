#!/usr/bin/env python3
"""Drives the sandbox's Kubernetes side with kubectl: reads, writes, rollouts, logs, tokens, events and refusals.

Takes the kubeconfig from the environment, as `podid-sandbox` exports it, and the AWS CLI's path from AWS. Ends with what
the sandbox is known to do unlike Kubernetes: when one of those fails, the sandbox has moved, and the line can go.
"""
import json
import os
import re

from cli import PROGRAMS, Client, check, done, until

kubectl = Client(PROGRAMS / "kubectl")
NOWHERE = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}


def k(line, code=0, given=None, **environment):
    return kubectl.run(f"--namespace carts {line}", code, given, **environment)


def read(line):
    return json.loads(k(f"get {line} --output json"))


def says(name, line, text, code=0, given=None):
    """One check of what is printed: on stderr when it fails."""
    said = k(line, code, given)
    check(name, re.search(text, said), said)
    return said


def comes(name, look):
    """One check of something that the cluster does by itself."""
    check(name, until(look))


def manifest(kind, name, replicas=2, annotations=None, **spec):
    labels = {"app": name}
    template = {"metadata": {"labels": labels, "annotations": annotations or {}},
                "spec": {"serviceAccountName": "carts", "containers": [{"name": "main", "image": "nginx:1.27"}]}}
    # A second for each pod: whoever watches has something to see.
    body = {"selector": {"matchLabels": labels}, "template": template, "minReadySeconds": 1, **spec}
    if kind != "DaemonSet":
        body["replicas"] = replicas
    if kind == "StatefulSet":
        body["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "carts"}, "spec": body}


def pod(name, image="nginx:1.27", **spec):
    containers = [{"name": "main", "image": image}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "carts"},
            "spec": {"serviceAccountName": "carts", "containers": containers, **spec}}


def apply(thing, words, *flags, code=0):
    name = f"apply {thing['kind']}/{thing['metadata']['name']} {' '.join(flags)}: {words}"
    return says(name, f"apply --filename - {' '.join(flags)}", words, code, json.dumps(thing))


# Who and what
says("version", "version --output json", r'"gitVersion": "v1\.33\.')
says("auth whoami", "auth whoami --output json", r'"username": "arn:aws:iam::111122223333:user/workshop"')
says("auth can-i", "auth can-i create pods", r"^yes$")
kinds = k("api-resources --verbs list --output name").splitlines()
check("api-resources", {"pods", "serviceaccounts", "deployments.apps", "statefulsets.apps", "daemonsets.apps"} <= set(kinds), kinds)
says("unknown resource", "get nonsense", r"doesn't have a resource type \"nonsense\"", 1)
says("cluster-info", "cluster-info", r"Kubernetes control plane.*https://127\.0\.0\.1:")

# get
rows = k("get pods --output wide").splitlines()
check("get pods: the server's columns", rows[0].split() == "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES".split(), rows)
check("get pods: its cells", len(rows) == 3 and all(row.split()[1:4] == ["1/1", "Running", "0"] for row in rows[1:]), rows)
says("get deployment", "get deployment carts", r"^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\ncarts +2/2 +2 +2 +10m$")
says("get nodes", "get nodes", r"^NAME +STATUS +ROLES +AGE +VERSION\nip-\S+ +Ready +<none> +15m +v1\.33\.")
says("get all", "get all", r"(?s)pod/carts-.*deployment\.apps/carts.*replicaset\.apps/carts-")
says("get by short names", "get deploy,rs,sa,cm --output name", r"(?s)deployment\.apps/carts.*replicaset\.apps/carts-.*serviceaccount/carts.*configmap/carts")
check("get by label", len(k("get pods --selector app.kubernetes.io/name=carts --output name").splitlines()) == 2)
check("get by another label", k("get pods --selector app.kubernetes.io/name!=carts --output name") == "")
node = read("pods")["items"][0]["spec"]["nodeName"]
check("get by field", all(p["spec"]["nodeName"] == node for p in read(f"pods --field-selector spec.nodeName={node}")["items"]))
says("unknown field", "get pods --field-selector spec.nope=1", r"field label not supported: spec.nope", 1)
check("get in chunks", len(k("get pods --all-namespaces --chunk-size 2 --output name").splitlines()) == 5)
says("jsonpath", "get deployment carts --output jsonpath={.status.readyReplicas}", r"^2$")
says("not found", "get pod nope", r'Error from server \(NotFound\): pods "nope" not found', 1)
says("--ignore-not-found", "get pod nope --ignore-not-found", r"^$")
says("get --raw", "get --raw /readyz", r"^ok$")
says("unknown group", "get --raw /apis/argoproj.io/v1alpha1", r"\(NotFound\)", 1)

# create --dry-run=server goes through the webhook, and makes nothing
probe = json.loads(k("create --filename - --dry-run=server --output json", given=json.dumps(pod("probe"))))
volumes = [volume["name"] for volume in probe["spec"]["volumes"]]
check("a dry run is injected", "eks-pod-identity-token" in volumes, volumes)
mine = {entry["name"]: entry["value"] for entry in probe["spec"]["containers"][0]["env"]}
check("... with the agent's address", mine["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://169.254.170.23/v1/credentials", mine)
says("... and leaves nothing", "get pod probe", r"NotFound", 1)
plain = pod("probe", serviceAccountName="default")
answer = json.loads(k("create --filename - --dry-run=server --output json", given=json.dumps(plain)))
check("no association, no injection", "eks-pod-identity-token" not in json.dumps(answer))
says("no such service account", "create --filename - --dry-run=server", r'Forbidden.*serviceaccount "nope" not found', 1, json.dumps(pod("probe", serviceAccountName="nope")))

# apply, diff
web = manifest("Deployment", "web", progressDeadlineSeconds=60)
apply(web, r"deployment\.apps/web created \(server dry run\)", "--dry-run=server")
says("diff of what is not there", "diff --filename -", r"", 1, json.dumps(web))
apply(web, r"deployment\.apps/web created")
apply(web, r"deployment\.apps/web unchanged")
check("diff of what is there", k("diff --filename -", given=json.dumps(web)) == "")
apply({**web, "spec": {**web["spec"], "replicas": 3}}, r"deployment\.apps/web configured")
check("apply changed it", read("deployment web")["spec"]["replicas"] == 3)
apply(web, r"deployment\.apps/web configured")
moved = {**web, "spec": {**web["spec"], "selector": {"matchLabels": {"app": "other"}}}}
apply(moved, r"The Deployment \"web\" is invalid(.|\n)*field is immutable", code=1)
apply(manifest("StatefulSet", "db"), r"statefulset\.apps/db created")
apply(manifest("DaemonSet", "log"), r"daemonset\.apps/log created")
apply(pod("lost"), r"pod/lost created")
says("create of what exists", "create --filename -", r'Error from server \(AlreadyExists\).*pods "lost" already exists', 1, json.dumps(pod("lost")))
said = kubectl.run("--namespace nope create serviceaccount x", 1)
check("create in no namespace", 'namespaces "nope" not found' in said, said)
says("create serviceaccount", "create serviceaccount x", r"serviceaccount/x created")

# rollout: restart, status, history, undo, pause
for kind, name, words in [
    ("deployment", "web", r'deployment "web" successfully rolled out'),
    ("statefulset", "db", r"statefulset rolling update complete 2 pods at revision db-|partitioned roll out complete"),
    ("daemonset", "log", r'daemon set "log" successfully rolled out'),
]:
    says(f"rollout status {kind}: made", f"rollout status {kind}/{name} --timeout 30s", words)
    before = {p["metadata"]["uid"] for p in read(f"pods --selector app={name}")["items"]}
    says(f"rollout restart {kind}", f"rollout restart {kind}/{name}", rf"{kind}\.apps/{name} restarted")
    said = says(f"rollout status {kind}: restarted", f"rollout status {kind}/{name} --timeout 30s", words)
    check(f"rollout status {kind} waited", "Waiting for" in said, said)
    after = [p for p in read(f"pods --selector app={name}")["items"] if "deletionTimestamp" not in p["metadata"]]
    check(f"{kind}: all pods are others", len(after) == len(before) and not before & {p["metadata"]["uid"] for p in after})
    stamp = read(f"{kind} {name}")["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]
    check(f"{kind}: the annotation", re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+", stamp), stamp)
    says(f"rollout history {kind}", f"rollout history {kind}/{name}", r"REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>")
    says(f"rollout undo {kind}", f"rollout undo {kind}/{name}", rf"{kind}\.apps/{name} rolled back")
    says(f"rollout status {kind}: undone", f"rollout status {kind}/{name} --timeout 30s", words)
    check(f"{kind}: no annotation", "restartedAt" not in json.dumps(read(f"{kind} {name}")["spec"]))
says("rollout pause", "rollout pause deployment/web", r"paused")
says("restart of a paused one", "rollout restart deployment/web", r"can't restart paused deployment", 1)
says("rollout resume", "rollout resume deployment/web", r"resumed")
says("restart of a ReplicaSet", "rollout restart " + k("get replicasets --output name").splitlines()[0], r"restarting is not supported", 1)

# Other changes
says("scale", "scale deployment web --replicas 1", r"scaled")
comes("scaled", lambda: read("deployment web")["status"].get("replicas") == 1)
says("set image", "set image deployment/web main=nginx:1.28", r"image updated")
says("annotate", "annotate serviceaccount carts team=shop", r"annotated")
says("label", "label serviceaccount carts team=shop", r"labeled")
account = read("serviceaccount carts")["metadata"]
check("labels and annotations", account["labels"] == {"team": "shop"} and account["annotations"]["team"] == "shop", account)
for kind, patch in [("strategic", '{"spec":{"minReadySeconds":0}}'), ("merge", '{"spec":{"revisionHistoryLimit":3}}'), ("json", '[{"op":"test","path":"/spec/replicas","value":1}]')]:
    says(f"patch --type {kind}", f"patch deployment web --type {kind} --patch '{patch}'", r"patched")
says("a patch that does not fit", """patch deployment web --type json --patch '[{"op":"test","path":"/spec/replicas","value":9}]'""", r"testing path", 1)
says("wait for a condition", "wait --for condition=Available deployment/web --timeout 30s", r"condition met")
says("wait in vain", "wait --for condition=Nope deployment/web --timeout 1s", r"timed out waiting for the condition", 1)

# What goes wrong, and what describe says of it
says("describe a deployment", "describe deployment carts", r"(?s)NewReplicaSet: +carts-\S+ \(2/2 replicas created\).*Normal +ScalingReplicaSet +10m +deployment-controller +Scaled up replica set carts-\S+ from 0 to 2")
says("describe a replica set", "describe replicaset --selector app.kubernetes.io/name=carts", r"Normal +SuccessfulCreate +\S+ +replicaset-controller +Created pod: carts-")
says("describe a stateful set", "describe statefulset db", r"SuccessfulDelete +\S+ \(x2 over \S+\) +statefulset-controller +delete Pod db-1 in StatefulSet db successful")
says("describe a daemon set", "describe daemonset log", r"SuccessfulDelete +\S+ +daemonset-controller +Deleted pod: log-")
says("describe a node", f"describe node {node}", r"(?s)Non-terminated Pods: .*kube-system +eks-pod-identity-agent-")
says("describe a service account", "describe serviceaccount carts", r"Name: +carts")
lost = says("describe a pod", "describe pod lost", r"Successfully assigned carts/lost to ip-")
events = re.findall(r"^  (?:Normal|Warning) +(\w+) ", lost, re.M)
check("a pod's events in order", events == ["Scheduled", "Pulled", "Created", "Started"], events)

apply(manifest("Deployment", "crash", 1, {"sandbox.podid.dev/app": "crash boom"}), "created")
comes("a crash loop", lambda: "CrashLoopBackOff" in k("get pods --selector app=crash"))
comes("... is told and counted", lambda: re.search(r"Warning +BackOff +\S+ \(x\d+ over \S+\) +kubelet +spec.containers{main}: Back-off restarting failed container main in pod crash-", k("describe pods --selector app=crash")))
says("... and shown with its restarts", "get pods --selector app=crash", r"0/1 +\S+ +\d+ \(\S+ ago\)")
says("logs of the run before", "logs --selector app=crash --previous", r"Caused by: .*: boom")
apply(manifest("Deployment", "image", 1, {"sandbox.podid.dev/app": "image-error"}, progressDeadlineSeconds=2), "created")
comes("an image that is not there", lambda: "ImagePullBackOff" in k("get pods --selector app=image"))
says("... is told", "describe pods --selector app=image", r"(?s)Warning +Failed .*Failed to pull image \"nginx:1\.27\": .*not found.*Normal +BackOff .*Back-off pulling image")
says("rollout status past the deadline", "rollout status deployment/image --timeout 30s", r'deployment "image" exceeded its progress deadline', 1)
says("logs of what never started", "logs deployment/image", r"is waiting to start: trying and failing to pull image", 1)
apply(pod("nowhere", nodeSelector={"a": "b"}), "created")
comes("a pod that fits nowhere", lambda: re.search(r"Warning +FailedScheduling +\S+ +default-scheduler +0/3 nodes are available: 3 node\(s\) didn't match Pod's node affinity/selector", k("describe pod nowhere")))
denied = manifest("Deployment", "denied", 1)
denied["spec"]["template"]["spec"]["serviceAccountName"] = "nope"
apply(denied, "created")
comes("pods that are refused", lambda: re.search(r"Warning +FailedCreate .*Error creating: pods \"denied-\S+ is forbidden", k("describe replicaset --selector app=denied")))
says("rollout status in time", "rollout status deployment/denied --timeout 1s", r"timed out waiting for the condition", 1)
table = k("get events --field-selector type=Warning").splitlines()
check("get events", table[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"] and len(table) > 4 and all(" Warning " in row for row in table[1:]), table)
says("events of one object", "events --for pod/lost", r"(?s)Scheduled.*Started")

# logs
says("logs of a deployment", "logs deployment/carts", r"Started CartApplication(.|\n)* ok as arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/")
check("logs --tail", len(k("logs deployment/carts --tail 1").splitlines()) == 1)
says("logs --timestamps", "logs deployment/carts --timestamps", r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
check("logs --since", k("logs deployment/carts --since 1s") == "")
says("logs of no such container", "logs deployment/carts --container nope", r"container nope is not valid for pod carts-", 1)
says("no run before", "logs deployment/carts --previous", r"previous terminated container \"carts\" in pod \"carts-\S+\" not found", 1)
following = kubectl.start("--namespace carts logs lost --follow")
first = following.stdout.readline()
check("logs --follow", "Starting" in first, first)
says("delete a pod", "delete pod lost --timeout 30s", r'pod "lost" deleted')
check("... ends its log", following.wait(30) == 0)
says("... and is told", "get events --field-selector involvedObject.name=lost", r"Normal +Killing +pod/lost +Stopping container main")

# Watches
watching = kubectl.start("--namespace carts get pods --selector app=web --watch")
header, one = watching.stdout.readline(), watching.stdout.readline()
check("get --watch", header.split()[:3] == ["NAME", "READY", "STATUS"] and one.startswith("web-"), (header, one))
k("scale deployment web --replicas 2")
more = watching.stdout.readline()
check("... prints rows of the same columns", len(more.split()) == 5 and re.fullmatch(r"\d/1", more.split()[1]), more)
watching.terminate()
watching.wait()
says("wait for a deletion", "delete deployment crash --wait --timeout 30s", r"deleted")
comes("... takes its pods along", lambda: k("get pods --selector app=crash --output name") == "")
says("delete --cascade=orphan", "delete statefulset db --cascade=orphan", r"deleted")
check("... leaves its pods", len(k("get pods --selector app=db --output name").splitlines()) == 2)

# Tokens
token = k("create token carts --audience pods.eks.amazonaws.com --duration 20m")
check("create token", token.count(".") == 2)
name = k("get pods --selector app.kubernetes.io/name=carts --output name").splitlines()[0].removeprefix("pod/")
bound = json.loads(k(f"create token carts --bound-object-kind Pod --bound-object-name {name} --output json"))
check("... bound to a pod", bound["spec"]["boundObjectRef"]["name"] == name and "token" in bound["status"], bound["spec"])
says("... too short", "create token carts --duration 5m", r"may not specify a duration less than 10 minutes", 1)
says("... for nobody", "create token nope", r'serviceaccounts "nope" not found', 1)
server = json.loads(kubectl.run("config view --minify --output json"))["clusters"][0]["cluster"]["server"]
config = {"KUBECONFIG": os.devnull}
bare = f"--server {server} --insecure-skip-tls-verify"
own = k("create token carts")
said = kubectl.run(f"{bare} --token {own} auth whoami --output json", **config)
check("a service account's token is known", '"username": "system:serviceaccount:carts:carts"' in said, said)
said = kubectl.run(f"{bare} --token {own} get pods --namespace carts", 1, **config)
check("... and may nothing", 'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:carts:carts" cannot list resource "pods" in API group "" in the namespace "carts"' in said, said)
said = kubectl.run(f"{bare} --token {token} get pods", 1, **config)
check("a token for another audience is not", "You must be logged in to the server" in said, said)
said = kubectl.run(f"{bare} --token x get pods", 1, **config)
check("nor is any other", "You must be logged in to the server" in said, said)

# With the AWS CLI's kubeconfig and token
aws = Client(os.environ["AWS"])
kubeconfig = f"{aws.home.name}/kubeconfig"
aws.run(f"eks update-kubeconfig --name eks-workshop --kubeconfig {kubeconfig}")
path = f"{os.path.dirname(os.environ['AWS'])}:{os.environ['PATH']}"
said = k("auth whoami --output json", KUBECONFIG=kubeconfig, PATH=path, **NOWHERE)
check("aws eks update-kubeconfig and get-token", '"username": "arn:aws:iam::111122223333:user/workshop"' in said, said)
said = k("get pods", 1, KUBECONFIG=kubeconfig, PATH=path, AWS_SECRET_ACCESS_KEY="wrong", **NOWHERE)
check("a token with a wrong signature", "You must be logged in to the server" in said, said)

# Known differences from Kubernetes
says("no server-side apply", "apply --server-side --filename -", r"Unsupported Media Type", 1, json.dumps(web))
says("no leases", f"describe node {node}", r"Failed to get lease")
says("only some kinds in protobuf", "create configmap x", r"Unsupported Media Type", 1)
says("no exec", "exec deployment/carts -- true", r"404", 1)
says("no schemas to explain", "explain pod.spec", r"error", 1)

done()
