"""The demo's own judgement, without playing it: which figures pass, that one failed check fails the whole, and that every
command printed by --keep works as it stands."""

import copy
import json
import os
import subprocess

import numpy as np
import pytest

import demo
import hints
import judging
import verdict
import voices
from fleet import Fleet
from fleet_view import View
from world import World

EARS = {"caller_keys": 26, "caller_keys_multimon": 26, "agent_keys": 0, "agent_keys_multimon": 0, "flat_tones": 26,
        "speech_frames": 200, "identical_percent": 99.0}


def added(p99_ms, packets=500):
    return {"packets": packets, "p50_ms": p99_ms / 2, "p99_ms": p99_ms}


STATISTICS = {"agent": {"added_delay_secure": added(12.0), "added_delay_plain": added(1.0)},
              "caller": {"added_delay_secure": added(1.0), "added_delay_plain": added(1.0)},
              "relay": {"masker_changes": 1, "caller_to_agent": {"frames_comfort": 3}}}


# --- Which figures pass ---------------------------------------------------------------------------------------------


def test_good_figures_pass():
    assert verdict.keys_heard(EARS, 26, exact=True).ok
    assert verdict.keys_heard({**EARS, "flat_tones": 24}, 26, exact=False).ok
    assert verdict.same_sound("x", EARS, verdict.LEAST_IDENTICAL).ok
    assert verdict.same_sound("x", {**EARS, "identical_percent": 100.0}, verdict.LEAST_IDENTICAL_BACK).ok
    assert verdict.delay(STATISTICS).ok
    assert verdict.masker_lost(STATISTICS).ok


@pytest.mark.parametrize("wrong", [{"agent_keys": 1}, {"agent_keys_multimon": 1}, {"agent_keys_multimon": None}, {"caller_keys": 25},
                                   {"flat_tones": 25}], ids=str)
def test_a_key_at_the_agent_or_one_that_the_ears_missed_at_the_caller_fails(wrong):
    assert not verdict.keys_heard({**EARS, **wrong}, 26, exact=True).ok


def test_a_call_without_keys_proves_nothing():
    assert not verdict.keys_heard({**EARS, "caller_keys": 0, "flat_tones": 0}, 0, exact=True).ok


def test_altered_speech_fails_both_ways_and_the_agents_at_the_first_frame():
    assert not verdict.same_sound("x", {**EARS, "identical_percent": 96.9}, verdict.LEAST_IDENTICAL).ok
    assert not verdict.same_sound("x", {**EARS, "identical_percent": 99.9}, verdict.LEAST_IDENTICAL_BACK).ok
    assert not verdict.same_sound("x", {**EARS, "speech_frames": 20}, verdict.LEAST_IDENTICAL).ok  # muting all is no answer


@pytest.mark.parametrize("side, state, value", [
    ("agent", "secure", added(20.1)),        # with the look-ahead beyond 40 ms
    ("agent", "plain", added(verdict.MOST_PLAIN_MS + 0.1)), ("caller", "secure", added(verdict.MOST_PLAIN_MS + 0.1)),
    ("caller", "plain", added(verdict.MOST_PLAIN_MS + 0.1)),
    ("agent", "secure", added(0.0, packets=0)), ("agent", "plain", added(0.0, packets=0))])
def test_too_late_or_not_measured_fails(side, state, value):
    statistics = copy.deepcopy(STATISTICS)
    statistics[side][f"added_delay_{state}"] = value
    assert not verdict.delay(statistics).ok


def test_the_comparison_hears_one_sample_that_was_altered_and_one_that_was_left_out(tmp_path):
    judge, sent, heard = Fleet(tmp_path / "fleet").program("judge"), tmp_path / "sent.wav", tmp_path / "heard.wav"
    voices.conversation(voices.AGENT, sent, seconds=15)
    said = voices.read(sent)
    loudest = int(np.argmax(np.abs(said.astype(int))))

    def passes(samples):
        voices.write(heard, samples)
        return verdict.same_sound("x", judging.compare(judge, sent, heard), verdict.LEAST_IDENTICAL_BACK).ok
    assert passes(said)
    assert not passes(np.concatenate([said[:loudest], said[loudest:loudest + 1] ^ 1, said[loudest + 1:]]))
    assert not passes(np.delete(said, 8000))


def test_a_masker_that_was_not_replaced_fails():
    assert not verdict.masker_lost({**STATISTICS, "relay": {"caller_to_agent": {}}}).ok


@pytest.fixture
def left(tmp_path):
    """A run that has left everything behind: (folder, references, page)."""
    for side in ("caller-sent", "agent-heard", "agent-sent", "caller-heard"):
        voices.write(tmp_path / f"a-1-{side}.wav", [1] * 6 * voices.RATE)
    for leg in ("caller", "agent"):
        (tmp_path / f"a-1-{leg}.pcap").write_bytes(b"x")
    (tmp_path / "demo.html").write_text("data:image/png;base64,A data:image/png;base64,B")
    return tmp_path, ["a-1"], tmp_path / "demo.html"


