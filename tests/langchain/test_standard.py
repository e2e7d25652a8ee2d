"""LangChain's own standard suites: for models without a service, and for tools on both protocols.

The suite for models with a service stands in `tests/recording/test_langchain_standard.py`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, ToolsUnitTests

from aki_transport import ImageStore
from aki_transport.emulator import Emulator
from langchain_aki import AKIImageEditTool, AKIImageGenerationTool, ChatAKI, register_providers
from tests.pictures import a_png


@pytest.fixture(scope="module", autouse=True)
def service() -> Iterator[None]:
    with Emulator(job_speed=20) as Drawing.emulator:
        yield


@pytest.fixture(autouse=True)
def known_to_langchain():
    register_providers()


class Alone(ChatModelUnitTests):
    where: dict[str, str]
    variable: str

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAKI

    @property
    def chat_model_params(self) -> dict:
        return {**self.where}

    @property
    def init_from_env_params(self) -> tuple[dict, dict, dict]:
        return {self.variable: "key-from-environment"}, {**self.where}, {**self.where}


def made(name: str, *bases: type, **attributes: Any) -> Any:
    return type(name, bases, {**attributes, "__module__": __name__})


def alone(name: str, variable: str = "AKI_API_KEY", **where: str) -> Any:
    return made(name, Alone, where=where, variable=variable)


TestAlone = alone("TestAlone", model="qwen3.6-35b")
TestAnthropicAlone = alone("TestAnthropicAlone", model="qwen3.6-35b", protocol="anthropic")
TestNativeAlone = alone("TestNativeAlone", model="qwen3.6-35b", protocol="native")
TestAACFlowAlone = alone("TestAACFlowAlone", "AACFLOW_API_KEY", model="gpt-4o-mini", provider="aacflow")
TestAKAICoreAlone = alone("TestAKAICoreAlone", "AK_AI_CORE_API_KEY", model="openai/gpt-4o-mini", provider="ak_ai_core")


class Drawing:
    protocol = "openai"
    emulator: Emulator

    @property
    def tool_constructor(self) -> type[BaseTool]:
        return AKIImageGenerationTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        url = getattr(self.emulator, f"{self.protocol}_url")
        return {"protocol": self.protocol, "base_url": url, "api_key": self.emulator.key, "size": "128x128"}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"prompt": "a lighthouse", "size": "256x128", "n": 2}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"AKI_API_KEY": "key-from-environment"}, {"protocol": self.protocol}, {"protocol": self.protocol}


class Changing(Drawing):
    @property
    def tool_constructor(self) -> type[BaseTool]:
        return AKIImageEditTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        store = ImageStore()
        store.add({"data": a_png(128, 128), "id": "img_3f9c2a"})
        return {**super().tool_constructor_params, "store": store}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"prompt": "make it blue", "image": "img_3f9c2a"}


TestDrawing = made("TestDrawing", Drawing, ToolsUnitTests)
TestDrawingOverSocket = made("TestDrawingOverSocket", Drawing, ToolsIntegrationTests)
TestDrawingNatively = made("TestDrawingNatively", Drawing, ToolsIntegrationTests, protocol="native")
TestChanging = made("TestChanging", Changing, ToolsUnitTests)
TestChangingOverSocket = made("TestChangingOverSocket", Changing, ToolsIntegrationTests)
TestChangingNatively = made("TestChangingNatively", Changing, ToolsIntegrationTests, protocol="native")
