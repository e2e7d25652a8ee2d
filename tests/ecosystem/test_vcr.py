"""vcrpy and pytest-recording record and replay calls of default models, with the headers of the answers."""

import pytest
import vcr
from pytest_recording import network
from vcr.errors import CannotOverwriteExistingCassetteException

from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings
from langchain_aki import ChatAKI
from tests.ecosystem.calls import WAYS, Way, in_every_way
from tests.tools.recording import files, places


def test_what_is_recorded_is_replayed_with_the_server_stopped(tmp_path, subtests):
    recorded = {}
    with Emulator() as emulator:
        where = {"base_url": emulator.aacflow_url, "api_key": emulator.aacflow_key}
        options = {"provider": "aacflow", "model": "gpt-4o-mini", **where}
        for way in WAYS:
            forget_listings()
            with vcr.use_cassette(str(tmp_path / f"{way}.yaml")):
                recorded[way] = way.ask(**options)
    for way in WAYS:
        forget_listings()
        with subtests.test(str(way)), vcr.use_cassette(str(tmp_path / f"{way}.yaml"), record_mode="none") as replay:
            replayed = way.ask(**options)
            assert replay.all_played
            assert replayed == recorded[way]
            assert "42" in replayed.text
            assert replayed.metadata["request_id"]
            assert replayed.metadata["credits_used"] > 0


@in_every_way
def test_a_call_after_a_replay_reaches_the_service_again(way, server, tmp_path):
    model = way.make(base_url=server.openai_url)
    for mode in ("all", "none"):
        with vcr.use_cassette(str(tmp_path / f"{way}.yaml"), record_mode=mode):
            assert way.call(model).text == "6 * 7 = 42."
    assert len(server.requests) == 1
    assert way.call(model).text == "6 * 7 = 42."
    assert len(server.requests) == 2


@pytest.fixture(scope="module")
def vcr_cassette_dir():
    """pytest-recording plays the project's own cassettes."""
    return str(files.CASSETTES)


@pytest.fixture
def default_cassette_name(way):
    return "aki/openai/stream" if way.stream else "aki/openai/chat"


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.vcr
@pytest.mark.block_network
def test_the_markers_of_pytest_recording_replay(way, vcr):
    reply = way.ask(api_key=places.SCRUBBED, model="llama3-chat-8b")
    assert "10, 11, 12" in reply.text
    assert reply.metadata["request_id"].startswith("req_")
    assert vcr.all_played


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_open_connection_is_no_way_out(server, is_async, tmp_path):
    way = Way(ChatAKI, is_async, stream=False)

    async def call():
        await way.acall(model) if is_async else way.call(model)

    model = way.make(base_url=server.openai_url)
    await call()
    assert server.open_connections == 1
    with (
        network.blocking_context(),
        vcr.use_cassette(str(tmp_path / "none.yaml"), record_mode="none"),
        pytest.raises(CannotOverwriteExistingCassetteException),
    ):
        await call()
    assert len(server.requests) == 1
