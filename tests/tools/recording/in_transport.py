"""The transport itself, asked and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aki_transport.errors
from aki_transport import Client
from aki_transport.messages import ChatDelta, ChatReply, ChatRequest, Message
from tests.tools.recording.got import SIZE, Got, picture
from tests.tools.recording.scenarios import CITY, Spot


class Plain:
    """`Client`."""

    name = "Client"
    kinds = frozenset({"models", "chat", "prompt", "structured", "draw", "edit"})

    def error(self, name: str) -> type[Exception]:
        return getattr(aki_transport.errors, name)

    def ask(self, spot: Spot, connection: Mapping[str, Any]) -> Got:
        told = []
        asked, given = spot.scenario.asked, spot.given
        try:
            with Client(**{**connection, **spot.connecting, "on_progress": told.append}) as client:
                match spot.scenario.kind:
                    case "models":
                        return Got(models=tuple(model.id for model in client.models()))
                    case "draw":
                        return _drawn(client.generate_image(asked, size=SIZE, **given))
                    case "edit":
                        return _drawn(client.edit_image(asked, picture(), **given))
                    case _ if spot.scenario.stream:
                        return _streamed(list(client.stream(_request(spot))), told)
                    case _:
                        return _whole(client.chat(_request(spot)), spot, told)
        except aki_transport.errors.AKIError as error:
            return Got(error=error, told=told)

    async def aask(self, spot: Spot, connection: Mapping[str, Any]) -> Got:
        told = []
        asked, given = spot.scenario.asked, spot.given
        try:
            async with Client(**{**connection, **spot.connecting, "on_progress": told.append}) as client:
                match spot.scenario.kind:
                    case "models":
                        return Got(models=tuple(model.id for model in await client.amodels()))
                    case "draw":
                        return _drawn(await client.agenerate_image(asked, size=SIZE, **given))
                    case "edit":
                        return _drawn(await client.aedit_image(asked, picture(), **given))
                    case _ if spot.scenario.stream:
                        return _streamed([delta async for delta in client.astream(_request(spot))], told)
                    case _:
                        return _whole(await client.achat(_request(spot)), spot, told)
        except aki_transport.errors.AKIError as error:
            return Got(error=error, told=told)


def _request(spot: Spot) -> ChatRequest:
    asked = spot.scenario.asked
    return ChatRequest(
        model=spot.model,
        messages=(Message(role="user", content=asked),) if isinstance(asked, str) else asked,
        raw_prompt=spot.scenario.kind == "prompt",
        tools=spot.scenario.tools,
        response_format=CITY if spot.scenario.kind == "structured" else None,
        **spot.given,
    )


def _whole(reply: ChatReply, spot: Spot, told: list[Any]) -> Got:
    if spot.scenario.kind == "structured":
        return Got(made=json.loads(reply.text))
    usage = reply.usage
    return Got(
        text=reply.text,
        reasoning=reply.reasoning,
        calls=tuple((call.name, json.loads(call.arguments)) for call in reply.tool_calls),
        usage=usage and (usage.input_tokens, usage.output_tokens, usage.total_tokens),
        told=told,
    )


def _streamed(deltas: list[ChatDelta], told: list[Any]) -> Got:
    reply = deltas[-1].reply
    assert "".join(delta.text for delta in deltas) == reply.text
    usage = reply.usage
    return Got(
        text=reply.text,
        pieces=sum(bool(delta.text) for delta in deltas),
        reasoning=reply.reasoning,
        calls=tuple((call.name, json.loads(call.arguments)) for call in reply.tool_calls),
        usage=usage and (usage.input_tokens, usage.output_tokens, usage.total_tokens),
        told=told,
    )


def _drawn(images: list[Any]) -> Got:
    return Got(pictures=tuple((image.width, image.height) for image in images))
