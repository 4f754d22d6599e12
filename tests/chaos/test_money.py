"""Money moves at most once and finance hears every outcome, whatever dies wherever.

A process is held at a named point (libs/base/gate.h, or the sandbox PSP's `hold`), then killed or stopped there. The
verdict comes from the PSP's own ledger: at most one charge per payment, a final event for every charge, no gaps.
"""

import threading
import time

import pytest
import requests

from fleet import ADAPTER, ORCHESTRATOR
from world import World, eventually
from conftest import DATABASES

FINAL = ("CAPTURED", "DECLINED", "VOIDED", "FAILED", "CANCELLED", "UNKNOWN")


@pytest.fixture(scope="module", params=DATABASES)
def world(request, tmp_path_factory):
    with World(tmp_path_factory.mktemp(f"money-{request.param}"), database=request.param, gates=True) as world:
        yield world
        # After all the kills of this database: nothing is missing, nothing is there twice.
        world.assert_gap_free()
        last = int(world.api.get(f"/v1/webhookEndpoints/{world.endpoint['id']}")["last_sequence"])
        eventually(lambda: {int(d["body"]["sequence"]) for d in world.receiver.deliveries} == set(range(1, last + 1)), 60,
                   f"webhooks 1 to {last} without a gap")


def hit(process, how):
    """Kills the process and starts it again, or stops it for three seconds: longer than any lease renewal."""
    if how == "kill":
        process.kill()
        process.start()
    else:
        process.stop()
        time.sleep(3)
        process.cont()


def pay_in_background(session):
    """A platform's pay that may be cut off: the tests look at the outcome by GET."""
    def run():
        try:
            session.pay()
        except Exception:  # the connection dies with the process: that is what is being tested
            pass
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def the_payment(world, session):
    def look():
        try:
            payments = session.get().get("payments", [])
        except requests.ConnectionError:
            return None
        return payments[0] if payments else None
    return eventually(look, 30, "the payment")


def hold_all(world, binary, gate):
    for process in world.fleet.all(binary):
        process.hold(gate)


def reached(world, binary, gate, seconds=30):
    """The process that came to the gate."""
    def look():
        return next((p for p in world.fleet.all(binary) if p._gate(gate, "reached").exists()), None)
    return eventually(look, seconds, f"a {binary} at {gate}")


def release_all(world, binary, gate):
    for process in world.fleet.all(binary):
        process.release(gate)


def verdict(world, payment, charged):
    """What must be true in the end. charged: True, False, or None where either is right."""
    final = world.await_payment(payment, [s for s in FINAL if s != "UNKNOWN"], 90)
    charges = [c for c in world.charges(payment) if c["state"] not in ("voided",)]
    assert len(world.charges(payment)) <= 1, "charged twice"
    assert (final["state"] == "PAYMENT_STATE_CAPTURED") == (len(charges) == 1), (final, charges)
    if charged is not None:
        assert (len(charges) == 1) == charged, (final["state"], charges)
    kind = {"PAYMENT_STATE_CAPTURED": "payment.captured"}.get(final["state"])
    events = [e for e in world.tenant_events() if e.get("payment_id") == final["id"]]
    finals = [e["type"] for e in events if e["type"].split(".")[1] in ("captured", "declined", "voided", "failed", "cancelled", "resolved")]
    assert finals, [e["type"] for e in events]
    if kind:
        assert [e["type"] for e in events].count(kind) == 1, [e["type"] for e in events]
        world.receiver.wait(final["id"], [kind], 60)


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("gate, charged", [("attempt_committed", None), ("connected", None),
                                           ("answer_not_committed", True), ("orchestrator_not_told", True)])
