"""The OpenAPI document judged from outside: valid, the same as the committed one, and true of the running server."""

import json
import os
import subprocess
import sys

import requests
from openapi_spec_validator import validate

from world import TOP


def test_the_served_document_is_valid_and_is_the_committed_one(sqlite_world):
    served = requests.get(sqlite_world.api.base + "/openapi.json", verify=sqlite_world.api.ca).json()
    validate(served)
    assert served == json.loads((TOP / "docs" / "openapi.json").read_text())


def test_schemathesis_finds_no_crash_and_no_undeclared_answer(sqlite_world, tmp_path):
    """Generated requests against every operation: no 5xx, no answer that the document does not declare."""
    api = sqlite_world.api
    command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", str(TOP / "docs" / "openapi.json"),
               "--url", api.base, "-H", f"Authorization: Bearer {api.key}", "-H", "Idempotency-Key: schemathesis",
               "--tls-verify", str(api.ca), "--max-examples", "20", "--seed", "1", "--phases", "examples,coverage,fuzzing",
               "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
               "--exclude-path-regex", ":stream$", "--request-timeout", "10", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=280)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert api.get("/v1/sessions") is not None
