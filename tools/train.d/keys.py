"""Synthesised keys over silence, noise, speech: what they are made of is drawn from a seeded generator."""

import numpy as np

RATE = 8000
HOP = 40  # samples that the detector is asked about at a time
ROWS = (697, 770, 852, 941)
COLUMNS = (1209, 1336, 1477, 1633)
ZERO_DBM0 = 260_515_000.0  # mean square (libs/dsp/level.h)


def power(dbm0):
    return ZERO_DBM0 * 10 ** (np.asarray(dbm0, float) / 10)


def dbm0(mean_square):
    return 10 * np.log10(np.maximum(mean_square, 1e-3) / ZERO_DBM0)


def envelope(length, ramp):
    if ramp <= 0:
        return np.ones(length)
    edge = np.minimum(np.arange(length), length - 1 - np.arange(length)) + 0.5
    return np.where(edge < ramp, 0.5 - 0.5 * np.cos(np.pi * edge / ramp), 1.0)


def key(rng, length, low_dbm0, twist, offsets, ramp, which=None):
    """One key's samples (float) and its envelope; offsets in percent, of the low and the high tone."""
    which = rng.integers(16) if which is None else which
    t = np.arange(length) * (2 * np.pi / RATE)
    shape = envelope(length, ramp)
    low = np.sqrt(2 * power(low_dbm0)) * np.sin(t * ROWS[which // 4] * (1 + offsets[0] / 100) + rng.uniform(0, 6.28))
    high = np.sqrt(2 * power(low_dbm0 + twist)) * np.sin(t * COLUMNS[which % 4] * (1 + offsets[1] / 100) + rng.uniform(0, 6.28))
    return (low + high) * shape, shape


def noise(rng, length, level_dbm0, colour):
    white = rng.standard_normal(length)
    if colour == "pink":
        spectrum = np.fft.rfft(white)
        spectrum /= np.sqrt(np.arange(1, len(spectrum) + 1))
        white = np.fft.irfft(spectrum, length)
        white /= np.sqrt(np.mean(white ** 2))
    return white * np.sqrt(power(level_dbm0))


MU = None


def _mu_table():
    c = np.arange(256) ^ 0xFF
    magnitude = ((((c & 15) << 3) + 0x84) << ((c >> 4) & 7)) - 0x84
    return np.where(c & 0x80, -magnitude, magnitude)


def _a_table():
    c = np.arange(256) ^ 0x55
    exponent = (c >> 4) & 7
    magnitude = ((c & 15) << 4) + 8
    magnitude = np.where(exponent > 0, (magnitude + 0x100) << np.maximum(exponent - 1, 0), magnitude)
    return np.where(c & 0x80, magnitude, -magnitude)


def coded(sound, law="mu"):
    """Through G.711 and back: the nearest value that a codeword has."""
    values = np.unique(_mu_table() if law == "mu" else _a_table()).astype(np.float64)
    edges = (values[1:] + values[:-1]) / 2
    return values[np.searchsorted(edges, sound)].astype(np.int16)


def label(hops, onset, shape, labels):
    """Marks the hops of a key in `labels`: 1 a tone sounds, -1 not asked in training (edges)."""
    loud = np.flatnonzero(shape > 0.01)  # 40 dB down it is over
    first, last = onset + loud[0], onset + loud[-1] + 1
    inside = np.arange(first // HOP, min((last - 1) // HOP + 1, hops))
    overlap = np.minimum(inside * HOP + HOP, last) - np.maximum(inside * HOP, first)
    around = np.arange(max(inside[0] - 1, 0), min(inside[-1] + 3, hops))
    labels[around] = np.where(labels[around] == 1, 1, -1)
    labels[inside] = np.where(overlap >= 4, 1, -1)
    return first, last
