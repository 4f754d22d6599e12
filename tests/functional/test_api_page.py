"""The commands of docs/api.md, as they stand there, against a running fleet."""

import json
import re
import shutil
import subprocess

from fleet import TOP
from world import eventually

BLOCKS = re.findall(r"```sh\n(.*?)```", (TOP / "docs" / "api.md").read_text(), re.S)
FUNCTION = next(line for line in BLOCKS[0].splitlines() if line.startswith("curl()"))


class Page:
    """The commands of the page's nth block, run one by one in a shell."""

    def __init__(self, world, folder, block, key, call_reference="4711@sbc"):
        shutil.copy(world.public_ca, folder / "ca.pem")
        self.folder, self.variables = folder, {"API": world.rest[0], "KEY": key}
        text = BLOCKS[block].replace("4711@sbc", call_reference)
        self.commands = re.findall(r"^curl .*?(?=^(?:curl |#)|\Z)", text, re.M | re.S)

    def run(self, number, **variables):
        self.variables.update(variables)
        script = "\n".join([f"{name}={json.dumps(value)}" for name, value in self.variables.items()] + [FUNCTION, self.commands[number]])
        return subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True, text=True, timeout=30).stdout

    def answer(self, number, **variables):
        return json.loads(self.run(number, **variables))


def test_a_payment_in_six_calls(sqlite_world, tmp_path):
    world = sqlite_world
    call = world.call()
    page = Page(world, tmp_path, 0, world.tenant["key"], call.reference)
    create, start, stream, pay, end = range(5)
    assert len(page.commands) == 5
    session = page.answer(create)
    assert session["state"] == "SESSION_STATE_CREATED", session
    assert page.answer(start, ID=session["id"])["state"] == "SESSION_STATE_CAPTURING"
    call.type_card(world.card())
    eventually(lambda: world.api.get(f"/v1/sessions/{session['id']}")["state"] == "SESSION_STATE_READY", 15, "the card is typed")
    assert page.answer(pay)["state"] == "PAYMENT_STATE_CAPTURED"
    assert page.answer(end)["state"] == "SESSION_STATE_ENDED"
    told = page.run(stream)  # all of it, and then it ends
    assert [f"event: {name}" in told for name in ("session.created", "session.ready", "payment.captured", "session.ended")] == [True] * 4, told
    call.hang_up()


def test_a_platform_and_its_merchant(sqlite_world, tmp_path):
    world = sqlite_world
    platform = world.fleet.ctl("tenant", "create", "--name", "Platform of the page", "--platform", "true", "--max-amount", "500000")["id"]
    key = world.fleet.ctl("key", "create", "--tenant", platform, "--mode", "test", "--roles", "platform,sessions,finance")["secret"]
    page = Page(world, tmp_path, 1, key)
    create, new_key, act, suspend, revoke = range(5)
    assert len(page.commands) == 5
    shop = page.answer(create)
    assert shop["platform_id"] == platform, shop
    made = page.answer(new_key, TENANT=shop["id"])
    assert made["secret"].startswith("ft_test_")
    assert page.answer(act)["sessions"] == []
    assert page.answer(suspend)["suspended_by_platform"]
    assert page.answer(revoke, KEY_ID=made["id"])["revoked"]
