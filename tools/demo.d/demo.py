"""The main job on real sound: four calls through a whole fleet, and independent judges. See tools/demo."""
import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import requests

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tools" / "lib"))

import cards  # noqa: E402
import judging  # noqa: E402
import page  # noqa: E402
import scans  # noqa: E402
import voices  # noqa: E402
from fleet import Fleet  # noqa: E402
from fleet_view import SERVICES, View  # noqa: E402
from rest import Api  # noqa: E402
from scenario import PayingCall, in_background  # noqa: E402
from show import Screen  # noqa: E402
from webhooks import Receiver  # noqa: E402

LEAST_IDENTICAL = 97.0  # per cent of speech frames outside the masks
DECLINED = "400000990000003"  # the sandbox PSP's "call issuer", without its check digit


class Demo:
    def __init__(self, options):
        self.options, self.screen = options, Screen()
        self.rng = random.Random(options.seed)
        self.build = TOP / "build" / options.preset
        self.out = Path(options.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.checks, self.sections, self.calls = [], [], []
        self.receiver = self.fleet_process = None

    def binary(self, name):
        return self.build / "bin" / name

    def check(self, what, ok, figure=""):
        self.checks.append({"what": what, "ok": bool(ok), "figure": figure})
        self.screen.say(f"  {'✓' if ok else '✗'} {what}{': ' if figure != '' else ''}{figure}")
        return ok

    # --- before and after the calls

    def start(self):
        self.screen.say("Flattone demo: a caller pays by card on the keypad, the agent stays on the line and hears no key")
        self.caller_wav, self.agent_wav = self.out / "caller-voice.wav", self.out / "agent-voice.wav"
        voices.conversation(voices.CALLER, self.caller_wav)
        voices.conversation(voices.AGENT, self.agent_wav)
        canary = cards.canary(self.rng)
        directory = self.options.dir or tempfile.mkdtemp(prefix="flattone-demo-")
        self.fleet_process = Fleet(directory, build=self.build, detached=self.options.keep,
                                   flags={service: ["--canary", canary] for service in SERVICES})
        self.fleet_process.up()
        self.fleet = View(self.fleet_process)
        self.api = Api(self.fleet.rest, self.fleet.api_key, self.fleet.public_ca)
        self.scanner = scans.Scanner(self.binary("scan"), canary)
        self.receiver = Receiver(self.fleet.webhook["cert"], self.fleet.webhook["key"])
        endpoint = self.api.post("/v1/webhookEndpoints", {"url": self.receiver.url, "event_types": ["payment.*"], "description": "finance"})
        self.receiver.secret = endpoint["secret"]
        names = ", ".join(f"{p.name} {p.pid}" for p in self.fleet_process.processes.values())
        self.screen.say(f"  the fleet is up: {names}")
        self.check("the judges hear unmasked keys (self-test of spandsp and multimon-ng)", judging.prove(self.binary("judge")))

    def scan(self, moment, scanned_cards, clean):
        result = self.scanner.look(moment, scanned_cards, self.fleet, clean)
        self.check(f"scan, {moment}", result["ok"], scans.describe(result))
        return result

    def psp(self, path, body):
        response = requests.post(self.fleet.psp_admin + path, json=body, timeout=10)
        response.raise_for_status()

    def held(self):
        return requests.get(self.fleet.psp_admin + "/_sandbox/held", timeout=10).json()["held"]

    # --- the four calls

    def first_call(self):
        call = self.new_call("inband", "inband", cards.card(self.rng, "4"), 12550, "Call 1: in-band keys, and a PSP that takes its time")
        call.place()
        call.secure()
        call.type_field(0)
        call.scan("during capture", scans.NEVER)
        call.type_field(1)
        time.sleep(0.5)
        call.type_field(2)
        call.wait_ready()
        self.psp("/_sandbox/faults", {"fault": "hold_before", "operation": "authorise", "count": 1})
        paid = in_background(call.pay)
        self.wait(lambda: self.held(), 10, "the PSP holding the payment")
        call.scan("while the PSP holds the payment", scans.NEVER)
        self.psp("/_sandbox/release", {})
        paid()
        self.settle(call, ("PAYMENT_STATE_CAPTURED",), ("payment.captured",))
        self.judge(call, exact=True)

    def second_call(self):
        call = self.new_call("rfc4733", "rfc4733", cards.card(self.rng, "54"), 4999, "Call 2: keys as RFC 4733 events")
        call.place()
        call.secure()
        call.type_field(0)
        time.sleep(0.5)
        call.type_field(1)
        call.scan("during capture", scans.NEVER)
        call.type_field(2)
        call.wait_ready()
        call.pay()
        self.settle(call, ("PAYMENT_STATE_CAPTURED",), ("payment.captured",))
        self.judge(call, exact=True)

    def third_call(self):
        call = self.new_call("declined", "both", cards.ending(DECLINED, self.rng), 780, "Call 3: events and tones at once, and the bank says no")
        call.place()
        call.secure()
        call.type_card()
        call.wait_ready()
        call.pay()
        self.settle(call, ("PAYMENT_STATE_DECLINED",), ("payment.declined",))
        self.judge(call, exact=True)

    def fourth_call(self):
        call = self.new_call("masker-lost", "inband", cards.card(self.rng, "4"), 1990, "Call 4: the masker is killed half-way")
        call.place()
        call.secure()
        masker = self.masker_of_call()
        call.type_field(0, wait=False)
        time.sleep(1.3)  # in the midst of the number
        call.killed_ns = time.time_ns()
        masker.kill()
        self.screen.say(f"  {masker.name} is killed (SIGKILL) while the caller types")
        call.call.wait_typed()
        call.events.wait(lambda e: any(f.get("problem") in ("FIELD_PROBLEM_MASKER_CHANGED", "FIELD_PROBLEM_KEY_LOST")
                                               for f in e.get("session", {}).get("progress", {}).get("fields", [])),
                                 10, "word to the agent that the field was cleared")
        time.sleep(1.2)
        self.screen.say("  agent  asks for the number once more")
        self.retype(call)
        call.type_field(1)
        call.type_field(2)
        call.wait_ready()
        call.pay()
        self.settle(call, ("PAYMENT_STATE_CAPTURED",), ("payment.captured",))
        self.judge(call, exact=False)
        masker.start()

    def new_call(self, name, keys, card, amount, title):
        call = PayingCall(self, name, keys, card, amount, title)
        self.calls.append(call)
        return call

    def masker_of_call(self):
        """The masker that has a stream with an open leg, by its own metrics."""
        def serving():
            maskers = self.fleet_process.all("dtmf-masking")
            return next((m for m in maskers if m.metric("flattone_masking_legs_count") > 0), None)
        return self.wait(serving, 5, "a masker with the call's leg")

    def retype(self, call):
        """What was typed after the change may stand in the field: the agent clears it, the caller types it anew."""
        session = self.api.get(f"/v1/sessions/{call.session}")
        number = next(f for f in session["progress"]["fields"] if f["field"] == "CARD_FIELD_PAN")
        self.api.post(f"/v1/sessions/{call.session}:restartField",
                      {"field": "CARD_FIELD_PAN", "expected_count": number.get("count", 0)})
        call.type_field(0)

    def settle(self, call, states, webhooks):
        call.say_result()
        self.check(f"{call.name}: outcome", call.payment["state"] in states, call.payment["state"].removeprefix("PAYMENT_STATE_").lower())
        call.await_webhook(webhooks)
        call.scan("after the answer", scans.FINALLY)
        call.finish()

    def wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        raise TimeoutError(f"no {what} within {seconds} s")

    # --- the verdict on one call

    def judge(self, call, exact):
        base = self.out / call.reference
        ears = judging.judge(self.binary("judge"), f"{base}-caller-sent.wav", f"{base}-agent-heard.wav")
        relay = call.statistics["relay"]["caller_to_agent"]
        comfort, altered = int(relay.get("frames_comfort", 0)), int(relay.get("frames_altered", 0))
        pressed = len(call.call.statistics["caller"]["key_spans"])
        figure = (f"caller: {ears['caller_keys']} keys, agent: {ears['agent_keys']} keys, {ears['flat_tones']} flat tones "
                  f"(multimon-ng: {ears['caller_keys_multimon']} and {ears['agent_keys_multimon']})")
        ok = ears["agent_keys"] == 0 and ears["agent_keys_multimon"] == 0 and ears["caller_keys"] == pressed
        if exact:
            ok = ok and ears["flat_tones"] == pressed
        self.check(f"{call.name}: what spandsp hears", ok, figure)
        self.check(f"{call.name}: the agent's sound equals the caller's outside the masks",
                   ears["identical_percent"] >= LEAST_IDENTICAL and ears["speech_frames"] >= 100,
                   f"{ears['identical_percent']:.2f} % of {ears['speech_frames']} speech frames, sample for sample")
        delay = call.statistics["agent"]
        self.screen.say(f"    {comfort} comfort frames, {altered} altered frames of {relay.get('frames_masked', 0)} masked; packets later at the agent: "
                        f"{delay['added_delay_plain']['p50_ms']} ms plain, {delay['added_delay_secure']['p50_ms']} ms secure "
                        f"(p99 {delay['added_delay_secure']['p99_ms']} ms), and 20 ms of sound in the secure state")
        if not exact:
            changes = int(call.statistics["relay"].get("masker_changes", 0))
            self.check(f"{call.name}: another masker took over; frames that no masker gave back in time were comfort tone", changes >= 1,
                       f"{changes} change, {comfort} comfort frames")
        self.sections.append(self.section(call, ears, comfort))

    def section(self, call, ears, comfort):
        base = self.out / call.reference
        caller, agent = voices.read(f"{base}-caller-sent.wav"), voices.read(f"{base}-agent-heard.wav")
        strip = page.Strip(max(len(caller), len(agent)) / voices.RATE)
        strip.sound("caller", caller)
        strip.spans("keys pressed", [(at / voices.RATE, length / voices.RATE) for at, length in call.statistics["caller"]["key_spans"]], "key")
        strip.sound("agent, recorder, supervisor", agent)
        strip.spans("flat tones heard", [(tone["at_ms"] / 1000, tone["ms"] / 1000) for tone in ears["tones"]], "tone")
        strip.spans("protected", [(call.seconds(call.secured_ns), (call.opened_ns - call.secured_ns) / 1e9)], "secure")
        marks = [(call.seconds(event["_at_ns"]), self.mark(event)) for event in call.events.events if self.mark(event)]
        if call.webhook:
            marks.append((call.seconds(call.webhook["at_ns"]), "webhook verified"))
        if hasattr(call, "killed_ns"):
            marks.append((call.seconds(call.killed_ns), "masker killed"))
        strip.marks(marks)
        state = call.payment["state"].removeprefix("PAYMENT_STATE_").lower()
        return {"title": call.title, "svg": strip.svg(),
                "text": f"Payment {call.payment['id']}: {state}. Agent: {ears['agent_keys']} keys heard, {ears['flat_tones']} flat tones, "
                        f"{comfort} comfort frames, {ears['identical_percent']:.2f} % of speech frames identical."}

    @staticmethod
    def mark(event):
        kind = event["type"]
        if kind == "session.progress":
            fields = event["session"].get("progress", {}).get("fields", [])
            last = [f for f in fields if f.get("state") in ("FIELD_STATE_COMPLETE", "FIELD_STATE_INVALID")]
            return f"field {len(last)} complete" if last and fields[len(last) - 1].get("count") and all(
                not f.get("count") for f in fields[len(last):]) else ""
        return kind.removeprefix("session.").replace("_", " ")

    # --- all of it

    def run(self):
        try:
            self.start()
            for work in (self.first_call, self.second_call, self.third_call, self.fourth_call):
                work()
            self.screen.head("All together")
            self.scan("after all calls, before any process exits", [call.card for call in self.calls], scans.FINALLY)
            charges = requests.get(self.fleet.psp_admin + "/_sandbox/ledger", timeout=10).json()["charges"]
            self.check("the PSP's ledger: one charge for each paid call", len(charges) == 3, f"{len(charges)} charges")
            self.check("no webhook was refused", not self.receiver.refused, f"{len(self.receiver.deliveries)} verified")
            seconds = time.monotonic() - self.screen.begin
            self.check("the demo took at most two minutes", seconds <= 120, f"{seconds:.0f} s")
        except Exception as error:  # an honest end: what went wrong is said and counts as failed
            self.check("the demo ran to its end", False, f"{type(error).__name__}: {error}")
            if self.options.trace:
                raise
        finally:
            self.close()
        return all(check["ok"] for check in self.checks) and bool(self.checks)

    def close(self):
        for call in self.calls:
            call.abandon()
        path = self.out / "demo.html"
        page.write(path, "Flattone demo: four payments by phone", self.checks, self.sections, "\n".join(self.screen.lines))
        good = all(check["ok"] for check in self.checks)
        self.screen.head(f"{'PASSED' if good else 'FAILED'}: {sum(c['ok'] for c in self.checks)} of {len(self.checks)} checks; "
                         f"recordings and page in {self.out}, open {path}")
        if self.options.keep and self.fleet_process:
            keep_hints(self)
        elif self.fleet_process:
            self.fleet_process.down()


def keep_hints(demo):
    """Commands to try; each of them works as it stands."""
    fleet, directory, pki = demo.fleet, demo.fleet_process.dir, demo.fleet_process.dir / "pki"
    tools = Path(os.environ.get("FLATTONE_TOOLS", Path.home() / ".cache" / "flattone")) / "go" / "bin"
    curl = f"curl --cacert {fleet.public_ca} -H 'Authorization: Bearer {fleet.api_key}'"
    grpcurl = f"{tools}/grpcurl -cacert"
    intent = '{"order_reference": "order-1", "purpose": "PURPOSE_CHARGE", "amount": {"amount_minor": 1999, "currency_code": "EUR"}}'
    print(f"""
The fleet stays up. Try, with the test key of this fleet:

  {curl} {fleet.rest}/v1/payments
  {curl} {fleet.rest}/v1/sessions/{demo.calls[0].session}/events
  {curl} -H "Idempotency-Key: try-$RANDOM" -d '{{"call_reference": "mine-1", "agent": "me", "intent": {intent}}}' {fleet.rest}/v1/sessions
  {grpcurl} {fleet.public_ca} -H 'authorization: Bearer {fleet.api_key}' {fleet.public_grpc} flattone.session.v1.SessionService/ListPayments
  {grpcurl} {fleet.ca} -cert {pki}/operator.pem -key {pki}/operator.key {fleet.end["orchestrators"][0]} flattone.session.v1.SessionAdminService/ListRelays

A whole payment in a call of your own (a made-up card, both sides recorded in {demo.out}):

  FLATTONE_API_KEY={fleet.api_key} {TOP}/tools/call --relay {fleet.relay} --cert {fleet.edge_cert} --key {fleet.edge_key} --ca {fleet.ca} \\
    --tenant {fleet.tenant} --api {fleet.public_grpc} --api-ca {fleet.public_ca} --caller-wav {demo.caller_wav} --agent-wav {demo.agent_wav} --out {demo.out}

  {TOP}/tools/fleet show --dir {directory}
  {TOP}/tools/fleet down --dir {directory}        # ends it
""", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the fleet up and print commands to try")
    parser.add_argument("--out", default=str(TOP / "build" / "demo"), help="folder for recordings and page (build/demo)")
    parser.add_argument("--dir", help="folder of the fleet; a new one in /tmp without")
    parser.add_argument("--preset", default="release")
    parser.add_argument("--seed", type=int, default=None, help="the same cards again")
    parser.add_argument("--trace", action="store_true", help="show where an error came from")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().getrandbits(32)
    sys.exit(0 if Demo(options).run() else 1)


if __name__ == "__main__":
    main()
