"""Money moves at most once and finance hears every outcome, whatever dies wherever.

A process is held at a named point (libs/base/gate.h, or the sandbox PSP's `hold`), then killed or stopped there. On
SQLite there is one replica: it starts again, or wakes up. On PostgreSQL the other replica ends the payment while the
victim is dead or stopped; only then does the victim come back.
"""

import concurrent.futures
import time

import pytest

from money import ADAPTER, ORCHESTRATOR, MoneyWorld, still
from world import DATABASES, eventually

FAULTS = ["drop", "drop_after", "reset", "reset_after", "error", "error_after", "stored_500", "garbage", "forget_key"]
NOT_CHARGED = {"drop", "reset", "error"}


@pytest.fixture(scope="module", params=DATABASES)
def world(request, tmp_path_factory):
    with MoneyWorld(tmp_path_factory.mktemp(f"money-{request.param}"), request.param) as world:
        yield world
        world.last_judgement()


@pytest.fixture(autouse=True)
def let_go(world):
    yield
    world.let_go()


def back(world, victim, how):
    """The victim comes back: started again after a kill, woken up after a stop."""
    victim.start() if how == "kill" else victim.cont()


# gate: (state and charges when killed there, when stopped there and another replica ends it)
ADAPTER_GATES = {
    "attempt_committed": ("VOIDED", 0),  # nothing left the process
    "connected": ("VOIDED", 0),          # not one byte either; the late request finds its reference fenced
    "answer_not_committed": ("CAPTURED", 1),
    "orchestrator_not_told": ("CAPTURED", 1),
}


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("gate", ADAPTER_GATES)
def test_adapter_hit_at(world, gate, how):
    state, charges = ADAPTER_GATES[gate]
    call, session, _ = world.take()
    world.hold(ADAPTER, gate)
    world.pay_in_background(session)
    victim = world.reached(ADAPTER, gate)
    payment = world.the_payment(session)
    before = victim.metric("flattone_gateway_taken_over_total")
    victim.kill() if how == "kill" else still(victim)
    if how == "stop" and not world.several:
        taken_over = wake(victim, gate) > before
        if gate in ("attempt_committed", "connected") and not taken_over:
            state, charges = "CAPTURED", 1  # its lease held, or its answer came before anybody asked
        world.verdict(payment, state, charges)
    elif how == "kill" and not world.several:
        victim.release(gate)
        victim.start()
        world.verdict(payment, state, charges, detour=gate != "orchestrator_not_told")
    else:
        # The other replica ends it alone; then the victim wakes up in the middle of its own attempt.
        world.verdict(payment, state, charges, detour=gate != "orchestrator_not_told")
        victim.release(gate)
        back(world, victim, how)
        eventually(lambda: victim.metric("flattone_gateway_attempts_in_flight") == 0, 20, "the victim has ended its attempt")
        world.verdict(payment, state, charges)
    world.finish(call, session)


def wake(victim, gate):
    """The only adapter wakes up after its lease has run out and ends its attempt: how often it found one taken over."""
    victim.release(gate)
    victim.cont()
    eventually(lambda: victim.metric("flattone_gateway_attempts_in_flight") == 0, 20, "the attempt has ended")
    return victim.metric("flattone_gateway_taken_over_total")


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("fault, state, charges", [("hold_before", "VOIDED", 0), ("hold", "CAPTURED", 1)],
                         ids=["PSP has read, not charged", "charged, no answer"])
