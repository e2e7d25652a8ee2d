"""Every class of both frameworks reads what the cassettes hold, sync and async, with the network blocked."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.recording.got import check
from tests.recording.places import learn, replayed
from tests.recording.reading import READINGS, Reading

pytestmark = [pytest.mark.cassette, pytest.mark.block_network]


@pytest.fixture
def cassette(request) -> str:
    return request.getfixturevalue("reading").spot.cassette


@pytest.mark.parametrize("reading", READINGS, ids=str)
@pytest.mark.vcr
@pytest.mark.usefixtures("played_to_the_end")
def test_a_class_reads_a_cassette_as_its_scenario_says(reading: Reading):
    spot, connection = reading.spot, replayed(reading.spot.place)
    if not spot.scenario.afresh:
        learn(spot.place, {**connection, **spot.connecting})
    if reading.way == "async":
        got = asyncio.run(reading.reader.aask(spot, connection))
    else:
        got = reading.reader.ask(spot, connection)
    check(spot, reading.reader, got)


def test_nothing_gets_out_but_to_a_cassette():
    with pytest.raises(RuntimeError, match="Network is disabled"), socket.socket() as tried:
        tried.connect(("127.0.0.1", 9))
