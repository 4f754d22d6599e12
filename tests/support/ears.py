"""What the agent heard, judged by ears that are not Flattone's: tools/judge (spandsp, multimon-ng), proven first."""

import functools
import json
import subprocess
import wave


@functools.cache
def _proven(judge):
    """A verdict of ears that have not been proven does not count."""
    subprocess.run([judge, "--self-test"], check=True, capture_output=True)
    return judge


class Recordings:
    """Both sides' recordings of a call that has hung up. Times are seconds since the caller's first sample."""

    def __init__(self, world, call):
        self.judge = _proven(str(world.fleet.program("judge")))
        self.folder, self.reference = world.dir / "calls", call.reference
        self.first_sample_ns = call.first_sample_ns

    def path(self, what):
        return self.folder / f"{self.reference}-{what}.wav"

    def seconds(self, wall_ns):
        """Where on the recordings a moment of the wall clock lies."""
        return (wall_ns - self.first_sample_ns) / 1e9

    def heard(self, what="agent-heard", begin=0.0, end=None):
        """{"spandsp": keys, "multimon": keys, "flat": tones} between two moments."""
        path = self._cut(self.path(what), begin, end) if begin > 0 or end is not None else self.path(what)
        report = json.loads(subprocess.run([self.judge, path], check=True, capture_output=True, text=True).stdout)
        assert report["multimon"]["available"], "multimon-ng is not installed; tools/setup installs it"
        return {"spandsp": report["spandsp"]["keys"], "multimon": report["multimon"]["keys"], "flat": report["flat_tones"]["count"]}

    def _cut(self, path, begin, end):
        with wave.open(str(path)) as whole:
            rate = whole.getframerate()
            whole.setpos(min(whole.getnframes(), max(0, int(begin * rate))))
            left = whole.getnframes() - whole.tell()
            frames = whole.readframes(left if end is None else max(0, min(left, int((end - max(begin, 0)) * rate))))
            cut = path.with_name(f"{path.stem}-{begin:.2f}-{end or 0:.2f}.wav")
            with wave.open(str(cut), "wb") as part:
                part.setparams(whole.getparams())
                part.writeframes(frames)
        return cut

    def assert_nothing_leaked(self, pressed):
        """The caller's own recording holds at least `pressed` keys for the same ears, the agent's none."""
        caller, agent = self.heard("caller-sent"), self.heard()
        assert min(caller["spandsp"], caller["multimon"]) >= pressed, f"the ears heard {caller} of {pressed} keys pressed"
        assert agent["spandsp"] == 0 and agent["multimon"] == 0, f"the agent heard {agent}"
        return agent
