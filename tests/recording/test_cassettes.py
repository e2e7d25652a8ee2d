"""The folder of cassettes: nothing missing, nothing left over, nothing that could be changed unnoticed.

Every class of both frameworks reads what they hold, sync and async, with vcrpy as anyone has it.
"""

import copy
import json
import shutil
import socket

import pytest
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.serializers import yamlserializer

import langchain_aki
import llama_index_aki
from aki_transport import PROVIDERS
from aki_transport.models.listing import forget_listings
from tests.subcases import subcases
from tests.tools.recording import files, page, places
from tests.tools.recording.reading import READERS, READINGS
from tests.tools.recording.scenarios import SPOTS

pytestmark = [pytest.mark.cassette, pytest.mark.block_network]
LARGEST = 150_000  # bytes
CHAT = next(reading for reading in READINGS if str(reading) == "aki/openai/chat-Client-sync")


def test_nothing_is_missing_or_left_over():
    """A cassette for each scenario, a place for each protocol of a provider, a reader for each class that calls one."""
    suites = [f"{name}/{files.SUITE}" for name in places.PLACES]
    assert files.names() == sorted([*(spot.cassette for spot in SPOTS), *suites])
    assert len(files.names()) < 80
    assert {f"{row.name}/{route.protocol}" for row in PROVIDERS.values() for route in row.routes} == set(places.PLACES)
    calling = {"Client"} | {
        name
        for package in (langchain_aki, llama_index_aki)
        for name in package.__all__
        if isinstance(getattr(package, name), type) and name.startswith(("AKI", "ChatAKI")) and "Error" not in name
    }
    assert {reader.name for reader in READERS} == {reading.reader.name for reading in READINGS} == calling
    assert page.table(files.CASSETTES) in (files.CASSETTES / "README.md").read_text(encoding="utf-8")


@subcases("name", files.names())
def test_a_cassette_is_a_small_plain_file_with_the_services_own_address_and_how_it_was_made(name):
    text = files.path_of(name).read_text(encoding="utf-8")
    document = yamlserializer.deserialize(text)
    assert len(text) < LARGEST
    assert "!!python" not in text
    assert yamlserializer.serialize(document) == text
    assert document["version"] == 1
    address = places.own_url(places.PLACES[name.rpartition("/")[0]])
    assert all(each["request"]["uri"].startswith(f"{address}/") for each in document["interactions"])
    assert "127.0.0.1" not in text
    made = document["made"]
    assert made["by"] in ("the emulator", "the live service")
    assert ("version" in made) == (made["by"] == "the emulator")
    assert made["date"].count("-") == 2


@pytest.mark.parametrize("cassette", sorted({reading.spot.cassette for reading in READINGS}))
def test_each_class_reads_a_cassette_as_its_scenario_says(cassette, subtests):
    for reading in READINGS:
        if reading.spot.cassette == cassette:
            with subtests.test(str(reading)):
                forget_listings()
                reading.play()


def test_nothing_gets_out_but_to_a_cassette():
    with pytest.raises(RuntimeError, match="Network is disabled"), socket.socket() as tried:
        tried.connect(("127.0.0.1", 9))


# A copy of the folder is as good, and a change in it fails a test.


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(files.CASSETTES / "aki/openai", tmp_path / "aki/openai").parents[1]


def test_a_copied_folder_is_as_good_and_a_deleted_cassette_fails_a_test(copied):
    CHAT.play(copied)
    (copied / "aki/openai/chat.yaml").unlink()
    with pytest.raises(CannotOverwriteExistingCassetteException):
        CHAT.play(copied)


def test_a_changed_request_body_or_an_answer_that_nobody_asks_for_fails_a_test(copied):
    document = files.read("aki/openai/chat")
    last = document["interactions"][-1]
    body = json.loads(last["request"]["body"])
    document["interactions"].append(copy.deepcopy(last))
    files.write("aki/openai/chat", document, copied)
    with pytest.raises(AssertionError, match="1 of 3 recorded answers were not asked for"):
        CHAT.play(copied)
    document["interactions"].pop()
    for field in ({"model": "another"}, {"max_tokens": 8191}, {"more": None}):
        last["request"]["body"] = json.dumps(body | field)
        files.write("aki/openai/chat", document, copied)
        with pytest.raises(CannotOverwriteExistingCassetteException):
            CHAT.play(copied)
