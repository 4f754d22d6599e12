"""Sound that Debian ships: human prompts (asterisk-core-sounds-*-wav) and hold music (asterisk-moh-opsound-wav).

Levels are dBm0: 0 dBm0 is a sine 3.14 dB below full scale.
"""

import functools
import pathlib
import wave

import numpy as np

RATE = 8000
SOUNDS = pathlib.Path("/usr/share/asterisk/sounds")
MUSIC = pathlib.Path("/usr/share/asterisk/moh")
ZERO_DBM0 = (32767 * 10 ** (-3.14 / 20)) ** 2 / 2
# Who speaks in the rows. A voice that trained the detector may not score it.
VOICES = {"en": "en_US_f_Allison", "es": "es_MX_f_Allison", "fr": "fr_CA_f_June", "it": "it_IT_m_Carlo", "ru": "ru_RU_f_IvrvoiceRU"}
SCORED = ("en", "es", "fr", "it", "ru")


def power_of(dbm0):
    return ZERO_DBM0 * 10 ** (dbm0 / 10)


def dbm0_of(power):
    return 10 * np.log10(np.maximum(power, 1e-12) / ZERO_DBM0)


def read(path):
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getsampwidth()) != (RATE, 2):
            raise ValueError(f"{path} is not 8 kHz, 16 bits")
        sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return sound[::file.getnchannels()].astype(np.float64)


def write(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes())


def files_of(voice):
    files = sorted((SOUNDS / VOICES[voice]).rglob("*.wav"))
    if not files:
        raise FileNotFoundError(f"no prompts in {SOUNDS / VOICES[voice]}: tools/setup installs the asterisk-core-sounds packages")
    return files


@functools.cache
def prompts(voice):
    """Every prompt of a voice, in the order of their names."""
    return [read(path) for path in files_of(voice)]


def dense(sound, floor=-42.0, keep=3):
    """Without its pauses: of quiet stretches (20 ms frames below the floor) at most `keep` frames stay."""
    frames = sound[:len(sound) // 160 * 160].reshape(-1, 160)
    quiet = dbm0_of((frames ** 2).mean(1)) < floor
    run = np.zeros(len(frames), int)
    for i in range(len(frames)):
        run[i] = run[i - 1] + 1 if quiet[i] and i else int(quiet[i])
    return frames[run <= keep].ravel()


def speech(rng, samples, dbm0=None, voices=SCORED):
    """Running speech of several people, one prompt after the other in random order; `dbm0`: its active level."""
    pool = [(v, i) for v in voices for i in range(len(prompts(v)))]
    parts, length = [], 0
    while length < samples:
        for n in rng.permutation(len(pool)):
            voice, i = pool[n]
            part = dense(prompts(voice)[i])
            parts.append(part)
            length += len(part)
            if length >= samples:
                break
    sound = np.concatenate(parts)[:samples]
    return sound if dbm0 is None else sound * np.sqrt(power_of(dbm0) / active_power(sound))


def active_power(sound, floor=-42.0):
    frames = sound[:len(sound) // 160 * 160].reshape(-1, 160)
    power = (frames ** 2).mean(1)
    active = power[dbm0_of(power) >= floor]
    return active.mean() if len(active) else 1.0


def music(rng, samples, dbm0):
    files = sorted(MUSIC.rglob("*.wav"))
    if not files:
        raise FileNotFoundError(f"no music in {MUSIC}: tools/setup installs asterisk-moh-opsound-wav")
    sound = np.concatenate([read(files[i]) for i in rng.permutation(len(files))])
    sound = np.resize(sound, samples)
    return sound * np.sqrt(power_of(dbm0) / active_power(sound))


def noise(rng, samples, dbm0):
    return rng.normal(0, np.sqrt(power_of(dbm0)), samples)


def pink(rng, samples, dbm0):
    spectrum = np.fft.rfft(rng.normal(0, 1, samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    sound = np.fft.irfft(spectrum, samples)
    return sound * np.sqrt(power_of(dbm0) / (sound ** 2).mean())
