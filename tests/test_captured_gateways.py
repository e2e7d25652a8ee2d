"""Real servers, played again byte for byte as `make interop` wrote down what they answered."""

import json
from collections.abc import Mapping
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel

import aki_transport.errors as ours
from aki_transport import Provider, Route
from aki_transport.models.listing import forget_listings
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.model_classes import CLASSES, EVERY_WAY, WAYS, text_of
from tests.script_server import Answer, Request, ScriptServer

FOLDER = Path(__file__).parent / "captured"
KEY = "sk-of-my-gateway"


class Captured:
    def __init__(self, page: Mapping[str, Any]) -> None:
        self.model: str = page["model"]
        self.rows = {(row["kind"], row["name"]): row for row in page["answers"]}

    def answer(self, kind: str, name: str) -> Answer:
        return as_captured(self.rows[kind, name])

    def served(self, name: str | None = None) -> ScriptServer:
        def answer(request: Request) -> Answer:
            kind = "messages" if request.path.endswith("/messages") else "chat"
            good = "stream" if request.json.get("stream") else "answer"
            return self.answer(kind, good if name is None else name)

        return ScriptServer(
            always=answer, listing=self.answer("models", "listing"), details=self.answer("model/info", "limits")
        )

    def text(self, kind: str, *, stream: bool) -> str:
        """The text of the good answer, read by other code than ours."""
        body = self.rows[kind, "stream" if stream else "answer"]["body"]
        if not stream:
            answer = json.loads(body)
            content = answer["content"] if kind == "messages" else answer["choices"][0]["message"]["content"]
            return "".join(block["text"] for block in content) if kind == "messages" else str(content)
        lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: {")]
        events = [json.loads(line) for line in lines]
        if kind == "messages":
            return "".join(event.get("delta", {}).get("text", "") for event in events)
        deltas = [choice["delta"] for event in events for choice in event.get("choices", ())]
        return "".join(delta.get("content") or "" for delta in deltas)


def as_captured(row: Mapping[str, Any]) -> Answer:
    return Answer(status=row["status"], headers=row["headers"], chunks=(row["body"].encode(),))


SERVERS = {
    "llama.cpp": Captured(json.loads((FOLDER / "llama_cpp.json").read_text())),
    "litellm": Captured(json.loads((FOLDER / "litellm.json").read_text())),
    "transformers serve": Captured(json.loads((FOLDER / "transformers_serve.json").read_text())),
}


def model_at(server: ScriptServer, captured: Captured, kind: str = "chat", cls: Any = ChatAKI, **fields: Any) -> Any:
    if kind == "chat":
        provider = Provider(base_url=server.openai_url)
    else:
        provider = Provider(routes=(Route(protocol="anthropic", base_url=server.url),))
    return cls(**{"model": captured.model, "provider": provider, "api_key": KEY, **fields})


# Server, kind, the context window that it tells, and the requests that look for it.
@pytest.mark.parametrize(
    ("name", "kind", "window", "listed_by"),
    [
        ("llama.cpp", "chat", 4096, 1),
        ("llama.cpp", "messages", 4096, 1),
        ("litellm", "chat", 4096, 1),
        ("litellm", "messages", 4096, 1),
        ("transformers serve", "chat", None, 2),
    ],
)
def test_the_first_call_answers_and_the_limits_are_known_behind_it(
    name: str, kind: str, window: int | None, listed_by: int
) -> None:
    captured = SERVERS[name]
    for cls, way in EVERY_WAY:
        forget_listings()
        with captured.served() as server:
            model = model_at(server, captured, kind, cls)
            assert text_of(model, way) == captured.text(kind, stream="stream" in way)
            assert (len(server.listings), len(server.requests)) == (listed_by, 1)
            bounds = {"max_tokens", "max_completion_tokens"} & server.requests[0].json.keys()
            assert bounds == ({"max_tokens"} if kind == "messages" else set())
        info = model.model_info()
        assert (info.source, info.context_window) == (("service", window) if window else ("default", 32768))
        assert info.max_output == min(8192, info.context_window)
        if cls is ChatAKI:
            assert model.profile["max_input_tokens"] == info.context_window
        if cls is AKI:
            assert model.metadata.context_window == info.context_window


# Server, kind and name of an answer; the error that it is; whether the call is made again.
REFUSALS = [
    ("llama.cpp", "chat", "wrong key", ours.AuthenticationError),
    ("llama.cpp", "chat", "overflow", ours.ContextOverflowError),
    ("llama.cpp", "chat", "picture", ours.APIStatusError),
    ("llama.cpp", "messages", "overflow", ours.ContextOverflowError),
    ("litellm", "chat", "unknown model", ours.ModelNotFoundError),
    ("litellm", "chat", "wrong key", ours.AuthenticationError),
    ("litellm", "chat", "overflow", ours.ContextOverflowError),
    ("litellm", "chat", "picture", ours.APIStatusError),
    ("litellm", "chat", "RateLimitError", ours.RateLimitError),
    ("litellm", "chat", "ContextWindowExceededError", ours.ContextOverflowError),
    ("litellm", "chat", "InternalServerError", ours.ServerError),
    ("litellm", "messages", "unknown model", ours.ModelNotFoundError),
    ("transformers serve", "chat", "unknown model", ours.ModelNotFoundError),
    ("litellm", "messages", "overflow", ours.ContextOverflowError),
]
RETRIED = ("RateLimitError", "InternalServerError")


@pytest.mark.parametrize(("name", "kind", "refusal", "error"), REFUSALS)
def test_refusals_are_typed_and_not_repeated_in_vain(
    name: str, kind: str, refusal: str, error: type[ours.APIStatusError]
) -> None:
    captured = SERVERS[name]
    headers = captured.rows[kind, refusal]["headers"]
    retries = 0 if refusal in RETRIED else 2
    with captured.served(refusal) as server:
        for number, (cls, way) in enumerate(product((ChatAKI, AKI), WAYS), start=1):
            with pytest.raises(error) as caught:
                text_of(model_at(server, captured, kind, cls, max_retries=retries), way)
            assert len(server.requests) == number
            assert caught.value.request_id == headers.get("x-litellm-call-id", headers.get("x-request-id"))


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str
    days: int


class Person(BaseModel):
    name: str
    age: int
    is_member: bool


@pytest.mark.parametrize("name", ["llama.cpp", "litellm"])
def test_calls_and_objects_are_read(name: str) -> None:
    captured = SERVERS[name]
    body = json.loads(captured.rows["chat", "forced tool"]["body"])
    (call,) = body["choices"][0]["message"]["tool_calls"]
    with captured.served("forced tool") as server:
        reply = model_at(server, captured).bind_tools([GetWeather], tool_choice="any").invoke("hi")
    assert [(each["name"], each["args"], each["id"]) for each in reply.tool_calls] == [
        (call["function"]["name"], json.loads(call["function"]["arguments"]), call["id"])
    ]
    with captured.served("forced tool, streamed") as server:
        first, *pieces = model_at(server, captured).bind_tools([GetWeather], tool_choice="any").stream("hi")
        GetWeather.model_validate(sum(pieces, first).tool_calls[0]["args"])
    with captured.served("object") as server:
        value = model_at(server, captured).with_structured_output(Person, method="json_schema").invoke("hi")
    content = json.loads(captured.rows["chat", "object"]["body"])["choices"][0]["message"]["content"]
    assert value == Person.model_validate_json(content)


def test_an_openai_interface_whose_url_ends_like_the_native_one() -> None:
    captured = SERVERS["llama.cpp"]
    with captured.served() as server:
        route = Route(protocol="openai", base_url=f"{server.url}/api")  # Open WebUI's
        for cls in CLASSES:
            model = model_at(server, captured, cls=cls, provider=Provider(routes=(route,)))
            assert text_of(model, "blocking") == captured.text("chat", stream=False)
        assert {request.path for request in server.requests} == {"/api/chat/completions"}
        assert {request.path for request in server.listings} == {"/api/models"}


CALL = {"id": "call_1", "name": "f", "args": {}, "type": "tool_call"}


def is_in_order(body: Mapping[str, Any], refusal: str) -> bool:
    roles = [message["role"] for message in body["messages"]]
    spoken = roles[roles[0] == "system" :]
    alternate = all(one != other for one, other in pairwise(spoken))
    return "system" not in spoken and (alternate or "alternate" not in refusal)


def has_short_ids(body: Mapping[str, Any], _: str) -> bool:
    calls = [call for message in body["messages"] for call in message.get("tool_calls", ())]
    return {len(call["id"]) for call in calls} == {9}


HISTORIES: dict[str, tuple[Any, Any]] = {
    "odd history": (
        [("user", "a"), ("user", "b"), ("assistant", "c"), ("system", "d"), ("user", "e")],
        is_in_order,
    ),
    "tool results": (
        [HumanMessage("a"), AIMessage("", tool_calls=[CALL]), ToolMessage("b", tool_call_id="call_1")],
        has_short_ids,
    ),
}
REFUSED = json.loads((FOLDER / "llama_cpp_templates.json").read_text())["refused"]


# Gemma 2 has no tools: nothing else can be sent than the user's history.
@pytest.mark.parametrize(
    "row",
    [row for row in REFUSED if (row["template"], row["name"]) != ("google-gemma-2-2b-it", "tool results")],
    ids=lambda row: f"{row['template']} {row['name']}",
)
def test_a_history_that_a_chat_template_refuses_is_sent_in_a_form_that_it_takes(row: Mapping[str, Any]) -> None:
    history, is_taken = HISTORIES[row["name"]]
    captured = SERVERS["llama.cpp"]

    def answer(request: Request) -> Answer:
        return captured.answer("chat", "answer") if is_taken(request.json, row["body"]) else as_captured(row)

    with ScriptServer(always=answer, listing=captured.answer("models", "listing")) as server:
        assert model_at(server, captured).invoke(history).text == captured.text("chat", stream=False)
        assert len(server.requests) <= 3
