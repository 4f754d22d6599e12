"""What the caller sends in a row: sound and keys become RTP packets, and the network loses, swaps and doubles them.

A packet's place is its sample on the row's timeline; `due` is when it leaves, in samples from the stream's start.
"""

import dataclasses
import struct

import numpy as np

import g711

AUDIO = {"mu": 0, "a": 8}
EVENT, RED, STRANGE_EVENT, COMFORT = 101, 121, 111, 13
EVENT_CODES = {k: c for k, c in zip("0123456789*#ABCD", range(16))}
KEYPAD = "123A456B789C*0#D"


@dataclasses.dataclass
class Packet:
    due: float
    kind: int        # payload type
    place: int       # sample of the timeline that its timestamp names
    payload: bytes
    marker: bool = False
    sequence: int = 0
    timestamp: int = 0
    ssrc: int = 0
    copies: int = 1
    dressed: bool = False  # header extension, CSRC, padding


@dataclasses.dataclass
class Epoch:
    """Where timestamps of a stretch of a stream lie on the timeline."""
    ssrc: int
    timestamp: int
    place: int
    end: int


@dataclasses.dataclass
class Stream:
    packets: list
    epochs: list
    begin: int   # its first sample on the timeline


def _event(key, duration, end, volume=10):
    return struct.pack("!BBH", EVENT_CODES[KEYPAD[key]], (0x80 if end else 0) | volume, min(duration, 0xFFFF))


def _red(blocks, primary_kind, primary):
    head = b"".join(struct.pack("!I", 0x80000000 | kind << 24 | offset << 10 | len(data)) for kind, offset, data in blocks)
    return head + bytes([primary_kind]) + b"".join(data for _, _, data in blocks) + primary


