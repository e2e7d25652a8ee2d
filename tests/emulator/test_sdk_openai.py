"""OpenAI's own client at each service that speaks its form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from aki_transport.emulator import Emulator
from tests.lazily import lazily

openai = lazily("openai")

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Service:
    """Where it is, what opens it, and two of its models: any, and one whose window is the smallest."""

    name: str
    url: str
    key: str
    model: str
    narrow: str
    window: int


SERVICES = (
    Service("aki", "openai_url", "key", "llama3-chat-8b", "apertus-chat-70b", 65_536),
    Service("aacflow", "aacflow_url", "aacflow_key", "claude-sonnet-4-6", "gpt-4o-mini", 128_000),
    Service(
        "ak_ai_core",
        "ak_ai_core_url",
        "ak_ai_core_key",
        "anthropic/claude-3-5-sonnet",
        "openai/gpt-4o-mini",
        128_000,
    ),
)
AKI, *GATEWAYS = SERVICES
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


@dataclass(frozen=True)
class Vendor:
    client: Any
    model: str

    def ask(self, text="Hello", model=None, **options):
        messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
        return self.client.chat.completions.create(model=model or self.model, messages=messages, **options)


def said(error):
    """The service's words; the client's own error has them only where they come in OpenAI's envelope."""
    told = error.response.json()["error"]
    return told if isinstance(told, str) else told["message"]


@pytest.fixture
def vendor(emu: Emulator, service: Service) -> Iterator[Vendor]:
    with openai.OpenAI(base_url=getattr(emu, service.url), api_key=getattr(emu, service.key), max_retries=0) as client:
        yield Vendor(client, service.model)


@each_service
def test_the_models_are_listed(vendor, service):
    assert {service.model, service.narrow} <= {model.id for model in vendor.client.models.list()}


@each_service
def test_a_question_is_answered_by_the_model_that_was_asked(vendor, service):
    answer = vendor.ask("What is 6 * 7?")
    assert answer.choices[0].message.content == "6 * 7 = 42."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == service.model
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@each_service
def test_the_deltas_of_a_stream_are_the_answer(vendor):
    chunks = list(vendor.ask("Count to 9", stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "1, 2, 3, 4, 5, 6, 7, 8, 9."
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


@each_service
def test_usage_ends_a_stream_that_asks_for_it(vendor):
    *_, last = vendor.ask("Count to 9", stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage == vendor.ask("Count to 9").usage


@each_service
def test_a_tool_is_called_and_its_result_told(vendor):
    asked = {"role": "user", "content": "What is the weather in Paris?"}
    message = vendor.ask([asked], tools=[WEATHER]).choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    result = {"role": "tool", "tool_call_id": call.id, "content": "Sunny, 22 degrees in Paris."}
    answer = vendor.ask([asked, message, result], tools=[WEATHER])
    assert answer.choices[0].message.content == "Sunny, 22 degrees in Paris."


@each_service
def test_the_deltas_of_a_tool_call_are_the_call(vendor):
    with vendor.client.chat.completions.stream(
        model=vendor.model, messages=[{"role": "user", "content": "What is the weather in Paris?"}], tools=[WEATHER]
    ) as stream:
        stream.until_done()
        (choice,) = stream.get_final_completion().choices
    assert choice.finish_reason == "tool_calls"
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "Paris"}


@each_service
@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", False),
        ("auto", False),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
    ],
    ids=["none", "auto", "required", "named"],
)
def test_the_tool_choice_decides_whether_a_greeting_makes_a_call(vendor, choice, called):
    message = vendor.ask("Hello", tools=[WEATHER], tool_choice=choice).choices[0].message
    assert bool(message.tool_calls) is called


@each_service
def test_an_answer_fits_the_schema(vendor):
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    answer = vendor.ask("Ada Lovelace is 36 years old.", response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"name": "Ada Lovelace", "age": 36}


@pytest.mark.parametrize("service", [AKI], ids=["aki"])
def test_aki_answers_for_an_unknown_model_with_minimax(vendor):
    assert vendor.ask(model="gpt-99").model == "minimax-m2.5-230b"


@pytest.mark.parametrize("service", GATEWAYS, ids=lambda service: service.name)
@pytest.mark.parametrize("stream", [False, True])
def test_a_gateway_refuses_an_unknown_model(vendor, stream):
    with pytest.raises(openai.NotFoundError) as raised:
        vendor.ask(model="gpt-99", stream=stream)
    assert "gpt-99" in said(raised.value)


@each_service
def test_another_key_is_refused(vendor):
    other = vendor.client.with_options(api_key="other")
    with pytest.raises(openai.AuthenticationError):
        other.models.list()
    with pytest.raises(openai.AuthenticationError):
        Vendor(other, vendor.model).ask()


@each_service
def test_more_than_the_window_is_refused(vendor, service):
    with pytest.raises(openai.BadRequestError) as raised:
        vendor.ask("word " * service.window, service.narrow)
    assert f"maximum context length is {service.window} tokens" in said(raised.value)


@each_service
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "BadRequestError"),
        (403, "PermissionDeniedError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
    ],
)
def test_a_status_fault_is_the_clients_error(vendor, status, error):
    with pytest.raises(getattr(openai, error)) as raised:
        vendor.ask(extra_headers={"x-emulator-fault": f"status={status};retry-after=7"})
    assert raised.value.response.headers["retry-after"] == "7"


@each_service
def test_a_failure_inside_a_stream_is_the_clients_error(vendor):
    with pytest.raises(openai.APIError):
        list(vendor.ask(stream=True, extra_headers={"x-emulator-fault": "stream-error=2"}))


@each_service
@pytest.mark.parametrize("fault", ["drop=0", "reset"])
def test_a_cut_connection_is_the_clients_error(vendor, fault):
    with pytest.raises(openai.APIConnectionError):
        vendor.ask(model=f"{vendor.model}!{fault}")
