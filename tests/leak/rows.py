"""The rows of the matrix: what is pressed, what sounds under it, how it travels, and what is asked of the attacker.

Every random choice of a row comes from its name and SEED: the same row is the same sound everywhere. Names of rows are keys of
leak.csv; a row that changes its meaning gets another name.
"""

import dataclasses
import zlib

import numpy as np

SEED = 20261125
CHANCE = 1 / 16
POINTS = 0.04  # how far above chance the upper bound may lie


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    what: str
    group: str = "tone"            # tone, speech, codec, transport, network
    level: tuple = (-10, -10)      # dBm0 of the stronger tone
    twist: tuple = (0, 0)          # high against low tone, dB
    offset: tuple = (0, 0)         # per cent, both frequencies
    snr: float = None              # dB of the pair over white noise
    length: tuple = (50, 120)      # ms
    gap: tuple = (140, 260)        # ms
    ramp: float = 0                # ms
    random_phase: bool = False     # telephones begin at phase zero, which helps the attacker
    over: float = None             # dB of the pair over the speech under it
    speech: float = None           # active level of the speech, dBm0; None: as it was recorded
    under: str = "quiet"           # quiet, music, dial, pink, echo
    twice: bool = False            # each key is pressed twice in a row; the pair counts once
    law: str = "mu"
    ptime: int = 20
    transport: str = "inband"
    network: str = ""
    fleet: bool = False            # goes through real processes; tone and speech rows go through the core too
    bound: float = CHANCE + POINTS  # None: printed only

    @property
    def codec(self):
        return f"PCM{'U' if self.law == 'mu' else 'A'}/{self.ptime}"

    def rng(self, *more):
        return np.random.default_rng([SEED, zlib.crc32(self.name.encode()), *more])


def _tone():
    yield Row("reference", "−10 dBm0, 50 to 120 ms, quiet line", fleet=True)
    for level in (0, -20, -30, -36, -42, -45):
        yield Row(f"level {level}", f"{level} dBm0".replace("-", "−"), level=(level, level), fleet=level == -30)
    for twist in (12, 6, -6, -12):
        yield Row(f"twist {twist:+d}", f"high tone {twist:+d} dB".replace("-", "−"), twist=(twist, twist))
    for offset in (1.5, 2.5, 3.5, -3.5):
        yield Row(f"offset {offset:+g}", f"both tones {offset:+g} %".replace("-", "−"), offset=(offset, offset))
    for snr in (30, 15, 8, 3, 0):
        yield Row(f"snr {snr}", f"white noise, SNR {snr} dB", snr=snr, fleet=snr == 8)
    for length in (20, 30, 40, 500):
        yield Row(f"length {length}", f"keys of {length} ms", length=(length, length), gap=(140, 260))
    yield Row("fast", "40 ms on, 40 ms off", length=(40, 40), gap=(40, 40))
    yield Row("twice", "each key twice in a row, 60/60 ms", length=(60, 60), gap=(60, 60), twice=True)
    yield Row("ramps", "rise and fall of 15 ms", ramp=15)
    yield Row("phases", "tones begin at any phase", random_phase=True)
    yield Row("dial tone", "425 Hz at −16 dBm0 under the key", under="dial")
    yield Row("pink", "pink noise 6 dB below the key", under="pink", snr=6)
    yield Row("echo", "the agent's voice comes back 12 dB below the key", under="echo", over=12)
    yield Row("music", "hold music 6 dB below the key", under="music", over=6, group="speech")
    yield Row("all at once", "0 to −42 dBm0, twist ±10 dB, ±3.5 %, SNR 3 to 30 dB, 30 to 100 ms", level=(-42, 0), twist=(-10, 10),
              offset=(-3.5, 3.5), snr="any", length=(30, 100))


def _speech():
    for over in (20, 10, 6):
        yield Row(f"speech {over}", f"key {over} dB over the speech", group="speech", over=over, speech=-19 - over / 2, fleet=over == 10)
    yield Row("speech 0 loud", "key as loud as the speech, −13 dBm0", group="speech", over=0, speech=-13)
    yield Row("speech 0", "key as loud as the speech, speech as recorded", group="speech", over=0, fleet=True)
    yield Row("speech -6", "key 6 dB below the speech", group="speech", over=-6, bound=0.15)
    yield Row("speech -12", "key 12 dB below the speech", group="speech", over=-12, bound=None)


def _codec():
    yield Row("A-law", "G.711 A-law", group="codec", law="a", fleet=True)
    for ptime in (10, 30, 40, 60):
        yield Row(f"ptime {ptime}", f"packets of {ptime} ms", group="codec", ptime=ptime, fleet=True)
    yield Row("ptime 10 speech 10", "packets of 10 ms, key 10 dB over the speech", group="codec", ptime=10, over=10, speech=-24, fleet=True)
    yield Row("ptime 60 speech 10", "packets of 60 ms, key 10 dB over the speech", group="codec", ptime=60, over=10, speech=-24, fleet=True)


def _transport():
    for name, what in {
        "event": "RFC 4733 alone",
        "event lost start": "RFC 4733, the first two packets of each event lost",
        "event lost end": "RFC 4733, no end packet arrives",
        "event repeated": "RFC 4733, each packet three times",
        "event 16 kHz": "RFC 4733, durations by a clock of 16 kHz",
        "event pairs": "RFC 4733, each packet carries the event before too",
        "both": "tone and event together",
        "both early": "event 60 ms ahead of the tone",
        "both late": "event 150 ms behind the tone",
        "fragment": "a carrier's event with 30 ms of tone left before it",
        "red event": "events in RFC 2198",
        "red audio": "tones in RFC 2198, the packet before repeated",
        "red both": "tones in RFC 2198 beside events in RFC 2198",
        "other event type": "tone, and events of a payload type never negotiated",
        "other audio type": "tones sent as A-law, which was never negotiated",
    }.items():
        yield Row(name, what, group="transport", transport=name, fleet=True)


def _network():
    for share in (1, 3, 5, 10):
        yield Row(f"loss {share}", f"{share} % of packets lost", group="network", network=f"loss {share}", fleet=True)
    for share in (1, 3, 5, 10):
        yield Row(f"burst {share}", f"{share} % of packets lost, three in a row", group="network", network=f"burst {share}", fleet=True)
    for name, what in {
        "gaps": "200 ms lost just before every second key",
        "reorder": "one packet in ten overtaken",
        "duplicate": "one packet in ten sent twice",
        "jitter": "packets late by up to 40 ms, in order",
        "drift": "caller's clock fast by 200 ppm",
        "comfort noise": "silence suppression with comfort noise (PT 13) between keys",
        "new ssrc": "another SSRC, sequence and timestamp every 2 s",
        "time jump": "timestamp leaps by 1 to 10 s every 2 s",
        "extensions": "header extension (audio level), CSRC and padding in each packet",
    }.items():
        # A hole reaches up to 260 ms back: keys lie apart, so that none is lost with it.
        apart = {"gap": (320, 420)} if name == "gaps" else {}
        yield Row(name, what, group="network", network=name, fleet=True, **apart)
    yield Row("loss 5 speech 10", "5 % lost, key 10 dB over the speech", group="network", network="loss 5", over=10, speech=-24, fleet=True)
    yield Row("loss 5 event", "5 % lost, RFC 4733", group="network", network="loss 5", transport="event", fleet=True)
    yield Row("loss 5 both", "5 % lost, tone and event", group="network", network="loss 5", transport="both", fleet=True)


ROWS = {row.name: row for maker in (_tone, _speech, _codec, _transport, _network) for row in maker()}
