"""One telephone call by tools/call: the caller types when told, both sides are recorded."""
import json
import os
import queue
import subprocess
import threading


class Call:
    def __init__(self, binary, fleet, reference, out, keys, caller_wav, agent_wav, extra=()):
        self.reference = f"{reference}-1"
        self.lines, self.statistics, self.first_sample_ns, self.summary = [], None, None, None
        self._answers = queue.Queue()
        command = [binary, "--relay", fleet.relay, "--cert", fleet.edge_cert, "--key", fleet.edge_key, "--ca", fleet.ca,
                   "--tenant", fleet.tenant, "--reference", reference, "--control", "--keys", keys, "--out", out,
                   "--caller-wav", caller_wav, "--agent-wav", agent_wav, "--key-ms", "90", "--gap-ms", "80", *extra]
        self._process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True, env={**os.environ, "GRPC_VERBOSITY": "NONE"})
        threading.Thread(target=self._read, daemon=True).start()
        self._expect("up", 15)

    def _read(self):
        for line in self._process.stdout:
            item = json.loads(line)
            self.lines.append(item)
            if item["type"] == "up":
                self.first_sample_ns = item["first_sample_ns"]
            if item["type"] == "statistics":
                self.statistics = item
            if item["type"] == "summary":
                self.summary = item
            self._answers.put(item)
        self._answers.put({"type": "closed"})

    def _expect(self, kind, seconds):
        while True:
            item = self._answers.get(timeout=seconds)
            if item["type"] == kind:
                return item
            if item["type"] in ("error", "closed"):
                raise RuntimeError(f"call {self.reference}: {item.get('message', 'tools/call ended')}")

    def _tell(self, text):
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def type(self, keys, wait=True):
        """Presses keys; with wait, until the last has been sent."""
        self._tell(f"keys {keys}")
        if wait:
            self.wait_typed(len(keys))

    def wait_typed(self, keys=30):
        self._expect("done", 10 + keys)

    def secure(self, on):
        self._tell("secure on" if on else "secure off")
        self._expect("done", 5)

    def hang_up(self):
        self._process.stdin.close()
        self._process.wait(timeout=20)
        while self.summary is None:
            item = self._answers.get(timeout=10)
            if item["type"] == "closed":
                break
        return self.statistics

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
