"""Money moves at most once and finance hears every outcome, whatever dies wherever.

A process is held at a named point (libs/base/gate.h, or the sandbox PSP's `hold`), then killed or stopped there. On
SQLite there is one replica: it starts again, or wakes up. On PostgreSQL the other replica ends the payment while the
victim is dead or stopped; only then does the victim come back.
"""

import concurrent.futures
import itertools
import signal
import threading
import time

import pytest
import requests

from changes import Changes
from fleet import FleetError
from money import ADAPTER, DEADLINE, DETOUR, ORCHESTRATOR, STRAIGHT, MoneyWorld, still
from rest import Problem
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
    # The adapter's reply may have told the outcome before its outbox was read: then the webhook may be on its way.
    underway = ["payment.captured"] if gate == "outcome_read" else []
    payment = world.the_payment(session, api) if world.several else world.the_payment(session)
    victim.kill() if how == "kill" else still(victim)
    if world.several:
        world.verdict(payment, "CAPTURED", 1, api, detour=False, perhaps_twice=underway)
    victim.release(gate)
    back(world, victim, how)
    world.verdict(payment, "CAPTURED", 1, detour=False, perhaps_twice=underway)
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


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_capture_void_and_refund_hit_at_every_point(world, how):
    """At both PSPs; and an authorisation at Stripe between its intent and the confirmation."""
    changes = Changes(world)
    changes.hold()
    changes.hit(how)
    changes.judge()
    changes.finish()


def test_cancelled_while_the_psp_holds_the_request(world):
    """What turns out to be approved is voided, or given back, exactly once, and finance hears of both."""
    taken = []
    for psp, purpose in itertools.product(["sandbox", "stripe"], ["CHARGE", "AUTHORISE"]):
        with world.at_psp(psp):
            call, session, card = world.take(purpose=purpose)
            world.fault("hold", operation="authorise", count=1, last_four=card[0][-4:])
            world.pay_in_background(session)
            eventually(lambda: len(world.sandbox("/_sandbox/held")["held"]) == len(taken) + 1, 20, "the PSP holds it")
            taken.append((purpose, call, session, world.the_payment(session)))
    before = world.sandbox("/_sandbox/requests")
    for _, _, session, payment in taken:
        session.act("cancel")
        assert world.payment(payment)["void_if_approved"] and len(world.charges(payment)) == 1, "cancelled while it is charged"
    world.sandbox("/_sandbox/release", {})
    for purpose, call, session, payment in taken:
        approved, undone = ("captured", "refunded") if purpose == "CHARGE" else ("authorised", "voided")
        world.await_payment(payment, undone.upper())
        world.told(payment, [way + [f"payment.{approved}", f"payment.{undone}"] for way in (STRAIGHT, DETOUR)])
        ledger = world.sandbox(f"/_sandbox/ledger?payment_id={payment['id']}")
        assert [c["state"] for c in ledger["charges"]] == [undone], ledger
        assert [r["amount_minor"] for r in ledger["refunds"]] == ([1999] if purpose == "CHARGE" else []), ledger
        session.events.wait_type("session.ended", 10)
        assert session.get()["end_reason"] == "cancelled"
        world.finish(call, session)
    after = world.sandbox("/_sandbox/requests")
    assert [after[what] - before.get(what, 0) for what in ("refund", "void")] == [2, 2], "asked once for each"


class Paying:
    """A payment that the PSP has charged and whose answer it holds; the platform's call waits for it."""

    def __init__(self, world):
        self.world, self.answer = world, None
        self.call, self.session, card = world.take()
        world.fault("hold", operation="authorise", count=1, last_four=card[0][-4:])
        self._thread = threading.Thread(target=self._pay, daemon=True)
        self._thread.start()
        self.held = world.held_by_psp()
        self.payment = world.the_payment(self.session)

    def _pay(self):
        try:
            self.answer = self.session.pay()
        except (requests.RequestException, Problem) as error:
            self.answer = error

    def release(self):
        self.world.sandbox("/_sandbox/release", {"id": self.held["id"]})

    def answered(self):
        self._thread.join(20)
        return self.answer


