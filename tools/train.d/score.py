"""Runs masking-score and writes docs/measurements/detector.{md,csv}. Called by tools/score-detector."""

import argparse
import csv
import io
import pathlib
import subprocess
import sys

import material

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = TOP / "build/release/bin/masking-score"
FIGURES = ("speech", "talkoff", "music", "leak", "digits", "time")
HEADLINES = {
    "speech": "Speech without keys, five voices that trained nothing",
    "talkoff": "Talk-off: every prompt of Debian's Asterisk packages",
    "music": "Hold music that trained nothing",
    "leak": "Keys: what leaves open, and what an attacker reads who knows each key's time (chance: 6.25 %)",
    "digits": "Digits, within Q.24 and beyond it",
    "rejected": "Beyond Q.24: refused as digits",
    "time": "Time per 20 ms frame",
}


def arguments(figure, cache, keys):
    if figure == "digits":
        return ["--keys", str(keys)]
    if figure == "talkoff":
        return material.prompt_wavs(cache)
    if figure == "music":
        return material.music_wavs(cache)
    wavs = material.scoring_wavs(cache, step=1 if figure == "speech" else 4)
    return (["--keys", str(keys)] if figure == "leak" else []) + wavs


def tables(rows):
    out = []
    for group, headline in HEADLINES.items():
        mine = [r for r in rows if r[0] == group]
        if not mine:
            continue
        figures = list(dict.fromkeys(r[2] for r in mine))
        out += ["", f"## {headline}", "", "| | " + " | ".join(figures) + " |", "| --- |" + " --- |" * len(figures)]
        for name in dict.fromkeys(r[1] for r in mine):
            values = {r[2]: float(r[3]) for r in mine if r[1] == name}
            out.append(f"| {name} | " + " | ".join(f"{values[f]:.4g}" if f in values else "" for f in figures) + " |")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--keys", type=int, default=2000, help="keys a row")
    parser.add_argument("--no-page", action="store_true")
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES])
    args = parser.parse_args()
    text = ""
    for figure in args.figures or FIGURES:
        done = subprocess.run([str(PROGRAM), figure, *map(str, arguments(figure, args.cache, args.keys))],
                              stdout=subprocess.PIPE, text=True, check=True)
        text += done.stdout
    rows = list(csv.reader(io.StringIO(text)))
    lines = tables(rows)
    print("\n".join(lines))
    if args.no_page or args.figures:
        return 0
    folder = TOP / "docs/measurements"
    folder.mkdir(exist_ok=True)
    (folder / "detector.csv").write_text("group,row,figure,value\n" + text)
    model = (TOP / "services/dtmf-masking/detect/tone_model.inc").read_text().splitlines()
    trained = [line.removeprefix("// ") for line in model if line.startswith("// ")]
    page = ["# The masker's detectors, measured", "",
            f"Made by `tools/score-detector` (figures: [detector.csv](detector.csv)); {args.keys} keys a row, µ-law, 20 ms packets, look-ahead",
            "20 ms, arrays through the masker's own leg. What each row means: tools/score. The model:", ""]
    page += [f"    {line}" for line in trained] + lines + [""]
    (folder / "detector.md").write_text("\n".join(page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
