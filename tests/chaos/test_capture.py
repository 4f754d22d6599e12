"""Each service killed or stopped in the middle of a capture: the agent hears no key, the money is right.

All tests of a database run on one fleet, in a row: what one kills, the next finds mended.
"""

import time

import pytest

from ears import Recordings
from fleet import ADAPTER, MASKER, ORCHESTRATOR, RELAY, VAULT
from world import DATABASES, Problem, World, eventually

QUIET = 4.5  # longer than the three quiet seconds after which a call may be plain again


@pytest.fixture(scope="module", params=DATABASES)
def world(request, tmp_path_factory):
    with World(tmp_path_factory.mktemp(f"capture-{request.param}"), database=request.param, maskers=2) as world:
        yield world
        world.assert_gap_free()


@pytest.fixture(scope="module")
def one_world(tmp_path_factory):
    """For what does not depend on the database."""
    with World(tmp_path_factory.mktemp("capture-one"), database="sqlite", maskers=2) as world:
        yield world


@pytest.fixture(autouse=True)
def all_hung_up(request):
    """A test that failed leaves no call to the next."""
    yield
    for name in ("world", "one_world"):
        if name in request.fixturenames:
            request.getfixturevalue(name).hang_up_all()


def hang_up_and_judge(world, call, pressed):
    call.hang_up()
    return Recordings(world, call).assert_nothing_leaked(pressed)


def capturing(world, **capture):
    """A call whose capture has just been started: (call, session, card)."""
    call = world.call()
    session = world.session(call, **capture)
    session.start()
    return call, session, world.card()


def masker_of(world):
    """The masker that has the call's leg; the fleet must have no other call in capture."""
    def look():
        serving = [p for p in world.fleet.all(MASKER) if p.metric("flattone_masking_legs_count") > 0]
        return serving[0] if len(serving) == 1 else None
    return eventually(look, 10, "one masker has the leg")


def holder(world, binary, metric):
    """The replica that has the capture."""
    return eventually(lambda: next((p for p in world.fleet.all(binary) if p.metric(metric) > 0), None), 10, f"a {binary} holds the capture")


def start_over(session):
    """What the agent does once told that another masker has taken over: the field waits for its restart, and what is
    typed meanwhile counts nowhere."""
    field = eventually(lambda: (f := session.field("PAN")).get("problem") == "FIELD_PROBLEM_MASKER_CHANGED" and f, 10, "the field has to start anew")
    assert field.get("count", 0) == 0, field
    session.act("restartField", {"field": "CARD_FIELD_PAN", "expected_count": 0})


def pay_and_judge(world, call, session, card, pressed):
    """The whole card, the money, and the agent's ears."""
    call.type_card(card)
    session.ready()
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED", payment
    assert [c["amount_minor"] for c in world.charges(payment)] == [1999]
    return hang_up_and_judge(world, call, pressed + len("".join(card)))


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_masker_lost_between_two_keys(one_world, how):
    world = one_world
    call, session, card = capturing(world)
    call.type(card[0][:6])
    session.await_count("PAN", 6)
    serving = masker_of(world)
    relay = world.fleet[RELAY]
    moved = relay.metric("flattone_relay_hop_moved_legs_total")
    serving.kill() if how == "kill" else serving.stop()
    call.type("789")  # pressed while nobody masks, or the other has just begun to
    session.events.wait_type("session.warning", 20)
    eventually(lambda: relay.metric("flattone_relay_hop_moved_legs_total") > moved, 5, "the leg has moved")
    assert session.get()["state"] == "SESSION_STATE_CAPTURING"
    start_over(session)
    if how == "stop":
        serving.cont()  # what it still answers belongs to nobody
    call.type_card(card)
    session.ready()
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    if how == "kill":
        serving.start()
    eventually(lambda: relay.metric("flattone_relay_hop_streams") == 2, 10, "both maskers are back")
    hang_up_and_judge(world, call, 9 + len("".join(card)))


