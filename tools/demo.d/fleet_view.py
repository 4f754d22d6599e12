"""What the demo needs to know of a running fleet (tools/lib/fleet.py)."""
from fleet import ADAPTER, MASKER, ORCHESTRATOR, RELAY, VAULT

SERVICES = (RELAY, MASKER, VAULT, ADAPTER, ORCHESTRATOR)


class View:
    def __init__(self, fleet):
        self.fleet = fleet
        end = self.end = fleet.endpoints()
        self.relay, self.rest, self.public_ca = end["relays"][0], end["rest"][0], end["public_ca"]
        self.public_grpc = end["public_grpc"][0]
        self.edge_cert, self.edge_key, self.ca = (end["edge"][k] for k in ("cert", "key", "ca"))
        self.tenant, self.api_key = end["tenants"][0]["id"], end["tenants"][0]["key"]
        self.psp_admin = end["psp"]["admin"]
        self.webhook = end["webhook"]

    def scan_targets(self):
        """Processes that live, and the logs and databases of all, dead ones too."""
        services = [p for p in self.fleet.processes.values() if p.binary in SERVICES]
        return {"processes": [(p.name, p.pid) for p in services if p.alive],
                "logs": [(p.name, p.log) for p in services],
                "databases": [(name, url.removeprefix("sqlite:")) for name, url in self.fleet.databases.items()
                              if url.startswith("sqlite:")]}
