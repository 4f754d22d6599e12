"""The relay from outside, packet by packet: families, drain, RTCP, sprayed ports."""

import signal
import struct
import time

import grpc
import pytest

from ears import Recordings
from fleet import RELAY
from phone import Edge, Phone, Refused, capture, listen, rtcp_packets
from world import World, eventually

QUIET_PACKETS = 190  # 3.8 s: more than the three quiet seconds after which a call is plain again


# --- IPv6 -------------------------------------------------------------------------------------------------------


def test_a_call_over_ipv6_carries_voice_both_ways_and_a_capture(sqlite_world):
    world = sqlite_world
    if ",::1" not in world.fleet.media_addresses(world.fleet[RELAY]):
        pytest.skip("this machine has no IPv6")
    call = world.call(extra=("--host", "::1"))
    session = world.session(call)
    time.sleep(0.5)
    session.start()
    card = world.card()
    call.type_card(card)
    session.ready()
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    statistics = call.hang_up()
    for side in ("caller", "agent"):
        assert statistics[side]["heard"]["packets"] > 100, statistics[side]
    Recordings(world, call).assert_nothing_leaked(len("".join(card)))


def test_the_answer_keeps_the_family_that_was_offered(sqlite_world, edge):
    if ",::1" not in sqlite_world.fleet.media_addresses(sqlite_world.fleet[RELAY]):
        pytest.skip("this machine has no IPv6")
    caller, agent = Phone("::1", ssrc=6, fill=0x31), Phone("::1", ssrc=4, fill=0x42)
    to_agent = edge.offer("six", caller.sdp())
    assert "IN IP6 ::1" in to_agent
    with pytest.raises(Refused) as refused:
        edge.answer("six", Phone("127.0.0.1").sdp())
    assert refused.value.status == grpc.StatusCode.INVALID_ARGUMENT and "IP4" in refused.value.message
    caller.towards(edge.answer("six", agent.sdp()))
    agent.towards(to_agent)
    caller.speak(10, [agent])
    assert agent.fills() == {0x31} and caller.fills() == {0x42}
    edge.delete("six")


def test_a_re_offer_to_the_other_family_moves_the_caller_only_when_it_is_answered(sqlite_world, edge, phones):
    if ",::1" not in sqlite_world.fleet.media_addresses(sqlite_world.fleet[RELAY]):
        pytest.skip("this machine has no IPv6")
    caller, agent = phones
    edge.connect("both", caller, agent)
    six = Phone("::1", ssrc=caller.ssrc, fill=0x2F)
    edge.offer("both", six.sdp())
    caller.speak(10, [agent])
    assert agent.fills() == {caller.fill} and caller.fills() == {agent.fill}, "an offer alone has ended the call's sound"
    six.sequence, six.timestamp = caller.sequence, caller.timestamp
    six.towards(edge.answer("both", agent.sdp()))
    agent.heard.clear()
    six.speak(10, [agent])
    assert agent.fills() == {six.fill} and six.fills() == {agent.fill}
    edge.delete("both")
    six.close()


# --- Drain ------------------------------------------------------------------------------------------------------


@pytest.fixture
def draining_world(tmp_path):
    """A fleet whose relay may be ended."""
    with World(tmp_path, database="sqlite", flags={RELAY: ["--shutdown-deadline", "20s"]}) as world:
        yield world


def relay_state(world):
    [relay] = [r for r in world.fleet.ctl("relay", "list")["relays"] if "#" not in r["relay_id"]]
    return relay["state"]


