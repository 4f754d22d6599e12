"""What the detector is trained on, and tuned on: scenes of sound with the hops in which a key sounds."""

from dataclasses import dataclass, field

import numpy as np

import keys

ACTIVE_DBM0 = -40


@dataclass
class Scene:
    sound: np.ndarray
    labels: np.ndarray             # a hop each: 1 key, 0 none, -1 not asked
    spans: list = field(default_factory=list)  # (first sample, one past the last) of each key


def filtered(rng, sound):
    """A telephone's band or a bright or dull handset, one time in two."""
    kind = rng.integers(4)
    if kind < 2:
        return sound
    spectrum = np.fft.rfft(sound)
    hz = np.linspace(0, 4000, len(spectrum))
    if kind == 2:
        gain = 1 / (1 + (300 / np.maximum(hz, 1)) ** 6) / (1 + (hz / 3400) ** 12)
    else:
        gain = (np.maximum(hz, 100) / 1000) ** rng.uniform(-0.5, 0.5)
    return np.fft.irfft(spectrum * gain, len(sound))


def another_voice(rng, sound):
    """The same words from a longer or shorter throat: played slower or faster by up to a quarter."""
    rate = np.exp(rng.uniform(-0.3, 0.3))
    at = np.arange(0, len(sound) - 1, rate)
    if rate > 1:  # what would fold over is taken away
        spectrum = np.fft.rfft(sound)
        spectrum[int(len(spectrum) / rate):] = 0
        sound = np.fft.irfft(spectrum, len(sound))
    return np.interp(at, np.arange(len(sound)), sound)


def levelled(rng, sound, low=-30, high=-8):
    """Speech at a random level of its active parts."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    mean = (frames ** 2).mean(axis=1)
    active = mean[mean > mean.max() * 1e-3]
    return sound * np.sqrt(keys.power(rng.uniform(low, high)) / active.mean())


def finish(rng, sound, scene):
    scene.sound = keys.coded(np.clip(sound, -32124, 32124), "mu" if rng.random() < 0.7 else "a")
    return scene


def speech(rng, voice, natural=False):
    """Speech alone."""
    sound = voice.astype(float)
    if not natural:
        sound = levelled(rng, filtered(rng, sound))
    sound = sound + keys.noise(rng, len(sound), rng.uniform(-75, -50), "white")
    return finish(rng, sound, Scene(None, np.zeros(len(sound) // keys.HOP, np.int8)))


def over_speech(rng, voice, draw_ratio, gap=(0.1, 0.5), draw_key=None):
    """Keys while somebody speaks: draw_ratio() is the tone's level over the speech under it, in dB."""
    sound = levelled(rng, filtered(rng, voice.astype(float)), -28, -10)
    sound = sound + keys.noise(rng, len(sound), rng.uniform(-75, -50), "white")
    scene = Scene(None, np.zeros(len(sound) // keys.HOP, np.int8))
    at = 2000
    clean = sound.copy()
    while at < len(sound) - 4000:
        length = int(rng.uniform(0.025, 0.125) * keys.RATE) if rng.random() < 0.9 else int(rng.uniform(0.125, 0.4) * keys.RATE)
        level = keys.dbm0(np.mean(clean[at:at + length] ** 2))
        if level < ACTIVE_DBM0:
            at += 400
            continue
        twist, offsets, ramp = (draw_key or draw_spoken_key)(rng)
        total = level + draw_ratio()
        low = total - 10 * np.log10(1 + 10 ** (twist / 10))
        if max(low, low + twist) < -1:
            tone, shape = keys.key(rng, length, low, twist, offsets, ramp)
            sound[at:at + length] += tone
            scene.spans.append(keys.label(len(scene.labels), at, shape, scene.labels))
        at += length + int(rng.uniform(*gap) * keys.RATE)
    return finish(rng, sound, scene)


def draw_spoken_key(rng):
    offset = rng.uniform(-2, 2) if rng.random() < 0.7 else rng.uniform(-3.7, 3.7)
    return rng.uniform(-6, 6) if rng.random() < 0.8 else rng.uniform(-12, 12), (offset, offset + rng.uniform(-0.3, 0.3)), \
        rng.choice([0, 0, 0, 16, 40, 120, 400])


def draw_tone_key(rng):
    offset = rng.uniform(-3.8, 3.8)
    other = offset if rng.random() < 0.5 else rng.uniform(-3.8, 3.8)
    return rng.uniform(-12, 12), (offset, other), rng.choice([0, 0, 0, 16, 40, 120, 400])


def over_noise(rng, count, draw_key=draw_tone_key, snr=(3, 30), levels=(-45, 0), lengths=(0.025, 0.125)):
    """Keys over a quiet line or over noise (a third)."""
    parts, scene, at = [], Scene(None, np.zeros(0, np.int8)), 0
    placed = []
    for _ in range(count):
        length = int(rng.uniform(*lengths) * keys.RATE) if rng.random() < 0.97 else int(rng.uniform(0.3, 0.8) * keys.RATE)
        before, after = rng.integers(500, 1500), rng.integers(300, 800)
        twist, offsets, ramp = draw_key(rng)
        low = rng.uniform(*levels) - max(0, twist)
        low = max(low, -45)
        tone, shape = keys.key(rng, length, min(low, -0.5), twist, offsets, ramp)
        total = keys.dbm0(keys.power(low) + keys.power(low + twist))
        background = total - rng.uniform(*snr) if rng.random() < 0.4 else min(rng.uniform(-75, -55), total - 15)
        part = keys.noise(rng, before + length + after, background, "pink" if rng.random() < 0.3 else "white")
        part[before:before + length] += tone
        parts.append(part)
        placed.append((at + before, shape))
        at += len(part)
    sound = np.concatenate(parts)
    scene.labels = np.zeros(len(sound) // keys.HOP, np.int8)
    for onset, shape in placed:
        scene.spans.append(keys.label(len(scene.labels), onset, shape, scene.labels))
    return finish(rng, sound, scene)
