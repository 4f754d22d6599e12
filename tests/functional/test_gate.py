"""What the gate's closing lines forgive: nothing that was left out, and no second run where money, cards or tenants are judged."""

import xml.etree.ElementTree as ET

import pytest

import junit

LATE = "tests.functional.test_streams"
MONEY = "tests.functional.test_payment"


def report(path, *cases):
    """cases: (classname, name, None or a tag, its message)."""
    suite = ET.Element("testsuite")
    for classname, name, tag, message in cases:
        case = ET.SubElement(suite, "testcase", classname=classname, name=name)
        if tag:
            ET.SubElement(case, tag, message=message)
    ET.ElementTree(suite).write(path)


def closing(folder, capsys):
    """(exit status, lines)."""
    status = junit.total(str(folder))
    return status, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("why", ["PostgreSQL 15 is not installed; tools/setup installs it", "stripe-mock is not installed",
                                 "this machine has no IPv6"])
def test_what_the_machine_lacks_fails(tmp_path, capsys, why):
    report(tmp_path / "f.xml", (LATE, "one", None, ""), (LATE, "two", "skipped", why))
    status, lines = closing(tmp_path, capsys)
    assert status == 1 and lines[-1] == "1 passed, 1 failed, 0 skipped" and f"FAILED f: two: did not run: {why}" in lines


def test_a_reason_on_the_list_is_named_and_does_not_fail(tmp_path, capsys):
    report(tmp_path / "f.xml", (LATE, "one", None, ""), (LATE, "two", "skipped", "psp-specs are not there"))
    status, lines = closing(tmp_path, capsys)
    assert status == 0 and lines[-1] == "1 passed, 0 failed, 1 skipped" and "skipped f: two: psp-specs are not there" in lines


def test_a_binary_that_was_not_built_fails(tmp_path, capsys):
    (tmp_path / "unit.xml").write_text('<testsuite><testcase classname="http" name="http" status="notrun"/></testsuite>')
    status, lines = closing(tmp_path, capsys)
    assert status == 1 and lines[-1] == "0 passed, 1 failed, 0 skipped"


@pytest.mark.parametrize("classname, name, again", [
    (LATE, "test_a[1::2]", ["tests/functional/test_streams.py::test_a[1::2]"]), ("http", "http", ["http"]), (MONEY, "test_a", []),
    ("gateway_runner", "gateway_runner", []), ("tests.chaos.test_unplugged.TestDatabaseUnplugged", "test_a", []),
    ("", "tests.functional.test_x", [])])
def test_only_what_measures_time_runs_once_more_and_is_named_flaky(tmp_path, capsys, classname, name, again):
    report(tmp_path / "f.xml", (classname, name, "failure", "late"), (LATE, "other", None, ""))
    assert junit.again(str(tmp_path / "f.xml")) == again
    report(tmp_path / "f.again", (classname, name, None, ""))
    status, lines = closing(tmp_path, capsys)
    assert status == (0 if again else 1)
    assert (f"flaky f: {name}: passed when run again" if again else f"FAILED f: {name}") in lines


@pytest.mark.parametrize("where, message, again", [
    ("test_media", "AssertionError: PAN has 2 keys: not within 10 s", True), ("test_media", "AssertionError: an event has reached the agent", False),
    ("test_payment", "TimeoutError: no session.ready within 15 s; last events: []", True), ("test_payment", "assert 2 == 1", False),
    ("test_concurrency", "AssertionError: a charge: not within 10 s", False)])
def test_what_came_late_is_asked_for_once_more_and_what_came_wrongly_is_not(tmp_path, where, message, again):
    report(tmp_path / "f.xml", (f"tests.functional.{where}", "test_a", "failure", message))
    assert bool(junit.again(str(tmp_path / "f.xml"))) == again


@pytest.mark.parametrize("name, message", [("f", "relay ended badly: signal 6"), ("f", "x.cc:1: runtime error: shift"), ("tsan", "exit"),
                                           ("asan-unit", "exit")])
def test_a_sanitizers_finding_and_a_bad_end_are_never_forgiven(tmp_path, capsys, name, message):
    path = tmp_path / f"{name}.xml"
    report(path, ("http", "http", "failure", message))
    assert junit.again(str(path)) == []
    report(path.with_suffix(".again"), ("http", "http", None, ""))
    assert closing(tmp_path, capsys)[0] == 1


def test_what_fails_again_or_only_when_its_fixture_ends_stays_failed(tmp_path, capsys):
    report(tmp_path / "f.xml", (LATE, "a", "failure", "late"), (LATE, "b", "failure", "late"))
    report(tmp_path / "f.again", (LATE, "a", "failure", "late"), (LATE, "b", None, ""), (LATE, "b", "error", "teardown"))
    status, lines = closing(tmp_path, capsys)
    assert status == 1 and lines[-1] == "0 passed, 2 failed, 0 skipped"
