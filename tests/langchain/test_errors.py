"""Errors as LangChain knows them: its classes, its middleware, its traces."""

import inspect
from typing import Any

import pytest
from langchain_core import exceptions as lc

import aki_transport.errors as base
import langchain_aki.errors as ours
from tests.langchain.asking import IN_LANGCHAIN, WAYS, Ears, Way, ask, is_streamed, model_at
from tests.scenarios import KEY, chunk
from tests.script_server import ScriptServer, json_answer, sse
from tests.subcases import subcases

SLOW_DOWN = json_answer(
    {"error": {"message": "slow down", "type": None, "code": "rate_limit_exceeded"}},
    429,
    retry_after="70",
    x_request_id="req-9",
)


def caught(model: Any, way: Way = "invoke") -> Any:
    with pytest.raises(base.AKIError) as error:
        ask(model, way, "hi")
    return error.value


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


@pytest.mark.parametrize(("status", "retryable"), [(408, True), (418, False)])
def test_a_status_without_a_class_may_pass_or_not(server: ScriptServer, status: int, *, retryable: bool):
    server.always = json_answer({"error": {"message": "no way", "type": None, "code": None}}, status)
    error = caught(model_at(server, max_retries=0))
    assert type(error) is ours.APIStatusError
    assert (error.is_retryable, error.status_code, error.provider) == (retryable, status, "AKI.IO")


@subcases("way", WAYS)
def test_a_handler_hears_of_an_error_once_with_what_is_known_of_the_answer(server: ScriptServer, way: Way):
    ears = Ears()
    server.say(SLOW_DOWN)
    caught(model_at(server, callbacks=[ears]), way)
    ((error, response),) = ears.errors
    assert (len(ears.starts), ears.ends) == (1, [])
    assert isinstance(error, ours.RateLimitError)
    traced = response.generations[0]
    while isinstance(traced, list):
        traced = traced[0]
    metadata = traced.message.response_metadata
    assert (metadata["status_code"], metadata["request_id"]) == (429, "req-9")
    assert KEY not in str(metadata)
    ears = Ears()
    server.say(sse(chunk("Hel"), chunk("lo"), done=False))
    interrupted = caught(model_at(server, callbacks=[ears], streaming=True), way)
    ((error, response),) = ears.errors
    assert error is interrupted
    assert interrupted.partial_text == "Hello"
    assert not is_streamed(way) or response.generations[0][0].message.text == "Hello"
    assert ears.ends == []
