"""Each process of the card zone is hardened (docs: SECURITY.md): it writes no core, and no other process of its user looks into it.
session-orchestration, which holds no card, is the control: the same looks find it as the system has it."""

import contextlib
import os
import pathlib
import pwd
import resource
import subprocess
import tempfile

import pytest

from fleet import ADAPTER, MASKER, ORCHESTRATOR, RELAY, VAULT
from world import eventually

CARD_ZONE = (RELAY, MASKER, VAULT, ADAPTER)


def core_limits(pid):
    """Soft and hard limit of a core file, as text."""
    [line] = [line for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core file size")]
    return tuple(line.split()[4:6])


@contextlib.contextmanager
def as_nobody(program):
    """The program as a user without rights, who may write cores, waiting for the settings that --config names: a process is
    hardened before it reads them. Root's own processes do not tell whether others may look: to root all is open."""
    user = {} if os.getuid() != 0 else {"user": (nobody := pwd.getpwnam("nobody")).pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    with tempfile.TemporaryDirectory() as directory, open(program, "rb") as file:
        os.chmod(directory, 0o755)
        settings = pathlib.Path(directory) / "settings"
        os.mkfifo(settings)
        os.chmod(settings, 0o644)

        def become():  # by its descriptor: the way to the file may be closed to that user
            _, most = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (most, most))
            os.execve(file.fileno(), [program.name, "--config", str(settings)], {"PATH": "/usr/bin"})

        process = subprocess.Popen([str(program)], preexec_fn=become, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, **user)
        writer = None
        try:
            writer = eventually(lambda: _open_for_writing(settings, process), 30, f"{program.name} reading its settings")
            yield process.pid, user
        finally:
            process.kill()
            process.communicate()
            if writer is not None:
                os.close(writer)


def _open_for_writing(fifo, process):
    assert process.poll() is None, process.stderr.read().decode()
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None  # nobody reads yet


def readable_by_its_user(pid, user):
    """Whether another process of the same user may read what only the process itself should know."""
    return subprocess.run(["cat", f"/proc/{pid}/environ"], capture_output=True, **user).returncode == 0


@pytest.mark.parametrize("binary", CARD_ZONE)
def test_a_process_of_the_card_zone_writes_no_core_and_lets_nobody_look_in(sqlite_world, binary):
    for process in sqlite_world.fleet.all(binary):
        assert core_limits(process.pid) == ("0", "0")
    with as_nobody(sqlite_world.fleet.program(binary)) as (pid, user):
        assert core_limits(pid) == ("0", "0")
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0  # the kernel gives what is not dumpable to root
        assert not readable_by_its_user(pid, user)


def test_the_orchestrator_holds_no_card_and_is_left_as_the_system_has_it(sqlite_world):
    with as_nobody(sqlite_world.fleet.program(ORCHESTRATOR)) as (pid, user):
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]  # the hard limit: a sanitizer lowers the soft one
        assert core_limits(pid)[1] == ("unlimited" if most == resource.RLIM_INFINITY else str(most))
        assert readable_by_its_user(pid, user)