def test_what_a_stopped_masker_answers_too_late_is_dropped_and_counted(one_world):
    world = one_world
    call, session, card = capturing(world)
    call.type(card[0][:2])
    session.await_count("PAN", 2)
    serving, relay = masker_of(world), world.fleet[RELAY]
    late, comfort = "flattone_relay_late_answers_total", "flattone_relay_comfort_frames_total"
    before = relay.metric(late), relay.metric(comfort), relay.metric("flattone_relay_hop_stalled_streams_total")
    for _ in range(5):  # each time longer than a frame may take, shorter than a masker is waited for
        serving.stop()
        time.sleep(0.06)
        serving.cont()
        time.sleep(0.3)
    assert relay.metric(late) > before[0]
    assert relay.metric(comfort) > before[1]
    # As many packets left as came: nothing left twice, once as comfort and once as its late answer.
    call.type(card[0][2:])
    session.await_count("PAN", 16) if relay.metric("flattone_relay_hop_stalled_streams_total") == before[2] else None
    statistics = call.hang_up()
    heard = statistics["agent"]["heard"]
    assert heard["duplicates"] == 0, heard
    counts = statistics["relay"]["caller_to_agent"]
    assert int(counts["packets_sent"]) <= int(counts["packets_received"])
    Recordings(world, call).assert_nothing_leaked(16)


def test_a_stopped_maskers_batches_after_its_return_reach_nobody(one_world):
    world = one_world
    call, session, card = capturing(world)
    call.type(card[0][:4])
    session.await_count("PAN", 4)
    serving = masker_of(world)
    serving.stop()
    call.type(card[0][4:8])
    time.sleep(1)
    serving.cont()
    # It finds frames that are a second old, and its stream given up.
    eventually(lambda: serving.metric("flattone_masking_legs_count") == 0, 10, "the masker has let go of the leg")
    assert session.get()["state"] == "SESSION_STATE_CAPTURING"
    start_over(session)
    pay_and_judge(world, call, session, card, 8)


def test_vault_killed_between_two_keys_ends_the_capture_and_the_rest_is_masked(world):
    call, session, card = capturing(world)
    call.type(card[0][:8])
    session.await_count("PAN", 8)
    vault = holder(world, VAULT, "flattone_vault_captures_live")
    vault.kill()
    call.type(card[0][8:])
    vault.start()
    session.events.wait_type("session.capture_ended", 30)
    assert session.get()["state"] == "SESSION_STATE_CREATED"
    session.start()
    pay_and_judge(world, call, session, card, 16)


def test_orchestrator_killed_in_a_capture_keeps_the_agent_protected_and_the_capture(world):
    call, session, card = capturing(world)
    call.type(card[0] + "#")
    orchestrator = world.fleet[ORCHESTRATOR]
    orchestrator.kill()
    call.type(card[1] + "#")
    orchestrator.start()
    call.type(card[2] + "#")
    session.ready(15)
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED"
    assert len(world.charges(payment)) == 1
    hang_up_and_judge(world, call, len("".join(card)))


def test_relay_killed_in_a_capture_ends_the_session_and_what_was_heard_before_was_masked(world):
    call, session, card = capturing(world)
    call.type(card[0][:8])
    session.await_count("PAN", 8)
    relay = world.fleet[RELAY]
    relay.kill()
    relay.start()
    session.events.wait_type("session.ended", 10)
    assert session.get()["end_reason"] == "hang_up"
    call.type(card[0][8:])  # into the void: the relay that is there now knows no such call
    call.hang_up()
    agent = Recordings(world, call).assert_nothing_leaked(16)
    assert agent["flat"] >= 8, agent
    # The relay that came back takes calls and captures at once.
    call, session, card = capturing(world)
    pay_and_judge(world, call, session, card, 0)


