#!/usr/bin/env python3
"""Runs podid against ministack through microburst, which breaks answers as AWS does: an envelope for each protocol, by
botocore's models, and not by the sandbox's idea of them.

Takes ministack's endpoint and keys from the environment, podid's path from PODID and microburst's from MICROBURST. TABLE says
what each call and each way of breaking it comes to, in the words of tests/it/faults/table.txt.
"""
import concurrent.futures
import json
import os
import pathlib
import queue

import botocore.session

from cli import Client, check, done
from worlds import Microburst

DIRECT = os.environ["AWS_ENDPOINT_URL"]
AT_ONCE = 4
CODES = {"done": (0,), "fails": (1, 5), "denied": (4,), "midway": (6,), "open": (0, 6)}
LIMIT = 30  # seconds for a run that is not slow

# For ever, but for those that pass.
WAYS = {
    "429 twice": {"times": 2, "error": {"code": "Throttling", "status": 400, "message": "Rate exceeded"}},
    "429": {"error": {"code": "Throttling", "status": 400, "message": "Rate exceeded"}},
    "500 once": {"times": 1, "error": {"code": "InternalFailure", "status": 500, "message": "broken for a test"}},
    "500": {"error": {"code": "InternalFailure", "status": 500, "message": "broken for a test"}},
    "slow": {"latency": 60_000},
    "cut once": {"times": 1, "reset": True},
    # The server has done it, and nobody hears.
    "lost once": {"times": 1, "response": {"abort_frac": 0.3}},
    "truncated": {"response": {"truncate_frac": 0.5}},
    "garbled": {"response": {"corrupt_bytes": 400}},
    "denied": {"error": {"code": "AccessDenied", "status": 403, "message": "not authorized to perform it, in a test"}},
    "expired": {"error": {"code": "ExpiredToken", "status": 403, "message": "the security token is expired, in a test"}},
}

CREATE = "associate carts/{name} --create-role --role {name} --dynamodb carts-table=read --allow-missing-resources --no-wait"
READ = "done fails done fails fails done done fails fails denied denied"
FIRST = "done fails done fails midway done done fails fails denied denied"
LATER = "done midway done midway midway done done midway midway midway midway"
# Of an answer that says nothing more than its status: whether it is still XML is chance.
BARE = "done midway done midway midway done done midway open midway midway"
# What is there before, what is asked, and what it comes to in each way.
TABLE = {
    ("eks", "DescribeCluster"): (None, CREATE, READ),
    ("eks", "ListClusters"): (None, "list --all-clusters", READ),
    ("eks", "ListPodIdentityAssociations"): (CREATE, "list", READ),
    ("eks", "DescribePodIdentityAssociation"): (CREATE, "list --namespace carts", READ),
    ("eks", "CreatePodIdentityAssociation"): (None, CREATE, LATER),
    ("eks", "UpdatePodIdentityAssociation"): (CREATE, "associate carts/{name} --create-role --role {name}-2 --no-wait --yes", LATER),
    ("eks", "DeletePodIdentityAssociation"): (CREATE, "disassociate carts/{name} --no-wait --yes", FIRST),
    ("iam", "ListRoles"): (CREATE, "role list", READ),
    ("iam", "GetRole"): (CREATE, "role show {name}", READ),
    ("iam", "GetRolePolicy"): (CREATE, "policy detach {name} --dynamodb carts-table --yes", READ),
    ("iam", "CreateRole"): (None, CREATE, FIRST),
    ("iam", "PutRolePolicy"): (None, CREATE, BARE),
    ("iam", "DeleteRole"): (CREATE, "disassociate carts/{name} --delete-role --no-wait --yes", BARE),
}


def attempt(proxies, service, operation, way, name):
    before, line, _ = TABLE[service, operation]
    podid = Client(os.environ["PODID"], AWS_MAX_ATTEMPTS="3")
    if before:
        run = podid.attempt(before.format(name=name))
        assert run.returncode == 0, run.stderr
    proxy = proxies.get()
    try:
        proxy.rules([{"service": service, "operation": operation, **WAYS[way]}])
        time = 5 if way == "slow" else LIMIT
        run = podid.attempt(f"{line.format(name=name)} --timeout {time}s", AWS_ENDPOINT_URL=proxy.url)
        return run, proxy.fired()
    finally:
        proxy.rules([])
        proxies.put(proxy)


def prepare():
    """A cluster, and the role that it has."""
    session = botocore.session.get_session()
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = session.create_client("iam").create_role(RoleName="cluster", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    session.create_client("eks").create_cluster(name=os.environ["PODID_CLUSTER"], roleArn=role, resourcesVpcConfig={"subnetIds": ["subnet-1"]})


def main():
    prepare()
    proxies = queue.Queue()
    running = [Microburst(pathlib.Path(os.environ["MICROBURST"]).parent, DIRECT) for _ in range(AT_ONCE)]
    for proxy in running:
        proxies.put(proxy)
    cells = [(*call, way, f"c{i}-{j}") for i, call in enumerate(TABLE) for j, way in enumerate(WAYS)]
    try:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = list(pool.map(lambda cell: attempt(proxies, *cell), cells))
    finally:
        for proxy in running:
            proxy.stop()
    for (service, operation, way, name), (run, fired) in zip(cells, outcomes):
        outcome = TABLE[service, operation][2].split()[list(WAYS).index(way)]
        said = f"exit {run.returncode}, {len(fired)} times\n{run.stdout}{run.stderr}"
        failed = run.returncode != 0
        holds = (
            run.returncode in CODES[outcome] and fired and len(fired) == WAYS[way].get("times", len(fired))
            and run.stderr.count("error: ") == failed and (not failed or "hint: " in run.stderr and not run.stdout)
            and "panicked" not in run.stderr
        )
        check(f"{service} {operation}, {way}: {outcome}", holds, said)
    done()


if __name__ == "__main__":
    main()
