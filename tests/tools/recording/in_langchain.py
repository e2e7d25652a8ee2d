"""LangChain's classes, asked and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import langchain_aki.errors
from aki_transport.images.store import ImageStore
from langchain_aki import AKILLM, AKIImageEditTool, AKIImageGenerationTool, ChatAKI
from tests.behaviour import in_langchain as asking
from tests.behaviour.table import Expect, Row
from tests.tools.recording.got import SIZE, Got, picture
from tests.tools.recording.scenarios import CITY, Spot

_CITY = {"title": CITY.name, "description": CITY.description, **CITY.schema}


class _LangChain:
    def error(self, name: str) -> type[Exception]:
        return getattr(langchain_aki.errors, name)

    def ask(self, spot: Spot, connection: Mapping[str, Any]) -> Got:
        told = []
        try:
            return self._asked(spot, {**connection, **spot.connecting, "on_progress": told.append}, told)
        except langchain_aki.errors.AKIError as error:
            return Got(error=error, told=told)

    async def aask(self, spot: Spot, connection: Mapping[str, Any]) -> Got:
        told = []
        try:
            return await self._aasked(spot, {**connection, **spot.connecting, "on_progress": told.append}, told)
        except langchain_aki.errors.AKIError as error:
            return Got(error=error, told=told)


class Chat(_LangChain):
    """`ChatAKI`."""

    name = "ChatAKI"
    kinds = frozenset({"models", "chat", "structured"})
    make = ChatAKI
    inner = asking.Chat()

    def _asked(self, spot: Spot, fields: dict[str, Any], told: list[Any]) -> Got:
        model = self.make(model=spot.model, **fields, **spot.given)
        match spot.scenario.kind:
            case "models":
                return Got(models=tuple(each.id for each in model.refresh_models()))
            case "structured":
                return Got(made=model.with_structured_output(_CITY).invoke(spot.scenario.asked))
            case _:
                items = self.inner.items(model, _row(spot), stream=spot.scenario.stream)
                return self._read(list(items), told)

    async def _aasked(self, spot: Spot, fields: dict[str, Any], told: list[Any]) -> Got:
        model = self.make(model=spot.model, **fields, **spot.given)
        match spot.scenario.kind:
            case "models":
                return Got(models=tuple(each.id for each in await model.arefresh_models()))
            case "structured":
                return Got(made=await model.with_structured_output(_CITY).ainvoke(spot.scenario.asked))
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
    """`AKILLM`."""

    name = "AKILLM"
    kinds = frozenset({"prompt"})
    make = AKILLM
    inner = asking.Raw()


class Draw(_LangChain):
    """`AKIImageGenerationTool`."""

    name = "AKIImageGenerationTool"
    kinds = frozenset({"draw"})

    def _asked(self, spot: Spot, fields: dict[str, Any], told: list[Any]) -> Got:  # noqa: ARG002
        return _drawn(self._tool(spot, fields).invoke(self._call(spot)))

    async def _aasked(self, spot: Spot, fields: dict[str, Any], told: list[Any]) -> Got:  # noqa: ARG002
        return _drawn(await self._tool(spot, fields).ainvoke(self._call(spot)))

    def _tool(self, spot: Spot, fields: dict[str, Any]) -> Any:
        return AKIImageGenerationTool(size=SIZE, **fields, **spot.given)

    def _call(self, spot: Spot) -> dict[str, Any]:
        return {"type": "tool_call", "id": "1", "name": "generate_image", "args": {"prompt": spot.scenario.asked}}


class Edit(Draw):
    """`AKIImageEditTool`."""

    name = "AKIImageEditTool"
    kinds = frozenset({"edit"})

    def _tool(self, spot: Spot, fields: dict[str, Any]) -> Any:
        store = ImageStore()
        store.add(picture())
        return AKIImageEditTool(store=store, **fields, **spot.given)

    def _call(self, spot: Spot) -> dict[str, Any]:
        call = super()._call(spot)
        return {**call, "name": "edit_image", "args": {**call["args"], "image": picture().id}}


def _row(spot: Spot) -> Row:
    tools = tuple(
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in spot.scenario.tools
    )
    return Row(name=spot.scenario.name, result=Expect(), asked=spot.scenario.asked, tools=tools)


def _drawn(message: Any) -> Got:
    return Got(pictures=tuple((image.width, image.height) for image in message.artifact))
