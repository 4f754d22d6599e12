"""What the attacker looks at. It knows the sample at which each key begins and ends, the look-ahead, and which packets were altered.

For each key: the spectrum at the eight frequencies before the onset, around it, through the body, around the end and after; the
samples at both edges; the window that looks most like a key wherever it lies; each packet around the key with its size, step of
sequence and time, marker, type, lateness, level and whether it was altered; RTCP nearby.
"""

import numpy as np

HZ = np.array([697, 770, 852, 941, 1209, 1336, 1477, 1633.0])
WIDE = np.sort(np.concatenate([HZ * s for s in (0.97, 1.0, 1.03)]))
# Windows from the onset ("b"), from the end ("e"): name, edge, from, to (samples).
WINDOWS = [("before", "b", -320, -40), ("edge", "b", -40, 40), ("first 2", "b", 0, 16), ("first 5", "b", 0, 40), ("first 10", "b", 0, 80),
           ("first 20", "b", 0, 160), ("last 20", "e", -160, 0), ("last 10", "e", -80, 0), ("last 5", "e", -40, 0), ("end", "e", -20, 40),
           ("tail", "e", 0, 80), ("after", "e", 80, 480)]
EDGE = 24          # samples as they are, at either edge
SLIDE = 40         # 5 ms
PACKETS = 14       # packets looked at, from 60 ms before the onset on


def _gather(sound, at, size):
    index = np.asarray(at)[:, None] + np.arange(size)
    inside = (index >= 0) & (index < len(sound))
    return np.where(inside, sound[np.clip(index, 0, len(sound) - 1)], 0).astype(np.float32)


def _basis(hz, size):
    n = np.arange(size)
    window = np.ones(size) if size < 120 else np.hanning(size + 2)[1:-1]
    return (np.exp(-2j * np.pi * np.outer(n, hz) / 8000) * window[:, None]).astype(np.complex64)


def _spectrum(sound, at, size, hz=HZ):
    """Log level, and each frequency's share of it in dB."""
    block = _gather(sound, at, size)
    energy = (block ** 2).sum(1) + size * 4.0
    power = np.abs(block @ _basis(hz, size)) ** 2 / size + 1.0
    return np.column_stack([10 * np.log10(energy / size), 10 * np.log10(power / energy[:, None])])


def _likest(sound, onset, end):
    """Of all windows of 20 and 10 ms that touch the key: the one in which a pair of tones holds most of the sound; and for each
    frequency its largest share."""
    columns = []
    for size in (160, 80):
        basis = _basis(HZ, size)
        best = np.full(len(onset), -1.0)
        chosen, most = np.zeros((len(onset), 8)), np.zeros((len(onset), 8))
        reach = int((end - onset).max())
        for step in range(-size + SLIDE, min(reach, 1600), SLIDE):
            ok = onset + step < end
            block = _gather(sound, onset + step, size)
            energy = (block ** 2).sum(1) + size * 30.0
            share = np.abs(block @ basis) ** 2 / (energy[:, None] * size / (1 if size < 120 else 2.67)) * 2
            pair = np.where(ok, share[:, :4].max(1) + share[:, 4:].max(1), -1)
            better = pair > best
            best = np.where(better, pair, best)
            chosen[better] = share[better]
            most = np.maximum(most, np.where(ok[:, None], share, 0))
        columns += [best[:, None], np.log10(chosen + 1e-4), np.log10(most + 1e-4)]
    return np.column_stack(columns)


def _packets(heard, onset, end):
    p = heard.packets
    if not len(p):
        return np.zeros((len(onset), 1))
    order = np.argsort(p["place"], kind="stable")
    first = np.searchsorted(p["place"][order], onset - 480)
    columns, level = [], _levels(heard)
    for n in range(PACKETS):
        i = order[np.clip(first + n, 0, len(p) - 1)]
        columns += [p["place"][i] - onset, p["size"][i], p["kind"][i], p["marker"][i], p["step"][i], p["late"][i], p["altered"][i],
                    p["first"][i], level[0][i], level[1][i]]
    mask = np.concatenate([[0], np.cumsum(p["altered"][order])])
    last = np.searchsorted(p["place"][order], end + 800)
    columns += [last - first, mask[last] - mask[first], end - onset]
    return np.column_stack(columns).astype(np.float64)


def _levels(heard):
    """Of each packet: level, and the flat tone's share."""
    p = heard.packets
    level, flat = np.zeros(len(p)), np.zeros(len(p))
    for size in np.unique(p["size"]):
        of = np.flatnonzero(p["size"] == size)
        block = _gather(heard.sound, p["place"][of], int(size))
        energy = (block ** 2).sum(1) + size
        level[of] = 10 * np.log10(energy / size)
        flat[of] = (np.abs(block @ _basis(np.array([425.0]), int(size))) ** 2)[:, 0] / energy / size
    return level, flat


def _reports(heard, onset):
    if not len(heard.reports):
        return np.zeros((len(onset), 0))
    order = np.argsort(heard.reports[:, 0])
    r = heard.reports[order]
    i = np.clip(np.searchsorted(r[:, 0], onset), 0, len(r) - 1)
    near = np.searchsorted(r[:, 0], onset + 4000) - np.searchsorted(r[:, 0], onset - 800)
    return np.column_stack([r[i, 0] - onset, r[i, 1], r[i, 2], r[np.maximum(i - 1, 0), 2], near])


def extract(heard, onset, length):
    """One row for each key. Onsets are the caller's; the sound lies `heard.ahead` later."""
    begin, end = onset + heard.ahead, onset + length + heard.ahead
    sound = heard.sound
    edges = {"b": begin, "e": end}
    columns = [_spectrum(sound, edges[edge] + low, high - low) for _, edge, low, high in WINDOWS]
    body = np.minimum(begin + 160, np.maximum(begin, end - 320))
    columns += [_spectrum(sound, body, 320, WIDE), _spectrum(sound, begin, 160, WIDE), _spectrum(sound, begin - 160, 1280)]
    raw = np.column_stack([_gather(sound, begin, EDGE), _gather(sound, end - EDGE, EDGE), _gather(sound, end, EDGE // 2)])
    columns += [np.sign(raw) * np.log1p(np.abs(raw) / 16), _likest(sound, begin, end), _packets(heard, onset, onset + length),
                _reports(heard, onset)]
    table = np.column_stack(columns).astype(np.float64)
    return table[:, np.ptp(table, axis=0) > 0]
