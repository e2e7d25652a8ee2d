"""Query engines' answers and objects when calls fail: what reaches the caller, and what is asked how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import get_response_synthesizer
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import BaseModel

import aki_transport.errors as ours
from llama_index_aki import AKI
from tests.llama_index.asking import model_at
from tests.scenarios import replied, streamed
from tests.scenarios.table import broken
from tests.script_server import Answer, Request, ScriptServer, json_answer

# LlamaIndex and its tokenizer use pydantic's old names.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")

BUSY = json_answer({"error": {"message": "busy", "code": None}}, 503)
TOO_MANY = json_answer({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429)
WRONG_KEY = json_answer({"error": {"message": "bad key", "code": "invalid_api_key"}}, 401)
LOST = Answer(end="reset")


# Query engines


PAGES = [NodeWithScore(node=TextNode(text=f"Page {n}. " + "word " * 900)) for n in range(4)]


def answered(llm: AKI, mode: ResponseMode, *, awaited: bool) -> str:
    """The answer of a synthesizer which has to ask more than once."""
    synthesizer = get_response_synthesizer(llm=llm, response_mode=mode)
    if awaited:
        return str(asyncio.run(synthesizer.asynthesize("What?", PAGES)))
    return str(synthesizer.synthesize("What?", PAGES))


def failing_at(number: int, server: ScriptServer, answer: Answer) -> Callable[[Request], Answer]:
    return lambda _: answer if len(server.requests) == number else replied("A part.")


SEQUENTIAL = [(ResponseMode.REFINE, False), (ResponseMode.REFINE, True), (ResponseMode.COMPACT, False)]


@pytest.mark.parametrize(("mode", "awaited"), SEQUENTIAL)
def test_an_answer_in_parts_ends_with_the_part_that_fails(server: ScriptServer, mode: ResponseMode, awaited: bool):
    server.always = failing_at(2, server, WRONG_KEY)
    with pytest.raises(ours.AuthenticationError):
        answered(model_at(server, context_window=4096), mode, awaited=awaited)
    assert len(server.requests) == 2


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("mode", [ResponseMode.REFINE, ResponseMode.TREE_SUMMARIZE, ResponseMode.ACCUMULATE])
def test_only_the_part_that_failed_is_asked_again(server: ScriptServer, mode: ResponseMode, awaited: bool):
    server.always = replied("A part.")
    whole = answered(model_at(server, context_window=4096), mode, awaited=awaited)
    parts = len(server.requests)
    assert parts > 2
    server.requests.clear()
    server.always = failing_at(2, server, BUSY)
    assert answered(model_at(server, context_window=4096), mode, awaited=awaited) == whole
    assert len(server.requests) == parts + 1


# Objects


class City(BaseModel):
    """A city."""

    name: str


def structured(llm: AKI, how: str) -> Any:
    """The object that comes last."""
    model = llm.as_structured_llm(City)
    question = [ChatMessage(content="Which city?")]

    async def awaited() -> Any:
        if how == "achat":
            return (await model.achat(question)).raw
        if how == "acomplete":
            return (await model.acomplete("Which city?")).raw
        return [item.raw async for item in await model.astream_chat(question)][-1]

    match how:
        case "chat":
            return model.chat(question).raw
        case "complete":
            return model.complete("Which city?").raw
        case "stream_chat":
            return list(model.stream_chat(question))[-1].raw
        case _:
            return asyncio.run(awaited())


STRUCTURED = ("chat", "achat", "complete", "acomplete", "stream_chat", "astream_chat")


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("how", STRUCTURED)
@pytest.mark.parametrize(
    ("answer", "error", "requests"),
    [
        (BUSY, ours.ServiceUnavailableError, 3),
        (TOO_MANY, ours.RateLimitError, 3),
        (WRONG_KEY, ours.AuthenticationError, 1),
    ],
    ids=["503", "429", "401"],
)
def test_a_structured_llm_does_not_take_a_failure_for_a_reason_to_ask_otherwise(
    server: ScriptServer, answer: Answer, error: type[Exception], requests: int, how: str
):
    server.always = answer
    with pytest.raises(error):
        structured(model_at(server), how)
    assert len(server.requests) == requests
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("how", STRUCTURED)
def test_a_structured_llm_gives_the_object_behind_a_passing_trouble(server: ScriptServer, how: str):
    text = '{"name": "Leipzig"}'
    server.say(BUSY, LOST, streamed(text) if "stream" in how else replied(text))
    assert structured(model_at(server), how) == City(name="Leipzig")
    assert len(server.requests) == 3


@pytest.mark.parametrize("how", ["stream_chat", "astream_chat"])
def test_a_structured_llms_stream_that_breaks_is_an_error_and_not_half_an_object(server: ScriptServer, how: str):
    server.say(broken('{"name": "Lei'))
    with pytest.raises(ours.StreamInterruptedError) as found:
        structured(model_at(server), how)
    assert found.value.partial_text == '{"name": "Lei'
    assert len(server.requests) == 1
