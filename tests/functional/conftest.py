"""Fixtures of the tests that speak RTP by themselves."""

import pytest

from phone import Edge, Phone


@pytest.fixture
def edge(sqlite_world):
    return Edge(sqlite_world)


@pytest.fixture
def phones():
    """The caller and the agent; the caller's sequence is about to wrap."""
    made = [Phone(ssrc=0xCA11E4, first_sequence=65530, fill=0x31), Phone(ssrc=0xA6E47, first_sequence=500, fill=0x42)]
    yield made
    for phone in made:
        phone.close()
