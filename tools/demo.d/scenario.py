"""One paying call: placed, secured, typed, paid, hung up, with what came of it."""
import threading
import time

from caller import Call
from rest import Events
from show import AgentView, money


class PayingCall:
    """What every call of the demo does; the calls differ in keys, card and what goes wrong."""

    def __init__(self, demo, name, keys, card, amount_minor, title):
        self.demo, self.name, self.card, self.title = demo, name, card, title
        self.amount_minor, self.keys = amount_minor, keys
        self.scans, self.marks, self.payment, self.webhook = [], [], None, None

    # the parts of a call, in their order

    def place(self):
        demo = self.demo
        demo.screen.head(self.title)
        self.call = Call(demo.binary("call"), demo.fleet, self.name, demo.out, self.keys, demo.caller_wav, demo.agent_wav)
        self.reference = self.call.reference
        demo.screen.say(f"  call {self.reference} is up: the caller speaks, the agent answers")
        time.sleep(1.5)
        session = demo.api.post("/v1/sessions", {
            "call_reference": self.reference, "agent": "Ada",
            "intent": {"order_reference": f"order-{self.name}", "purpose": "PURPOSE_CHARGE",
                       "amount": {"amount_minor": str(self.amount_minor), "currency_code": "EUR"}}})
        self.session = session["id"]
        self.events = Events(demo.api, self.session, AgentView(demo.screen).show)

    def secure(self):
        self.call.secure(True)  # before it is: no masked packet counts as plain where delays are compared
        begin = time.monotonic()
        self.demo.api.post(f"/v1/sessions/{self.session}:startCapture")
        self.secured_ns = time.time_ns()
        self.demo.screen.say(f"  secure capture started in {(time.monotonic() - begin) * 1000:.0f} ms: the agent hears no key from here on")
        time.sleep(0.6)

    def type_field(self, index, wait=True):
        self.call.type(self.card[index] + "#", wait)

    def scan(self, moment, clean):
        """Looks while the call goes on; the result is said when it is there."""
        result = self.demo.scan(f"{self.name}: {moment}", [self.card], clean)
        self.scans.append(result)
        return result

    def type_card(self):
        for index in range(3):
            if index:
                time.sleep(1.0)  # the caller says something in between
            self.type_field(index)

    def wait_ready(self):
        self.events.wait_type("session.ready", 10)

    def pay(self):
        self.payment = self.demo.api.post(f"/v1/sessions/{self.session}:pay", {"wait_seconds": 30})
        return self.payment

    def await_webhook(self, types):
        delivery = self.demo.receiver.wait(self.payment["id"], types)
        body = delivery["body"]
        self.webhook = delivery
        self.demo.screen.say(f"  webhook {body['type']} verified (Standard Webhooks): {self.payment['id']}, "
                             f"{money(self.payment['amount'])}, order {self.payment['order_reference']}")

    def say_result(self):
        payment = self.payment
        state = payment["state"].removeprefix("PAYMENT_STATE_").lower()
        more = f", authorisation {payment['authorisation_code']}" if payment.get("authorisation_code") else ""
        if payment.get("instruction", "INSTRUCTION_UNSPECIFIED") != "INSTRUCTION_UNSPECIFIED":
            more += f", the agent is told: {payment['instruction'].removeprefix('INSTRUCTION_').replace('_', ' ').lower()}"
        self.demo.screen.say(f"  result  {state}: {money(payment['amount'])}, card ending {payment.get('last_four', '?')}{more}")

    def finish(self):
        """The session ends, protection goes off after three quiet seconds, the caller hangs up."""
        self.demo.api.post(f"/v1/sessions/{self.session}:end")
        begin = time.monotonic()
        self.demo.wait(lambda: self.demo.api.get(f"/v1/sessions/{self.session}")["protection"] == "PROTECTION_OFF", 12, "end of the protection")
        self.opened_ns = time.time_ns()
        self.demo.screen.say(f"  plain   after {time.monotonic() - begin:.1f} s: no key for three seconds, the line is open again")
        self.call.secure(False)
        time.sleep(1.2)  # plain again: the agent hears the caller without delay
        self.statistics = self.call.hang_up()
        self.events.stopped = True

    def seconds(self, ns):
        return (ns - self.call.first_sample_ns) / 1e9

    def abandon(self):
        if hasattr(self, "call"):
            self.call.kill()


def in_background(work):
    """Runs work in a thread; the returned function waits for it and gives its result or error."""
    box = {}

    def run():
        try:
            box["result"] = work()
        except Exception as error:  # handed to who waits
            box["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait(seconds=60):
        thread.join(seconds)
        if "error" in box:
            raise box["error"]
        if "result" not in box:
            raise TimeoutError("still running")
        return box["result"]

    return wait
