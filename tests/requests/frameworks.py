"""Asks the models of both frameworks, by every way, and gives the bodies that the server saw."""

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Literal, TypeAlias

from llama_index.core.base.llms.types import ChatMessage

from aki_transport import Provider, Route
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.anthropic_script import said
from tests.langchain import asking as in_langchain
from tests.llama_index import asking as in_llama_index
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer

Protocol: TypeAlias = Literal["openai", "anthropic"]
PROTOCOLS: tuple[Protocol, ...] = ("openai", "anthropic")
WAYS = ("blocking", "async", "stream", "async stream")
BOTH_HALVES = ("blocking", "async stream")
"""Sync and async, blocking and streamed, once each: for what no pair of them decides."""


def answer(request: Request) -> Answer:
    return in_pieces("Hello", len("Hello"))(request)


def in_pieces(text: str | None, cut: int = 3, finish: str = "stop", **message: Any) -> Callable[[Request], Answer]:
    """This text by any protocol, in pieces where it is streamed."""

    def respond(request: Request) -> Answer:
        if request.path.endswith("/v1/messages"):
            return said(request, {"type": "text", "text": text})
        if not request.json.get("stream"):
            return replied(text, finish=finish, model="m", **message)
        pieces = [text[at : at + cut] for at in range(0, len(text), cut)] if text else []
        return streamed(*([chunk(**message, model="m")] if message else []), *pieces, finish=finish, model="m")

    return respond


def gateway(server: ScriptServer) -> Provider:
    routes = (
        Route(protocol="openai", base_url=server.openai_url),
        Route(protocol="anthropic", base_url=server.anthropic_url, key_in="x-api-key"),
    )
    return Provider(name="mine", routes=routes)


def chat_aki(server: ScriptServer, protocol: Protocol = "openai", **fields: Any) -> ChatAKI:
    return ChatAKI(**{"model": "m", "provider": gateway(server), "protocol": protocol, "api_key": "k-test", **fields})


def aki(server: ScriptServer, protocol: Protocol = "openai", **fields: Any) -> AKI:
    return AKI(**{"model": "m", "provider": gateway(server), "protocol": protocol, "api_key": "k-test", **fields})


FRAMEWORKS = (chat_aki, aki)


def ask(model: Any, way: str, messages: Sequence[Any], **kwargs: Any) -> list[Any]:
    at = WAYS.index(way)
    if not isinstance(model, AKI):
        return in_langchain.pieces_of(model, in_langchain.WAYS[at], messages, **kwargs)
    messages = [ChatMessage(message) if isinstance(message, str) else message for message in messages]
    return in_llama_index.items_of(model, in_llama_index.WAYS[at], messages, **kwargs)


def reply_of(model: Any, way: str, messages: Sequence[Any] = ("hi",), **kwargs: Any) -> Any:
    items = ask(model, way, messages, **kwargs)
    return items[-1] if isinstance(model, AKI) else reduce(operator.add, items)


def body_of(
    server: ScriptServer,
    framework: Callable[..., Any],
    protocol: Protocol,
    messages: Sequence[Any],
    *,
    fields: Any = None,
    **kwargs: Any,
) -> dict[str, Any]:
    """The body that both halves send; they are the same but for what asks for a stream."""
    seen = len(server.requests)
    model = framework(server, protocol, **(fields or {}))
    for way in BOTH_HALVES:
        ask(model, way, messages, **kwargs)
    asked = [request.json for request in server.requests[seen:]]
    bodies = [{k: v for k, v in body.items() if k not in ("stream", "stream_options")} for body in asked]
    assert len(bodies) == len(BOTH_HALVES)
    assert all(body == bodies[0] for body in bodies)
    return bodies[0]
