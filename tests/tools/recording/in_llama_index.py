"""LlamaIndex's classes, asked and read."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from llama_index.core.base.llms.types import ImageBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool, ToolMetadata
from PIL import Image
from pydantic import BaseModel

import aki_transport.errors
from aki_transport.images.store import ImageStore
from aki_transport.messages import Tool
from llama_index_aki import AKI, AKICompletion, AKIImageToolSpec
from tests.behaviour import in_llama_index as asking
from tests.behaviour.table import Expect, Row
from tests.tools.recording.got import SIZE, Got, picture
from tests.tools.recording.scenarios import CITY, Spot


class City(BaseModel):
    """A city."""

    name: str
    population: int

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """The schema as LangChain sends it, without the titles that LlamaIndex leaves in."""
        return dict(CITY.schema)


class _Metadata(ToolMetadata):
    parameters: Mapping[str, Any] = {}

    def get_parameters_dict(self) -> dict[str, Any]:
        return dict(self.parameters)


class _LlamaIndex:
    def error(self, name: str) -> type[Exception]:
        return getattr(aki_transport.errors, name)

    def ask(self, spot: Spot, connection: Mapping[str, Any]) -> Got:
        told = []
        try:
            return self._asked(spot, {**connection, **spot.connecting, "on_progress": told.append}, told)
        except aki_transport.errors.AKIError as error:
            return Got(error=error, told=told)

    async def aask(self, spot: Spot, connection: Mapping[str, Any]) -> Got:
        told = []
        try:
            return await self._aasked(spot, {**connection, **spot.connecting, "on_progress": told.append}, told)
        except aki_transport.errors.AKIError as error:
            return Got(error=error, told=told)


class _WithTools(asking.Chat):
    def _ask(self, model: AKI, row: Row, way: str) -> Any:
        if not row.tools:
            return super()._ask(model, row, way)
        return getattr(model, way.format("chat_with_tools"))(
            [_tool(tool) for tool in row.tools],
            chat_history=asking._messages(row),
            allow_parallel_tool_calls=True,
        )


class Chat(_LlamaIndex):
    """`AKI`."""

    name = "AKI"
    kinds = frozenset({"models", "chat", "structured"})
    make = AKI
    inner = _WithTools()

    def _asked(self, spot: Spot, fields: dict[str, Any], told: list[Any]) -> Got:
        model = self.make(model=spot.model, **fields, **spot.given)
        match spot.scenario.kind:
            case "models":
                return Got(models=tuple(each.id for each in model.refresh_models()))
            case "structured":
                return _made(model.structured_predict(City, PromptTemplate(spot.scenario.asked)))
            case _:
                items = self.inner.items(model, _row(spot), stream=spot.scenario.stream)
                return self._read(list(items), told)

    async def _aasked(self, spot: Spot, fields: dict[str, Any], told: list[Any]) -> Got:
        model = self.make(model=spot.model, **fields, **spot.given)
        match spot.scenario.kind:
            case "models":
                return Got(models=tuple(each.id for each in await model.arefresh_models()))
            case "structured":
                return _made(await model.astructured_predict(City, PromptTemplate(spot.scenario.asked)))
            case _:
                items = self.inner.aitems(model, _row(spot), stream=spot.scenario.stream)
                return self._read([item async for item in items], told)

    def _read(self, items: list[Any], told: list[Any]) -> Got:
        answer = self.inner.read(items)
        return Got(
            text=answer.text,
            pieces=sum(bool(piece) for piece in answer.pieces),
            reasoning=answer.reasoning,
            calls=answer.calls,
            usage=answer.usage,
            told=told,
        )


class Raw(Chat):
    """`AKICompletion`."""

    name = "AKICompletion"
    kinds = frozenset({"prompt"})
    make = AKICompletion
    inner = asking.Raw()


class Pictures(_LlamaIndex):
    """`AKIImageToolSpec`."""

    name = "AKIImageToolSpec"
    kinds = frozenset({"draw", "edit"})

    def _asked(self, spot: Spot, fields: dict[str, Any], told: list[Any]) -> Got:  # noqa: ARG002
        tools = self._tools(spot, fields)
        if spot.scenario.kind == "draw":
            return _drawn(tools.generate_image(spot.scenario.asked))
        return _drawn(tools.edit_image(spot.scenario.asked, picture().id))

    async def _aasked(self, spot: Spot, fields: dict[str, Any], told: list[Any]) -> Got:  # noqa: ARG002
        tools = self._tools(spot, fields)
        if spot.scenario.kind == "draw":
            return _drawn(await tools.agenerate_image(spot.scenario.asked))
        return _drawn(await tools.aedit_image(spot.scenario.asked, picture().id))

    def _tools(self, spot: Spot, fields: dict[str, Any]) -> AKIImageToolSpec:
        store = ImageStore()
        store.add(picture())
        return AKIImageToolSpec(size=SIZE, store=store, **fields, **spot.given)


def _tool(tool: Tool) -> FunctionTool:
    def called(**_: Any) -> None:
        raise AssertionError("a model only asks for it")

    metadata = _Metadata(name=tool.name, description=tool.description)
    metadata.parameters = tool.parameters
    return FunctionTool(fn=called, metadata=metadata)


def _row(spot: Spot) -> Row:
    scenario = spot.scenario
    return Row(name=scenario.name, result=Expect(), asked=scenario.asked, tools=scenario.tools)


def _made(city: Any) -> Got:
    return Got(made=city.model_dump())


def _drawn(blocks: Any) -> Got:
    shown = [Image.open(BytesIO(block.resolve_image().read())) for block in blocks if isinstance(block, ImageBlock)]
    return Got(pictures=tuple(image.size for image in shown))
