"""OpenAI's own client at each service that speaks its form; most other tests of AKI.IO's interface ask by it too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from aki_transport.emulator import Emulator
from tests.emulator.test_structured import PERSON
from tests.emulator.test_tools import tool
from tests.lazily import lazily

openai = lazily("openai")

WEATHER = tool("get_weather", "The weather in a city.", city="string")
NAMED = {"type": "function", "function": {"name": "get_weather"}}


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
    Service("ak_ai_core", "ak_ai_core_url", "ak_ai_core_key", "anthropic/claude-3-5-sonnet", "openai/gpt-4o-mini",
            128_000),
)  # fmt: skip


@dataclass(frozen=True)
class Vendor:
    client: Any
    model: str

    def ask(self, text: Any = "Hello", model: str | None = None, **options: Any) -> Any:
        messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
        return self.client.chat.completions.create(model=model or self.model, messages=messages, **options)


def said(error):
    """The service's words; the client's own error has them only where they come in OpenAI's envelope."""
    told = error.response.json()["error"]
    return told if isinstance(told, str) else told["message"]


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
def service(request) -> Service:
    return request.param


@pytest.fixture
def vendor(emu: Emulator, service: Service) -> Iterator[Vendor]:
    with openai.OpenAI(base_url=getattr(emu, service.url), api_key=getattr(emu, service.key), max_retries=0) as client:
        yield Vendor(client, service.model)


def test_the_models_are_listed_and_the_one_that_is_asked_answers(vendor, service):
    assert {service.model, service.narrow} <= {model.id for model in vendor.client.models.list()}
    answer = vendor.ask("What is 6 * 7?")
    assert answer.choices[0].message.content == "6 * 7 = 42."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == service.model
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_the_deltas_of_a_stream_are_the_answer_and_usage_ends_it_where_it_is_asked_for(vendor):
    chunks = list(vendor.ask("Count to 9", stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "1, 2, 3, 4, 5, 6, 7, 8, 9."
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


@pytest.mark.parametrize(("choice", "called"), [("none", 0), ("auto", 0), ("required", 1), (NAMED, 1)], ids=str)
def test_the_tool_choice_decides_whether_a_greeting_makes_a_call(vendor, choice, called):
    message = vendor.ask("Hello", tools=[WEATHER], tool_choice=choice).choices[0].message
    assert len(message.tool_calls or ()) == called


def test_an_answer_fits_the_schema(vendor):
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    answer = vendor.ask("Ada Lovelace is 36 years old.", response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"name": "Ada Lovelace", "age": 36}


def test_an_unknown_model_another_key_and_more_than_the_window_are_refused(vendor, service):
    for stream in (False, True) if service.name != "aki" else ():
        with pytest.raises(openai.NotFoundError) as raised:
            vendor.ask(model="gpt-99", stream=stream)
        assert "gpt-99" in said(raised.value)
    other = vendor.client.with_options(api_key="other")
    with pytest.raises(openai.AuthenticationError):
        other.models.list()
    with pytest.raises(openai.AuthenticationError):
        Vendor(other, vendor.model).ask()
    with pytest.raises(openai.BadRequestError) as raised:
        vendor.ask("word " * service.window, service.narrow)
    assert f"maximum context length is {service.window} tokens" in said(raised.value)


def test_faults_are_the_clients_errors(vendor):
    for status, error in (
        (400, openai.BadRequestError),
        (403, openai.PermissionDeniedError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ):
        with pytest.raises(error) as raised:
            vendor.ask(extra_headers={"x-emulator-fault": f"status={status};retry-after=7"})
        assert raised.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.APIError):
        list(vendor.ask(stream=True, extra_headers={"x-emulator-fault": "stream-error=2"}))
    for fault in ("drop=0", "reset"):
        with pytest.raises(openai.APIConnectionError):
            vendor.ask(model=f"{vendor.model}!{fault}")
