"""Measures the matrix and writes docs/measurements/leak.md, leak.csv and the listening page. See tests/leak/measure."""

import argparse
import hashlib
import json
import pathlib
import tempfile
import time

import core
import cost
import listen
import score
import table
from rows import ROWS

RESULTS = core.TOP / "build" / "leak"
CORE, FLEET, PEER, PEER40, PLAIN, LATE = "core", "fleet", "rtpengine", "rtpengine-40", "unmasked", "late"
CONTROLS = ["reference"]


SOURCES = {"played": ("sound", "packets", "g711", "material", "wire", "relays"),
           "judged": ("sound", "packets", "g711", "material", "wire", "relays", "features", "attacker", "core", "judges")}


def fingerprint(kind, row, keys, what):
    """Results are kept while row, number of keys, harness and programs are the same."""
    programs = {CORE: ["leak_leg"], LATE: ["leak_leg"], FLEET: ["media-relay", "dtmf-masking"]}.get(kind, [])
    digest = hashlib.sha256(repr((kind, row, keys)).encode())
    for name in SOURCES[what]:
        digest.update((pathlib.Path(__file__).parent / f"{name}.py").read_bytes())
    for name in programs:
        digest.update(core.binary(name).read_bytes())
    return digest.hexdigest()


def plan(kinds, names):
    for kind in kinds:
        for row in ROWS.values():
            if names and row.name not in names:
                continue
            acoustic = row.group in ("tone", "speech")
            if kind == CORE and acoustic or kind == FLEET and row.fleet or kind == PEER:
                yield kind, row
            elif kind in (PLAIN, LATE, PEER40) and row.name in CONTROLS:
                yield kind, row


SYSTEMS = {FLEET: "flattone", PEER: "rtpengine 10.5.3, 100 ms", PEER40: "rtpengine 10.5.3, 40 ms"}


def measure(kind, row, keys):
    if kind == CORE:
        return score.by_core(row, keys)
    if kind == PLAIN:
        return score.unmasked(row, keys)
    if kind == LATE:
        return score.without_lookahead(row, keys)
    return score.by_wire(row, keys, SYSTEMS[kind], place(kind, row, ".npz"), "rtpengine, 40 ms" if kind == PEER40 else "")


def place(kind, row, suffix):
    return RESULTS / f"{kind}--{row.name.replace(' ', '_')}{suffix}"


def is_done(kind, row, keys, what):
    """`what`: "played" or "judged"."""
    path = place(kind, row, f".{what}.json")
    return path.exists() and json.loads(path.read_text())["fingerprint"] == fingerprint(kind, row, keys, what)


def mark_done(kind, row, keys, what, result):
    place(kind, row, f".{what}.json").write_text(json.dumps(result | {"kind": kind, "fingerprint": fingerprint(kind, row, keys, what)}))


class Relays:
    """Started when the first row asks, ended together."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="flattone-leak-")
        self.made = {}

    def __call__(self, kind):
        import relays
        if kind not in self.made:
            path = pathlib.Path(self.folder.name) / kind
            self.made[kind] = (relays.FleetRelay(path) if kind == FLEET else
                               relays.RtpengineRelay(path, 40 if kind == PEER40 else 100))
        return self.made[kind]

    def close(self):
        for relay in self.made.values():
            relay.__exit__(None, None, None)
        self.folder.cleanup()


def play(todo, arguments):
    relays = Relays()
    try:
        for kind, row in todo:
            if is_done(kind, row, arguments.keys, "played") and not arguments.again:
                continue
            begin = time.monotonic()
            score.play(row, arguments.keys, relays(kind), place(kind, row, ".npz"))
            mark_done(kind, row, arguments.keys, "played", {})
            print(f"{kind:12} {row.name:20} played in {time.monotonic() - begin:.0f} s", flush=True)
    finally:
        relays.close()


def judge(todo, arguments):
    for kind, row in todo:
        if kind in SYSTEMS and not is_done(kind, row, arguments.keys, "played"):
            continue
        if is_done(kind, row, arguments.keys, "judged") and not arguments.again:
            continue
        begin, used = time.monotonic(), time.process_time()
        result = measure(kind, row, arguments.keys)
        result["seconds"] = round(time.process_time() - used, 1)
        mark_done(kind, row, arguments.keys, "judged", result)
        print(f"{kind:12} {row.name:20} {100 * result['recovered'] / result['keys']:6.2f} %  {result['decoders']}  {result['counts']}  "
              f"{result['seconds']} s of {time.monotonic() - begin:.0f}", flush=True)


def standing(keys):
    """Every result that still holds for the harness and the programs as they are."""
    for kind, row in plan([PLAIN, LATE, CORE, FLEET, PEER40, PEER], []):
        if is_done(kind, row, keys, "judged"):
            yield json.loads(place(kind, row, ".judged.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="only these rows")
    parser.add_argument("--kind", action="append", choices=[CORE, FLEET, PEER, PEER40, PLAIN, LATE], help="only this kind of run")
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--again", action="store_true", help="also what is there already")
    parser.add_argument("--play", action="store_true", help="only the part in real time, judge later")
    parser.add_argument("--judge", action="store_true", help="only judge what was played")
    parser.add_argument("--page", action="store_true", help="only write the page from what is there")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row '{unknown[0]}'")
    RESULTS.mkdir(parents=True, exist_ok=True)
    todo = [] if arguments.page else list(plan(arguments.kind or [PLAIN, LATE, CORE, FLEET, PEER40, PEER], arguments.rows))
    if not arguments.judge:
        play([(kind, row) for kind, row in todo if kind in SYSTEMS], arguments)
    if not arguments.play:
        judge(todo, arguments)
    whole = not (arguments.rows or arguments.kind or arguments.play or arguments.judge or arguments.page)
    if whole:
        listen.write(RESULTS / "listen.html")
        cost.measure(RESULTS / "cost.json", arguments.keys)
    if whole or arguments.page:
        table.write(standing(arguments.keys), cost.lines(RESULTS))


if __name__ == "__main__":
    main()
