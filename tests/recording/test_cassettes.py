"""Every class of both frameworks reads what the cassettes hold, sync and async, with vcrpy as anyone has it."""

from __future__ import annotations

import socket

import httpx
import pytest
import vcr

from aki_transport.models.listing import forget_listings
from tests.subcases import subcases
from tests.tools.recording import files
from tests.tools.recording.reading import READINGS
from tests.tools.recording.scrub import BODY_TOO

pytestmark = [pytest.mark.cassette, pytest.mark.block_network]


@pytest.mark.parametrize("cassette", sorted({reading.spot.cassette for reading in READINGS}))
def test_each_class_reads_a_cassette_as_its_scenario_says(cassette: str, subtests: pytest.Subtests):
    for reading in READINGS:
        if reading.spot.cassette == cassette:
            with subtests.test(str(reading)):
                forget_listings()
                reading.play()


@subcases("name", files.names())
def test_vcrpy_reads_and_replays_every_file(name):
    interactions = files.read(name)["interactions"]
    with vcr.use_cassette(str(files.path_of(name)), match_on=BODY_TOO) as cassette, httpx.Client() as client:
        for each in interactions:
            sent, recorded = each["request"], each["response"]
            headers = {header: value for header, (value,) in sent["headers"].items()}
            answer = client.request(sent["method"], sent["uri"], headers=headers, content=sent["body"])
            body = recorded["body"]["string"]
            assert answer.content == (body.encode() if isinstance(body, str) else body)
            assert answer.status_code == recorded["status"]["code"]
            assert {header: [value] for header, value in answer.headers.items()} == recorded["headers"]
    assert cassette.all_played


def test_nothing_gets_out_but_to_a_cassette():
    with pytest.raises(RuntimeError, match="Network is disabled"), socket.socket() as tried:
        tried.connect(("127.0.0.1", 9))
