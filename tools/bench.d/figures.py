"""One function per group of figures. Each returns rows: figure, value, unit, peer, peer_value, command."""

import json
import os
import pathlib
import re
import subprocess
import threading
import time

import grpc

import contracts
from fleet import ADAPTER, MASKER, ORCHESTRATOR, RELAY, TOP, VAULT, Fleet
from ng import Rtpengine
from world import World, eventually

SERVICES = (RELAY, MASKER, VAULT, ADAPTER, ORCHESTRATOR)
ONCE = ("memory",)  # what does not vary from run to run
NOTES = [
    "*forward*: CPU of the relay per packet received and sent on, G.711 in 20 ms packets, plain state; rtpengine 10.5.3 runs in "
    "user space with one thread, its own idle load included on both sides. The same load program drives both, one after the other.",
    "*masked*: CPU per packet of the masked direction, mTLS between relay and masker included, by service.",
    "*delay*: arrival at the agent minus departure at the caller, by RTP timestamp; in the secure state the sound inside a packet is "
    "older by the look-ahead of 20 ms, which is counted on top.",
    "*vault*: tokenisations per second through the store with an audit record each. SQLite commits durably (WAL, FULL); the "
    "PostgreSQL beside it runs with fsync off, so read it as an upper bound, not as a peer.",
    "*payments*: sessions that are READY are paid at once; the sandbox PSP adds no delay. One machine runs fleet, PSP and clients.",
]


