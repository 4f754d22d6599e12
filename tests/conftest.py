"""Fixtures of every test from outside; tests/support/world.py has what they give."""

import os
import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[1]
for folder in ("tools/lib", "tools/demo.d", "tests/support"):
    sys.path.insert(0, str(TOP / folder))
# pytest's own clean-up must not be stopped by a fleet that hangs.
os.environ.setdefault("FLATTONE_READY_SECONDS", "90")

from world import DATABASES, World  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "postgresql: needs PostgreSQL 15's server binaries")
    config.addinivalue_line("markers", "slow: takes longer than ten seconds by itself")


@pytest.fixture(scope="session", params=DATABASES)
def world(request, tmp_path_factory):
    """One fleet for all tests of a database: SQLite with one replica, PostgreSQL with two of each service."""
    with World(tmp_path_factory.mktemp(f"fleet-{request.param}"), database=request.param) as world:
        yield world


@pytest.fixture(scope="session")
def sqlite_world(tmp_path_factory):
    """A fleet on SQLite, for what does not depend on the database."""
    with World(tmp_path_factory.mktemp("fleet-one"), database="sqlite") as world:
        yield world