class _Talker:
    """The packets of one stream, without numbers."""

    def __init__(self, row, sound, index):
        self.row, self.sound = row, sound
        self.begin, self.end = index * sound.stream, (index + 1) * sound.stream
        self.frame = row.ptime * 8
        inside = (sound.onset >= self.begin) & (sound.onset < self.end)
        self.keys = list(zip(sound.onset[inside], sound.length[inside], sound.key[inside]))

    def packets(self):
        transport = self.row.transport
        if transport == "inband":
            return self._quiet(self.audio()) if self.row.network == "comfort noise" else self.audio()
        if transport == "red audio":
            return self.red_audio(self.audio())
        if transport == "other audio type":
            return self.strange_audio()
        lag = {"both early": -480, "both late": 1200}.get(transport, 0)
        events = self.events(lag)
        alone = transport in ("event", "event lost start", "event lost end", "event repeated", "event 16 kHz", "event pairs",
                              "fragment", "red event")
        audio = self.audio(spared=self.spans() if alone else ())
        return sorted(audio + events, key=lambda p: p.due)

    def on_grid(self, place):
        return self.begin + -(-(place - self.begin) // self.frame) * self.frame

    def spans(self):
        """What events stand for: whole packets, from the packet after the onset (or after the fragment) on."""
        head = 240 if self.row.transport == "fragment" else 0
        return [(self.on_grid(at + head), self.on_grid(at + n)) for at, n, _ in self.keys]

    def audio(self, spared=()):
        law, out = self.row.law, []
        samples = self.sound.samples
        if len(spared):  # the tone itself is cut out of what stays
            samples = samples.copy()
            head = 240 if self.row.transport == "fragment" else 0
            noise = self.row.rng(3).normal(0, 4, len(samples))
            for at, n, _ in self.keys:
                samples[at + head:at + n] = noise[at + head:at + n]
        codewords = g711.encode(law, samples[self.begin:self.end]).tobytes()
        starts = np.array([s for s, _ in spared] + [1 << 40])
        ends = np.array([e for _, e in spared] + [1 << 40])
        silent = False
        for place in range(self.begin, self.end, self.frame):
            next_end = int(np.searchsorted(ends, place, side="right"))
            if next_end < len(starts) - 1 and starts[next_end] <= place:
                silent = True
                continue
            at = place - self.begin
            out.append(Packet(at + self.frame, AUDIO[law], place, codewords[at:at + self.frame], marker=silent or not out))
            silent = False
        return out

    def strange_audio(self):
        """The telephone changes to A-law for the packets that hold a key."""
        out = self.audio()
        other = g711.encode("a", self.sound.samples)
        for packet in out:
            if any(at < packet.place + self.frame and packet.place < at + n for at, n, _ in self.keys):
                packet.kind = AUDIO["a"]
                packet.payload = other[packet.place:packet.place + self.frame].tobytes()
        return out

    def red_audio(self, audio):
        before = None
        for packet in audio:
            plain = packet.payload
            blocks = [(packet.kind, self.frame, before)] if before is not None else []
            packet.payload, packet.kind = _red(blocks, packet.kind, plain), RED
            before = plain
        return audio

    def events(self, lag):
        transport, out = self.row.transport, []
        kind = STRANGE_EVENT if transport == "other event type" else EVENT
        faster = 2 if transport == "event 16 kHz" else 1
        last = None
        for (begin, end), (_, _, key) in zip(self.spans(), self.keys):
            begin, end = begin + lag, max(end, begin + self.frame) + lag
            steps = list(range(self.frame, end - begin + 1, self.frame))
            own = [(step, step == steps[-1]) for step in steps] + [(steps[-1], True)] * 2
            if transport == "event lost start":
                own = own[2:]
            if transport == "event lost end":
                own = [o for o in own if not o[1]] or [(steps[-1], False)]
            for n, (step, over) in enumerate(own):
                payload, place = _event(key, step * faster, over), begin
                if transport == "event pairs" and last is not None and begin - last[0] < 65536:
                    payload, place = _event(last[1], begin - last[0], True) + payload, last[0]
                if transport in ("red event", "red both"):
                    older = [(EVENT, 0, _event(key, own[n - 1][0], own[n - 1][1]))] if n else []
                    payload = _red(older, EVENT, payload)
                packet = Packet(begin + step - self.begin + (0.01 if over else 0), RED if transport.startswith("red") else kind, place,
                                payload, marker=n == 0)
                out += [packet] * (3 if transport == "event repeated" else 1)
            last = (begin, key)
        return [dataclasses.replace(p) for p in out]

    def _quiet(self, audio):
        """Silence suppression: away from keys one comfort-noise packet, then nothing."""
        near = np.zeros(self.end - self.begin, bool)
        for at, n, _ in self.keys:
            near[at - self.begin:at - self.begin + n] = True
        out, silent = [], False
        for packet in audio:
            place = packet.place - self.begin
            if near[place:place + self.frame].any():
                packet.marker = silent
                silent = False
                out.append(packet)
            elif not silent:
                silent = True
                out.append(dataclasses.replace(packet, kind=COMFORT, payload=b"\x42"))
        return out


def _number(packets, row, rng, begin, end):
    """SSRC, sequence and timestamp; some rows change them on the way."""
    ssrc, sequence, base = (int(rng.integers(1, high)) for high in (1 << 32, 1 << 16, 1 << 32))
    epochs = [Epoch(ssrc, base, begin, end)]
    next_change = begin + 16000
    for packet in packets:
        if row.network in ("new ssrc", "time jump") and packet.kind in AUDIO.values() and packet.place >= next_change:
            next_change += 16000
            epochs[-1].end = packet.place
            base = (base + packet.place - epochs[-1].place + int(rng.integers(8000, 80000))) & 0xFFFFFFFF
            if row.network == "new ssrc":
                ssrc, sequence, base = (int(rng.integers(1, high)) for high in (1 << 32, 1 << 16, 1 << 32))
            epochs.append(Epoch(ssrc, base, packet.place, end))
        packet.ssrc, packet.sequence = ssrc, sequence
        packet.timestamp = (base + packet.place - epochs[-1].place) & 0xFFFFFFFF
        packet.dressed = row.network == "extensions"
        sequence = (sequence + 1) & 0xFFFF
    return epochs


def _spoil(packets, row, rng, keys, frame, begin):
    """What the network does to them: the packets that leave, in order of their time."""
    what, _, share = row.network.partition(" ")
    if what in ("loss", "burst") and share.isdigit():
        burst = 3 if what == "burst" else 1
        lose = np.zeros(len(packets), bool)
        starts = np.flatnonzero(rng.random(len(packets)) < float(share) / 100 / burst)
        for n in range(burst):
            lose[np.minimum(starts + n, len(packets) - 1)] = True
        lose[:10] = False
        return [p for p, gone in zip(packets, lose) if not gone]
    if what == "gaps":
        holes = [(at - 1600 - int(rng.integers(0, 480)), at) for at, _, _ in keys[::2]]
        return [p for p in packets if not any(a <= p.place < a + 1600 and p.place + frame <= b for a, b in holes)]
    if what == "reorder":
        for packet in packets:
            packet.due += frame * 1.5 * (rng.random() < 0.1)
    elif what == "duplicate":
        packets = packets + [dataclasses.replace(p, due=p.due + frame * 0.4) for p in packets if rng.random() < 0.1]
    elif what == "jitter":
        late = -1e9
        for packet in packets:
            late = packet.due = max(packet.due + rng.uniform(0, 320), late + 0.5)
    elif what == "drift":
        for packet in packets:
            packet.due /= 1.0002
    return sorted(packets, key=lambda p: p.due)


def streams(row, sound):
    made = []
    for index in range(sound.streams):
        rng = row.rng(2, index)
        talker = _Talker(row, sound, index)
        packets = talker.packets()
        epochs = _number(packets, row, rng, talker.begin, talker.end)
        made.append(Stream(_spoil(packets, row, rng, talker.keys, talker.frame, talker.begin), epochs, talker.begin))
    return made


def wire_bytes(packet):
    first, csrc, tail = 0x80, b"", b""
    if packet.dressed:
        first, csrc = 0xB1, struct.pack("!I", 0xC5C5C5C5)
        level = max(1, 127 - max(packet.payload[:8], default=0) % 127)  # RFC 6464: what an audio level would tell
        csrc += struct.pack("!HHBBBB", 0xBEDE, 1, 0x10, level, 0, 0)
        tail = b"\0\0\0\x04"
    head = struct.pack("!BBHII", first, (0x80 if packet.marker else 0) | packet.kind, packet.sequence, packet.timestamp, packet.ssrc)
    return head + csrc + packet.payload + tail
