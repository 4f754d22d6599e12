"""JUnit reports of tools/test: writes one for a plain command, tells what may run again, sums all of them up.

  junit.py one FILE SUITE NAME STATUS     a report of one case
  junit.py again FILE                     the failed tests of a report that may run once more, one a line
  junit.py sum DIR                        prints failures and `N passed, N failed, N skipped`; exit 1 on failures

A test that is skipped has failed, and a test that failed is not asked twice; the lists below are the exceptions.
"""

import glob
import os
import re
import sys
import xml.etree.ElementTree as ET

# What may be left out, by a word of the reason that the test gives. Everything else that a machine lacks (PostgreSQL,
# stripe-mock, IPv6) would take a promise out of the gate in silence.
ALLOWED_SKIPS = ("psp-specs",)

# Tests (a Python file, a test of CTest) that measure real time on a machine that may be busy, and judge nothing else: one that
# fails may run once more, alone, and is named flaky if it passes then. Whatever judges money, cards, captures, the wire between
# services or tenants is not among them: a double charge is not forgiven because the next run made none.
RUN_AGAIN = {
    "test_alerts", "test_api_page", "test_bad_input_meanwhile", "test_certificates", "test_fleet_launcher", "test_streams", "test_trace",
    "callbox", "daemon", "http", "memscan", "relay_control", "relay_io", "rpc", "demo",
}
# Tests whose callers type and speak in real time: what did not come in time may be asked for once more; what came wrongly, a
# key that is heard, a card that was kept, may not. Where money is judged, what is late is not forgiven either.
LATE_AGAIN = {
    "test_call_tool", "test_capture", "test_media", "test_media_changes", "test_operator_fleet", "test_payment", "test_ptime", "test_relays",
    "test_replica", "test_secrets", "test_session_choices", "test_typed_again", "test_vault_drain",
}
LATE = re.compile(r": not within \d|no .* within \d")  # how `eventually` and the waits for events and webhooks end
# A race or a leak that a sanitizer saw once is there; and so is a process that ended badly (Fleet.unclean).
NEVER_AGAIN_REPORTS = ("asan-unit", "asan-fuzz", "tsan")
NEVER_AGAIN_WORDS = ("Sanitizer", "runtime error:", "ended badly")


def one(path, suite, name, status):
    failed = status != "0"
    root = ET.Element("testsuite", name=suite, tests="1", failures=str(int(failed)))
    case = ET.SubElement(root, "testcase", classname=suite, name=name)
    if failed:
        ET.SubElement(case, "failure", message=f"exit status {status}")
    ET.ElementTree(root).write(path)


def key(case):
    return case.get("classname"), case.get("name")


def failed(case):
    return case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail"


def skipped(case):
    """The reason, None when it ran."""
    why = case.find("skipped")
    if why is None and case.get("status") not in ("notrun", "disabled"):
        return None
    return " ".join(filter(None, [why.get("message"), why.text] if why is not None else [])) or "no reason given"


def may_run_again(report, case):
    messages = [e.get("message") for e in case if e.get("message")]
    words = "".join(case.itertext()) + "".join(messages)
    where = (case.get("classname") or "").rsplit(".", 1)[-1]
    late = where in LATE_AGAIN and messages and all(LATE.search(message) for message in messages)
    return ((where in RUN_AGAIN or late) and not report.startswith(NEVER_AGAIN_REPORTS)
            and not any(word in words for word in NEVER_AGAIN_WORDS))


def report_of(path):
    return os.path.basename(path).rsplit(".", 1)[0]


def cases_of(path):
    return list(ET.parse(path).iter("testcase"))


def again(path):
    """pytest's node ids or CTest's names. None where the report cannot be read: total() tells so."""
    try:
        cases = cases_of(path)
    except (OSError, ET.ParseError):
        return []
    bad = [case for case in cases if failed(case)]
    # One test may have failed twice, in itself and when its fixture ended.
    never = {key(case) for case in bad if not may_run_again(report_of(path), case)}
    ids = []
    for case in bad:
        classname, name = key(case)
        identity = f"{classname.replace('.', '/')}.py::{name}" if "." in classname else name
        if key(case) not in never and identity not in ids:
            ids.append(identity)
    return ids


def passed_again(path):
    """The cases that failed in this report, might run once more, and passed then (REPORT.again)."""
    try:
        cases = cases_of(path[:-4] + ".again")
    except (OSError, ET.ParseError):
        return set()
    bad = {key(case) for case in cases if failed(case) or skipped(case)}
    return {key(case) for case in cases} - bad


def total(directory):
    passed = bad = left_out = 0
    for path in sorted(glob.glob(os.path.join(directory, "*.xml"))):
        report = report_of(path)
        try:
            cases = cases_of(path)
        except ET.ParseError:
            print(f"FAILED {report}: its report cannot be read")
            bad += 1
            continue
        if not cases:
            print(f"FAILED {report}: no test ran")
            bad += 1
        counts = [0, 0, 0]
        second = passed_again(path)
        for case in cases:
            name = f"{report}: {case.get('name')}"
            why = skipped(case)
            if failed(case) and key(case) in second and may_run_again(report, case):
                counts[0] += 1
                print(f"flaky {name}: passed when run again")
            elif failed(case):
                counts[1] += 1
                print(f"FAILED {name}")
            elif why is None:
                counts[0] += 1
            elif any(word in why for word in ALLOWED_SKIPS):
                counts[2] += 1
                print(f"skipped {name}: {why}"[:200])
            else:
                counts[1] += 1
                print(f"FAILED {name}: did not run: {why}"[:300])
        print(f"{report}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
        passed, bad, left_out = passed + counts[0], bad + counts[1], left_out + counts[2]
    print(f"{passed} passed, {bad} failed, {left_out} skipped")
    return 1 if bad or not passed else 0


if __name__ == "__main__":
    if sys.argv[1] == "one":
        one(*sys.argv[2:6])
    elif sys.argv[1] == "again":
        print("".join(f"{identity}\n" for identity in again(sys.argv[2])), end="")
    else:
        sys.exit(total(sys.argv[2]))
