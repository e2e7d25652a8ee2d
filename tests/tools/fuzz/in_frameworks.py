"""The same through the public classes of both frameworks, over a connection without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Literal, TypeAlias

import httpx
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from llama_index.core.base.llms.types import ChatMessage, ChatResponse

from aki_transport import AKIError, InvalidResponseError
from aki_transport.transport import polling as jobs
from aki_transport.transport.body import Payload
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.scenarios import MODEL, TOOLS
from tests.script_server import MODELS
from tests.tools.fuzz import seeds
from tests.tools.fuzz.drawn import Drawn
from tests.transport import native_says
from tests.transport.asking import KEY
from tests.transport.test_decoding import Pieces

Protocol: TypeAlias = Literal["openai", "anthropic", "native"]
PROTOCOLS: tuple[Protocol, ...] = ("openai", "anthropic", "native")
CHATS: Mapping[Protocol, str] = {"openai": MODEL, "anthropic": MODEL, "native": native_says.CHAT}
_LISTS = {"data": [dict(row) for row in MODELS], "endpoints": [native_says.ENDPOINT]}
_VALID = {
    ("openai", False): seeds.OPENAI,
    ("openai", True): seeds.OPENAI_STREAM,
    ("anthropic", False): seeds.ANTHROPIC,
    ("anthropic", True): seeds.ANTHROPIC_STREAM,
    ("native", False): seeds.NATIVE,
    ("native", True): seeds.NATIVE,
}


class Service:
    """Says what it is told to, whoever asks; a stream in the pieces that `cuts` make of it.

    Attributes:
        answers: The bodies still to be said; the last one is said again and again.
        asked: The bodies of the requests.
    """

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.kind = "application/json"
        self.status = 200
        self.cuts: list[int] = []
        self.asked: list[Any] = []

    def say(self, *answers: bytes, kind: str = "application/json", status: int = 200, cuts: Sequence[int] = ()) -> None:
        """What is said from now on."""
        self.answers, self.kind, self.status, self.cuts = list(answers), kind, status, list(cuts)
        self.asked.clear()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The next answer."""
        if request.method == "GET":
            return httpx.Response(200, json=_LISTS)
        self.asked.append(json.loads(request.content))
        body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(self.status, headers={"content-type": self.kind}, stream=Pieces(body, self.cuts))


SERVICE = Service()


def _connections() -> dict[str, Any]:
    played = httpx.MockTransport(SERVICE.answer)
    return {"http_client": httpx.Client(transport=played), "http_async_client": httpx.AsyncClient(transport=played)}


def _given(protocol: Protocol) -> dict[str, Any]:
    return {"model": CHATS[protocol], "protocol": protocol, "api_key": KEY, "max_retries": 0, **_connections()}


@cache
def langchain(protocol: Protocol) -> ChatAKI:
    """LangChain's model there."""
    return ChatAKI(**_given(protocol))


@cache
def llama_index(protocol: Protocol) -> AKI:
    """LlamaIndex's model there."""
    return AKI(**_given(protocol))


@contextmanager
def no_pauses() -> Iterator[None]:
    """Jobs are looked at without a pause."""
    kept = jobs.FIRST_PAUSE, jobs.SHARE
    jobs.FIRST_PAUSE = jobs.SHARE = 0.0
    try:
        yield
    finally:
        jobs.FIRST_PAUSE, jobs.SHARE = kept


def ask_langchain(protocol: Protocol, *, stream: bool, is_async: bool = False) -> BaseMessage:
    """The message, a stream's pieces added up."""
    model: Any = langchain(protocol)
    if protocol != "native":
        model = model.bind_tools(TOOLS)
    question = [HumanMessage("hi")]
    if not stream:
        return asyncio.run(model.ainvoke(question)) if is_async else model.invoke(question)

    async def collect() -> list[Any]:
        return [piece async for piece in model.astream(question)]

    first, *others = asyncio.run(collect()) if is_async else list(model.stream(question))
    return sum(others, start=first)


def ask_llama_index(protocol: Protocol, *, stream: bool, is_async: bool = False) -> ChatResponse:
    """The response, of a stream the last."""
    model, question = llama_index(protocol), [ChatMessage(content="hi")]
    given = {} if protocol == "native" else {"tools": list(TOOLS)}
    if not stream:
        return asyncio.run(model.achat(question, **given)) if is_async else model.chat(question, **given)

    async def collect() -> list[ChatResponse]:
        return [piece async for piece in await model.astream_chat(question, **given)]

    pieces = asyncio.run(collect()) if is_async else list(model.stream_chat(question, **given))
    assert "".join(piece.delta or "" for piece in pieces) == (pieces[-1].message.content or "")
    return pieces[-1]


def check_langchain(message: BaseMessage) -> None:
    """The message can be read, written and sent back."""
    assert isinstance(message, AIMessage)
    assert isinstance(message.text, str)
    assert all(isinstance(call["args"], dict) and call["id"] for call in message.tool_calls)
    assert list(message.content_blocks) is not None
    json.dumps(message.model_dump(mode="json"))


def check_llama_index(response: ChatResponse) -> None:
    """The response can be read, written and sent back."""
    assert isinstance(response.message.content, str | None)
    assert isinstance(response.raw, dict)
    with suppress(InvalidResponseError):  # how arguments that are no object are said there
        llama_index("openai").get_tool_calls_from_response(response, error_on_no_tool_call=False)
    response.message.model_dump_json()
    repr(response)


ASKS: Mapping[str, tuple[Callable[..., Any], Callable[[Any], None]]] = {
    "LangChain": (ask_langchain, check_langchain),
    "LlamaIndex": (ask_llama_index, check_llama_index),
}


def say(protocol: Protocol, events: Sequence[Payload], *, stream: bool) -> None:
    """Have the service say these payloads as an answer of that protocol."""
    said = [event.data if isinstance(event.data, bytes) else event.data.encode() for event in events]
    if protocol == "native":
        SERVICE.say(*said, json.dumps(native_says.done()).encode())
    elif stream:
        named = [f"event: {event.event}\ndata: ".encode() for event in events]
        body = b"".join(name + data + b"\n\n" for name, data in zip(named, said, strict=True))
        SERVICE.say(body, kind="text/event-stream")
    else:
        SERVICE.say(said[0])


def answer_or_error(framework: str, protocol: Protocol, events: Sequence[Payload], *, stream: bool) -> None:
    """What the user gets is an answer, or an error of ours."""
    ask, check = ASKS[framework]
    say(protocol, events, stream=stream)
    try:
        found = ask(protocol, stream=stream)
    except AKIError as error:
        failure = error
    else:
        check(found)
        return
    assert KEY not in f"{failure} {failure!r} {vars(failure)}"


def _target(framework: str) -> Callable[[Drawn], None]:
    def run(drawn: Drawn) -> None:
        protocol, stream = drawn.pick(PROTOCOLS), drawn.flag()
        event = {"native": "progress", "openai": "body", "anthropic": "body"}[protocol]
        events = drawn.payloads(_VALID[protocol, stream], None if stream and protocol != "native" else event)
        with no_pauses():
            answer_or_error(framework, protocol, events, stream=stream)

    return run


TARGETS: Mapping[str, Callable[[Drawn], None]] = {f"{name}: messages": _target(name) for name in ASKS}
