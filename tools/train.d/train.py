"""Trains the masker's detector. Called by tools/train-detector; see its --help.

Scenes of sound are made from a seed, masking-features (the masker's own code) turns them into numbers, LightGBM
fits trees, a threshold is set on voices that trained nothing, and the model is written as a table for the compiler."""

import argparse
import functools
import json
import pathlib
import subprocess
import sys
import time

import lightgbm
import numpy as np

import masks
import material
import model
import scenes

SEED = 20261125
ALTERED_GOAL = 0.0038  # of active speech, mean over the tuning voices: prompts, which are not among them, fare more than twice as badly
OTHER_VOICES = 4  # made of each that trains
RATIOS = (20, 10, 6, 0, -6, -12)


@functools.cache
def width(program):
    """How many numbers a record has."""
    return int(subprocess.run([program, "--count"], stdout=subprocess.PIPE, check=True).stdout)


def numbers(program, sound):
    """(hop, features) of the hops that a glance does not rule out."""
    raw = subprocess.run([program], input=sound.tobytes(), stdout=subprocess.PIPE, check=True).stdout
    record = np.frombuffer(raw, dtype=np.dtype([("hop", "<u4"), ("x", "<f4", width(program))]))
    return record["hop"], record["x"]


def spoken(rng):
    return rng.uniform(-9, 6) if rng.random() < 0.7 else rng.uniform(6, 22)


def training_scenes(rng, voices, music, scale):
    for name, voice in voices.items():
        voice = voice[: int(len(voice) * min(1, scale))]
        yield scenes.speech(rng, voice)
        yield scenes.over_speech(rng, voice, lambda: spoken(rng))
        for _ in range(OTHER_VOICES):
            other = scenes.another_voice(rng, voice.astype(float))
            yield scenes.speech(rng, other)
            yield scenes.over_speech(rng, other[: len(other) // 2], lambda: spoken(rng))
    for piece in music:
        yield scenes.speech(rng, piece[: 8000 * 20])
    yield scenes.over_noise(rng, int(6000 * scale))


def tuning_scenes(rng, voices):
    out = {f"speech {name}": scenes.speech(rng, voice, natural=True) for name, voice in voices.items()}
    everyone = np.concatenate(list(voices.values()))
    plain = lambda g: (g.uniform(-2, 2), (g.uniform(-1.5, 1.5),) * 2, 0)
    for ratio in RATIOS:
        out[f"tone {ratio} dB over speech"] = scenes.over_speech(rng, everyone, lambda: ratio, draw_key=plain)
    out["tones, SNR 15 to 30 dB"] = scenes.over_noise(rng, 800, snr=(15, 30))
    out["tones, SNR 3 dB"] = scenes.over_noise(rng, 800, snr=(3, 3.01))
    return out


def collect(program, stream):
    xs, ys = [], []
    for scene in stream:
        hop, x = numbers(program, scene.sound)
        inside = hop < len(scene.labels)
        hop, x = hop[inside], x[inside]
        asked = scene.labels[hop] >= 0
        xs.append(x[asked])
        ys.append(scene.labels[hop][asked])
    return np.concatenate(xs), np.concatenate(ys)


def fit(x, y, rounds, leaves):
    settings = {"objective": "binary", "num_leaves": leaves, "max_depth": model.DEPTH, "learning_rate": 0.12, "max_bin": 127,
                "min_data_in_leaf": 100, "feature_fraction": 0.6, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0,
                "seed": SEED, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1}
    return lightgbm.train(settings, lightgbm.Dataset(x, y), rounds)


def margins_of(booster, program, scene):
    hop, x = numbers(program, scene.sound)
    inside = hop < len(scene.labels)
    margins = np.full(len(scene.labels), -1e9, np.float32)
    if inside.any():
        margins[hop[inside]] = booster.predict(x[inside], raw_score=True)
    return margins, x[inside]


def choose(tuning, margins):
    """The lowest threshold at which the share of altered speech meets the goal; the score there."""
    speech = [name for name in tuning if name.startswith("speech")]
    def share(threshold):
        counts = [masks.altered(tuning[n], margins[n], threshold) for n in speech]
        return sum(c[1] for c in counts) / sum(c[0] for c in counts)
    low, high = -4.0, 9.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if share(middle) < ALTERED_GOAL else (middle, high)
    score = {"threshold": round(high, 3), "altered": round(100 * share(high), 3)}
    for name in tuning:
        if name in speech:
            count = masks.altered(tuning[name], margins[name], high)
            score[name] = f"{100 * count[1] / count[0]:.2f} % altered"
        else:
            score[name] = f"{100 * masks.open_keys(tuning[name], margins[name], high) / len(tuning[name].spans):.2f} % of keys open"
    return high, score


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="masking-features")
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, help="tone_model.inc")
    parser.add_argument("--rounds", type=int, default=250)
    parser.add_argument("--leaves", type=int, default=32)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--save", type=pathlib.Path, help="keep the numbers here, for experiments")
    args = parser.parse_args()
    began = time.time()
    rng = np.random.default_rng(SEED)
    voices = material.training(args.cache)
    tuning = tuning_scenes(rng, {n: v for n, v in voices.items() if n in material.TUNING})
    training = {n: v for n, v in voices.items() if n not in material.TUNING}
    x, y = collect(args.features, training_scenes(rng, training, material.music(args.cache), args.scale))
    print(f"{len(training)} voices, {len(y)} hops, {y.mean():.3f} of them with a key, {time.time() - began:.0f} s", file=sys.stderr)
    if args.save:
        np.savez(args.save, x=x, y=y)
    booster = fit(x, y, args.rounds, args.leaves)
    print(f"fitted after {time.time() - began:.0f} s", file=sys.stderr)
    margins, kept = {}, []
    for name, scene in tuning.items():
        margins[name], numbers_here = margins_of(booster, args.features, scene)
        kept.append(numbers_here[::7])
    start, score = choose(tuning, margins)
    forest = model.trees(booster)
    go_on = start - masks.GO_ON
    chosen_gates = model.gates(forest, np.concatenate(kept), start, go_on)
    print(json.dumps(score, indent=1))
    if args.out:
        note = ["Made by tools/train-detector. Not for editing: train anew.",
                f"Seed {SEED}, {len(training)} voices, {len(y)} hops, {len(forest)} trees. Score on {len(voices) - len(training)} other voices:"]
        model.write(args.out, forest, chosen_gates, start, go_on, note + [f"  {k}: {v}" for k, v in score.items()])


if __name__ == "__main__":
    main()
