"""One world made of two: the AWS side of a server that others wrote, and a Kubernetes side that stands elsewhere.

DescribeCluster leads to that Kubernetes. Writes go to the server and, once it took them, to a shadow: the sandbox, whose
control plane then injects into pods what the association says. What clients read is always the server's.
"""
import http.client
import http.server
import json
import re
import threading
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

READS = ("Get", "List", "Simulate", "Describe", "Assume")
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


def ask(url, method, path, body, headers):
    """Status, headers and body of an answer; the Host header goes on as it was signed."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in HOP:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


class Bridge:
    """Serves on loopback; `url` is where."""

    def __init__(self, upstream, cluster, shadow=None):
        self.upstream, self.cluster, self.shadow = upstream, cluster, shadow
        # Associations have an id of their own on each side.
        self.ids = {}
        # What the shadow refused although the server took it: the two are no longer one world.
        self.apart = []
        bridge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, answer = bridge.answer(self.command, self.path, body, self.headers.items())
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = do

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, body, headers):
        service = self.service(headers)
        status, said, answer = ask(self.upstream, method, path, body, headers)
        if status >= 300:
            return status, said, answer
        if service == "eks" and method == "GET" and re.fullmatch(r"/clusters/[^/?]+", path):
            described = json.loads(answer)
            described["cluster"].update(self.cluster)
            answer = json.dumps(described).encode()
        action = urllib.parse.parse_qs(body.decode()).get("Action", [""])[0] if service == "iam" else ""
        writes = service == "eks" and method != "GET" or service == "iam" and not action.startswith(READS)
        if self.shadow and writes:
            self.copy(service, method, path, body, headers, answer)
        return status, said, answer

    def copy(self, service, method, path, body, headers, answer):
        for ours, theirs in self.ids.items():
            path = path.replace(ours, theirs)
        kept = {name: value for name, value in headers if name.lower() in ("content-type", "accept")}
        request = AWSRequest(method, self.shadow["url"] + path, kept, body)
        SigV4Auth(Credentials(self.shadow["key"], self.shadow["secret"]), service, self.shadow["region"]).add_auth(request)
        signed = [("Host", urllib.parse.urlsplit(self.shadow["url"]).netloc), *request.headers.items()]
        status, _, copied = ask(self.shadow["url"], method, path, body, signed)
        if status >= 300:
            self.apart.append(f"{method} {path} {body.decode()}: {status} {copied.decode()}")
        elif path.endswith("/pod-identity-associations"):
            ours, theirs = (json.loads(each)["association"]["associationId"] for each in (answer, copied))
            self.ids[ours] = theirs

    @staticmethod
    def service(headers):
        """The service whose name was signed with the request."""
        scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", dict(headers).get("Authorization") or dict(headers).get("authorization") or "")
        return scope[1] if scope else ""
