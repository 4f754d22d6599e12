"""One call whose packets change their length by re-offers: 20, 30, 10 milliseconds, and back."""

import numpy as np
import pytest

import sound
from phone import capture, listen
from world import eventually

LOOKAHEAD = 160  # samples that the masker holds back


def re_offer(edge, reference, phones, milliseconds):
    for phone in phones:
        phone.samples = milliseconds * 8
    ports = [phone.remote for phone in phones]
    edge.connect(reference, *phones)
    assert not any(ports) or [phone.remote for phone in phones] == ports, "the relay's ports stay"


def assert_without_gaps(heard):
    for before, after in zip(heard, heard[1:]):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == len(before.payload)


def test_a_plain_call_takes_every_packet_time_untouched(edge, phones):
    caller, agent = phones
    for milliseconds in (20, 30, 10, 20):
        re_offer(edge, "ptime", phones, milliseconds)
        assert [leg.ptime_ms for leg in edge.query("ptime").call.legs] == [milliseconds] * 2
        begin = len(agent.heard), len(caller.heard)
        said = sound.noise(milliseconds * 10, seed=milliseconds)
        caller.play(said, [agent])
        assert b"".join(h.payload for h in agent.heard[begin[0]:]) == said
        assert [h.payload for h in caller.heard[begin[1]:]] == [bytes([agent.fill]) * milliseconds * 8] * 10
    assert_without_gaps(agent.heard)
    assert_without_gaps(caller.heard)
    edge.delete("ptime")


@pytest.mark.parametrize("transport", ["inband", "rfc4733"])
def test_a_capture_goes_on_through_every_packet_time(sqlite_world, edge, phones, transport):
    world, (caller, agent) = sqlite_world, phones
    reference = f"ptime-{transport}"
    session = capture(world, edge, reference, caller, agent)
    said, keys = {}, []  # what the caller said, by RTP timestamp: (code, it belongs to a key)

    def say(codes, pressed=False):
        codes += sound.noise(20, seed=7)[:-len(codes) % caller.samples]
        said.update({caller.timestamp + n: (code, pressed) for n, code in enumerate(codes)})
        caller.play(codes, [agent])

    say(sound.noise(100, seed=0))
    for n, milliseconds in enumerate((20, 30, 10, 20)):
        if n > 0:
            re_offer(edge, reference, phones, milliseconds)
        listen(phones, 0.1)
        begin = len(agent.heard)
        say(sound.noise(240, seed=n))
        keys.append("4172"[n])
        if transport == "inband":
            say(sound.key(keys[-1]), pressed=True)
        else:
            caller.press(keys[-1], packets=90 // milliseconds, others=[agent])
        say(sound.noise(300, seed=10 + n))
        session.await_count("PAN", n + 1)
        assert {len(h.payload) for h in agent.heard[begin:]} == {milliseconds * 8}
    eventually(lambda: edge.query(reference).statistics.keys == len(keys), 5, "the relay was told of each key")
    assert_without_gaps(agent.heard)
    assert not any(h.payload_type == 101 for h in agent.heard), "an event has reached the agent"
    assert_speech_passes_and_keys_do_not(agent.heard, said, near=800)
    assert session.get()["state"] == "SESSION_STATE_CAPTURING"
    edge.delete(reference)


def assert_speech_passes_and_keys_do_not(heard, said, near):
    """Sample for sample, by time stamp and the look-ahead. On a busy machine some frames are comfort tone."""
    got = {h.timestamp + n - LOOKAHEAD: code for h in heard for n, code in enumerate(h.payload)}
    stamps = sorted(set(got) & set(said))
    key = np.array([said[t][1] for t in stamps])
    same = np.array([said[t][0] == got[t] for t in stamps])
    close = np.convolve(key, np.ones(2 * near + 1), mode="same") > 0
    assert len(stamps) > 8000 and same[~close].mean() > 0.5, f"{same[~close].mean():.0%} of what is no key"
    if key.any():
        assert same[key].mean() < 0.1, f"{same[key].mean():.0%} of the keys' samples"
