"""The OpenAPI document judged from outside: valid, the same as the committed one, and true of the running server.

schemathesis makes requests from the document and checks every answer against it: with a key and without, and with
prepared objects, so that each operation succeeds at least once. Streams do not end and are read by
test_streams.py. Its verdict counts only after it has found a document that was made wrong on purpose."""

import collections
import json
import os
import re
import subprocess
import sys

import pytest
import requests
from openapi_spec_validator import validate

from prepared import prepare, write_config
from world import TOP

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
DOCUMENT = TOP / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def ids(sqlite_world):
    yield prepare(sqlite_world)
    for call in sqlite_world.calls:
        if call._process.poll() is None:
            call.hang_up()


def schemathesis(world, directory, *more, document=DOCUMENT, ids=None, key=True, checks=CHECKS):
    """Runs it; (exit status, output, {operation: Counter of statuses})."""
    command = [os.path.join(os.path.dirname(sys.executable), "schemathesis")]
    if ids:
        write_config(directory / "schemathesis.toml", world, ids)
        command += ["--config-file", str(directory / "schemathesis.toml")]
    command += ["run", str(document), "--url", world.api.base, "--tls-verify", str(world.api.ca), "--seed", "1", "--checks", checks,
                "--exclude-path-regex", ":stream$", "--request-timeout", "40", "--no-color", "--warnings", "off", "--report", "har",
                "--report-har-path", str(directory / "run.har"), *more]
    if key:
        command += ["-H", f"Authorization: Bearer {world.api.key}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, timeout=280)
    statuses = collections.defaultdict(collections.Counter)
    if (directory / "run.har").exists():
        patterns = [(method.upper(), name["operationId"], re.compile(re.sub(r"\\{[^}]*\\}", "[^/:]*", re.escape(path)) + r"(\?.*)?$"))
                    for path, verbs in json.loads(document.read_text())["paths"].items() for method, name in verbs.items()]
        for entry in json.loads((directory / "run.har").read_text())["log"]["entries"]:
            path = entry["request"]["url"].removeprefix(world.api.base)
            for method, name, pattern in patterns:
                if method == entry["request"]["method"] and pattern.match(path):
                    statuses[name][entry["response"]["status"]] += 1
    return done.returncode, done.stdout[-6000:] + done.stderr[-2000:], statuses


def operations(streams=False):
    return {verb["operationId"] for path, verbs in json.loads(DOCUMENT.read_text())["paths"].items() for verb in verbs.values()
            if streams or not path.endswith(":stream")}


def test_the_served_document_is_valid_and_is_the_committed_one(sqlite_world):
    served = requests.get(sqlite_world.api.base + "/openapi.json", verify=sqlite_world.api.ca).json()
    validate(served)
    assert served == json.loads(DOCUMENT.read_text())


def test_with_a_key_every_answer_is_declared_and_every_operation_succeeds_once(sqlite_world, ids, tmp_path):
    status, output, statuses = schemathesis(sqlite_world, tmp_path, "--max-examples", "12", "--phases", "examples,coverage,fuzzing", ids=ids,
                                            checks=CHECKS + ",ignored_auth")
    assert status == 0, output
    without = {name: dict(statuses[name]) for name in sorted(operations()) if not any(200 <= s < 300 for s in statuses[name])}
    assert without == {}, f"operations that never succeeded: {without}"
    assert sum(sum(s.values()) for s in statuses.values()) > 1000
    assert sqlite_world.api.get("/v1/sessions") is not None


def test_without_a_key_every_operation_is_refused_as_the_document_says(sqlite_world, ids, tmp_path):
    status, output, statuses = schemathesis(sqlite_world, tmp_path, "--max-examples", "3", "--phases", "examples,fuzzing", ids={**ids, "platform key": "ft_test_none"},
                                            key=False)
    assert status == 0, output
    assert set(statuses) == operations()
    assert {s for counter in statuses.values() for s in counter} <= {400, 401, 404, 405}
    assert all(counter[401] > 0 for counter in statuses.values()), statuses


@pytest.mark.parametrize("change, operation, finding", [
    (lambda d: d["components"]["schemas"]["ListSessionsResponse"]["properties"].pop("next_page_token"), "ListSessions", "violates schema"),
    (lambda d: d["components"]["schemas"]["Session"]["properties"]["agent"].update(type="integer"), "GetSession", "violates schema"),
    (lambda d: d["paths"]["/v1/payments"]["get"]["responses"]["200"].update(content={"text/html": {}}), "ListPayments", "content"),
    (lambda d: d["paths"]["/v1/sessions"]["post"]["responses"].pop("200") and d["paths"]["/v1/sessions"]["post"]["responses"].pop("default"), "CreateSession", "status"),
], ids=["field not declared", "type", "content type", "status"])
def test_a_document_that_is_wrong_is_found_out(sqlite_world, ids, tmp_path, change, operation, finding):
    document = json.loads(DOCUMENT.read_text())
    change(document)
    if operation == "CreateSession":
        document["paths"]["/v1/sessions"]["post"]["responses"]["418"] = {"description": "the only one declared"}
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(document))
    status, output, _ = schemathesis(sqlite_world, tmp_path, "--max-examples", "2", "--phases", "examples,fuzzing", "--include-operation-id", operation,
                                     document=wrong, ids=ids)
    assert status == 1 and finding in output.lower(), output
