"""One HTML page without a network: spectrograms of both sides, the timeline, the verdict."""
import base64
import html
import struct
import zlib

import numpy as np

import voices

PIXELS_PER_SECOND = 50
HEIGHT = 128  # of a spectrogram: 0 to 4 kHz


def _palette():
    """256 colours from night blue over orange to white."""
    stops = np.array([[8, 10, 28], [48, 24, 92], [136, 34, 106], [214, 70, 70], [250, 150, 40], [252, 230, 120], [255, 255, 245]])
    at = np.linspace(0, len(stops) - 1, 256)
    return np.stack([np.interp(at, range(len(stops)), stops[:, c]) for c in range(3)], axis=1).astype(np.uint8)


def _png(indices):
    """A palette image (rows of bytes) as PNG."""
    height, width = indices.shape
    rows = b"".join(b"\0" + indices[y].tobytes() for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
            + chunk(b"PLTE", _palette().tobytes()) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b""))


def spectrogram(samples):
    """A PNG of PIXELS_PER_SECOND columns a second, 0 Hz at the bottom, 70 dB from black to white."""
    hop = voices.RATE // PIXELS_PER_SECOND
    window = np.hanning(2 * HEIGHT)
    padded = np.concatenate([samples.astype(np.float64), np.zeros(2 * HEIGHT)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * HEIGHT)[::hop][: max(1, len(samples) // hop)]
    power = np.abs(np.fft.rfft(frames * window, axis=1))[:, :HEIGHT] / (32768 * HEIGHT / 2)
    decibels = 20 * np.log10(power + 1e-9)
    return _png(np.clip((decibels + 75) / 70 * 255, 0, 255).astype(np.uint8).T[::-1])


def _data(png):
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _esc(text):
    return html.escape(str(text))


class Strip:
    """The rows of one call over a common time axis, as SVG."""

    def __init__(self, seconds):
        self.width, self.seconds, self.y, self.parts = int(seconds * PIXELS_PER_SECOND), seconds, 18, []
        for second in range(0, int(seconds) + 1):
            x = second * PIXELS_PER_SECOND
            self.parts.append(f'<line x1="{x}" x2="{x}" y1="14" y2="18" class="tick"/>')
            if second % 2 == 0:
                self.parts.append(f'<text x="{x + 2}" y="12" class="axis">{second} s</text>')

    def sound(self, label, samples):
        self.parts.append(f'<image x="0" y="{self.y}" width="{self.width}" height="{HEIGHT}" preserveAspectRatio="none" '
                          f'href="{_data(spectrogram(samples))}"/><text x="6" y="{self.y + 16}" class="on">{_esc(label)}</text>')
        self.y += HEIGHT + 3

    def spans(self, label, spans, css):
        """spans: (seconds, length in seconds)."""
        self.parts.append(f'<rect x="0" y="{self.y}" width="{self.width}" height="14" class="lane"/>')
        for at, length in spans:
            self.parts.append(f'<rect x="{at * PIXELS_PER_SECOND:.1f}" y="{self.y + 1}" width="{max(1.5, length * PIXELS_PER_SECOND):.1f}" height="12" class="{css}"/>')
        self.parts.append(f'<text x="6" y="{self.y + 11}" class="lanetext">{_esc(label)}</text>')
        self.y += 17

    def marks(self, marks):
        """marks: (seconds, text). Texts that would overlap go to further lines."""
        ends = []
        top = self.y
        for at, text in sorted(marks):
            x = max(0.0, at * PIXELS_PER_SECOND)
            line = next((i for i, end in enumerate(ends) if end < x), len(ends))
            ends[line:line + 1] = [x + 6.3 * len(text) + 12]
            y = top + 14 + 15 * line
            self.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="18" y2="{y - 4}" class="mark"/>'
                              f'<circle cx="{x:.1f}" cy="{y - 4}" r="2.5" class="dot"/><text x="{x + 5:.1f}" y="{y}" class="event">{_esc(text)}</text>')
        self.y = top + 20 + 15 * len(ends)

    def svg(self):
        return f'<svg width="{self.width}" height="{self.y}" viewBox="0 0 {self.width} {self.y}" role="img">{"".join(self.parts)}</svg>'


STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1c2030;background:#f5f5f8}
main{max-width:1180px;margin:0 auto;padding:28px 24px 60px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:34px 0 6px}p{margin:4px 0 10px;color:#4a5064}
.verdict{display:inline-block;padding:5px 14px;border-radius:16px;color:#fff;font-weight:600;margin:8px 0}
.good{background:#1b7f4b}.bad{background:#b3261e}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid #dfe1ea;font-size:14px}
td,th{padding:6px 10px;border-bottom:1px solid #e8e9f0;text-align:left;vertical-align:top}
td.mark{width:26px;font-weight:700}.ok{color:#1b7f4b}.no{color:#b3261e}
.strip{overflow-x:auto;background:#fff;border:1px solid #dfe1ea;padding:8px}
svg text{font-family:system-ui,sans-serif}.axis{font-size:10px;fill:#7b8095}.tick{stroke:#b9bccb}
.on{font-size:13px;fill:#fff;font-weight:600;paint-order:stroke;stroke:#000;stroke-width:3px}
.lane{fill:#eceef4}.lanetext{font-size:10px;fill:#3a3f52;paint-order:stroke;stroke:#fff;stroke-width:3px}
.key{fill:#c2413b}.tone{fill:#2f6fd0}.secure{fill:#3a9d68}
.mark{stroke:#5b6178;stroke-width:.7;stroke-dasharray:2 3}.dot{fill:#5b6178}.event{font-size:11px;fill:#23283a}
pre{background:#fff;border:1px solid #dfe1ea;padding:12px;overflow-x:auto;font-size:13px}
"""


def checks_table(checks):
    rows = "".join(f'<tr><td class="mark {"ok" if c.ok else "no"}">{"✓" if c.ok else "✗"}</td><td>{_esc(c.what)}</td><td>{_esc(c.figure)}</td></tr>'
                   for c in checks)
    return f"<table>{rows}</table>"


def write(path, title, checks, calls, log):
    """checks: verdict.Check; calls: dicts of title, text, rows built with Strip (svg)."""
    good = bool(checks) and all(check.ok for check in checks)
    sections = "".join(f'<h2>{_esc(call["title"])}</h2><p>{_esc(call["text"])}</p><div class="strip">{call["svg"]}</div>' for call in calls)
    verdict = "every check passed" if good else f"{sum(not c.ok for c in checks)} of {len(checks)} checks failed"
    page = (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_esc(title)}</title><style>{STYLE}</style></head><body><main>'
            f'<h1>{_esc(title)}</h1><p>Red: where the caller pressed a key. Blue: the flat tone that the agent heard instead. '
            f'Both spectrograms reach from 0 to 4 kHz; the agent\'s is what reached the agent, the recorder and the supervisor.</p>'
            f'<div class="verdict {"good" if good else "bad"}">{_esc(verdict)}</div>{checks_table(checks)}{sections}'
            f'<h2>What was printed</h2><pre>{_esc(log)}</pre></main></body></html>')
    path.write_text(page, encoding="utf-8")
