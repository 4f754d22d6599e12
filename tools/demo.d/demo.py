"""The main job on real sound: four calls through a whole fleet, and independent judges. See tools/demo."""
import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import requests

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tools" / "lib"))

import cards  # noqa: E402
import hints  # noqa: E402
import judging  # noqa: E402
import page  # noqa: E402
import scans  # noqa: E402
import verdict  # noqa: E402
import voices  # noqa: E402
from fleet import Fleet  # noqa: E402
from fleet_view import SERVICES, View  # noqa: E402
from rest import Api  # noqa: E402
from scenario import PayingCall, in_background  # noqa: E402
from show import Screen  # noqa: E402
from webhooks import Receiver  # noqa: E402

DECLINED = "400000990000003"  # the sandbox PSP's "call issuer", without its check digit


class Demo:
    def __init__(self, options):
        self.options, self.screen = options, Screen()
        self.rng = random.Random(options.seed)
        self.build = TOP / "build" / options.preset
        self.out = Path(options.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.verdict, self.sections, self.calls = verdict.Verdict(), [], []
        self.receiver = self.fleet_process = self.fleet = None
        self.page, self.began_ns = self.out / "demo.html", time.time_ns()

    def binary(self, name):
        return self.build / "bin" / name

    def check(self, what, ok, figure=""):
        self.screen.say(f"  {'✓' if ok else '✗'} {what}{': ' if figure != '' else ''}{figure}")
        return self.verdict.add(verdict.Check(what, bool(ok), figure))

    def check_call(self, call, check):
        return self.check(f"{call.name}: {check.what}", check.ok, check.figure)

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
        back = judging.compare(self.binary("judge"), f"{base}-agent-sent.wav", f"{base}-caller-heard.wav")
        relay = call.statistics["relay"]["caller_to_agent"]
        comfort, altered = int(relay.get("frames_comfort", 0)), int(relay.get("frames_altered", 0))
        pressed = len(call.call.statistics["caller"]["key_spans"])
        self.check_call(call, verdict.keys_heard(ears, pressed, exact))
        self.check_call(call, verdict.same_sound("the agent's sound equals the caller's outside the masks", ears, verdict.LEAST_IDENTICAL))
        self.check_call(call, verdict.same_sound("the caller hears the agent untouched", back, verdict.LEAST_IDENTICAL_BACK))
        self.check_call(call, verdict.delay(call.statistics))
        self.screen.say(f"    {comfort} comfort frames, {altered} altered frames of {relay.get('frames_masked', 0)} masked")
        if not exact:
            self.check_call(call, verdict.masker_lost(call.statistics))
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
        """The exit status: 0 when every check has passed."""
        try:
            self.play()
        except Exception as error:  # an honest end: what went wrong is said and counts as failed
            self.check("the demo ran to its end", False, f"{type(error).__name__}: {error}")
            if self.options.trace:
                raise
        finally:
            self.close()
        return self.verdict.exit_status

    def play(self):
        self.start()
        for work in (self.first_call, self.second_call, self.third_call, self.fourth_call):
            work()
        self.screen.head("All together")
        self.scan("after all calls, before any process exits", [call.card for call in self.calls], scans.FINALLY)
        charges = requests.get(self.fleet.psp_admin + "/_sandbox/ledger", timeout=10).json()["charges"]
        self.check("the PSP's ledger: one charge for each paid call", len(charges) == 3, f"{len(charges)} charges")
        self.check("no webhook was refused", not self.receiver.refused, f"{len(self.receiver.deliveries)} verified")
        self.write_page()
        self.check(*verdict.left_behind(self.out, [call.reference for call in self.calls], self.page, self.began_ns, voices.seconds))
        seconds = time.monotonic() - self.screen.begin
        self.check("the demo took at most two minutes", seconds <= 120, f"{seconds:.0f} s")

    def write_page(self):
        page.write(self.page, "Flattone demo: four payments by phone", self.verdict.checks, self.sections, "\n".join(self.screen.lines))

    def close(self):
        for call in self.calls:
            call.abandon()
        self.write_page()
        self.screen.head(f"{self.verdict}; recordings and page in {self.out}, open {self.page}")
        if self.options.keep and self.fleet:
            session = getattr(self.calls[0], "session", "") if self.calls else ""
            commands = hints.commands(self.fleet, self.fleet_process.dir, session, self.caller_wav, self.agent_wav, self.out)
            print(hints.text(commands), flush=True)
        elif self.fleet_process:
            self.fleet_process.down()


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
    sys.exit(Demo(options).run())


if __name__ == "__main__":
    main()
