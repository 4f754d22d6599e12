"""RTP in, RTP out: a row's streams through a relay in real time, all at once, one thread.

    with FleetRelay(directory) as relay:
        heard = run(row, sound, relay)

A relay is anything with `connect(name, sdp_of_caller, sdp_of_agent)`, which gives the SDPs to send to (for the agent's side, for the
caller's), masks the call from before its first packet on, and `disconnect(name)`, which gives counts.
"""

import gc
import select
import socket
import struct
import time

import numpy as np

import g711
import packets as rtp
from heard import PACKET, Heard, altered

SO_TIMESTAMPNS = 35  # Linux
REPORT_EVERY = 4000  # samples between sender reports
LINES = {0: "PCMU/8000", 8: "PCMA/8000", rtp.COMFORT: "CN/8000", rtp.EVENT: "telephone-event/8000", rtp.RED: "red/8000"}


class End:
    """A side of a call: an RTP and an RTCP port."""

    def __init__(self):
        while True:
            self.rtp = self._bind(0)
            port = self.rtp.getsockname()[1]
            if port % 2 == 0:
                try:
                    self.rtcp = self._bind(port + 1)
                    break
                except OSError:
                    pass
            self.rtp.close()
        self.port = port
        self.got = []  # (arrival, bytes, is RTCP)

    @staticmethod
    def _bind(port):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.bind(("127.0.0.1", port))
        except OSError:
            made.close()
            raise
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        return made

    def sdp(self, kinds, ptime):
        maps = "".join(f"a=rtpmap:{k} {LINES[k]}\r\n" for k in kinds)
        return ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {self.port} RTP/AVP {' '.join(map(str, kinds))}\r\n{maps}a=ptime:{ptime}\r\n")

    def close(self):
        self.rtp.close()
        self.rtcp.close()


def _target(sdp):
    lines = sdp.split("\r\n")
    address = next(line for line in lines if line.startswith("c=")).split()[2]
    return address, int(next(line for line in lines if line.startswith("m=audio")).split()[1])


def kinds_of(row):
    """Payload types that both sides negotiate; what some rows send beside them was never negotiated."""
    kinds = [rtp.AUDIO[row.law], rtp.EVENT, rtp.COMFORT]
    return kinds + [rtp.RED] if row.transport.startswith("red") else kinds


def _drain(sockets, ready):
    for fd in ready:
        end, sock, is_rtcp = sockets[fd]
        while True:
            try:
                data, extra, _, _ = sock.recvmsg(2048, 64)
            except BlockingIOError:
                break
            seconds, nanos = struct.unpack("qq", extra[0][2][:16])
            end.got.append((seconds + nanos * 1e-9, data, is_rtcp))


def _report(stream, sent, octets, now):
    first = stream.packets[0]
    return struct.pack("!BBHIQIII", 0x80, 200, 6, first.ssrc, int(now * (1 << 32)) & 0xFFFFFFFFFFFFFFFF, 0, sent, octets)


def _play(streams, callers, agents, targets):
    """Sends all packets when they are due; when each left. Streams are spread over the first packet's time."""
    events = []
    for n, stream in enumerate(streams):
        shift = 20e-3 * n / len(streams)
        sent = octets = 0
        next_report = REPORT_EVERY
        for k, packet in enumerate(stream.packets):
            events.append((packet.due / 8000 + shift, n, k, rtp.wire_bytes(packet)))
            sent, octets = sent + 1, octets + len(packet.payload)
            if packet.due >= next_report:
                next_report += REPORT_EVERY
                events.append((packet.due / 8000 + shift + 1e-3, n, -1, (sent, octets)))
    events.sort(key=lambda e: e[0])
    poller, sockets = select.epoll(), {}
    for end in agents:
        for sock, is_rtcp in ((end.rtp, False), (end.rtcp, True)):
            sockets[sock.fileno()] = (end, sock, is_rtcp)
            poller.register(sock.fileno(), select.EPOLLIN)
    left = [np.zeros(len(s.packets)) for s in streams]
    late = []
    gc.disable()  # a pause here is a late packet there
    begin = time.time() + 0.1
    for due, n, k, data in events:
        while (wait := begin + due - time.time()) > 0:
            _drain(sockets, [fd for fd, _ in poller.poll(wait)])
        now = time.time()
        host, port = targets[n]
        if k < 0:
            callers[n].rtcp.sendto(_report(streams[n], *data, now), (host, port + 1))
            continue
        callers[n].rtp.sendto(data, (host, port))
        left[n][k] = now
        late.append(now - begin - due)
    end = time.time() + 0.6
    while (wait := end - time.time()) > 0:
        _drain(sockets, [fd for fd, _ in poller.poll(wait)])
    gc.enable()
    poller.close()
    return begin, left, np.array(late)


