"""tools/scan over the fleet at one moment, and what it means."""
import json
import re
import subprocess
import threading

NEVER = ("media-relay", "dtmf-masking", "session-orchestration")  # clean at every moment
FINALLY = NEVER + ("tokenisation-vault", "gateway-adapter")       # all five, after the answer


class Scanner:
    def __init__(self, binary, canary):
        self.binary, self.canary, self.moments = binary, canary, []
        self._lock = threading.Lock()

    def look(self, moment, cards, fleet, clean):
        """Scans processes, logs and databases; those in `clean` must hold nothing of the cards now, logs and
        databases never. Returns the lines of findings."""
        targets = fleet.scan_targets()
        arguments = []
        for name, pid in targets["processes"]:
            arguments += ["--process", f"{name}={pid}"]
        for name, path in targets["logs"]:
            arguments += ["--log", f"{name}={path}"]
        for name, path in targets["databases"]:
            arguments += ["--database", f"{name}={path}"]
        wanted = "".join(f"card {' '.join(card)}\n" for card in cards) + f"canary {self.canary}\n"
        run = subprocess.run(["nice", str(self.binary), *arguments], input=wanted, capture_output=True, text=True, timeout=60)
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        if run.returncode == 2 or len(lines) != len(arguments) // 2:
            raise RuntimeError(f"scan could not look: {run.stderr.strip()} {[l['error'] for l in lines if 'error' in l]}")
        for line in lines:
            service = re.sub(r"-\d+$", "", line["name"])
            line["must_be_clean"] = line["kind"] != "process" or service in clean
            line["ok"] = line["canary"] and (line["findings"] == 0 or not line["must_be_clean"])
        result = {"moment": moment, "targets": lines, "ok": all(line["ok"] for line in lines),
                  "processes": len(targets["processes"]), "logs": len(targets["logs"]), "databases": len(targets["databases"]),
                  "megabytes": sum(line["bytes"] for line in lines) / 1e6,
                  "coincidences": sum(line["coincidences"] for line in lines),
                  "held": [line["name"] for line in lines if line["findings"] and not line["must_be_clean"]]}
        self.moments.append(result)
        return result


def describe(result):
    what = (f"{result['processes']} processes, {result['logs']} logs, {result['databases']} databases, "
            f"{result['megabytes']:.0f} MB, canary found in each")
    if result["ok"]:
        held = f"; the card is where it must be: {', '.join(result['held'])}" if result["held"] else ""
        return f"clean: {what}{held}"
    problems = []
    for line in result["targets"]:
        if not line["canary"]:
            problems.append(f"{line['kind']} {line['name']}: canary not found, the scan proves nothing")
        elif not line["ok"]:
            place = line["places"][0]
            problems.append(f"{line['kind']} {line['name']}: {line['findings']} findings, the first {place['digits']} digits as "
                            f"{place['encoding']} at {place['offset']} in {place['where']}")
    return "; ".join(problems)
