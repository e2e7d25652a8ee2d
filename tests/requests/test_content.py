"""What users and histories hold reaches the server as it was meant, in both frameworks and on every wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from aki_transport import ConfigurationError
from tests.requests.frameworks import aki, answer, ask, bodies_by_every_way, chat_aki
from tests.script_server import ScriptServer

# The scripted server answers with the same model, whichever is asked for.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")

MARK = {"cache_control": {"type": "ephemeral"}}
POINT = CachePoint(cache_control=CacheControl(type="ephemeral", ttl="1h"))
URL = "https://example.com/a"
SEARCH = {"type": "search_result", "source": URL, "title": "T", "content": [{"type": "text", "text": "x"}]}

PNG_URL = "data:image/png;base64,aGk="
PNG_SENT = (
    {"type": "image_url", "image_url": {"url": PNG_URL}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
)

# A user's block in LangChain, and what is sent for it on OpenAI's and Anthropic's wire; None: refused before sending.
BLOCKS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "text with a mark": (
        {"type": "text", "text": "x", **MARK},
        {"type": "text", "text": "x", **MARK},
        {"type": "text", "text": "x", **MARK},
    ),
    "image with a mark": (
        {"type": "image", "url": URL, **MARK},
        {"type": "image_url", "image_url": {"url": URL}, **MARK},
        {"type": "image", "source": {"type": "url", "url": URL}, **MARK},
    ),
    "mark in extras": (
        {"type": "text", "text": "x", "extras": MARK},
        {"type": "text", "text": "x", **MARK},
        {"type": "text", "text": "x", **MARK},
    ),
    "video": ({"type": "video_url", "video_url": {"url": URL}}, {"type": "video_url", "video_url": {"url": URL}}, None),
    "standard video": ({"type": "video", "url": URL}, {"type": "video_url", "video_url": {"url": URL}}, None),
    "audio": ({"type": "audio_url", "audio_url": {"url": URL}}, {"type": "audio_url", "audio_url": {"url": URL}}, None),
    "file by URL": (
        {"type": "file", "url": URL, "mime_type": "application/pdf"},
        {"type": "file", "file": {"filename": "document", "file_data": URL}},
        {"type": "document", "source": {"type": "url", "url": URL}},
    ),
    "document by URL": (
        {"type": "document", "source": {"type": "url", "url": URL}, "title": "T", "citations": {"enabled": True}},
        {"type": "file", "file": {"filename": "T", "file_data": URL}, "citations": {"enabled": True}},
        {"type": "document", "source": {"type": "url", "url": URL}, "title": "T", "citations": {"enabled": True}},
    ),
    "file URL in OpenAI's form": (
        {"type": "file", "file": {"file_data": URL, "filename": "a.pdf"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": URL}},
        {"type": "document", "source": {"type": "url", "url": URL}, "title": "a.pdf"},
    ),
    "file by ID": (
        {"type": "file", "file_id": "f-1"},
        {"type": "file", "file": {"file_id": "f-1"}},
        {"type": "document", "source": {"type": "file", "file_id": "f-1"}},
    ),
    "image by ID": (
        {"type": "image", "source": {"type": "file", "file_id": "f-1"}},
        {"type": "file", "file": {"file_id": "f-1"}},
        {"type": "image", "source": {"type": "file", "file_id": "f-1"}},
    ),
    "search result": (SEARCH, None, SEARCH),
    "pixels": (
        {"type": "image_url", "image_url": {"url": URL, "format": "png"}, "min_pixels": 3136},
        {"type": "image_url", "image_url": {"url": URL, "format": "png"}, "min_pixels": 3136},
        {"type": "image", "source": {"type": "url", "url": URL}, "min_pixels": 3136},
    ),
    "never heard of": (
        {"type": "hologram", "data": "x"},
        {"type": "hologram", "data": "x"},
        {"type": "hologram", "data": "x"},
    ),
    "Gemini's": (
        {"type": "media", "mime_type": "image/png", "data": "aGk="},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
    ),
    "of OpenAI's newer protocol": (
        {"type": "input_image", "image_url": URL, "detail": "low"},
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
        {"type": "image", "source": {"type": "url", "url": URL}},
    ),
    "of OpenAI's newer protocol, by ID": (
        {"type": "input_image", "file_id": "f-1"},
        {"type": "file", "file": {"file_id": "f-1"}},
        {"type": "image", "source": {"type": "file", "file_id": "f-1"}},
    ),
    "of models' processors": ({"type": "image", "image": PNG_URL}, *PNG_SENT),
    "without a type": ({"image": PNG_URL}, *PNG_SENT),
    "a data URL as base64 text": ({"type": "image", "base64": PNG_URL, "mime_type": "image/png"}, *PNG_SENT),
    "bytes as base64 text": ({"type": "image", "base64": b"hi", "mime_type": "image/png"}, *PNG_SENT),
    "MCP's": ({"type": "image", "data": "aGk=", "mimeType": "image/png"}, *PNG_SENT),
    "sound by ID": (
        {"type": "audio", "file_id": "f-1"},
        {"type": "file", "file": {"file_id": "f-1"}},
        None,
    ),
    "file at a data URL": (
        {"type": "file", "url": "data:application/pdf;base64,aGk="},
        {"type": "file", "file": {"filename": "document", "file_data": "data:application/pdf;base64,aGk="}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
    ),
    "older file with its name in metadata": (
        {
            "type": "file",
            "source_type": "base64",
            "data": "aGk=",
            "mime_type": "application/pdf",
            "metadata": {"filename": "a.pdf"},
        },
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "a.pdf",
        },
    ),
}


def test_a_block_is_sent_in_the_form_of_the_wire(subtests) -> None:
    for name, (block, openai, anthropic) in BLOCKS.items():
        for protocol, expected in (("openai", openai), ("anthropic", anthropic)):
            with subtests.test(name, protocol=protocol):
                messages = [HumanMessage(["see", block])]
                if expected is None:
                    with ScriptServer(always=answer) as server, pytest.raises(ConfigurationError, match="cannot say"):
                        chat_aki(server, protocol).invoke(messages)
                    assert not server.requests
                    continue
                body = bodies_by_every_way(chat_aki, protocol, messages)
                assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "see"}, expected]}]


def test_marks_stand_where_they_stood(subtests) -> None:
    call = {"id": "c1", "name": "f", "args": {}}
    conversation = [
        SystemMessage([{"type": "text", "text": "be kind", **MARK}]),
        HumanMessage("hi"),
        AIMessage([{"type": "text", "text": "I look.", **MARK}], tool_calls=[call]),
        ToolMessage([{"type": "text", "text": "found", **MARK}], tool_call_id="c1"),
    ]
    tool = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}, **MARK}
    with subtests.test("anthropic"):
        body = bodies_by_every_way(chat_aki, "anthropic", conversation, tools=[tool], **MARK)
        assert body["system"] == [{"type": "text", "text": "be kind", **MARK}]
        assert body["tools"] == [tool]
        assert body["cache_control"] == MARK["cache_control"]
        assert body["messages"][1]["content"][0] == {"type": "text", "text": "I look.", **MARK}
        (result,) = body["messages"][2]["content"]
        assert result["cache_control"] == MARK["cache_control"]
        assert result["content"] == [{"type": "text", "text": "found"}]
    with subtests.test("openai"):
        body = bodies_by_every_way(chat_aki, "openai", conversation, tools=[tool], **MARK)
        assert body["cache_control"] == body["tools"][0]["cache_control"] == MARK["cache_control"]
        for index, text in ((0, "be kind"), (2, "I look."), (3, "found")):
            assert body["messages"][index]["content"] == [{"type": "text", "text": text, **MARK}]
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    blocks = [
        ChatMessage(role="system", blocks=[TextBlock(text="be kind"), POINT]),
        ChatMessage(blocks=[TextBlock(text="a"), POINT, TextBlock(text="b")]),
    ]
    with subtests.test("LlamaIndex, anthropic"):
        body = bodies_by_every_way(aki, "anthropic", blocks)
        assert body["system"] == [{"type": "text", "text": "be kind", **mark}]
        assert body["messages"][0]["content"] == [{"type": "text", "text": "a", **mark}, {"type": "text", "text": "b"}]
    with subtests.test("LlamaIndex, openai"):
        body = bodies_by_every_way(aki, "openai", blocks)
        assert body["messages"][0]["content"] == [{"type": "text", "text": "be kind", **mark}]
    with subtests.test("LlamaIndex, behind a call"):
        use = ToolCallBlock(tool_call_id="c1", tool_name="f", tool_kwargs={})
        answer_with_call = ChatMessage(role="assistant", blocks=[TextBlock(text="I look."), use, POINT])
        found = ChatMessage(role="tool", content="x", additional_kwargs={"tool_call_id": "c1"})
        body = bodies_by_every_way(aki, "anthropic", [ChatMessage("hi"), answer_with_call, found])
        assert body["messages"][1]["content"] == [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "c1", "name": "f", "input": {}, **mark},
        ]
    with subtests.test("LlamaIndex, behind a video"):
        body = bodies_by_every_way(aki, "openai", [ChatMessage(blocks=[VideoBlock(url=URL), POINT])])
        assert body["messages"][0]["content"] == [{"type": "video_url", "video_url": {"url": URL}, **mark}]


def test_marks_in_the_fields_of_a_message_and_on_its_calls_arrive(subtests) -> None:
    sent = [{"type": "text", "text": "hi", **MARK}]
    for framework, message in (
        (chat_aki, HumanMessage("hi", additional_kwargs=MARK)),
        (aki, ChatMessage("hi", additional_kwargs=MARK)),
    ):
        for protocol in ("openai", "anthropic"):
            with subtests.test(framework.__name__, protocol=protocol):
                body = bodies_by_every_way(framework, protocol, [message])
                assert body["messages"] == [{"role": "user", "content": sent}]
    for fields in ({}, {"tool_calls": [CALL]}):
        for metadata in ({}, {"model_provider": "anthropic"}):
            with subtests.test("a marked call", fields=fields, metadata=metadata):
                message = AIMessage([{**USE, **MARK}], response_metadata=metadata, **fields)
                body = bodies_by_every_way(chat_aki, "anthropic", ["hi", message, RESULT])
                assert body["messages"][1]["content"] == [{**USE, **MARK}]


def test_results_in_a_users_content_are_results_on_every_wire(subtests) -> None:
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "found"}]}
    for content, tail in (([result, {"type": "text", "text": "so?"}], ["so?"]), ([result], [])):
        history = ["hi", AIMessage([USE]), HumanMessage(content)]
        with subtests.test("openai", tail=tail):
            _, _, sent, *behind = bodies_by_every_way(chat_aki, "openai", history)["messages"]
            assert sent == {"role": "tool", "content": "found", "tool_call_id": "c1"}
            assert [message["content"] for message in behind] == tail
        with subtests.test("anthropic", tail=tail):
            body = bodies_by_every_way(chat_aki, "anthropic", history)
            assert body["messages"][2]["content"] == [result, *({"type": "text", "text": text} for text in tail)]


CALL = {"id": "c1", "name": "f", "args": {"a": 1}, "type": "tool_call"}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
RESULT = ToolMessage("found", tool_call_id="c1")
# An answer of another maker with one call, and what stands behind it.
HISTORIES: dict[str, list[Any]] = {
    "ChatAnthropic": [
        AIMessage(
            [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                {"type": "text", "text": "I look.", "citations": [{"type": "char_location"}]},
                USE,
            ],
            tool_calls=[CALL],
            response_metadata={"model_provider": "anthropic"},
        ),
        RESULT,
    ],
    "ChatOpenAI's Responses": [
        AIMessage(
            [
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "zzz"},
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
                {"type": "text", "text": "I look.", "annotations": [{"type": "url_citation"}], "id": "msg_1"},
                {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
            ],
            tool_calls=[CALL],
            response_metadata={"model_provider": "openai"},
        ),
        RESULT,
    ],
    "Gemini's": [
        AIMessage(
            [
                {"type": "executable_code", "executable_code": "print(1)", "language": 1},
                {"type": "code_execution_result", "code_execution_result": "1", "outcome": 1},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "text", "text": "I look.", "extras": {"signature": "zzz"}},
            ],
            tool_calls=[CALL],
            additional_kwargs={"__gemini_function_call_thought_signatures__": {"c1": "zzz"}},
            response_metadata={"model_provider": "google_genai"},
        ),
        RESULT,
    ],
    "a call in a block alone": [AIMessage([{"type": "text", "text": "I look."}, USE]), RESULT],
    "a standard call alone": [AIMessage([{"type": "text", "text": "I look."}, CALL]), RESULT],
    "non-standard": [
        AIMessage(
            [{"type": "non_standard", "value": {"x": 1}}, {"type": "text", "text": "I look."}], tool_calls=[CALL]
        ),
        RESULT,
    ],
    "the older single call": [
        AIMessage("I look.", additional_kwargs={"function_call": {"name": "f", "arguments": '{"a": 1}'}}),
        FunctionMessage("found", name="f"),
    ],
}


def test_another_makers_history_is_reduced_to_what_everyone_reads(subtests) -> None:
    for name, history in HISTORIES.items():
        with subtests.test(name, protocol="openai"):
            body = bodies_by_every_way(chat_aki, "openai", ["hi", *history])
            _, assistant, result = body["messages"]
            (call,) = assistant.pop("tool_calls")
            assert assistant == {"role": "assistant", "content": "I look."}
            assert call["function"]["name"] == "f"
            assert call["function"]["arguments"] == '{"a": 1}'
            assert result == {"role": "tool", "content": "found", "tool_call_id": call["id"]}
        with subtests.test(name, protocol="anthropic"):
            body = bodies_by_every_way(chat_aki, "anthropic", ["hi", *history])
            text, use = body["messages"][1]["content"]
            assert text == {"type": "text", "text": "I look."}
            assert use == {**USE, "id": use["id"]}
            assert body["messages"][2]["content"][0]["tool_use_id"] == use["id"]


def conversation(framework: Any, *ids: str, arguments: Any = None) -> list[Any]:
    """Calls with these IDs, and their results."""
    kwargs = {} if arguments is None else arguments
    if framework is aki:
        calls = [ToolCallBlock(tool_call_id=each, tool_name="f", tool_kwargs=kwargs) for each in ids]
        results = [
            ChatMessage(role="tool", content=str(n), additional_kwargs={"tool_call_id": each})
            for n, each in enumerate(ids)
        ]
        return [ChatMessage("hi"), ChatMessage(role="assistant", blocks=calls), *results]
    if isinstance(kwargs, str):
        broken = [{"id": each, "name": "f", "args": kwargs, "error": "x", "type": "invalid_tool_call"} for each in ids]
        message = AIMessage("", invalid_tool_calls=broken)
    else:
        message = AIMessage("", tool_calls=[{"id": each, "name": "f", "args": kwargs} for each in ids])
    return ["hi", message, *(ToolMessage(str(n), tool_call_id=each) for n, each in enumerate(ids))]


def test_ids_are_rewritten_in_pairs_where_the_wire_needs_it(subtests) -> None:
    for framework in (chat_aki, aki):
        for ids, kept_on_openai in (
            (("functions.f:0",), True),
            (("",), False),
            (("a", "a"), False),
            (("call_1", "call_2"), True),
            (("x" * 80,), True),
            (("", ""), False),
        ):
            with subtests.test(ids=ids, framework=framework.__name__):
                body = bodies_by_every_way(framework, "openai", conversation(framework, *ids))
                _, assistant, *results = body["messages"]
                sent = [call["id"] for call in assistant["tool_calls"]]
                assert [result["tool_call_id"] for result in results] == sent
                assert len(set(sent)) == len(ids)
                assert all(sent)
                if kept_on_openai:
                    assert sent == list(ids)
                body = bodies_by_every_way(framework, "anthropic", conversation(framework, *ids))
                _, assistant, results = body["messages"]
                sent = [block["id"] for block in assistant["content"]]
                assert [block["tool_use_id"] for block in results["content"]] == sent
                assert len(set(sent)) == len(ids)
                assert all(each and len(each) <= 64 and "." not in each and ":" not in each for each in sent)


def test_results_without_an_id_are_those_of_the_calls_in_order(subtests) -> None:
    older = {"function_call": {"name": "f", "arguments": '{"a": 1}'}}
    rows: dict[str, list[ChatMessage]] = {
        "the older single call": [
            ChatMessage(role="assistant", content="I look.", additional_kwargs=older),
            ChatMessage(role="function", content="0", additional_kwargs={"name": "f"}),
        ],
        "no IDs at the results": [
            *conversation(aki, "c1", "c2", arguments={"a": 1})[1:2],
            ChatMessage(role="tool", content="0"),
            ChatMessage(role="tool", content="1"),
        ],
        "calls in Anthropic's form": [
            ChatMessage(
                role="assistant",
                additional_kwargs={"tool_calls": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}]},
            ),
            ChatMessage(role="tool", content="0", additional_kwargs={"tool_call_id": "c1"}),
        ],
        "the name as the ID of the result": [
            ChatMessage(
                role="assistant",
                additional_kwargs={"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
            ),
            ChatMessage(role="tool", content="0", additional_kwargs={"tool_call_id": "f"}),
        ],
        "the second alone has one": [
            *conversation(aki, "c1", "c2", arguments={"a": 1})[1:2],
            ChatMessage(role="tool", content="1", additional_kwargs={"tool_call_id": "c2"}),
            ChatMessage(role="tool", content="0"),
        ],
    }
    for name, messages in rows.items():
        for protocol in ("openai", "anthropic"):
            with subtests.test(name, protocol=protocol):
                _, assistant, *results = bodies_by_every_way(aki, protocol, [ChatMessage("hi"), *messages])["messages"]
                if protocol == "openai":
                    calls = {call["id"]: json.loads(call["function"]["arguments"]) for call in assistant["tool_calls"]}
                    sent = sorted((result["content"], result["tool_call_id"]) for result in results)
                else:
                    uses = [block for block in assistant["content"] if block["type"] == "tool_use"]
                    calls = {use["id"]: use["input"] for use in uses}
                    blocks = results[0]["content"]
                    sent = sorted((block["content"][0]["text"], block["tool_use_id"]) for block in blocks)
                assert list(calls.values()) == [{"a": 1}] * len(calls)
                assert sent == [(str(number), call_id) for number, call_id in enumerate(calls)]


def test_broken_arguments_can_be_read_by_every_service(subtests) -> None:
    for framework in (chat_aki, aki):
        for arguments, openai in (
            ('{"city": "Ro', '{"not_json": "{\\"city\\": \\"Ro"}'),
            ("[1]", '{"not_json": "[1]"}'),
            ("", "{}"),
            ("Rome", '{"not_json": "Rome"}'),
        ):
            with subtests.test(arguments=arguments, framework=framework.__name__):
                history = conversation(framework, "c1", arguments=arguments)
                body = bodies_by_every_way(framework, "openai", history)
                assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == openai


def test_text_is_one_string_joined_as_the_framework_joins(subtests) -> None:
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": ""}, "b"]
    rows = [
        (chat_aki, [HumanMessage(texts)], "ab"),
        (chat_aki, [HumanMessage([])], ""),
        (chat_aki, [HumanMessage(["a"])], "a"),
        (chat_aki, [HumanMessage(["a", {"type": "text-plain", "text": "b"}])], "a\nb"),
        (chat_aki, [HumanMessage([{"type": "text", "text": None}, "a"])], "a"),
        (aki, [ChatMessage(blocks=[TextBlock(text="a"), TextBlock(text=""), TextBlock(text="b")])], "a\nb"),
        (aki, [ChatMessage(blocks=[])], ""),
    ]
    for framework, messages, expected in rows:
        with subtests.test(expected=expected):
            body = bodies_by_every_way(framework, "openai", messages)
            assert body["messages"] == [{"role": "user", "content": expected}]


def test_a_name_is_left_out_of_tool_messages(subtests) -> None:
    rows = [
        (
            chat_aki,
            [
                HumanMessage("hi", name="ann"),
                *HISTORIES["a standard call alone"][:1],
                ToolMessage("x", tool_call_id="c1", name="f"),
            ],
        ),
        (
            aki,
            [
                ChatMessage("hi", additional_kwargs={"name": "ann"}),
                ChatMessage(role="tool", content="x", additional_kwargs={"tool_call_id": "c1", "name": "f"}),
            ],
        ),
    ]
    for framework, messages in rows:
        with subtests.test(framework.__name__):
            sent = bodies_by_every_way(framework, "openai", messages)["messages"]
            assert sent[0]["name"] == "ann"
            assert "name" not in sent[-1]


def test_a_conversation_that_would_be_empty_is_a_user_turn_or_refused(subtests) -> None:
    for framework, message in (
        (chat_aki, SystemMessage("be kind")),
        (aki, ChatMessage(role="system", content="be kind")),
    ):
        with subtests.test(framework.__name__):
            body = bodies_by_every_way(framework, "anthropic", [message])
            assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "be kind"}]}]
            assert "system" not in body
    with subtests.test("a blank end"), ScriptServer(always=answer) as server:
        with pytest.raises(ConfigurationError, match="blank"):
            chat_aki(server, "anthropic").invoke(["hi", AIMessage("ho"), HumanMessage(" ")])
        assert not server.requests
    for framework in (chat_aki, aki):
        for text in (" ", "", "\n"):
            with subtests.test(text=text), ScriptServer(always=answer) as server:
                with pytest.raises(ConfigurationError, match="empty"):
                    ask(framework(server, "anthropic"), "blocking", [text])
                assert not server.requests


def test_a_local_path_is_no_url(subtests) -> None:
    paths = ("r.png", "/home/r.png", "C:\\r.png", "./a/r.png", "file:///home/r.png", "FILE://r.png")
    blocks: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": path}} for path in paths]
    blocks += [
        {"type": "image_url", "image_url": {"url": Path("r.png")}},
        {"type": "image", "url": "r.png"},
        {"type": "file", "url": "a.pdf", "mime_type": "application/pdf"},
        {"type": "document", "source": {"type": "url", "url": "a.pdf"}},
        {"type": "video_url", "video_url": {"url": "/home/a.mp4"}},
        {"type": "audio_url", "audio_url": "a.wav"},
        {"type": "input_video", "video_url": "file:///a.mp4"},
    ]
    for block in blocks:
        with subtests.test(str(block)), ScriptServer(always=answer) as server:
            with pytest.raises(ConfigurationError, match="pass a local file as bytes"):
                chat_aki(server).invoke([HumanMessage([block])])
            assert not server.requests
    with ScriptServer(always=answer) as server:
        aki(server).chat([ChatMessage(blocks=[ImageBlock(url="gs://bucket/r.png"), TextBlock(text="see")])])
    assert server.requests[0].json["messages"][0]["content"][0]["image_url"]["url"] == "gs://bucket/r.png"


def test_llama_index_blocks_reach_both_wires(subtests) -> None:
    rows = [
        (DocumentBlock(url=URL, title="T"), {"type": "document", "source": {"type": "url", "url": URL}, "title": "T"}),
        (VideoBlock(url=URL), None),
    ]
    for block, anthropic in rows:
        with subtests.test(type(block).__name__):
            messages = [ChatMessage(blocks=[TextBlock(text="see"), block])]
            assert URL in str(bodies_by_every_way(aki, "openai", messages)["messages"])
            if anthropic is None:
                with ScriptServer(always=answer) as server, pytest.raises(ConfigurationError, match="cannot say"):
                    aki(server, "anthropic").chat(messages)
            else:
                body = bodies_by_every_way(aki, "anthropic", messages)
                assert body["messages"][0]["content"][1] == anthropic


def test_llama_index_blocks_without_data_and_of_earlier_answers(subtests) -> None:
    for block in (ImageBlock(), DocumentBlock(title="T"), VideoBlock(), AudioBlock()):
        with subtests.test(type(block).__name__), ScriptServer(always=answer) as server:
            with pytest.raises(ConfigurationError, match=f"data of a {type(block).__name__}"):
                aki(server).chat([ChatMessage(blocks=[block])])
            assert not server.requests
    source = CitationBlock(cited_content=TextBlock(text="c"), source=URL, title="T", additional_location_info={})
    shown = ChatMessage(role="assistant", blocks=[ImageBlock(url=URL), TextBlock(text="look"), source])
    for protocol, content in (("openai", "look"), ("anthropic", [{"type": "text", "text": "look"}])):
        with subtests.test("an earlier answer", protocol=protocol):
            body = bodies_by_every_way(aki, protocol, [ChatMessage("hi"), shown, ChatMessage("and?")])
            assert body["messages"][1] == {"role": "assistant", "content": content}


def turn(framework: Any, provider: str | None, *behind: Any) -> list[Any]:
    """A turn of tools with a thought, not closed by an answer without calls."""
    if framework is aki:
        fields = {} if provider is None else {"model_provider": provider}
        blocks = [ThinkingBlock(content="hm"), ToolCallBlock(tool_call_id="c1", tool_name="f")]
        result = ChatMessage(role="tool", content="found", additional_kwargs={"tool_call_id": "c1"})
        return [
            ChatMessage("hi"),
            ChatMessage(role="assistant", blocks=blocks, additional_kwargs=fields),
            result,
            *behind,
        ]
    metadata = {} if provider is None else {"model_provider": provider}
    thought = AIMessage(
        "", tool_calls=[CALL], additional_kwargs={"reasoning_content": "hm"}, response_metadata=metadata
    )
    return ["hi", thought, RESULT, *behind]


def test_thoughts_of_an_open_turn_go_back_to_their_maker_alone(subtests) -> None:
    behind = {chat_aki: [HumanMessage("and?")], aki: [ChatMessage("and?")]}
    ended = {
        chat_aki: [AIMessage("done"), HumanMessage("and?")],
        aki: [ChatMessage(role="assistant", content="done"), ChatMessage("and?")],
    }
    for framework in (chat_aki, aki):
        for provider, tail, is_sent in (
            ("mine", [], True),
            ("mine", behind[framework], True),
            ("mine", ended[framework], False),
            ("aki", [], False),
            (None, [], True),
        ):
            with subtests.test(framework=framework.__name__, provider=provider, tail=tail):
                body = bodies_by_every_way(framework, "openai", turn(framework, provider, *tail))
                assert body["messages"][1].get("reasoning_content") == ("hm" if is_sent else None)
    for framework in (chat_aki, aki):
        with subtests.test(framework.__name__, protocol="anthropic"):
            body = bodies_by_every_way(framework, "anthropic", turn(framework, "mine"))
            assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm"}


def test_opaque_state_goes_back_to_its_maker_alone(subtests) -> None:
    details = [{"type": "reasoning.encrypted", "data": "zzz"}]
    extras = {"c1": {"extra_content": {"google": {"thought_signature": "zzz"}}}}
    fields = {
        "reasoning_details": details,
        "tool_call_extras": extras,
        "reasoning_field": "reasoning",
        "reasoning_content": "hm",
    }
    for provider in ("mine", "aki"):
        rows = [
            (
                chat_aki,
                [
                    "hi",
                    AIMessage(
                        "", tool_calls=[CALL], additional_kwargs=fields, response_metadata={"model_provider": provider}
                    ),
                    RESULT,
                ],
            ),
            (
                aki,
                [
                    ChatMessage("hi"),
                    ChatMessage(
                        role="assistant",
                        blocks=[ThinkingBlock(content="hm"), ToolCallBlock(tool_call_id="c1", tool_name="f")],
                        additional_kwargs={**fields, "model_provider": provider},
                    ),
                    ChatMessage(role="tool", content="found", additional_kwargs={"tool_call_id": "c1"}),
                ],
            ),
        ]
        for framework, messages in rows:
            with subtests.test(framework.__name__, provider=provider):
                message = bodies_by_every_way(framework, "openai", messages)["messages"][1]
                if provider == "mine":
                    assert message["reasoning_details"] == details
                    assert message["reasoning"] == "hm"
                    assert message["tool_calls"][0]["extra_content"] == extras["c1"]["extra_content"]
                else:
                    assert "zzz" not in str(message)
                    assert "hm" not in str(message)
