"""What the server receives for each role and block; nothing that was not asked for."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

import aki_transport.errors as ours
from llama_index_aki import AKI
from tests.llama_index.asking import PROMPT_WAYS, WAYS, ask, is_streamed, model_at
from tests.pictures import a_png
from tests.scenarios import chunk, replied, streamed
from tests.script_server import ScriptServer
from tests.subcases import subcases

PNG = a_png(1, 1)
B64 = base64.b64encode(PNG).decode()
PDF = b"%PDF-1.4\n%%EOF"
PDF64 = base64.b64encode(PDF).decode()
WAV = b"RIFF$\x00\x00\x00WAVEfmt "
WAV64 = base64.b64encode(WAV).decode()
LINK = "https://example.invalid/a.png"
LOOK = {"type": "text", "text": "look"}
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64}"}}
FILE = {"type": "file", "file": {"filename": "input_document", "file_data": f"data:application/pdf;base64,{PDF64}"}}
SAID_CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "Köln"}'}}
CALL = ToolCallBlock(tool_call_id="call_1", tool_name="look", tool_kwargs={"at": "Köln"})
EPHEMERAL = CachePoint(cache_control=CacheControl(type="ephemeral"))

# A message, and what is sent for it.
MESSAGES: dict[str, tuple[ChatMessage, dict[str, Any]]] = {
    "user": (ChatMessage(content="hi"), {"role": "user", "content": "hi"}),
    "user_empty": (ChatMessage(content=""), {"role": "user", "content": ""}),
    "user_without_blocks": (ChatMessage(blocks=[]), {"role": "user", "content": ""}),
    "user_unicode": (ChatMessage(content="Grüße, 🌍"), {"role": "user", "content": "Grüße, 🌍"}),
    "user_named": (
        ChatMessage(content="hi", additional_kwargs={"name": "ann"}),
        {"role": "user", "content": "hi", "name": "ann"},
    ),
    "user_with_other_extras": (
        ChatMessage(content="hi", additional_kwargs={"foo": 1, "tool_call_id": "x", "tool_calls": [SAID_CALL]}),
        {"role": "user", "content": "hi"},
    ),
    "system": (ChatMessage(role="system", content="be kind"), {"role": "system", "content": "be kind"}),
    "developer": (ChatMessage(role="developer", content="be kind"), {"role": "system", "content": "be kind"}),
    "system_in_blocks": (
        ChatMessage(role="system", blocks=[TextBlock(text="be"), EPHEMERAL, TextBlock(text="kind")]),
        {
            "role": "system",
            "content": [
                {"type": "text", "text": "be", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
                {"type": "text", "text": "kind"},
            ],
        },
    ),
    "assistant": (ChatMessage(role="assistant", content="hello"), {"role": "assistant", "content": "hello"}),
    "chatbot": (ChatMessage(role="chatbot", content="hello"), {"role": "assistant", "content": "hello"}),
    "model": (ChatMessage(role="model", content="hello"), {"role": "assistant", "content": "hello"}),
    "assistant_with_thoughts": (
        ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm"), TextBlock(text="hello")]),
        {"role": "assistant", "content": "hello"},
    ),
    "assistant_with_a_call": (
        ChatMessage(role="assistant", blocks=[CALL]),
        {"role": "assistant", "content": "", "tool_calls": [SAID_CALL]},
    ),
    "assistant_with_text_and_call": (
        ChatMessage(role="assistant", blocks=[TextBlock(text="I look."), CALL]),
        {"role": "assistant", "content": "I look.", "tool_calls": [SAID_CALL]},
    ),
    "assistant_with_arguments_as_text": (
        ChatMessage(
            role="assistant",
            blocks=[ToolCallBlock(tool_call_id="call_1", tool_name="look", tool_kwargs='{"at": "Köln"}')],
        ),
        {"role": "assistant", "content": "", "tool_calls": [SAID_CALL]},
    ),
    "assistant_with_calls_as_dicts": (
        ChatMessage(role="assistant", content="I look.", additional_kwargs={"tool_calls": [SAID_CALL]}),
        {"role": "assistant", "content": "I look.", "tool_calls": [SAID_CALL]},
    ),
    "assistant_with_calls_as_sdk_objects": (
        ChatMessage.model_construct(
            role=MessageRole.ASSISTANT,
            blocks=[],
            additional_kwargs={"tool_calls": [SimpleNamespace(model_dump=lambda: SAID_CALL)]},
        ),
        {"role": "assistant", "content": "", "tool_calls": [SAID_CALL]},
    ),
    "assistant_with_the_same_call_twice": (
        ChatMessage(role="assistant", blocks=[CALL], additional_kwargs={"tool_calls": [SAID_CALL]}),
        {"role": "assistant", "content": "", "tool_calls": [SAID_CALL]},
    ),
    "assistant_that_is_a_tools_result": (
        ChatMessage(role="assistant", content="found", additional_kwargs={"tool_call_id": "call_1"}),
        {"role": "assistant", "content": "found"},
    ),
    "tool": (
        ChatMessage(role="tool", content="found", additional_kwargs={"tool_call_id": "call_1"}),
        {"role": "tool", "content": "found", "tool_call_id": "call_1"},
    ),
    "tool_named": (
        ChatMessage(role="tool", content="found", additional_kwargs={"tool_call_id": "call_1", "name": "look"}),
        {"role": "tool", "content": "found", "tool_call_id": "call_1"},
    ),
    "tool_in_blocks": (
        ChatMessage(
            role="tool",
            blocks=[TextBlock(text="a"), TextBlock(text="b")],
            additional_kwargs={"tool_call_id": "call_1"},
        ),
        {"role": "tool", "content": "a\nb", "tool_call_id": "call_1"},
    ),
    "function": (
        ChatMessage(role="function", content="found", additional_kwargs={"tool_call_id": "call_1"}),
        {"role": "tool", "content": "found", "tool_call_id": "call_1"},
    ),
}

# A block of a user's message, and what is sent for it beside a text.
BLOCKS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "text": (TextBlock(text="look"), [LOOK]),
    "image_as_data": (ImageBlock(image=PNG), [IMAGE]),
    "image_as_base64": (ImageBlock(image=B64.encode(), image_mimetype="image/png"), [IMAGE]),
    "image_of_another_type": (
        ImageBlock(image=PNG, image_mimetype="image/jpeg"),
        [{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{B64}"}}],
    ),
    "image_detail": (
        ImageBlock(image=PNG, detail="low"),
        [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64}", "detail": "low"}}],
    ),
    "image_by_address": (ImageBlock(url=LINK), [{"type": "image_url", "image_url": {"url": LINK}}]),
    "image_by_address_detail": (
        ImageBlock(url=LINK, detail="high"),
        [{"type": "image_url", "image_url": {"url": LINK, "detail": "high"}}],
    ),
    "document": (DocumentBlock(data=PDF, document_mimetype="application/pdf"), [FILE]),
    "document_with_title": (
        DocumentBlock(data=PDF, title="a.pdf", document_mimetype="application/pdf"),
        [{"type": "file", "file": {**FILE["file"], "filename": "a.pdf"}}],
    ),
    "audio": (
        AudioBlock(audio=WAV, format="wav"),
        [{"type": "input_audio", "input_audio": {"data": WAV64, "format": "wav"}}],
    ),
    "audio_mp3": (
        AudioBlock(audio=WAV, format="mp3"),
        [{"type": "input_audio", "input_audio": {"data": WAV64, "format": "mp3"}}],
    ),
    "cache_point": (EPHEMERAL, []),
    "citable": (
        CitableBlock(title="T", source="S", content=[TextBlock(text="look"), ImageBlock(image=PNG)]),
        [{"type": "text", "text": "T (S):"}, LOOK, IMAGE],
    ),
    "citation": (
        CitationBlock(
            cited_content=TextBlock(text="look"),
            source="S",
            title="T",
            additional_location_info={},
        ),
        [LOOK],
    ),
    "thinking_of_a_user": (ThinkingBlock(content="hm"), []),
}


def sent(server: ScriptServer) -> dict[str, Any]:
    return server.requests[-1].json


@pytest.mark.parametrize("kind", MESSAGES)
def test_each_kind_of_message_is_said_in_openais_words(server: ScriptServer, kind: str):
    server.say(replied())
    message, said = MESSAGES[kind]
    model_at(server).chat([ChatMessage(content="first"), message, ChatMessage(content="last")])
    assert sent(server)["messages"] == [
        {"role": "user", "content": "first"},
        said,
        {"role": "user", "content": "last"},
    ]


@pytest.mark.parametrize("kind", BLOCKS)
def test_each_kind_of_block_is_said_in_openais_words(server: ScriptServer, kind: str, no_names_looked_up):
    server.say(replied())
    block, said = BLOCKS[kind]
    model_at(server).chat([ChatMessage(blocks=[TextBlock(text="first"), block, ImageBlock(image=PNG)])])
    first = {"type": "text", "text": "first"}
    if block is EPHEMERAL:
        first["cache_control"] = {"type": "ephemeral", "ttl": "5m"}
    assert sent(server)["messages"] == [{"role": "user", "content": [first, *said, IMAGE]}]
    assert no_names_looked_up == []


@pytest.fixture
def no_names_looked_up(monkeypatch) -> list[Any]:
    """Fetching an address takes looking its host up; what was tried stands in the list."""
    tried: list[Any] = []

    def refuse(host: Any, *rest: Any, **named: Any) -> Any:
        if host in ("127.0.0.1", b"127.0.0.1"):
            return looked_up(host, *rest, **named)
        tried.append(host)
        raise OSError("no network here")

    import socket  # noqa: PLC0415

    looked_up = socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    return tried


def test_a_picture_of_a_path_is_sent_as_data(server: ScriptServer, tmp_path: Path):
    server.say(replied(), replied())
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    llm = model_at(server)
    llm.chat([ChatMessage(blocks=[ImageBlock(path=file, image_mimetype="image/png")])])
    assert sent(server)["messages"] == [{"role": "user", "content": [IMAGE]}]
    llm.chat([ChatMessage(blocks=[ImageBlock(path=str(file))])])
    assert sent(server)["messages"] == [{"role": "user", "content": [IMAGE]}]


def test_a_jpeg_of_a_path_is_said_to_be_one(server: ScriptServer, tmp_path: Path):
    server.say(replied())
    file = tmp_path / "a.jpg"
    file.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00")
    model_at(server).chat([ChatMessage(blocks=[ImageBlock(path=file)])])
    assert sent(server)["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("name", ["a.pdf", "a.txt"])
def test_a_document_of_a_path_is_sent_as_data(server: ScriptServer, tmp_path: Path, name: str):
    server.say(replied())
    file = tmp_path / name
    file.write_bytes(PDF)
    model_at(server).chat([ChatMessage(blocks=[DocumentBlock(path=file)])])
    (part,) = sent(server)["messages"][0]["content"]
    kind = {"a.pdf": "application/pdf", "a.txt": "text/plain"}[name]
    assert part["file"]["file_data"] == f"data:{kind};base64,{PDF64}"


FROM_BUFFERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "image": (lambda: ImageBlock(image=io.BytesIO(PNG), image_mimetype="image/png"), IMAGE),
    "document": (lambda: DocumentBlock(data=io.BytesIO(PDF), document_mimetype="application/pdf"), FILE),
    "audio": (lambda: AudioBlock(audio=io.BytesIO(WAV), format="wav"), BLOCKS["audio"][1][0]),
}


@pytest.mark.parametrize("kind", FROM_BUFFERS)
def test_what_stands_in_a_buffer_is_sent_as_data(server: ScriptServer, kind: str):
    server.say(replied(), replied())
    make, said = FROM_BUFFERS[kind]
    message = ChatMessage(blocks=[make()])
    llm = model_at(server)
    for _ in range(2):
        llm.chat([message])
        assert sent(server)["messages"] == [{"role": "user", "content": [said]}]


def test_an_address_that_is_the_data_is_sent_as_it_is(server: ScriptServer):
    server.say(replied())
    address = IMAGE["image_url"]["url"]
    model_at(server).chat([ChatMessage(blocks=[ImageBlock(url=address)])])
    assert sent(server)["messages"] == [{"role": "user", "content": [IMAGE]}]


@pytest.mark.parametrize("title", ["a.txt", "a.md", None])
def test_a_text_is_not_said_to_be_a_pdf(server: ScriptServer, title: str | None):
    server.say(replied())
    model_at(server).chat([ChatMessage(blocks=[DocumentBlock(data="Grüße!".encode(), title=title)])])
    (part,) = sent(server)["messages"][0]["content"]
    assert "application/pdf" not in str(part)


def test_no_picture_and_no_sound_is_refused_before_anything_is_sent(server: ScriptServer):
    for block in (ImageBlock(), AudioBlock()):
        with pytest.raises((ours.ConfigurationError, ValueError)):
            model_at(server).chat([ChatMessage(blocks=[block])])
    assert not server.requests


def test_what_stands_at_an_address_is_not_fetched(server: ScriptServer, no_names_looked_up):
    server.say(replied())
    url = "https://example.invalid/a"
    blocks = [AudioBlock(url=url, format="wav"), VideoBlock(url=url), DocumentBlock(url=url, title="T")]
    model_at(server).chat([ChatMessage(blocks=blocks)])
    assert sent(server)["messages"][0]["content"] == [
        {"type": "audio_url", "audio_url": {"url": url}},
        {"type": "video_url", "video_url": {"url": url}},
        {"type": "file", "file": {"filename": "T", "file_data": url}},
    ]
    assert no_names_looked_up == []


# Thoughts and tools


def turn(*, answered: bool) -> list[ChatMessage]:
    """A question, a call behind thoughts, its result; and the answer where the turn is over."""
    asked = [
        ChatMessage(content="hi"),
        ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm"), CALL]),
        ChatMessage(role="tool", content="found", additional_kwargs={"tool_call_id": "call_1"}),
    ]
    over = [
        ChatMessage(role="assistant", blocks=[ThinkingBlock(content="yes"), TextBlock(text="It is here.")]),
        ChatMessage(content="thanks"),
    ]
    return [*asked, *over] if answered else asked


def thoughts_sent(server: ScriptServer) -> list[str]:
    return [message["reasoning_content"] for message in sent(server)["messages"] if "reasoning_content" in message]


def test_thoughts_go_back_in_a_turn_of_tools_that_is_open_and_else_not(server: ScriptServer):
    server.always = replied()
    llm = model_at(server)
    llm.chat(turn(answered=False))
    assert thoughts_sent(server) == ["hm"]
    llm.chat(turn(answered=True))
    assert thoughts_sent(server) == []
    llm.chat([*turn(answered=True), *turn(answered=False)])
    assert thoughts_sent(server) == ["hm"]
    assert "reasoning_content" in sent(server)["messages"][-2]


@pytest.mark.parametrize(("wanted", "thoughts"), [("never", []), ("always", ["hm", "yes"]), ("tool_turns", [])])
def test_what_thoughts_go_back_is_a_setting_and_an_argument(server: ScriptServer, wanted: Any, thoughts: list[str]):
    server.always = replied()
    model_at(server, send_reasoning=wanted).chat(turn(answered=True))
    assert thoughts_sent(server) == thoughts
    model_at(server).chat(turn(answered=True), send_reasoning=wanted)
    assert thoughts_sent(server) == thoughts


def test_another_providers_thoughts_stay_here(server: ScriptServer):
    server.say(replied())
    asked = turn(answered=False)
    for message in asked:
        message.additional_kwargs["model_provider"] = "aki"
    model_at(server, provider="aacflow").chat(asked)
    assert thoughts_sent(server) == []


def test_an_answer_is_sent_back_as_it_came(server: ScriptServer):
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "Köln"}'}}
    server.say(replied("I look.", reasoning_content="hm", tool_calls=[call], finish="tool_calls"), replied())
    llm = model_at(server)
    question = ChatMessage(content="hi")
    answer = llm.chat([question], tools=[{"type": "function", "function": {"name": "look", "parameters": {}}}]).message
    result = ChatMessage(role="tool", content="found", additional_kwargs={"tool_call_id": "call_1"})
    llm.chat([question, answer, result])
    assert sent(server)["messages"][1] == {
        "role": "assistant",
        "content": "I look.",
        "reasoning_content": "hm",
        "tool_calls": [SAID_CALL],
    }


def a_result(call: str, *blocks: Any) -> ChatMessage:
    return ChatMessage(role="tool", blocks=list(blocks), additional_kwargs={"tool_call_id": call})


def test_pictures_of_tools_follow_behind_the_results_of_all_calls(server: ScriptServer):
    server.say(replied())
    two = [CALL, ToolCallBlock(tool_call_id="call_2", tool_name="look", tool_kwargs={})]
    model_at(server).chat(
        [
            ChatMessage(content="hi"),
            ChatMessage(role="assistant", blocks=two),
            a_result("call_1", TextBlock(text="a picture"), ImageBlock(image=PNG)),
            a_result("call_2", TextBlock(text="none")),
            ChatMessage(content="and?"),
        ]
    )
    first, second, shown, last = sent(server)["messages"][2:]
    assert first["content"].startswith("a picture")
    assert "1 attachment" in first["content"]
    assert B64 not in first["content"]
    assert (second["role"], second["content"]) == ("tool", "none")
    assert shown["role"] == "user"
    assert shown["content"][1:] == [IMAGE]
    assert last == {"role": "user", "content": "and?"}


def test_a_result_that_is_only_a_picture_says_so(server: ScriptServer):
    server.say(replied())
    model_at(server).chat([*turn(answered=False)[:2], a_result("call_1", ImageBlock(image=PNG))])
    result, shown = sent(server)["messages"][2:]
    assert "1 attachment" in result["content"]
    assert shown["content"][-1] == IMAGE


# Nothing else


def test_messages_that_were_given_are_not_changed(server: ScriptServer):
    server.say(replied())
    messages = [ChatMessage(blocks=[TextBlock(text="a"), ImageBlock(image=PNG)]), *turn(answered=False)]
    before = [message.model_dump_json() for message in messages]
    model_at(server).chat(messages)
    assert [message.model_dump_json() for message in messages] == before


def test_nothing_is_sent_that_was_not_asked_for(server: ScriptServer):
    server.always = replied()
    model_at(server).chat([ChatMessage(content="hi")])
    plain = {"model": "qwen3.6-35b", "messages": [{"role": "user", "content": "hi"}]}
    assert sent(server) == {**plain, "max_tokens": 8192}
    model_at(server, provider="aacflow").complete("hi")
    assert sent(server) == plain


def test_no_header_is_sent_that_tells_of_this_machine(server: ScriptServer):
    server.say(replied())
    model_at(server, default_headers={"X-Team": "a"}).complete("hi")
    headers = dict(server.requests[0].headers)
    assert headers.pop("user-agent").startswith("aki-integrations/")
    assert headers.pop("x-team") == "a"
    known = {"host", "accept", "accept-encoding", "connection", "authorization", "content-type", "content-length"}
    assert set(headers) <= known | {"transfer-encoding"}


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
    model_at(server, **{name: SETTINGS[name]}).chat([ChatMessage(content="hi")])
    assert sent(server)[name] == SETTINGS[name]
    model_at(server).chat([ChatMessage(content="hi")], **{name: SETTINGS[name]})
    assert sent(server)[name] == SETTINGS[name]
    model_at(server).complete("hi", **{name: SETTINGS[name]})
    assert sent(server)[name] == SETTINGS[name]
    if name != "max_tokens":
        model_at(server, **{name: SETTINGS[name]}).complete("hi", **{name: [] if name == "stop" else None})
        assert name not in sent(server)


def test_an_argument_of_a_call_wins_and_bodies_are_joined(server: ScriptServer):
    server.say(replied())
    model_at(server, temperature=1, extra_body={"a": 1, "b": 1}).complete("hi", temperature=0, extra_body={"b": 2})
    assert (sent(server)["temperature"], sent(server)["a"], sent(server)["b"]) == (0, 1, 2)


@subcases("way", [*WAYS, *PROMPT_WAYS])
def test_every_way_sends_the_same(server: ScriptServer, way: Any):
    server.always = streamed("Hello") if is_streamed(way) else replied()
    ask(model_at(server, temperature=0), way, "hi", seed=7)
    body = dict(sent(server))
    for name in ("stream", "stream_options"):
        body.pop(name, None)
    assert body == {
        "model": "qwen3.6-35b",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0,
        "seed": 7,
        "max_tokens": 8192,
    }


def test_the_system_prompt_is_applied_by_predict_and_not_by_chat(server: ScriptServer):
    from llama_index.core.prompts import PromptTemplate  # noqa: PLC0415

    server.always = replied()
    llm: AKI = model_at(server, system_prompt="be kind")
    llm.chat([ChatMessage(content="hi")])
    assert [message["role"] for message in sent(server)["messages"]] == ["user"]
    template = PromptTemplate("hi {name}")
    expected = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi ann"}]
    assert llm.predict(template, name="ann") == "Hello"
    assert sent(server)["messages"] == expected
    assert asyncio.run(llm.apredict(template, name="ann")) == "Hello"
    assert sent(server)["messages"] == expected
    server.always = streamed("Hel", chunk(reasoning_content="hm"), "lo")
    assert "".join(llm.stream(template, name="ann")) == "Hello"
    assert sent(server)["messages"] == expected

    async def streamed_async() -> str:
        return "".join([piece async for piece in await llm.astream(template, name="ann")])

    assert asyncio.run(streamed_async()) == "Hello"
    assert sent(server)["messages"] == expected
