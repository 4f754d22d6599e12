"""Relays as a fleet has them: two of them beside two of each service, and one that ends calls in which nobody speaks."""

import time

import grpc
import pytest

from ears import Recordings
from fleet import RELAY
from phone import Edge, Phone, Refused, capture
from world import POSTGRESQL, World


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.skipif(not POSTGRESQL.exists(), reason="PostgreSQL 15 is not installed; tools/setup installs it")
def test_a_call_on_either_of_two_relays_is_found_captured_and_paid_through_either_orchestrator(tmp_path):
    with World(tmp_path, database="postgresql", relays=2) as world:
        relays, apis = world.fleet.all(RELAY), world.apis()
        assert len(relays) == len(apis) == 2
        # The second relay's calls by both orchestrators, then the first one's.
        for relay, api in ((1, apis[0]), (1, apis[1]), (0, apis[1])):
            before = [r.metric("flattone_relay_captures_total") for r in relays]
            call, card = world.call(relay=relay), world.card()
            session = world.session(call, api=api)
            session.start()
            call.type_card(card)
            session.ready()
            payment = session.pay()
            assert payment["state"] == "PAYMENT_STATE_CAPTURED"
            assert len(world.charges(payment)) == 1
            call.hang_up()
            Recordings(world, call).assert_nothing_leaked(len("".join(card)))
            session.events.wait_type("session.ended", 10)  # whose relay told of the hang-up
            assert session.get()["end_reason"] == "hang_up"
            moved = [r.metric("flattone_relay_captures_total") - was for r, was in zip(relays, before)]
            assert moved == ([0, 1] if relay == 1 else [1, 0])
        assert [r.metric("flattone_relay_started_calls_total") for r in relays] == [1, 2]
        world.assert_gap_free()


def hold(phone):
    """The old way: nothing is to be sent to it."""
    return "\r\n".join("c=IN IP4 0.0.0.0" if line.startswith("c=") else line for line in phone.sdp().split("\r\n"))


def is_there(edge, reference):
    try:
        edge.query(reference)
        return True
    except Refused as refused:
        assert refused.status == grpc.StatusCode.NOT_FOUND
        return False


def test_a_call_in_which_nobody_speaks_ends_at_its_limit_and_its_session_with_it(tmp_path, phones):
    limits = ["--idle-timeout", "2s", "--setup-timeout", "2s", "--held-timeout", "6s"]
    with World(tmp_path, database="sqlite", flags={RELAY: limits}) as world:
        edge, relay = Edge(world), world.fleet[RELAY]
        caller, agent = phones
        session = capture(world, edge, "silent", caller, agent)
        caller.press("4", others=[agent])
        session.await_count("PAN", 1)
        caller.speak(5, [agent])
        fell_silent_ns = time.time_ns()
        edge.connect("held", Phone(), held := Phone())
        edge.offer("held", hold(held), side="AGENT")
        edge.answer("held", Phone().sdp(), side="CALLER")
        edge.offer("unanswered", Phone().sdp())
        one, other = Phone(ssrc=1, fill=0x2F), Phone(ssrc=2)
        edge.connect("talking", one, other)
        one.speak(200)  # 4 s, and the other says nothing
        ended = session.events.wait_type("session.ended", 5)
        assert 1.9 < (ended["_at_ns"] - fell_silent_ns) / 1e9 < 3.9
        assert session.get()["end_reason"] == "hang_up"
        assert session.get()["state"] == "SESSION_STATE_ENDED"
        assert {name: is_there(edge, name) for name in ("silent", "unanswered", "held", "talking")} == {
            "silent": False, "unanswered": False, "held": True, "talking": True}
        assert relay.metric("flattone_relay_idle_calls_total") == 2
        one.speak(200)
        assert not is_there(edge, "held")
        assert relay.metric("flattone_relay_idle_calls_total") == relay.metric("flattone_relay_ended_calls_total") == 3
        assert relay.metric("flattone_relay_calls") == 1 and relay.metric("flattone_relay_secure_calls") == 0
        assert edge.delete("talking").caller_to_agent.packets_sent == 400
        # What the silent caller says now is nobody's.
        agent.heard.clear()
        caller.speak(5, [agent])
        assert agent.heard == []
