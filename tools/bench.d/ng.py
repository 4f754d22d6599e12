"""rtpengine's NG protocol, as much as two-way calls need: bencode over UDP."""

import itertools
import socket
import subprocess
import time


def bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(v) for k, v in sorted(value.items())) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    if isinstance(value, int):
        return b"i%de" % value
    data = value.encode() if isinstance(value, str) else value
    return b"%d:%s" % (len(data), data)


def bdecode(data, at=0):
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        return dict(zip((k.decode() for k in items[::2]), items[1::2])), at + 1
    colon = data.index(b":", at)
    length = int(data[at:colon])
    return data[colon + 1:colon + 1 + length], colon + 1 + length


class Rtpengine:
    """Debian's rtpengine in user space, one thread."""

    def __init__(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = open(directory / "rtpengine.log", "wb")
        self.process = subprocess.Popen(
            ["rtpengine", "--config-file=none", "--table=-1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{self.port}",
             "--port-min=40000", "--port-max=60000", "--num-threads=1", "--foreground", "--log-stderr", "--log-level=4",
             f"--pidfile={directory}/pid"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", self.port))
        self.socket.settimeout(1)
        self.cookies = itertools.count(1)
        end = time.monotonic() + 10
        while True:
            try:
                if self.ask({"command": "ping"})["result"] == b"pong":
                    return
            except OSError:
                if time.monotonic() > end:
                    raise RuntimeError("rtpengine does not answer") from None
                time.sleep(0.1)

    def ask(self, message):
        cookie = b"%d" % next(self.cookies)
        self.socket.send(cookie + b" " + bencode(message))
        while True:
            answer = self.socket.recv(65536)
            if answer.startswith(cookie + b" "):
                return bdecode(answer, len(cookie) + 1)[0]

    def call(self, name, sdp_a, sdp_b):
        """Offer and answer; the SDPs that each side is to be sent: (for b, for a)."""
        offer = self.ask({"command": "offer", "call-id": name, "from-tag": "a", "sdp": sdp_a, "ICE": "remove", "replace": ["origin"]})
        if offer["result"] != b"ok":
            raise RuntimeError(f"rtpengine offer: {offer}")
        answer = self.ask({"command": "answer", "call-id": name, "from-tag": "a", "to-tag": "b", "sdp": sdp_b, "ICE": "remove"})
        return offer["sdp"].decode(), answer["sdp"].decode()

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
