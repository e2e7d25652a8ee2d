"""What the server receives for each kind of message and content block; nothing that was not asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

import langchain_aki.errors as ours
from tests.langchain.asking import ask, model_at
from tests.scenarios import chunk, replied, streamed
from tests.script_server import ScriptServer
from tests.subcases import subcases

B64 = "aGVsbG8="
PNG = f"data:image/png;base64,{B64}"
IMAGE = {"type": "image_url", "image_url": {"url": PNG}}
LINK = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TEXT = {"type": "text", "text": "look"}
PDF = {"type": "file", "file": {"filename": "document", "file_data": f"data:application/pdf;base64,{B64}"}}
NAMED_PDF = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{B64}"}}
BY_ID = {"type": "file", "file": {"file_id": "file-1"}}
WAV = {"type": "input_audio", "input_audio": {"data": B64, "format": "wav"}}
CALL = {"id": "call_1", "name": "look", "args": {"at": "Köln"}, "type": "tool_call"}
SAID_CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "Köln"}'}}

# A message, and what is sent for it.
MESSAGES: dict[str, tuple[BaseMessage, dict[str, Any]]] = {
    "human": (HumanMessage("hi"), {"role": "user", "content": "hi"}),
    "human_empty": (HumanMessage(""), {"role": "user", "content": ""}),
    "human_named": (HumanMessage("hi", name="ann"), {"role": "user", "content": "hi", "name": "ann"}),
    "human_parts_of_text": (HumanMessage([TEXT]), {"role": "user", "content": "look"}),
    "human_unicode": (HumanMessage("Grüße, 🌍"), {"role": "user", "content": "Grüße, 🌍"}),
    "human_extras": (
        HumanMessage("hi", additional_kwargs={"lc_source": "summarization", "lc_data": {"a": 1}, "foo": 1}, id="m-1"),
        {"role": "user", "content": "hi"},
    ),
    "human_with_a_response": (
        HumanMessage("hi", response_metadata={"model_name": "x"}),
        {"role": "user", "content": "hi"},
    ),
    "system": (SystemMessage("be kind"), {"role": "system", "content": "be kind"}),
    "system_parts": (
        SystemMessage([TEXT, {"type": "text", "text": "closely", "cache_control": {"type": "ephemeral"}}]),
        {
            "role": "system",
            "content": [TEXT, {"type": "text", "text": "closely", "cache_control": {"type": "ephemeral"}}],
        },
    ),
    "developer": (ChatMessage("be kind", role="developer"), {"role": "system", "content": "be kind"}),
    "chat_user": (ChatMessage("hi", role="user"), {"role": "user", "content": "hi"}),
    "chat_assistant": (ChatMessage("hi", role="assistant"), {"role": "assistant", "content": "hi"}),
    "ai": (AIMessage("hello"), {"role": "assistant", "content": "hello"}),
    "ai_chunk": (AIMessageChunk("hello"), {"role": "assistant", "content": "hello"}),
    "ai_named": (AIMessage("hello", name="bot"), {"role": "assistant", "content": "hello", "name": "bot"}),
    "ai_with_everything_beside": (
        AIMessage(
            "hello",
            id="run-1",
            additional_kwargs={"reasoning_content": "hm", "refusal": "no", "foo": 1},
            response_metadata={"finish_reason": "stop", "request_id": "r", "model_provider": "aki"},
            usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        ),
        {"role": "assistant", "content": "hello", "foo": 1},
    ),
    "ai_call": (
        AIMessage("", tool_calls=[CALL]),
        {"role": "assistant", "content": "", "tool_calls": [SAID_CALL]},
    ),
    "ai_call_with_text": (
        AIMessage("I look.", tool_calls=[CALL]),
        {"role": "assistant", "content": "I look.", "tool_calls": [SAID_CALL]},
    ),
    "ai_call_of_anthropic": (
        AIMessage(
            [{"type": "text", "text": "I look."}, {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}],
            tool_calls=[CALL],
        ),
        {"role": "assistant", "content": "I look.", "tool_calls": [SAID_CALL]},
    ),
    "ai_standard_blocks": (
        AIMessage(
            [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "I look."}, CALL], tool_calls=[CALL]
        ),
        {"role": "assistant", "content": "I look.", "tool_calls": [SAID_CALL], "reasoning_content": "hm"},
    ),
    "ai_thoughts_of_anthropic": (
        AIMessage([{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "hello"}]),
        {"role": "assistant", "content": "hello"},
    ),
    "ai_redacted_thoughts": (
        AIMessage([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "hello"}]),
        {"role": "assistant", "content": "hello"},
    ),
    "ai_refusal": (
        AIMessage([{"type": "refusal", "refusal": "I cannot."}]),
        {"role": "assistant", "content": "I cannot."},
    ),
    "ai_texts": (AIMessage(["hel", "lo"]), {"role": "assistant", "content": "hello"}),
    "ai_invalid_call": (
        AIMessage(
            "",
            invalid_tool_calls=[{"id": "c", "name": "look", "args": "{oh", "error": "x", "type": "invalid_tool_call"}],
        ),
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"not_json": "{oh"}'}}
            ],
        },
    ),
    "tool": (
        ToolMessage("found", tool_call_id="call_1"),
        {"role": "tool", "content": "found", "tool_call_id": "call_1"},
    ),
    "tool_named": (
        ToolMessage("found", tool_call_id="call_1", name="look", artifact=[1], additional_kwargs={"foo": 1}),
        {"role": "tool", "content": "found", "tool_call_id": "call_1"},
    ),
    "tool_parts": (
        ToolMessage([TEXT, "closely"], tool_call_id="call_1"),
        {"role": "tool", "content": "look\nclosely", "tool_call_id": "call_1"},
    ),
    "function": (
        FunctionMessage("found", name="look"),
        {"role": "tool", "content": "found", "tool_call_id": "look"},
    ),
}

# A block of a user's message, and what is sent for it.
BLOCKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": (TEXT, TEXT),
    "text_as_string": ("look", TEXT),
    "text_cached": ({**TEXT, "cache_control": {"type": "ephemeral"}}, {**TEXT, "cache_control": {"type": "ephemeral"}}),
    "text_annotated": ({**TEXT, "annotations": [], "index": 0, "id": "x", "extras": {}}, TEXT),
    "text_plain": ({"type": "text-plain", "text": "look", "mime_type": "text/plain"}, TEXT),
    "openai_image": (IMAGE, IMAGE),
    "openai_image_link": (LINK, LINK),
    "openai_image_detail": (
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
    ),
    "openai_image_as_string": ({"type": "image_url", "image_url": PNG}, IMAGE),
    "openai_audio": (WAV, WAV),
    "openai_file": (NAMED_PDF, NAMED_PDF),
    "openai_file_id": (BY_ID, BY_ID),
    "v1_image": ({"type": "image", "base64": B64, "mime_type": "image/png"}, IMAGE),
    "v1_image_link": ({"type": "image", "url": "https://example.com/a.png"}, LINK),
    "v1_file": ({"type": "file", "base64": B64, "mime_type": "application/pdf"}, PDF),
    "v1_file_named": (
        {"type": "file", "base64": B64, "mime_type": "application/pdf", "extras": {"filename": "a.pdf"}},
        NAMED_PDF,
    ),
    "v1_file_id": ({"type": "file", "file_id": "file-1"}, BY_ID),
    "v1_audio": ({"type": "audio", "base64": B64, "mime_type": "audio/wav"}, WAV),
    "v1_audio_mp3": (
        {"type": "audio", "base64": B64, "mime_type": "audio/mpeg"},
        {"type": "input_audio", "input_audio": {"data": B64, "format": "mp3"}},
    ),
    "v1_audio_x_wav": ({"type": "audio", "base64": B64, "mime_type": "audio/x-wav"}, WAV),
    "v0_image": ({"type": "image", "source_type": "base64", "data": B64, "mime_type": "image/png"}, IMAGE),
    "v0_image_link": ({"type": "image", "source_type": "url", "url": "https://example.com/a.png"}, LINK),
    "v0_file": ({"type": "file", "source_type": "base64", "data": B64, "mime_type": "application/pdf"}, PDF),
    "v0_file_id": ({"type": "file", "source_type": "id", "id": "file-1"}, BY_ID),
    "v0_audio": ({"type": "audio", "source_type": "base64", "data": B64, "mime_type": "audio/wav"}, WAV),
    "anthropic_image": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64}},
        IMAGE,
    ),
    "anthropic_image_link": ({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}, LINK),
    "anthropic_document": (
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": B64}},
        PDF,
    ),
    "anthropic_document_text": (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "look"}},
        TEXT,
    ),
    "anthropic_file_id": ({"type": "document", "source": {"type": "file", "file_id": "file-1"}}, BY_ID),
}

UNKNOWN: dict[str, Any] = {
    "image_without_data": {"type": "image"},
    "of_another_protocol": {"type": "search_result", "source": "x", "title": "y", "content": []},
}


def sent(server: ScriptServer) -> dict[str, Any]:
    return server.requests[-1].json


@pytest.mark.parametrize("kind", MESSAGES)
def test_each_kind_of_message_is_said_in_openais_words(server: ScriptServer, kind: str):
    server.say(replied())
    message, said = MESSAGES[kind]
    model_at(server).invoke([HumanMessage("first"), message, HumanMessage("last")])
    assert sent(server)["messages"] == [
        {"role": "user", "content": "first"},
        said,
        {"role": "user", "content": "last"},
    ]


@pytest.mark.parametrize("kind", BLOCKS)
def test_each_kind_of_block_is_said_in_openais_words(server: ScriptServer, kind: str):
    server.say(replied())
    block, said = BLOCKS[kind]
    model_at(server).invoke([HumanMessage([{"type": "text", "text": "first"}, block, LINK])])
    assert sent(server)["messages"] == [{"role": "user", "content": [{"type": "text", "text": "first"}, said, LINK]}]


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_block_that_cannot_be_sent_is_refused_by_name(server: ScriptServer, kind: str):
    with pytest.raises(ours.ConfigurationError, match="content block"):
        model_at(server).invoke([HumanMessage([UNKNOWN[kind]])])
    assert not server.requests


def test_a_message_that_cannot_be_sent_is_refused_by_name(server: ScriptServer):
    with pytest.raises(ours.ConfigurationError, match="RemoveMessage"):
        model_at(server).invoke([HumanMessage("hi"), RemoveMessage(id="1")])
    with pytest.raises(ours.ConfigurationError, match="ChatMessage"):
        model_at(server).invoke([ChatMessage("hi", role="narrator")])


@pytest.mark.parametrize("given", ["hi", [("user", "hi")], [{"role": "user", "content": "hi"}], [HumanMessage("hi")]])
def test_each_form_of_input_is_the_same_message(server: ScriptServer, given: Any):
    server.say(replied())
    model_at(server).invoke(given)
    assert sent(server)["messages"] == [{"role": "user", "content": "hi"}]


def test_blocks_of_content_blocks_are_sent_like_content(server: ScriptServer):
    server.say(replied())
    blocks = [TEXT, {"type": "image", "base64": B64, "mime_type": "image/png"}]
    model_at(server).invoke([HumanMessage(content_blocks=blocks)])
    assert sent(server)["messages"][0]["content"] == [TEXT, IMAGE]


def test_messages_of_the_same_role_stay_apart(server: ScriptServer):
    server.say(replied())
    model_at(server).invoke([SystemMessage("a"), SystemMessage("b"), HumanMessage("c"), HumanMessage("d")])
    assert [message["content"] for message in sent(server)["messages"]] == ["a", "b", "c", "d"]


def test_nothing_is_changed_in_the_messages_that_were_given(server: ScriptServer):
    server.say(replied())
    messages = [
        HumanMessage([TEXT, {"type": "image", "base64": B64, "mime_type": "image/png"}]),
        AIMessage("", tool_calls=[CALL]),
    ]
    before = [message.model_dump_json() for message in messages]
    model_at(server).invoke([*messages, ToolMessage("found", tool_call_id="call_1")])
    assert [message.model_dump_json() for message in messages] == before


def test_nothing_is_sent_that_was_not_asked_for(server: ScriptServer):
    server.always = replied()
    model_at(server).invoke("hi")
    assert sent(server) == {
        "model": "qwen3.6-35b",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 8192,
    }
    model_at(server, provider="aacflow").invoke("hi")
    assert sent(server) == {"model": "qwen3.6-35b", "messages": [{"role": "user", "content": "hi"}]}


def test_no_header_is_sent_that_tells_of_this_machine(server: ScriptServer):
    server.say(replied())
    model_at(server, default_headers={"X-Team": "a"}).invoke("hi")
    headers = dict(server.requests[0].headers)
    assert headers.pop("user-agent").startswith("aki-integrations/")
    assert headers.pop("x-team") == "a"
    assert set(headers) <= {
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "authorization",
        "content-type",
        "content-length",
        "transfer-encoding",
    }


SETTINGS: dict[str, Any] = {
    "temperature": 0.0,
    "top_p": 0.0,
    "top_k": 0,
    "max_tokens": 1,
    "stop": ["x"],
    "seed": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "reasoning_effort": "none",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_sent_where_given_also_if_it_is_nothing(server: ScriptServer, name: str):
    server.always = replied()
    model_at(server, **{name: SETTINGS[name]}).invoke("hi")
    assert sent(server)[name] == SETTINGS[name]
    model_at(server).invoke("hi", **{name: SETTINGS[name]})
    assert sent(server)[name] == SETTINGS[name]
    model_at(server).bind(**{name: SETTINGS[name]}).invoke("hi")
    assert sent(server)[name] == SETTINGS[name]
    if name != "max_tokens":
        model_at(server, **{name: SETTINGS[name]}).invoke("hi", **{name: None} if name != "stop" else {"stop": []})
        assert name not in sent(server)


def test_a_call_wins_over_the_constructor(server: ScriptServer):
    server.say(replied())
    model = model_at(server, temperature=1.0, stop=["a"], extra_body={"x": 1, "y": 1})
    model.invoke("hi", temperature=0.0, stop=["b"], extra_body={"y": 2, "z": 2})
    assert (sent(server)["temperature"], sent(server)["stop"]) == (0.0, ["b"])
    assert (sent(server)["x"], sent(server)["y"], sent(server)["z"]) == (1, 2, 2)


@pytest.mark.parametrize(("stop", "said"), [("a", ["a"]), (["a", "b"], ["a", "b"]), ([], None), (None, None)])
def test_stop_is_a_list_or_nothing(server: ScriptServer, stop: Any, said: Any):
    server.say(replied(), replied())
    model_at(server, stop=stop).invoke("hi")
    assert sent(server).get("stop") == said
    model_at(server).invoke("hi", stop=stop)
    assert sent(server).get("stop") == said


def test_the_known_alias_is_sent_as_the_id(server: ScriptServer):
    server.say(replied())
    model_at(server, model="Qwen/Qwen3.6-35B").invoke("hi")
    assert sent(server)["model"] == "qwen3.6-35b"


def turn(*, reasoning: Any = "hm", text: str = "", call: Any = CALL) -> AIMessage:
    return AIMessage(
        text, tool_calls=[call] if call else [], additional_kwargs={"reasoning_content": reasoning} if reasoning else {}
    )


RESULT = ToolMessage("found", tool_call_id="call_1")
OPEN = [HumanMessage("q"), turn(), RESULT]
CLOSED = [HumanMessage("q"), turn(), RESULT, turn(text="a", call=None, reasoning="so"), HumanMessage("next")]


@pytest.mark.parametrize(
    ("given", "messages", "said"),
    [
        ({}, OPEN, ["hm"]),
        ({}, CLOSED, []),
        ({}, [*CLOSED, turn(reasoning="again"), RESULT], ["again"]),
        ({}, [*OPEN, turn(reasoning="two"), RESULT], ["hm", "two"]),
        ({"send_reasoning": "never"}, OPEN, []),
        ({"send_reasoning": "always"}, CLOSED, ["hm", "so"]),
        ({"provider": "aacflow"}, OPEN, ["hm"]),
        ({"provider": "aacflow", "send_reasoning": "tool_turns"}, OPEN, ["hm"]),
    ],
    ids=["open", "closed", "open_behind_closed", "two_calls", "never", "always", "elsewhere", "elsewhere_asked"],
)
def test_reasoning_is_sent_back_in_open_tool_turns(
    server: ScriptServer, given: dict[str, Any], messages: list[Any], said: list[str]
):
    server.say(replied())
    model_at(server, **given).invoke(messages)
    found = [message["reasoning_content"] for message in sent(server)["messages"] if "reasoning_content" in message]
    assert found == said


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "reasoning", "reasoning": "hm"}, CALL],
        [{"type": "thinking", "thinking": "hm", "signature": "x"}],
        [{"type": "reasoning", "reasoning": "h"}, {"type": "reasoning", "reasoning": "m"}],
    ],
    ids=["standard", "anthropic", "two"],
)
def test_reasoning_in_blocks_is_sent_back_too(server: ScriptServer, content: list[Any]):
    server.say(replied())
    model_at(server).invoke([HumanMessage("q"), AIMessage(content, tool_calls=[CALL]), RESULT])
    assert sent(server)["messages"][1]["reasoning_content"] == "hm"


@pytest.mark.parametrize("version", ["v0", "v1"])
@subcases("way", ["invoke", "stream"])
def test_an_answer_can_be_sent_back(server: ScriptServer, way: Any, version: str):
    call = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": '{"at": "Köln"}'}}
    first = (
        streamed(chunk(reasoning_content="hm"), "I look.", chunk(tool_calls=[call]), finish="tool_calls")
        if way == "stream"
        else replied("I look.", reasoning_content="hm", tool_calls=[call], finish="tool_calls")
    )
    server.say(first, replied())
    model = model_at(server, output_version=version)
    answer = ask(model, way, "hi")
    model.invoke([HumanMessage("hi"), answer, RESULT])
    said = sent(server)["messages"][1]
    assert said == {"role": "assistant", "content": "I look.", "tool_calls": [SAID_CALL], "reasoning_content": "hm"}


def test_text_is_not_escaped_on_the_way(server: ScriptServer):
    server.say(replied())
    model_at(server).invoke([HumanMessage("Grüße 你好 🌍"), AIMessage("", tool_calls=[CALL]), RESULT])
    body = server.requests[0].body.decode()
    assert "Grüße 你好 🌍" in body
    assert "Köln" in json.loads(body)["messages"][1]["tool_calls"][0]["function"]["arguments"]


def test_half_a_character_is_refused_before_anything_is_sent(server: ScriptServer):
    with pytest.raises(ours.ConfigurationError, match="JSON"):
        model_at(server).invoke("half \ud83d of it")
    assert not server.requests
