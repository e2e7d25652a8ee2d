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
def weather() -> Weather:
    return Weather()


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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [BUSY, TOO_MANY, LOST], ids=["503", "429", "lost"])
def test_the_retry_middleware_repeats_the_call_that_failed_and_no_other(
    server: ScriptServer, weather: Weather, answer: Answer, way: str
):
    server.say(calling, answer, answer, done)
    agent = create_agent(model_at(server, max_retries=0), weather.tools, middleware=[retrying(on_failure="error")])
    assert run(agent, way)[-1].text == "It is sunny."
    assert [roles(request)[-1] for request in server.requests] == ["user", "tool", "tool", "tool"]
    assert weather.asked == ["Leipzig"]


@subcases("way", WAYS)
@pytest.mark.parametrize("failure", ["another model", "401", "a page", "unknown model", "no key"])
def test_the_retry_middleware_passes_on_what_no_repetition_helps(server: ScriptServer, failure: str, way: str):
    given, answer, error, requests = {
        "another model": ({}, replied(top={"model": FALLBACK}), ours.ModelFallbackError, 1),
        "401": ({}, WRONG_KEY, ours.AuthenticationError, 1),
        "a page": ({}, Answer(chunks=(b"<html>",)), ours.InvalidResponseError, 1),
        "unknown model": ({"model": "qwen3.6-36b"}, None, ours.ModelNotFoundError, 0),
        "no key": ({"api_key": None}, None, ours.ConfigurationError, 0),
    }[failure]
    server.always = answer
    agent = create_agent(model_at(server, **given), middleware=[retrying(on_failure="continue")])
    with pytest.raises(error):
        run(agent, way)
    assert len(server.requests) == requests


@pytest.mark.usefixtures("no_waiting")
@subcases("way", WAYS)
def test_the_retry_middleware_and_the_models_own_repetitions_multiply(server: ScriptServer, way: str):
    server.always = BUSY
    agent = create_agent(model_at(server, max_retries=1), middleware=[retrying()])
    said = run(agent, way)[-1]
    assert len(server.requests) == 6
    assert "ServiceUnavailableError" in said.text
    assert "busy" in said.text
    assert KEY not in said.text


@subcases("way", WAYS)
def test_the_retry_middleware_asks_anew_for_an_answer_whose_stream_broke(server: ScriptServer, way: str):
    server.say(broken("It is "), done)
    agent = create_agent(model_at(server, streaming=True), middleware=[retrying(on_failure="error")])
    assert run(agent, way)[-1].text == "It is sunny."
    assert len(server.requests) == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("given", "answer", "requests"),
    [({}, BUSY, 2), ({}, WRONG_KEY, 2), ({}, LOST, 2), ({"api_key": None}, None, 0)],
    ids=["503", "401", "lost", "no key"],
)
def test_the_fallback_middleware_asks_the_next_model_in_the_middle_of_a_run(
    server: ScriptServer,
    second: ScriptServer,
    weather: Weather,
    given: dict[str, Any],
    answer: Any,
    requests: int,
    way: str,
):
    server.say(*([calling, answer] if requests else []))
    second.say(*([] if requests else [calling]))
    model = model_at(server, max_retries=0, **given)
    agent = create_agent(model, weather.tools, middleware=[ModelFallbackMiddleware(model_at(second))])
    assert run(agent, way)[-1].text == "It is sunny."
    assert weather.asked == ["Leipzig"]
    assert (len(server.requests), len(second.requests)) == (requests, 1 if requests else 2)
    assert second.requests[0].json["tools"][0]["function"]["name"] == "get_weather"


@subcases("way", WAYS)
def test_the_fallback_middleware_raises_the_last_error_when_all_fail(
    server: ScriptServer, second: ScriptServer, way: str
):
    server.always, second.always = BUSY, TOO_MANY
    fallback = ModelFallbackMiddleware(model_at(second, max_retries=0))
    with pytest.raises(ours.RateLimitError):
        run(create_agent(model_at(server, max_retries=0), middleware=[fallback]), way)
    assert (len(server.requests), len(second.requests)) == (1, 1)


@subcases("way", WAYS)
@pytest.mark.parametrize(("answer", "requests"), [(BUSY, 3), (WRONG_KEY, 1)], ids=["503", "401"])
def test_a_fallback_around_retries_asks_the_next_model_after_them(
    server: ScriptServer, second: ScriptServer, answer: Answer, requests: int, way: str
):
    server.always = answer
    middleware = [ModelFallbackMiddleware(model_at(second)), retrying(on_failure="error")]
    agent = create_agent(model_at(server, max_retries=0), middleware=middleware)
    assert run(agent, way)[-1].text == "It is sunny."
    assert (len(server.requests), len(second.requests)) == (requests, 1)


