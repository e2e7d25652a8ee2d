"""Steps of workflows and agents when calls fail: what reaches the caller, and what is asked how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step
from workflows.retry_policy import (
    retry_if_exception,
    retry_if_exception_type,
    retry_policy,
    stop_after_attempt,
    wait_none,
)

import aki_transport.errors as ours
from llama_index_aki import AKI
from tests.llama_index.asking import model_at
from tests.scenarios import FALLBACK, KEY, chunk, replied, streamed
from tests.scenarios.table import broken
from tests.script_server import Answer, ScriptServer, json_answer

# LlamaIndex's workflows look at every attribute of an agent, pydantic's old ones too.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
    # A context is carried from run to run as JSON, in which a memory with a tokenizer has no place.
    pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key"),
]

BUSY = json_answer({"error": {"message": "busy", "code": None}}, 503)
TOO_MANY = json_answer({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429)
WRONG_KEY = json_answer({"error": {"message": f"bad key {KEY}", "code": "invalid_api_key"}}, 401)
LOST = Answer(end="reset")
DONE = streamed("It is ", "sunny.")


def may_pass(error: BaseException) -> bool:
    return isinstance(error, ours.AKIError) and error.is_retryable


# Steps of a workflow


def asked_in_a_step(llm: AKI, how: str, retry: Any) -> str:
    """The answer of a workflow whose step asks the model under this policy."""

    class PreparedChat(Workflow):
        @step(retry_policy=retry_policy(retry=retry, wait=wait_none(), stop=stop_after_attempt(3)))
        async def ask(self, ev: StartEvent) -> StopEvent:
            question = [ChatMessage(content=ev.question)]
            if how == "achat":
                return StopEvent(result=(await llm.achat(question)).message.content)
            if how == "chat":
                return StopEvent(result=(await asyncio.to_thread(llm.chat, question)).message.content)
            last = [item async for item in await llm.astream_chat(question)][-1]
            return StopEvent(result=last.message.content)

    async def awaited() -> str:
        return str(await PreparedChat(timeout=60).run(question="hi"))

    return asyncio.run(awaited())


HOW = ("achat", "chat", "astream_chat")
CASES: dict[str, tuple[Answer, type[Exception], int]] = {
    "503": (BUSY, ours.ServiceUnavailableError, 3),
    "429": (TOO_MANY, ours.RateLimitError, 3),
    "lost": (LOST, ours.APIConnectionError, 3),
    "401": (WRONG_KEY, ours.AuthenticationError, 1),
    "402": (json_answer({"error": "no credits"}, 402), ours.InsufficientCreditsError, 1),
    "another model": (replied(top={"model": FALLBACK}), ours.ModelFallbackError, 1),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("case", CASES)
def test_a_step_repeats_what_may_pass_and_raises_the_rest(server: ScriptServer, case: str, how: str):
    answer, error, requests = CASES[case]
    server.always = answer
    with pytest.raises(error):
        asked_in_a_step(model_at(server, max_retries=0), how, retry_if_exception(may_pass))
    assert len(server.requests) == requests


@pytest.mark.parametrize("how", HOW)
def test_a_step_ends_with_the_answer(server: ScriptServer, how: str):
    server.say(BUSY, LOST, streamed("Hello") if "stream" in how else replied("Hello"))
    retry = retry_if_exception_type((ours.ServerError, ours.APIConnectionError))
    assert asked_in_a_step(model_at(server, max_retries=0), how, retry) == "Hello"
    assert len(server.requests) == 3


@pytest.mark.usefixtures("no_waiting")
def test_a_steps_repetitions_and_the_models_own_multiply(server: ScriptServer):
    server.always = BUSY
    with pytest.raises(ours.ServiceUnavailableError):
        asked_in_a_step(model_at(server, max_retries=1), "achat", retry_if_exception(may_pass))
    assert len(server.requests) == 6


def test_a_step_asks_anew_for_an_answer_whose_stream_broke(server: ScriptServer):
    server.say(broken("Hel"), streamed("Hello"))
    assert asked_in_a_step(model_at(server), "astream_chat", retry_if_exception(may_pass)) == "Hello"
    assert len(server.requests) == 2


# Agents


class Weather:
    """A tool that counts how often it ran."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def tools(self) -> list[FunctionTool]:
        def get_weather(city: str) -> str:
            """The weather in a city."""
            self.asked.append(city)
            return "sunny"

        return [FunctionTool.from_defaults(fn=get_weather)]


