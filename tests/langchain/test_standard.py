"""LangChain's own standard suites, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from aki_transport.emulator import Emulator
from langchain_aki import ChatAKI, register_providers
from tests.pictures import a_png


@pytest.fixture(scope="module", autouse=True)
def service() -> Iterator[Emulator]:
    with Emulator() as emulator:
        TestOverSocket.base_url = emulator.openai_url
        yield emulator


@pytest.fixture(autouse=True)
def pictures_from_here(monkeypatch):
    """The suite downloads its pictures; here they are made."""

    def get(url: str, **_: object) -> httpx.Response:
        return httpx.Response(200, content=a_png(), request=httpx.Request("GET", url))

    monkeypatch.setattr("langchain_tests.integration_tests.chat_models.httpx.get", get)


@pytest.fixture(autouse=True)
def known_to_langchain():
    register_providers()


class TestAlone(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAKI

    @property
    def chat_model_params(self) -> dict:
        return {"model": "qwen3.6-35b"}

    @property
    def init_from_env_params(self) -> tuple[dict, dict, dict]:
        return {"AKI_API_KEY": "key-from-environment"}, {"model": "qwen3.6-35b"}, {"model": "qwen3.6-35b"}


class TestOverSocket(ChatModelIntegrationTests):
    base_url = ""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAKI

    @property
    def chat_model_params(self) -> dict:
        return {"model": "qwen3.6-35b", "base_url": self.base_url, "api_key": "aki-test"}

    @property
    def has_tool_calling(self) -> bool:
        return True

    @property
    def has_tool_choice(self) -> bool:
        return True

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "gpt-oss-120b"

    @property
    def supported_usage_metadata_details(self) -> dict:
        return {"invoke": ["reasoning_output"], "stream": ["reasoning_output"]}

    def invoke_with_reasoning_output(self, *, stream: bool = False):
        model = self.chat_model_class(**self.chat_model_params, reasoning_effort="high")
        question = "What is 12 * 13?"
        if not stream:
            return model.invoke(question)
        whole = None
        for chunk in model.stream(question):
            whole = chunk if whole is None else whole + chunk
        return whole
