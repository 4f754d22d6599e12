"""What the agent got, on the row's timeline: sound by RTP timestamp, and one record for each packet in order of arrival."""

import dataclasses

import numpy as np

# One packet. `late` is its arrival after its due time, ms; `sent_sequence` the sender's number where one packet came in, else -1.
PACKET = np.dtype([("stream", "i4"), ("place", "i8"), ("size", "i4"), ("kind", "i2"), ("marker", "?"), ("step", "i4"), ("late", "f8"),
                   ("altered", "?"), ("first", "i2")])


@dataclasses.dataclass
class Heard:
    sound: np.ndarray      # int16 by place
    there: np.ndarray      # bool: a packet brought this sample
    packets: np.ndarray    # PACKET
    ahead: int             # the sound at place p is the caller's of p − ahead
    reports: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 4)))  # RTCP: place, size, packet count − heard, stream
    counts: dict = dataclasses.field(default_factory=dict)
    counted: str = ""      # keys that the masker counted, in order
    counted_at: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))


def altered(sound, there, sent, place, size, ahead):
    """A packet is as it was when each sample is the caller's, `ahead` earlier."""
    begin = place - ahead
    if begin < 0 or place + size > len(sound):
        return True
    return not np.array_equal(sound[place:place + size], sent[begin:begin + size])
