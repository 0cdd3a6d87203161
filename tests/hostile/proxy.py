"""Servers that mean harm: proxies in front of a world on loopback, that pass requests on and spoil some of the answers.

A rule is a function of a `Request`. It answers None (passed on as it comes), an `Answer` (sent in place of the upstream's), or calls
`request.upstream()` and spoils what that answered.
"""
import http.client
import http.server
import pathlib
import ssl
import subprocess
import threading
import urllib.parse

DROPPED = {"connection", "transfer-encoding", "content-length", "keep-alive"}
# What a proxy sends at most before it gives up: a client without limits takes all of it.
ENDLESS = 3 << 30


class Answer:
    """A status, headers and a body; the body is bytes, or an iterator of bytes that is sent in chunks."""

    def __init__(self, status, body, **headers):
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def text(self):
        return self.body.decode()

    def replace(self, *pairs):
        """The same answer with each text replaced; at least one of them has to be there."""
        text = self.text()
        spoiled = text
        for old, new in pairs:
            spoiled = spoiled.replace(old, new)
        assert spoiled != text, f"nothing of {pairs} is in {text[:500]}"
        return Answer(self.status, spoiled.encode(), **self.headers)


class Request:
    def __init__(self, method, path, headers, body, upstream):
        self.method, self.path, self.headers, self.body, self._upstream = method, path, headers, body, upstream

    def asks(self, *words):
        """Whether all of these are in its method, path or body."""
        line = f"{self.method} {self.path} {self.body.decode(errors='replace')}"
        return all(word in line for word in words)

    def ask(self):
        parts = urllib.parse.urlsplit(self._upstream)
        secure = parts.scheme == "https"
        if secure:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in DROPPED}
        connection.request(self.method, self.path, self.body, headers)
        answer = connection.getresponse()
        return connection, answer, {n: v for n, v in answer.getheaders() if n.lower() not in DROPPED}

    def upstream(self):
        """The whole answer of the upstream, to be spoiled."""
        connection, answer, headers = self.ask()
        body = answer.read()
        connection.close()
        return Answer(answer.status, body, **headers)

    def passed_on(self):
        """The answer of the upstream as it comes: a watch ends only with its time, and what it tells has to arrive before."""
        connection, answer, headers = self.ask()

        def pieces():
            while piece := answer.read1(1 << 16):
                yield piece
            connection.close()
        body = pieces() if answer.chunked else answer.read()
        return Answer(answer.status, body, **headers)


class Proxy:
    """A server on loopback; `rule` may be changed at any time, and `seen` holds every request."""

    def __init__(self, upstream, certificate=None):
        proxy = self
        self.upstream, self.rule, self.seen = upstream, lambda request: None, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, self.headers, body, proxy.upstream)
                proxy.seen.append(request)
                try:
                    self.send(proxy.rule(request) or request.passed_on())
                except (OSError, http.client.HTTPException):
                    # The client had enough.
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def send(self, answer):
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if isinstance(answer.body, bytes):
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                    return
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for chunk in answer.body:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                # Clients leave in the middle of what is sent to them.
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def certificate(directory):
    """A certificate for loopback that is its own authority: its file and its key's."""
    cert, key = pathlib.Path(directory) / "cert.pem", pathlib.Path(directory) / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-subj", "/CN=podid-hostile", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
               "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key


def endless(chunk, most=ENDLESS):
    """This chunk until the client goes away, or `most` bytes were sent."""
    for _ in range(most // len(chunk)):
        yield chunk
