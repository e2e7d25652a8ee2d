"""What is sent in Anthropic's protocol: all that was asked for, in the order the protocol wants, and nothing else."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aki_transport import ConfigurationError
from aki_transport.messages import (
    Audio,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    ReasoningBlock,
    Text,
    Tool,
    ToolCall,
    ToolNamed,
)
from aki_transport.wire import anthropic
from tests.script_server import ScriptServer, json_answer, sse
from tests.transport.anthropic_says import message, streamed, text, written
from tests.transport.asking import KEY, MODEL, Way, client_for, in_every_way

USER = {"role": "user", "content": [text("hi")]}
ADD = Tool(name="add", description="Adds.", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})
CALLED = Message(role="assistant", tool_calls=(ToolCall("toolu_1", "add", '{"a": 1}'),))
USED = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
PIXEL = base64.b64encode(b"\x89PNG").decode()


def body_of(*messages: Message, stream: bool = False, **fields: Any) -> dict[str, Any]:
    request = ChatRequest(model=MODEL, messages=messages or (Message(role="user", content="hi"),), **fields)
    return json.loads(json.dumps(anthropic.chat(request, stream=stream).body))


def turns_of(*messages: Message, **fields: Any) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(turn["role"], turn["content"]) for turn in body_of(*messages, **fields)["messages"]]


def user(*parts: Part | str) -> Message:
    return Message(role="user", content=tuple(Text(part) if isinstance(part, str) else part for part in parts))


def result(content: Any = "1", call_id: str = "toolu_1", **fields: Any) -> Message:
    return Message(role="tool", content=content, tool_call_id=call_id, **fields)


@in_every_way
def test_a_bare_request(way: Way, server: ScriptServer) -> None:
    events = [written([each]) for each in streamed()]
    server.say(sse(*events, done=False) if way.streamed else json_answer(message()))
    way.ask(client_for(server, protocol="anthropic", base_url=server.anthropic_url))
    (listing,), (request,) = server.listings, server.requests
    assert (listing.path, listing.query, request.path) == ("/anthropic/v1/models", "", "/anthropic/v1/messages")
    flag = {"stream": True} if way.streamed else {}
    assert request.json == {"model": MODEL, "max_tokens": 8192, "messages": [USER], **flag}
    for headers in (listing.headers, request.headers):
        assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY, "2023-06-01")
        assert "authorization" not in headers


def test_what_is_asked_for_is_sent_under_the_protocol_s_names() -> None:
    fields = {"temperature": 0, "top_p": 0.0, "top_k": 0, "max_tokens": 0}
    asked = body_of(**fields, stop=("END", "\n"), extra_body={"metadata": {}})
    assert asked == {"model": MODEL, "messages": [USER], **fields, "stop_sequences": ["END"], "metadata": {}}
    assert body_of(max_tokens=7, extra_body={"max_tokens": 9})["max_tokens"] == 9


def system(content: Any) -> Message:
    return Message(role="system", content=content)


def model(text: str) -> Message:
    return Message(role="assistant", content=text)


def test_system_messages_stand_apart_wherever_they_were() -> None:
    asked = body_of(system("Be brief."), user("hi"), system((Text("Be"), Text("kind."))), system(" \n"), user("ho"))
    assert asked["system"] == "Be brief.\n\nBe\nkind."
    assert asked["messages"] == [{"role": "user", "content": [text("hi"), text("ho")]}]
    assert "system" not in body_of(system(" "), user("hi"))
    with pytest.raises(ConfigurationError, match="system message"):
        body_of(system((Image(url="https://a.example/b.png"),)), user("hi"))


@pytest.mark.parametrize("blank", ["", " ", "\n\t ", "\u3000"])
def test_turns_of_one_role_become_one_and_blank_ones_none(blank: str) -> None:
    assert turns_of(user(blank, "a", blank), model(blank), user(blank)) == [("user", [text("a")])]
    assert turns_of(user(" a "), user("b"), model(" c "), model("d"), user("e"), model(f"The answer:{blank}")) == [
        ("user", [text(" a "), text("b")]),
        ("assistant", [text(" c "), text("d")]),
        ("user", [text("e")]),
        ("assistant", [text("The answer:")]),  # what an answer shall begin with ends with no blank
    ]


def test_the_request_itself_stays_as_it_was() -> None:
    messages = (user("a"), user("b"), model("c "))
    request = ChatRequest(model=MODEL, messages=messages)
    assert anthropic.chat(request, stream=False).body == anthropic.chat(request, stream=False).body
    assert request.messages == messages


# Tools


def test_results_of_tools_are_the_user_s_and_stand_first() -> None:
    called = Message(
        role="assistant", content="Let me see.", tool_calls=(*CALLED.tool_calls, ToolCall("toolu_2", "add", ""))
    )
    found = turns_of(user("hi"), called, user("Hurry!"), result("1"), result("no", "toolu_2", is_error=True))
    assert found[1:] == [
        ("assistant", [text("Let me see."), USED, {**USED, "id": "toolu_2", "input": {}}]),
        (
            "user",
            [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("1")]},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [text("no")], "is_error": True},
                text("Hurry!"),
            ],
        ),
    ]


def test_a_tool_s_result_may_be_empty_or_a_picture() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    found = turns_of(user("hi"), CALLED, result(""), result((Image(base64=PIXEL), Text("a dot")), "toolu_2"))
    assert [block["content"] for block in found[-1][1]] == [[], [picture, text("a dot")]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", {}),
        ('{"a": 1.0, "ä": [null]}', {"a": 1.0, "ä": [None]}),
        ('{"a": ', {"not_json": '{"a": '}),
        ("null", {"not_json": "null"}),
        ("[1]", {"not_json": "[1]"}),
        ('{"a": NaN}', {"not_json": '{"a": NaN}'}),
        ('{"a": -Infinity}', {"not_json": '{"a": -Infinity}'}),
        ('{"a":' * 10_000, {"not_json": '{"a":' * 10_000}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, said: dict[str, Any]) -> None:
    called = Message(role="assistant", tool_calls=(ToolCall("toolu_1", "add", arguments),))
    assert turns_of(user("hi"), called, result())[1] == ("assistant", [{**USED, "input": said}])


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_whatever_a_model_wrote_as_arguments_can_be_sent(arguments: str) -> None:
    called = Message(role="assistant", tool_calls=(ToolCall("toolu_1", "add", arguments),))
    (block,) = turns_of(user("hi"), called, result())[1][1]
    assert isinstance(block["input"], dict)
    json.dumps(block, allow_nan=False)


def test_tools_in_our_form_and_in_openai_s_and_in_the_service_s_own() -> None:
    schema = ADD.parameters
    asked = body_of(
        tools=(
            ADD,
            {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": schema}},
            {"type": "function", "function": {"name": "now"}},
            Tool(name="now"),
            {"type": "web_search_20250305", "name": "web_search"},
        )
    )
    add = {"name": "add", "description": "Adds.", "input_schema": schema}
    now = {"name": "now", "input_schema": {"type": "object", "properties": {}}}
    assert asked["tools"] == [add, add, now, now, {"type": "web_search_20250305", "name": "web_search"}]
    assert "tool_choice" not in asked


@pytest.mark.parametrize(
    ("choice", "parallel", "said"),
    [
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", None, {"type": "none"}),
        (ToolNamed("add"), None, {"type": "tool", "name": "add"}),
        (None, True, {"type": "auto", "disable_parallel_tool_use": False}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolNamed("add"), False, {"type": "tool", "name": "add", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
    ],
)
def test_each_choice_of_a_tool(choice: Any, parallel: bool | None, said: dict[str, Any]) -> None:
    asked = body_of(tools=(ADD,), tool_choice=choice, parallel_tool_calls=parallel)
    assert asked["tool_choice"] == said
    assert "tool_choice" not in body_of(tool_choice="required", parallel_tool_calls=False)


# Pictures and documents


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            Image(base64=PIXEL, mime_type="image/jpeg", detail="low"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PIXEL}},
        ),
        (
            Image(url="https://a.example/b.png?x=;base64,y"),
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png?x=;base64,y"}},
        ),
        (
            File(url="https://a.example/b.pdf", filename="b.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}, "title": "b.pdf"},
        ),
        (
            File(base64=base64.b64encode("Größe".encode()).decode(), mime_type="text/markdown"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Größe"}},
        ),
    ],
)
def test_each_part_that_is_no_text(part: Part, block: dict[str, Any]) -> None:
    assert turns_of(user("see:", part)) == [("user", [text("see:"), block])]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        *((File(base64=data, mime_type="text/plain", filename="a.txt"), "base64") for data in ("x", "\u00e4", "YWJ")),
        (Audio(base64="UklGRg==", format="wav"), "no sound"),
    ],
)
def test_what_cannot_be_sent_is_refused(part: Part, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        turns_of(user(part))


# Thinking


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"),
    [
        ("minimal", 8192, 1024),
        ("low", 8192, 1638),
        ("medium", 8192, 4096),
        ("high", 8192, 6553),
        ("high", 1025, 1024),
        ("minimal", 100_000, 10_000),
    ],
)
def test_an_effort_is_a_budget_that_leaves_room_for_the_answer(effort: str, max_tokens: int, budget: int) -> None:
    asked = body_of(reasoning_effort=effort, max_tokens=max_tokens)
    assert asked["thinking"] == {"type": "enabled", "budget_tokens": budget}


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["minimal", "low", "medium", "high"]), st.integers(1025, 10**7))
def test_every_budget_is_taken(effort: str, max_tokens: int) -> None:
    budget = body_of(reasoning_effort=effort, max_tokens=max_tokens)["thinking"]["budget_tokens"]
    assert 1024 <= budget < max_tokens


def test_an_effort_is_none_or_a_known_one_with_room_for_it() -> None:
    assert body_of(reasoning_effort="none", max_tokens=5)["thinking"] == {"type": "disabled"}
    assert "thinking" not in body_of()
    for max_tokens in (0, 1, 1024):
        with pytest.raises(ConfigurationError, match="max_tokens above 1024"):
            body_of(reasoning_effort="low", max_tokens=max_tokens)
    with pytest.raises(ConfigurationError, match="'none', 'minimal', 'low', 'medium', 'high'"):
        body_of(reasoning_effort="xhigh")


SIGNED = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
UNSIGNED = {"type": "thinking", "thinking": "unsigned"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
THOUGHTFUL = Message(
    role="assistant",
    reasoning="Hm",
    reasoning_blocks=(
        ReasoningBlock(text="Hm", signature="c2ln"),
        ReasoningBlock(data="ZGF0YQ=="),
        ReasoningBlock(text="unsigned"),
    ),
    tool_calls=CALLED.tool_calls,
)


@pytest.mark.parametrize(
    ("send", "open_turn", "earlier", "later"),
    [
        ("never", True, False, False),
        (None, True, False, False),
        ("tool_turns", True, True, True),  # nothing but an answer without calls ends the turn
        ("tool_turns", False, False, False),
        ("always", True, True, True),
        ("always", False, True, True),
    ],
)
def test_thoughts_are_sent_back_only_where_that_is_asked(
    send: Any, open_turn: bool, earlier: bool, later: bool
) -> None:
    turn = (THOUGHTFUL, result())
    ending = () if open_turn else (Message(role="assistant", content="1"), user("thanks"))
    found = turns_of(user("a"), *turn, user("b"), *turn, *ending, send_reasoning=send)
    calls = [blocks for role, blocks in found if role == "assistant" and blocks[-1]["type"] == "tool_use"]
    assert calls == [[*([SIGNED, REDACTED, UNSIGNED] if sent else []), USED] for sent in (earlier, later)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([user("a"), user(" "), CALLED, result(), THOUGHTFUL, user("b", "c")]), max_size=8))
def test_roles_always_alternate_and_no_turn_is_empty(messages: list[Message]) -> None:
    found = turns_of(*messages, user("end"), send_reasoning="always")
    roles = [role for role, _ in found]
    assert all(one != other for one, other in pairwise(roles))
    for _, blocks in found:
        assert blocks
        kinds = [block["type"] == "tool_result" for block in blocks]
        assert kinds == sorted(kinds, reverse=True)