def test_adapter_down_while_capturing_and_paying_charges_after_its_return_or_not_at_all(world):
    call, session, card = capturing(world)
    call.type(card[0] + "#")
    for adapter in world.fleet.all(ADAPTER):
        adapter.kill()
    for value in card[1:]:
        call.type(value + "#")
    session.ready()
    payment = None
    try:
        payment = session.pay(wait_seconds=1)
    except Problem as problem:
        assert problem.status in (409, 503), problem
    for adapter in world.fleet.all(ADAPTER):
        adapter.start()
    payment = payment or (session.get().get("payments") or [None])[0]
    if payment is None:  # refused before anything was written: the agent presses again
        payment = session.pay()
    final = world.await_payment(payment, ["CAPTURED", "FAILED", "CANCELLED", "DECLINED"], 60)
    assert len(world.charges(payment)) == (1 if final["state"] == "PAYMENT_STATE_CAPTURED" else 0)
    hang_up_and_judge(world, call, len("".join(card)))


def test_the_last_key_held_two_seconds_while_the_payment_completes(one_world):
    world = one_world
    call, session, card = capturing(world)
    call.type(card[0] + "#")
    call.type(card[1] + "#")
    call.type(card[2][:2])
    call.tell(f"keys {card[2][2]} 2000")
    session.ready(10)
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    assert call.typing(), "the payment was slower than the key"
    session.act("end")
    call.wait_typed(10)
    time.sleep(QUIET)
    hang_up_and_judge(world, call, len("".join(card)))


def test_a_capture_started_in_mid_key_masks_it_and_does_not_count_it(one_world):
    world = one_world
    call = world.call()
    session = world.session(call)
    time.sleep(1)
    pressed_ns = time.time_ns()
    call.tell("keys 5 3000")
    time.sleep(1)
    session.start()
    started_ns = time.time_ns()
    assert call.typing()
    call.wait_typed(10)
    assert session.field("PAN").get("count", 0) == 0  # it was pressed before
    call.type("4")
    session.await_count("PAN", 1)
    session.act("cancel")
    time.sleep(QUIET)
    call.hang_up()
    recordings = Recordings(world, call)
    pressed, started = recordings.seconds(pressed_ns), recordings.seconds(started_ns)
    # The key is readable in the second before the start, for the same ears, and nothing of it is behind the start.
    before, after = recordings.heard(begin=pressed - 0.2, end=started - 0.1), recordings.heard(begin=started)
    assert before["spandsp"] == 1 and before["multimon"] == 1, before
    assert after["spandsp"] == 0 and after["multimon"] == 0, after
    control = recordings.heard("caller-sent", begin=started)
    assert control["spandsp"] == 2, control  # the rest of it, and the "4"


def test_cancel_between_two_keys_and_the_remaining_keys_never_reach_the_agent(one_world):
    world = one_world
    call, session, card = capturing(world)
    call.type(card[0][:7])
    session.await_count("PAN", 7)
    session.act("cancel")
    call.type(card[0][7:])
    time.sleep(QUIET)
    agent = hang_up_and_judge(world, call, 16)
    assert agent["flat"] >= 14, agent  # a tone for each key, also for those that nobody receives


def test_a_field_times_out_between_two_keys_and_the_remaining_keys_never_reach_the_agent(one_world):
    world = one_world
    call, session, card = capturing(world, field_timeout_seconds=5)
    call.type(card[0][:7])
    session.await_count("PAN", 7)
    eventually(lambda: session.field("PAN").get("problem") == "FIELD_PROBLEM_TIMED_OUT", 15, "time-out")
    call.type(card[0][7:])
    assert session.get()["protection"] == "PROTECTION_ON"
    session.act("cancel")
    hang_up_and_judge(world, call, 16)


@pytest.mark.slow
def test_a_capture_times_out_between_two_keys_and_the_remaining_keys_never_reach_the_agent(one_world):
    world = one_world
    call, session, card = capturing(world, capture_timeout_seconds=30)
    while time.monotonic() < session.started + 28:
        time.sleep(0.5)
    call.type(card[0][:4])
    session.events.wait_type("session.capture_ended", 20)
    call.type(card[0][4:])
    assert session.get()["protection"] != "PROTECTION_OFF"
    eventually(lambda: session.get()["protection"] == "PROTECTION_OFF", 15, "plain again, three quiet seconds later")
    hang_up_and_judge(world, call, 16)
