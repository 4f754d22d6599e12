"""What masking costs: speech that is altered although nobody presses a key, keys that nobody pressed, keys that are missed, delay."""

import functools
import json

import numpy as np

import core
import judges
import material
import sound as maker
from heard import altered
from rows import Row

ACTIVE = -40.0  # dBm0 of a packet
PAUSE = np.zeros(1600)
PLAIN = Row("cost", "speech alone")
# Within Q.24, at its edges and beyond: name, row, what counts.
DIGITS = [
    Row("within Q.24", "0 to −25 dBm0, twist −8 to +4 dB, ±1.5 %, SNR 15 to 30 dB, 40 to 120 ms", level=(-25, 0), twist=(-8, 4),
        offset=(-1.5, 1.5), snr=15, length=(40, 120), gap=(45, 200)),
    Row("SNR 8 dB", "60 to 100 ms", snr=8, length=(60, 100)),
    Row("1.5 % on both", "60 to 100 ms", offset=(1.5, 1.5), length=(60, 100)),
    Row("30 ms", "clean", length=(30, 30)),
    Row("3.5 % off", "to be rejected and masked", offset=(3.5, 3.5), length=(60, 100)),
    Row("23 ms", "to be rejected and masked", length=(23, 23)),
]
REJECTED = ("3.5 % off", "23 ms")


def _alone(samples):
    none = np.zeros(0, int)
    size = len(samples) // maker.UNIT * maker.UNIT
    return maker.Sound(np.clip(np.rint(samples[:size]), -32768, 32767).astype(np.int16), none, none, none, size, none.astype(bool))


def speech(samples):
    """Minutes, packets with speech, of these altered, keys counted, bursts a minute."""
    sound = _alone(samples)
    heard = core.run(PLAIN, sound)
    frames = sound.samples.astype(float)[:len(sound.samples) // 160 * 160].reshape(-1, 160)
    active = material.dbm0_of((frames ** 2).mean(1)) >= ACTIVE
    place = heard.packets["place"] // 160 - 1  # the sound inside is a look-ahead older
    known = place >= 0
    hit = np.zeros(len(frames), bool)
    hit[place[known]] = _masks(heard, sound)[known]
    bursts = int((hit[1:] & ~hit[:-1]).sum())
    minutes = len(sound.samples) / material.RATE / 60
    return {"minutes": minutes, "active": int(active.sum()), "altered": int((hit & active).sum()), "false keys": len(heard.counted),
            "bursts": bursts / minutes}


def _masks(heard, sound):
    import g711
    caller = g711.decode("mu", g711.encode("mu", sound.samples))
    return np.array([altered(heard.sound, heard.there, caller, p["place"], p["size"], heard.ahead) for p in heard.packets])


def voices():
    found = {}
    for voice in material.SCORED:
        found[voice] = speech(np.concatenate([part for prompt in material.prompts(voice) for part in (prompt, PAUSE)]))
    if material.MUSIC.exists():
        files = sorted(material.MUSIC.rglob("*.wav"))
        found["hold music"] = speech(np.concatenate([material.read(path) for path in files]))
    return found


def digits(row, keys):
    """Keys pressed, counted right by us, heard by spandsp, and whose sound was covered whole."""
    sound = maker.make(row, keys, 25)
    heard = core.run(row, sound)
    right, at = 0, heard.counted_at
    for onset, length, key in zip(sound.onset, sound.length, sound.key):
        i, j = np.searchsorted(at, [onset - 160, onset + length])
        right += j == i + 1 and heard.counted[i] == maker.KEYPAD[key]
    hidden = _masks(heard, sound)
    mask = np.zeros(len(sound.samples) + 1000, bool)
    for p, is_altered in zip(heard.packets, hidden):
        mask[p["place"]:p["place"] + p["size"]] = is_altered
    covered = sum(mask[a + heard.ahead:a + n + heard.ahead].all() for a, n in zip(sound.onset, sound.length))
    return {"pressed": len(sound.key), "counted": len(heard.counted), "right": int(right), "covered": int(covered),
            "spandsp": judges.heard_keys(sound.samples)["spandsp"]}


def measure(path, keys=2000):
    rows = {row.name: digits(row, keys * 5 if row.name == "within Q.24" else keys) for row in DIGITS}
    path.write_text(json.dumps({"speech": voices(), "digits": rows}))


def delays(results):
    """Added delay in the fleet by packet length: what the packets show, ms."""
    for name in ("reference", "ptime 10", "ptime 30", "ptime 40", "ptime 60"):
        path = results / f"fleet--{name.replace(' ', '_')}.judged.json"
        if path.exists() and (found := json.loads(path.read_text())["counts"].get("delay ms")):
            yield name, found


@functools.cache
def _rows_by_name():
    return {row.name: row for row in DIGITS}


def lines(results):
    path = results / "cost.json"
    if not path.exists():
        return
    found = json.loads(path.read_text())
    yield from ("## What it costs", "", "| voice | minutes | active packets altered | bursts a minute | keys that nobody pressed |",
                "| --- | --- | --- | --- | --- |")
    for name, v in found["speech"].items():
        yield f"| {name} | {v['minutes']:.1f} | {100 * v['altered'] / max(1, v['active']):.2f} % | {v['bursts']:.0f} | {v['false keys']} |"
    people = [v for name, v in found["speech"].items() if name != "hold music"]
    hours = sum(v["minutes"] for v in people) / 60
    yield (f"\nAll voices together: {hours:.2f} h, {100 * sum(v['altered'] for v in people) / sum(v['active'] for v in people):.2f} % of active "
           f"packets altered, {sum(v['false keys'] for v in people) / hours:.2f} false keys an hour. A packet is active above −40 dBm0.\n")
    yield from ("| keys | what | pressed | counted right | counted in all | spandsp hears | covered whole |", "| --- | --- | --- | --- | --- | --- | --- |")
    for name, d in found["digits"].items():
        right = "–" if name in REJECTED else d["right"]
        yield (f"| {name} | {_rows_by_name()[name].what} | {d['pressed']} | {right} | {d['counted']} | {d['spandsp']} | "
               f"{100 * d['covered'] / d['pressed']:.2f} % |")
    yield from ("", "Added delay in capture by RTP timestamp, arrival at the agent minus departure at the caller; 20 ms of look-ahead, which packets "
                "do not show, come on top:", "", "| row | median | p99 | most |", "| --- | --- | --- | --- |")
    for name, (median, p99, most) in delays(results):
        yield f"| {name} | {median:.1f} ms | {p99:.1f} ms | {most:.1f} ms |"
    yield ""
