"""One end of a call with sockets of its own, packet by packet: for what tools/call is too well-behaved to do.

    edge = Edge(world)
    caller, agent = Phone("127.0.0.1", ssrc=1), Phone("127.0.0.1", ssrc=2)
    edge.connect("ref", caller, agent)
    caller.speak(50)                       # 50 packets of 20 ms, in real time
    agent.heard[-1].payload
"""

import select
import socket
import struct
import time
from typing import NamedTuple

import grpc

import contracts
from fleet import RELAY

RATE = 8000


class Refused(Exception):
    def __init__(self, error):
        self.status, self.message = error.code(), error.details()
        super().__init__(f"{self.status}: {self.message}")


class Edge:
    """The SBC: puts the relay into calls by its gRPC API."""

    def __init__(self, world, relay=RELAY, tenant=None):
        self.channel = contracts.channel(world.fleet, f"edge-{world.fleet.edge}", world.fleet[relay])
        self.tenant = (tenant or world.tenant)["id"]
        self.media = contracts.load("flattone.media.v1.media").pb2

    def _ask(self, method, **fields):
        request = getattr(self.media, f"{method}Request")(tenant_id=self.tenant, **fields)
        call = self.channel.unary_unary(f"/flattone.media.v1.MediaService/{method}", request_serializer=type(request).SerializeToString,
                                        response_deserializer=getattr(self.media, f"{method}Response").FromString)
        try:
            return call(request, timeout=10)
        except grpc.RpcError as error:
            raise Refused(error) from None

    def offer(self, reference, sdp, side="CALLER", prefixes=()):
        return self._ask("Offer", call_reference=reference, sdp=sdp, **{"from": f"SIDE_{side}"}, learning=self._learning(prefixes)).sdp

    def answer(self, reference, sdp, side="AGENT", prefixes=()):
        return self._ask("Answer", call_reference=reference, sdp=sdp, **{"from": f"SIDE_{side}"}, learning=self._learning(prefixes)).sdp

    def _learning(self, prefixes):
        return self.media.Learning(behind_nat=bool(prefixes), prefixes=prefixes)

    def query(self, reference):
        return self._ask("QueryCall", call_reference=reference)

    def counts(self, reference):
        """What the relay counts of the caller's packets."""
        return self.query(reference).statistics.caller_to_agent

    def delete(self, reference):
        return self._ask("DeleteCall", call_reference=reference).statistics

    def connect(self, reference, caller, agent, formats="0 101", caller_prefixes=()):
        """A call between the two phones; each learns where to send."""
        to_agent = self.offer(reference, caller.sdp(formats), prefixes=caller_prefixes)
        to_caller = self.answer(reference, agent.sdp(formats))
        agent.towards(to_agent)
        caller.towards(to_caller)


