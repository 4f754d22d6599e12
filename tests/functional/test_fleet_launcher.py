"""tools/fleet itself, on stand-ins for the services: what it starts, finds, signals, restarts and ends."""

import json
import os
import pathlib
import signal
import stat
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tools" / "lib"))
from fleet import Fleet, FleetError  # noqa: E402

# Announces the ports that it was given (or some), tells its flags, drains on SIGTERM.
STAND_IN = r'''#!/usr/bin/python3 -IS
import ctypes, json, os, pathlib, signal, sys
name = pathlib.Path(sys.argv[0]).name
ctypes.CDLL(None).prctl(15, name.encode()[:15], 0, 0, 0)
FLAGS = "--grpc-address --metrics-address --tls-cert --tls-key --tls-ca --ready-file --database --vault-address --adapter-address " \
        "--orchestrator-address --masker-addresses --psp --psp-ca --public-grpc-address --rest-address --public-tls-cert --public-tls-key " \
        "--allow-test-gates --test-gates"
if "--help" in sys.argv:
    print(FLAGS)
    sys.exit(0)
given = dict(zip(sys.argv[1:], sys.argv[2:]))
if "--break" in sys.argv:
    print('{"level":"error","msg":"database is broken"}', file=sys.stderr)
    sys.exit(1)
def port(flag):
    asked = int(given.get(flag, ":0").rsplit(":", 1)[1])
    return asked or 20000 + (os.getpid() * 7 + hash(flag)) % 20000
signal.signal(signal.SIGTERM, lambda *_: (print("drained", flush=True), sys.exit(int(given.get("--end-with", "0")))))
print(json.dumps({"argv": sys.argv[1:]}), file=sys.stderr, flush=True)
print(given.get("--say", ""), file=sys.stderr, flush=True)
if name == "sandbox-psp":
    print(json.dumps({"port": 1, "admin_port": 2}), flush=True)
else:
    ports = {"grpc": port("--grpc-address"), "metrics": port("--metrics-address")}
    if name == "media-relay":  # renews its lease whenever it is looked at
        import http.server, threading
        class Metrics(http.server.BaseHTTPRequestHandler):
            seen = 0
            def do_GET(self):
                Metrics.seen += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"flattone_relay_lease_renewals_total %d\n" % Metrics.seen)
            def log_message(self, *_):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Metrics)
        ports["metrics"] = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if name == "session-orchestration":
        ports.update(rest=port("--rest-address"), public_grpc=port("--public-grpc-address"))
    path = pathlib.Path(given["--ready-file"])
    path.with_suffix(".part").write_text(json.dumps({"ports": ports}))
    path.with_suffix(".part").rename(path)
while True:
    signal.pause()
'''
# Remembers how it was called; a secret must come from a file.
CTL = r'''#!/usr/bin/python3 -IS
import json, pathlib, sys
with open(pathlib.Path(__file__).parent / "calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\n")
number = sum(1 for _ in open(pathlib.Path(__file__).parent / "calls"))
if "refuse" in sys.argv:
    sys.exit("flattonectl: NOT_FOUND: no such thing")
print(json.dumps({"id": f"ten_{number}", "secret": "ft_test_x", "account_id": "psa_1"}))
'''


@pytest.fixture
def build(tmp_path):
    folder = tmp_path / "build" / "bin"
    folder.mkdir(parents=True)
    for name in ("media-relay", "dtmf-masking", "tokenisation-vault", "gateway-adapter", "session-orchestration", "sandbox-psp"):
        (folder / name).write_text(STAND_IN)
    (folder / "flattonectl").write_text(CTL)
    for path in folder.iterdir():
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder.parent


@pytest.fixture
def fleet(build, tmp_path):
    fleet = Fleet(tmp_path / "fleet", build=build)
    yield fleet
    fleet.down()


def flags_of(process):
    argv = next(r["argv"] for r in reversed(process.records()) if "argv" in r)
    return {a: b for a, b in zip(argv, argv[1:]) if a.startswith("--")}


def test_up_wires_every_service_to_the_ports_of_the_others(fleet):
    fleet.up()
    assert len(fleet.processes) == 7 and all(p.alive for p in fleet.processes.values())
    relay, masker = flags_of(fleet["media-relay"]), flags_of(fleet["dtmf-masking-2"])
    assert relay["--masker-addresses"] == f"{fleet['dtmf-masking-1'].address()},{fleet['dtmf-masking-2'].address()}"
    assert relay["--orchestrator-address"] == fleet["session-orchestration"].address()
    assert masker["--vault-address"] == fleet["tokenisation-vault"].address()
    assert masker["--tls-cert"].endswith("/dtmf-masking.pem") and os.path.exists(masker["--tls-cert"])
    assert flags_of(fleet["gateway-adapter"])["--database"].startswith("sqlite:")
    shown = fleet.endpoints()
    assert shown["rest"] == [f"https://localhost:{fleet['session-orchestration'].ports['rest']}"]
    assert json.loads((fleet.dir / "fleet.json").read_text())["tenants"] == shown["tenants"]


