"""What the demo prints: a line when something happens, with the seconds since it began."""
import sys
import time

FIELDS = {"CARD_FIELD_PAN": "number", "CARD_FIELD_EXPIRY": "expiry", "CARD_FIELD_SECURITY_CODE": "code",
          "CARD_FIELD_POSTCODE": "postcode"}
PROBLEMS = {"FIELD_PROBLEM_MASKER_CHANGED": "cleared: another masker took over", "FIELD_PROBLEM_KEY_LOST": "cleared: a key was lost",
            "FIELD_PROBLEM_CHECK_DIGIT": "wrong check digit", "FIELD_PROBLEM_RESTARTED": "restarted",
            "FIELD_PROBLEM_CLEARED_BY_CALLER": "cleared by the caller"}


class Screen:
    def __init__(self):
        self.begin, self.lines = time.monotonic(), []

    def say(self, text=""):
        line = f"{time.monotonic() - self.begin:6.1f} s  {text}" if text else ""
        self.lines.append(line)
        print(line, flush=True)

    def head(self, text):
        self.say()
        self.say(text)


def money(amount):
    return f"{int(amount['amount_minor']) / 100:.2f} {amount['currency_code']}"


def brand_of(item):
    brand = item.get("brand", "").removeprefix("CARD_BRAND_").capitalize()
    return "" if brand == "Unspecified" else brand


def progress_line(progress):
    """The three fields as the agent's page shows them."""
    parts = []
    for field in progress.get("fields", []):
        name = FIELDS.get(field["field"], field["field"])
        masked = field.get("masked", "")
        sign = {"FIELD_STATE_COMPLETE": " ✓", "FIELD_STATE_INVALID": " ✗"}.get(field.get("state"), "")
        brand = brand_of(field)
        problem = PROBLEMS.get(field.get("problem", ""), field.get("problem", "").removeprefix("FIELD_PROBLEM_").lower())
        extra = ", ".join(text for text in (brand, problem) if text and text != "unspecified")
        parts.append(f"{name} {masked or '–'}{sign}" + (f" ({extra})" if extra else ""))
    return "   ".join(parts)


class AgentView:
    """Prints a session's events as the agent sees them: each third key, each end of a field, each change."""

    def __init__(self, screen):
        self.screen, self.last_state, self.last_line = screen, None, ""

    def show(self, event):
        kind = event["type"]
        if kind in ("session.progress", "session.ready"):
            self._progress(event["session"].get("progress", {}), kind == "session.ready")
        elif kind == "session.warning":
            self.screen.say(f"  agent  ⚠ {event.get('message', 'warning')}")
        elif kind in ("session.protection_changed", "session.capture_started", "session.capture_ended", "session.ended"):
            session = event.get("session", {})
            protection = session.get("protection", "").removeprefix("PROTECTION_").lower()
            self.screen.say(f"  agent  {kind.removeprefix('session.').replace('_', ' ')}"
                            + (f": protection {protection}" if protection else ""))
        elif kind.startswith("payment."):
            payment = event.get("payment", {})
            self.screen.say(f"  agent  payment {kind.removeprefix('payment.')}  {money(payment['amount']) if 'amount' in payment else ''}"
                            f"  {brand_of(payment)} {payment.get('last_four', '')}".rstrip())

    def _progress(self, progress, ready):
        fields = progress.get("fields", [])
        state = [(f["field"], f.get("state"), f.get("problem")) for f in fields]
        count = sum(f.get("count", 0) for f in fields)
        if state == self.last_state and not ready and count % 4 != 0:
            return
        self.last_state = state
        line = progress_line(progress) + ("   ready to pay" if ready else "")
        if line != self.last_line:
            self.screen.say(f"  agent  {line}")
        self.last_line = line


if __name__ == "__main__":
    sys.exit("show.py is a part of tools/demo")
