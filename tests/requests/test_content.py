"""What users and histories hold reaches the server as it was meant, in both frameworks and on every wire."""

import json
from itertools import product
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from tests.requests.frameworks import FRAMEWORKS, PROTOCOLS, Protocol, aki, ask, chat_aki
from tests.subcases import subcases

pytestmark = [
    pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning"),  # the server has one answer
    pytest.mark.usefixtures("one_loop"),
]

MARK = {"cache_control": {"type": "ephemeral"}}
POINT = CachePoint(cache_control=CacheControl(type="ephemeral", ttl="1h"))
URL = "https://example.com/a"
SEARCH = {"type": "search_result", "source": URL, "title": "T", "content": [{"type": "text", "text": "x"}]}
PNG_URL = "data:image/png;base64,aGk="
PDF_URL = "data:application/pdf;base64,aGk="
FILE_ID = {"type": "file", "file": {"file_id": "f-1"}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def media(kind: str, url: Any = URL, **more: Any) -> dict[str, Any]:
    """A block in OpenAI's form."""
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url}, **more}


def file(name: str, data: str = URL, **more: Any) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": data}, **more}


def sourced(kind: str, **more: Any) -> dict[str, Any]:
    """A block in Anthropic's form: at a URL, by its ID, or with its data."""
    source: dict[str, Any] = {"type": "url", "url": URL}
    if "file_id" in more:
        source = {"type": "file", "file_id": more.pop("file_id")}
    if "media_type" in more:
        source = {"type": "base64", "media_type": more.pop("media_type"), "data": "aGk="}
    return {"type": kind, "source": source, **more}


CITABLE = CitableBlock(title="T", source=URL, content=[TextBlock(text="x")])
MARKED = text("x", **MARK)
CITED = sourced("document", title="T", citations={"enabled": True})
IMAGE_ID, DOCUMENT_ID = sourced("image", file_id="f-1"), sourced("document", file_id="f-1")
PDF = sourced("document", media_type="application/pdf")
PNG_SENT = (media("image", PNG_URL), sourced("image", media_type="image/png"))
FILE = {"type": "file", "source_type": "base64", "data": "aGk=", "mime_type": "application/pdf"}
PIXELS = {"type": "image_url", "image_url": {"url": URL, "format": "png"}, "min_pixels": 3136}
UPLOAD = {"type": "container_upload", "file_id": "f-1"}
HOLOGRAM = {"type": "hologram", "data": "x"}
INPUT = {"type": "input_image", "image_url": URL, "detail": "low"}
INPUT_SENT = {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}
MISTRALS = {"type": "document_url", "document_url": URL, "document_name": "N"}
SEVERAL = {**SEARCH, "content": [text("x"), text("y")], **MARK}

