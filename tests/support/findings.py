"""tools/scan as the tests use it: what it finds of a card in processes and files, and never without its canary."""

import json
import subprocess


def scan(world, card, processes=(), files=(), databases=(), canary=None):
    """Findings by target's name. With a canary, each target must show it: a look that finds nothing at all proves nothing."""
    targets = [("process", p.name, p.pid) for p in processes] + [("log", path.name, path) for path in files]
    targets += [("database", path.name, path) for path in databases]
    arguments = [part for kind, name, where in targets for part in (f"--{kind}", f"{name}={where}")]
    wanted = f"card {' '.join(card)}\n" + (f"canary {canary}\n" if canary else "")
    run = subprocess.run([str(world.fleet.program("scan")), *arguments], input=wanted, text=True, capture_output=True, timeout=120)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == len(targets) and not any("error" in line for line in lines), (run.stderr, lines)
    if canary:
        assert all(line["canary"] for line in lines), [line["name"] for line in lines if not line["canary"]]
    return {line["name"]: line["findings"] for line in lines}
