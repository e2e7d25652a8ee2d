"""What callbacks, token counters and instrumentation hear: each call once, the server's numbers, no key."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, TokenCountingHandler
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

import aki_transport.errors as ours
from tests.llama_index.asking import PROMPT_WAYS, WAYS, ask, is_streamed, items_of, model_at
from tests.scenarios import KEY, chunk, replied, streamed, tokens
from tests.script_server import Answer, ScriptServer, json_answer, sse
from tests.subcases import subcases

ALL: tuple[Any, ...] = (*WAYS, *PROMPT_WAYS)
COUNTED = tokens(1234, 56)
UNCOUNTED = {
    False: replied("Hello", top={"usage": None}),
    True: sse(chunk("Hello"), chunk(finish="stop")),
}
NOT_FOUND = json_answer({"error": {"message": "wrong key", "code": "invalid_api_key"}}, 401)


def counted(*, stream: bool) -> Answer:
    if not stream:
        return replied("Hello", top={"usage": COUNTED})
    return sse(chunk("Hel"), chunk("lo"), chunk(finish="stop"), chunk(top={"choices": [], "usage": COUNTED}))


class Ears(BaseEventHandler):
    """Keeps the names of LLM events, and the events."""

    events: list[Any] = []  # noqa: RUF012  a field of pydantic's

    @classmethod
    def class_name(cls) -> str:
        return "Ears"

    def handle(self, event: Any, **_: Any) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def ears():
    """What is heard at the root."""
    root = get_dispatcher()
    heard = Ears(events=[])
    root.add_event_handler(heard)
    yield heard
    root.event_handlers.remove(heard)


class Handler(BaseCallbackHandler):
    """Keeps starts and ends."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.starts: list[tuple[CBEventType, dict[str, Any]]] = []
        self.ends: list[tuple[CBEventType, dict[str, Any]]] = []

    def on_event_start(self, event_type: CBEventType, payload: Any = None, event_id: str = "", **_: Any) -> str:
        self.starts.append((event_type, payload))
        return event_id

    def on_event_end(self, event_type: CBEventType, payload: Any = None, **_: Any) -> None:
        self.ends.append((event_type, payload))

    def start_trace(self, trace_id: str | None = None) -> None:
        pass

    def end_trace(self, trace_id: str | None = None, trace_map: Any = None) -> None:
        pass


# Tokens


@subcases("way", ALL)
def test_a_token_counter_counts_what_the_server_counted(server: ScriptServer, way: Any):
    server.say(counted(stream=is_streamed(way)))
    counter = TokenCountingHandler(tokenizer=lambda _: [0] * 7)
    ask(model_at(server, callback_manager=CallbackManager([counter])), way, "hi")
    assert len(counter.llm_token_counts) == 1
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (1234, 56)
    assert counter.total_llm_token_count == 1290


@subcases("way", ALL)
def test_a_token_counter_estimates_where_the_server_did_not_count(server: ScriptServer, way: Any):
    server.say(UNCOUNTED[is_streamed(way)])
    counter = TokenCountingHandler(tokenizer=lambda _: [0] * 7)
    ask(model_at(server, callback_manager=CallbackManager([counter])), way, "hi")
    assert len(counter.llm_token_counts) == 1
    assert counter.completion_llm_token_count == 7


@subcases("way", WAYS)
def test_usage_that_came_with_each_chunk_is_counted_once(server: ScriptServer, way: Any):
    if not is_streamed(way):
        return
    server.say(
        sse(
            chunk("Hel", top={"usage": tokens(1234, 1)}),
            chunk("lo", top={"usage": tokens(1234, 30)}),
            chunk(finish="stop", top={"usage": COUNTED}),
        )
    )
    counter = TokenCountingHandler(tokenizer=lambda _: [0] * 7)
    ask(model_at(server, callback_manager=CallbackManager([counter])), way, "hi")
    assert counter.total_llm_token_count == 1290


def test_calls_of_tools_are_counted_as_the_server_did(server: ScriptServer):
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    server.say(
        sse(
            chunk(tool_calls=[call], finish="tool_calls"),
            chunk(top={"choices": [], "usage": COUNTED}),
        )
    )
    counter = TokenCountingHandler(tokenizer=lambda _: [0] * 7)
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    ask(model_at(server, callback_manager=CallbackManager([counter])), "astream_chat", "hi", tools=[tool])
    assert counter.total_llm_token_count == 1290


# Instrumentation


@pytest.mark.parametrize("way", ALL)
def test_a_call_is_told_of_once_from_start_to_end(server: ScriptServer, ears: Ears, way: Any):
    server.say(counted(stream=is_streamed(way)))
    items = items_of(model_at(server), way, "hi")
    kind = "LLMCompletion" if way in PROMPT_WAYS else "LLMChat"
    between = [f"{kind}InProgressEvent"] * len(items) if is_streamed(way) else []
    heard = [name for name in ears.names if name.startswith("LLM")]
    assert heard == [f"{kind}StartEvent", *between, f"{kind}EndEvent"]
    assert ears.names == heard
    end = ears.events[-1]
    assert end.response.additional_kwargs["total_tokens"] == 1290
    assert (end.response.message.content if kind == "LLMChat" else end.response.text) == "Hello"


