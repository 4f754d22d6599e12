"""From margins to what is masked, as services/dtmf-masking does it: hysteresis, hold, whole packets. For choosing a
threshold only; the figures that count are measured with the masker itself (tools/score-detector)."""

import numpy as np

import keys

HALF = keys.HOP // 2
HOLD, LEAD = 4, 1  # in halves of a hop: 10 ms behind, 2.5 ms before
GO_ON = 2.0
PACKET = 160


def flagged(margins, threshold, go_on=GO_ON):
    """Hops with hysteresis: on above the threshold, on until below threshold - go_on."""
    out = np.zeros(len(margins), bool)
    high = margins > threshold
    low = margins > threshold - go_on
    # Runs of `low` that hold a `high`, from the first `high` on.
    edges = np.flatnonzero(np.diff(np.concatenate(([0], low.view(np.int8), [0]))))
    for first, end in zip(edges[::2], edges[1::2]):
        hit = np.flatnonzero(high[first:end])
        if len(hit):
            out[first + hit[0]:end] = True
    return out


def packets(margins, threshold, phase=0, go_on=GO_ON):
    """One bool per packet."""
    on = np.repeat(flagged(margins, threshold, go_on), 2)
    wide = on.copy()
    for k in range(1, HOLD + 1):
        wide[k:] |= on[:-k]
    wide[:-LEAD] |= on[LEAD:]
    wide = wide[phase:]
    per = PACKET // HALF
    return wide[: len(wide) // per * per].reshape(-1, per).any(axis=1)


def altered(scene, margins, threshold, go_on=GO_ON):
    """Active frames, and those of them that are masked."""
    masked = packets(margins, threshold, go_on=go_on)
    frames = scene.sound[: len(masked) * PACKET].astype(float).reshape(-1, PACKET)
    active = keys.dbm0((frames ** 2).mean(axis=1)) > -40
    return int(active.sum()), int((active & masked).sum())


def open_keys(scene, margins, threshold, go_on=GO_ON):
    """Keys of which more than 4 samples leave."""
    masked = packets(margins, threshold, go_on=go_on)
    count = 0
    for first, last in scene.spans:
        p = np.arange(first // PACKET, min((last - 1) // PACKET + 1, len(masked)))
        overlap = np.minimum(p * PACKET + PACKET, last) - np.maximum(p * PACKET, first)
        count += bool(overlap[~masked[p]].sum() > 4)
    return count
