"""SIGTERM at the vault (docs/adr: a rolling restart loses no caller's card): what runs may finish within the deadline,
nothing new begins, and at the deadline nothing is left.
"""

import time

import pytest

from fleet import VAULT
from rest import Problem
from world import World, eventually

DEADLINE = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    flags = {VAULT: ["--shutdown-deadline", f"{DEADLINE}s"]}
    with World(tmp_path_factory.mktemp("drain"), database="sqlite", flags=flags) as world:
        yield world


def terminate(process):
    process.signal(15)
    return time.monotonic()


def test_a_card_that_is_typed_is_paid_and_no_new_one_is_begun(world):
    call, session, _ = world.ready_session()
    vault = world.fleet[VAULT]
    begun = terminate(vault)
    eventually(lambda: [r for r in vault.records() if r["msg"] == "stopping"], 2, "the vault drains")
    with pytest.raises(Problem) as refused:
        world.session(world.call()).start()
    assert refused.value.status == 503, refused.value.problem
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED" and len(world.charges(payment)) == 1
    assert vault.wait(10) == 0
    assert time.monotonic() - begun < DEADLINE, "with nothing left to finish it does not wait for the deadline"
    vault.start()
    call.hang_up()


def test_at_the_deadline_it_ends_whatever_it_holds(world):
    call, session, _ = world.ready_session()
    vault = world.fleet[VAULT]
    begun = terminate(vault)
    assert vault.wait(DEADLINE + 4) == 0
    took = time.monotonic() - begun
    assert DEADLINE - 0.5 < took < DEADLINE + 2, took
    vault.start()
    # The agent is told that this card is gone, and nothing can be paid with it.
    session.events.wait_type("session.capture_ended", 20)
    with pytest.raises(Problem) as refused:
        session.pay()
    assert refused.value.problem["code"] == "capture_incomplete"
    assert not world.sandbox("/_sandbox/held")["held"] and session.get().get("payments", []) == []
    call.hang_up()
