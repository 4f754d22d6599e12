"""One process of a fleet, and what can be done to it: started, killed, stopped, read. tools/lib/fleet.py makes them."""

import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
# Sanitizers and a loaded machine start slowly.
READY_SECONDS = float(os.environ.get("FLATTONE_READY_SECONDS", "60"))
SANITIZER = re.compile(r"ERROR: AddressSanitizer|LeakSanitizer|WARNING: ThreadSanitizer|: runtime error: ")


class FleetError(RuntimeError):
    pass


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def before_exec(detached):
    """The kernel counts the thread that forks as the parent, so only the main thread may ask for it."""
    return None if detached or threading.current_thread() is not threading.main_thread() else die_with_parent


def comm_and_state(pid):
    """The name and state letter of a process, (None, "Z") when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None, "Z"
    return text[text.index("(") + 1:text.rindex(")")], text.rsplit(")", 1)[1].split()[0]


def wait_for(condition, seconds, what):
    """Polls `condition` until it gives something true; what it gives."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise FleetError(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)


class Process:
    """One process of the fleet. `arguments` is a function of this process, so that a restart takes the same ports."""

    def __init__(self, fleet, name, binary, arguments, ready="file"):
        self.fleet, self.name, self.binary = fleet, name, binary
        self._arguments, self._ready = arguments, ready
        self.ports, self.pid, self._popen = {}, None, None
        self.may_end_with = {0}    # exit statuses that are no fault
        self._killed, self._late, self._noted, self._bad_ends = False, False, False, []
        self.log = fleet.dir / "logs" / f"{name}.log"      # JSON lines (standard error)
        self.out = fleet.dir / "logs" / f"{name}.out"      # standard output
        self.ready_file = fleet.dir / "run" / f"{name}.json"

    def __repr__(self):
        return f"<{self.name} pid {self.pid}>"

    @property
    def alive(self):
        if self._popen is not None:
            return self._popen.poll() is None
        comm, state = comm_and_state(self.pid)
        return state not in "ZX" and comm == self.binary[:15]  # another program may have the number by now

    @property
    def exit_code(self):
        return self._popen.poll() if self._popen is not None else None

    def port(self, which="grpc"):
        """The port in use, or 0 before the first start: any free one."""
        return self.ports.get(which, 0)

    def address(self, which="grpc"):
        return f"127.0.0.1:{self.ports[which]}"

    def start(self, wait=True):
        self._note_end()
        self.ready_file.unlink(missing_ok=True)
        command = [str(self.fleet.program(self.binary)), *self._arguments(self)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLATTONE_") or k == "FLATTONE_TOOLS"}
        environment.update(self.fleet.environment)
        with open(self.log, "ab") as err, open(self.out, "wb") as out:
            self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=TOP,
                                           start_new_session=True, preexec_fn=before_exec(self.fleet.detached))
        self.pid = self._popen.pid
        self._killed = self._late = self._noted = False
        self.fleet.save()
        if wait:
            self.wait_ready()
        return self

    def _announcement(self):
        if not self.alive:
            raise FleetError(f"{self.name} ended with status {self.exit_code} before it was ready:\n{self.tail()}")
        try:
            if self._ready == "file":
                return json.loads(self.ready_file.read_text())["ports"]
            first = self.out.read_text().split("\n", 1)
            return self._ready(json.loads(first[0])) if len(first) > 1 else None
        except (OSError, ValueError):
            return None

    def wait_ready(self, seconds=READY_SECONDS):
        try:
            self.ports = wait_for(self._announcement, seconds, f"{self.name} ready")
        except FleetError as error:
            raise FleetError(f"{error}\n{self.tail()}") from None
        self.fleet.save()
        return self

    def tail(self, lines=20):
        text = "".join(p.read_text(errors="replace") for p in (self.out, self.log) if p.exists())
        return "\n".join(f"  {self.name}: {line}" for line in text.splitlines()[-lines:])

    def signal(self, number):
        if number == signal.SIGKILL and self.alive:
            self._killed = True
        os.kill(self.pid, number)

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def end_in(self, seconds):
        """Waits for the end that was asked for; SIGKILL when it takes longer. The exit status."""
        try:
            return self.wait(seconds)
        except FleetError:
            self._late = True
            self.signal(signal.SIGKILL)
            return self.wait()

    def _note_end(self):
        """How the run that is over ended, once for each run: a kill of ours is no fault."""
        if self._popen is None or self._popen.poll() is None or self._noted:
            return
        self._noted, code = True, self._popen.poll()
        if self._late:
            self._bad_ends.append("did not end in time after SIGTERM")
        elif code not in self.may_end_with and not self._killed:
            self._bad_ends.append(f"signal {-code}" if code < 0 else f"exit status {code}")

    def faults(self):
        """How runs of it ended badly, and what the sanitizers found in them: texts for people."""
        self._note_end()
        found = [f"{self.name} ended badly: {end}" for end in self._bad_ends]
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        first = next((n for n, line in enumerate(lines) if SANITIZER.search(line)), None)
        if first is not None:
            found.append("\n".join([f"{self.name}: a sanitizer's finding", *lines[first:first + 25]]))
        return found

    def stop(self):
        """SIGSTOP: the process is there but does nothing. Returns when every thread has stopped."""
        self.signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.pid}/task")
        wait_for(lambda: all((t / "stat").read_text().rsplit(")", 1)[1].split()[0] in "Tt" for t in tasks.iterdir()), 10, f"{self.name} stopped")

    def cont(self):
        self.signal(signal.SIGCONT)

    def terminate(self, seconds=40):
        """SIGTERM, waits for the drain; the exit status."""
        if not self.alive:
            return self.exit_code
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds=40):
        wait_for(lambda: not self.alive, seconds, f"{self.name} gone")
        return self.exit_code

    def restart(self, wait=True):
        """Ends it (SIGTERM) if it lives and starts it again on the same ports."""
        self.terminate()
        return self.start(wait)

    def records(self):
        """The JSON log lines so far."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        return found

    def metrics(self):
        """Every metric as {'name{labels}': value}, as a scrape sees it."""
        with urllib.request.urlopen(f"http://{self.address('metrics')}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def metric(self, name, **labels):
        """Sum of a metric over all series that have these labels."""
        total = 0.0
        for series, value in self.metrics().items():
            base, _, rest = series.partition("{")
            if base == name and all(f'{k}="{v}"' in rest for k, v in labels.items()):
                total += value
        return total

    # Gates (libs/base/gate.h): the fleet must be made with gates=True.
    def _gate(self, gate, suffix):
        return self.fleet.dir / "gates" / self.name / f"{gate}.{suffix}"

    def hold(self, gate):
        for suffix in ("reached", "go"):
            self._gate(gate, suffix).unlink(missing_ok=True)
        self._gate(gate, "hold").touch()

    def wait_reached(self, gate, seconds=30):
        wait_for(self._gate(gate, "reached").exists, seconds, f"{self.name} at gate {gate}")

    def release(self, gate):
        self._gate(gate, "hold").unlink(missing_ok=True)
        self._gate(gate, "go").touch()
