"""Worlds and clients that checks run in: podid and the sandbox built, virtual environments, servers of their own.

Everything is made under cargo's target directory, and stops with whoever started it.
"""
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
START_WITHIN = 30  # seconds
REGION = "us-west-2"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fail(text):
    sys.exit(f"{sys.argv[0]}: {text}")


def build():
    """Builds podid and the sandbox; answers their paths and cargo's target directory."""
    # The tests too: with what they need of the libraries, so that nothing is built twice beside `cargo test`.
    command = ["cargo", "build", "--quiet", "--locked", "--workspace", "--bins", "--tests", "--message-format", "json"]
    try:
        answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    except FileNotFoundError:
        fail("cargo is needed")
    if answer.returncode:
        fail("podid and the sandbox do not build")
    messages = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    binaries = {m["target"]["name"]: m["executable"] for m in messages if m.get("executable") and m["target"]["kind"] == ["bin"] and not m["profile"]["test"]}
    # target/debug/podid, or target/TRIPLE/debug/podid.
    return binaries["podid"], binaries["podid-sandbox"], pathlib.Path(binaries["podid"]).parent.parent


def environment(target, name):
    """The directory of programs of a virtual environment with what NAME.txt pins, made anew when that changed."""
    requirements = HERE / f"{name}.txt"
    place = target / "peers" / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    programs, stamp = place / "bin", place / "requirements.txt"
    wanted = requirements.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        try:
            venv.create(place, with_pip=True, clear=True)
        except subprocess.CalledProcessError:
            fail("Python's venv and pip are needed (on Debian: python3-venv)")
        install = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]
        if subprocess.run(install, stdin=subprocess.DEVNULL).returncode:
            fail(f"pip could not install what {name}.txt names")
        stamp.write_text(wanted)
    return programs


def javascript(target):
    """The directory of programs for Node.js, with the packages that its lock file pins, made anew when one of its files changed."""
    source, place = HERE / "javascript", target / "peers" / "javascript"
    files = {path.name: path.read_text() for path in source.iterdir()}
    stamp = place / "stamp.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != files:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name, text in files.items():
            (place / name).write_text(text)
        install = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            installed = subprocess.run(install, cwd=place, stdin=subprocess.DEVNULL).returncode == 0
        except FileNotFoundError:
            fail("Node.js with npm is needed (on Debian: nodejs and npm)")
        if not installed:
            fail("npm could not install what javascript/package-lock.json pins")
        stamp.write_text(json.dumps(files))
    return place


class World:
    """A server that clients are led to by what it exports."""

    process = None

    def stop(self):
        if self.process:
            stop(self.process)


class Sandbox(World):
    """A sandbox of its own, and the variables that lead to it."""

    def __init__(self, binary, scenario):
        self.process = subprocess.Popen([binary, scenario], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.exports = {}
        watchdog = threading.Timer(START_WITHIN, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            name, value = shlex.split(line)[1].split("=", 1)
            self.exports[name] = value
            # The last one that it prints.
            if name == "KUBECONFIG":
                break
        watchdog.cancel()
        if "KUBECONFIG" not in self.exports:
            stop(self.process)
            fail("the sandbox did not start")


def leading(url, account):
    """The variables that lead clients to an emulator, which takes the key for the account."""
    return {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
    }


class Endpoint(World):
    """An emulator that somebody else started."""

    def __init__(self, url, account):
        self.exports = leading(url, account)


class Served(World):
    """A server that somebody else wrote, on a port of its own on loopback; what it says is shown when it does not start."""

    def serve(self, health, command, **more):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **more)
        until = time.monotonic() + START_WITHIN
        while True:
            try:
                DIRECT.open(health, timeout=2).close()
                return
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    self.stop()
                    self.log.seek(0)
                    print(self.log.read(), end="")
                    fail(f"{command[0].name} did not start")
                time.sleep(0.1)

    @staticmethod
    def free_port():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return free.getsockname()[1]


class Ministack(Served):
    """An emulator of its own, and the variables that lead to it."""

    def __init__(self, programs, home, account="123456789012"):
        port = self.free_port()
        settings = {
            # Two of its services would listen on every interface.
            "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",
            "MINISTACK_REGION": REGION, "MINISTACK_ACCOUNT_ID": account, "PATH": os.environ["PATH"], "HOME": str(home),
        }
        url = f"http://127.0.0.1:{port}"
        self.serve(f"{url}/_ministack/health", [programs / "ministack"], cwd=home, env=settings)
        self.exports = {**leading(url, account), "PODID_CLUSTER": "demo"}


class Microburst(Served):
    """A proxy that breaks answers by rules."""

    def __init__(self, programs, upstream):
        port = self.free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [programs / "microburst", "--upstream", upstream, "--port", str(port), "--host", "127.0.0.1"]
        self.serve(f"{self.url}/_microburst/health", command)

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_microburst/{path}", data, {"Content-Type": "application/json"}, method=method)
        with DIRECT.open(request, timeout=10) as answer:
            return json.load(answer)

    def rules(self, rules):
        """These from now on, and nothing fired yet."""
        self.control("POST", "rules", rules)
        self.control("DELETE", "fired")

    def fired(self):
        return self.control("GET", "fired")


def stop(process):
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