@pytest.fixture
def weather() -> Weather:
    return Weather()


def calling() -> Answer:
    wanted = {"name": "get_weather", "arguments": '{"city": "Leipzig"}'}
    return streamed(
        chunk(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": wanted}]), finish="tool_calls"
    )


def acting() -> Answer:
    return streamed('Thought: I look.\nAction: get_weather\nAction Input: {"city": "Leipzig"}')


def alone(llm: AKI, weather: Weather) -> Any:
    return FunctionAgent(llm=llm, tools=weather.tools)


def of_a_workflow(llm: AKI, weather: Weather) -> Any:
    return AgentWorkflow.from_tools_or_functions(weather.tools, llm=llm)


def reacting(llm: AKI, weather: Weather) -> Any:
    return ReActAgent(llm=llm, tools=weather.tools)


AGENTS: dict[str, tuple[Callable[[AKI, Weather], Any], Callable[[], Answer]]] = {
    "FunctionAgent": (alone, calling),
    "AgentWorkflow": (of_a_workflow, calling),
    "ReActAgent": (reacting, acting),
}


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize("case", ["503", "401", "lost", "broken"])
def test_an_error_in_the_middle_of_a_run_reaches_the_caller_as_it_is(
    server: ScriptServer, weather: Weather, case: str, kind: str
):
    make, first = AGENTS[kind]
    answer, error, _ = CASES.get(case) or (broken("It is "), ours.StreamInterruptedError, 1)
    server.say(first(), answer)

    async def awaited() -> None:
        await make(model_at(server, max_retries=0), weather).run(user_msg="hi")

    with pytest.raises(error) as found:
        asyncio.run(awaited())
    assert KEY not in f"{found.value} {found.value!r} {vars(found.value)}"
    assert weather.asked == ["Leipzig"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.usefixtures("no_waiting")
def test_a_passing_trouble_in_the_middle_of_a_run_is_not_seen(server: ScriptServer, weather: Weather, kind: str):
    make, first = AGENTS[kind]
    server.say(BUSY, first(), LOST, TOO_MANY, streamed("Thought: I know.\nAnswer: It is sunny."))

    async def awaited() -> str:
        return str(await make(model_at(server), weather).run(user_msg="hi"))

    assert "It is sunny." in asyncio.run(awaited())
    assert weather.asked == ["Leipzig"]
    assert len(server.requests) == 5


@pytest.mark.parametrize("kind", ["FunctionAgent", "AgentWorkflow"])
def test_a_run_that_failed_goes_on_in_its_context_without_calling_the_tool_again(
    server: ScriptServer, weather: Weather, kind: str
):
    make, first = AGENTS[kind]
    server.say(first(), BUSY)
    llm = model_at(server, max_retries=0)
    agent = make(llm, weather)
    memory = ChatMemoryBuffer.from_defaults(llm=llm)

    async def awaited() -> str:
        context = Context(agent)
        with pytest.raises(ours.ServiceUnavailableError):
            await agent.run(user_msg="How is Leipzig?", ctx=context, memory=memory)
        server.say(DONE)
        return str(await agent.run(user_msg="Go on.", ctx=context, memory=memory))

    assert asyncio.run(awaited()) == "It is sunny."
    assert weather.asked == ["Leipzig"]
    assert len(server.requests) == 3
    said = server.requests[2].json["messages"]
    assert [message["role"] for message in said] == ["user", "user", "assistant", "tool"]
    assert [message["content"] for message in said[:2]] == ["How is Leipzig?", "Go on."]
    assert said[3]["tool_call_id"] == said[2]["tool_calls"][0]["id"]


def test_the_context_of_a_failed_run_is_json_without_the_key_and_goes_on(server: ScriptServer, weather: Weather):
    server.say(calling(), WRONG_KEY)
    bad = FunctionAgent(llm=model_at(server), tools=weather.tools)
    good = FunctionAgent(llm=model_at(server), tools=weather.tools)

    async def awaited() -> str:
        context = Context(bad)
        handler = bad.run(user_msg="How is Leipzig?", ctx=context)
        with pytest.raises(ours.AuthenticationError):
            await handler
        kept = handler.ctx.to_dict()
        assert KEY not in str(kept)
        server.say(DONE)
        return str(await good.run(user_msg="Go on.", ctx=Context.from_dict(good, kept)))

    assert asyncio.run(awaited()) == "It is sunny."
    assert weather.asked == ["Leipzig"]
    assert len(server.requests) == 3