@pytest.mark.parametrize("way", ALL)
def test_events_name_the_model_and_hold_no_key(server: ScriptServer, ears: Ears, way: Any):
    server.say(counted(stream=is_streamed(way)))
    ask(model_at(server, default_headers={"x-secret": "not-for-events"}), way, "hi", temperature=0)
    start = ears.events[0]
    assert start.model_dict["model_name"] == "qwen3.6-35b"
    assert start.additional_kwargs == {"temperature": 0}
    told = " ".join(event.model_dump_json() for event in ears.events)
    assert KEY not in told
    assert "not-for-events" not in told


@pytest.mark.parametrize("way", ["stream_chat", "astream_chat", "stream_complete", "astream_complete"])
def test_a_stream_that_breaks_off_is_told_of_as_an_error(server: ScriptServer, ears: Ears, way: Any):
    server.say(sse(chunk("Hel"), done=False, end="cut"))
    with pytest.raises(ours.StreamInterruptedError):
        ask(model_at(server), way, "hi")
    errors = [event.exception for event in ears.events if type(event).__name__ == "ExceptionEvent"]
    assert errors
    assert {type(error) for error in errors} == {ours.StreamInterruptedError}
    assert not [name for name in ears.names if name.endswith("EndEvent")]


@subcases("way", ALL)
def test_an_error_ends_the_callbacks_event(server: ScriptServer, way: Any):
    server.say(NOT_FOUND)
    handler = Handler()
    with pytest.raises(ours.AuthenticationError):
        ask(model_at(server, callback_manager=CallbackManager([handler])), way, "hi")
    # LlamaIndex tells of an error outside of a trace once more, as an event of its own.
    assert [kind for kind, _ in handler.starts if kind != CBEventType.EXCEPTION] == [CBEventType.LLM]
    ((_, payload),) = [end for end in handler.ends if end[0] != CBEventType.EXCEPTION]
    assert type(payload[EventPayload.EXCEPTION]) is ours.AuthenticationError


@subcases("way", ALL)
def test_a_callback_hears_each_call_once_and_no_key(server: ScriptServer, way: Any):
    server.say(counted(stream=is_streamed(way)))
    handler = Handler()
    ask(model_at(server, callback_manager=CallbackManager([handler])), way, "hi")
    ((started, start),) = handler.starts
    ((ended, end),) = handler.ends
    assert (started, ended) == (CBEventType.LLM, CBEventType.LLM)
    assert start[EventPayload.SERIALIZED]["model_name"] == "qwen3.6-35b"
    name = EventPayload.COMPLETION if way in PROMPT_WAYS else EventPayload.RESPONSE
    assert end[name].additional_kwargs["total_tokens"] == 1290
    assert KEY not in f"{start} {end}"


class Joke(BaseModel):
    """A joke."""

    setup: str


@pytest.mark.parametrize("how", ["structured_predict", "astructured_predict", "stream_structured_predict"])
async def test_a_structured_prediction_is_told_of_once_around_its_rounds(server: ScriptServer, ears: Ears, how: str):
    def answer(request: Any) -> Answer:
        said = '{"setup": "Why?"}' if len(server.requests) == 2 else '{"other": 1}'
        return streamed(said) if request.json.get("stream") else replied(said)

    server.always = answer
    handler = Handler()
    llm = model_at(server, callback_manager=CallbackManager([handler]))
    prompt = PromptTemplate("A joke about {topic}.")
    found = getattr(llm, how)(Joke, prompt, topic="cats")
    found = await found if how.startswith("a") else found
    found = list(found)[-1] if "stream" in how else found
    assert found == Joke(setup="Why?")
    names = [name for name in ears.names if "Structured" in name]
    assert names[0] == "LLMStructuredPredictStartEvent"
    assert names[-1] == "LLMStructuredPredictEndEvent"
    assert names.count(names[0]) == names.count(names[-1]) == 1
    assert ears.names.count("LLMChatStartEvent") == ears.names.count("LLMChatEndEvent") == 2
    assert len(handler.ends) == 2
    await llm.aclose()


def test_predict_is_told_of_once(server: ScriptServer, ears: Ears):
    server.say(counted(stream=False))
    model_at(server).predict(PromptTemplate("hi {name}"), name="ann")
    assert ears.names == ["LLMPredictStartEvent", "LLMChatStartEvent", "LLMChatEndEvent", "LLMPredictEndEvent"]


def test_a_stream_that_is_left_early_ends_its_event(server: ScriptServer):
    server.say(counted(stream=True))
    handler = Handler()
    stream = model_at(server, callback_manager=CallbackManager([handler])).stream_chat([ChatMessage(content="hi")])
    next(stream)
    stream.close()
    assert len(handler.ends) == 1
