"""LangChain's own standard suites, over a real socket, on every interface of every provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
        OverSocket.emulator = emulator
        yield emulator


@pytest.fixture(autouse=True)
def files_from_here(monkeypatch):
    """The suite downloads pictures, PDFs and sound; here a picture stands for each, for nothing reads what it sends."""

    def get(url: str, **_: object) -> httpx.Response:
        return httpx.Response(200, content=a_png(), request=httpx.Request("GET", url))

    monkeypatch.setattr("langchain_tests.integration_tests.chat_models.httpx.get", get)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")  # else it warns


@pytest.fixture(autouse=True)
def known_to_langchain():
    register_providers()


class Alone(ChatModelUnitTests):
    """The suite without a service, for one interface."""

    where: dict[str, str]
    variable = "AKI_API_KEY"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAKI

    @property
    def chat_model_params(self) -> dict:
        return {**self.where}

    @property
    def init_from_env_params(self) -> tuple[dict, dict, dict]:
        return {self.variable: "key-from-environment"}, {**self.where}, {**self.where}


class TestAlone(Alone):
    where = {"model": "qwen3.6-35b"}  # noqa: RUF012  a constant


class TestAnthropicAlone(Alone):
    where = {"model": "qwen3.6-35b", "protocol": "anthropic"}  # noqa: RUF012


class TestNativeAlone(Alone):
    where = {"model": "qwen3.6-35b", "protocol": "native"}  # noqa: RUF012


class TestAACFlowAlone(Alone):
    where = {"model": "gpt-4o-mini", "provider": "aacflow"}  # noqa: RUF012
    variable = "AACFLOW_API_KEY"


class TestAKAICoreAlone(Alone):
    where = {"model": "openai/gpt-4o-mini", "provider": "ak_ai_core"}  # noqa: RUF012
    variable = "AK_AI_CORE_API_KEY"


class OverSocket(ChatModelIntegrationTests):
    """The suite with a service; what an interface has not is switched off in its class."""

    emulator: Emulator
    protocol = "openai"
    served = "qwen3.6-35b"
    other = "gpt-oss-120b"
    tools = True

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAKI

    @property
    def at(self) -> dict[str, Any]:
        url = getattr(self.emulator, f"{self.protocol}_url")
        return {"protocol": self.protocol, "base_url": url, "api_key": self.emulator.key}

    @property
    def chat_model_params(self) -> dict:
        return {"model": self.served, **self.at}

    @property
    def has_tool_calling(self) -> bool:
        return self.tools

    @property
    def has_tool_choice(self) -> bool:
        return self.tools

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
        return self.tools

    @property
    def supports_pdf_inputs(self) -> bool:
        return self.tools

    @property
    def supports_pdf_tool_message(self) -> bool:
        return self.tools

    @property
    def supports_audio_inputs(self) -> bool:
        return self.protocol == "openai"

    @property
    def supports_anthropic_inputs(self) -> bool:
        return self.tools

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return self.other


class TestOverSocket(OverSocket):
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


class TestAnthropicOverSocket(OverSocket):
    protocol = "anthropic"


class TestNativeOverSocket(OverSocket):
    protocol = "native"
    tools = False

    @property
    def supports_image_urls(self) -> bool:
        return False


class TestAACFlowOverSocket(OverSocket):
    served = "gpt-4o-mini"
    other = "claude-sonnet-4-6"

    @property
    def at(self) -> dict[str, Any]:
        return {
            "provider": "aacflow",
            "base_url": self.emulator.aacflow_url,
            "api_key": self.emulator.aacflow_key,
        }


class TestAKAICoreOverSocket(OverSocket):
    served = "openai/gpt-4o-mini"
    other = "anthropic/claude-3-5-sonnet"

    @property
    def at(self) -> dict[str, Any]:
        return {
            "provider": "ak_ai_core",
            "base_url": self.emulator.ak_ai_core_url,
            "api_key": self.emulator.ak_ai_core_key,
        }
