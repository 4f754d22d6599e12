"""The page and the CSV from the results: controls first, Holm over the whole table, every row as it is."""

import csv
import math
import os
import time

import attacker
import core
from rows import CHANCE, ROWS

PAGE = core.TOP / "docs" / "measurements" / "leak.md"
MOST_COMFORT = 0.001
OURS = ("core", "fleet")
GROUPS = {"tone": "Keys alone", "speech": "Keys over speech and music", "codec": "Codec and packet length", "transport": "Transports",
          "network": "Networks"}
COLUMNS = ["system", "row", "codec", "transport", "judge", "keys", "recovered", "chance", "p_value", "upper95", "bound", "control"]


def verdict(result):
    return attacker.Verdict(result["keys"], result["recovered"], CHANCE)


def comfort_share(result):
    counts = result["counts"]
    return counts.get("comfort", 0) / max(1, counts.get("masked", 0) + counts.get("comfort", 0))


def own_control(result):
    """Why a row does not count, or ""."""
    if comfort_share(result) >= MOST_COMFORT:
        return f"late frames {100 * comfort_share(result):.2f} %"
    if result["counts"].get("agreement", 1) < 0.995:
        return f"agrees with the core in {100 * result['counts']['agreement']:.2f} % of packets"
    return ""


def controls(by):
    """The run's controls: name, what was found, whether it holds."""
    found = []
    for kind, name, holds in (("unmasked", "attacker on clean unmasked keys, ≥ 99 %", lambda v: v.rate >= 0.99),
                              ("late", "attacker with the look-ahead off, above chance", lambda v: v.p_value < 0.001),
                              ("rtpengine-40", "attacker on rtpengine with 40 ms of delay, above chance", lambda v: v.p_value < 0.001)):
        result = by.get((kind, "reference"))
        if result is None:
            found.append((name, "not run", False))
        else:
            v = verdict(result)
            found.append((name, f"{100 * v.rate:.1f} %", holds(v)))
    fleet = [r for (kind, _), r in by.items() if kind == "fleet"]
    late = sum(r["counts"].get("comfort", 0) for r in fleet)
    frames = sum(r["counts"].get("masked", 0) for r in fleet)
    found.append(("comfort frames for lateness, < 0.1 %", f"{late} of {frames}", frames > 0 and late < MOST_COMFORT * frames))
    return found


def judged(by):
    """Adds to each of our results whether Holm rejects chance. Rows whose bound is not chance take no part."""
    asked = [r for (kind, name), r in by.items() if kind in OURS and ROWS[name].bound == CHANCE + 0.04]
    for result, above in zip(asked, attacker.holm([verdict(r).p_value for r in asked])):
        result["above chance"] = bool(above)


def failed(result):
    """What of the goal a row of ours misses; "" when it is met."""
    row, v = ROWS[result["row"]], verdict(result)
    if row.bound is None:
        return ""
    said = []
    if result.get("above chance"):
        said.append("above chance")
    if v.upper95 > row.bound:
        said.append(f"bound {100 * v.upper95:.1f} > {100 * row.bound:.1f} %")
    if any(result["decoders"].values()):
        said.append("a decoder hears keys")
    return ", ".join(said)


def _number(value):
    return "" if value is None else f"{value:.4g}"


def lines_of(result, controls_hold):
    row, v = ROWS[result["row"]], verdict(result)
    control = result["control"] or own_control(result) or ("ok" if controls_hold else "controls of the run failed")
    head = [result["system"], row.name, row.codec, row.transport]
    bound = row.bound if result["kind"] in OURS else None
    yield head + ["attacker", v.keys, v.recovered, _number(CHANCE), f"{v.p_value:.3g}", _number(v.upper95), _number(bound), control]
    for judge, heard in result["decoders"].items():
        upper = attacker.Verdict(v.keys, min(heard, v.keys), 0).upper95
        yield head + [judge, v.keys, heard, 0, "", _number(upper), 0 if result["kind"] in OURS else "", control]


def _rate(result):
    if result is None:
        return ""
    v = verdict(result)
    return f"{100 * v.rate:.1f} ({100 * v.upper95:.1f})"


def _heard(result):
    return "" if result is None else " / ".join(str(n) for n in result["decoders"].values())


def _group(by, group):
    yield from ("", f"## {GROUPS[group]}", "", "| row | what | core | fleet | decoders | falls short | rtpengine | its decoders |",
                "| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in (r for r in ROWS.values() if r.group == group):
        one, through, peer = (by.get((kind, row.name)) for kind in ("core", "fleet", "rtpengine"))
        if one is None and through is None:
            yield f"| {row.name} | {row.what} | | | | not run | {_rate(peer)} | {_heard(peer)} |"
            continue
        short = "; ".join(dict.fromkeys(filter(None, (failed(r) or own_control(r) for r in (one, through) if r))))
        yield (f"| {row.name} | {row.what} | {_rate(one)} | {_rate(through)} | {_heard(one or through)} | {short} | {_rate(peer)} | "
               f"{_heard(peer)} |")


def _machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} × {model}"


INTRO = """An attacker who has every packet that the agent gets, knows at which sample each key begins and ends, and has learnt from the
other keys of the same row, names each key. Chance is 6.25 %. The figures are per cent of keys named, with the upper 95 % bound
(Clopper-Pearson) behind it; *decoders* are keys that spandsp / multimon-ng hear in all of the row's sound; *core* is the masker's core
driven with arrays, *fleet* the real processes, RTP in and RTP out; *rtpengine* is Debian's 10.5.3 in user space with DTMF security
"tone", detection of in-band tones and a delay buffer of 100 ms. What falls short is said in the row: *above chance* is the exact
one-sided binomial test with Holm's correction over all rows at 5 %. Raw rows, with p-values, in [leak.csv](leak.csv); how the attacker
looks in [tests/leak](../../tests/leak/README.md)."""


def page(by, extra):
    ours = [(r, failed(r)) for (kind, _), r in sorted(by.items()) if kind in OURS]
    short = [r["row"] for r, why in ours if why]
    keys = sorted({r["keys"] for r, _ in ours})
    lines = ["# What leaks to the agent, measured", "",
             f"Made by `tests/leak/measure` on {_machine()}, {time.strftime('%Y-%m-%d')}; {' or '.join(map(str, keys))} keys in a row.", "",
             INTRO, "", f"{len(ours)} rows of ours were run, {len(ours) - len(short)} meet their goal"
             + (f"; short of it: {', '.join(dict.fromkeys(short))}." if short else "."), "", "## Controls", "",
             "| control | found | holds |", "| --- | --- | --- |"]
    if not all(good for _, _, good in controls(by)):
        lines[-4:-4] = ["**Not all controls of this run hold, so no row counts yet.**", ""]
    lines += [f"| {name} | {found} | {'yes' if good else 'NO'} |" for name, found, good in controls(by)]
    for group in GROUPS:
        lines += _group(by, group)
    lines += ["", "Not in the matrix, because a capture on them is refused by name: G.722, Opus, G.729, SRTP.", ""]
    return "\n".join(lines + extra)


def write(results, extra=()):
    by = {(r["kind"], r["row"]): r for r in results if r["row"] in ROWS}
    judged(by)
    hold = all(good for _, _, good in controls(by))
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    with open(PAGE.with_suffix(".csv"), "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        order = {name: n for n, name in enumerate(ROWS)}
        for result in sorted(by.values(), key=lambda r: (order[r["row"]], r["system"])):
            out.writerows(lines_of(result, hold))
    PAGE.write_text(page(by, list(extra)))
    return math.nan if not by else len(by)
