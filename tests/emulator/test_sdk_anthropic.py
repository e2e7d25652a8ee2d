"""Anthropic's own client at AKI.IO's Anthropic-compatible interface."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from aki_transport.emulator import Emulator
from tests.lazily import lazily
from tests.pictures import a_png

anthropic = lazily("anthropic")

TEXT = "llama3-chat-8b"
THINKS = "qwen3.6-35b"
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
THINKING = {"type": "enabled", "budget_tokens": 1024}
PICTURE = base64.b64encode(a_png(8, 6)).decode()


@pytest.fixture
def vendor(emu: Emulator) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=emu.anthropic_url, api_key=emu.key, max_retries=0) as client:
        yield client


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def asking(content="Hello", **options):
    messages = content if isinstance(content, list) and "role" in content[0] else [user(content)]
    return {"model": TEXT, "max_tokens": 2048, "messages": messages, **options}


def ask(client, content="Hello", **options):
    return client.messages.create(**asking(content, **options))


def ask_streamed(client, content="Hello", **options):
    with client.messages.stream(**asking(content, **options)) as stream:
        return stream.get_final_message()


def of_kind(message, kind):
    return [block for block in message.content if block.type == kind]


def test_the_models_are_listed(vendor):
    listed = list(vendor.models.list())
    assert [model.id for model in listed][:2] == ["apertus-chat-70b", "gpt-oss-120b"]
    assert listed[0].created_at.year == 2025


@pytest.mark.parametrize(
    ("options", "text", "stop"),
    [
        ({"system": "Be brief."}, "1, 2, 3, 4, 5, 6, 7, 8, 9.", ("end_turn", None)),
        ({"model": THINKS}, "1, 2, 3, 4, 5, 6, 7, 8, 9.", ("end_turn", None)),
        ({"stop_sequences": ["7", "4"]}, "1, 2, 3, ", ("stop_sequence", "4")),
        ({"max_tokens": 4}, "1, 2,", ("max_tokens", None)),
    ],
    ids=str,
)
def test_an_answer_and_its_stream_are_the_same(vendor, options, text, stop):
    answer = ask(vendor, "Count to 9", **options)
    assert [block.text for block in of_kind(answer, "text")] == [text]
    assert ((answer.stop_reason, answer.stop_sequence), answer.model) == (stop, options.get("model", TEXT))
    assert answer.usage.input_tokens > 0
    assert 0 < answer.usage.output_tokens <= options.get("max_tokens", 2048)
    streamed = ask_streamed(vendor, "Count to 9", **options)
    assert streamed.model_dump(exclude={"id"}) == answer.model_dump(exclude={"id"})


def test_a_raw_stream_has_anthropics_events_in_their_order(vendor):
    kinds = [event.type for event in ask(vendor, "Say one!", stream=True)]
    deltas = ["content_block_delta"] * kinds.count("content_block_delta")
    assert [kind for kind in kinds if kind != "ping"] == [
        "message_start",
        "content_block_start",
        *deltas,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("asked_by", [ask, ask_streamed])
def test_tools_go_round(vendor, asked_by):
    asked = user("What is the weather in Paris and in London?")
    options = {"tools": [WEATHER], "model": THINKS, "thinking": THINKING}
    first = asked_by(vendor, [asked], **options)
    paris, london = of_kind(first, "tool_use")
    assert first.stop_reason == "tool_use"
    assert [call.input for call in (paris, london)] == [{"city": "Paris"}, {"city": "London"}]
    rain = [{"type": "text", "text": "Rain, 9 degrees in London."}]
    results = [
        {"type": "tool_result", "tool_use_id": paris.id, "content": "Sunny, 22 degrees in Paris."},
        {"type": "tool_result", "tool_use_id": london.id, "content": rain},
    ]
    second = ask(vendor, [asked, assistant(first.content), user(results)], **options)
    assert of_kind(second, "text")[0].text == "Sunny, 22 degrees in Paris. Rain, 9 degrees in London."
    assert second.stop_reason == "end_turn"
    results[0] |= {"content": "No such city.", "is_error": True}
    failed = ask(vendor, [asked, assistant(first.content), user(results)], **options)
    assert "Error: No such city." in of_kind(failed, "text")[0].text


def test_thinking_is_taken_back_with_its_signature_alone(vendor):
    first = ask(vendor, "What is 6 * 7?", model=THINKS, thinking=THINKING)
    history = [user("What is 6 * 7?"), assistant(first.content), user("What is 6 * 8?")]
    assert of_kind(ask(vendor, history, model=THINKS), "text")[0].text == "6 * 8 = 48."
    history[1] = assistant([{**first.content[0].model_dump(), "thinking": "Something else."}])
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        ask(vendor, history, model=THINKS)


def test_models_think_unless_told_not_to(vendor):
    assert of_kind(ask(vendor, model=THINKS), "thinking")
    assert of_kind(ask(vendor, model=THINKS, thinking={"type": "adaptive"}), "thinking")
    assert not of_kind(ask(vendor, model=THINKS, thinking={"type": "disabled"}), "thinking")
    assert not of_kind(ask(vendor, model=TEXT, thinking=THINKING), "thinking")


def test_images_are_seen_in_messages_and_in_results_and_a_document_of_text_is_read(vendor):
    inline = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    options = {"model": THINKS, "thinking": {"type": "disabled"}}
    answer = ask(vendor, [inline, linked, {"type": "text", "text": "What is this?"}], **options)
    assert "a PNG image of 8 × 6 pixels. I see an image at example.com" in answer.content[0].text  # noqa: RUF001  # as the answer writes it
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [inline]}
    answer = ask(vendor, [user("Look!"), assistant([call]), user([result])], **options)
    assert "8 × 6" in answer.content[0].text  # noqa: RUF001  # same
    page = "The tower of Pisa is 56 metres high. It was built in the twelfth century, and it has leaned ever since."
    source = {"type": "text", "media_type": "text/plain", "data": page}
    document = {"type": "document", "source": source, "title": "Towers"}
    answer = ask(vendor, [document, {"type": "text", "text": "How high is the tower of Pisa?"}])
    assert "56 metres" in answer.content[0].text


def test_another_key_is_refused(vendor):
    other = vendor.with_options(api_key="other")
    with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key") as raised:
        ask(other)
    assert raised.value.request_id == raised.value.body["request_id"]
    with pytest.raises(anthropic.AuthenticationError):
        other.models.list()


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "BadRequestError", "invalid_request_error"),
        (403, "PermissionDeniedError", "permission_error"),
        (404, "NotFoundError", "not_found_error"),
        (413, "APIStatusError", "request_too_large"),
        (429, "RateLimitError", "rate_limit_error"),
        (500, "InternalServerError", "api_error"),
        (503, "InternalServerError", "api_error"),
        (529, "InternalServerError", "overloaded_error"),
    ],
)
def test_a_status_fault_is_the_clients_error(vendor, status, error, kind):
    with pytest.raises(getattr(anthropic, error)) as raised:
        ask(vendor, extra_headers={"x-emulator-fault": f"status={status};retry-after=7"})
    assert raised.value.body["error"]["type"] == kind
    assert raised.value.response.headers["retry-after"] == "7"


def test_a_broken_stream_or_connection_is_the_clients_error(vendor):
    with pytest.raises(anthropic.APIError, match="worker was lost"):
        ask_streamed(vendor, model=f"{TEXT}!stream-error=4")
    for fault in ("drop=0", "reset"):
        with pytest.raises(anthropic.APIConnectionError):
            ask(vendor, model=f"{TEXT}!{fault}")
