"""The alert rules over a real fleet: their metrics are there, a sound fleet fires none, a masker killed in a capture does."""

import json
import re
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest
import yaml

from fleet import MASKER, ORCHESTRATOR, RELAY, TOP
from world import World, eventually

RULES = TOP / "deploy" / "prometheus" / "rules.yaml"


class Prometheus:
    """A Prometheus on loopback that scrapes every process of a fleet each second."""

    def __init__(self, world, directory):
        targets = {}
        for process in world.fleet.processes.values():
            if "metrics" in process.ports:
                targets.setdefault(process.binary, []).append(process.address("metrics"))
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}, "rule_files": [str(RULES)],
                  "scrape_configs": [{"job_name": f"flattone-{binary}", "static_configs": [{"targets": where}]} for binary, where in targets.items()]}
        directory.mkdir()
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(directory / "log", "w") as log:
            self.process = subprocess.Popen(["prometheus", f"--config.file={directory}/prometheus.yaml", f"--storage.tsdb.path={directory}/data",
                                             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)
        eventually(lambda: self.get("/-/ready") is not None, 20, "Prometheus is ready")
        count = sum(len(where) for where in targets.values())
        eventually(lambda: self.value("count(up == 1)") == count, 20, "every process is scraped")

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.read()
        except OSError:
            return None

    def value(self, expression):
        answer = self.get("/api/v1/query?query=" + urllib.parse.quote(expression))
        result = json.loads(answer)["data"]["result"] if answer else []
        return float(result[0]["value"][1]) if result else None

    def alerts(self):
        return {(a["labels"]["alertname"], a["state"]) for a in json.loads(self.get("/api/v1/alerts"))["data"]["alerts"]}

    def firing(self):
        return {name for name, state in self.alerts() if state == "firing"}

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("alerts")
    with World(directory / "world") as world:
        prometheus = Prometheus(world, directory / "prometheus")
        yield world, prometheus
        prometheus.close()


def test_every_metric_of_a_rule_is_exported_by_some_process(watched):
    world, _ = watched
    exported = {name.partition("{")[0] for p in world.fleet.processes.values() if "metrics" in p.ports for name in p.metrics()}
    # Counters of a family are not there before they first move.
    families = {"flattone_rpc_refused_total", "flattone_vault_card_opens_refused_total", "flattone_session_job_failures_total"}
    wanted = set(re.findall(r"\bflattone_[a-z0-9_]+", "\n".join(r["expr"] for g in yaml.safe_load(RULES.read_text())["groups"] for r in g["rules"])))
    assert len(wanted) > 30 and wanted - exported <= families


def test_each_relay_is_shown_by_the_orchestrator(watched):
    world, _ = watched
    relay, orchestrator = world.fleet[RELAY], world.fleet[ORCHESTRATOR]
    call = world.call()

    def shown():
        return orchestrator.metric("flattone_session_relay_calls", relay=relay.name) == relay.metric("flattone_relay_calls") >= 1
    eventually(shown, 25, "the relay's calls at the orchestrator")
    assert orchestrator.metric("flattone_session_relay_call_capacity", relay=relay.name) > 0
    assert 0 <= orchestrator.metric("flattone_session_relay_lease_age_seconds", relay=relay.name) < 15
    assert orchestrator.metric("flattone_session_relays", state="ready") == 1
    call.hang_up()


def test_a_payment_in_a_sound_fleet_fires_nothing_and_a_masker_killed_in_a_capture_fires(watched):
    world, prometheus = watched
    call, session, _ = world.ready_session()
    assert session.pay()["state"] == "PAYMENT_STATE_CAPTURED"
    call.hang_up()
    scraped = prometheus.value("sum(flattone_relay_polls_total)")
    eventually(lambda: prometheus.value("sum(flattone_relay_polls_total)") > scraped, what="a scrape after the payment")
    assert prometheus.alerts() == set()
    call = world.call()
    session = world.session(call)
    session.start()
    call.type("4111")
    session.await_count("PAN", 4)
    masker = next(m for m in world.fleet.all(MASKER) if m.metric("flattone_masking_legs_count") > 0)
    masker.kill()
    eventually(lambda: "MaskerStreamLost" in prometheus.firing(), 30, "MaskerStreamLost fires")
    eventually(lambda: ("ProcessDown", "pending") in prometheus.alerts(), 10, "the next scrape misses the masker")
    # The call went on protected: what is typed now is masked and counted by the masker that took over.
    eventually(lambda: session.events.wait_type("session.warning", 10), 10, "the agent was told")
    masker.start()
    call.hang_up()
