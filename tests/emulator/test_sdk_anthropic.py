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
# Whoever imports it, it takes seconds: one process does.
pytestmark = pytest.mark.xdist_group("anthropic")

TEXT = "llama3-chat-8b"
THINKS = "qwen3.6-35b"
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
MORE = "It was built in the twelfth century, and it has leaned ever since the third floor was added."
THINKING = {"type": "enabled", "budget_tokens": 1024}
PICTURE = base64.b64encode(a_png(8, 6)).decode()


@pytest.fixture
def vendor(emu: Emulator) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=emu.anthropic_url, api_key=emu.key, max_retries=0) as client:
        yield client


def user(content):
    return {"role": "user", "content": content}


def asking(content="Hello", **options):
    messages = content if isinstance(content, list) and "role" in content[0] else [user(content)]
    return {"model": TEXT, "max_tokens": 2048, "messages": messages, **options}


def ask(client, content="Hello", **options):
    return client.messages.create(**asking(content, **options))


def of_kind(message, kind):
    return [block for block in message.content if block.type == kind]


def same(first, second):
    """Equal but for IDs."""
    return first.model_dump(exclude={"id"}) == second.model_dump(exclude={"id"})


def test_the_models_are_listed(vendor):
    listed = list(vendor.models.list())
    assert [model.id for model in listed][:2] == ["apertus-chat-70b", "gpt-oss-120b"]
    assert listed[0].created_at.year == 2025


def test_a_question_is_answered(vendor):
    answer = ask(vendor, "What is 6 * 7?", system="Be brief.")
    assert [block.text for block in answer.content] == ["6 * 7 = 42."]
    assert (answer.stop_reason, answer.stop_sequence, answer.model) == ("end_turn", None, TEXT)
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


@pytest.mark.parametrize(
    "options",
    [
        {"content": "Count to 9"},
        {"content": "Count to 9", "model": THINKS},
        {"content": "Count to 9", "stop_sequences": ["4"]},
        {"content": "Count to 9", "max_tokens": 4},
    ],
)
def test_a_stream_adds_up_to_the_whole_answer(vendor, options):
    with vendor.messages.stream(**asking(**options)) as stream:
        streamed = stream.get_final_message()
    assert same(ask(vendor, **options), streamed)


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


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_go_round(vendor, streamed):
    asked = asking("What is the weather in Paris and in London?", tools=[WEATHER], model=THINKS, thinking=THINKING)
    if streamed:
        with vendor.messages.stream(**asked) as stream:
            first = stream.get_final_message()
    else:
        first = vendor.messages.create(**asked)
    calls = of_kind(first, "tool_use")
    assert first.stop_reason == "tool_use"
    assert [call.input for call in calls] == [{"city": "Paris"}, {"city": "London"}]
    results = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "Sunny, 22 degrees in Paris."},
        {
            "type": "tool_result",
            "tool_use_id": calls[1].id,
            "content": [{"type": "text", "text": "Rain, 9 degrees in London."}],
        },
    ]
    history = [*asked["messages"], {"role": "assistant", "content": first.content}, user(results)]
    second = ask(vendor, history, tools=[WEATHER], model=THINKS, thinking=THINKING)
    (text,) = of_kind(second, "text")
    assert text.text == "Sunny, 22 degrees in Paris. Rain, 9 degrees in London."
    assert second.stop_reason == "end_turn"