# A user's block in LangChain, and what is sent for it on OpenAI's and Anthropic's wire; None: refused before sending.
# fmt: off
BLOCKS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "text with a mark": (MARKED, MARKED, MARKED),
    "mark in extras": ({"type": "text", "text": "x", "extras": MARK}, MARKED, MARKED),
    "image with a mark": ({"type": "image", "url": URL, **MARK}, media("image", **MARK), sourced("image", **MARK)),
    "video": (media("video"), media("video"), None),
    "standard video": ({"type": "video", "url": URL}, media("video"), None),
    "audio": (media("audio"), media("audio"), None),
    "file by URL": (
        {"type": "file", "url": URL, "mime_type": "application/pdf"}, file("document"), sourced("document")
    ),
    "document by URL": (CITED, file("T", citations={"enabled": True}), CITED),
    "file URL in OpenAI's form": (file("a.pdf"), file("a.pdf"), sourced("document", title="a.pdf")),
    "file by ID": ({"type": "file", "file_id": "f-1"}, FILE_ID, DOCUMENT_ID),
    "image by ID": (IMAGE_ID, FILE_ID, IMAGE_ID),
    "sound by ID": ({"type": "audio", "file_id": "f-1"}, FILE_ID, None),
    "search result": (SEARCH, f"see\nT ({URL}):\nx", SEARCH),
    "search result of several texts": (SEVERAL, text(f"T ({URL}):\nx\ny", **MARK), SEVERAL),
    "upload": (UPLOAD, None, UPLOAD),
    "document at a URL, Mistral's": (MISTRALS, MISTRALS, sourced("document", title="N")),
    "plain text at a URL": (
        {"type": "text-plain", "url": URL, "mime_type": "text/plain"}, file("document"), sourced("document")
    ),
    "text whose name tells what it is": (
        file("a.txt", "aGk="), file("a.txt", "data:text/plain;base64,aGk="),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "a.txt"},
    ),
    "pixels": (PIXELS, PIXELS, sourced("image", min_pixels=3136)),
    "never heard of": (HOLOGRAM, HOLOGRAM, HOLOGRAM),
    "Gemini's": ({"type": "media", "mime_type": "image/png", "data": "aGk="}, *PNG_SENT),
    "of OpenAI's newer protocol": (INPUT, INPUT_SENT, sourced("image")),
    "of OpenAI's newer protocol, by ID": ({"type": "input_image", "file_id": "f-1"}, FILE_ID, IMAGE_ID),
    "of models' processors": ({"type": "image", "image": PNG_URL}, *PNG_SENT),
    "without a type": ({"image": PNG_URL}, *PNG_SENT),
    "a data URL as base64 text": ({"type": "image", "base64": PNG_URL, "mime_type": "image/png"}, *PNG_SENT),
    "bytes as base64 text": ({"type": "image", "base64": b"hi", "mime_type": "image/png"}, *PNG_SENT),
    "MCP's": ({"type": "image", "data": "aGk=", "mimeType": "image/png"}, *PNG_SENT),
    "file at a data URL": ({"type": "file", "url": PDF_URL}, file("document", PDF_URL), PDF),
    "older file with its name in metadata": (
        {**FILE, "metadata": {"filename": "a.pdf"}}, file("a.pdf", PDF_URL), {**PDF, "title": "a.pdf"}
    ),
}
# fmt: on


@subcases("name", BLOCKS)
def test_a_block_is_sent_in_the_form_of_the_wire(name: str, server, body, refused) -> None:
    block, *forms = BLOCKS[name]
    messages = [HumanMessage(["see", block])]
    for protocol, form in zip(PROTOCOLS, forms, strict=True):
        if form is None:
            with refused("cannot say"):
                chat_aki(server, protocol).invoke(messages)
        else:
            content = form if isinstance(form, str) else [text("see"), form]
            assert body(chat_aki, protocol, messages)["messages"] == [{"role": "user", "content": content}]


def contents_of(body: dict[str, Any]) -> list[Any]:
    return [*([body["system"]] if "system" in body else []), *(message["content"] for message in body["messages"])]


def test_marks_stand_where_they_stood(body) -> None:
    conversation = [
        SystemMessage([text("be kind", **MARK)]),
        HumanMessage("hi"),
        AIMessage([text("I look.", **MARK)], tool_calls=[{"id": "c1", "name": "f", "args": {}}]),
        ToolMessage([text("found", **MARK)], tool_call_id="c1"),
    ]
    tool = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}, **MARK}
    sent = body(chat_aki, "anthropic", conversation, tools=[tool], **MARK)
    system, _, (words, _), (result,) = contents_of(sent)
    assert (system, words) == ([text("be kind", **MARK)], text("I look.", **MARK))
    assert result == {"type": "tool_result", "tool_use_id": "c1", "content": [text("found")], **MARK}
    assert (sent["tools"], sent["cache_control"]) == ([tool], MARK["cache_control"])
    sent = body(chat_aki, "openai", conversation, tools=[tool], **MARK)
    kind, words, result = ([text(each, **MARK)] for each in ("be kind", "I look.", "found"))
    assert contents_of(sent) == [kind, "hi", words, result]
    assert sent["cache_control"] == sent["tools"][0]["cache_control"] == MARK["cache_control"]
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    blocks = [
        ChatMessage(role="system", blocks=[TextBlock(text="be kind"), POINT]),
        ChatMessage(blocks=[TextBlock(text="a"), POINT, TextBlock(text="b")]),
    ]
    use = ToolCallBlock(tool_call_id="c1", tool_name="f", tool_kwargs={})
    called = ChatMessage(role="assistant", blocks=[TextBlock(text="I look."), use, POINT])
    rows: list[tuple[Protocol, list[Any], int, Any]] = [
        *((each, blocks, 0, [text("be kind", **mark)]) for each in PROTOCOLS),
        *((each, blocks, 1, [text("a", **mark), text("b")]) for each in PROTOCOLS),
        (
            *("anthropic", [ChatMessage("hi"), called, result_of("x", tool_call_id="c1")], 1),
            [text("I look."), {**USE, "input": {}, **mark}],
        ),
        ("openai", [ChatMessage(blocks=[VideoBlock(url=URL), POINT])], 0, [media("video", **mark)]),
        ("openai", [ChatMessage(blocks=[CITABLE, POINT])], 0, [text(f"T ({URL}):\nx", **mark)]),
        ("anthropic", [ChatMessage(blocks=[CITABLE, POINT])], 0, [{**SEARCH, "citations": {"enabled": True}, **mark}]),
    ]
    for protocol, messages, index, expected in rows:
        assert contents_of(body(aki, protocol, messages))[index] == expected