@pytest.mark.slow
def test_a_relay_that_is_ended_lets_its_calls_finish_and_takes_no_new_ones(draining_world):
    world = draining_world
    edge, relay = Edge(world), world.fleet[RELAY]
    capturing, plain = world.call(), world.call()
    session = world.session(capturing)
    session.start()
    card = world.card()
    capturing.type(card[0] + "#")
    relay.signal(signal.SIGTERM)
    eventually(lambda: relay_state(world) == "RELAY_STATE_DRAINING", 5, "the lease says DRAINING")
    with pytest.raises(Refused) as refused:
        edge.offer("too-late", Phone().sdp())
    assert refused.value.status == grpc.StatusCode.UNAVAILABLE
    # The capture that is under way ends as if nothing were, and a call that is up may even begin one.
    for value in card[1:]:
        capturing.type(value + "#")
    session.ready()
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    other = world.session(plain)
    other.start()
    plain.type(world.card()[0][:4])
    other.await_count("PAN", 4)
    assert relay.alive
    capturing.hang_up()
    Recordings(world, capturing).assert_nothing_leaked(len("".join(card)))
    assert relay.alive
    plain.hang_up()
    assert relay.wait(10) == 0
    other.events.wait_type("session.ended", 15)


@pytest.mark.slow
def test_calls_that_do_not_end_are_ended_at_the_deadline_and_their_sessions_with_them(tmp_path):
    with World(tmp_path, database="sqlite", flags={RELAY: ["--shutdown-deadline", "5s"]}) as world:
        relay = world.fleet[RELAY]
        call = world.call()
        session = world.session(call)
        session.start()
        call.type(world.card()[0][:4])
        begin = time.monotonic()
        relay.signal(signal.SIGTERM)
        assert relay.wait(15) == 0
        assert 3 < time.monotonic() - begin < 8
        session.events.wait_type("session.ended", 5)
        assert session.get()["end_reason"] == "hang_up"
        call.hang_up()
        Recordings(world, call).assert_nothing_leaked(4)


# --- RTCP over two captures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mux", [False, True], ids=["ports of its own", "multiplexed"])
def test_rtcp_tells_the_same_story_on_both_sides_across_two_captures(sqlite_world, edge, phones, mux):
    """Events leave as sound or not at all, so numbers and counts shift at the relay; reports follow."""
    world, (caller, agent) = sqlite_world, phones
    caller.mux = agent.mux = mux
    reference = f"rtcp-{mux}"
    edge.connect(reference, caller, agent)
    caller.speak(25, [agent])
    for n in range(2):
        session = world.session(reference)
        session.start()
        caller.speak(10, [agent])
        for key in "417":
            caller.press(key, others=[agent])
            caller.speak(6, [agent])
        session.await_count("PAN", 3)
        assert_reports_agree(caller, agent)
        session.act("cancel")
        if n == 0:
            caller.speak(10, [agent])  # the next capture begins while this one is still stopping
    caller.speak(QUIET_PACKETS, [agent])
    eventually(lambda: session.get()["protection"] == "PROTECTION_OFF", 5, "plain again")
    caller.speak(10, [agent])
    assert agent.heard[-1].payload == bytes([caller.fill]) * 160  # plain, and still with the shift of both captures
    assert agent.heard[-1].sequence != (caller.sequence - 1) & 0xFFFF
    assert_reports_agree(caller, agent)
    numbers = [h.sequence for h in agent.heard]
    assert all((b - a) & 0xFFFF == 1 for a, b in zip(numbers, numbers[1:])), "a gap or a repeat in what the agent heard"
    assert edge.delete(reference).captures == 2


def assert_reports_agree(caller, agent):
    """SR counts, RR and NACK numbers, looked at from both ends once nothing is under way."""
    listen([caller, agent], 0.15)
    del agent.reports[:], caller.reports[:]
    # The caller's report of what it sent arrives as what the agent has heard.
    caller.report()
    listen([agent, caller], 0.3)
    [(kind, _, body)] = [p for c in agent.reports for p in rtcp_packets(c) if p[0] == 200]
    ssrc, _, _, packets, octets = struct.unpack("!IQIII", body[:24])
    assert ssrc == caller.ssrc
    assert packets == len(agent.heard)
    assert octets == sum(len(h.payload) for h in agent.heard)
    # The agent speaks of its newest packet, and misses one: the caller reads the numbers that it sent itself.
    newest, missed = agent.heard[-1], agent.heard[-4]
    agent.report(about=caller.ssrc, highest=newest.sequence, nack=missed.sequence)
    listen([agent, caller], 0.3)
    told = [p for c in caller.reports for p in rtcp_packets(c)]
    [report] = [body for kind, _, body in told if kind == 200]
    highest = struct.unpack("!I", report[32:36])[0] & 0xFFFF
    [nack] = [body for kind, _, body in told if kind == 205]
    lost = struct.unpack("!H", nack[8:10])[0]
    assert highest == (caller.sequence - 1) & 0xFFFF, "the caller's newest packet, by its own number"
    assert caller.sent[lost] == missed.timestamp


