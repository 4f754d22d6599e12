"""A whole fleet on loopback: every service as its own process, from built binaries, on free ports.

    from fleet import Fleet
    with Fleet("/tmp/f", build="build/release") as fleet:
        fleet.up()
        shop = fleet.add_tenant("Shop")                  # ids and API keys
        fleet["tokenisation-vault"].kill()               # SIGKILL; .stop(), .cont(), .restart()
        fleet.endpoints()                                # what `tools/fleet up` prints

Names are `<binary>-<n>` ("dtmf-masking-2"); the first of a kind also answers to the bare name. Processes started
from a Python program die with it; `tools/fleet up` leaves them running and `tools/fleet down` ends them.
Standard library only (PostgreSQL's set-up calls psql).
"""

import atexit
import ctypes
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
RELAY, MASKER, VAULT, ADAPTER, ORCHESTRATOR, PSP = (
    "media-relay", "dtmf-masking", "tokenisation-vault", "gateway-adapter", "session-orchestration", "sandbox-psp")
SERVICES = (VAULT, ADAPTER, ORCHESTRATOR, MASKER, RELAY)  # in the order of starting
# Sanitizers and a loaded machine start slowly.
READY_SECONDS = float(os.environ.get("FLATTONE_READY_SECONDS", "60"))


class FleetError(RuntimeError):
    pass


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _before_exec(detached):
    """The kernel counts the thread that forks as the parent, so only the main thread may ask for it."""
    return None if detached or threading.current_thread() is not threading.main_thread() else _die_with_parent


