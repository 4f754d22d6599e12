"""The session API by REST, as a contact-centre platform drives it."""
import json
import threading
import time
import uuid

import requests


class Problem(Exception):
    """An RFC 9457 answer."""

    def __init__(self, method, path, response):
        try:
            self.problem = response.json()
        except ValueError:
            self.problem = {"detail": response.text[:200]}
        self.status = response.status_code
        super().__init__(f"{method} {path}: {self.status} {self.problem.get('code', '')} {self.problem.get('detail', '')}")


class Api:
    def __init__(self, base, key, ca):
        self.base, self.key, self.ca = base, key, str(ca)
        self.http = requests.Session()

    def _call(self, method, path, body=None, idempotency_key=None, timeout=70):
        headers = {"Authorization": f"Bearer {self.key}"}
        if method != "GET":
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        response = self.http.request(method, self.base + path, json=body, headers=headers, verify=self.ca, timeout=timeout)
        if response.status_code >= 300:
            raise Problem(method, path, response)
        return response.json()

    def get(self, path):
        return self._call("GET", path)

    def post(self, path, body=None, **more):
        return self._call("POST", path, body or {}, **more)


class Events(threading.Thread):
    """One session's server-sent events, resumed where the stream broke; kept with the time they came."""

    def __init__(self, api, session, show):
        super().__init__(daemon=True)
        self.api, self.session, self.show = api, session, show
        self.events, self.stopped = [], False
        self._changed = threading.Condition()
        self.start()

    def run(self):
        last = ""
        while not self.stopped:
            headers = {"Authorization": f"Bearer {self.api.key}", "Accept": "text/event-stream"}
            if last:
                headers["Last-Event-ID"] = last
            try:
                with requests.get(f"{self.api.base}/v1/sessions/{self.session}/events:stream", headers=headers,
                                  verify=self.api.ca, stream=True, timeout=(5, 60)) as response:
                    response.raise_for_status()
                    last = self._read(response, last)
            except requests.RequestException:
                if not self.stopped:
                    time.sleep(0.3)

    def _read(self, response, last):
        data = []
        for raw in response.iter_lines(chunk_size=1):
            line = raw.decode()
            if line.startswith("id:"):
                last = line[3:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].strip())
            elif not line and data:
                self._take(json.loads("".join(data)))
                data = []
                if self.stopped:
                    break
        return last

    def _take(self, event):
        event["_at_ns"] = time.time_ns()
        with self._changed:
            self.events.append(event)
            if event["type"] == "session.ended":
                self.stopped = True
            self._changed.notify_all()
        self.show(event)

    def wait(self, condition, seconds, what):
        """The first event for which condition is true."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for event in self.events:
                    if condition(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no {what} within {seconds} s; last events: "
                                       + ", ".join(e["type"] for e in self.events[-4:]))
                self._changed.wait(left)

    def wait_type(self, kind, seconds=10):
        return self.wait(lambda event: event["type"] == kind, seconds, kind)
