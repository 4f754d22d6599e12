"""The sandbox PSP's Stripe dialect against stripe-mock: the same calls are taken by both, and what the sandbox answers
has Stripe's members with Stripe's types."""

import json
import os
import pathlib
import subprocess

import pytest
import requests

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FLATTONE_BUILD", TOP / "build" / "release"))
TOOLS = pathlib.Path(os.environ.get("FLATTONE_TOOLS", pathlib.Path.home() / ".cache" / "flattone"))
MOCK = TOOLS / "go" / "bin" / "stripe-mock"
# Documented by Stripe, left out of the mock's fixtures.
EXTRA = {"source", "latest_charge.outcome.risk_level", "latest_charge.payment_method_details.card.moto"}
# Clients may find any name in these.
OPEN = {"metadata", "payment_method_options", "amount_details"}


def differences(ours, theirs, where=""):
    for name, value in ours.items():
        path = where + name
        if name not in theirs:
            if path not in EXTRA:
                yield f"{path} is not a member of Stripe's"
            continue
        other = theirs[name]
        if value is None or other is None or name in OPEN:
            continue
        if type(value) is not type(other):
            yield f"{path} is {type(value).__name__}, Stripe's is {type(other).__name__}"
        elif isinstance(value, dict):
            yield from differences(value, other, path + ".")


@pytest.fixture(scope="module")
def both():
    if not MOCK.exists():
        pytest.skip("stripe-mock is not installed; tools/setup installs it")
    mock = subprocess.Popen([str(MOCK), "-http-addr", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    sandbox = subprocess.Popen([str(BUILD / "bin" / "sandbox-psp")], stdout=subprocess.PIPE, text=True)
    try:
        line = next(line for line in mock.stdout if "Listening" in line)
        ports = json.loads(sandbox.stdout.readline())["port"], int(line.rsplit(":", 1)[1])

        def call(method, path, **data):
            answers = [requests.request(method, f"http://127.0.0.1:{port}{path}", data=data, timeout=10,
                                        headers={"Authorization": "Bearer sk_test_123"}) for port in ports]
            assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
            ours, theirs = (answer.json() for answer in answers)
            assert list(differences(ours, theirs)) == []
            return ours

        yield call
    finally:
        for process in (mock, sandbox):
            process.terminate()
            process.wait(10)


def test_a_payment_has_stripes_shapes_from_method_to_refund(both):
    method = both("POST", "/v1/payment_methods", type="card", **{
        "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2030", "card[cvc]": "737"})
    intent = both("POST", "/v1/payment_intents", amount="1250", currency="eur", capture_method="manual", description="A-1",
                  **{"payment_method_types[]": "card", "metadata[payment_id]": "pay_1"})
    path = f"/v1/payment_intents/{intent['id']}"
    both("POST", f"{path}/confirm", payment_method=method["id"],
         **{"payment_method_options[card][moto]": "true", "expand[]": "latest_charge"})
    both("POST", f"{path}/capture", amount_to_capture="1000")
    assert both("GET", path)["status"] == "succeeded"
    both("POST", "/v1/refunds", payment_intent=intent["id"], amount="400")
