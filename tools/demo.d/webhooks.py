"""Finance's webhook receiver: HTTPS on loopback, every delivery verified by PyPI's standardwebhooks."""
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook


def serve_https(handler, certificate, key):
    """A running HTTPS server on a free loopback port; its port. shutdown() ends it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_address[1]


class Receiver:
    def __init__(self, certificate, key):
        self.deliveries, self.refused, self.secret = [], [], None
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                accepted = receiver._take({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(204 if accepted else 400)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server, port = serve_https(Handler, certificate, key)
        self.url = f"https://127.0.0.1:{port}/finance"

    def _take(self, headers, body):
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception as error:  # whatever is wrong with it, it is not accepted
            self.refused.append(f"{type(error).__name__}: {error}")
            return False
        with self._changed:
            self.deliveries.append({"id": headers["webhook-id"], "body": json.loads(body), "at_ns": time.time_ns()})
            self._changed.notify_all()
        return True

    def wait(self, payment, types, seconds=20):
        """The first verified delivery of one of these types for the payment."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for delivery in self.deliveries:
                    body = delivery["body"]
                    if body.get("type") in types and payment in json.dumps(body):
                        return delivery
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no verified webhook {' or '.join(types)} within {seconds} s; refused: {self.refused[:3]}")
                self._changed.wait(left)

    def close(self):
        self.server.shutdown()
