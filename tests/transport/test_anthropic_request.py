"""What is sent in Anthropic's protocol: all that was asked for, in the order the protocol wants, and nothing else."""

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
from tests.script_server import json_answer, sse
from tests.transport.anthropic_says import message, streamed, text, written
from tests.transport.asking import KEY, MODEL, client_for, in_every_way

HI = Message(role="user", content="hi")
USER = {"role": "user", "content": [text("hi")]}
ADD = Tool(name="add", description="Adds.", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})
CALLED = Message(role="assistant", tool_calls=(ToolCall("toolu_1", "add", '{"a": 1}'),))
USED = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
PIXEL = base64.b64encode(b"\x89PNG").decode()


def body_of(*messages: Message, stream: bool = False, **fields: Any) -> dict[str, Any]:
    request = ChatRequest(model=MODEL, messages=messages or (HI,), **fields)
    body, again = (json.dumps(anthropic.chat(request, stream=stream).body) for _ in range(2))
    assert again == body  # the request itself stays as it was
    return json.loads(body)


def turns_of(*messages: Message, **fields: Any) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(turn["role"], turn["content"]) for turn in body_of(*messages, **fields)["messages"]]


def user(*parts: Part | str) -> Message:
    return Message(role="user", content=tuple(Text(part) if isinstance(part, str) else part for part in parts))


def system(content: Any) -> Message:
    return Message(role="system", content=content)


def model(text: str = "", **fields: Any) -> Message:
    return Message(role="assistant", content=text, **fields)


def result(content: Any = "1", call_id: str = "toolu_1", **fields: Any) -> Message:
    return Message(role="tool", content=content, tool_call_id=call_id, **fields)


@in_every_way
def test_a_bare_request(way, server):
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


def test_what_is_asked_for_is_sent_under_the_protocol_s_names():
    fields = {"temperature": 0, "top_p": 0.0, "top_k": 0, "max_tokens": 0}
    asked = body_of(**fields, stop=("END", "\n"), extra_body={"metadata": {}})
    assert asked == {"model": MODEL, "messages": [USER], **fields, "stop_sequences": ["END"], "metadata": {}}
    assert body_of(max_tokens=7, extra_body={"max_tokens": 9})["max_tokens"] == 9


def test_system_messages_stand_apart_wherever_they_were():
    asked = body_of(system("Be brief."), user("hi"), system((Text("Be"), Text("kind."))), system(" \n"), user("ho"))
    assert asked["system"] == "Be brief.\n\nBe\nkind."
    assert asked["messages"] == [{"role": "user", "content": [text("hi"), text("ho")]}]
    assert "system" not in body_of(system(" "), user("hi"))
    with pytest.raises(ConfigurationError, match="system message"):
        body_of(system((Image(url="https://a.example/b.png"),)), user("hi"))


@pytest.mark.parametrize("blank", ["", " ", "\n\t ", "\u3000"])
def test_turns_of_one_role_become_one_and_blank_ones_none(blank):
    assert turns_of(user(blank, "a", blank), model(blank), user(blank)) == [("user", [text("a")])]
    assert turns_of(user(" a "), user("b"), model(" c "), model("d"), user("e"), model(f"The answer:{blank}")) == [
        ("user", [text(" a "), text("b")]),
        ("assistant", [text(" c "), text("d")]),
        ("user", [text("e")]),
        ("assistant", [text("The answer:")]),  # what an answer shall begin with ends with no blank
    ]


def test_results_of_tools_are_the_user_s_and_stand_first():
    called = model("Let me see.", tool_calls=(*CALLED.tool_calls, ToolCall("toolu_2", "add", "")))
    _, (_, calls), (role, results) = turns_of(
        *(HI, called, user("Hurry!"), result("1"), result("no", "toolu_2", is_error=True))
    )
    assert calls == [text("Let me see."), USED, {**USED, "id": "toolu_2", "input": {}}]
    assert (role, results) == (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("1")]},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": [text("no")], "is_error": True},
            text("Hurry!"),
        ],
    )


def test_a_tool_s_result_may_be_empty_or_a_picture():
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    found = turns_of(HI, CALLED, result(""), result((Image(base64=PIXEL), Text("a dot")), "toolu_2"))
    assert [block["content"] for block in found[-1][1]] == [[], [picture, text("a dot")]]


