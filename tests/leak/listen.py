"""A page to listen to: a few seconds of rows before and after the mask, with spectrograms. One HTML file without links."""

import base64
import io
import struct
import wave
import zlib

import numpy as np

import core
import g711
import sound as maker
from rows import ROWS

SHOWN = ("reference", "fast", "length 500", "snr 8", "speech 10", "speech 0")
SECONDS = (0.8, 6.8)
HEIGHT, STEP = 128, 40


def _wav(samples):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(samples.astype("<i2").tobytes())
    return base64.b64encode(file.getvalue()).decode()


def _png(grey):
    """An 8-bit greyscale picture."""
    height, width = grey.shape
    rows = b"".join(b"\0" + row.tobytes() for row in grey)

    def chunk(kind, data):
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
    head = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


def spectrogram(samples):
    """0 to 2 kHz upwards, dark is loud."""
    size = 512
    starts = np.arange(0, len(samples) - size, STEP)
    block = samples[starts[:, None] + np.arange(size)].astype(float) * np.hanning(size)
    level = 20 * np.log10(np.abs(np.fft.rfft(block)[:, :HEIGHT]) + 1)
    return (255 - np.clip((level - 50) / 70, 0, 1) * 255).astype(np.uint8).T[::-1].copy()


def write(path):
    parts = []
    for name in SHOWN:
        row = ROWS[name]
        sound = maker.make(row, 40, 1)
        heard = core.run(row, sound)
        begin, end = (int(s * 8000) for s in SECONDS)
        before = g711.decode(row.law, g711.encode(row.law, sound.samples))[begin:end]
        parts.append(f"<h2>{name}: {row.what}</h2>")
        for what, samples in (("caller", before), ("agent", heard.sound[begin:end])):
            parts.append(f'<figure><figcaption>{what}</figcaption><img alt="spectrogram, 0 to 2 kHz" width="100%" height="{HEIGHT}" '
                         f'src="data:image/png;base64,{_png(spectrogram(samples))}">'
                         f'<audio controls src="data:audio/wav;base64,{_wav(samples)}"></audio></figure>')
    path.write_text("<!doctype html><meta charset=utf-8><title>What the agent hears</title>"
                    "<style>body{font-family:sans-serif;max-width:60rem;margin:2rem auto}figure{margin:0 0 1rem}img{image-rendering:pixelated}"
                    "audio{width:100%}</style><h1>Before and after the mask</h1>" + "".join(parts))