class Heard(NamedTuple):
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class Phone:
    def __init__(self, host="127.0.0.1", ssrc=0x1111, first_sequence=1000, fill=0x55, mux=False):
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host, self.ssrc, self.sequence, self.timestamp, self.fill, self.mux = host, ssrc, first_sequence, 8000, fill, mux
        self.rtp, self.rtcp = self._pair()
        self.heard, self.reports = [], []   # RTP; RTCP compounds as bytes
        self.sent = {}                      # sequence: RTP timestamp
        self.octets = 0
        self.samples = 160                  # in a packet
        self.remote = self.remote_rtcp = None

    def _pair(self):
        """Two ports in a row, the first one even."""
        while True:
            rtp = self._bind(0)
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                try:
                    return rtp, self._bind(port + 1)
                except OSError:
                    pass
            rtp.close()

    def _bind(self, port):
        made = socket.socket(self.family, socket.SOCK_DGRAM)
        try:
            made.bind((self.host, port))
        except OSError:
            made.close()
            raise
        made.setblocking(False)
        return made

    @property
    def port(self):
        return self.rtp.getsockname()[1]

    def sdp(self, formats="0 101"):
        kind = "IP6" if self.family == socket.AF_INET6 else "IP4"
        names = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "101": "telephone-event/8000"}
        maps = "".join(f"a=rtpmap:{f} {names[f]}\r\n" for f in formats.split())
        return (f"v=0\r\no=- 1 1 IN {kind} {self.host}\r\ns=-\r\nc=IN {kind} {self.host}\r\nt=0 0\r\nm=audio {self.port} RTP/AVP {formats}\r\n"
                f"{maps}a=ptime:{self.samples * 1000 // RATE}\r\n" + ("a=rtcp-mux\r\n" if self.mux else ""))

    def towards(self, sdp):
        lines = sdp.split("\r\n")
        address = next(line for line in lines if line.startswith("c=")).split()[2]
        port = int(next(line for line in lines if line.startswith("m=audio")).split()[1])
        self.remote, self.remote_rtcp = (address, port), (address, port if self.mux else port + 1)

    def packet(self, payload=None, payload_type=0, marker=False, timestamp=None):
        """The next packet of this phone's stream."""
        payload = bytes([self.fill]) * self.samples if payload is None else payload
        header = struct.pack("!BBHII", 0x80, (0x80 if marker else 0) | payload_type, self.sequence, self.timestamp if timestamp is None else timestamp, self.ssrc)
        self.sent[self.sequence] = self.timestamp
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.octets += len(payload)
        return header + payload

    def send(self, packet, to=None):
        self.rtp.sendto(packet, to or self.remote)

    def speak(self, packets, others=(), payload_type=0, fill=None):
        """Packets at their pace; the others of the call speak in between. All listen."""
        self._send_at_pace(packets, others, payload_type, lambda phone, n: None if fill is None else bytes([fill]) * phone.samples)

    def play(self, sound, others=()):
        """G.711 codes, as many as fill whole packets; the others of the call speak in between."""
        cut = [sound[at:at + self.samples] for at in range(0, len(sound) - self.samples + 1, self.samples)]
        self._send_at_pace(len(cut), others, 0, lambda phone, n: cut[n] if phone is self else None)

    def _send_at_pace(self, packets, others, payload_type, payload):
        begin = time.monotonic()
        for n in range(packets):
            for phone in (self, *others):
                phone.send(phone.packet(payload(phone, n), payload_type=payload_type))
                phone.timestamp += phone.samples
            until = begin + (n + 1) * self.samples / RATE
            while (left := until - time.monotonic()) > 0:
                listen([self, *others], left)
        listen([self, *others], 0.03)

    def press(self, key, packets=5, others=()):
        """One telephone-event (RFC 4733) of so many packets, its end told three times."""
        onset = self.timestamp
        event = "0123456789*#".index(key)
        for n in range(1, packets + 1):
            for copy in range(3 if n == packets else 1):
                payload = struct.pack("!BBH", event, (0x80 if n == packets else 0) | 10, n * self.samples)
                self.send(self.packet(payload, 101, marker=n == 1 and copy == 0, timestamp=onset))
            self.timestamp += self.samples
            for other in others:
                other.send(other.packet())
                other.timestamp += other.samples
            until = time.monotonic() + self.samples / RATE
            while (left := until - time.monotonic()) > 0:
                listen([self, *others], left)

    def report(self, about=None, highest=0, nack=None):
        """A sender report of what was sent so far, with a block about the other's stream, or a NACK."""
        block = b"" if about is None else struct.pack("!IBBHIIII", about, 0, 0, 0, highest, 0, 0, 0)
        compound = struct.pack("!BBHI", 0x80 | (1 if block else 0), 200, 6 + len(block) // 4, self.ssrc)
        compound += struct.pack("!QIII", time.time_ns(), self.timestamp, len(self.sent), self.octets) + block
        if nack is not None:
            compound += struct.pack("!BBHIIHH", 0x81, 205, 3, self.ssrc, about, nack, 0)
        (self.rtp if self.mux else self.rtcp).sendto(compound, self.remote_rtcp)

    def _take(self, data, rtcp):
        if rtcp or 200 <= data[1] <= 207:
            self.reports.append(data)
            return
        _, kind, sequence, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
        self.heard.append(Heard(kind & 0x7F, sequence, timestamp, ssrc, data[12:]))

    def fills(self):
        """Which constant payloads were heard, whole packets only."""
        return {h.payload[0] for h in self.heard if h.payload and len(set(h.payload)) == 1}

    def close(self):
        self.rtp.close()
        self.rtcp.close()


def listen(phones, seconds):
    """Takes what comes to any of the phones within the time."""
    sockets = {s: (p, rtcp) for p in phones for s, rtcp in ((p.rtp, False), (p.rtcp, True))}
    end = time.monotonic() + seconds
    while True:
        ready, _, _ = select.select(list(sockets), [], [], max(0, end - time.monotonic()))
        for s in ready:
            phone, rtcp = sockets[s]
            try:
                phone._take(s.recv(4096), rtcp)
            except BlockingIOError:
                pass
        if not ready:
            return


def rtcp_packets(compound):
    """(type, count, body) of each packet in a compound."""
    at, found = 0, []
    while at + 4 <= len(compound):
        first, kind, words = struct.unpack("!BBH", compound[at:at + 4])
        found.append((kind, first & 0x1F, compound[at + 4:at + 4 + words * 4]))
        at += 4 + words * 4
    return found


def capture(world, edge, reference, caller, agent):
    """A call in which both have spoken, and a session whose capture has begun."""
    edge.connect(reference, caller, agent)
    caller.speak(10, [agent])
    session = world.session(reference)
    session.start()
    return session