def cpu_ns(pid):
    """CPU time of all threads that live, nanoseconds."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass
    return total


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def row(figure, value, unit, command, peer=None, peer_value=None):
    return {"figure": figure, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value, "command": command}


def sdp(port):
    return ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n")


def sdp_target(text):
    return (re.search(r"^c=IN IP4 (\S+)", text, re.M).group(1), int(re.search(r"^m=audio (\d+)", text, re.M).group(1)))


class OurCalls:
    """Calls through our relay by its edge API, the two sides being ports of the load program."""

    def __init__(self, fleet):
        self.media = contracts.load("flattone.media.v1.media").pb2
        self.tenant = fleet.tenants[0]["id"]
        self.channel = contracts.channel(fleet, f"edge-{fleet.edge}", fleet[RELAY])

    def _ask(self, method, request, response):
        ask = self.channel.unary_unary(f"/flattone.media.v1.MediaService/{method}", request_serializer=lambda m: m.SerializeToString(),
                                       response_deserializer=response.FromString)
        until = time.monotonic() + 10
        while True:
            try:
                return ask(request, timeout=10)
            except grpc.RpcError as error:  # a relay that has just come up learns its edges with its next report
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def call(self, name, sdp_a, sdp_b):
        m = self.media
        offer = self._ask("Offer", m.OfferRequest(tenant_id=self.tenant, call_reference=name, **{"from": m.SIDE_CALLER}, sdp=sdp_a), m.OfferResponse)
        answer = self._ask("Answer", m.AnswerRequest(tenant_id=self.tenant, call_reference=name, **{"from": m.SIDE_AGENT}, sdp=sdp_b), m.AnswerResponse)
        return offer.sdp, answer.sdp

    def protect(self, name):
        m = self.media
        self._ask("ProtectCall", m.ProtectCallRequest(tenant_id=self.tenant, call_reference=name), m.ProtectCallResponse)


def load(build, calls, count, seconds, directory, pids, before=lambda: None):
    """Puts `count` two-way calls through a relay: CPU nanoseconds per packet sent, by pid, and the share that arrived."""
    directory.mkdir(parents=True, exist_ok=True)
    legs = directory / "legs"
    ports = list(range(20000, 20000 + 4 * count, 2))
    legs.write_text("".join(f"{p}\n" for p in ports))
    program = subprocess.Popen([build / "bin" / "rtpload", "--legs", legs, "--seconds", str(seconds)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert json.loads(program.stdout.readline())["ready"]
    lines = []
    for n in range(count):
        a, b = ports[2 * n], ports[2 * n + 1]
        for_b, for_a = calls.call(f"bench-{time.monotonic_ns()}-{n}", sdp(a), sdp(b))
        lines += [f"{a} {' '.join(map(str, sdp_target(for_a)))}\n", f"{b} {' '.join(map(str, sdp_target(for_b)))}\n"]
    legs.write_text("".join(lines))
    before()
    start = {pid: cpu_ns(pid) for pid in pids}
    program.stdin.write("go\n")
    program.stdin.flush()
    result = json.loads(program.stdout.readline())
    used = {pid: cpu_ns(pid) - start[pid] for pid in pids}
    program.wait(10)
    return {pid: ns / result["sent"] for pid, ns in used.items()}, result["received"] / result["sent"]


def forward(directory):
    rows = []
    for count in (100, 500):
        with Fleet(directory / f"fleet-{count}") as fleet:
            fleet.up()
            relay = fleet[RELAY].pid
            ours, arrived = load(fleet.build, OurCalls(fleet), count, 8, directory / f"ours-{count}", [relay])
            build = fleet.build
        peer = Rtpengine(directory / "rtpengine")
        try:
            theirs, peer_arrived = load(build, peer, count, 8, directory / f"theirs-{count}", [peer.pid])
        finally:
            peer.close()
        assert arrived > 0.98 and peer_arrived > 0.98, f"packets lost: {arrived:.3f} ours, {peer_arrived:.3f} theirs"
        rows.append(row(f"relay CPU per forwarded packet, {count} two-way calls", ours[relay] / 1000, "µs", "tools/bench forward",
                        "rtpengine 10.5.3", theirs[peer.pid] / 1000))
    return rows


def masked(directory):
    rows = []
    for count in (10, 100):
        with Fleet(directory / f"fleet-{count}") as fleet:
            fleet.up()
            calls = OurCalls(fleet)
            names = []
            plain = calls.call
            calls.call = lambda name, a, b: (names.append(name), plain(name, a, b))[1]
            pids = {p.name: p.pid for p in fleet.all(RELAY) + fleet.all(MASKER)}
            used, arrived = load(fleet.build, calls, count, 10, directory / f"load-{count}", list(pids.values()),
                                 before=lambda: [calls.protect(n) for n in names])
            # Half of the packets (caller to agent) are masked, the other half forwarded.
            relay = sum(v for k, v in used.items() if k in {p.pid for p in fleet.all(RELAY)}) * 2 / 1000
            masker = sum(v for k, v in used.items() if k in {p.pid for p in fleet.all(MASKER)}) * 2 / 1000
            rows += [row(f"relay CPU per masked packet and its plain answer, {count} protected calls", relay, "µs", "tools/bench masked"),
                     row(f"masker CPU per masked packet, {count} protected calls", masker, "µs", "tools/bench masked"),
                     row(f"packets that arrived, {count} protected calls", arrived, "share", "tools/bench masked")]
    return rows


DSP = {"BM_Leg/0": "whole masked leg, voice alone", "BM_Leg/1": "whole masked leg, two keys a second",
       "BM_ToneDetector": "mask decision alone", "BM_DigitDetector": "digit detection alone"}


def benchmark(binary, environment=None):
    """What a Google Benchmark program measured, by name."""
    done = subprocess.run([TOP / "build" / "release" / "bin" / binary, "--benchmark_format=json", "--benchmark_min_time=0.5"],
                          check=True, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    return {b["name"]: b for b in json.loads(done.stdout)["benchmarks"]}


def dsp(directory):
    found = benchmark("masking_leg_bench")
    per_frame = {name: b["s_per_frame"] * 1e6 for name, b in found.items()}
    return [row(f"{what}, CPU per 20 ms frame", per_frame[name], "µs", "build/release/bin/masking_leg_bench",
                "spandsp 0.0.6 receiver", per_frame["BM_Spandsp/1" if name == "BM_Leg/1" else "BM_Spandsp/0"])
            for name, what in DSP.items()]


def delay(directory):
    rows = []
    with World(directory) as world:
        call = world.call()
        time.sleep(5)
        session = world.session(call)
        session.start()
        call.secure(True)
        time.sleep(8)
        session.act("cancel")
        statistics = call.hang_up()
    agent = statistics["agent"]
    for state in ("plain", "secure"):
        delays = agent[f"added_delay_{state}"]
        for name, value in delays.items():
            if isinstance(value, (int, float)) and name != "packets":
                rows.append(row(f"added delay, {state} state, {name}", value, "ms" if "ms" in name else name, "tools/bench delay"))
    return rows


def vault(directory):
    """Tokenisations and releases a second on SQLite; PostgreSQL, where it is installed, stands beside it as the peer."""
    def rates(environment=None):
        return {n: b["items_per_second"] for n, b in benchmark("vault_bench", environment).items() if "items_per_second" in b}
    sqlite, postgresql = rates(), {}
    server = subprocess.Popen([TOP / "tools" / "postgres-scratch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if url := server.stdout.readline().strip():
            postgresql = rates({"FLATTONE_BENCH_DATABASE": url})
    finally:
        server.stdin.close()
        server.wait(60)
    what = {"Tokenise": "tokenisations", "Release": "releases to the adapter"}
    rows = []
    for name, rate in sqlite.items():
        kind, _, threads = name.split("/")
        rows.append(row(f"vault: {what[kind]}, {threads.split(':')[1]} at once, SQLite", rate, "1/s", "build/release/bin/vault_bench",
                        "PostgreSQL 15 (its own durability off)" if postgresql else None, postgresql.get(name)))
    return rows


def payments(directory, count=40):
    with World(directory) as world:
        sessions = []
        ready = [None] * count

        def prepare(n):
            ready[n] = world.ready_session(keys="rfc4733")
        for base in range(0, count, 10):
            threads = [threading.Thread(target=prepare, args=(n,)) for n in range(base, base + 10)]
            [t.start() for t in threads]
            [t.join() for t in threads]
        sessions = [r[1] for r in ready]
        pids = {s: [p.pid for p in world.fleet.all(s)] for s in SERVICES}
        start = {s: sum(map(cpu_ns, pids[s])) for s in SERVICES}
        begin = time.monotonic()
        threads = [threading.Thread(target=lambda s=s: s.pay()) for s in sessions]
        [t.start() for t in threads]
        [t.join() for t in threads]
        seconds = time.monotonic() - begin
        paid = [world.payment(s.get()["payments"][0]["id"])["state"] for s in sessions]
        assert paid == ["PAYMENT_STATE_CAPTURED"] * count, paid
        used = {s: (sum(map(cpu_ns, pids[s])) - start[s]) / count / 1e6 for s in SERVICES}
    return [row("payments, 40 at once", count / seconds, "1/s", "tools/bench payments")] + [
        row(f"CPU per payment, {s}", used[s], "ms", "tools/bench payments") for s in SERVICES]


def memory(directory):
    rows = []
    with Fleet(directory / "fleet") as fleet:
        fleet.up()
        time.sleep(2)
        idle = {s: resident_mib(fleet[s].pid) for s in SERVICES}
        load(fleet.build, OurCalls(fleet), 500, 3, directory / "load", [])
        busy = {s: resident_mib(fleet[s].pid) for s in SERVICES}
    for s in SERVICES:
        rows += [row(f"resident memory, {s}, idle", idle[s], "MiB", "tools/bench memory"),
                 row(f"resident memory, {s}, 500 calls", busy[s], "MiB", "tools/bench memory")]
    return rows


__all__ = ["ONCE", "NOTES", "eventually"]
