"""A row's sound: keys over what lies under them, as one timeline of several equal streams (one per call).

Keys are independent and uniform over the sixteen symbols, so that guessing hits one in sixteen whatever the attacker learns.
"""

import dataclasses

import numpy as np

import material

KEYPAD = "123A456B789C*0#D"  # row by row
ROW_HZ, COLUMN_HZ = np.array([697, 770, 852, 941.0]), np.array([1209, 1336, 1477, 1633.0])
LEAD, TAIL = 8000, 4000  # samples before the first key and after the last of a stream
UNIT = 960               # a stream is a whole number of packets of every length


@dataclasses.dataclass
class Sound:
    samples: np.ndarray   # int16, all streams one after the other
    onset: np.ndarray     # sample of the timeline
    length: np.ndarray
    key: np.ndarray       # 0 to 15, place on the keypad
    stream: int           # samples of a stream
    scored: np.ndarray    # keys that count (of a pair pressed twice, one)

    @property
    def streams(self):
        return len(self.samples) // self.stream

    def symbols(self):
        return "".join(KEYPAD[k] for k in self.key)


def _between(rng, low_high, count):
    low, high = low_high
    return rng.uniform(low, high, count)


def _places(row, rng, per_stream):
    """Onsets and lengths within each stream, samples: [stream][key]."""
    length = np.rint(_between(rng, row.length, per_stream.shape) * 8).astype(int)
    gap = np.rint(_between(rng, row.gap, per_stream.shape) * 8).astype(int)
    first = LEAD + rng.integers(0, 320, per_stream.shape[0])
    onset = np.cumsum(length + gap, axis=1) - length - gap + first[:, None]
    return onset, length


def tone(key, length, low_dbm0, high_dbm0, offset, ramp, phases):
    n = np.arange(length)
    shift = 1 + offset / 100
    sound = sum(np.sqrt(2 * material.power_of(level)) * np.sin(2 * np.pi * hz * shift / material.RATE * n + phase)
                for hz, level, phase in ((ROW_HZ[key // 4], low_dbm0, phases[0]), (COLUMN_HZ[key % 4], high_dbm0, phases[1])))
    if ramp:
        rise = np.minimum(1, np.minimum(n + 0.5, length - n - 0.5) / ramp)
        sound *= 0.5 - 0.5 * np.cos(np.pi * rise)
    return sound


def _under(row, rng, samples):
    if row.under == "music":
        return material.music(rng, samples, -16)
    if row.over is not None:
        return material.speech(rng, samples, row.speech if row.under != "echo" else -25)
    sound = np.zeros(samples)
    if row.under == "dial":
        sound += np.sqrt(2 * material.power_of(-16)) * np.sin(2 * np.pi * 425 / material.RATE * np.arange(samples))
    return sound


def _pair_levels(row, rng, count):
    stronger, twist = _between(rng, row.level, count), _between(rng, row.twist, count)
    return stronger - np.maximum(twist, 0), stronger + np.minimum(twist, 0)


def _snr_noise(row, rng, samples, spans, pair):
    """Noise under each key, at its SNR, from half the gap before to half the gap after; elsewhere like its neighbours."""
    snr = rng.uniform(3, 30, len(spans)) if row.snr == "any" else np.full(len(spans), float(row.snr))
    edges = np.array([(a[1] + b[0]) // 2 for a, b in zip(spans, spans[1:])] + [samples])
    deviation = np.sqrt(pair / 10 ** (snr / 10))
    scale = np.repeat(deviation, np.diff(np.concatenate([[0], edges])))
    white = material.pink(rng, samples, 0) / np.sqrt(material.ZERO_DBM0) if row.under == "pink" else rng.normal(0, 1, samples)
    return white * scale


def make(row, keys, streams):
    """`keys` keys over `streams` streams (the last may have fewer)."""
    rng = row.rng()
    each = -(-keys // streams)
    symbol = rng.integers(0, 16, (streams, each))
    if row.twice:
        symbol[:, 1::2] = symbol[:, :each // 2 * 2:2]
    onset, length = _places(row, rng, symbol)
    stream = -(-int((onset + length).max() + TAIL) // UNIT) * UNIT
    samples = stream * streams
    onset = (onset + stream * np.arange(streams)[:, None]).ravel()
    symbol, length = symbol.ravel(), length.ravel()
    under = _under(row, rng, samples)
    low, high = _pair_levels(row, rng, len(symbol))
    if row.over is not None:  # the level follows what lies under the key
        for i, (at, n) in enumerate(zip(onset, length)):
            power = max((under[at:at + n] ** 2).mean(), material.power_of(-38))
            low[i] = high[i] = min(material.dbm0_of(power) + row.over - 3.01, -3.5)
    sound = under
    if row.snr is None:
        sound = sound + material.noise(rng, samples, -66)
    else:
        pair = material.power_of(low) + material.power_of(high)
        sound = sound + _snr_noise(row, rng, samples, list(zip(onset, onset + length)), pair)
    offset = _between(rng, row.offset, len(symbol))
    for i, (at, n) in enumerate(zip(onset, length)):
        phases = rng.uniform(0, 2 * np.pi, 2) if row.random_phase else (0, 0)
        sound[at:at + n] += tone(symbol[i], n, low[i], high[i], offset[i], int(row.ramp * 8), phases)
    scored = np.arange(len(symbol)) % 2 == 0 if row.twice else np.ones(len(symbol), bool)
    return Sound(np.clip(np.rint(sound), -32768, 32767).astype(np.int16), onset, length, symbol, stream, scored)
