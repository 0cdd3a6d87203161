#!/usr/bin/env python3
"""Runs boto3, the AWS CLI and the SDK for JavaScript under `podid exec`, and with a profile that runs `podid credentials`: they act as
the pod of carts.

Takes the endpoint and keys from the environment, as `podid-sandbox` exports them, the programs from PODID and AWS, and the
script for Node.js from IDENTITY.
"""
import json
import os
import pathlib
import shlex
import textwrap

from cli import PROGRAMS, Client, check, done

SESSION = "arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts-"
WHO = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
TABLE = "eks-workshop-carts"
PYTHON, AWS, PODID = str(PROGRAMS / "python"), os.environ["AWS"], os.environ["PODID"]
NODE, IDENTITY = "node", os.environ["IDENTITY"]

podid = Client(PODID, PODID_CLUSTER="eks-workshop")


def start(*command, flags=(), **environment):
    """A command under podid, with its arguments as they are."""
    words = ["exec", "carts/carts", "-q", *flags, "--", *command]
    return podid.run(shlex.join(words), **environment)


def acts(name, arn):
    check(name, arn.startswith(SESSION), arn)


# The container endpoint.
acts("boto3", start(PYTHON, "-c", WHO))
acts("boto3 with static credentials", start(PYTHON, "-c", WHO, flags=["--env"]))
acts("the AWS CLI", start(AWS, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"))
acts("the AWS CLI with static credentials", start(AWS, "sts", "get-caller-identity", "--query", "Arn", "--output", "text", flags=["--env"]))
acts("JavaScript", start(NODE, IDENTITY))
acts("JavaScript with static credentials", start(NODE, IDENTITY, flags=["--env"]))
table = json.loads(start(AWS, "dynamodb", "describe-table", "--table-name", TABLE, "--output", "json"))
check("what the role allows", table["Table"]["TableName"] == TABLE, table)
said = podid.run(f"exec carts/carts -q -- {AWS} iam list-roles", 255)
check("and no more", "AccessDenied" in said and SESSION in said, said)

# From its own sources, which would go before the endpoint, nothing is taken.
home = pathlib.Path(podid.home.name)
(home / ".aws").mkdir()
config, credentials = home / ".aws" / "config", home / ".aws" / "credentials"
credentials.write_text("[default]\naws_access_key_id = AKIAWRONG00000000000\naws_secret_access_key = wrong\n")
acts("beside a default profile", start(PYTHON, "-c", WHO))
proxy = "http://127.0.0.1:9"
acts("beside a proxy", start(PYTHON, "-c", WHO, HTTP_PROXY=proxy, NO_PROXY="127.0.0.1"))
method = start(PYTHON, "-c", "import boto3; print(boto3.Session().get_credentials().method)")
check("from the endpoint", method == "container-role", method)
credentials.unlink()

# For as long as the command runs: sessions last half a minute here.
RENEWS = textwrap.dedent("""
    import boto3, time
    session = boto3.Session()
    def key():
        return session.get_credentials().get_frozen_credentials().access_key
    first, end = key(), time.monotonic() + 40
    while key() == first:
        assert time.monotonic() < end, "not renewed"
        time.sleep(0.5)
    print(session.client("sts").get_caller_identity()["Arn"])
""")
acts("boto3 with renewed credentials", start(PYTHON, "-c", RENEWS))
acts("JavaScript with renewed credentials", start(NODE, IDENTITY, "--renewed"))

# A profile.
own = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
config.write_text(
    f"[profile dev]\naws_access_key_id = {own['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = {own['AWS_SECRET_ACCESS_KEY']}\n\n"
    f"[profile carts]\ncredential_process = {PODID} credentials carts/carts --cluster eks-workshop --profile dev\n"
)
aws, python, node = Client(AWS, HOME=str(home)), Client(PYTHON, HOME=str(home)), Client(NODE, HOME=str(home))
for client in (aws, python, node):
    for name in own:
        del client.environment[name]
acts("the AWS CLI with a profile", aws.run("sts get-caller-identity --profile carts --query Arn --output text"))
acts("boto3 with a profile", python.run(shlex.join(["-c", WHO]), AWS_PROFILE="carts"))
acts("JavaScript with a profile", node.run(IDENTITY, AWS_PROFILE="carts"))
acts("boto3 with renewed credentials of a profile", python.run(shlex.join(["-c", RENEWS]), AWS_PROFILE="carts"))
config.write_text(config.read_text().replace("--profile dev", "--profile carts"))
said = aws.run("sts get-caller-identity --profile carts", 255)
check("a profile that leads to itself", "podid credentials" in said, said)

done()
