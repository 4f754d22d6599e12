"""What the demo holds against the fleet: the bounds, the checks, and the exit status that they give. Pure."""
from typing import NamedTuple

LEAST_IDENTICAL = 97.0      # per cent of the caller's speech frames outside the masks that the agent hears sample for sample
LEAST_IDENTICAL_BACK = 100  # of the agent's, which nothing may touch
LEAST_SPEECH = 100          # frames; a verdict on fewer does not count
LOOKAHEAD_MS = 20           # sound that the masker holds back, which packets do not show
MOST_SECURE_MS = 40         # added one way while capturing, the look-ahead included
MOST_PLAIN_MS = 5           # added where nothing is masked: "none", and what a busy machine does to a packet


class Check(NamedTuple):
    what: str
    ok: bool
    figure: str = ""


class Verdict:
    def __init__(self):
        self.checks = []

    def add(self, check):
        self.checks.append(check)
        return check.ok

    @property
    def passed(self):
        return sum(check.ok for check in self.checks)

    @property
    def good(self):
        """Every check passed, and there was one."""
        return bool(self.checks) and self.passed == len(self.checks)

    @property
    def exit_status(self):
        return 0 if self.good else 1

    def __str__(self):
        return f"{'PASSED' if self.good else 'FAILED'}: {self.passed} of {len(self.checks)} checks"


def keys_heard(ears, pressed, exact):
    """exact: each key has become one flat tone (not where a masker was lost, whose comfort tone joins them)."""
    ok = (pressed > 0 and ears["agent_keys"] == 0 and ears["agent_keys_multimon"] == 0 and ears["caller_keys"] == pressed
          and (ears["flat_tones"] == pressed or not exact))
    return Check("what spandsp hears", ok,
                 f"caller: {ears['caller_keys']} keys, agent: {ears['agent_keys']} keys, {ears['flat_tones']} flat tones "
                 f"(multimon-ng: {ears['caller_keys_multimon']} and {ears['agent_keys_multimon']})")


def same_sound(what, compared, least):
    return Check(what, compared["identical_percent"] >= least and compared["speech_frames"] >= LEAST_SPEECH,
                 f"{compared['identical_percent']:.2f} % of {compared['speech_frames']} speech frames, sample for sample")


def delay(statistics):
    """p99 of what the fleet adds: from the caller while protected, from the caller otherwise, from the agent always."""
    masked, plain = (statistics["agent"][f"added_delay_{state}"] for state in ("secure", "plain"))
    back = [statistics["caller"][f"added_delay_{state}"] for state in ("secure", "plain")]
    measured = all(d["packets"] >= 50 for d in (masked, plain, *back))
    late_back = max(d["p99_ms"] for d in back)
    ok = (measured and masked["p99_ms"] + LOOKAHEAD_MS <= MOST_SECURE_MS and plain["p99_ms"] <= MOST_PLAIN_MS
          and late_back <= MOST_PLAIN_MS)
    return Check(f"added one way: at most {MOST_SECURE_MS} ms while protected, {MOST_PLAIN_MS} ms otherwise and from the agent (p99)", ok,
                 f"{masked['p99_ms']} + {LOOKAHEAD_MS} ms, {plain['p99_ms']} ms, {late_back} ms")


def masker_lost(statistics):
    relay = statistics["relay"]
    changes, comfort = int(relay.get("masker_changes", 0)), int(relay["caller_to_agent"].get("frames_comfort", 0))
    return Check("another masker took over; frames that no masker gave back in time were comfort tone", changes >= 1,
                 f"{changes} change, {comfort} comfort frames")


def left_behind(out, references, page, began_ns, seconds_of):
    """What a visitor takes away, made by this run: every recording with sound in it, and the page with two spectrograms a call.
    `seconds_of`: length of a WAV file."""
    wavs = [out / f"{reference}-{side}.wav" for reference in references
            for side in ("caller-sent", "agent-heard", "agent-sent", "caller-heard")]
    files = wavs + [out / f"{reference}-{leg}.pcap" for reference in references for leg in ("caller", "agent")]
    missing = [f.name for f in (*files, page) if not f.exists() or f.stat().st_size == 0 or f.stat().st_mtime_ns < began_ns]
    short = [f.name for f in wavs if f.name not in missing and seconds_of(f) < 5]
    drawn = page.read_text(encoding="utf-8").count("data:image/png;base64,") if page.exists() else 0
    ok = bool(references) and not missing and not short and drawn == 2 * len(references)
    problems = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"too short: {', '.join(short)}"] * bool(short)
    return Check("recordings of both sides and the page are there", ok,
                 "; ".join([f"{len(wavs)} WAV and {len(files) - len(wavs)} pcap files, a page with {drawn} spectrograms", *problems]))