def test_adapter_hit_while_the_psp(world, fault, state, charges, how):
    call, session, card = world.take()
    world.fault(fault, operation="authorise", count=1, last_four=card[0][-4:])
    world.pay_in_background(session)
    held = world.held_by_psp()
    payment = world.the_payment(session)
    assert len(world.charges(payment)) == (1 if fault == "hold" else 0), "held at the right moment"
    victim = world.holder(held)
    victim.kill() if how == "kill" else still(victim)
    if how == "stop" and not world.several:
        # Nobody else asks, and it is back before the PSP is: the answer arrives, be the outcome unknown by now or not.
        world.sandbox("/_sandbox/release", {"id": held["id"]})
        victim.cont()
        world.verdict(payment, "CAPTURED", 1)
    else:
        if not world.several:
            victim.start()
        # "Not found" was no proof: what the PSP does with the request after it was fenced moves no money.
        world.verdict(payment, state, charges, detour=True)
        world.sandbox("/_sandbox/release", {"id": held["id"]})
        if world.several:
            back(world, victim, how)
        eventually(lambda: not world.sandbox("/_sandbox/held")["held"], 10, "the PSP has let go")
        eventually(lambda: world.fleet.all(ADAPTER)[0].metric("flattone_gateway_attempts_in_flight") == 0, 20, "all attempts have ended")
        world.verdict(payment, state, charges, detour=True)
    world.finish(call, session)


@pytest.mark.parametrize("psp", ["sandbox", "stripe"])
def test_whatever_the_psp_does_there_is_at_most_one_charge(world, psp):
    """Every fault at once, each for a payment of its own."""
    tenant = world.fleet.add_tenant(f"Shop at {psp}", psp=psp)
    api = world.api_of(tenant)

    def pay(fault):
        call, session, card = world.take(tenant)
        world.fault(fault, operation="authorise", count=1, last_four=card[0][-4:])
        final = world.final(session.pay(wait_seconds=2), api)
        call.hang_up()
        session.close()
        return fault, final["state"], len(world.charges(final))

    with concurrent.futures.ThreadPoolExecutor(len(FAULTS)) as pool:
        outcomes = list(pool.map(pay, FAULTS))
    expected = [(fault, "PAYMENT_STATE_VOIDED", 0) if fault in NOT_CHARGED else (fault, "PAYMENT_STATE_CAPTURED", 1) for fault in FAULTS]
    assert outcomes == expected
    world.sandbox("/_sandbox/faults", method="DELETE")


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("gate", ["payment_committed", "outcome_read"])
def test_orchestrator_hit_at(world, gate, how):
    call, session, _ = world.take()
    world.hold(ORCHESTRATOR, gate)
    world.pay_in_background(session)
    victim = world.reached(ORCHESTRATOR, gate)
    api = world.api_beside(victim)
    payment = world.the_payment(session, api) if world.several else world.the_payment(session)
    victim.kill() if how == "kill" else still(victim)
    if world.several:
        world.verdict(payment, "CAPTURED", 1, api, detour=False)
    victim.release(gate)
    back(world, victim, how)
    world.verdict(payment, "CAPTURED", 1, detour=False)
    world.finish(call, session)


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("gate", ["event_committed_webhook_not_sent", "webhook_sent_not_marked"])
def test_webhook_of_the_final_event_hit_at(world, gate, how):
    call, session, card = world.take()
    world.fault("hold", operation="authorise", count=1, last_four=card[0][-4:])
    world.pay_in_background(session)
    held = world.held_by_psp()
    payment = world.the_payment(session)
    world.receiver.wait(payment["id"], ["payment.processing"], 20)
    time.sleep(0.5)  # until that one is marked, too: the next at the gate is the final event's
    world.hold(ORCHESTRATOR, gate)
    world.sandbox("/_sandbox/release", {"id": held["id"]})
    victim = world.reached(ORCHESTRATOR, gate)
    sent = [d["body"]["type"] for d in world.deliveries_of(payment)]
    assert sent == ["payment.processing"] + (["payment.captured"] if gate == "webhook_sent_not_marked" else []), "held at the right moment"
    victim.kill() if how == "kill" else still(victim)
    victim.release(gate)
    back(world, victim, how)
    again = ["payment.captured"] if (gate, how) == ("webhook_sent_not_marked", "kill") else []
    world.verdict(payment, "CAPTURED", 1, detour=False, twice=again)
    world.finish(call, session)
