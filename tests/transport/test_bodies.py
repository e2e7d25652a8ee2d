"""What is sent: all that was asked for, and nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import Client, ConfigurationError, ModelLimitWarning
from aki_transport.messages import (
    Audio,
    ChatRequest,
    File,
    Image,
    JsonObject,
    JsonSchema,
    Message,
    RawBlock,
    Text,
    Tool,
    ToolCall,
    ToolNamed,
)
from aki_transport.wire import openai
from tests.script_server import ScriptServer
from tests.transport.asking import MODEL, Way, client_for, good, in_every_stream, in_every_way, request_for

USER = {"role": "user", "content": "hi"}


def sent(way: Way, server: ScriptServer, request: ChatRequest, **fields: Any) -> dict[str, Any]:
    server.say(good)
    way.ask(client_for(server, **{"on_model_fallback": "ignore", **fields}), request)
    return server.requests[-1].json


def body_of(request: ChatRequest) -> dict[str, Any]:
    return json.loads(json.dumps(openai.chat(request, stream=False).body))


def messages_of(*messages: Message, **fields: Any) -> list[dict[str, Any]]:
    return body_of(ChatRequest(model=MODEL, messages=messages, **fields))["messages"]


TOOL = Tool(name="add", description="Sums", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})
ZEROS = dict.fromkeys(
    ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "max_tokens"), 0
)
FIELDS = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 7, "presence_penalty": -1.0, "frequency_penalty": 1.5}
FIELDS |= {"max_tokens": 100, "reasoning_effort": "none"}
EXTRA = {"temperature": 1, "max_tokens": 5, "chat_template_kwargs": {"enable_thinking": False}}
FORMATS = [
    (JsonObject(), {"type": "json_object"}),
    (JsonSchema(name="x", schema={"type": "object"}), {"name": "x", "schema": {"type": "object"}}),
    (
        JsonSchema(name="x", schema={}, description="d", strict=False),
        {"name": "x", "schema": {}, "description": "d", "strict": False},
    ),
    ({"type": "grammar", "grammar": "g"}, {"type": "grammar", "grammar": "g"}),
]
CHOICES = [
    *((choice, choice) for choice in ("auto", "none", "required")),
    (ToolNamed("add"), {"type": "function", "function": {"name": "add"}}),
]


@pytest.mark.parametrize(
    ("provider", "fields", "sent_fields"),
    [
        ("aki", {}, {"max_tokens": 8192}),
        *((provider, {}, {}) for provider in ("aacflow", "ak_ai_core")),
        *(("aki", {**fields, "stop": ("a", "b")}, {**fields, "stop": ["a", "b"]}) for fields in (ZEROS, FIELDS)),
        ("aki", {"temperature": 0.2, "extra_body": EXTRA}, EXTRA),
        ("aki", {"max_tokens": 1, "parallel_tool_calls": True, "tool_choice": "auto"}, {"max_tokens": 1}),
    ],
)
@in_every_way
def test_what_was_asked_for_is_sent_and_nothing_else(way, provider, fields, sent_fields, server):
    body = sent(way, server, request_for(**fields), provider=provider)
    extra = {"stream": True, "stream_options": {"include_usage": True}} if way.streamed else {}
    assert body == {"model": MODEL, "messages": [USER], **sent_fields, **extra}
    assert server.requests[-1].path.endswith("/v1/chat/completions")


@in_every_stream
def test_usage_is_not_asked_for_where_that_is_not_wanted(stream_way, server):
    assert "stream_options" not in sent(stream_way, server, request_for(include_usage=False))


def test_tools_are_sent_in_openai_s_form():
    own = {"type": "web_search"}
    function = {"name": "add", "description": "Sums", "parameters": TOOL.parameters}
    now = {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}
    schema = {**TOOL.parameters, "required": ["a"], "additionalProperties": False}
    strict = {**function, "parameters": schema, "strict": True}
    body = body_of(request_for(tools=(TOOL, Tool(name="now"), replace(TOOL, strict=True), own)))
    assert body["tools"] == [*({"type": "function", "function": each} for each in (function, now, strict)), own]
    assert set(body) == {"model", "messages", "tools"}
    for parallel in (False, True):
        assert body_of(request_for(tools=(TOOL,), parallel_tool_calls=parallel))["parallel_tool_calls"] is parallel
    for choice, form in CHOICES:
        assert body_of(request_for(tools=(TOOL,), tool_choice=choice))["tool_choice"] == form


def test_each_response_format_has_its_form():
    for wanted, form in FORMATS:
        body = body_of(request_for(response_format=wanted))["response_format"]
        assert body == ({"type": "json_schema", "json_schema": form} if isinstance(wanted, JsonSchema) else form)


CALL = ToolCall("call_1", "add", '{"a": 1}')
ASKED = Message(role="user", content="add")
CALLED = Message(role="assistant", content="", reasoning="I add.", tool_calls=(CALL,))
RESULT = Message(role="tool", content="1", tool_call_id="call_1")
ANSWERED = Message(role="assistant", content="1", reasoning="Done.")


def reasoned(*messages: Message, send: str | None) -> list[str | None]:
    return [message.get("reasoning_content") for message in messages_of(*messages, send_reasoning=send)]


def test_reasoning_goes_back_in_open_tool_turns_alone():
    whole = (ASKED, CALLED, RESULT, ANSWERED)
    assert reasoned(*whole[:3], send="tool_turns") == [None, "I add.", None]
    assert reasoned(*whole, ASKED, send="tool_turns") == [None] * 5
    assert reasoned(*whole, ASKED, CALLED, RESULT, send="tool_turns") == [None] * 5 + ["I add.", None]
    assert reasoned(*whole, ASKED, send="always") == [None, "I add.", None, "Done.", None]
    assert reasoned(*whole, ASKED, CALLED, RESULT, send="never") == [None] * 7
    assert reasoned(*whole[:3], send=None) == [None] * 3


def test_reasoning_goes_back_in_the_form_in_which_it_came():
    message = replace(ANSWERED, reasoning_field="content", extra={"reasoning_state": "s"})
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Done."}]}
    for send, form in (
        ("always", {"content": [thought, {"type": "text", "text": "1"}], "reasoning_state": "s"}),
        ("never", {"content": "1"}),
    ):
        assert messages_of(ASKED, message, send_reasoning=send)[1] == {"role": "assistant", **form}


def test_a_call_of_a_custom_tool_goes_back_as_it_came():
    call = ToolCall("call_1", "sql", "SELECT 1", {"type": "custom"})
    sent_call = {"id": "call_1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    assert messages_of(replace(CALLED, tool_calls=(call,)))[0]["tool_calls"] == [sent_call]


PICTURE = Image(base64="QUJD", mime_type="image/png")
PICTURE_SENT = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
VIDEO = {"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}
URL = "https://x/y.png"
PDF = "data:application/pdf;base64,QQ=="
PARTS = [
    (Text("a", {"cache_control": {}}), {"type": "text", "text": "a", "cache_control": {}}),
    (PICTURE, PICTURE_SENT),
    (Image(url=URL, detail="low"), {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}),
    (File(file_id="f1", filename="T"), {"type": "file", "file": {"file_id": "f1", "filename": "T"}}),
    (Image(file_id="f1", detail="low"), {"type": "file", "file": {"file_id": "f1", "detail": "low"}}),
    (File(base64="QQ=="), {"type": "file", "file": {"filename": "document", "file_data": PDF}}),
    (File(text="a"), {"type": "text", "text": "a"}),
    (File(text="a", filename="T"), {"type": "text", "text": "T:\n\na"}),
    (RawBlock(VIDEO, "openai"), VIDEO),
    (Audio("QQ==", "wav"), {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}),
]


def test_each_part_has_its_form():
    (message,) = messages_of(Message(role="user", content=tuple(part for part, _ in PARTS)))
    assert message["content"] == [form for _, form in PARTS]


def test_pictures_of_tool_results_follow_all_of_them_as_the_user_s():
    one = Message(role="tool", content=(Text("see"), PICTURE), tool_call_id="call_1")
    two = Message(role="tool", content=(PICTURE,), tool_call_id="call_2")
    messages = messages_of(ASKED, CALLED, one, two, ANSWERED)
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert all(isinstance(message["content"], str) for message in messages[2:4])
    assert messages[2]["content"].startswith("see")
    title, *pictures = messages[4]["content"]
    assert (title.keys(), title["type"], pictures) == ({"type", "text"}, "text", [PICTURE_SENT, PICTURE_SENT])
    assert [message["role"] for message in messages_of(ASKED, CALLED, one)] == ["user", "assistant", "tool", "user"]


WINDOW = {"context_window": 32768}


@pytest.mark.parametrize(
    ("tokens", "fields", "bound"),
    [
        (1, {"max_output": 500}, 500),
        *((tokens, WINDOW, bound) for tokens, bound in ((24_000, 8192), (30_000, 2760), (32_000, 1024))),
        (50_000, {**WINDOW, "max_tokens": 20_000}, 20_000),  # what the user gives is never altered
    ],
)
@in_every_way
def test_the_output_that_nobody_asked_for_is_lowered(way, tokens, fields, bound, server):
    of_client = {name: value for name, value in fields.items() if name != "max_tokens"}
    request = request_for(text="x" * 4 * tokens, max_tokens=fields.get("max_tokens"))
    assert sent(way, server, request, **of_client)["max_tokens"] == bound


@given(st.integers(0, 400_000), st.integers(1, 300_000), st.integers(1, 40_000))
def test_the_output_that_nobody_asked_for_fits_or_is_small(size, window, most):
    client = Client(context_window=window, max_output=most)
    bound = client._prepare(request_for(text="x" * size)).call(stream=False).body["max_tokens"]
    least = max(1, min(1024, most, window // 4))  # a window of a small model is not filled by the answer alone
    assert least <= bound <= min(8192, most)
    assert bound == least or bound + size // 4 <= window


@in_every_way
def test_more_output_than_the_model_can_give_warns_once(way, server):
    server.always = good
    client = client_for(server)
    way.ask(client, request_for(max_tokens=32_768))
    server.requests.clear()
    with pytest.warns(ModelLimitWarning, match="32769") as warned:
        way.ask_twice(client, request_for(max_tokens=32_769))
    assert len(warned) == 1
    assert [request.json["max_tokens"] for request in server.requests] == [32_769] * 2


LOOP: dict[str, Any] = {}
LOOP["again"] = LOOP
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), float("inf"), -float("inf"), LOOP, "\ud800", {1: object()}, b"\xff", DEEP],
    ids=["object", "nan", "inf", "-inf", "loop", "surrogate", "nested", "bytes", "deep"],
)
@in_every_way
def test_what_json_cannot_hold_is_refused_before_sending(way, value, server):
    requests = [request_for(extra_body={"odd": value})]
    if isinstance(value, float):
        requests.append(request_for(temperature=value))
    for request in requests:
        with pytest.raises(ConfigurationError, match="JSON"):
            way.ask(client_for(server), request)
    assert server.requests == []


@in_every_way
def test_any_text_arrives_as_it_is_and_what_is_handed_in_is_not_changed(way, server):
    for text in ("Grüße", "👋🏽", "\0", "\u2028", '"\\/', "", "a\r\nb"):
        extra: dict[str, Any] = {"a": {"b": 1}}
        request = request_for(text=text, tools=(TOOL,), extra_body=extra, response_format=JsonObject())
        before = repr(request)
        assert sent(way, server, request)["messages"][0]["content"] == text
        assert (repr(request), extra) == (before, {"a": {"b": 1}})