def test_marks_in_the_fields_of_a_message_and_on_its_calls_arrive(body) -> None:
    marked = [
        (chat_aki, HumanMessage("hi", additional_kwargs=MARK)),
        (aki, ChatMessage("hi", additional_kwargs=MARK)),
    ]
    for (framework, message), protocol in product(marked, PROTOCOLS):
        assert body(framework, protocol, [message])["messages"] == [{"role": "user", "content": [text("hi", **MARK)]}]
    use = {**USE, **MARK}
    for fields, metadata in product(({}, {"tool_calls": [CALL]}), ({}, {"model_provider": "anthropic"})):
        history = ["hi", AIMessage([use], response_metadata=metadata, **fields), RESULT]
        assert contents_of(body(chat_aki, "anthropic", history))[1] == [use]
    only_calls = ["hi", AIMessage("", tool_calls=[CALL], additional_kwargs=MARK), RESULT]
    assert contents_of(body(chat_aki, "anthropic", only_calls))[1] == [use]
    (call,) = body(chat_aki, "openai", only_calls)["messages"][1]["tool_calls"]
    assert call["cache_control"] == MARK["cache_control"]
    function = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    tool = {"type": "function", "function": {**function, **MARK}}  # OpenAI's form nests the mark
    assert body(chat_aki, "openai", ["hi"], tools=[tool])["tools"] == [tool]
    (sent,) = body(chat_aki, "anthropic", ["hi"], tools=[tool])["tools"]
    assert sent == {"name": "f", "description": "d", "input_schema": function["parameters"], **MARK}


def test_results_in_a_users_content_are_results_on_every_wire(body) -> None:
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [text("found")], "is_error": True}
    for tail in (["so?"], []):
        content = [result, *map(text, tail)]
        history = ["hi", AIMessage([USE]), HumanMessage(content)]
        _, _, sent, *behind = body(chat_aki, "openai", history)["messages"]
        assert sent == {"role": "tool", "content": "found", "tool_call_id": "c1"}
        assert [message["content"] for message in behind] == tail
        assert body(chat_aki, "anthropic", history)["messages"][2]["content"] == content


CALL = {"id": "c1", "name": "f", "args": {"a": 1}, "type": "tool_call"}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
RESULT = ToolMessage("found", tool_call_id="c1")
LOOK = text("I look.")
OLDER = {"function_call": {"name": "f", "arguments": '{"a": 1}'}}


# What other integrations wrote as a whole stands in `tests/kept/histories.json`.
HISTORIES: dict[str, list[Any]] = {
    "a streamed call in a block alone": [AIMessage([LOOK, {**USE, "input": {}, "partial_json": '{"a": 1}'}]), RESULT],
    "a standard call alone": [AIMessage([LOOK, CALL]), RESULT],
    "non-standard": [AIMessage([{"type": "non_standard", "value": {"x": 1}}, LOOK], tool_calls=[CALL]), RESULT],
}


