"""Runs the benchmarks and writes docs/measurements/first-payment.{md,csv}: the page has medians, the CSV each run. See tools/bench."""

import csv
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tools/lib", "tools/demo.d", "tests/support", "tools/bench.d"):
    sys.path.insert(0, str(TOP / folder))

import figures  # noqa: E402

PAGE = TOP / "docs" / "measurements" / "first-payment.md"
ORDER = ["forward", "masked", "dsp", "delay", "vault", "payments", "memory"]


def steal():
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[8])


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} × {model}"


def median_rows(runs):
    """One row per figure: the median over the runs of its value and of its peer's."""
    rows = []
    for row in runs[0]:
        same = [r for run in runs for r in run if r["figure"] == row["figure"]]
        merged = dict(row, value=statistics.median(r["value"] for r in same))
        peers = [r["peer_value"] for r in same if r.get("peer_value") is not None]
        merged["peer_value"] = statistics.median(peers) if peers else None
        rows.append(merged)
    return rows


def short(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write_runs(path, runs):
    """What each run measured, as it came: `runs` is the rows of run 1, of run 2, … of one group after the other."""
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["figure", "run", "value", "unit", "peer", "peer_value", "command"])
        for number, rows in runs:
            for r in rows:
                out.writerow([r["figure"], number, f"{r['value']:.4g}", r["unit"], r.get("peer") or "",
                              "" if r.get("peer_value") is None else f"{r['peer_value']:.4g}", r["command"]])


def write(rows, runs, notes):
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    write_runs(PAGE.with_suffix(".csv"), runs)
    lines = ["# The first payment, measured", "",
             f"Made by `tools/bench` on {machine()}, release build, {time.strftime('%Y-%m-%d')}. The machine is small and shared: read "
             "ratios, not absolutes. Medians of three runs (memory: one); each run's rows are in [first-payment.csv](first-payment.csv).", "",
             "| figure | Flattone | peer | ratio |", "| --- | --- | --- | --- |"]
    for r in rows:
        peer = f"{r['peer']}: {short(r['peer_value'])} {r['unit']}" if r.get("peer_value") is not None else ""
        ratio = f"{r['value'] / r['peer_value']:.2f}" if r.get("peer_value") else ""
        lines.append(f"| {r['figure']} | {short(r['value'])} {r['unit']} | {peer} | {ratio} |")
    lines += ["", "## How to read them", "", *(f"- {note}" for note in notes), ""]
    PAGE.write_text("\n".join(lines))


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    quick = "--quick" in sys.argv
    unknown = set(arguments) - set(ORDER)
    if unknown:
        sys.exit(f"bench: no figure '{sorted(unknown)[0]}'; one of: {' '.join(ORDER)}")
    rows, raw = [], []
    with tempfile.TemporaryDirectory(prefix="flattone-bench-") as directory:
        for name in arguments or ORDER:
            function = getattr(figures, name)
            runs = []
            while len(runs) < (1 if quick or name in figures.ONCE else 3):
                before, begin = steal(), time.monotonic()
                result = function(pathlib.Path(directory) / f"{name}-{len(runs)}-{time.monotonic_ns()}")
                stolen = (steal() - before) / (time.monotonic() - begin) / (os.cpu_count() or 1)
                print(f"# {name}: run {len(runs) + 1}, {stolen:.1f} % stolen", file=sys.stderr)
                runs.append(result)
            raw += enumerate(runs, 1)
            for row in median_rows(runs):
                print(json.dumps(row), flush=True)
                rows.append(row)
    if not quick and not arguments:
        write(rows, raw, figures.NOTES)
        print(f"wrote {PAGE.relative_to(TOP)} and its CSV", file=sys.stderr)


if __name__ == "__main__":
    main()
