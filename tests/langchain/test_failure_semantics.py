"""Agents and graphs when a call of the model fails: what is asked again, what is not, and what a checkpoint keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import RetryPolicy

import langchain_aki.errors as ours
from tests.langchain.asking import model_at
from tests.scenarios import FALLBACK, KEY, chunk, replied, streamed
from tests.scenarios.table import broken
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases

BUSY = json_answer({"error": {"message": "busy", "code": None}}, 503)
TOO_MANY = json_answer({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429)
WRONG_KEY = json_answer({"error": {"message": "bad key", "code": "invalid_api_key"}}, 401)
LOST = Answer(end="reset")
WEATHER = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Leipzig"}'}}
WAYS = ("invoke", "ainvoke")
THREAD = {"configurable": {"thread_id": "1"}}


def calling(request: Request) -> Answer:
    """The model asks for the tool, once."""
    if request.json.get("stream"):
        return streamed(chunk(tool_calls=[{"index": 0, **WEATHER}]), finish="tool_calls")
    return replied("", finish="tool_calls", tool_calls=[WEATHER])


def done(request: Request) -> Answer:
    return streamed("It is ", "sunny.") if request.json.get("stream") else replied("It is sunny.")


class Weather:
    """A tool that counts how often it ran."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def tools(self) -> list[Callable[..., str]]:
        def get_weather(city: str) -> str:
            """The weather in a city."""
            self.asked.append(city)
            return "sunny"

        return [get_weather]


@pytest.fixture
def second() -> Iterator[ScriptServer]:
    """Another service."""
    with ScriptServer(always=done) as second:
        yield second


def retrying(**given: Any) -> ModelRetryMiddleware:
    return ModelRetryMiddleware(**{"max_retries": 2, "initial_delay": 0, "jitter": False, **given})


def run(agent: Any, way: str, said: Any = "hi", config: Any = None) -> list[Any]:
    """The conversation; `None` goes on with the one of the checkpoint."""
    asked = None if said is None else {"messages": said}
    if way == "invoke":
        return agent.invoke(asked, config)["messages"]
    return asyncio.run(agent.ainvoke(asked, config))["messages"]


def roles(request: Request) -> list[str]:
    return [message["role"] for message in request.json["messages"]]


# Middleware


@subcases("way", WAYS)
@pytest.mark.parametrize("answer", [BUSY, TOO_MANY, LOST, None], ids=["503", "429", "lost", "broken"])
def test_the_retry_middleware_repeats_the_call_that_failed_and_no_other(
    server: ScriptServer, answer: Answer | None, way: str
):
    weather = Weather()
    failure = answer or broken("It is ")
    server.say(calling, failure, failure, done)
    model = model_at(server, max_retries=0, streaming=answer is None)
    agent = create_agent(model, weather.tools, middleware=[retrying(on_failure="error")])
    assert run(agent, way)[-1].text == "It is sunny."
    assert [roles(request)[-1] for request in server.requests] == ["user", "tool", "tool", "tool"]
    assert weather.asked == ["Leipzig"]


@subcases("way", WAYS)
@pytest.mark.parametrize(
    ("given", "answer", "error", "requests"),
    [
        pytest.param({}, replied(top={"model": FALLBACK}), ours.ModelFallbackError, 1, id="another model"),
        pytest.param({}, WRONG_KEY, ours.AuthenticationError, 1, id="401"),
        pytest.param({}, Answer(chunks=(b"<html>",)), ours.InvalidResponseError, 1, id="a page"),
        pytest.param({"model": "qwen3.6-36b"}, None, ours.ModelNotFoundError, 0, id="unknown model"),
        pytest.param({"api_key": None}, None, ours.ConfigurationError, 0, id="no key"),
    ],
)
def test_the_retry_middleware_passes_on_what_no_repetition_helps(
    server: ScriptServer, given: Any, answer: Any, error: Any, requests: int, way: str
):
    server.always = answer
    agent = create_agent(model_at(server, **given), middleware=[retrying(on_failure="continue")])
    with pytest.raises(error):
        run(agent, way)
    assert len(server.requests) == requests