def _place(stream, ssrc, timestamp, near):
    """Where a timestamp lies on the timeline; of several epochs that could have it, the one nearest to `near`."""
    best = None
    for epoch in stream.epochs:
        if epoch.ssrc != ssrc:
            continue
        step = (timestamp - epoch.timestamp + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
        if -4000 <= step <= epoch.end - epoch.place + 4000:
            place = epoch.place + step
            if best is None or abs(place - near) < abs(best - near):
                best = place
    return best


def _payload(data):
    """Of an RTP packet: first octet, type, marker, sequence, timestamp, SSRC, payload."""
    first, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
    at = 12 + 4 * (first & 15)
    if first & 0x10:
        at += 4 + 4 * struct.unpack("!H", data[at + 2:at + 4])[0]
    end = len(data) - (data[-1] if first & 0x20 else 0)
    return first, second & 0x7F, second >> 7, sequence, timestamp, ssrc, data[at:end]


def _take(row, sound, streams, agents, begin, left, relay):
    caller = g711.decode(row.law, g711.encode(row.law, sound.samples))
    out, there = np.zeros(len(caller), np.int16), np.zeros(len(caller), bool)
    records, reports, delays, strays, foreign = [], [], [], 0, 0
    frame = row.ptime * 8
    law_of = {0: "mu", 8: "a"}
    for n, (stream, agent) in enumerate(zip(streams, agents)):
        shift = 20e-3 * n / len(streams)
        departed = {p.timestamp: t for p, t in zip(stream.packets, left[n]) if p.kind in law_of}
        last, last_place, heard = None, stream.begin, 0
        lateness = relay.lateness
        for arrival, data, is_rtcp in agent.got:
            now = (arrival - begin - shift) * 8000
            if is_rtcp:
                sent = struct.unpack("!I", data[20:24])[0] if len(data) >= 28 and data[1] == 200 else 0
                reports.append((stream.begin + now, len(data), sent - heard, n))
                continue
            first, kind, marker, sequence, timestamp, ssrc, payload = _payload(data)
            heard += 1
            place = _place(stream, ssrc, timestamp, stream.begin + now - frame)
            if place is None and relay.renumbers:  # its own clock: by arrival
                place = int(round((stream.begin + now - lateness * 8 - frame) / 40) * 40)
            if place is None or not 0 <= place <= len(out) - len(payload):
                foreign += 1
                continue
            if kind in law_of:
                out[place:place + len(payload)] = g711.decode(law_of[kind], np.frombuffer(payload, np.uint8))
                there[place:place + len(payload)] = True
                if timestamp in departed:
                    delays.append((arrival - departed[timestamp]) * 1e3)
            else:
                strays += 1
            step = 0 if last is None else (sequence - last & 0xFFFF) * 10000 + max(-9999, min(9999, place - last_place))
            late = (stream.begin + now - place - frame) / 8
            records.append((n, place, len(payload) if kind in law_of else 0, kind, marker, step, late, True, first))
            last, last_place = sequence, place
    table = np.array(records, PACKET)
    for r in table:
        r["altered"] = r["size"] == 0 or altered(out, there, caller, r["place"], r["size"], relay.ahead)
    heard = Heard(out, there, table, relay.ahead, np.array(reports).reshape(-1, 4))
    heard.counts = {"packets": len(table), "no audio": strays, "foreign": foreign, "delays": np.array(delays)}
    return heard


def run(row, sound, relay):
    streams = rtp.streams(row, sound)
    callers, agents = [End() for _ in streams], [End() for _ in streams]
    names = [f"leak-{time.time_ns()}-{n}" for n in range(len(streams))]
    targets, kinds = [], kinds_of(row)
    try:
        for name, caller, agent in zip(names, callers, agents):
            _, for_caller = relay.connect(name, caller.sdp(kinds, row.ptime), agent.sdp(kinds, row.ptime))
            targets.append(_target(for_caller))
        begin, left, late = _play(streams, callers, agents, targets)
        counts = [relay.disconnect(name) for name in names]
        heard = _take(row, sound, streams, agents, begin, left, relay)
    finally:
        for end in callers + agents:
            end.close()
    heard.counts["own lateness p99 ms"] = float(np.quantile(late, 0.99) * 1e3)
    for key in counts[0]:
        heard.counts[key] = sum(c[key] for c in counts)
    return heard