def test_what_is_left_behind_must_be_there_and_be_of_this_run(left):
    folder, references, page = left
    assert verdict.left_behind(*left, 0, voices.seconds).ok
    assert not verdict.left_behind(*left, page.stat().st_mtime_ns + 1, voices.seconds).ok  # of an earlier run
    assert not verdict.left_behind(folder, [], page, 0, voices.seconds).ok
    page.write_text("data:image/png;base64,A")
    assert not verdict.left_behind(*left, 0, voices.seconds).ok  # a spectrogram is missing
    page.unlink()
    assert "missing: demo.html" in verdict.left_behind(*left, 0, voices.seconds).figure


@pytest.mark.parametrize("name", ["a-1-caller-heard.wav", "a-1-agent-sent.wav", "a-1-agent.pcap"])
def test_a_recording_that_is_missing_or_empty_fails(left, name):
    path = left[0] / name
    path.write_bytes(b"")
    assert not verdict.left_behind(*left, 0, voices.seconds).ok
    path.unlink()
    assert name in verdict.left_behind(*left, 0, voices.seconds).figure


def test_a_recording_that_breaks_off_fails(left):
    voices.write(left[0] / "a-1-agent-heard.wav", [1] * voices.RATE)
    assert not verdict.left_behind(*left, 0, voices.seconds).ok


# --- One failed check, and the exit status --------------------------------------------------------------------------


def played(monkeypatch, tmp_path, play):
    """tools/demo with something else in place of its calls: exit status and page."""
    monkeypatch.setattr(demo.Demo, "play", play)
    monkeypatch.setattr("sys.argv", ["tools/demo", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        demo.main()
    return ended.value.code, (tmp_path / "demo.html").read_text()


def test_every_check_passed_is_exit_status_0(monkeypatch, tmp_path, capsys):
    status, page = played(monkeypatch, tmp_path, lambda self: [self.check(str(n), True) for n in range(3)])
    assert status == 0 and "every check passed" in page
    assert "PASSED: 3 of 3 checks" in capsys.readouterr().out


@pytest.mark.parametrize("failed", range(3))
def test_one_failed_check_is_another_exit_status_wherever_it_stands(monkeypatch, tmp_path, capsys, failed):
    status, page = played(monkeypatch, tmp_path, lambda self: [self.check(f"check {n}", n != failed) for n in range(3)])
    assert status == 1 and "1 of 3 checks failed" in page
    printed = capsys.readouterr().out
    assert "FAILED: 2 of 3 checks" in printed and f"✗ check {failed}" in printed


def test_a_demo_that_breaks_off_or_checks_nothing_fails(monkeypatch, tmp_path):
    def breaks(self):
        self.check("first", True)
        raise TimeoutError("no masker within 5 s")
    status, page = played(monkeypatch, tmp_path, breaks)
    assert status == 1 and "no masker within 5 s" in page
    status, page = played(monkeypatch, tmp_path, lambda self: None)
    assert status == 1 and "every check passed" not in page


# --- Commands to try ------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """A fleet that may be ended, with one payment, and the commands that the demo would print for it."""
    with World(tmp_path, database="sqlite") as world:
        call, session, _ = world.ready_session()
        session.pay()
        call.hang_up()
        session.close()
        yield world, session, hints.commands(View(world.fleet), world.fleet.dir, session.id, world.quiet, world.quiet, world.dir / "tried")


def typed(world, command):
    """A printed command, typed into bash as it stands; an HTTP error is made an exit status. What it printed."""
    (world.dir / ".curlrc").write_text("fail-with-body\nsilent\n")
    environment = {**os.environ, "CURL_HOME": str(world.dir), "FLATTONE_PRESET": world.fleet.build.name}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, env=environment, cwd=world.dir)
    assert done.returncode == 0, f"{command}\nexit status {done.returncode}: {done.stdout[-1000:]} {done.stderr[-1000:]}"
    return done.stdout


@pytest.mark.slow
def test_every_command_that_is_printed_works_as_it_stands(kept):
    world, session, commands = kept
    printed = hints.text(commands)
    assert all(f"  {hint.command}\n" in printed for hint in commands)
    [payment] = world.api.get("/v1/payments")["payments"]
    told = {hint.name: typed(world, hint.command) for hint in commands if hint.name != "down"}
    assert [p["id"] for p in json.loads(told["payments"])["payments"]] == [payment["id"]]
    assert session.id in told["events"] and "payment.captured" in told["events"]
    made = json.loads(told["session"])
    assert world.api.get(f"/v1/sessions/{made['id']}")["call_reference"] == "mine-1"
    assert payment["id"] in told["grpc"]
    assert "relayId" in told["relays"] or "relay_id" in told["relays"]
    lines = [json.loads(line) for line in told["call"].splitlines()]
    assert [line["payment"]["state"] for line in lines if line["type"] == "payment"] == ["PAYMENT_STATE_CAPTURED"]
    assert list((world.dir / "tried").glob("*-agent-heard.wav"))
    assert json.loads(told["show"])["rest"] == world.rest
    # And last the fleet's end.
    [down] = [hint for hint in commands if hint.name == "down"]
    assert set(json.loads(typed(world, down.command))["ended"]) == set(world.fleet.processes)
    assert not any(process.alive for process in world.fleet.processes.values())
