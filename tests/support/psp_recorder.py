"""A middleman in front of the sandbox PSP that keeps what the adapter sent: the PSP itself keeps no card."""

import http.client
import json
import ssl
import urllib.parse
from http.server import BaseHTTPRequestHandler

from webhooks import serve_https


class Recorder:
    """`requests`: (method, path, credential, body as JSON) of each request, oldest first; answers come from the sandbox."""

    def __init__(self, certificate, key, sandbox):
        self.requests, self.sandbox = [], urllib.parse.urlsplit(sandbox)
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                recorder.requests.append((self.command, self.path, self.headers.get("Authorization", ""), json.loads(body or b"{}")))
                status, answer = recorder.forward(self.command, self.path, dict(self.headers), body)
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

    def forward(self, method, path, headers, body):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.sandbox.hostname, self.sandbox.port, timeout=60, context=context)
        connection.request(method, path, body=body, headers={k: v for k, v in headers.items() if k.lower() != "host"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def payment_of(self, payment):
        """(credential, body) of the one request that asked for this payment."""
        [found] = [(credential, body) for _, path, credential, body in self.requests
                   if path == "/v1/sandbox/payments" and body.get("payment_id") == payment["id"]]
        return found

    def close(self):
        self.server.shutdown()
