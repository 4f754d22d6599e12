"""Independent ears on the recordings (tools/judge: spandsp, multimon-ng), and the comparison of both sides."""
import json
import subprocess


def _run(binary, *arguments):
    run = subprocess.run(["nice", str(binary), *map(str, arguments)], capture_output=True, text=True, timeout=90)
    if run.returncode != 0:
        raise RuntimeError(f"judge {arguments[0]}: {run.stderr.strip() or run.stdout.strip()[-300:]}")
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def prove(binary):
    """The ears hear unmasked keys; a verdict without this does not count."""
    run = subprocess.run([str(binary), "--self-test"], capture_output=True, text=True, timeout=60)
    return run.returncode == 0


def judge(binary, caller_wav, agent_wav, lookahead=160):
    caller, agent = _run(binary, caller_wav, agent_wav)
    # The agent's sound is the caller's, at once in the plain state and `lookahead` samples later in the secure one.
    same = compare(binary, caller_wav, agent_wav, lookahead, lookahead)
    return {"caller_keys": caller["spandsp"]["keys"], "caller_keys_multimon": caller["multimon"].get("keys"),
            "agent_keys": agent["spandsp"]["keys"], "agent_keys_multimon": agent["multimon"].get("keys"),
            "multimon": agent["multimon"]["available"], "flat_tones": agent["flat_tones"]["count"],
            "tones": agent["flat_tones"]["tones"], "speech_frames": same["speech_frames"],
            "identical_percent": same["identical_percent"], "key_at_ms": caller["spandsp"]["at_ms"]}


def compare(binary, sent_wav, heard_wav, delay=0, slack=0):
    """How much of what one side sent the other heard sample for sample, `delay` samples later (give or take `slack`)."""
    return _run(binary, "--compare", sent_wav, heard_wav, "--delay", delay, "--slack", slack)[0]