@subcases("name", HISTORIES)
def test_another_makers_history_is_reduced_to_what_everyone_reads(name: str, body) -> None:
    _, assistant, result = body(chat_aki, "openai", ["hi", *HISTORIES[name]])["messages"]
    (call,) = assistant.pop("tool_calls")
    assert assistant == {"role": "assistant", "content": "I look."}
    assert call["function"] == {"name": "f", "arguments": '{"a": 1}'}
    assert result == {"role": "tool", "content": "found", "tool_call_id": call["id"]}
    _, (words, use), (result,) = contents_of(body(chat_aki, "anthropic", ["hi", *HISTORIES[name]]))
    assert (words, use) == (LOOK, {**USE, "id": use["id"]})
    assert result["tool_use_id"] == use["id"]


def result_of(text: str, role: str = "tool", **fields: Any) -> ChatMessage:
    return ChatMessage(role=role, content=text, additional_kwargs=fields)


def conversation(framework: Any, *ids: str, arguments: Any = None) -> list[Any]:
    """Calls with these IDs, and their results."""
    kwargs = {} if arguments is None else arguments
    if framework is aki:
        calls = [ToolCallBlock(tool_call_id=each, tool_name="f", tool_kwargs=kwargs) for each in ids]
        results = [result_of(str(n), tool_call_id=each) for n, each in enumerate(ids)]
        return [ChatMessage("hi"), ChatMessage(role="assistant", blocks=calls), *results]
    if isinstance(kwargs, str):
        broken = [{"id": each, "name": "f", "args": kwargs, "error": "x", "type": "invalid_tool_call"} for each in ids]
        message = AIMessage("", invalid_tool_calls=broken)
    else:
        message = AIMessage("", tool_calls=[{"id": each, "name": "f", "args": kwargs} for each in ids])
    return ["hi", message, *(ToolMessage(str(n), tool_call_id=each) for n, each in enumerate(ids))]


def pairs_in(protocol: Protocol, body: dict[str, Any]) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    """IDs and arguments of the calls that were sent, and IDs and texts of the results."""
    _, assistant, *results = body["messages"]
    if protocol == "openai":
        calls = [(call["id"], json.loads(call["function"]["arguments"])) for call in assistant["tool_calls"]]
        return calls, [(result["tool_call_id"], result["content"]) for result in results]
    (message,) = results
    blocks = [(block["tool_use_id"], block["content"][0]["text"]) for block in message["content"]]
    return [(use["id"], use["input"]) for use in assistant["content"] if use["type"] == "tool_use"], blocks


@subcases("framework", FRAMEWORKS)
def test_ids_are_rewritten_in_pairs_where_the_wire_needs_it(framework: Any, body) -> None:
    kept: list[tuple[str, ...]] = [("functions.f:0",), ("call_1", "call_2"), ("x" * 80,)]
    for ids, protocol in product((*kept, ("",), ("a", "a"), ("", "")), PROTOCOLS):
        calls, results = pairs_in(protocol, body(framework, protocol, conversation(framework, *ids)))
        sent = [call_id for call_id, _ in calls]
        assert results == [(call_id, str(number)) for number, call_id in enumerate(sent)]
        assert len({*sent} - {""}) == len(ids)
        if protocol == "openai":
            assert ids not in kept or sent == list(ids)
        else:
            assert all(len(each) <= 64 and "." not in each and ":" not in each for each in sent)


def between(framework: Any, history: list[Any], *order: Any) -> list[Any]:
    """Messages of a history by their places, and users' texts."""
    say: Any = ChatMessage if framework is aki else HumanMessage
    return [history[each] if isinstance(each, int) else say(each) for each in order]


# What stands where of a question, two calls (of which the second is broken) and their results; what the service gets.
# Sources: https://github.com/langchain-ai/langchain/issues/25716 (no result), .../langgraph/issues/5109 (one of two),
# .../deepagents/issues/2703 (invalid calls), https://github.com/pydantic/pydantic-ai/pull/2328 (in between),
# https://github.com/langchain-ai/langgraph/issues/4397 (two results)
UNPAIRED: dict[str, tuple[tuple[Any, ...], list[str]]] = {
    "no result": ((0, 1, "go on"), ["No result", "No result"]),
    "one of two": ((0, 1, 2, "go on"), ["0", "No result"]),
    "one of two, at the end": ((0, 1, 3), ["1", "No result"]),
    "a user in between": ((0, 1, "wait", 2, 3), ["0", "1"]),
    "results apart": ((0, 1, 2, "wait", 3, "go on"), ["0", "1"]),
    "two results": ((0, 1, 2, 3, "go on", 2), ["0\n\n0", "1"]),
}


