"""One row on one system: sound, run, judges. What comes out is a plain dictionary, kept as JSON between runs."""

import json

import numpy as np

import attacker
import core
import features
import g711
import judges
import sound as maker
import wire
from heard import Heard

STREAMS = 25       # calls at once
PEER_STREAMS = 100  # a peer has no neighbours to disturb: shorter


def sound_of(row, keys, streams=STREAMS):
    return maker.make(row, keys * (2 if row.twice else 1), streams if keys >= 250 else 1)


def _result(system, row, sound, heard, control="", decoders=True):
    table = features.extract(heard, sound.onset, sound.length)[sound.scored]
    verdict = attacker.attack(table, sound.key[sound.scored])
    counts = dict(heard.counts)
    delays = counts.pop("delays", np.zeros(0))
    if len(delays):
        counts["delay ms"] = [round(float(q), 2) for q in np.quantile(delays, (0.5, 0.99, 1))]
    counts["altered"] = round(float(heard.packets["altered"].mean()), 4) if len(heard.packets) else 1.0
    return {"system": system, "row": row.name, "codec": row.codec, "transport": row.transport, "keys": verdict.keys,
            "recovered": verdict.recovered, "control": control, "counts": counts, "pressed": len(sound.key),
            "decoders": judges.heard_keys(heard.sound) if decoders else {}}


def by_core(row, keys, lookahead=160):
    sound = sound_of(row, keys)
    heard = core.run(row, sound, lookahead)
    heard.counts["keys"] = len(heard.counted)
    return _result("flattone core", row, sound, heard)


def unmasked(row, keys):
    """Control: the same attacker on the caller's own sound."""
    sound = sound_of(row, keys)
    heard = core.run(row, sound)
    heard.packets["altered"] = False
    plain = g711.decode(row.law, g711.encode(row.law, sound.samples))
    return _result("unmasked", row, sound, Heard(plain, np.ones(len(plain), bool), heard.packets, 0), "unmasked")


def without_lookahead(row, keys):
    """Control: a masker whose verdicts come a look-ahead late."""
    sound = sound_of(row, keys)
    return _result("flattone core, look-ahead off", row, sound, core.run(row, sound, late=True), "look-ahead off")


def streams_for(system):
    return STREAMS if system == "flattone" else PEER_STREAMS


def play(row, keys, relay, path):
    """Through real processes, in real time; what was heard is kept, so that judging needs no quiet machine."""
    heard = wire.run(row, sound_of(row, keys, streams_for(relay.system)), relay)
    counts = heard.counts
    delays = counts.pop("delays")
    np.savez_compressed(path, sound=heard.sound, there=heard.there, packets=heard.packets, ahead=heard.ahead, reports=heard.reports,
                        delays=delays, counts=np.array(json.dumps(counts)))


def by_wire(row, keys, system, path, control=""):
    """Judges what `play` kept; where the row is acoustic too, how far its masks agree with the core's."""
    sound = sound_of(row, keys, streams_for(system))
    with np.load(path) as kept:
        heard = Heard(kept["sound"], kept["there"], kept["packets"], int(kept["ahead"]), kept["reports"], json.loads(str(kept["counts"])))
        heard.counts["delays"] = kept["delays"]
    result = _result(system, row, sound, heard, control)
    if row.group in ("tone", "speech") and system == "flattone":
        result["counts"]["agreement"] = agreement(heard, core.run(row, sound))
    return result


def agreement(one, other):
    """Share of packets that both left alone or both altered. The first second of a call is left out: each call begins on its own."""
    places = {int(p["place"]): bool(p["altered"]) for p in other.packets}
    stream = other.packets["stream"].max() + 1
    length = len(other.sound) // stream
    same = [places[int(p["place"])] == bool(p["altered"]) for p in one.packets
            if int(p["place"]) in places and p["place"] % length > 4000]
    return round(float(np.mean(same)), 5) if same else 0.0
