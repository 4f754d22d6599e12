"""tools/call as a customer uses it against a fleet that runs: whole payments through a bad network, and a capture of RTP
that is replayed as it is."""

import collections
import ipaddress
import json
import os
import struct
import subprocess
import time

import pytest

from ears import Recordings
from world import View

CALLS = 20


def run(world, *arguments):
    """The lines of tools/call and its exit status."""
    view, end = View(world.fleet, world.tenant), world.fleet.endpoints()
    command = [world.fleet.program("call"), "--relay", view.relay, "--cert", view.edge_cert, "--key", view.edge_key, "--ca", view.ca,
               "--tenant", view.tenant, "--api", end["public_grpc"][0], "--api-ca", end["public_ca"],
               "--caller-wav", world.quiet, "--agent-wav", world.quiet, *arguments]
    environment = {**os.environ, "FLATTONE_API_KEY": world.tenant["key"], "GRPC_VERBOSITY": "NONE"}
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, env=environment, timeout=240)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


@pytest.mark.slow
def test_twenty_payments_five_at_a_time_through_a_network_that_loses_delays_reorders_and_doubles(sqlite_world):
    world = sqlite_world
    lines, status = run(world, "--reference", "bad-network", "--calls", CALLS, "--parallel", 5, "--keys", "rfc4733", "--talk", 0.6,
                        "--loss", .02, "--jitter", 30, "--reorder", .02, "--duplicate", .02, "--drift", 50, "--seed", 3)
    of = collections.defaultdict(list)
    for line in lines:
        assert line["time_ns"] > 0 and ("call" in line)
        of[line["type"]].append(line)
    assert of["error"] == []
    assert status == 0 and of["summary"][0]["errors"] == 0 and of["summary"][0]["calls"] == CALLS
    references = {f"bad-network-{n}" for n in range(1, CALLS + 1)}
    for kind in ("up", "session", "secure", "payment", "statistics"):
        assert {line["call"] for line in of[kind]} == references and len(of[kind]) == CALLS, kind
    assert [line["payment"]["state"] for line in of["payment"]] == ["PAYMENT_STATE_CAPTURED"] * CALLS
    assert all(len(world.charges(line["payment"])) == 1 for line in of["payment"])
    assert at_once(of) == 5
    assert_events(of["event"], references)
    assert_network(of["statistics"])


def at_once(of):
    """The most calls that were up at the same time."""
    moments = [(line["time_ns"], 1) for line in of["up"]] + [(line["time_ns"], -1) for line in of["statistics"]]
    now = most = 0
    for _, step in sorted(moments):
        now += step
        most = max(most, now)
    return most


def assert_events(events, references):
    """Each session's own, in order and to its end."""
    told = collections.defaultdict(list)
    for line in events:
        told[line["call"]].append(line["event"])
    assert set(told) == references
    for each in told.values():
        assert [int(e["session_sequence"]) for e in each] == list(range(1, len(each) + 1))
        kinds = [e["type"] for e in each]
        assert kinds[-1] == "session.ended" and kinds.index("session.ready") < kinds.index("payment.captured")


def assert_network(statistics):
    """What was asked of the network happened, and was seen at the other side; the sound went on both ways."""
    for side, other in (("caller", "agent"), ("agent", "caller")):
        sent = sum(line[side]["sent"] for line in statistics)
        lost, doubled, overtaken = (sum(line[side]["network"][what] for line in statistics) for what in ("lost", "duplicated", "reordered"))
        assert sent > CALLS * 200
        assert all(0.01 < count / sent < 0.04 for count in (lost, doubled, overtaken)), (side, sent, lost, doubled, overtaken)
        heard = [line[other]["heard"] for line in statistics]
        assert sum(h["lost"] for h in heard) > lost / 2 and max(h["jitter_ms"] for h in heard) > 1
        assert all(h["packets"] > 150 for h in heard)


# --- A capture of RTP, replayed ---------------------------------------------------------------------------------------


def sent_rtp(path):
    """The RTP in a capture of `call` that went to the relay: [(nanoseconds, port, datagram)]."""
    data, at, found = path.read_bytes(), 24, []
    assert struct.unpack("<I", data[:4])[0] == 0xA1B23C4D  # nanoseconds
    while at + 16 <= len(data):
        seconds, nanos, size, _ = struct.unpack("<IIII", data[at:at + 16])
        ip = data[at + 16:at + 16 + size]
        at += 16 + size
        payload = ip[28:]
        to_relay = ipaddress.ip_address(ip[16:20]) != ipaddress.ip_address("127.0.0.1")  # a relay has an address of its own
        if to_relay and not 192 <= payload[1] <= 223:
            found.append((seconds * 10**9 + nanos, struct.unpack("!H", ip[22:24])[0], payload))
    return found


@pytest.mark.slow
def test_a_recorded_caller_replayed_byte_by_byte_pays_with_the_keys_of_the_recording(sqlite_world):
    world = sqlite_world
    card, first = world.card(), world.call()
    time.sleep(3)  # so that the second call's capture has begun before the first key
    first.type_card(card)
    time.sleep(0.5)
    first.hang_up()
    pcap = world.dir / "calls" / f"{first.reference}-caller.pcap"
    original = sent_rtp(pcap)

    second = world.call(extra=("--caller-pcap", pcap, "--pcap-port", original[0][1]))
    session = world.session(second)
    session.start()
    session.ready(20)
    payment = session.pay()
    assert payment["state"] == "PAYMENT_STATE_CAPTURED" and payment["last_four"] == card[0][-4:]
    second.hang_up()
    Recordings(world, second).assert_nothing_leaked(len("".join(card)))

    replayed = sent_rtp(world.dir / "calls" / f"{second.reference}-caller.pcap")
    assert 300 < len(replayed) <= len(original)
    assert [datagram for _, _, datagram in replayed] == [datagram for _, _, datagram in original[:len(replayed)]]
    pace = [(replayed[n][0] - replayed[0][0]) - (original[n][0] - original[0][0]) for n in range(len(replayed))]
    assert sorted(map(abs, pace))[len(pace) // 2] < 20e6, "the recording's own pace"
