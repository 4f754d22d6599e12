"""A middleman in front of the sandbox PSP: it sees what the adapter sends, the sandbox answers.

    class Recorder(Middleman):
        def take(self, method, path, headers, body): ...
"""

import http.client
import ssl
import urllib.parse
from http.server import BaseHTTPRequestHandler

from webhooks import serve_https


class Middleman:
    """`url`: where the adapter is to send. `take` is called with each request before the sandbox gets it."""

    def __init__(self, certificate, key, sandbox):
        self.sandbox = urllib.parse.urlsplit(sandbox)
        middleman = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                middleman.take(self.command, self.path, dict(self.headers), body)
                status, answer = middleman.forward(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = serve

            def log_message(self, *_):
                pass

        self.server, port = serve_https(Handler, certificate, key)
        self.url = f"https://localhost:{port}"

    def take(self, method, path, headers, body):
        raise NotImplementedError

    def forward(self, method, path, headers, body):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.sandbox.hostname, self.sandbox.port, timeout=60, context=context)
        connection.request(method, path, body=body, headers={k: v for k, v in headers.items() if k.lower() != "host"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def close(self):
        self.server.shutdown()