@subcases("way", WAYS)
@pytest.mark.parametrize(
    ("given", "answer"),
    [({}, BUSY), ({}, WRONG_KEY), ({}, LOST), ({"api_key": None}, None)],
    ids=["503", "401", "lost", "no key"],
)
def test_the_fallback_middleware_asks_the_next_model_in_the_middle_of_a_run(
    server: ScriptServer, second: ScriptServer, given: dict[str, Any], answer: Any, way: str
):
    weather = Weather()
    server.say(*([calling, answer] if answer else []))
    second.say(*([] if answer else [calling]))
    model = model_at(server, max_retries=0, **given)
    agent = create_agent(model, weather.tools, middleware=[ModelFallbackMiddleware(model_at(second))])
    assert run(agent, way)[-1].text == "It is sunny."
    assert weather.asked == ["Leipzig"]
    assert (len(server.requests), len(second.requests)) == ((2, 1) if answer else (0, 2))
    assert second.requests[0].json["tools"][0]["function"]["name"] == "get_weather"


# Checkpoints


@subcases("way", WAYS)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_a_run_that_failed_goes_on_from_its_checkpoint(server: ScriptServer, streaming: bool, way: str):
    weather = Weather()
    server.say(calling, BUSY)
    model = model_at(server, max_retries=0, streaming=streaming)
    agent = create_agent(model, weather.tools, checkpointer=InMemorySaver())
    with pytest.raises(ours.ServiceUnavailableError):
        run(agent, way, config=THREAD)
    server.say(done)
    found = run(agent, way, None, THREAD)
    assert [type(message) for message in found[1:]] == [AIMessage, ToolMessage, AIMessage]
    assert found[-1].text == "It is sunny."
    assert weather.asked == ["Leipzig"]
    assert [roles(request)[-1] for request in server.requests] == ["user", "tool", "tool"]
    assert server.requests[1].json == server.requests[2].json


def test_the_checkpoint_of_a_failed_run_holds_the_error_and_no_key(server: ScriptServer):
    server.always = json_answer({"error": {"message": f"bad key {KEY}", "code": None}}, 401, set_cookie="a=secret")
    saver = InMemorySaver()
    agent = create_agent(model_at(server), checkpointer=saver)
    with pytest.raises(ours.AuthenticationError):
        agent.invoke({"messages": "hi"}, THREAD)
    kept = f"{dict(saver.writes)} {dict(saver.blobs)} {dict(saver.storage)}"
    assert "AuthenticationError" in kept
    assert KEY not in kept
    assert "a=secret" not in kept
    (task,) = agent.get_state(THREAD).tasks
    assert "bad key" in str(task.error)


# A graph of one's own


def may_pass(error: Exception) -> bool:
    return getattr(error, "is_retryable", False)


def graph_of(model: Any, **policy: Any) -> Any:
    """One node that asks the model; LangGraph repeats it."""

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def aask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    pauses = RetryPolicy(initial_interval=0.001, max_attempts=3, jitter=False, **policy)
    graph.add_node("ask", RunnableLambda(ask, aask), retry_policy=pauses)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile()


@subcases("way", WAYS)
@pytest.mark.parametrize(
    ("policy", "answer", "requests"),
    [
        pytest.param({"retry_on": may_pass}, BUSY, 3, id="503"),
        pytest.param({"retry_on": may_pass}, TOO_MANY, 3, id="429"),
        pytest.param({"retry_on": may_pass}, LOST, 3, id="lost"),
        pytest.param({"retry_on": may_pass}, WRONG_KEY, 1, id="401"),
        pytest.param({}, WRONG_KEY, 3, id="401-by-default"),
    ],
)
def test_a_nodes_retry_policy_acts_on_what_may_pass(
    server: ScriptServer, policy: dict[str, Any], answer: Answer, requests: int, way: str
):
    server.always = answer
    with pytest.raises(ours.AKIError):
        run(graph_of(model_at(server, max_retries=0), **policy), way)
    assert len(server.requests) == requests