def test_a_failed_tool_is_told_as_a_failure(vendor):
    asked = user("What is the weather in Paris?")
    first = ask(vendor, [asked], tools=[WEATHER])
    (call,) = of_kind(first, "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "No such city.", "is_error": True}
    answer = ask(vendor, [asked, {"role": "assistant", "content": first.content}, user([result])], tools=[WEATHER])
    assert "Error: No such city." in answer.content[0].text


def test_thinking_is_taken_back_with_its_signature(vendor):
    first = ask(vendor, "What is 6 * 7?", model=THINKS, thinking=THINKING)
    history = [user("What is 6 * 7?"), {"role": "assistant", "content": first.content}, user("What is 6 * 8?")]
    assert of_kind(ask(vendor, history, model=THINKS), "text")[0].text == "6 * 8 = 48."


def test_thinking_with_another_signature_is_refused(vendor):
    first = ask(vendor, "What is 6 * 7?", model=THINKS, thinking=THINKING)
    changed = [{**first.content[0].model_dump(), "thinking": "Something else."}]
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        ask(vendor, [user("Hello"), {"role": "assistant", "content": changed}, user("Hello")], model=THINKS)


def test_models_think_unless_told_not_to(vendor):
    assert of_kind(ask(vendor, model=THINKS), "thinking")
    assert of_kind(ask(vendor, model=THINKS, thinking={"type": "adaptive"}), "thinking")
    assert not of_kind(ask(vendor, model=THINKS, thinking={"type": "disabled"}), "thinking")
    assert not of_kind(ask(vendor, model=TEXT, thinking=THINKING), "thinking")


def test_images_are_seen_in_messages_and_in_results(vendor):
    inline = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    options = {"model": THINKS, "thinking": {"type": "disabled"}}
    answer = ask(vendor, [inline, linked, {"type": "text", "text": "What is this?"}], **options)
    assert "a PNG image of 8 × 6 pixels. I see an image at example.com" in answer.content[0].text  # noqa: RUF001  # as the answer writes it
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [inline]}
    history = [user("Look!"), {"role": "assistant", "content": [call]}, user([result])]
    assert "8 × 6" in ask(vendor, history, **options).content[0].text  # noqa: RUF001  # same


def test_a_document_of_text_is_read(vendor):
    source = {"type": "text", "media_type": "text/plain", "data": f"The tower of Pisa is 56 metres high. {MORE}"}
    document = {"type": "document", "source": source, "title": "Towers"}
    answer = ask(vendor, [document, {"type": "text", "text": "How high is the tower of Pisa?"}])
    assert "56 metres" in answer.content[0].text


def test_a_stop_sequence_ends_the_answer_and_is_named(vendor):
    answer = ask(vendor, "Count to 9", stop_sequences=["7", "4"])
    assert answer.content[0].text == "1, 2, 3, "
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "4")


def test_a_limit_cuts_the_answer_and_says_so(vendor):
    answer = ask(vendor, "Count to 9", max_tokens=4)
    assert (answer.content[0].text, answer.stop_reason, answer.usage.output_tokens) == ("1, 2,", "max_tokens", 4)


def test_another_key_is_refused(vendor):
    other = vendor.with_options(api_key="other")
    with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key") as raised:
        ask(other)
    assert raised.value.request_id == raised.value.body["request_id"]
    with pytest.raises(anthropic.AuthenticationError):
        other.models.list()


def test_more_than_the_window_is_refused(vendor):
    with pytest.raises(anthropic.BadRequestError, match="maximum context length is 65536 tokens"):
        ask(vendor, "word " * 70_000, model="apertus-chat-70b")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "BadRequestError", "invalid_request_error"),
        (403, "PermissionDeniedError", "permission_error"),
        (404, "NotFoundError", "not_found_error"),
        (429, "RateLimitError", "rate_limit_error"),
        (500, "InternalServerError", "api_error"),
        (529, "InternalServerError", "overloaded_error"),
    ],
)
def test_a_status_fault_is_the_clients_error(vendor, status, error, kind):
    with pytest.raises(getattr(anthropic, error)) as raised:
        ask(vendor, extra_headers={"x-emulator-fault": f"status={status};retry-after=7"})
    assert raised.value.body["error"]["type"] == kind
    assert raised.value.response.headers["retry-after"] == "7"


def test_a_failure_inside_a_stream_is_the_clients_error(vendor):
    with (
        pytest.raises(anthropic.APIError, match="worker was lost"),
        vendor.messages.stream(**asking(model=f"{TEXT}!stream-error=4")) as stream,
    ):
        stream.until_done()


@pytest.mark.parametrize("fault", ["drop=0", "reset"])
def test_a_cut_connection_is_the_clients_error(vendor, fault):
    with pytest.raises(anthropic.APIConnectionError):
        ask(vendor, model=f"{TEXT}!{fault}")