@subcases("framework", FRAMEWORKS)
@subcases("name", UNPAIRED)
def test_each_call_has_one_result_directly_behind_it(name: str, framework: Any, body) -> None:
    order, expected = UNPAIRED[name]
    for arguments, protocol in product(({"a": 1}, '{"a"'), PROTOCOLS):
        history = conversation(framework, "c1", "c2", arguments=arguments)
        sent = body(framework, protocol, between(framework, history, *order))["messages"]
        texts = [each for each in order if isinstance(each, str)]
        if protocol == "openai":
            results = [(each["tool_call_id"], each["content"]) for each in sent[2:4]]
            assert [each["content"] for each in sent[4:]] == texts
        else:
            (*blocks,) = sent[2]["content"]
            results = [
                (each["tool_use_id"], "\n\n".join(part["text"] for part in each["content"])) for each in blocks[:2]
            ]
            assert [block["text"] for block in blocks[2:]] == texts
        assert sorted(call_id for call_id, _ in results) == ["c1", "c2"]
        assert [content.partition(":")[0] for _, content in results] == expected


def answer_of(**fields: Any) -> ChatMessage:
    return ChatMessage(role="assistant", additional_kwargs=fields)


TWO = conversation(aki, "c1", "c2", arguments={"a": 1})[1]
BY_ID = result_of("0", tool_call_id="c1")
PAIRS: dict[str, list[ChatMessage]] = {
    "the older single call": [answer_of(**OLDER), result_of("0", role="function", name="f")],
    "no IDs at the results": [TWO, result_of("0"), result_of("1")],
    "calls in Anthropic's form": [answer_of(tool_calls=[USE]), BY_ID],
    "calls in Bedrock's form": [answer_of(tool_calls=[{"toolUseId": "c1", "name": "f", "input": {"a": 1}}]), BY_ID],
    "calls in Gemini's form": [answer_of(tool_calls=[{"id": "c1", "name": "f", "args": {"a": 1}}]), BY_ID],
    "the name as the ID of the result": [
        answer_of(tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}]),
        result_of("0", tool_call_id="f"),
    ],
    "the second alone has one": [TWO, result_of("1", tool_call_id="c2"), result_of("0")],
}


@subcases("name", PAIRS)
def test_results_without_an_id_are_those_of_the_calls_in_order(name: str, body) -> None:
    for protocol in PROTOCOLS:
        calls, results = pairs_in(protocol, body(aki, protocol, [ChatMessage("hi"), *PAIRS[name]]))
        assert [arguments for _, arguments in calls] == [{"a": 1}] * len(calls)
        assert sorted(results, key=itemgetter(1)) == [(call_id, str(at)) for at, (call_id, _) in enumerate(calls)]


@subcases("framework", FRAMEWORKS)
def test_broken_arguments_can_be_read_by_every_service(framework: Any, body) -> None:
    for arguments, openai in (
        ('{"city": "Ro', '{"not_json": "{\\"city\\": \\"Ro"}'),
        ("[1]", '{"not_json": "[1]"}'),
        ("", "{}"),
        ("Rome", '{"not_json": "Rome"}'),
        ('{"a": "\ud83d', '{"not_json": "{\\"a\\": \\"\\\\ud83d"}'),  # half a pair of surrogates
        ({"a": "\ud83d"}, '{"not_json": "{\\"a\\": \\"\\\\ud83d\\"}"}'),
    ):
        _, assistant, _ = body(framework, "openai", conversation(framework, "c1", arguments=arguments))["messages"]
        assert assistant["tool_calls"][0]["function"] == {"name": "f", "arguments": openai}