def test_a_tenant_has_key_account_and_edge_and_no_secret_is_an_argument(fleet, build):
    fleet.up()
    fleet.add_tenant("Second", psp="stripe")
    calls = (build / "bin" / "calls").read_text()
    assert "psp put" in calls and "--credential secret_key=@" in calls and "sk_test_" not in calls
    assert calls.strip().splitlines()[-1].endswith("--tenants " + ",".join(t["id"] for t in fleet.tenants))
    secret = next((fleet.dir / "secrets").glob("*.stripe"))
    assert secret.stat().st_mode & 0o077 == 0
    with pytest.raises(FleetError, match="NOT_FOUND: no such thing"):
        fleet.ctl("refuse")


def test_signals_stop_continue_kill_and_a_restart_keeps_the_ports(fleet):
    fleet.up()
    vault = fleet["tokenisation-vault"]
    ports, pid = dict(vault.ports), vault.pid
    vault.stop()
    assert vault.alive
    vault.cont()
    vault.kill()
    assert not vault.alive
    vault.restart()
    assert vault.alive and vault.pid != pid and vault.ports == ports


def test_down_drains_everything_also_what_was_stopped(fleet):
    fleet.up()
    fleet["dtmf-masking-1"].stop()
    assert set(fleet.down().values()) == {0}
    assert not any(p.alive for p in fleet.processes.values())


def test_who_ends_badly_is_told_and_who_was_killed_is_not(fleet):
    fleet.flags = {"dtmf-masking-2": ["--end-with", "9"], "media-relay": ["--say", "relay.cc:1:2: runtime error: shift exponent 64"]}
    fleet.up()
    fleet["tokenisation-vault"].kill()
    fleet["tokenisation-vault"].restart()
    fleet["gateway-adapter"].signal(signal.SIGSEGV)
    fleet["gateway-adapter"].wait()
    fleet["gateway-adapter"].start()
    fleet["session-orchestration"].terminate()
    fleet["session-orchestration"].start()
    fleet.down()
    told = sorted(fleet.faults())
    assert told[:2] == ["dtmf-masking-2 ended badly: exit status 9", "gateway-adapter-1 ended badly: signal 11"]
    assert len(told) == 3 and told[2].startswith("media-relay-1: a sanitizer's finding\n") and told[2].endswith("\nrelay.cc:1:2: runtime error: shift exponent 64")


def test_a_service_that_does_not_start_is_named_with_its_last_words_and_nothing_stays(fleet):
    fleet.flags = {"gateway-adapter": ["--break"]}
    with pytest.raises(FleetError, match="gateway-adapter-1 ended with status 1(.|\n)*database is broken"):
        fleet.up()
    assert not any(p.alive for p in fleet.processes.values())


def test_a_flag_that_a_service_does_not_have_is_named(fleet, build):
    masker = build / "bin" / "dtmf-masking"
    masker.write_text(STAND_IN.replace("--vault-address ", ""))
    with pytest.raises(FleetError, match="dtmf-masking has no flag --vault-address"):
        fleet.up()


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(FleetError, match="need --database postgresql"):
        Fleet(tmp_path, replicas=2)
    with pytest.raises(FleetError, match="must be sqlite or postgresql"):
        Fleet(tmp_path, database="oracle")
    with pytest.raises(FleetError, match="is not built"):
        Fleet(tmp_path, build=tmp_path / "nowhere").program("media-relay")


def test_the_command_leaves_a_fleet_running_and_ends_it(build, tmp_path):
    def tool(*arguments, check=True):
        done = subprocess.run([sys.executable, TOP / "tools" / "fleet", *arguments, "--dir", tmp_path / "f"], capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return json.loads(done.stdout) if check else done

    up = tool("up", "--build", str(build))
    try:
        assert all(os.path.exists(f"/proc/{p['pid']}") for p in up["processes"].values())
        assert "is running" in tool("up", check=False).stderr
        assert tool("show")["processes"] == up["processes"]
        assert tool("kill", "dtmf-masking-2")["alive"] is False
        assert tool("restart", "dtmf-masking-2")["alive"] is True
        assert "no process nobody" in tool("kill", "nobody", check=False).stderr
    finally:
        tool("down")
    assert not any(p.alive for p in Fleet.load(tmp_path / "f").processes.values())


def test_on_postgresql_each_service_has_its_own_database_and_login(build, tmp_path):
    fleet = Fleet(tmp_path / "fleet", build=build, database="postgresql", replicas=2)
    try:
        try:
            fleet.up()
        except FleetError as error:
            if "not installed" in str(error):
                pytest.skip(str(error))
            raise
        assert len(fleet.all("tokenisation-vault")) == 2 and len(fleet.all("gateway-adapter")) == 2
        own = fleet.databases["tokenisation-vault"]
        assert fleet.sql("SELECT current_user", own).strip() == "tokenisation_vault"
        with pytest.raises(FleetError, match="permission denied"):
            fleet.sql("SELECT 1", own.replace("//tokenisation_vault@", "//gateway_adapter@"))
    finally:
        fleet.down()