# Checkpoints


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_a_run_that_failed_goes_on_from_its_checkpoint(
    server: ScriptServer, weather: Weather, streaming: bool, way: str
):
    server.say(calling, BUSY)
    saver = InMemorySaver()
    model = model_at(server, max_retries=0, streaming=streaming)
    agent = create_agent(model, weather.tools, checkpointer=saver)
    config = {"configurable": {"thread_id": "1"}}
    with pytest.raises(ours.ServiceUnavailableError):
        run(agent, way, config=config)
    server.say(done)
    found = run(agent, way, None, config)
    assert [type(message) for message in found[1:]] == [AIMessage, ToolMessage, AIMessage]
    assert found[-1].text == "It is sunny."
    assert weather.asked == ["Leipzig"]
    assert [roles(request)[-1] for request in server.requests] == ["user", "tool", "tool"]
    assert server.requests[1].json == server.requests[2].json


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_failed_at_its_first_call_goes_on_with_another_model(
    server: ScriptServer, second: ScriptServer, weather: Weather, way: str
):
    server.always = WRONG_KEY
    second.say(calling)
    saver = InMemorySaver()
    config = {"configurable": {"thread_id": "1"}}
    with pytest.raises(ours.AuthenticationError):
        run(create_agent(model_at(server), weather.tools, checkpointer=saver), way, config=config)
    agent = create_agent(model_at(second), weather.tools, checkpointer=saver)
    assert run(agent, way, None, config)[-1].text == "It is sunny."
    assert (len(server.requests), len(second.requests)) == (1, 2)


def test_the_checkpoint_of_a_failed_run_holds_the_error_and_no_key(server: ScriptServer):
    server.always = json_answer({"error": {"message": f"bad key {KEY}", "code": None}}, 401, set_cookie="a=secret")
    saver = InMemorySaver()
    config = {"configurable": {"thread_id": "1"}}
    agent = create_agent(model_at(server), checkpointer=saver)
    with pytest.raises(ours.AuthenticationError):
        agent.invoke({"messages": "hi"}, config)
    kept = f"{dict(saver.writes)} {dict(saver.blobs)} {dict(saver.storage)}"
    assert "AuthenticationError" in kept
    assert KEY not in kept
    assert "a=secret" not in kept
    (task,) = agent.get_state(config).tasks
    assert "bad key" in str(task.error)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_whose_stream_broke_goes_on_with_the_whole_answer(server: ScriptServer, weather: Weather, way: str):
    server.say(calling, broken("It is "))
    agent = create_agent(model_at(server), weather.tools, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    heard: list[str] = []

    async def listen(said: Any) -> None:
        async for message, _ in agent.astream(said, config, stream_mode="messages"):
            heard.append(message.text if message.type == "AIMessageChunk" else "")

    def hear(said: Any) -> None:
        if way == "ainvoke":
            asyncio.run(listen(said))
            return
        for message, _ in agent.stream(said, config, stream_mode="messages"):
            heard.append(message.text if message.type == "AIMessageChunk" else "")

    with pytest.raises(ours.StreamInterruptedError):
        hear({"messages": "hi"})
    assert "".join(heard) == "It is "
    server.say(done)
    heard.clear()
    hear(None)
    assert "".join(heard) == "It is sunny."
    assert agent.get_state(config).values["messages"][-1].text == "It is sunny."
    assert weather.asked == ["Leipzig"]
    assert len(server.requests) == 3


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
    ("answer", "requests"), [(BUSY, 3), (TOO_MANY, 3), (LOST, 3), (WRONG_KEY, 1)], ids=["503", "429", "lost", "401"]
)
def test_a_nodes_retry_policy_acts_on_what_may_pass(server: ScriptServer, answer: Answer, requests: int, way: str):
    server.always = answer
    with pytest.raises(ours.AKIError):
        run(graph_of(model_at(server, max_retries=0), retry_on=may_pass), way)
    assert len(server.requests) == requests


@subcases("way", WAYS)
def test_a_nodes_retry_policy_ends_with_the_answer(server: ScriptServer, way: str):
    server.say(BUSY, TOO_MANY, done)
    assert run(graph_of(model_at(server, max_retries=0)), way)[-1].text == "It is sunny."
    assert len(server.requests) == 3


def test_a_nodes_retry_policy_that_is_told_nothing_repeats_a_wrong_key_too(server: ScriptServer):
    server.always = WRONG_KEY
    with pytest.raises(ours.AuthenticationError):
        run(graph_of(model_at(server, max_retries=0)), "invoke")
    assert len(server.requests) == 3
