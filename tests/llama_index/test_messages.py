"""What the server receives for each role and block; nothing that was not asked for."""

import base64
import io
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
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
from llama_index.core.prompts import PromptTemplate

from tests.llama_index.asking import answering, call, model_at, results, sent
from tests.pictures import a_png
from tests.scenarios import replied
from tests.script_server import ScriptServer

PNG = a_png(1, 1)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
PDF = b"%PDF-1.4\n%%EOF"
WAV = b"RIFF$\x00\x00\x00WAVEfmt "
GREETING = "Grüße!".encode()
LINK = "https://example.invalid/a.png"
CALL = ToolCallBlock(tool_call_id="call_1", tool_name="look", tool_kwargs={"at": "Köln"})
SENT_CALL = call("look", '{"at": "Köln"}')
CALLS = {"tool_calls": [SENT_CALL]}
OF_CALL = {"tool_call_id": "call_1"}


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def text(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


def image(url: str, **fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def file(kind: str, data: bytes, name: str = "input_document") -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": data_url(kind, data)}}


def audio(kind: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": kind}}


def message(role: str, *blocks: Any, **fields: Any) -> ChatMessage:
    texts = [TextBlock(text=block) if isinstance(block, str) else block for block in blocks]
    return ChatMessage(role=role, blocks=texts, additional_kwargs=fields)


def turn(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **fields}


IMAGE = image(data_url("image/png", PNG))

# A message, and what is sent for it.
MESSAGES: dict[str, tuple[ChatMessage, dict[str, Any]]] = {
    "a user": (message("user", "hi", foo=1, **OF_CALL, **CALLS), turn("user", "hi")),
    "an empty user": (message("user", ""), turn("user", "")),
    "system": (message("system", "be kind"), turn("system", "be kind")),
    "developer": (message("developer", "be kind"), turn("system", "be kind")),
    "assistant": (message("assistant", "hello"), turn("assistant", "hello")),
    "chatbot": (message("chatbot", "hello"), turn("assistant", "hello")),
    "model": (message("model", "hello"), turn("assistant", "hello")),
    "a thought": (message("assistant", ThinkingBlock(content="hm"), "hello"), turn("assistant", "hello")),
    "a call": (message("assistant", CALL), turn("assistant", "", **CALLS)),
    "text and a call": (message("assistant", "I look.", CALL), turn("assistant", "I look.", **CALLS)),
    "arguments as text": (
        message("assistant", ToolCallBlock(tool_call_id="call_1", tool_name="look", tool_kwargs='{"at": "Köln"}')),
        turn("assistant", "", **CALLS),
    ),
    "calls as dicts": (message("assistant", "I look.", **CALLS), turn("assistant", "I look.", **CALLS)),
    "calls as objects of an SDK": (
        ChatMessage.model_construct(
            role=MessageRole.ASSISTANT,
            blocks=[],
            additional_kwargs={"tool_calls": [SimpleNamespace(model_dump=lambda: SENT_CALL)]},
        ),
        turn("assistant", "", **CALLS),
    ),
    "the same call twice": (message("assistant", CALL, **CALLS), turn("assistant", "", **CALLS)),
    "a result as an answer": (message("assistant", "found", **OF_CALL), turn("assistant", "found")),
    "a result": (message("tool", "found", **OF_CALL), turn("tool", "found", **OF_CALL)),
    "a result in blocks": (message("tool", "a", "b", **OF_CALL), turn("tool", "a\nb", **OF_CALL)),
    "a function's result": (message("function", "found", **OF_CALL), turn("tool", "found", **OF_CALL)),
}

# A block of a user's message, and what is sent for it beside a text.
BLOCKS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "text": (TextBlock(text="look"), [text("look")]),
    "image as base64": (ImageBlock(image=base64.b64encode(PNG), image_mimetype="image/png"), [IMAGE]),
    "image of a type": (ImageBlock(image=PNG, image_mimetype="image/jpeg"), [image(data_url("image/jpeg", PNG))]),
    "image's detail": (ImageBlock(image=PNG, detail="low"), [image(data_url("image/png", PNG), detail="low")]),
    "image's URL": (ImageBlock(url=LINK), [image(LINK)]),
    "image's URL and detail": (ImageBlock(url=LINK, detail="high"), [image(LINK, detail="high")]),
    "image's data URL": (ImageBlock(url=data_url("image/png", PNG)), [IMAGE]),
    "document": (DocumentBlock(data=PDF, document_mimetype="application/pdf"), [file("application/pdf", PDF)]),
    "document of a title": (
        DocumentBlock(data=PDF, title="a.pdf", document_mimetype="application/pdf"),
        [file("application/pdf", PDF, "a.pdf")],
    ),
    "document of no type": (DocumentBlock(data=PDF), [file("application/pdf", PDF)]),
    "document's URL": (
        DocumentBlock(url=LINK, title="T"),
        [{"type": "file", "file": {"filename": "T", "file_data": LINK}}],
    ),
    "text file": (DocumentBlock(data=GREETING, title="a.txt"), [file("text/plain", GREETING, "a.txt")]),
    "text of no title": (DocumentBlock(data=GREETING), [file("text/plain", GREETING)]),
    "audio": (AudioBlock(audio=WAV, format="wav"), [audio("wav")]),
    "mp3": (AudioBlock(audio=WAV, format="mp3"), [audio("mp3")]),
    "audio's URL": (AudioBlock(url=LINK, format="wav"), [{"type": "audio_url", "audio_url": {"url": LINK}}]),
    "video's URL": (VideoBlock(url=LINK), [{"type": "video_url", "video_url": {"url": LINK}}]),
    "citable": (
        CitableBlock(title="T", source="S", content=[TextBlock(text="look"), ImageBlock(image=PNG)]),
        [text("T (S):"), text("look"), IMAGE],
    ),
    "citation": (
        CitationBlock(cited_content=TextBlock(text="look"), source="S", title="T", additional_location_info={}),
        [text("look")],
    ),
    "a user's thought": (ThinkingBlock(content="hm"), []),
}

# Blocks of what stands in a folder or a buffer, and what is sent for them.
FROM_FILES: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "image": (lambda folder: ImageBlock(path=folder / "a.png", image_mimetype="image/png"), IMAGE),
    "path as text": (lambda folder: ImageBlock(path=str(folder / "a.png")), IMAGE),
    "jpeg": (lambda folder: ImageBlock(path=folder / "a.jpg"), image(data_url("image/jpeg", JPEG))),
    "pdf": (lambda folder: DocumentBlock(path=folder / "a.pdf"), file("application/pdf", PDF)),
    "text": (lambda folder: DocumentBlock(path=folder / "a.txt"), file("text/plain", PDF)),
    "image's buffer": (lambda _: ImageBlock(image=io.BytesIO(PNG), image_mimetype="image/png"), IMAGE),
    "document's buffer": (
        lambda _: DocumentBlock(data=io.BytesIO(PDF), document_mimetype="application/pdf"),
        file("application/pdf", PDF),
    ),
    "audio's buffer": (lambda _: AudioBlock(audio=io.BytesIO(WAV), format="wav"), audio("wav")),
}


def sent_messages(server: ScriptServer, *messages: ChatMessage) -> Any:
    server.reset()
    server.say(replied())
    model_at(server).chat(list(messages))
    return server.requests[0].json["messages"]


@pytest.mark.parametrize("kind", MESSAGES)
def test_each_kind_of_message_is_sent_in_openais_form_and_not_changed(scripted: ScriptServer, kind: str):
    original, expected = MESSAGES[kind]
    before = repr(original)
    first, found, *results, last = sent_messages(scripted, ChatMessage("first"), original, ChatMessage("last"))
    assert [first, found, last] == [turn("user", "first"), expected, turn("user", "last")]
    assert [each["role"] for each in results] == ["tool"] * len(expected.get("tool_calls", ()))
    assert repr(original) == before


@pytest.fixture
def no_names_looked_up(monkeypatch):
    """Fetching from an address takes looking its host up."""
    look_up = socket.getaddrinfo

    def refuse(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("127.0.0.1", b"127.0.0.1"):
            pytest.fail(f"{host} was looked up")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.mark.usefixtures("no_names_looked_up")
@pytest.mark.parametrize("kind", BLOCKS)
def test_each_kind_of_block_is_sent_in_openais_form_and_nothing_is_fetched(scripted: ScriptServer, kind: str):
    block, parts = BLOCKS[kind]
    original = message("user", "first", block, ImageBlock(image=PNG))
    before = original.model_dump_json()
    assert sent_messages(scripted, original) == [turn("user", [text("first"), *parts, IMAGE])]
    assert original.model_dump_json() == before


@pytest.mark.parametrize("kind", FROM_FILES)
def test_files_and_buffers_are_sent_as_data_again_and_again(scripted: ScriptServer, tmp_path: Path, kind: str):
    for name, data in {"a.png": PNG, "a.jpg": JPEG, "a.pdf": PDF, "a.txt": PDF}.items():
        (tmp_path / name).write_bytes(data)
    make, part = FROM_FILES[kind]
    block = make(tmp_path)
    for _ in range(2):
        assert sent_messages(scripted, message("user", block)) == [turn("user", [part])]


def test_the_system_prompt_is_applied_by_predict_and_not_by_chat(server: ScriptServer):
    server.always = answering("Hello", reasoning_content="hm")
    llm = model_at(server, system_prompt="be kind")
    llm.chat([ChatMessage("hi")])
    assert [each["role"] for each in sent(server)["messages"]] == ["user"]
    for method in (llm.predict, llm.apredict, llm.stream, llm.astream):
        assert "".join(results(method, PromptTemplate("hi {name}"), name="ann")) == "Hello"
        assert sent(server)["messages"] == [turn("system", "be kind"), turn("user", "hi ann")]
