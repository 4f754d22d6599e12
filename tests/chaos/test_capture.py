"""Each service killed or stopped in the middle of a capture: the agent hears no key, the money is right."""

import json
import subprocess
import time

import pytest

from fleet import ADAPTER, MASKER, ORCHESTRATOR, RELAY, VAULT
from world import Problem, World, eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("capture"), gates=True, maskers=2) as world:
        yield world


def keys_heard_by_agent(world, call):
    """What spandsp and multimon-ng find in the agent's recording, by the judge, which first proves itself."""
    judge = world.fleet.program("judge")
    subprocess.run([judge, "--self-test"], check=True, capture_output=True)
    recording = next((world.dir / "calls").glob(f"{call.reference}*agent-heard.wav"))
    report = json.loads(subprocess.run([judge, recording], check=True, capture_output=True, text=True).stdout)
    return report


def assert_agent_heard_nothing(world, call):
    report = keys_heard_by_agent(world, call)
    assert report["spandsp"]["keys"] == 0 and report["multimon"]["keys"] == 0, report


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_masker_lost_between_two_keys(world, how):
    call = world.call()
    card = world.card()
    session = world.session(call)
    session.start()
    call.type(card[0][:6])
    session.await_count("PAN", 6)
    maskers = world.fleet.all(MASKER)
    serving = max(maskers, key=lambda p: p.metric("flattone_masking_legs") if p.alive else -1)
    serving.kill() if how == "kill" else serving.stop()
    call.type("789")  # pressed while nobody masks: comfort tone
    warning = session.events.wait(lambda e: e["type"] == "session.warning" or
                                  any(f.get("problem") == "FIELD_PROBLEM_MASKER_CHANGED"
                                      for f in e.get("session", {}).get("progress", {}).get("fields", [])), 20, "a warning")
    assert warning
    eventually(lambda: session.field("PAN").get("count") is not None and session.get()["state"] == "SESSION_STATE_CAPTURING", 20, "capture goes on")
    time.sleep(1)
    count = session.field("PAN").get("count", 0)
    if count or session.field("PAN").get("state") == "FIELD_STATE_INVALID":
        session.act("restartField", {"field": "CARD_FIELD_PAN", "expected_count": count})
    call.type_card(card)
    session.ready()
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    serving.start() if how == "kill" else serving.cont()
    time.sleep(0.5)
    call.hang_up()
    assert_agent_heard_nothing(world, call)


def test_vault_killed_between_two_keys_ends_the_capture_and_the_rest_is_masked(world):
    call = world.call()
    card = world.card()
    session = world.session(call)
    session.start()
    call.type(card[0][:8])
    session.await_count("PAN", 8)
    world.fleet[VAULT].kill()
    call.type(card[0][8:])
    world.fleet[VAULT].start()
    session.events.wait_type("session.capture_ended", 30)
    eventually(lambda: session.get()["state"] == "SESSION_STATE_CREATED", 20, "the capture can be started again")
    session.start()
    call.type_card(card)
    session.ready()
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()
    assert_agent_heard_nothing(world, call)


def test_orchestrator_killed_in_a_capture_keeps_the_agent_protected_and_the_capture(world):
    call = world.call()
    card = world.card()
    session = world.session(call)
    session.start()
    call.type(card[0] + "#")
    world.fleet[ORCHESTRATOR].kill()
    call.type(card[1] + "#")
    world.fleet[ORCHESTRATOR].start()
    call.type(card[2] + "#")
    eventually(lambda: session.get()["state"] == "SESSION_STATE_READY", 30, "ready")
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()
    assert_agent_heard_nothing(world, call)


def test_relay_killed_in_a_capture_ends_the_session_clearly(world):
    call = world.call()
    session = world.session(call)
    session.start()
    call.type(world.card()[0][:8])
    world.fleet[RELAY].kill()
    world.fleet[RELAY].start()
    eventually(lambda: session.get()["state"] == "SESSION_STATE_ENDED", 40, "session ended")
    call.kill()


def test_adapter_down_while_capturing_and_paying_charges_after_its_return_or_not_at_all(world):
    call, session, _ = world.ready_session()
    world.fleet[ADAPTER].kill()
    try:
        payment = session.pay(wait_seconds=1)
    except Problem:
        payment = None
    world.fleet[ADAPTER].start()
    if payment:
        final = world.await_payment(payment, ["CAPTURED", "FAILED", "CANCELLED", "DECLINED"], 60)
        assert len(world.charges(payment)) == (1 if final["state"] == "PAYMENT_STATE_CAPTURED" else 0)
    call.hang_up()


def test_the_last_key_held_two_seconds_while_the_payment_completes(world):
    call = world.call()
    card = world.card()
    session = world.session(call)
    session.start()
    call.type(card[0] + "#")
    call.type(card[1] + "#")
    call.type(card[2][:2])
    call._tell(f"keys {card[2][2]} 2000")
    session.ready(10)
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    session.act("end")
    call.wait_typed(10)
    time.sleep(4)
    call.hang_up()
    assert_agent_heard_nothing(world, call)


def test_a_capture_started_in_mid_key_masks_it(world):
    call = world.call()
    session = world.session(call)
    time.sleep(1)
    call._tell("keys 5 3000")
    time.sleep(1)
    session.start()
    begin = time.monotonic()
    call.wait_typed(10)
    session.act("cancel")
    time.sleep(4.5)
    call.hang_up()
    report = keys_heard_by_agent(world, call)
    # The first second was before the capture: that key is heard once, and never again after.
    assert report["spandsp"]["keys"] <= 1, (report, begin)


def test_cancel_between_two_keys_and_the_remaining_keys_never_reach_the_agent(world):
    call = world.call()
    session = world.session(call)
    session.start()
    number = world.card()[0]
    call.type(number[:7])
    session.act("cancel")
    call.type(number[7:])
    time.sleep(4)
    call.hang_up()
    assert_agent_heard_nothing(world, call)