def test_text_is_one_string_joined_as_the_framework_joins(body) -> None:
    for message, expected in (
        (HumanMessage([{"type": "text", "text": "a"}, {"type": "text", "text": ""}, "b"]), "ab"),
        (HumanMessage([]), ""),
        (HumanMessage(["a"]), "a"),
        (HumanMessage(["a", {"type": "text-plain", "text": "b"}]), "a\nb"),
        (HumanMessage([{"type": "text", "text": None}, "a"]), "a"),
        (ChatMessage(blocks=[TextBlock(text="a"), TextBlock(text=""), TextBlock(text="b")]), "a\nb"),
        (ChatMessage(blocks=[]), ""),
    ):
        framework = aki if isinstance(message, ChatMessage) else chat_aki
        assert body(framework, "openai", [message])["messages"] == [{"role": "user", "content": expected}]


def test_a_name_is_left_out_of_tool_messages(body) -> None:
    call, _ = HISTORIES["a standard call alone"]
    result = ToolMessage("x", tool_call_id="c1", name="f")
    named = ChatMessage("hi", additional_kwargs={"name": "ann"})
    for framework, messages in (
        (chat_aki, [HumanMessage("hi", name="ann"), call, result]),
        (aki, [named, result_of("x", tool_call_id="c1", name="f")]),
    ):
        sent = body(framework, "openai", messages)["messages"]
        assert sent[0]["name"] == "ann"
        assert "name" not in sent[-1]


def test_a_conversation_that_would_be_empty_is_a_user_turn_or_refused(server, body, refused) -> None:
    for framework, message in (
        (chat_aki, SystemMessage("be kind")),
        (aki, ChatMessage(role="system", content="be kind")),
    ):
        sent = body(framework, "anthropic", [message])
        assert (sent["messages"], "system" in sent) == ([{"role": "user", "content": [text("be kind")]}], False)
        for protocol, messages in (("openai", []), *(("anthropic", each) for each in ([], [" "], [""], ["\n"]))):
            with refused("empty"):
                ask(framework(server, protocol), "blocking", messages)
    with refused("blank"):
        chat_aki(server, "anthropic").invoke(["hi", AIMessage("ho"), HumanMessage(" ")])


def test_a_local_path_is_no_url(server, refused) -> None:
    paths = ("r.png", "/home/r.png", "C:\\r.png", "./a/r.png", "file:///home/r.png", "FILE://r.png", Path("r.png"))
    for block in (
        *(media("image", path) for path in paths),
        {"type": "image", "url": "r.png"},
        {"type": "file", "url": "a.pdf", "mime_type": "application/pdf"},
        {"type": "document", "source": {"type": "url", "url": "a.pdf"}},
        {"type": "video_url", "video_url": {"url": "/home/a.mp4"}},
        {"type": "audio_url", "audio_url": "a.wav"},
        {"type": "input_video", "video_url": "file:///a.mp4"},
        {"type": "input_file", "file_url": "a.pdf"},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "a.pdf"}},
        {"type": "image", "base64": "./r.png", "mime_type": "image/png"},
    ):
        with refused("pass a local file as bytes"):
            chat_aki(server).invoke([HumanMessage([block])])
    aki(server).chat([ChatMessage(blocks=[ImageBlock(url="gs://bucket/r.png"), TextBlock(text="see")])])
    assert server.requests[0].json["messages"][0]["content"][0]["image_url"]["url"] == "gs://bucket/r.png"


def test_llama_index_blocks_reach_both_wires(server, body, refused) -> None:
    document = [ChatMessage(blocks=[TextBlock(text="see"), DocumentBlock(url=URL, title="T")])]
    assert URL in str(body(aki, "openai", document)["messages"])
    assert contents_of(body(aki, "anthropic", document))[0][1] == sourced("document", title="T")
    with refused("cannot say"):
        aki(server, "anthropic").chat([ChatMessage(blocks=[VideoBlock(url=URL)])])
    for block in (ImageBlock(), DocumentBlock(title="T"), VideoBlock(), AudioBlock()):
        with refused(f"data of a {type(block).__name__}"):
            aki(server).chat([ChatMessage(blocks=[block])])
    source = CitationBlock(cited_content=TextBlock(text="c"), source=URL, title="T", additional_location_info={})
    earlier = ChatMessage(role="assistant", blocks=[ImageBlock(url=URL), TextBlock(text="look"), source])
    for protocol, content in (("openai", "look"), ("anthropic", [text("look")])):
        sent = body(aki, protocol, [ChatMessage("hi"), earlier, ChatMessage("and?")])["messages"]
        assert sent[1] == {"role": "assistant", "content": content}


