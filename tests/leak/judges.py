"""Decoders that are not ours: spandsp and multimon-ng by tools/judge, proven first."""

import functools
import json
import pathlib
import subprocess
import tempfile

import material
from core import binary


@functools.cache
def _proven():
    """A verdict of ears that have not been proven does not count."""
    subprocess.run([binary("judge"), "--self-test"], check=True, capture_output=True)
    return binary("judge")


def heard_keys(samples):
    """How many keys each decoder hears in a sound: {"spandsp": n, "multimon-ng": n}."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sound.wav"
        material.write(path, samples)
        report = json.loads(subprocess.run([_proven(), path], check=True, capture_output=True, text=True).stdout)
    if not report["multimon"]["available"]:
        raise RuntimeError("multimon-ng is not installed; tools/setup installs it")
    return {"spandsp": report["spandsp"]["keys"], "multimon-ng": report["multimon"]["keys"]}