def _comm_and_state(pid):
    """The name and state letter of a process, (None, "Z") when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None, "Z"
    return text[text.index("(") + 1:text.rindex(")")], text.rsplit(")", 1)[1].split()[0]


def _wait(condition, seconds, what):
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
        self.log = fleet.dir / "logs" / f"{name}.log"      # JSON lines (standard error)
        self.out = fleet.dir / "logs" / f"{name}.out"      # standard output
        self.ready_file = fleet.dir / "run" / f"{name}.json"

    def __repr__(self):
        return f"<{self.name} pid {self.pid}>"

    @property
    def alive(self):
        if self._popen is not None:
            return self._popen.poll() is None
        comm, state = _comm_and_state(self.pid)
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
        self.ready_file.unlink(missing_ok=True)
        command = [str(self.fleet.program(self.binary)), *self._arguments(self)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLATTONE_") or k == "FLATTONE_TOOLS"}
        environment.update(self.fleet.environment)
        with open(self.log, "ab") as err, open(self.out, "wb") as out:
            self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=TOP,
                                           start_new_session=True, preexec_fn=_before_exec(self.fleet.detached))
        self.pid = self._popen.pid
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
            self.ports = _wait(self._announcement, seconds, f"{self.name} ready")
        except FleetError as error:
            raise FleetError(f"{error}\n{self.tail()}") from None
        self.fleet.save()
        return self

    def tail(self, lines=20):
        text = "".join(p.read_text(errors="replace") for p in (self.out, self.log) if p.exists())
        return "\n".join(f"  {self.name}: {line}" for line in text.splitlines()[-lines:])

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self):
        """SIGSTOP: the process is there but does nothing. Returns when every thread has stopped."""
        self.signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.pid}/task")
        _wait(lambda: all((t / "stat").read_text().rsplit(")", 1)[1].split()[0] in "Tt" for t in tasks.iterdir()), 10, f"{self.name} stopped")

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
        _wait(lambda: not self.alive, seconds, f"{self.name} gone")
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
        _wait(self._gate(gate, "reached").exists, seconds, f"{self.name} at gate {gate}")

    def release(self, gate):
        self._gate(gate, "hold").unlink(missing_ok=True)
        self._gate(gate, "go").touch()


class Fleet:
    """replicas: of vault, adapter and orchestrator. flags: further flags by binary, {"dtmf-masking": ["--x", "1"]}.
    psp_faults_admin is the sandbox PSP's admin port; gates: hold points for tests; detached: survive this program."""

    def __init__(self, directory, build=None, database="sqlite", replicas=1, maskers=2, relays=1, gates=False, flags=None,
                 environment=None, detached=False, edge="demo"):
        if database not in ("sqlite", "postgresql"):
            raise FleetError(f"database is '{database}'; it must be sqlite or postgresql")
        if database == "sqlite" and replicas > 1:
            raise FleetError("replicas above 1 need --database postgresql: an SQLite file belongs to one process")
        self.dir = pathlib.Path(directory).resolve()
        self.build = pathlib.Path(build or os.environ.get("FLATTONE_BUILD") or "build/release")
        self.build = self.build if self.build.is_absolute() else TOP / self.build
        self.database, self.replicas, self.maskers, self.relays = database, replicas, maskers, relays
        self.gates, self.flags, self.detached, self.edge = gates, flags or {}, detached, edge
        self.environment = environment or {}
        self.processes, self.tenants, self.databases = {}, [], {}
        self._known_flags, self._postgres = {}, None
        self.admin_url = None
        for sub in ("logs", "run", "data", "pki", "gates", "secrets"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        (self.dir / "secrets").chmod(0o700)

    # --- programs and their flags -------------------------------------------------------------------------------

    def program(self, name):
        path = self.build / "bin" / name
        if not path.exists():
            raise FleetError(f"{path} is not built (cmake --build --preset release --target {name})")
        return path

    def known(self, binary):
        if binary not in self._known_flags:
            text = subprocess.run([self.program(binary), "--help"], capture_output=True, text=True, timeout=60).stdout
            self._known_flags[binary] = set(re.findall(r"--[a-z][a-z0-9-]*", text))
        return self._known_flags[binary]

    def options(self, binary, wanted):
        """Flags that the binary has, in order. A name that ends in '?' is left out when the binary does not know it."""
        out = []
        for names, value in wanted:
            optional = names.endswith("?")
            name = next((n for n in names.rstrip("?").split("|") if n in self.known(binary)), None)
            if name is None and not optional:
                raise FleetError(f"{binary} has no flag {names}; tools/lib/fleet.py gives it one")
            if name is not None and value is True:
                out.append(name)
            elif name is not None and value is not None:
                out += [name, str(value)]
        return out

    def common(self, binary, p):
        certificate = self.dir / "pki" / binary
        wanted = [("--grpc-address", f"127.0.0.1:{p.port()}"), ("--metrics-address", f"127.0.0.1:{p.port('metrics')}"),
                  ("--tls-cert", f"{certificate}.pem"), ("--tls-key", f"{certificate}.key"), ("--tls-ca", self.dir / "pki" / "ca.pem"),
                  ("--ready-file", p.ready_file)]
        if self.gates:
            (self.dir / "gates" / p.name).mkdir(exist_ok=True)
            wanted += [("--allow-test-gates?", True), ("--test-gates?", self.dir / "gates" / p.name)]
        return wanted

    def addresses(self, binary):
        return ",".join(p.address() for p in self.all(binary))

    def _vault(self, p):
        return self.options(VAULT, self.common(VAULT, p) + [
            ("--database", self.databases[VAULT]), ("--replica-id|--vault-id?", p.name),
            ("--key-file|--kek-file?", self.key_file(VAULT)), ("--key-file-create|--create-kek?", True)]) + self.extra(VAULT)

    def _adapter(self, p):
        psp = self["sandbox-psp"]
        url = f"https://localhost:{psp.port('psp')}"
        return self.options(ADAPTER, self.common(ADAPTER, p) + [
            ("--database", self.databases[ADAPTER]), ("--vault-address", self.addresses(VAULT)), ("--replica-id?", p.name),
            ("--key-file|--kek-file?", self.key_file(ADAPTER)), ("--key-file-create|--create-kek?", True),
            ("--psp", f"sandbox={url},sandbox-stripe={url}"), ("--psp-ca", self.dir / "pki" / "public-ca.pem")]) + self.extra(ADAPTER)

    def _orchestrator(self, p):
        public = self.dir / "pki" / "public"
        return self.options(ORCHESTRATOR, self.common(ORCHESTRATOR, p) + [
            ("--database", self.databases[ORCHESTRATOR]), ("--vault-address", self.addresses(VAULT)),
            ("--adapter-address", self.addresses(ADAPTER)), ("--replica-id?", p.name),
            ("--key-file|--kek-file?", self.key_file(ORCHESTRATOR)), ("--key-file-create|--create-kek?", True),
            ("--public-grpc-address", f"127.0.0.1:{p.port('public_grpc')}"), ("--rest-address", f"127.0.0.1:{p.port('rest')}"),
            ("--public-tls-cert", f"{public}.pem"), ("--public-tls-key", f"{public}.key"),
            ("--webhook-allow-cidr?", "127.0.0.0/8"), ("--webhook-ca?", self.dir / "pki" / "public-ca.pem")]) + self.extra(ORCHESTRATOR)

    def _masker(self, p):
        return self.options(MASKER, self.common(MASKER, p) + [("--vault-address", self.addresses(VAULT)), ("--replica-id?", p.name)]) + self.extra(MASKER)

    def _relay(self, p):
        return self.options(RELAY, self.common(RELAY, p) + [
            ("--orchestrator-address", self.addresses(ORCHESTRATOR)), ("--masker-addresses", self.addresses(MASKER)),
            ("--relay-id?", p.name), ("--media-address|--media-addresses?", self.media_addresses(p))]) + self.extra(RELAY)

    def media_addresses(self, p):
        """A loopback address of its own for each relay, so that two fleets never meet on a port; ::1 where there is IPv6."""
        number = int(p.name.rsplit("-", 1)[1])
        ipv6 = pathlib.Path("/proc/net/if_inet6")
        return f"127.{20 + os.getpid() % 200}.{os.getpid() // 200 % 250}.{number}" + (",::1" if ipv6.exists() and ipv6.read_text() else "")

    def _psp(self, p):
        certificate = self.dir / "pki" / "sandbox-psp"
        return ["--tls-certificate", f"{certificate}.pem", "--tls-key", f"{certificate}.key", "--port", str(p.port("psp")),
                "--admin-port", str(p.port("admin")), "--state", str(self.dir / "data" / "psp.journal")] + self.extra(PSP)

    def extra(self, binary):
        return [str(flag) for flag in self.flags.get(binary, [])]

    def key_file(self, binary):
        return self.dir / "secrets" / f"{binary}.key"

    # --- databases ----------------------------------------------------------------------------------------------

    def _open_databases(self):
        if self.database == "sqlite":
            self.databases = {s: f"sqlite:{self.dir}/data/{s}.db" for s in (VAULT, ADAPTER, ORCHESTRATOR)}
            return
        keeper = subprocess.Popen(["sleep", "infinity"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
                                  preexec_fn=_before_exec(self.detached))
        with open(self.dir / "logs" / "postgres.log", "ab") as log:
            server = subprocess.Popen([TOP / "tools" / "postgres-scratch"], stdin=keeper.stdout, stdout=subprocess.PIPE, stderr=log,
                                      text=True, start_new_session=True)
        self._postgres = keeper
        self.admin_url = server.stdout.readline().strip()
        if not self.admin_url:
            keeper.kill()
            raise FleetError("PostgreSQL is not installed: tools/setup installs it")
        for service in (VAULT, ADAPTER, ORCHESTRATOR):
            self.databases[service] = self._create_database(service)

    def _create_database(self, service):
        """A database and a login of its own; no other service's login may connect to it."""
        name = service.replace("-", "_")
        for statement in (f"CREATE ROLE {name} LOGIN", f"CREATE DATABASE {name} OWNER {name}",
                          f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"):
            self.sql(statement)
        where = urllib.parse.urlsplit(self.admin_url)
        return f"postgresql://{name}@{where.hostname or ''}/{name}?{where.query}"

    @property
    def _postgres_dir(self):
        """The scratch server's directory: its socket, data and log."""
        return pathlib.Path(urllib.parse.parse_qs(urllib.parse.urlsplit(self.admin_url).query)["host"][0])

    def _pg_ctl(self, *arguments):
        """pg_ctl of the scratch server's own data directory, as its owner."""
        program = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[0]
        as_owner = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        subprocess.run([*as_owner, program, "-D", self._postgres_dir / "data", *arguments], check=True, cwd="/", timeout=60,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def database_stop(self):
        """Pulls the plug of PostgreSQL: every connection breaks at once, nothing is said."""
        self._pg_ctl("-m", "immediate", "stop")

    def database_start(self):
        """Starts it again at its place, with the options that it ran with; it recovers what was committed."""
        _, *options = shlex.split((self._postgres_dir / "data" / "postmaster.opts").read_text())
        if options[0] == "-D":  # pg_ctl gives the data directory itself
            options = options[2:]
        self._pg_ctl("-w", "-l", self._postgres_dir / "server.log", "-o", shlex.join(options), "start")

    def sql(self, statement, url=None):
        """Runs one statement as the scratch server's owner; rows as text."""
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url or self.admin_url, "-c", statement],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise FleetError(f"psql: {done.stderr.strip()}")
        return done.stdout

    # --- up and down --------------------------------------------------------------------------------------------

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def _add(self, binary, count, arguments, ready="file"):
        for n in range(1, count + 1):
            name = f"{binary}-{n}" if binary != PSP else PSP
            self.processes[name] = Process(self, name, binary, arguments, ready)

    def up(self, services=SERVICES, provision=True):
        """Starts everything in the order of dependency; with `provision` also a tenant, its keys, PSP account and edge."""
        if not self.detached:
            atexit.register(self.down)
        subprocess.run([TOP / "tools" / "pki", self.dir / "pki", "--edge", self.edge], check=True)
        self._open_databases()
        if ADAPTER in services:
            self._add(PSP, 1, self._psp, lambda line: {"psp": line["port"], "admin": line["admin_port"]})
        counts = {VAULT: self.replicas, ADAPTER: self.replicas, ORCHESTRATOR: self.replicas, MASKER: self.maskers, RELAY: self.relays}
        make = {VAULT: self._vault, ADAPTER: self._adapter, ORCHESTRATOR: self._orchestrator, MASKER: self._masker, RELAY: self._relay}
        for service in services:
            self._add(service, counts[service], make[service])
        try:
            if ADAPTER in services:
                self[PSP].start()
            for service in services:
                if service == RELAY and provision and ORCHESTRATOR in services:
                    self.add_tenant("Demo shop")  # before the relay registers: it learns its edges with the first lease
                self._start_all(self.all(service))
        except BaseException:
            self.down()
            raise
        return self

    def _start_all(self, processes):
        """Replicas wait for each other only where they share a database that the first one must create."""
        first, rest = processes[:1], processes[1:]
        for p in first:
            p.start()
        for p in rest:
            p.start(wait=False)
        for p in rest:
            p.wait_ready()

    def down(self, seconds=20):
        """SIGTERM to all, relays first; SIGKILL for what does not end in time. The exit statuses by name."""
        codes = {}
        order = [p for s in reversed((PSP, *SERVICES)) for p in self.all(s)]
        for p in order:
            if p.alive:
                p.signal(signal.SIGCONT)
                p.signal(signal.SIGTERM)
        for p in order:
            try:
                codes[p.name] = p.wait(seconds)
            except FleetError:
                p.signal(signal.SIGKILL)
                codes[p.name] = p.wait()
        if self._postgres is not None:
            (os.kill(self._postgres, signal.SIGKILL) if isinstance(self._postgres, int) else self._postgres.kill())
            self._postgres = None
        return codes

    def all(self, binary):
        return [p for p in self.processes.values() if p.binary == binary]

    def __getitem__(self, name):
        return self.processes.get(name) or self.processes[f"{name}-1"]

    # --- what an operator does ----------------------------------------------------------------------------------

    def ctl(self, *arguments, expect=0):
        """flattonectl as operator; its answer as a dictionary. Raises with its message on another exit status."""
        pki = self.dir / "pki"
        targets = {"--session-address": ORCHESTRATOR, "--gateway-address": ADAPTER, "--vault-address": VAULT}
        where = [x for flag, binary in targets.items() if self.all(binary) for x in (flag, self.addresses(binary))]
        done = subprocess.run([self.program("flattonectl"), *where, "--tls-cert", pki / "operator.pem", "--tls-key", pki / "operator.key",
                               "--tls-ca", pki / "ca.pem", "--output", "json", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != expect:
            raise FleetError(f"flattonectl {' '.join(map(str, arguments))}: exit status {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout or "{}")

    def add_tenant(self, name, psp="sandbox", mode="test", roles="sessions,finance"):
        """A tenant with an API key, an account at a PSP and a place on the edge: {"id", "name", "key", "key_id"}."""
        tenant = {"name": name, "id": self.ctl("tenant", "create", "--name", name)["id"], "mode": mode}
        key = self.ctl("key", "create", "--tenant", tenant["id"], "--mode", mode, "--roles", roles, "--description", "made by tools/fleet")
        tenant.update(key=key["secret"], key_id=key["id"])
        if psp and self.all(ADAPTER):
            # The sandbox PSP answers in both dialects; the adapter knows the second one as "sandbox-stripe".
            name, field, prefix = {"sandbox": ("sandbox", "api_key", "sbx_"), "stripe": ("sandbox-stripe", "secret_key", "sk_test_")}[psp]
            secret = self.dir / "secrets" / f"{tenant['id']}.{psp}"
            with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(prefix + tenant["id"].replace("_", ""))
            tenant["psp_account"] = self.ctl("psp", "put", "--tenant", tenant["id"], "--mode", mode, "--psp", name,
                                             "--credential", f"{field}=@{secret}")["account_id"]
        self.tenants.append(tenant)
        self.ctl("edge", "put", "--edge", self.edge, "--tenants", ",".join(t["id"] for t in self.tenants))
        self.save()
        self.await_edges()
        return tenant

    def await_edges(self):
        """Relays learn their edges with the next renewal of their lease: until each that runs has renewed it."""
        renewals = "flattone_relay_lease_renewals_total"
        seen = [(relay, relay.metric(renewals)) for relay in self.all(RELAY) if relay.alive and relay.ports]
        for relay, before in seen:
            _wait(lambda: relay.metric(renewals) > before, READY_SECONDS, f"{relay.name} renewing its lease")

    # --- what others need to know -------------------------------------------------------------------------------

    def endpoints(self):
        pki = self.dir / "pki"

        def tls(name):
            return {"cert": f"{pki}/{name}.pem", "key": f"{pki}/{name}.key", "ca": f"{pki}/ca.pem"}

        def of(binary, which, scheme=""):
            return [f"{scheme}{'localhost' if scheme else '127.0.0.1'}:{p.ports[which]}" for p in self.all(binary) if which in p.ports]

        psp = self.processes.get(PSP)
        return {
            "dir": str(self.dir), "build": str(self.build), "database": self.database, "databases": self.databases,
            "admin_url": self.admin_url, "public_ca": f"{pki}/public-ca.pem",
            "rest": of(ORCHESTRATOR, "rest", "https://"), "public_grpc": of(ORCHESTRATOR, "public_grpc"),
            "relays": of(RELAY, "grpc"), "orchestrators": of(ORCHESTRATOR, "grpc"), "vaults": of(VAULT, "grpc"),
            "adapters": of(ADAPTER, "grpc"), "maskers": of(MASKER, "grpc"),
            "edge": {"id": self.edge, **tls(f"edge-{self.edge}")}, "operator": tls("operator"),
            "webhook": {"cert": f"{pki}/webhook.pem", "key": f"{pki}/webhook.key"},
            "psp": {"url": f"https://localhost:{psp.port('psp')}", "admin": f"http://127.0.0.1:{psp.port('admin')}"} if psp and psp.ports else None,
            "tenants": self.tenants,
            "processes": {p.name: {"binary": p.binary, "pid": p.pid, "ports": p.ports, "log": str(p.log)} for p in self.processes.values()},
        }

    def save(self):
        """fleet.json: enough for another program to see, signal and end this fleet."""
        keeper = self._postgres if isinstance(self._postgres, (int, type(None))) else self._postgres.pid
        draft = self.dir / "fleet.json.part"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({**self.endpoints(), "postgres_keeper": keeper, "settings": {
                "replicas": self.replicas, "maskers": self.maskers, "relays": self.relays, "gates": self.gates, "flags": self.flags}}, file, indent=1)
        draft.rename(self.dir / "fleet.json")

    @classmethod
    def load(cls, directory):
        """The fleet that another program started in this directory, as fleet.json tells it."""
        path = pathlib.Path(directory) / "fleet.json"
        if not path.exists():
            raise FleetError(f"{path}: there is no fleet in this directory")
        saved = json.loads(path.read_text())
        fleet = cls(directory, build=saved["build"], database=saved["database"], detached=True, edge=saved["edge"]["id"], **saved["settings"])
        fleet.databases, fleet.admin_url = saved["databases"], saved["admin_url"]
        fleet.tenants, fleet._postgres = saved["tenants"], saved["postgres_keeper"]
        make = {VAULT: fleet._vault, ADAPTER: fleet._adapter, ORCHESTRATOR: fleet._orchestrator, MASKER: fleet._masker, RELAY: fleet._relay}
        for name, p in saved["processes"].items():
            psp = p["binary"] == PSP
            process = Process(fleet, name, p["binary"], fleet._psp if psp else make[p["binary"]],
                              (lambda line: {"psp": line["port"], "admin": line["admin_port"]}) if psp else "file")
            process.ports, process.pid = p["ports"], p["pid"]
            fleet.processes[name] = process
        return fleet