def test_a_block_in_langchain_s_wrapper_goes_back_to_its_maker_as_it_came(body) -> None:
    search = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}
    wrapped = {"type": "non_standard", "value": search}
    answer = AIMessage([wrapped, LOOK], response_metadata={"model_provider": "mine"})
    assert contents_of(body(chat_aki, "anthropic", ["hi", answer, HumanMessage("and?")]))[1] == [search, LOOK]


def test_what_is_not_sent_is_logged(body, caplog) -> None:
    caplog.set_level("DEBUG", "aki_transport")
    drawn = ChatMessage(role="assistant", blocks=[ImageBlock(url=URL), TextBlock(text="look")])
    for framework, messages, words in (
        (
            chat_aki,
            [AIMessage([{"type": "server_tool_use", "id": "s1"}, LOOK])],
            "that only their maker understands",
        ),
        (chat_aki, [HumanMessage(["hi", {"cachePoint": {"type": "default"}}])], "'cachePoint' is not sent"),
        (chat_aki, [AIMessage("", tool_calls=[CALL]), "go on"], "the call of f has no result"),
        (aki, [drawn], "a ImageBlock of an earlier answer is not sent"),
    ):
        body(framework, "openai", ["hi", *messages] if framework is chat_aki else [ChatMessage("hi"), *messages])
        assert words in caplog.text


def turn(framework: Any, provider: str | None, *behind: tuple[str, str], **fields: Any) -> list[Any]:
    """A turn of tools with a thought, and what is said behind it, by the first letters of the roles."""
    maker = {} if provider is None else {"model_provider": provider}
    if framework is aki:
        blocks = [ThinkingBlock(content="hm"), ToolCallBlock(tool_call_id="c1", tool_name="f")]
        thought = ChatMessage(role="assistant", blocks=blocks, additional_kwargs={**fields, **maker})
        tail = [ChatMessage(words, role={"u": "user", "a": "assistant"}[role]) for role, words in behind]
        return [ChatMessage("hi"), thought, result_of("found", tool_call_id="c1"), *tail]
    kwargs = {"reasoning_content": "hm", **fields}
    tail = [{"u": HumanMessage, "a": AIMessage}[role](words) for role, words in behind]
    return ["hi", AIMessage("", tool_calls=[CALL], additional_kwargs=kwargs, response_metadata=maker), RESULT, *tail]


@subcases("framework", FRAMEWORKS)
def test_thoughts_of_an_open_turn_go_back_to_their_maker_alone(framework: Any, body) -> None:
    for provider, behind, is_sent in (
        ("mine", [], True),
        ("mine", [("u", "and?")], True),
        ("mine", [("a", "done"), ("u", "and?")], False),
        ("aki", [], False),
        (None, [], True),
    ):
        sent = body(framework, "openai", turn(framework, provider, *behind))["messages"]
        assert sent[1].get("reasoning_content") == ("hm" if is_sent else None)
    sent = body(framework, "anthropic", turn(framework, "mine"))["messages"]
    assert sent[1]["content"][0] == {"type": "thinking", "thinking": "hm"}


@subcases("framework", FRAMEWORKS)
def test_opaque_state_goes_back_to_its_maker_alone(framework: Any, body) -> None:
    details = [{"type": "reasoning.encrypted", "data": "zzz"}]
    extras = {"c1": {"extra_content": {"google": {"thought_signature": "zzz"}}}}
    fields = {"reasoning_details": details, "tool_call_extras": extras, "reasoning_field": "reasoning"}
    message = body(framework, "openai", turn(framework, "mine", **fields))["messages"][1]
    assert (message["reasoning_details"], message["reasoning"]) == (details, "hm")
    assert message["tool_calls"][0]["extra_content"] == extras["c1"]["extra_content"]
    other = body(framework, "openai", turn(framework, "aki", **fields))["messages"][1]
    assert "zzz" not in str(other)
    assert "hm" not in str(other)
