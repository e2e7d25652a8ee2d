"""LangChain's own standard suites for tools, on both protocols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from aki_transport import ImageStore
from aki_transport.emulator import Emulator
from langchain_aki import AKIImageEditTool, AKIImageGenerationTool
from tests.pictures import a_png


@pytest.fixture(scope="module", autouse=True)
def service() -> Iterator[Emulator]:
    with Emulator(job_speed=20) as emulator:
        Drawing.emulator = Changing.emulator = emulator
        yield emulator


class Drawing:
    """The tool that draws, for one protocol."""

    protocol = "openai"
    emulator: Emulator | None = None

    @property
    def tool_constructor(self) -> type[BaseTool]:
        return AKIImageGenerationTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        assert self.emulator is not None
        url = getattr(self.emulator, f"{self.protocol}_url")
        return {"protocol": self.protocol, "base_url": url, "api_key": self.emulator.key, "size": "128x128"}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"prompt": "a lighthouse", "size": "256x128", "n": 2}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"AKI_API_KEY": "key-from-environment"}, {"protocol": self.protocol}, {"protocol": self.protocol}


class Changing(Drawing):
    """The tool that changes, for one protocol."""

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


class TestDrawing(Drawing, ToolsUnitTests):
    pass


class TestDrawingNatively(Drawing, ToolsUnitTests):
    protocol = "native"


class TestChanging(Changing, ToolsUnitTests):
    pass


class TestChangingNatively(Changing, ToolsUnitTests):
    protocol = "native"


class TestDrawingOverSocket(Drawing, ToolsIntegrationTests):
    pass


class TestDrawingOverSocketNatively(Drawing, ToolsIntegrationTests):
    protocol = "native"


class TestChangingOverSocket(Changing, ToolsIntegrationTests):
    pass


class TestChangingOverSocketNatively(Changing, ToolsIntegrationTests):
    protocol = "native"
