"""What the server receives for each kind of message and content block; nothing that was not asked for."""

import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

import langchain_aki.errors as ours
from tests.langchain.asking import model_at
from tests.scenarios import replied
from tests.script_server import ScriptServer

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


def user(content: Any = "hi", **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **fields}


def assistant(content: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **fields}


def result(content: str = "found", call_id: str = "call_1") -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": call_id}


CALLING = assistant("I look.", tool_calls=[SAID_CALL])


# A message, and what is sent for it.
MESSAGES: dict[str, tuple[BaseMessage, dict[str, Any]]] = {
    "human": (HumanMessage("hi"), user()),
    "human_empty": (HumanMessage(""), user("")),
    "human_named": (HumanMessage("hi", name="ann"), user(name="ann")),
    "human_extras": (HumanMessage("hi", additional_kwargs={"lc_source": "summarization", "foo": 1}, id="m-1"), user()),
    "human_with_a_response": (HumanMessage("hi", response_metadata={"model_name": "x"}), user()),
    "system": (SystemMessage("be kind"), {"role": "system", "content": "be kind"}),
    "developer": (ChatMessage("be kind", role="developer"), {"role": "system", "content": "be kind"}),
    **{f"chat_{role}": (ChatMessage("hi", role=role), user()) for role in ("user", "human")},
    **{f"chat_{role}": (ChatMessage("hi", role=role), assistant("hi")) for role in ("assistant", "ai")},
    "chat_system": (ChatMessage("be kind", role="system"), {"role": "system", "content": "be kind"}),
    "ai": (AIMessage("hello"), assistant()),
    "ai_chunk": (AIMessageChunk("hello"), assistant()),
    "ai_named": (AIMessage("hello", name="bot"), assistant(name="bot")),
    "ai_with_everything_beside": (
        AIMessage(
            "hello",
            id="run-1",
            additional_kwargs={"reasoning_content": "hm", "refusal": "no", "foo": 1},
            response_metadata={"finish_reason": "stop", "request_id": "r", "model_provider": "aki"},
            usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        ),
        assistant(foo=1),
    ),
    "ai_call": (AIMessage("", tool_calls=[CALL]), assistant("", tool_calls=[SAID_CALL])),
    "ai_call_with_text": (AIMessage("I look.", tool_calls=[CALL]), CALLING),
    "ai_standard_blocks": (
        AIMessage(
            [*({"type": "reasoning", "reasoning": letter} for letter in "hm"), {**TEXT, "text": "I look."}, CALL],
            tool_calls=[CALL],
        ),
        {**CALLING, "reasoning_content": "hm"},
    ),
    "ai_refusal": (AIMessage([{"type": "refusal", "refusal": "I cannot."}]), assistant("I cannot.")),
    "ai_reasoning_that_is_no_text": (
        AIMessage("I look.", tool_calls=[CALL], additional_kwargs={"reasoning_content": ["hm"]}),
        CALLING,
    ),
    "ai_text_without_a_type": (AIMessage([{"text": "hello"}]), assistant()),
    "ai_text_of_openais_newer_protocol": (AIMessage([{"type": "output_text", "text": "hello"}]), assistant()),
    "ai_texts": (AIMessage(["hel", "lo"]), assistant()),
    "tool": (ToolMessage("found", tool_call_id="call_1"), result()),
    "tool_named": (
        ToolMessage("found", tool_call_id="call_1", name="look", artifact=[1], additional_kwargs={"foo": 1}),
        result(),
    ),
    "tool_parts": (ToolMessage([TEXT, "closely"], tool_call_id="call_1"), result("look\nclosely")),
    "tool_failed": (ToolMessage("no such city", tool_call_id="call_1", status="error"), result("no such city")),
    "tool_data": (
        ToolMessage([{"type": "json", "json": {"a": 1}}], tool_call_id="call_1"),
        result('{"type": "json", "json": {"a": 1}}'),
    ),
}

# A block of a user's message, and what is sent for it; blocks that need no other form on one of the wires. Those that
# do are tested in `tests/requests/test_content.py`.
PDF_DATA = {"mime_type": "application/pdf", "base64": B64}
PNG_DATA = {"mime_type": "image/png", "base64": B64}
BLOCKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": (TEXT, TEXT),
    "text_as_string": ("look", TEXT),
    "text_annotated": ({**TEXT, "annotations": [], "index": 0, "id": "x", "extras": {}}, TEXT),
    "text_plain": ({"type": "text-plain", "text": "look", "mime_type": "text/plain"}, TEXT),
    "openai_image": (IMAGE, IMAGE),
    "openai_image_detail": (
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
    ),
    "openai_image_as_string": ({"type": "image_url", "image_url": PNG}, IMAGE),
    "openai_audio": (WAV, WAV),
    "openai_file": (NAMED_PDF, NAMED_PDF),
    "openai_file_id": (BY_ID, BY_ID),
    "v1_image": ({"type": "image", **PNG_DATA}, IMAGE),
    "v1_file": ({"type": "file", **PDF_DATA}, PDF),
    "v1_file_named": ({"type": "file", **PDF_DATA, "extras": {"filename": "a.pdf"}}, NAMED_PDF),
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
}


def sent(server: ScriptServer, *messages: BaseMessage) -> Any:
    server.reset()
    server.say(replied())
    model_at(server).invoke(list(messages))
    return server.requests[0].json["messages"]


@pytest.mark.parametrize("kind", MESSAGES)
def test_each_kind_of_message_is_said_in_openais_words_and_not_changed(scripted: ScriptServer, kind: str):
    message, said = MESSAGES[kind]
    before = message.model_dump_json()
    first, found, *results, last = sent(scripted, HumanMessage("first"), message, HumanMessage("last"))
    assert [first, found, last] == [user("first"), said, user("last")]
    assert [each["role"] for each in results] == ["tool"] * len(said.get("tool_calls", ()))
    assert message.model_dump_json() == before


@pytest.mark.parametrize("kind", BLOCKS)
def test_each_kind_of_block_is_said_in_openais_words(scripted: ScriptServer, kind: str):
    block, said = BLOCKS[kind]
    first = {"type": "text", "text": "first"}
    assert sent(scripted, HumanMessage([first, block, LINK])) == [user([first, said, LINK])]
    assert sent(scripted, HumanMessage(content_blocks=[first, block, LINK])) == [user([first, said, LINK])]


def test_a_picture_in_a_tool_result_is_shown_by_the_user(scripted: ScriptServer):
    seen = ToolMessage([TEXT, {"type": "image", **PNG_DATA}], tool_call_id="call_1")
    told, shown = sent(scripted, HumanMessage("hi"), AIMessage("", tool_calls=[CALL]), seen)[-2:]
    assert (told["role"], shown["role"], shown["content"][-1]) == ("tool", "user", IMAGE)
    assert told["content"].startswith("look")
    assert B64 not in json.dumps(told)


@pytest.mark.parametrize(
    ("messages", "name"),
    [
        ([HumanMessage([{"type": "image"}])], "content block"),
        ([HumanMessage([{"type": "container_upload", "file_id": "x"}])], "content block"),
        ([HumanMessage("hi"), RemoveMessage(id="1")], "RemoveMessage"),
        ([ChatMessage("hi", role="narrator")], "ChatMessage"),
        ("half \ud83d of it", "JSON"),
    ],
    ids=["empty", "other protocol", "no message", "role", "half a character"],
)
def test_what_cannot_be_sent_is_refused_by_name(server: ScriptServer, messages: Any, name: str):
    with pytest.raises(ours.ConfigurationError, match=name):
        model_at(server).invoke(messages)
    assert not server.requests
