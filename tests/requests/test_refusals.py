"""What a service refuses is said otherwise, and remembered only where it concerns the service."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ThinkingBlock, ToolCallBlock

from aki_transport import AKIError
from aki_transport.prepare import adaptations
from tests.requests.frameworks import BOTH_HALVES, aki, ask, chat_aki, refuse_if
from tests.script_server import ScriptServer

# The scripted server answers with the same model, whichever is asked for.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "name": "f", "args": {}, "type": "tool_call"}
PNG = "data:image/png;base64,iVBORw0KGgo="


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


def in_order(body: dict[str, Any]) -> bool:
    """What the templates of some models require."""
    spoken = roles(body)[1:] if roles(body)[:1] == ["system"] else roles(body)
    return "system" not in spoken and all(one != other for one, other in pairwise(spoken))


def turn(framework: Any, *, call_id: str = "c1", picture: bool = False) -> list[Any]:
    """A turn of tools with a thought."""
    if framework is aki:
        result = [TextBlock(text="found"), *([ImageBlock(url=PNG)] if picture else [])]
        blocks = [ThinkingBlock(content="hm"), ToolCallBlock(tool_call_id=call_id, tool_name="f")]
        return [
            ChatMessage("hi"),
            ChatMessage(role="assistant", blocks=blocks),
            ChatMessage(role="tool", blocks=result, additional_kwargs={"tool_call_id": call_id}),
        ]
    content: list[Any] = ["found", *([{"type": "image", "url": PNG}] if picture else [])]
    thought = AIMessage("", tool_calls=[{**CALL, "id": call_id}], additional_kwargs={"reasoning_content": "hm"})
    return ["hi", thought, ToolMessage(content, tool_call_id=call_id)]


def named(framework: Any) -> list[Any]:
    return [
        ChatMessage("hi", additional_kwargs={"name": "ann"}) if framework is aki else HumanMessage("hi", name="ann")
    ]


def mixed(framework: Any) -> list[Any]:
    """System messages in the middle, and two of the user in a row."""
    texts = [("user", "a"), ("system", "b"), ("user", "c"), ("user", "d")]
    if framework is aki:
        return [ChatMessage(role=role, content=text) for role, text in texts]
    return [HumanMessage(text) if role == "user" else SystemMessage(text) for role, text in texts]


def openai(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **fields}}


def fastapi(*loc: str) -> dict[str, Any]:
    return {"detail": [{"type": "extra_forbidden", "loc": list(loc), "msg": "Extra inputs are not permitted"}]}


def tool_message_after_user(body: dict[str, Any]) -> bool:
    return ("tool", "user") in pairwise(roles(body))


# What is asked, what the service refuses, in which words, whether it is remembered, and what the next request must be.
ROWS: dict[str, tuple[Any, dict[str, Any], Any, list[tuple[int, dict[str, Any]]], bool]] = {
    "token bound": (
        lambda _: ["hi"],
        {"max_tokens": 9},
        lambda body: "max_tokens" in body,
        [
            (
                400,
                openai(
                    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                    "'max_completion_tokens' instead.",
                    param="max_tokens",
                    code="unsupported_parameter",
                ),
            ),
            (400, openai("'max_tokens' is not supported, use max_completion_tokens")),
            (422, fastapi("body", "max_tokens")),
        ],
        True,
    ),
    "name": (
        named,
        {},
        lambda body: any("name" in message for message in body["messages"]),
        [
            (422, fastapi("body", "messages", "0", "user", "name")),
            (400, openai("messages[0].name is not allowed")),
            (400, openai("property 'name' is unsupported", param="messages.0.name")),
        ],
        True,
    ),
    "reasoning": (
        turn,
        {"tools": [TOOL]},
        lambda body: any("reasoning_content" in message for message in body["messages"]),
        [
            (422, fastapi("body", "messages", "1", "assistant", "reasoning_content")),
            (400, openai("property 'reasoning_content' is unsupported", param="messages.1")),
            (400, openai("Unknown field reasoning_content")),
        ],
        True,
    ),
    "nine characters": (
        turn,
        {"tools": [TOOL]},
        lambda body: any(len(call["id"]) != 9 for each in body["messages"] for call in each.get("tool_calls", ())),
        [
            (400, openai("Tool call id was c1 but must be a-z, A-Z, 0-9, with a length of 9.")),
            (400, openai("Invalid 'messages[1].tool_calls[0].id': string too long. Expected maximum length 40.")),
        ],
        True,
    ),
    "pictures in results": (
        lambda framework: turn(framework, picture=True),
        {"tools": [TOOL]},
        tool_message_after_user,
        [
            (400, openai("Unexpected role 'user' after role 'tool'")),
            (400, {"object": "error", "message": "Conversation: user message after a tool message", "code": 400}),
        ],
        True,
    ),
    "one call at a time": (
        lambda _: ["hi"],
        {"tools": [TOOL], "parallel_tool_calls": False},
        lambda body: "parallel_tool_calls" in body,
        [(400, openai("Unknown parameter: 'parallel_tool_calls'", param="parallel_tool_calls"))],
        True,
    ),
    "forced tool": (
        lambda _: ["hi"],
        {"tools": [TOOL], "tool_choice": "required"},
        lambda body: body.get("tool_choice") not in (None, "auto"),
        [
            (400, openai("Thinking mode does not support this tool_choice")),
            (400, openai("tool_choice must be auto", param="tool_choice")),
        ],
        False,
    ),
    "system first": (
        mixed,
        {},
        lambda body: "system" in roles(body)[1:],
        [
            (400, openai("System message must be at the beginning.")),
            (400, openai("Only one system message is allowed")),
        ],
        False,
    ),
    "no system role": (
        mixed,
        {},
        lambda body: "system" in roles(body),
        [
            (400, openai("System role not supported")),
            (400, openai("Only user, assistant and tool roles are supported, got system.")),
            (400, openai("Developer instruction is not enabled for models/gemma-3-27b-it")),
            (422, openai("messages.1.role: Input should be 'user' or 'assistant'")),
        ],
        False,
    ),
    "order of roles": (
        mixed,
        {},
        lambda body: not in_order(body),
        [
            (400, openai("Conversation roles must alternate user/assistant/user/assistant/...")),
            (400, openai("After the optional system message, conversation roles must alternate user and assistant")),
        ],
        False,
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_refusal_is_followed_by_the_other_way(row: str, subtests, monkeypatch) -> None:
    messages, kwargs, is_refused, refusals, is_remembered = ROWS[row]
    for framework in (chat_aki, aki):
        for status, error in refusals:
            for way in BOTH_HALVES:
                with subtests.test(framework=framework.__name__, way=way, error=str(error)):
                    _check(
                        framework,
                        way,
                        messages(framework),
                        kwargs,
                        refuse_if(is_refused, error, status),
                        is_remembered=is_remembered,
                        monkeypatch=monkeypatch,
                    )


def _check(
    framework: Any, way: str, messages: list[Any], kwargs: Any, respond: Any, *, is_remembered: bool, monkeypatch: Any
) -> None:
    now = [1000.0]
    monkeypatch.setattr(adaptations, "clock", lambda: now[0])
    adaptations.forget_refusals()
    with ScriptServer(always=respond) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = framework(server)
        ask(model, way, messages, **kwargs)
        first = len(server.requests)
        assert first >= 2
        ask(model, way, messages, **kwargs)
        again = len(server.requests) - first
        assert again == (1 if is_remembered else first)
        now[0] += adaptations.REMEMBERED_FOR
        ask(model, way, messages, **kwargs)
        assert len(server.requests) - first - again == first


def test_a_refusal_of_something_else_is_raised_at_once(subtests) -> None:
    for message in ("the content is against our policy on names", "your prompt was blocked", "temperature is too high"):
        with subtests.test(message), ScriptServer(always=refuse_if(lambda _: True, openai(message))) as server:
            with pytest.raises(Exception, match=message[:20]):
                chat_aki(server).invoke([HumanMessage("hi", name="ann")])
            assert len(server.requests) == 1


def test_what_was_refused_either_way_is_not_remembered() -> None:
    error = openai("Unsupported parameter", param="max_tokens")
    with ScriptServer(always=refuse_if(lambda _: True, error)) as server:
        model = chat_aki(server, max_tokens=9)
        for _ in range(2):
            with pytest.raises(AKIError):
                model.invoke("hi")
        assert ["max_tokens" in request.json for request in server.requests] == [True, False] * 2


def test_a_forced_tool_that_is_refused_warns_once() -> None:
    respond = refuse_if(
        lambda body: body["tool_choice"]["type"] != "auto",
        openai("Thinking may not be enabled when tool_choice forces tool use."),
    )
    with ScriptServer(always=respond) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chat_aki(server, "anthropic").bind_tools([TOOL], tool_choice="f").invoke("hi")
    assert len([each for each in caught if "tool_choice='auto'" in str(each.message)]) == 1
    assert [request.json["tool_choice"]["type"] for request in server.requests] == ["tool", "auto"]
