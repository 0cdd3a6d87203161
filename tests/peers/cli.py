"""Runs a command-line client that others wrote, and counts checks."""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

PROGRAMS = pathlib.Path(sys.executable).parent
CALL_WITHIN = 60  # seconds

passed = 0


def check(name, condition, shown=None):
    global passed
    assert condition, f"{name}: {shown}" if shown is not None else name
    passed += 1
    print(f"ok  {name}", flush=True)


def until(look, within=30):
    """What `look` finds, once it finds something."""
    end = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(0.1)
    return found


def done():
    print(f"{passed} passed, 0 failed")


class Client:
    """A client with a home of its own, so that no configuration of this machine's reaches it."""

    def __init__(self, program, **environment):
        self.program = program
        self.home = tempfile.TemporaryDirectory()
        self.environment = {**os.environ, "HOME": self.home.name, **environment}

    def start(self, line, **more):
        command = [self.program, *shlex.split(line)]
        return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def attempt(self, line, given=None, **environment):
        command = [self.program, *shlex.split(line)]
        environment = {**self.environment, **environment}
        return subprocess.run(command, env=environment, input=given or "", capture_output=True, text=True, timeout=CALL_WITHIN)

    def run(self, line, code=0, given=None, **environment):
        """What it says on stdout; on stderr when it shall fail."""
        run = self.attempt(line, given, **environment)
        assert run.returncode == code, f"{line}: exit {run.returncode}, not {code}\n{run.stdout}{run.stderr}"
        return (run.stderr if code else run.stdout).strip()
