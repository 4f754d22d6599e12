"""The relays under test: a fleet of ours on loopback, and Debian's rtpengine in user space."""

import pathlib
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tools/lib", "tools/demo.d", "tests/support", "tools/bench.d"):
    if str(TOP / folder) not in sys.path:
        sys.path.insert(0, str(TOP / folder))


class FleetRelay:
    """Calls are protected (masked without a capture) before their first packet."""

    system, ahead, renumbers, lateness = "flattone", 160, False, 0

    def __init__(self, directory):
        from phone import Edge
        from world import World
        self.world = World(directory, database="sqlite")
        self.world.__enter__()
        self.edge = Edge(self.world)

    def connect(self, name, sdp_caller, sdp_agent):
        for_agent = self.edge.offer(name, sdp_caller)
        for_caller = self.edge.answer(name, sdp_agent)
        self.edge._ask("ProtectCall", call_reference=name)
        return for_agent, for_caller

    def disconnect(self, name):
        statistics = self.edge.delete(name)
        way = statistics.caller_to_agent
        return {"masked": way.frames_masked, "comfort": way.frames_comfort, "keys": statistics.keys, "received": way.packets_received,
                "not negotiated": way.dropped_payload_type, "late": way.dropped_late}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.world.__exit__(*error)


class RtpengineRelay:
    """DTMF security "tone" on the caller's media, with detection of in-band tones also beside telephone-event."""

    renumbers = True

    def __init__(self, directory, delay):
        from ng import Rtpengine
        self.system, self.delay = f"rtpengine 10.5.3, {delay} ms", delay
        self.ahead, self.lateness = 0, delay
        self.engine = Rtpengine(pathlib.Path(directory))

    def connect(self, name, sdp_caller, sdp_agent):
        common = {"call-id": name, "from-tag": "a", "ICE": "remove", "flags": ["detect-DTMF"], "delay-buffer": self.delay,
                  "DTMF-security": "tone"}
        offer = self._ask({"command": "offer", "sdp": sdp_caller, **common})
        answer = self._ask({"command": "answer", "to-tag": "b", "sdp": sdp_agent, **common})
        self._ask({"command": "block DTMF", "call-id": name, "from-tag": "a", "DTMF-security": "tone", "delay-buffer": self.delay,
                   "flags": ["detect-DTMF"]})
        return offer["sdp"].decode(), answer["sdp"].decode()

    def _ask(self, message):
        answer = self.engine.ask(message)
        if answer["result"] != b"ok":
            raise RuntimeError(f"rtpengine: {answer}")
        return answer

    def disconnect(self, name):
        self._ask({"command": "delete", "call-id": name, "from-tag": "a", "delete delay": 0})
        return {"keys": 0}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.engine.close()


def machine_is_busy():
    """Load of the last minute per processor; what real time measures depends on it."""
    import os
    return os.getloadavg()[0] / (os.cpu_count() or 1), time.strftime("%Y-%m-%d")
