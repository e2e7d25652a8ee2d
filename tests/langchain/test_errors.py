"""Errors as LangChain knows them: its classes, its middleware, its traces."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core import exceptions as lc
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage

import aki_transport.errors as base
import langchain_aki.errors as ours
from tests.langchain.asking import IN_LANGCHAIN, WAYS, Way, ask, model_at
from tests.scenarios import KEY, chunk, replied
from tests.script_server import Answer, ScriptServer, json_answer, sse
from tests.subcases import subcases

WRONG_KEY = json_answer({"error": {"message": "bad key", "type": None, "code": "invalid_api_key"}}, 401)
OVERFLOW = json_answer({"error": {"message": "This model's maximum context length is 10 tokens.", "code": None}}, 400)
SLOW_DOWN = json_answer(
    {"error": {"message": "slow down", "type": None, "code": "rate_limit_exceeded"}},
    429,
    retry_after="70",
    x_request_id="req-9",
    set_cookie="session=secret",
)


class Ears(BaseCallbackHandler):
    """Keeps what a tracing handler hears."""

    def __init__(self) -> None:
        self.errors: list[tuple[BaseException, Any]] = []
        self.ends = 0
        self.starts = 0

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self.starts += 1

    def on_llm_error(self, error: BaseException, *, response: Any = None, **_: Any) -> None:
        self.errors.append((error, response))

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        self.ends += 1


def caught(model: Any, way: Way = "invoke", question: Any = "hi") -> Any:
    with pytest.raises(base.AKIError) as error:
        ask(model, way, question)
    return error.value


def served(text: str = "Hello") -> Answer:
    return replied(text)


@pytest.mark.parametrize("name", sorted(IN_LANGCHAIN))
def test_each_class_of_the_transport_has_a_twin_that_langchain_knows(name: str):
    twin = getattr(ours, name)
    in_langchain, retryable = IN_LANGCHAIN[name]
    assert issubclass(twin, (getattr(base, name)))
    assert issubclass(twin, in_langchain)
    assert issubclass(twin, ours.AKIError)
    assert twin.is_retryable is retryable
    others = {cls for cls, _ in IN_LANGCHAIN.values()} - {in_langchain, lc.ModelError}
    allowed = lc.ModelInvalidRequestError if name == "ContextOverflowError" else None
    allowed = lc.ModelConnectionError if name == "APITimeoutError" else allowed
    assert not [cls for cls in others if issubclass(twin, cls) and cls is not allowed]


def test_no_class_of_the_transport_lacks_its_twin():
    made = {name for name, cls in vars(base).items() if inspect.isclass(cls) and issubclass(cls, base.AKIError)}
    assert made <= set(vars(ours))
    assert made - {"AKIError", "ModelRefusalError"} == set(IN_LANGCHAIN)
    assert set(ours.__all__) == made


@subcases("way", WAYS)
@pytest.mark.parametrize(("status", "retryable"), [(408, True), (418, False)])
def test_a_status_without_a_class_may_pass_or_not(server: ScriptServer, status: int, way: Way, *, retryable: bool):
    server.always = json_answer({"error": {"message": "no way", "type": None, "code": None}}, status)
    error = caught(model_at(server, max_retries=0), way)
    assert type(error) is ours.APIStatusError
    assert isinstance(error, lc.ModelError)
    assert error.is_retryable is retryable
    assert (error.status_code, error.provider) == (status, "AKI.IO")


def test_an_error_keeps_the_answer_without_request_cookie_and_key(server: ScriptServer):
    server.say(SLOW_DOWN)
    error = caught(model_at(server))
    assert (error.retry_after, error.request_id, error.code) == (70, "req-9", "rate_limit_exceeded")
    assert error.response.status_code == 429
    assert error.response.json()["error"]["message"] == "slow down"
    assert error.response.headers["retry-after"] == "70"
    assert "set-cookie" not in error.response.headers
    with pytest.raises(RuntimeError):
        error.response.request  # noqa: B018  it has none
    assert error.response is not error.response
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_an_error_is_caught_by_each_of_its_names(server: ScriptServer):
    server.always = SLOW_DOWN
    for name in (base.RateLimitError, ours.RateLimitError, lc.ModelRateLimitError, base.AKIError, lc.ModelError):
        with pytest.raises(name):
            model_at(server).invoke("hi")


@pytest.mark.parametrize("remade", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])  # noqa: S301
def test_an_error_survives_pickling_and_copying(server: ScriptServer, remade: Any):
    server.say(SLOW_DOWN)
    error = caught(model_at(server))
    again = remade(error)
    assert type(again) is ours.RateLimitError
    assert str(again) == str(error)
    assert (again.retry_after, again.request_id, again.response.status_code) == (70, "req-9", 429)
    assert again.is_retryable


def test_an_interrupted_stream_is_pickled_with_its_text(server: ScriptServer):
    server.say(sse(chunk("Hel"), done=False))
    error = pickle.loads(pickle.dumps(caught(model_at(server), "stream")))  # noqa: S301
    assert (type(error), error.partial_text) == (ours.StreamInterruptedError, "Hel")


@subcases("way", WAYS)
def test_a_missing_key_is_said_before_anything_is_sent(server: ScriptServer, way: Way):
    error = caught(model_at(server, api_key=None), way)
    assert type(error) is ours.ConfigurationError
    assert "AKI_API_KEY" in str(error)
    assert not server.requests


def test_the_summarization_middleware_cuts_a_history_that_overflows(server: ScriptServer):
    server.say(OVERFLOW, served("A summary."), served("Hello"))
    model = model_at(server)
    summarize = SummarizationMiddleware(model, trigger=("messages", 4), keep=("messages", 2))
    agent = create_agent(model, middleware=[summarize])
    said = [HumanMessage(f"{'word ' * 300}{n}") if n % 2 == 0 else AIMessage(f"{'word ' * 300}{n}") for n in range(9)]
    answer = agent.invoke({"messages": said})
    assert answer["messages"][-1].text == "Hello"
    first, second, last = (len(request.body) for request in server.requests)
    assert second < first
    assert "A summary." in str(server.requests[2].json)
    assert last < first


def test_the_summarization_middleware_reads_the_context_window(server: ScriptServer):
    server.say(served("A summary."), served("Hello"))
    model = model_at(server, context_window=1000)
    agent = create_agent(model, middleware=[SummarizationMiddleware(model, trigger=("fraction", 0.5))])
    said = [HumanMessage("word " * 100) for _ in range(40)]
    assert agent.invoke({"messages": said})["messages"][-1].text == "Hello"
    assert len(server.requests) == 2


@subcases("way", WAYS)
def test_a_handler_hears_of_a_refusal_once_with_the_answer(server: ScriptServer, way: Way):
    ears = Ears()
    server.say(SLOW_DOWN)
    caught(model_at(server, callbacks=[ears]), way)
    ((error, response),) = ears.errors
    assert (ears.starts, ears.ends) == (1, 0)
    assert isinstance(error, ours.RateLimitError)
    traced = response.generations[0][0] if way in ("stream", "astream") else response.generations[0]
    traced = traced[0] if isinstance(traced, list) else traced
    assert traced.message.response_metadata["status_code"] == 429
    assert traced.message.response_metadata["request_id"] == "req-9"
    assert KEY not in str(traced.message.response_metadata)


@subcases("way", ["stream", "astream"])
def test_a_handler_hears_of_an_interrupted_stream_once_with_the_partial_text(server: ScriptServer, way: Way):
    ears = Ears()
    server.say(sse(chunk("Hel"), chunk("lo"), done=False))
    error = caught(model_at(server, callbacks=[ears]), way)
    ((heard, response),) = ears.errors
    assert heard is error
    assert error.partial_text == "Hello"
    assert response.generations[0][0].message.text == "Hello"
    assert ears.ends == 0


@subcases("way", WAYS)
def test_a_streamed_error_gives_the_text_before_it(server: ScriptServer, way: Way):
    ears = Ears()
    server.say(sse(chunk("Hel"), {"error": {"message": "Worker died", "code": 500}}))
    error = caught(model_at(server, callbacks=[ears], streaming=True), way)
    assert isinstance(error, lc.ModelAPIError)
    assert len(ears.errors) == 1
