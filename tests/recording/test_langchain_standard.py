"""LangChain's own standard suite, answered by one cassette at each place; recorded anew by `make record`."""

import operator
import os
from functools import cache, reduce
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx
import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests
from vcr.persisters.filesystem import FilesystemPersister

from aki_transport.emulator import Emulator
from aki_transport.live_check import Budget
from langchain_aki import ChatAKI, register_providers
from tests.pictures import a_png
from tests.tools.recording import files, places, scrub

pytestmark = [
    pytest.mark.cassette,
    pytest.mark.block_network,
    # Several tests ask the same; the answers come as often as they are asked for.
    pytest.mark.vcr(allow_playback_repeats=True),
]

# The recorder says which places are live, and where.
_LIVE = dict(each.split("=") for each in os.environ.get("AKI_RECORD", "").split(",") if each)
_budget = Budget(int(os.environ.get("AKI_RECORD_CALLS", "0")))


@pytest.fixture(autouse=True)
def files_from_here(monkeypatch):
    """The suite downloads pictures, PDFs and sound; here a picture stands for each, for nothing reads what it sends."""

    def get(url: str, **_: object):
        return httpx.Response(200, content=a_png(), request=httpx.Request("GET", url))

    monkeypatch.setattr("langchain_tests.integration_tests.chat_models.httpx.get", get)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")  # else it warns
    register_providers()


@pytest.fixture(autouse=True)
def the_same_ids_each_time(monkeypatch):
    """LangChain makes up IDs for the calls of its examples."""
    numbers = iter(range(1, 100))
    made = SimpleNamespace(uuid4=lambda: f"example-{next(numbers)}")
    monkeypatch.setattr("langchain_core.utils.function_calling.uuid", made)


@pytest.fixture(scope="module", autouse=True)
def parsed_once(request):
    """All tests of a place read the same cassette."""
    with pytest.MonkeyPatch.context() as patch:
        if request.config.getoption("--record-mode") in (None, "none"):
            patch.setattr(FilesystemPersister, "load_cassette", cache(FilesystemPersister.load_cassette))
        yield


@pytest.fixture
def vcr_config(record_mode):
    config = scrub.vcr_config()
    if record_mode == "none":
        del config["before_record_response"]  # what is read was scrubbed when it was written
    return config


@pytest.fixture(scope="module")
def vcr_cassette_dir():
    return str(files.CASSETTES)


@pytest.fixture
def default_cassette_name(request):
    return f"{request.cls.place}/{files.SUITE}"


@pytest.fixture(autouse=True)
def connected(request, record_mode):
    """The suite's model reaches the cassette; while that is made, the emulator or the live service."""
    suite, place = request.cls, places.PLACES[request.cls.place]
    if record_mode == "none":
        suite.connection = places.replayed(place)
        yield
    elif suite.place in _LIVE:
        suite.connection = {
            **places.replayed(place),
            **places.clients(_budget.take),
            "base_url": _LIVE[suite.place],
            "api_key": places.live_key(place),
        }
        yield
    else:
        with Emulator() as emulator, scrub.played_by(emulator):
            suite.connection = {**place.connection(emulator), "default_headers": suite.told_to_emulator}
            yield


@pytest.fixture(autouse=True)
def played(request, vcr):
    """Note which of the recorded answers were asked for."""
    yield
    request.cls.ran.add(request.node.originalname)
    request.cls.played |= set(vcr.play_counts)
    request.cls.recorded = len(vcr)


@pytest.fixture(scope="class", autouse=True)
def played_to_the_end_by_all(request):
    """Whatever the cassette holds has to be asked for, if this process ran the whole suite."""
    suite = request.cls
    suite.ran, suite.played, suite.recorded = set(), set(), 0
    yield
    whole = suite.ran == {name for name in dir(suite) if name.startswith("test_")}
    if whole and request.config.getoption("--record-mode") in (None, "none"):
        assert len(suite.played) == suite.recorded


class Suite(ChatModelIntegrationTests):
    """What the places have in common; what one has not is switched off in its class."""

    place: str
    served = "qwen3.6-35b"
    model_override_value = "gpt-oss-120b"
    connection: dict[str, Any]
    told_to_emulator: dict[str, str] | None = None

    # `enable_vcr_tests` stays off: its one test measures how fast a cassette plays, with pytest-benchmark.
    chat_model_class = ChatAKI
    has_tool_calling = has_tool_choice = has_structured_output = supports_json_mode = True
    returns_usage_metadata = supports_model_override = True
    supports_image_inputs = supports_image_urls = supports_image_tool_message = supports_anthropic_inputs = True
    supports_pdf_inputs = supports_pdf_tool_message = supports_audio_inputs = True

    @property
    def chat_model_params(self):
        return {"model": self.served, **self.connection}


class TestAkiOpenai(Suite):
    place = "aki/openai"
    supported_usage_metadata_details: ClassVar[Any] = {"invoke": ["reasoning_output"], "stream": ["reasoning_output"]}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> Any:
        model = self.chat_model_class(**self.chat_model_params, reasoning_effort="high")
        question = "What is 12 * 13?"
        return reduce(operator.add, model.stream(question)) if stream else model.invoke(question)


class TestAkiAnthropic(Suite):
    place = "aki/anthropic"
    supports_audio_inputs = False


class TestAkiNative(Suite):
    place = "aki/native"
    # A job looked at once is looked at as often in each recording.
    told_to_emulator = {"x-emulator-fault": "fast"}  # noqa: RUF012  a constant
    has_tool_calling = has_tool_choice = False
    supports_image_urls = supports_image_tool_message = supports_anthropic_inputs = False
    supports_pdf_inputs = supports_pdf_tool_message = supports_audio_inputs = False


class TestAacflowOpenai(Suite):
    place, served, model_override_value = "aacflow/openai", "gpt-4o-mini", "claude-sonnet-4-6"


class TestAkAiCoreOpenai(Suite):
    place, served, model_override_value = "ak_ai_core/openai", "openai/gpt-4o-mini", "anthropic/claude-3-5-sonnet"
