"""Human voices from Debian's asterisk sound packages: sentences put together to a conversation."""
import wave
from pathlib import Path

import numpy as np

SOUNDS = Path("/usr/share/asterisk/sounds")
RATE = 8000

CALLER = ("fr_CA_f_June", ["vm-intro", "queue-periodic-announce", "demo-congrats", "vm-mailboxfull",
                           "conf-adminmenu", "tt-weasels", "vm-options"])
AGENT = ("en_US_f_Allison", ["hello", "demo-congrats", "vm-options", "queue-periodic-announce", "vm-intro",
                             "privacy-prompt", "demo-instruct"])


def read(path):
    with wave.open(str(path)) as wav:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (RATE, 1, 2):
            raise ValueError(f"{path} is not mono, 8 kHz, 16 bits")
        return np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2")


def seconds(path):
    return len(read(path)) / RATE


def write(path, samples):
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(np.asarray(samples, dtype="<i2").tobytes())


def conversation(voice, path, seconds=40):
    """Sentences of one speaker, a breath between them, into `path`."""
    folder, names = voice
    parts = []
    for name in names:
        file = SOUNDS / folder / f"{name}.wav"
        if file.exists():
            parts += [read(file), np.zeros(RATE // 4, dtype=np.int16)]
    if not parts:
        raise FileNotFoundError(f"no sounds in {SOUNDS / folder}: tools/setup installs the asterisk-core-sounds packages")
    sound = np.concatenate(parts)
    write(path, np.resize(sound, seconds * RATE))
