"""What is asked cannot change how it is asked: one request, its own headers, its own fields, whatever the words are."""

from __future__ import annotations

import asyncio
import email.parser
import email.policy
import json
from dataclasses import replace
from typing import Any

import pytest

from aki_transport import AKIError, Client, ConfigurationError, Provider, Route
from aki_transport.messages import Message, Tool, ToolCall
from aki_transport.schemas import legal_name
from langchain_aki import AKILLM, AKIImageEditTool, AKIImageGenerationTool, ChatAKI
from llama_index_aki import AKI, AKICompletion, AKIImageToolSpec
from tests.pictures import a_png
from tests.script_server import Request, ScriptServer, json_answer
from tests.secrets.evidence import KEY
from tests.secrets.surface import GOOD, MODELS, at
from tests.subcases import subcases
from tests.transport.asking import MODEL, WAYS, Way, request_for

NASTY = (
    '"}],"model":"other","messages":[{"role":"user","content":"',
    "\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
    "0\r\n\r\nPOST /evil HTTP/1.1\r\n\r\n",
    "\0\x01\x7f\u2028\u2029 \ud83c\udf0d".encode("utf-16", "surrogatepass").decode("utf-16"),
    'data: [DONE]\n\nevent: error\ndata: {"error": 1}\n\n',
    "../../evil?key=1&x=2#y %2e%2e%2f",
)
OWN = {"host", "accept", "accept-encoding", "authorization", "content-length", "content-type", "user-agent"}
OTHER_FIELD = 'Content-Disposition: form-data; name="model"\r\n\r\nother'
CALLS = {"openai": "/v1/chat/completions", "anthropic": "/anthropic/v1/messages", "native": "/api/call/"}


def only_request(server: ScriptServer) -> Request:
    """The one request that was sent, with no headers but its own."""
    (request,) = server.requests
    assert set(request.headers) - {"connection", "x-api-key", "anthropic-version"} <= OWN
    assert request.query == ""
    return request


@pytest.mark.parametrize("words", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "native"])
@subcases("way", [way for way in WAYS if not way.streamed])
def test_a_prompt_stays_one_text(protocol: str, words: str, way: Way) -> None:
    with ScriptServer(always=GOOD[protocol](KEY)) as server:
        way.ask(Client(**at(server, protocol)), request_for(MODELS[protocol], words))
        request = only_request(server)
    assert request.path.startswith(CALLS[protocol])
    said = request.json["chat_context"] if protocol == "native" else request.json["messages"]
    (message,) = json.loads(said) if isinstance(said, str) else said
    content = message["content"]
    assert words in (content if isinstance(content, str) else content[0]["text"])
    assert request.json.get("model", MODEL) == MODEL


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@subcases("words", NASTY)
def test_names_and_arguments_of_tools_stay_where_they_belong(protocol: str, words: str) -> None:
    call = Message(role="assistant", tool_calls=(ToolCall(words, words, json.dumps({"a": words})),))
    messages = (*request_for().messages, call, Message(role="tool", content=words, tool_call_id=words))
    tool = Tool(name=words, description=words, parameters={"type": "object", "properties": {words: {}}})
    with ScriptServer(always=GOOD[protocol](KEY)) as server:
        Client(**at(server, protocol)).chat(replace(request_for(tools=(tool,)), messages=messages))
        request = only_request(server)
    (said,) = request.json["tools"]
    assert said.get("function", said)["name"] == legal_name(words)
    assert set(request.json) <= {"model", "messages", "tools", "max_tokens", "tool_choice"}


@subcases("is_async", [False, True])
@pytest.mark.parametrize("kind", ["JSON", "headers", "boundary", "file name"])
def test_an_edit_s_words_stay_one_field_of_its_form(kind: str, *, is_async: bool) -> None:
    boundary = "----aki"
    words = {
        "JSON": NASTY[0],
        "headers": NASTY[1],
        "boundary": f"x\r\n--{boundary}\r\n{OTHER_FIELD}\r\n--{boundary}--\r\n",
        "file name": "a hat",
    }[kind]
    name = 'img_1"; name="model"\r\nX-Evil: 1\r\n\r\nother' if kind == "file name" else "img_1"
    picture = {"data": a_png(), "id": name}
    answer = json_answer({"data": [{"b64_json": "iVBORw0KGgo="}]})
    with ScriptServer(always=answer) as server:
        client = Client(**at(server, "openai"))
        with pytest.raises(AKIError):  # the answer's picture is none
            asyncio.run(client.aedit_image(words, picture)) if is_async else client.edit_image(words, picture)
        request = only_request(server)
    fields = parts_of(request)
    assert list(fields) == ["prompt", "image"]
    assert fields["prompt"] == words.encode()
    assert fields["image"] == a_png()


def parts_of(request: Request) -> dict[str, bytes]:
    """The form's fields, read by its boundary."""
    boundary = request.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    assert request.body.count(b"--" + boundary) == 3
    found = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = email.parser.BytesHeaderParser(policy=email.policy.HTTP).parsebytes(head + b"\r\n\r\n")
        assert set(map(str.lower, headers)) <= {"content-disposition", "content-type"}
        found[headers["content-disposition"].params["name"]] = data.removesuffix(b"\r\n")
    return found


CLASSES = (ChatAKI, AKILLM, AKI, AKICompletion, AKIImageGenerationTool, AKIImageEditTool, AKIImageToolSpec)
REFUSED = {
    "key with a line break": {"api_key": f"{KEY}\r\nx-evil: 1"},
    "key with NUL": {"api_key": f"{KEY}\0"},
    "header's value with a line break": {"default_headers": {"x-a": "b\r\nx-evil: 1"}},
    "header's name with a line break": {"default_headers": {"x-a\r\nx-evil": "1"}},
    "header with NUL": {"default_headers": {"x-a": "\0"}},
    "base URL with a line break": {"base_url": "https://aki.io/v1\r\nx-evil: 1"},
    "base URL with NUL": {"base_url": "https://aki.io/\0"},
    "base URL with credentials": {"base_url": f"https://me:{KEY}@aki.io/v1"},
}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@subcases("given", REFUSED.values())
def test_what_no_request_can_carry_is_refused_by_every_class_before_anything_is_sent(
    cls: Any, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("something was sent"))
    options = {} if "Image" in cls.__name__ else {"model": MODEL}
    with pytest.raises(ConfigurationError, match=r"AKI\.IO: .*(key|default_headers|base_url)") as caught:
        _use(cls(**options, **given))
    assert KEY not in f"{caught.value} {caught.value!r}"


def _use(made: Any) -> None:
    """Some of them look at what they were given when they are used first."""
    if isinstance(made, AKIImageToolSpec):
        made.generate_image("a cat")
    elif isinstance(made, AKIImageGenerationTool | AKIImageEditTool):
        made.invoke({"prompt": "a cat", "image": "img_1"})
    else:
        (made.invoke if isinstance(made, ChatAKI | AKILLM) else made.complete)("hi")


def test_a_provider_s_own_address_is_looked_at_too() -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        Client(Provider(name="mine", routes=(Route(protocol="openai", base_url="https://x.example/\r\nx: 1"),)))
