"""What a call may change while it runs, from outside and packet by packet: codec, packet time, address, hold; and a caller
who falls silent."""

import time

import pytest

from ears import Recordings
from fleet import RELAY
from phone import Phone, capture, listen
from world import Problem, eventually


def test_a_capture_in_a_law_with_packets_of_30_ms(sqlite_world):
    world = sqlite_world
    call = world.call(extra=("--codec", "pcma", "--ptime", "30"))
    session = world.session(call)
    session.start()
    card = world.card()
    call.type_card(card)
    session.ready()
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()
    Recordings(world, call).assert_nothing_leaked(len("".join(card)))


def test_another_codec_is_forwarded_and_a_capture_on_it_is_refused_by_name(sqlite_world, edge, phones):
    world, (caller, agent) = sqlite_world, phones
    edge.connect("wideband", caller, agent, formats="9 101")
    caller.speak(10, [agent], payload_type=9)
    assert [h.payload_type for h in agent.heard] == [9] * 10
    session = world.session("wideband")
    with pytest.raises(Problem) as refused:
        session.start()
    assert refused.value.problem["code"] == "codec_not_supported"
    assert "G722/8000" in str(refused.value.problem)
    assert session.get()["state"] == "SESSION_STATE_CREATED"
    eventually(lambda: session.get()["protection"] == "PROTECTION_OFF", 5, "nothing is protected")
    caller.speak(10, [agent], payload_type=9)
    assert agent.fills() == {caller.fill}
    # A re-offer with G.711 in the same call, and the same session may begin.
    to_agent = edge.offer("wideband", caller.sdp("0 101"))
    assert "m=audio" in to_agent and " 0 101" in to_agent
    edge.answer("wideband", agent.sdp("0 101"))
    caller.speak(10, [agent])
    session.start()
    caller.press("4", others=[agent])
    caller.speak(10, [agent])
    session.await_count("PAN", 1)
    edge.delete("wideband")


def test_a_re_offer_moves_the_caller_in_the_same_call_also_while_a_card_is_taken(sqlite_world, edge, phones):
    world, (caller, agent) = sqlite_world, phones
    session = capture(world, edge, "move", caller, agent)
    caller.press("4", others=[agent])
    caller.speak(5, [agent])
    moved = Phone(ssrc=caller.ssrc, first_sequence=caller.sequence, fill=0x2F)
    moved.timestamp = caller.timestamp
    to_agent = edge.offer("move", moved.sdp())
    assert f"m=audio {agent.remote[1]} " in to_agent, "the relay's ports stay"
    edge.answer("move", agent.sdp())
    moved.remote = caller.remote
    heard_by_old = len(caller.heard)
    moved.speak(5, [agent])
    moved.press("2", others=[agent])
    moved.speak(10, [agent])
    session.await_count("PAN", 2)  # one capture, both addresses
    listen([caller], 0.1)
    assert len(caller.heard) == heard_by_old, "the agent's sound still goes to the old address"
    assert moved.fills() == {agent.fill}
    dropped = edge.counts("move").dropped_source
    caller.press("7")
    time.sleep(0.5)
    assert edge.counts("move").dropped_source == dropped + 7
    assert session.field("PAN")["count"] == 2
    assert not any(h.payload_type == 101 for h in agent.heard), "an event has reached the agent"
    edge.delete("move")


def test_a_codec_changed_in_mid_capture_is_told_and_keys_still_count_where_it_can_be_masked(sqlite_world, edge, phones):
    world, (caller, agent) = sqlite_world, phones
    session = capture(world, edge, "change", caller, agent)
    caller.press("4", others=[agent])
    caller.speak(5, [agent])
    session.await_count("PAN", 1)
    # To the other law: the same capture goes on.
    edge.connect("change", caller, agent, formats="8 101")
    caller.speak(5, [agent], payload_type=8)
    caller.press("2", others=[agent])
    caller.speak(5, [agent], payload_type=8)
    session.await_count("PAN", 2)

    def warned():
        return sum(e["type"] == "session.warning" and "codec" in str(e) for e in list(session.events.events))
    eventually(lambda: warned() == 1, 5, "the change is told")
    # To one that cannot be masked: comfort in its place, never the sound.
    edge.connect("change", caller, agent, formats="9 101")
    del agent.heard[:]
    caller.speak(20, [agent], payload_type=9, fill=0x2E)
    eventually(lambda: warned() == 2, 5, "and that one too")
    assert 15 <= len(agent.heard) <= 20 and {h.payload_type for h in agent.heard} == {8}
    assert not any(h.payload == bytes([0x2E]) * 160 for h in agent.heard)
    assert edge.counts("change").frames_comfort >= 15
    edge.delete("change")


def test_hold_the_old_way_stops_the_sound_in_mid_capture_and_goes_on_masked(sqlite_world, edge, phones):
    world, (caller, agent) = sqlite_world, phones
    session = capture(world, edge, "hold", caller, agent)
    caller.press("4", others=[agent])
    caller.speak(5, [agent])
    session.await_count("PAN", 1)
    held = "\r\n".join("c=IN IP4 0.0.0.0" if line.startswith("c=") else line for line in agent.sdp().split("\r\n"))
    assert "c=IN IP4 0.0.0.0" in edge.offer("hold", held, side="AGENT")
    edge.answer("hold", caller.sdp(), side="CALLER")
    listen([caller, agent], 0.1)
    del agent.heard[:]
    caller.speak(10, [agent])
    assert agent.heard == [], "an agent on hold still hears"
    edge.offer("hold", agent.sdp(), side="AGENT")
    edge.answer("hold", caller.sdp(), side="CALLER")
    caller.press("2", others=[agent])
    caller.speak(10, [agent])
    session.await_count("PAN", 2)
    assert agent.heard and not any(h.payload_type == 101 for h in agent.heard)
    edge.delete("hold")


def test_a_flat_tone_is_finished_when_the_callers_packets_stop(sqlite_world, edge, phones):
    world, (caller, agent) = sqlite_world, phones
    session = capture(world, edge, "silent", caller, agent)
    caller.speak(10, [agent])
    caller.press("4", packets=2)  # and not a packet more
    listen([agent], 0.5)
    tones = [h for h in agent.heard if len(set(h.payload)) > 20]
    assert len(tones) == 3, "60 ms of flat tone, whole"
    assert world.fleet[RELAY].metric("flattone_relay_tone_packets_total") > 0
    stamps = [(h.sequence, h.timestamp) for h in agent.heard]
    for (s, t), (s2, t2) in zip(stamps, stamps[1:]):
        assert ((s2 - s) & 0xFFFF, (t2 - t) & 0xFFFFFFFF) == (1, 160)
    # The caller speaks again, later in time: the numbers go on, the time leaps.
    caller.timestamp += 8000
    caller.speak(5, [agent])
    assert (agent.heard[-5].sequence - stamps[-1][0]) & 0xFFFF == 1
    edge.delete("silent")
