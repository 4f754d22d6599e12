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
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import urllib.parse

from fleet_process import READY_SECONDS, TOP, FleetError, Process, before_exec, wait_for

RELAY, MASKER, VAULT, ADAPTER, ORCHESTRATOR, PSP = (
    "media-relay", "dtmf-masking", "tokenisation-vault", "gateway-adapter", "session-orchestration", "sandbox-psp")
SERVICES = (VAULT, ADAPTER, ORCHESTRATOR, MASKER, RELAY)  # in the order of starting


class Fleet:
    """replicas: of vault, adapter and orchestrator. flags: further flags by binary or by process, {"dtmf-masking": ["--x", "1"]}.
    gates: hold points for tests; detached: survive this program."""

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
            ("--key-file|--kek-file?", self.key_file(VAULT)), ("--key-file-create|--create-kek?", True)]) + self.extra(p)

    def _adapter(self, p):
        psp = self["sandbox-psp"]
        url = f"https://localhost:{psp.port('psp')}"
        return self.options(ADAPTER, self.common(ADAPTER, p) + [
            ("--database", self.databases[ADAPTER]), ("--vault-address", self.addresses(VAULT)), ("--replica-id?", p.name),
            ("--key-file|--kek-file?", self.key_file(ADAPTER)), ("--key-file-create|--create-kek?", True),
            ("--psp", f"sandbox={url},sandbox-stripe={url}"), ("--psp-ca", self.dir / "pki" / "public-ca.pem")]) + self.extra(p)

    def _orchestrator(self, p):
        public = self.dir / "pki" / "public"
        return self.options(ORCHESTRATOR, self.common(ORCHESTRATOR, p) + [
            ("--database", self.databases[ORCHESTRATOR]), ("--vault-address", self.addresses(VAULT)),
            ("--adapter-address", self.addresses(ADAPTER)), ("--replica-id?", p.name),
            ("--key-file|--kek-file?", self.key_file(ORCHESTRATOR)), ("--key-file-create|--create-kek?", True),
            ("--public-grpc-address", f"127.0.0.1:{p.port('public_grpc')}"), ("--rest-address", f"127.0.0.1:{p.port('rest')}"),
            ("--public-tls-cert", f"{public}.pem"), ("--public-tls-key", f"{public}.key"),
            ("--webhook-allow-cidr?", "127.0.0.0/8"), ("--webhook-ca?", self.dir / "pki" / "public-ca.pem")]) + self.extra(p)

    def _masker(self, p):
        return self.options(MASKER, self.common(MASKER, p) + [("--vault-address", self.addresses(VAULT)), ("--replica-id?", p.name)]) + self.extra(p)

    def _relay(self, p):
        return self.options(RELAY, self.common(RELAY, p) + [
            ("--orchestrator-address", self.addresses(ORCHESTRATOR)), ("--masker-addresses", self.addresses(MASKER)),
            ("--relay-id?", p.name), ("--media-address|--media-addresses?", self.media_addresses(p))]) + self.extra(p)

    def media_addresses(self, p):
        """A loopback address of its own for each relay, so that two fleets never meet on a port; ::1 where there is IPv6."""
        number = int(p.name.rsplit("-", 1)[1])
        ipv6 = pathlib.Path("/proc/net/if_inet6")
        return f"127.{20 + os.getpid() % 200}.{os.getpid() // 200 % 250}.{number}" + (",::1" if ipv6.exists() and ipv6.read_text() else "")

    def _psp(self, p):
        certificate = self.dir / "pki" / "sandbox-psp"
        return ["--tls-certificate", f"{certificate}.pem", "--tls-key", f"{certificate}.key", "--port", str(p.port("psp")),
                "--admin-port", str(p.port("admin")), "--state", str(self.dir / "data" / "psp.journal")] + self.extra(p)

    def extra(self, p):
        return [str(flag) for flag in (*self.flags.get(p.binary, ()), *self.flags.get(p.name, ()))]

    def key_file(self, binary):
        return self.dir / "secrets" / f"{binary}.key"

    # --- databases ----------------------------------------------------------------------------------------------

    def _open_databases(self):
        if self.database == "sqlite":
            self.databases = {s: f"sqlite:{self.dir}/data/{s}.db" for s in (VAULT, ADAPTER, ORCHESTRATOR)}
            return
        keeper = subprocess.Popen(["sleep", "infinity"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
                                  preexec_fn=before_exec(self.detached))
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
            codes[p.name] = p.end_in(seconds)
        if self._postgres is not None:
            (os.kill(self._postgres, signal.SIGKILL) if isinstance(self._postgres, int) else self._postgres.kill())
            self._postgres = None
        return codes

    def faults(self):
        """Processes that ended by themselves, or not as SIGTERM asks (status 0, in time), without being killed by us; and
        what sanitizers reported. Ask it after down()."""
        return [fault for p in self.processes.values() for fault in p.faults()]

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
            wait_for(lambda: relay.metric(renewals) > before, READY_SECONDS, f"{relay.name} renewing its lease")

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