# --- Sprayed ports ----------------------------------------------------------------------------------------------


def spray(target, count, ssrc=0xBAD, payload=b"\x66" * 160, host="127.0.0.1"):
    """Well-formed RTP from a stranger's socket."""
    stranger = Phone(host, ssrc=ssrc)
    for _ in range(count):
        stranger.send(stranger.packet(payload), target)
        stranger.timestamp += 160
    return stranger


def test_a_port_sprayed_before_and_after_the_first_real_packet_is_not_stolen(edge, phones):
    caller, agent = phones
    edge.connect("spray", caller, agent)
    before = [spray(caller.remote, 50), spray(agent.remote, 50)]
    listen([caller, agent], 0.2)
    assert agent.heard == [] and caller.heard == []
    caller.speak(10, [agent])
    after = [spray(caller.remote, 50), spray(agent.remote, 50)]
    caller.speak(10, [agent])
    assert agent.fills() == {caller.fill} and caller.fills() == {agent.fill}
    assert len(agent.heard) == 20 and len(caller.heard) == 20
    listen(before + after, 0.1)
    assert all(stranger.heard == [] for stranger in before + after), "a stranger has got the call's sound"
    statistics = edge.delete("spray")
    assert statistics.caller_to_agent.dropped_source == 100
    assert statistics.agent_to_caller.dropped_source == 100


def test_behind_nat_only_the_configured_prefixes_are_learnt_and_only_once(edge, phones):
    caller, agent = phones
    # The SDP names an address that nobody sends from; the caller comes from another port of an address in the prefixes.
    behind = Phone("127.0.0.1", ssrc=0xCA11E4, fill=0x31)
    to_agent = edge.offer("nat", caller.sdp(), prefixes=["127.0.0.0/30"])
    caller.towards(edge.answer("nat", agent.sdp()))
    agent.towards(to_agent)
    behind.remote = caller.remote
    strangers = [spray(caller.remote, 50, host="127.0.9.9")]        # outside, before
    behind.speak(10, [agent])
    strangers.append(spray(caller.remote, 50, host="127.0.0.2"))    # inside, but the source is known by now
    behind.speak(10, [agent])
    listen(strangers, 0.1)
    assert agent.fills() == {0x31}
    assert behind.fills() == {agent.fill}
    assert all(stranger.heard == [] for stranger in strangers)
    # The third good packet is the first that counts.
    assert edge.delete("nat").caller_to_agent.dropped_source == 100 + 2
    behind.close()


def test_a_port_sprayed_during_a_capture_adds_no_key_and_takes_no_sound(sqlite_world, edge, phones):
    world, (caller, agent) = sqlite_world, phones
    session = capture(world, edge, "spray-secure", caller, agent)
    caller.press("4", others=[agent])
    stranger = Phone(ssrc=caller.ssrc)  # it even knows the SSRC, but not where the sequence stands
    stranger.remote = caller.remote
    for key in "999":
        stranger.press(key)
    caller.speak(10, [agent])
    session.await_count("PAN", 1)
    time.sleep(0.3)
    assert session.field("PAN")["count"] == 1
    assert stranger.heard == []
    assert edge.counts("spray-secure").dropped_source == len(stranger.sent)
    session.act("cancel")
    edge.delete("spray-secure")
