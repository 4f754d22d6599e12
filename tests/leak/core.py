"""The masker's core with arrays: a row's packets through build/.../leak_leg, in no time and without a network."""

import json
import os
import pathlib
import struct
import subprocess
import tempfile

import numpy as np

import g711
import packets as rtp
from heard import PACKET, Heard, altered

TOP = pathlib.Path(__file__).resolve().parents[2]
KINDS = {0: 0, 8: 0, rtp.EVENT: 1, rtp.COMFORT: 2}


def binary(name):
    return TOP / os.environ.get("FLATTONE_BUILD", "build/release") / "bin" / name


def run(row, sound, lookahead=160, late=False, noise_seed=1):
    """What the agent hears of a row whose packets are audio, events or comfort noise in order."""
    frame = row.ptime * 8
    sent = [p for stream in rtp.streams(row, sound) for p in stream.packets]
    first = 0xFFFFF000  # wraps within the first second
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/in", "wb") as file:
            for p in sent:
                file.write(struct.pack("<BBHI", KINDS[p.kind], p.marker, len(p.payload), (first + p.place) & 0xFFFFFFFF) + p.payload)
        command = [binary("leak_leg"), "--in", f"{folder}/in", "--out", f"{folder}/out", "--law", row.law, "--packet", str(frame),
                   "--lookahead", str(lookahead), "--noise-seed", str(noise_seed)] + (["--late"] if late else [])
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        left = pathlib.Path(f"{folder}/out").read_bytes()
    caller = g711.decode(row.law, g711.encode(row.law, sound.samples))
    out, there = np.zeros(len(caller), np.int16), np.zeros(len(caller), bool)
    records, at, last = [], 0, None
    for _ in sent:
        timestamp, size, flags, _keys = struct.unpack_from("<IHBB", left, at)
        at += 8
        if flags & 16 and size:
            place = (timestamp - first) & 0xFFFFFFFF
            out[place:place + size] = g711.decode(row.law, np.frombuffer(left, np.uint8, size, at))
            there[place:place + size] = True
            records.append((place // sound.stream, place, size, 0, False, 0 if last is None else place - last, 0.0, flags & 1, 0x80))
            last = place
        at += size
    heard = Heard(out, there, np.array(records, PACKET), lookahead, counted=report["keys"])
    heard.counted_at = np.array([(o - first) & 0xFFFFFFFF for o in report["onsets"]], np.int64)
    heard.counts = {"faults": report["faults"], "frames": len(records),
                    "altered": int(sum(altered(out, there, caller, r[1], r[2], lookahead) for r in records))}
    return heard