def test_adapter_hit_at(world, gate, charged, how):
    call, session, _ = world.ready_session()
    hold_all(world, ADAPTER, gate)
    pay_in_background(session)
    process = reached(world, ADAPTER, gate)
    for other in world.fleet.all(ADAPTER):
        other._gate(gate, "hold").unlink(missing_ok=True)
    if how == "stop":
        process.stop()
        release_all(world, ADAPTER, gate)
        time.sleep(3)
        process.cont()
    else:
        process.kill()
        release_all(world, ADAPTER, gate)
        process.start()
    verdict(world, the_payment(world, session), True if how == "stop" else charged)
    call.hang_up()


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("fault, charged", [("hold_before", False), ("hold", True)], ids=["PSP has read, not charged", "charged, no answer"])
def test_adapter_hit_while_the_psp(world, fault, charged, how):
    call, session, _ = world.ready_session()
    world.fault(fault, operation="authorise", count=1)
    pay_in_background(session)
    [held] = eventually(lambda: world.sandbox("/_sandbox/held")["held"], 20, "the PSP holds the request")
    process = holder(world)
    if how == "kill":
        for adapter in world.fleet.all(ADAPTER) if process is None else [process]:
            adapter.kill()
        world.sandbox("/_sandbox/release", {"id": held["id"], "drop": not charged})
        for adapter in world.fleet.all(ADAPTER):
            if not adapter.alive:
                adapter.start()
        verdict(world, the_payment(world, session), None if fault == "hold_before" else True)
    else:
        for adapter in world.fleet.all(ADAPTER):
            adapter.stop()
        world.sandbox("/_sandbox/release", {"id": held["id"]})
        time.sleep(3)
        for adapter in world.fleet.all(ADAPTER):
            adapter.cont()
        verdict(world, the_payment(world, session), True)
    call.hang_up()


def holder(world):
    """Which adapter has the held connection cannot be seen from here: None means all of them."""
    return None


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("gate", ["payment_committed", "event_committed_webhook_not_sent", "webhook_sent_not_marked"])
def test_orchestrator_hit_at(world, gate, how):
    call, session, _ = world.ready_session()
    hold_all(world, ORCHESTRATOR, gate)
    pay_in_background(session)
    process = reached(world, ORCHESTRATOR, gate)
    if how == "kill":
        process.kill()
        release_all(world, ORCHESTRATOR, gate)
        process.start()
    else:
        process.stop()
        release_all(world, ORCHESTRATOR, gate)
        time.sleep(3)
        process.cont()
    verdict(world, the_payment(world, session), True)
    call.hang_up()


@pytest.mark.parametrize("fault", ["drop", "drop_after", "reset", "reset_after", "error", "error_after", "stored_500", "garbage", "forget_key"])
@pytest.mark.parametrize("psp", ["sandbox", "stripe"])
def test_whatever_the_psp_does_there_is_at_most_one_charge(world, fault, psp):
    api = tenant_api(world, psp)
    call = world.call(tenant=api.tenant)
    card = world.card()
    session = world.session(call, api=api)
    session.start()
    call.type_card(card)
    session.ready()
    world.fault(fault, operation="authorise", count=1)
    payment = session.pay(wait_seconds=2)

    def look():
        now = api.get(f"/v1/payments/{payment['id']}")
        return now if now["state"] not in ("PAYMENT_STATE_PROCESSING", "PAYMENT_STATE_UNKNOWN") else None
    final = eventually(look, 60, "an outcome")
    charges = world.charges(payment)
    assert len(charges) <= 1, charges
    alive = [c for c in charges if c["state"] != "voided"]
    assert (final["state"] == "PAYMENT_STATE_CAPTURED") == (len(alive) == 1), (final["state"], charges)
    world.sandbox("/_sandbox/faults", method="DELETE")
    call.hang_up()


def tenant_api(world, psp):
    """A tenant whose account is at that PSP dialect; the stripe adapter meets the sandbox in Stripe's wire format."""
    if not hasattr(world, "by_psp"):
        world.by_psp = {}
    if psp not in world.by_psp:
        tenant = world.fleet.add_tenant(f"Shop at {psp}", psp=psp)
        world.by_psp[psp] = world.api_of(tenant)
        world.by_psp[psp].tenant = tenant
        time.sleep(1.5)  # the relay learns the tenant with its next lease renewal
    return world.by_psp[psp]