def test_sigterm_at_the_adapter_while_the_psp_has_the_request(world):
    paying = Paying(world)
    victim = world.holder(paying.held)
    victim.signal(signal.SIGTERM)
    time.sleep(3)  # longer than its lease, which it goes on to renew
    assert victim.alive, "the attempt under way is waited for"
    paying.release()
    assert victim.wait(15) == 0
    assert paying.answered()["state"] == "PAYMENT_STATE_CAPTURED"
    world.verdict(paying.payment, "CAPTURED", 1, detour=False)
    victim.start()
    world.finish(paying.call, paying.session)


@pytest.mark.parametrize("in_time", [True, False], ids=["answered in time", "answered after the deadline"])
def test_sigterm_at_the_orchestrator_while_a_pay_waits(world, in_time):
    paying = Paying(world)
    session, victim = paying.session, world.orchestrators()[0]
    session.events.wait_type("payment.processing", 10)
    assert victim.metric("flattone_session_rest_streams_open") > 0
    begun = time.monotonic()
    victim.signal(signal.SIGTERM)
    if in_time:
        time.sleep(1)
        assert victim.alive, "the call that waits is waited for"
        paying.release()
    assert victim.wait(DEADLINE + 5) == 0
    assert time.monotonic() - begun < DEADLINE + 1
    assert paying.answered()["state"] == f"PAYMENT_STATE_{'CAPTURED' if in_time else 'PROCESSING'}"
    victim.start()
    assert session.pay(wait_seconds=0)["id"] == paying.payment["id"], "asked again it is the same payment"
    paying.release()
    world.verdict(paying.payment, "CAPTURED", 1, detour=False)
    # The stream went on where it broke off: nothing is missing, nothing came twice.
    session.events.wait_type("payment.captured", 20)
    numbers = [int(e["session_sequence"]) for e in session.events.events]
    assert numbers == list(range(1, len(numbers) + 1))
    world.finish(paying.call, session)


def test_an_operator_decides_what_the_psp_does_not_tell(world):
    """Charged without an answer, and lost on the way: both UNKNOWN, since the PSP cannot be asked, until somebody has looked."""
    def unknown(fault):
        call, session, card = world.take()
        world.fault(fault, operation="authorise", count=1, last_four=card[0][-4:])
        return call, session, world.await_payment(session.pay(wait_seconds=0), "UNKNOWN")

    def operator(verb, *more, expect=0):
        return world.fleet.ctl("unknown", verb, "--tenant", world.tenant["id"], *more, expect=expect)

    for operation in ("get", "fence"):
        world.fault("error", operation=operation, count=0)
    taken = [unknown("drop_after"), unknown("drop")]
    charged, lost = (payment for _, _, payment in taken)
    for payment in (charged, lost):
        world.told(payment, [DETOUR[:2]])
    listed = {a["payment_id"]: a["attempt_id"] for a in operator("list")["attempts"]}
    assert sorted(listed) == sorted([charged["id"], lost["id"]])
    [charge] = world.charges(charged)
    reason = "seen on the dashboard of the PSP"
    operator("resolve", "--attempt", listed[charged["id"]], "--answer", "approved", "--psp-reference", charge["payment"],
             "--reason", reason)
    operator("resolve", "--attempt", listed[lost["id"]], "--answer", "declined", "--reason", reason)
    world.verdict(charged, "CAPTURED", 1, detour=True)
    world.verdict(lost, "DECLINED", 0, detour=True)
    assert world.receiver.wait(charged["id"], ["payment.captured"])["body"]["data"]["psp_reference"] == charge["payment"]
    assert operator("list").get("attempts", []) == []
    with pytest.raises(FleetError, match="not unknown"):
        operator("resolve", "--attempt", listed[lost["id"]], "--answer", "approved", "--psp-reference", "spp_none", "--reason", reason)
    decided = [r for r in world.fleet.ctl("audit", "gateway", "--page-size", 200)["records"] if r["action"] == "attempt.resolve"]
    assert [r["object"] for r in decided[-2:]] == [listed[charged["id"]], listed[lost["id"]]]
    assert all("operator" in r["actor"] and reason in r["reason"] for r in decided[-2:])
    # The operator's reference is the one that is used from then on.
    world.sandbox("/_sandbox/faults", method="DELETE")
    world.api.post(f"/v1/payments/{charged['id']}:refund", {})
    world.await_payment(charged, "REFUNDED")
    assert [c["state"] for c in world.charges(charged)] == ["refunded"]
    for call, session, _ in taken:
        world.finish(call, session)
