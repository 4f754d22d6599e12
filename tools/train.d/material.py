"""Voices and music that Debian ships, as 16-bit samples at 8,000 a second. Voices that train are never those that
score: SCORING lists the latter, and training refuses them."""

import hashlib
import pathlib
import subprocess
import wave

import numpy as np

ASTERISK = pathlib.Path("/usr/share/asterisk/sounds")
# Five languages and five voices (the English and the Spanish one are the same woman).
SCORING = {"en": "en_US_f_Allison", "es": "es_MX_f_Allison", "fr": "fr_CA_f_June", "it": "it_IT_m_Carlo", "ru": "ru_RU_f_IvrvoiceRU"}
KLETTRES = pathlib.Path("/usr/share/klettres")
KTUBERLING = pathlib.Path("/usr/share/ktuberling/sounds")
MUSIC = pathlib.Path("/usr/share/asterisk/moh")
# Voices that set the threshold, and train nothing.
TUNING = ("asterisk-es", "asterisk-fr", "ktuberling-da", "klettres-es", "klettres-ru", "klettres-hu", "klettres-en", "klettres-nds")


def _voices():
    voices = {}
    for name in ("es", "fr", "it_IT_f_Menardi"):  # asterisk-prompt-es-co, -fr-armelle, -it-menardi
        files = sorted(p for p in (ASTERISK / name).rglob("*") if p.suffix in (".gsm", ".wav"))
        voices["asterisk-" + name[:2]] = files
    for folder in sorted(p for p in KLETTRES.iterdir() if p.is_dir()):
        files = sorted(folder.rglob("*.ogg"))
        if files:
            voices["klettres-" + folder.name] = files
    for folder in sorted(p for p in KTUBERLING.iterdir() if p.is_dir()):
        files = sorted(folder.rglob("*.ogg"))
        if len(files) >= 10 and "@" not in folder.name:
            voices["ktuberling-" + folder.name] = files
    return voices


def _plain(path):
    """A WAV that is what we want already; None: sox has to look at it."""
    try:
        with wave.open(str(path)) as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000):
                return file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        pass
    return None


def _converted(path):
    command = ["sox", "-V1", str(path), "-t", "raw", "-r", "8000", "-c", "1", "-b", "16", "-e", "signed-integer", "-"]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout


def _read(paths):
    """All files, 0.15 s apart."""
    parts = []
    for path in paths:
        raw = _plain(path) if path.suffix == ".wav" else None
        sound = np.frombuffer(raw if raw is not None else _converted(path), dtype=np.int16)
        if len(sound) > 800:
            parts += [sound, np.zeros(1200, np.int16)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def _cached(cache, name, paths):
    key = hashlib.sha256("\n".join(f"{p} {p.stat().st_size}" for p in paths).encode()).hexdigest()[:16]
    file = cache / f"{name}-{key}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, _read(paths))
    return np.load(file)


def training(cache, minutes_a_voice=4.0):
    """{voice: samples}; long voices are thinned evenly."""
    voices = {}
    for name, files in _voices().items():
        assert not any(scoring in str(p) for p in files for scoring in SCORING.values())
        sizes = sum(p.stat().st_size for p in files)
        rate = {".gsm": 1650, ".wav": 16000, ".ogg": 6000}[files[0].suffix]
        step = max(1, round(sizes / rate / 60 / minutes_a_voice))
        sound = _cached(cache, name, files[::step])
        if len(sound) > 8000 * 5:
            voices[name] = sound
    return voices


def music(cache, seconds=60):
    """Two of the five pieces of hold music; the others score."""
    files = sorted(MUSIC.glob("*.wav"))[:2]
    return [_cached(cache, "music-" + f.stem, [f])[: 8000 * seconds] for f in files]


def _wav(path, sound):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(sound.tobytes())


def _wavs(cache, groups):
    paths = []
    for name, files in groups.items():
        if files:
            sound = _cached(cache, "all-" + name, files)
            path = cache / "wav" / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            _wav(path, sound)
            paths.append(path)
    return paths


def scoring_wavs(cache, step=1):
    """One WAV a scoring voice, every `step`th prompt."""
    return _wavs(cache, {f"{language}-{step}": sorted((ASTERISK / folder).rglob("*.wav"))[::step] for language, folder in SCORING.items()})


def prompt_wavs(cache):
    """Every prompt that Debian ships for Asterisk, one WAV a package."""
    groups = {language: sorted((ASTERISK / folder).rglob("*.wav")) for language, folder in SCORING.items()}
    groups |= {name: files for name, files in _voices().items() if name.startswith("asterisk-")}
    return _wavs(cache, groups)


def music_wavs(cache):
    """The pieces of hold music that trained nothing."""
    return _wavs(cache, {f.stem: [f] for f in sorted(MUSIC.glob("*.wav"))[2:]})
