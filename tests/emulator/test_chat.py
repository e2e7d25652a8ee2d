"""Chat completions of AKI.IO and of both gateways, with OpenAI's own client as the witness; and what AKI.IO refuses."""

import base64
import json
from typing import Any, NamedTuple

import pytest

from aki_transport.emulator import prompt as tokens
from tests.behaviour.faces import FACES
from tests.emulator.asking import chat, openai, record, tool
from tests.pictures import a_png

USER = [{"role": "user", "content": "Hello"}]
COUNTED = "1, 2, 3, 4, 5, 6, 7, 8, 9."
WEATHER = tool("get_weather", "The weather in a city.", city="string")
NAMED = {"type": "function", "function": {"name": "get_weather"}}
THINKS = "qwen3.6-35b"


class Vendor(NamedTuple):
    client: Any
    model: str

    def ask(self, text="Hello", model=None, **options):
        return chat(self.client, text, model or self.model, **options)


@pytest.fixture(params=[face for face in FACES if face.protocol == "openai"], ids=lambda face: face.provider)
def vendor(request, emu):
    at = request.param.connection(emu)
    with openai.OpenAI(base_url=at["base_url"], api_key=at["api_key"], max_retries=0) as client:
        yield Vendor(client, request.param.models["plain"])


def test_the_deltas_of_a_stream_are_the_answer_and_usage_ends_it_where_it_is_asked_for(vendor):
    chunks = list(vendor.ask("Count to 9", stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == COUNTED
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    *_, last = vendor.ask("Count to 9", stream=True, stream_options={"include_usage": True})
    assert (last.choices, last.usage) == ([], vendor.ask("Count to 9").usage)


def test_a_tool_is_called_streamed_or_not_and_its_result_told(vendor):
    asked = [{"role": "user", "content": "What is the weather in Paris?"}]
    message = vendor.ask(asked, tools=[WEATHER]).choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny, 22 degrees in Paris."}
    answer = vendor.ask([*asked, message, result], tools=[WEATHER])
    assert answer.choices[0].message.content == "Sunny, 22 degrees in Paris."
    with vendor.client.chat.completions.stream(model=vendor.model, messages=asked, tools=[WEATHER]) as stream:
        (choice,) = stream.until_done().get_final_completion().choices
    assert choice.finish_reason == "tool_calls"
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "Paris"}
    for choice, called in (("none", 0), ("auto", 0), ("required", 1), (NAMED, 1)):
        message = vendor.ask("Hello", tools=[WEATHER], tool_choice=choice).choices[0].message
        assert len(message.tool_calls or ()) == called, choice


def ask(client, text="Hello", model="llama3-chat-8b", **options):
    return chat(client, text, model, **options)


def test_reasoning_counts_toward_the_limit_and_text_ends_before_the_first_stop_word(client):
    answer = ask(client, model=THINKS, max_tokens=3)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("", "length")
    assert answer.usage.completion_tokens_details.reasoning_tokens == 3
    assert ask(client, "Count to 9", stop=["7", "5"]).choices[0].message.content == "1, 2, 3, 4, "


def test_effort_steers_how_long_a_reasoning_model_thinks(client):
    def reasoning(model=THINKS, **options):
        return getattr(ask(client, model=model, **options).choices[0].message, "reasoning_content", "")

    lengths = [len(reasoning(reasoning_effort=effort)) for effort in ("none", "low", "medium", "high")]
    assert lengths[0] == 0
    assert lengths == sorted(set(lengths))
    assert len(reasoning()) == lengths[2]
    assert reasoning("llama3-chat-70b", reasoning_effort="high") == ""


def test_the_tokens_of_a_text_are_the_text():
    for text in ("", "a", "Grüße, 你好 😀!\n\n  indented_name  ", "x" * 100):
        assert "".join(tokens.deltas(text)) == text
        assert tokens.cut(text, tokens.count(text)) == text


def test_a_model_that_sees_says_what_it_was_sent_and_others_refuse(client):
    picture = "data:image/png;base64," + base64.b64encode(a_png(640, 480)).decode()
    urls = [{"type": "image_url", "image_url": {"url": url}} for url in (picture, "https://example.com/a.png")]
    asked = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *urls]}]
    answer = ask(client, asked, THINKS).choices[0].message.content
    assert "a PNG image of 640 × 480 pixels" in answer  # noqa: RUF001  # as the answer writes it
    assert "an image at example.com that was not opened" in answer
    with pytest.raises(openai.NotFoundError, match="no image input") as refused:
        ask(client, asked)
    assert refused.value.code == "request_failed"


def test_what_other_services_take_is_taken(client):
    """Sound and files, roles in a row, names, empty content, another service's thinking."""
    parts = [
        {"type": "text", "text": "What is 6 * 7?"},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
    ]
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hello", "name": "ada"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": parts},
    ]
    answer = ask(client, history, seed=1, presence_penalty=0.1, temperature=2)
    assert answer.choices[0].message.content == "6 * 7 = 42."


def test_what_the_service_does_not_take_is_a_404_that_says_request_failed(http):
    for change in (
        {"temperature": 2.1},
        {"temperature": "hot"},
        {"n": 2},
        {"max_tokens": -1},
        {"messages": None},
        {"model": None},
        {"reasoning_effort": "extreme"},
        {"response_format": {"type": "yaml"}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": {}}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": record(self={"$ref": "#"})}}},
        {"tool_choice": "required"},
        {"tools": [{"name": "flat"}]},
        {"messages": [{"role": "assistant", "tool_calls": 1}]},
        {"stream": True, "stream_options": "usage"},
    ):
        answer = http.post("/v1/chat/completions", json={"model": "llama3-chat-8b", "messages": USER} | change)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "request_failed"), change


def test_what_never_reaches_the_interface_is_refused_by_the_framework(http):
    for raw in (b"{", b"", b"[]", b"\xff"):
        answer = http.post("/v1/chat/completions", content=raw)
        assert (answer.status_code, answer.json()["description"]) == (400, "Bad Request")
    for method, path, status in (
        ("GET", "/v1/models/qwen3.6-35b", 404),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/nowhere", 404),
    ):
        answer = http.request(method, path)
        assert answer.status_code == answer.json()["status"] == status
        assert answer.json().keys() == {"description", "status", "message"}


def test_the_listing_names_every_chat_model_and_few_windows(http):
    data = http.get("/v1/models").json()["data"]
    assert {"apertus-chat-70b", "minimax-m2.5-230b", "qwen3.6-35b"} <= {model["id"] for model in data}
    assert not any("image" in model["id"] for model in data)
    shown = {model["id"]: model["max_model_len"] for model in data if model["max_model_len"]}
    assert shown == {"apertus-chat-70b": 65_536, "ministral3-14b": 262_144, "kimi-k2.7-code-1100b": 262_144}
    assert sorted({type(model["created"]).__name__ for model in data}) == ["int", "str"]