@pytest.mark.parametrize(
    ("arguments", "is_object"),
    [
        *((text, True) for text in ("{}", '{"a": 1.0, "ä": [null]}')),
        *((text, False) for text in ('{"a": ', "null", "[1]", '{"a": NaN}', '{"a": -Infinity}', '{"a":' * 10_000)),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments, is_object):
    called = model(tool_calls=(ToolCall("toolu_1", "add", arguments),))
    expected = json.loads(arguments) if is_object else {"not_json": arguments}
    assert turns_of(HI, called, result())[1] == ("assistant", [{**USED, "input": expected}])


@settings(max_examples=30, deadline=None)
@given(st.text())
def test_whatever_a_model_wrote_as_arguments_can_be_sent(arguments):
    called = model(tool_calls=(ToolCall("toolu_1", "add", arguments),))
    (block,) = turns_of(HI, called, result())[1][1]
    assert isinstance(block["input"], dict)
    json.dumps(block, allow_nan=False)


def test_tools_in_our_form_and_in_openai_s_and_in_the_service_s_own():
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


ANY, ADD_ALONE = {"type": "any"}, {"type": "tool", "name": "add"}


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, {"type": "auto"}),
        ("required", None, ANY),
        ("none", None, {"type": "none"}),
        (ToolNamed("add"), None, ADD_ALONE),
        *((None, several, {"type": "auto", "disable_parallel_tool_use": not several}) for several in (True, False)),
        ("required", False, {**ANY, "disable_parallel_tool_use": True}),
        (ToolNamed("add"), False, {**ADD_ALONE, "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
    ],
)
def test_each_choice_of_a_tool(choice, parallel, expected):
    asked = body_of(tools=(ADD,), tool_choice=choice, parallel_tool_calls=parallel)
    assert asked["tool_choice"] == expected
    assert "tool_choice" not in body_of(tool_choice="required", parallel_tool_calls=False)


JPEG = {"type": "base64", "media_type": "image/jpeg", "data": PIXEL}
PLAIN = {"type": "text", "media_type": "text/plain", "data": "Größe"}
LINK = "https://a.example/b.png?x=;base64,y"
MARKDOWN = File(base64=base64.b64encode("Größe".encode()).decode(), mime_type="text/markdown")


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Image(base64=PIXEL, mime_type="image/jpeg", detail="low"), {"type": "image", "source": JPEG}),
        (Image(url=LINK), {"type": "image", "source": {"type": "url", "url": LINK}}),
        (File(url=LINK, filename="b"), {"type": "document", "source": {"type": "url", "url": LINK}, "title": "b"}),
        (MARKDOWN, {"type": "document", "source": PLAIN}),
    ],
)
def test_each_part_that_is_no_text(part, block):
    assert turns_of(user("see:", part)) == [("user", [text("see:"), block])]


def test_what_cannot_be_sent_is_refused():
    for data in ("x", "\u00e4", "YWJ"):
        with pytest.raises(ConfigurationError, match="base64"):
            turns_of(user(File(base64=data, mime_type="text/plain", filename="a.txt")))
    with pytest.raises(ConfigurationError, match="no sound"):
        turns_of(user(Audio(base64="UklGRg==", format="wav")))


def budget(effort: str, max_tokens: int) -> int:
    thinking = body_of(reasoning_effort=effort, max_tokens=max_tokens)["thinking"]
    assert thinking == {"type": "enabled", "budget_tokens": thinking["budget_tokens"]}
    return thinking["budget_tokens"]


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["minimal", "low", "medium", "high"]), st.integers(1025, 10**7))
def test_an_effort_is_a_budget_that_leaves_room_for_the_answer(effort, max_tokens):
    assert 1024 <= budget(effort, max_tokens) < max_tokens


def test_an_effort_is_none_or_a_known_one_with_room_for_it():
    efforts = ("minimal", "low", "medium", "high")
    assert [budget(effort, 8192) for effort in efforts] == [1024, 1638, 4096, 6553]
    assert (budget("high", 1025), budget("minimal", 100_000)) == (1024, 10_000)
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
BLOCKS = (ReasoningBlock(text="Hm", signature="c2ln"), ReasoningBlock(data="ZGF0YQ=="), ReasoningBlock(text="unsigned"))
THOUGHTFUL = model(reasoning="Hm", reasoning_blocks=BLOCKS, tool_calls=CALLED.tool_calls)


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
def test_thoughts_are_sent_back_only_where_that_is_asked(send, open_turn, earlier, later):
    turn = (THOUGHTFUL, result())
    ending = () if open_turn else (model("1"), user("thanks"))
    found = turns_of(user("a"), *turn, user("b"), *turn, *ending, send_reasoning=send)
    calls = [blocks for role, blocks in found if role == "assistant" and blocks[-1]["type"] == "tool_use"]
    assert calls == [[*([SIGNED, REDACTED, UNSIGNED] if sent else []), USED] for sent in (earlier, later)]


def test_thoughts_without_a_block_are_sent_to_the_service_that_wrote_them():
    for provider, thoughts in (("ours", [UNSIGNED]), (None, [])):
        thought = model("1", reasoning="unsigned", provider=provider)
        assert turns_of(HI, thought, HI, send_reasoning="always")[1][1] == [*thoughts, text("1")]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([user("a"), user(" "), CALLED, result(), THOUGHTFUL, user("b", "c")]), max_size=8))
def test_roles_always_alternate_and_no_turn_is_empty(messages):
    found = turns_of(*messages, user("end"), send_reasoning="always")
    roles = [role for role, _ in found]
    assert all(one != other for one, other in pairwise(roles))
    for _, blocks in found:
        assert blocks
        kinds = [block["type"] == "tool_result" for block in blocks]
        assert kinds == sorted(kinds, reverse=True)
