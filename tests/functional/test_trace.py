"""One trace id follows a payment through all five services, also when a worker goes on after the asking process died."""

import secrets

import pytest
import requests

from fleet import ADAPTER, MASKER, ORCHESTRATOR, RELAY, VAULT
from world import World, eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("trace"), database="sqlite", gates=True) as world:
        yield world


def traced_session(world, trace):
    """A session that is ready to pay, every request of it under one trace."""
    call = world.call()
    api = world.api_of(world.tenant)
    api.http.headers["traceparent"] = f"00-{trace}-00f067aa0ba902b7-01"
    session = world.session(call, api=api)
    session.start()
    call.type_card(world.card())
    session.ready()
    return call, session


def lines(world, binary, trace):
    return [r for p in world.fleet.all(binary) for r in p.records() if r.get("trace_id") == trace]


def said(world, binary, trace, message, **fields):
    return [r for r in lines(world, binary, trace) if r["msg"] == message and all(r.get(k) == v for k, v in fields.items())]


def assert_followed(world, trace, payment):
    """What each service says of this payment, and that nothing of it stands under another trace."""
    eventually(lambda: said(world, RELAY, trace, "turning secure"), 5, "the relay under the trace")
    assert said(world, MASKER, trace, "leg opened")
    assert said(world, VAULT, trace, "card tokenised", result="ok")
    [ended] = eventually(lambda: said(world, ADAPTER, trace, "attempt ended", payment=payment["id"]), 5, "the adapter under the trace")
    assert said(world, VAULT, trace, "card asked for", attempt=ended["attempt"], result="ok")
    assert eventually(lambda: said(world, VAULT, trace, "card wiped", destroyed=True), 5, "the wipe under the trace")
    assert eventually(lambda: said(world, ORCHESTRATOR, trace, "payment reported", payment=payment["id"], state="CAPTURED"), 5, "the report")
    elsewhere = [r for p in world.fleet.processes.values() if p.binary != "sandbox-psp" for r in p.records()
                 if payment["id"] in r.values() and r.get("trace_id") != trace]
    assert elsewhere == []


def test_one_trace_through_all_five_services(world):
    trace = secrets.token_hex(16)
    call, session = traced_session(world, trace)
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()
    assert_followed(world, trace, payment)


def test_the_trace_survives_the_orchestrator_that_was_asked(world):
    """Killed between commit and send: the worker that goes on knows under which trace it was asked."""
    trace = secrets.token_hex(16)
    call, session = traced_session(world, trace)
    process = world.orchestrators()[0]
    process.hold("payment_committed")

    with pytest.raises(requests.RequestException):
        kill_when_reached(process, "payment_committed")
        session.pay()
    process.release("payment_committed")
    process.start()
    payment = eventually(lambda: world.api.get(f"/v1/sessions/{session.id}").get("payments"), 20, "the payment")[0]
    world.await_payment(payment, "CAPTURED")
    call.hang_up()
    assert_followed(world, trace, payment)


def kill_when_reached(process, gate):
    import threading

    def run():
        process.wait_reached(gate)
        process.kill()
    threading.Thread(target=run, daemon=True).start()
