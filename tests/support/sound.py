"""Sound for phones that speak packet by packet: keys and noise as G.711 µ-law codes (ITU-T G.711, tables made here)."""

import numpy as np

RATE = 8000
TONES = {key: (low, high) for low, row in zip((697, 770, 852, 941), ("123", "456", "789", "*0#"))
         for high, key in zip((1209, 1336, 1477), row)}


def _decoded():
    codes = ~np.arange(256) & 0xFF
    magnitude = (((codes & 0x0F) << 3) + 0x84 << (codes >> 4 & 7)) - 0x84
    return np.where(codes & 0x80, -magnitude, magnitude)


_VALUES = _decoded()
_ORDER = np.argsort(_VALUES, kind="stable")
_BETWEEN = (_VALUES[_ORDER][1:] + _VALUES[_ORDER][:-1]) / 2


def mu_law(samples):
    """The nearest code of each sample."""
    return _ORDER[np.searchsorted(_BETWEEN, samples)].astype(np.uint8).tobytes()


def key(name, milliseconds=90, peak=6000):
    """One key in-band; `peak` of each of its two tones."""
    time = np.arange(milliseconds * RATE // 1000) / RATE
    return mu_law(sum(peak * np.sin(2 * np.pi * hertz * time) for hertz in TONES[name]))


def noise(milliseconds, seed):
    """Soft noise: no key, no speech, no digital silence."""
    return mu_law(np.random.default_rng(seed).normal(0, 60, milliseconds * RATE // 1000))
