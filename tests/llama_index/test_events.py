"""What callbacks, token counters and instrumentation get: each call once, the server's numbers, no key."""

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import (
    CallbackManager,
    CBEventType,
    EventPayload,
    LlamaDebugHandler,
    TokenCountingHandler,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

import aki_transport.errors as ours
from llama_index_aki import AKI, AKICompletion
from tests.llama_index.asking import (
    ALL_WAYS,
    PROMPT_WAYS,
    answer,
    answering,
    ask,
    is_streamed,
    items_of,
    model_at,
    results,
)
from tests.scenarios import KEY, tokens
from tests.scenarios.table import WRONG_KEY, broken
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

COUNTED = tokens(1234, 56)
HEADERS = {"x-secret": "not-for-events"}
each_class = pytest.mark.parametrize("cls", [AKI, AKICompletion])


class Events(BaseEventHandler):
    events: list[Any] = []  # noqa: RUF012  a field of pydantic's

    @classmethod
    def class_name(cls) -> str:
        return "Events"

    def handle(self, event: Any, **_: Any) -> None:
        self.events.append(event)

    def reset(self) -> None:
        self.events.clear()

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def told():
    root = get_dispatcher()
    handler = Events(events=[])
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


def callbacks() -> LlamaDebugHandler:
    return LlamaDebugHandler(print_trace_on_end=False)


def a_counter() -> TokenCountingHandler:
    """Estimates seven tokens for any text."""
    return TokenCountingHandler(tokenizer=lambda _: [0] * 7)


def heard_by(*handlers: Any) -> dict[str, Any]:
    return {"callback_manager": CallbackManager(list(handlers))}


@each_class
@subcases("way", ALL_WAYS)
def test_events_callbacks_and_counters_are_told_of_a_call_once_without_secrets(
    server: ScriptServer, told: Events, cls: Any, way: Any
):
    server.always = answering("Hello", usage=COUNTED)
    handler, counter = callbacks(), a_counter()
    llm = model_at(server, cls, protocol="openai", default_headers=HEADERS, **heard_by(handler, counter))
    items = items_of(llm, way, "hi", temperature=0)
    kind = "LLMCompletion" if way in PROMPT_WAYS else "LLMChat"
    between = [f"{kind}InProgressEvent"] * len(items) if is_streamed(way) else []
    assert told.names == [f"{kind}StartEvent", *between, f"{kind}EndEvent"]
    start, *_, end = told.events
    assert (start.model_dict["model_name"], start.additional_kwargs) == ("qwen3.6-35b", {"temperature": 0})
    assert end.response.additional_kwargs["total_tokens"] == 1290
    assert (end.response.message.content if kind == "LLMChat" else end.response.text) == "Hello"
    ((started, ended),) = handler.get_event_pairs(CBEventType.LLM)
    assert started.payload[EventPayload.SERIALIZED]["model_name"] == "qwen3.6-35b"
    name = EventPayload.COMPLETION if way in PROMPT_WAYS else EventPayload.RESPONSE
    assert ended.payload[name].additional_kwargs["total_tokens"] == 1290
    assert len(counter.llm_token_counts) == 1
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (1234, 56)
    texts = f"{[event.model_dump_json() for event in told.events]} {started} {ended}"
    assert KEY not in texts
    assert "not-for-events" not in texts
    server.always = answering("Hello", usage=None)
    ask(llm, way, "hi")  # what the server did not count is estimated
    assert (len(counter.llm_token_counts), counter.completion_llm_token_count) == (2, 56 + 7)


@pytest.mark.parametrize("how", ["structured_predict", "astructured_predict", "stream_structured_predict"])
def test_a_structured_prediction_is_told_of_once_around_its_rounds(server: ScriptServer, told: Events, how: str):
    class Joke(BaseModel):
        setup: str

    def respond(request: Request) -> Answer:
        text = '{"setup": "Why?"}' if len(server.requests) == 2 else '{"other": 1}'
        return answer(text, stream=request.json.get("stream"))

    server.always = respond
    handler = callbacks()
    llm = model_at(server, **heard_by(handler))
    assert results(getattr(llm, how), Joke, PromptTemplate("A joke."))[-1] == Joke(setup="Why?")
    names = [name for name in told.names if "Structured" in name]
    assert (names[0], names[-1]) == ("LLMStructuredPredictStartEvent", "LLMStructuredPredictEndEvent")
    assert names.count(names[0]) == names.count(names[-1]) == 1
    assert told.names.count("LLMChatStartEvent") == told.names.count("LLMChatEndEvent") == 2
    assert [len(pair) for pair in handler.get_event_pairs(CBEventType.LLM)] == [2, 2]


@subcases("way", ALL_WAYS)
def test_a_failure_is_told_of_as_an_error_and_ends_the_callbacks_event(server: ScriptServer, told: Events, way: Any):
    failures = [(WRONG_KEY, ours.AuthenticationError), (broken("Hel", end="cut"), ours.StreamInterruptedError)]
    for server.always, error in failures if is_streamed(way) else failures[:1]:
        told.reset()
        handler = callbacks()
        with pytest.raises(error):
            ask(model_at(server, **heard_by(handler)), way, "hi")
        ((_, ended),) = handler.get_event_pairs(CBEventType.LLM)
        assert type(ended.payload[EventPayload.EXCEPTION]) is error
        told_of = {type(event.exception) for event in told.events if type(event).__name__ == "ExceptionEvent"}
        assert told_of == ({error} if is_streamed(way) else set())
        assert not [name for name in told.names if name.endswith("EndEvent")]


def test_a_stream_that_is_left_early_ends_its_event(server: ScriptServer):
    handler = callbacks()
    stream = model_at(server, **heard_by(handler)).stream_chat([ChatMessage("hi")])
    next(stream)
    stream.close()
    assert [len(pair) for pair in handler.get_event_pairs(CBEventType.LLM)] == [2]
