"""stripe-mock judges the stripe adapter's own requests.

The real gateway-adapter talks HTTPS to a middleman that gives each request to two: to stripe-mock, whose verdict is kept
(it validates against the OpenAPI description of Stripe's that it carries), and to the sandbox PSP in Stripe's wire format,
whose answer goes back, so that the payment goes on. stripe-mock lets unknown names pass deep inside a parameter; those the
sandbox refuses (tools/sandbox-psp/stripe_test.cc).
"""

import http.client
import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import pytest

from fleet import ADAPTER
from psp_middleman import Middleman
from world import World, eventually

TOOLS = pathlib.Path(os.environ.get("FLATTONE_TOOLS", pathlib.Path.home() / ".cache" / "flattone"))
MOCK = TOOLS / "go" / "bin" / "stripe-mock"


class Judged(Middleman):
    """`verdicts`: (method, path, stripe-mock's status and error)."""

    def __init__(self, certificate, key, mock_port, sandbox):
        self.verdicts, self.mock_port, self.spoil = [], mock_port, None
        super().__init__(certificate, key, sandbox)

    def take(self, method, path, headers, body):
        if self.spoil is not None:
            body = self.spoil(path, body)
        kept = {k: v for k, v in headers.items() if k.lower() in ("authorization", "content-type", "idempotency-key")}
        connection = http.client.HTTPConnection("127.0.0.1", self.mock_port, timeout=20)
        connection.request(method, path, body=body, headers=kept)
        answer = connection.getresponse()
        error = json.loads(answer.read() or "{}").get("error", {}).get("message", "")
        self.verdicts.append((method, path, answer.status, error))


class StripeWorld(World):
    """The adapter's `sandbox-stripe` is the middleman."""

    def __enter__(self):
        super().__enter__()
        self.mock = subprocess.Popen([str(MOCK), "-http-addr", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = next(line for line in self.mock.stdout if "Listening" in line)
        end = self.fleet.endpoints()
        self.middleman = Judged(end["webhook"]["cert"], end["webhook"]["key"], int(line.rsplit(":", 1)[1]), end["psp"]["url"])
        self.fleet.flags[ADAPTER] = ["--psp", f"sandbox-stripe={self.middleman.url}"]
        for adapter in self.fleet.all(ADAPTER):
            adapter.restart()
        self.shop = self.fleet.add_tenant("Shop at Stripe", psp="stripe")
        self.shop_api = self.api_of(self.shop)
        return self

    def __exit__(self, *details):
        super().__exit__(*details)
        self.middleman.close()
        self.mock.kill()
        self.mock.wait(10)

    def pay(self, purpose):
        call = self.call(tenant=self.shop)
        session = self.session(call, api=self.shop_api, purpose=purpose)
        session.start()
        call.type_card(self.card())
        session.ready()
        payment = session.pay()
        call.hang_up()
        return payment

    def judged(self):
        """The verdicts since the last look, ids left out of the paths."""
        taken, self.middleman.verdicts = self.middleman.verdicts, []
        return [(method, re.sub("pi_[A-Za-z0-9]+", "ID", path), status, error)
                for method, path, status, error in taken]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if not MOCK.exists():
        pytest.skip("stripe-mock is not installed; tools/setup installs it")
    with StripeWorld(tmp_path_factory.mktemp("stripe"), database="sqlite") as world:
        yield world


def test_every_request_of_the_adapter_is_one_that_stripe_takes(world):
    payment = world.pay("AUTHORISE")
    assert payment["state"] == "PAYMENT_STATE_AUTHORISED"
    world.shop_api.post(f"/v1/payments/{payment['id']}:capture", {"amount_minor": "1500"})
    world.shop_api.post(f"/v1/payments/{payment['id']}:refund", {"amount_minor": "400"})
    voided = world.pay("AUTHORISE")
    world.shop_api.post(f"/v1/payments/{voided['id']}:void")
    world.fault("error", operation="authorise", count=1)
    asked = world.pay("CHARGE")  # UNKNOWN: the intent is read, then cancelled
    eventually(lambda: world.shop_api.get(f"/v1/payments/{asked['id']}")["state"] == "PAYMENT_STATE_VOIDED", 20, "voided")
    judged = world.judged()
    assert [j for j in judged if j[2] != 200] == [], "stripe-mock refuses"
    first = [("POST", "/v1/payment_methods"), ("POST", "/v1/payment_intents"), ("POST", "/v1/payment_intents/ID/confirm")]
    assert [j[:2] for j in judged] == [
        *first, ("POST", "/v1/payment_intents/ID/capture"), ("POST", "/v1/refunds"),
        *first, ("POST", "/v1/payment_intents/ID/cancel"),
        *first, ("GET", "/v1/payment_intents/ID?expand%5B%5D=latest_charge"), ("POST", "/v1/payment_intents/ID/cancel")]


@pytest.mark.parametrize("name, value, path", [
    ("payment_method_options[card][moto]", "payment_method_option[card][moto]", "confirm"),
    ("amount", "amount_of_money", "payment_intents"),
    ("card[exp_month]", "card[month]", "payment_methods")])
def test_the_judge_refuses_a_broken_parameter(world, name, value, path):
    """The control: the same requests, one parameter's name spoilt on its way to stripe-mock."""
    def spoil(at, body):
        if not at.split("?")[0].endswith(path):
            return body
        return urllib.parse.urlencode([(value if k == name else k, v) for k, v in urllib.parse.parse_qsl(body.decode())]).encode()

    world.judged()
    world.middleman.spoil = spoil
    try:
        world.pay("CHARGE")
    finally:
        world.middleman.spoil = None
    refused = [j for j in world.judged() if j[2] != 200]
    assert len(refused) == 1 and refused[0][1].endswith(path) and refused[0][2] == 400, refused
