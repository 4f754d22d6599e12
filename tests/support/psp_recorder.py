"""What the adapter sent to the sandbox PSP, kept: the PSP itself keeps no card."""

import json

from psp_middleman import Middleman


class Recorder(Middleman):
    """`requests`: (method, path, credential, body as JSON) of each request, oldest first."""

    def __init__(self, certificate, key, sandbox):
        self.requests = []
        super().__init__(certificate, key, sandbox)

    def take(self, method, path, headers, body):
        credential = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        self.requests.append((method, path, credential, json.loads(body or b"{}")))

    def payment_of(self, payment):
        """(credential, body) of the one request that asked for this payment."""
        [found] = [(credential, body) for _, path, credential, body in self.requests
                   if path == "/v1/sandbox/payments" and body.get("payment_id") == payment["id"]]
        return found
