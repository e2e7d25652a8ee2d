"""Fallbacks, retries, middleware, agents and graphs when calls fail: who is asked, and exactly how often."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core import exceptions as lc
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import RetryPolicy

import langchain_aki.errors as ours
from tests.langchain.asking import WAYS, Way, ask, is_streamed, model_at, pieces_of
from tests.scenarios import FALLBACK, chunk, replied, streamed
from tests.scenarios.table import BUSY, LOST, ROLE, TOO_MANY, WRONG_KEY, broken
from tests.script_server import Answer, Request, ScriptServer, sse
from tests.subcases import subcases

WEATHER = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Leipzig"}'}}
THREAD = {"configurable": {"thread_id": "1"}}
MAY_PASS = (lc.ModelRateLimitError, lc.ModelAPIError, lc.ModelConnectionError, lc.ModelTimeoutError)
in_every_way = subcases("way", WAYS)
in_both_halves = subcases("way", ["invoke", "ainvoke"])


def calling(request: Request) -> Answer:
    if request.json.get("stream"):
        return streamed(chunk(tool_calls=[{"index": 0, **WEATHER}]), finish="tool_calls")
    return replied("", finish="tool_calls", tool_calls=[WEATHER])


def done(request: Request) -> Answer:
    return streamed("It is ", "sunny.") if request.json.get("stream") else replied("It is sunny.")


@pytest.fixture
def second() -> Iterator[ScriptServer]:
    with ScriptServer(always=done) as second:
        yield second


def counts(*servers: ScriptServer) -> tuple[int, ...]:
    return tuple(len(server.requests) for server in servers)


# How the first model is made, what it is answered, how often it is asked, and its error where another try cannot help.
FIRST_FAILS: dict[str, tuple[dict[str, Any], Answer | None, int, type[Exception] | None]] = {
    "503": ({}, BUSY, 1, None),
    "429": ({}, TOO_MANY, 1, None),
    "401": ({}, WRONG_KEY, 1, ours.AuthenticationError),
    "another model": ({}, replied("no", top={"model": FALLBACK}), 1, ours.ModelFallbackError),
    "unknown model": ({"model": "qwen3.6-36b"}, None, 0, ours.ModelNotFoundError),
    "no key": ({"api_key": None}, None, 0, ours.ConfigurationError),
    "nobody there": ({"base_url": "http://127.0.0.1:9/v1"}, None, 0, None),  # the port that discards
}


@pytest.mark.filterwarnings("ignore:.*the model listing could not be read")
@in_every_way
@pytest.mark.parametrize("case", FIRST_FAILS)
def test_an_error_of_the_first_model_leads_to_one_request_of_the_second_or_to_the_caller(
    server: ScriptServer, second: ScriptServer, case: str, way: Way
):
    fields, answer, requests, mistake = FIRST_FAILS[case]
    if case == "another model" and is_streamed(way):
        answer = sse(chunk("no", top={"model": FALLBACK}))
    server.always = answer
    first, other = model_at(server, **{"max_retries": 0, **fields}), model_at(second)
    assert ask(first.with_fallbacks([other]), way, "hi").text == "It is sunny."
    assert counts(server, second) == (requests, 1)
    for_what_may_pass = first.with_fallbacks([other], exceptions_to_handle=MAY_PASS)
    if mistake is None:
        assert ask(for_what_may_pass, way, "hi").text == "It is sunny."
    else:
        with pytest.raises(mistake):
            ask(for_what_may_pass, way, "hi")
    assert counts(server, second) == (2 * requests, 1 if mistake else 2)


@pytest.mark.usefixtures("no_waiting")
@in_every_way
def test_the_models_own_repetitions_come_before_the_fallback_and_its_error_when_all_fail(
    server: ScriptServer, second: ScriptServer, way: Way
):
    server.always = BUSY
    model = model_at(server, max_retries=2).with_fallbacks([model_at(second, max_retries=0)])
    assert ask(model, way, "hi").text == "It is sunny."
    assert counts(server, second) == (3, 1)
    second.always = TOO_MANY
    with pytest.raises(ours.ServiceUnavailableError):
        ask(model, way, "hi")


NOTHING_YET: dict[str, Answer] = {
    "headers alone": Answer(headers={"content-type": "text/event-stream"}, chunks=(b"",), end="cut"),
    "a comment": sse(b": hello\n\n", done=False, end="cut"),
    "the role": sse(ROLE, done=False, end="cut"),
    "the role, and its end": broken(),
    "an error after the role": sse(ROLE, {"error": {"message": "Worker died", "code": 500}}),
}


@subcases("case", NOTHING_YET)
@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_that_breaks_before_any_text_falls_back(
    server: ScriptServer, second: ScriptServer, case: str, way: Way
):
    server.always = NOTHING_YET[case]
    model = model_at(server, max_retries=0).with_fallbacks([model_at(second)])
    assert ask(model, way, "hi").text == "It is sunny."
    assert counts(server, second) == (1, 1)


@in_every_way
def test_what_breaks_after_its_first_text_falls_back_only_as_a_whole_answer(
    server: ScriptServer, second: ScriptServer, way: Way
):
    server.always = broken("Hel")
    model = model_at(server, streaming=True).with_fallbacks([model_at(second)])
    if is_streamed(way):
        with pytest.raises(ours.StreamInterruptedError) as caught:
            pieces_of(model, way, "hi")
        assert caught.value.partial_text == "Hel"
    else:
        assert ask(model, way, "hi").text == "It is sunny."
    assert counts(server, second) == (1, 0 if is_streamed(way) else 1)


@pytest.mark.usefixtures("no_waiting")
@in_both_halves
@pytest.mark.parametrize(
    ("answer", "own", "requests"),
    [(BUSY, 0, 2), (BUSY, 2, 6), (TOO_MANY, 1, 4), (WRONG_KEY, 2, 1)],
    ids=["503", "503 with ours", "429 with ours", "401"],
)
def test_with_retry_and_the_models_own_repetitions_multiply(
    server: ScriptServer, answer: Answer, own: int, requests: int, way: Way
):
    server.always = answer
    model = model_at(server, max_retries=own).with_retry(
        retry_if_exception_type=MAY_PASS, stop_after_attempt=2, wait_exponential_jitter=False
    )
    with pytest.raises(ours.APIStatusError):
        ask(model, way, "hi")
    assert len(server.requests) == requests


asked: list[str] = []


def get_weather(city: str) -> str:
    """The weather in a city."""
    asked.append(city)
    return "sunny"


def retrying(on_failure: Any) -> ModelRetryMiddleware:
    return ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure=on_failure)


def run(agent: Any, way: str, said: Any = "hi", config: Any = None) -> list[Any]:
    """The conversation; `None` goes on with the one of the checkpoint."""
    question = None if said is None else {"messages": said}
    if way == "invoke":
        return agent.invoke(question, config)["messages"]
    return asyncio.run(agent.ainvoke(question, config))["messages"]


def last_roles(server: ScriptServer) -> list[str]:
    return [request.json["messages"][-1]["role"] for request in server.requests]


@in_both_halves
@pytest.mark.parametrize("answer", [BUSY, TOO_MANY, LOST, None], ids=["503", "429", "lost", "broken"])
def test_the_retry_middleware_repeats_the_call_that_failed_and_no_other(
    server: ScriptServer, answer: Answer | None, way: str
):
    asked.clear()
    failure = answer or broken("It is ")
    server.say(calling, failure, failure, done)
    model = model_at(server, max_retries=0, streaming=answer is None)
    agent = create_agent(model, [get_weather], middleware=[retrying("error")])
    assert run(agent, way)[-1].text == "It is sunny."
    assert last_roles(server) == ["user", "tool", "tool", "tool"]
    assert asked == ["Leipzig"]


@in_both_halves
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_a_run_that_failed_goes_on_from_its_checkpoint(server: ScriptServer, streaming: bool, way: str):
    asked.clear()
    server.say(calling, BUSY)
    model = model_at(server, max_retries=0, streaming=streaming)
    agent = create_agent(model, [get_weather], checkpointer=InMemorySaver())
    with pytest.raises(ours.ServiceUnavailableError):
        run(agent, way, config=THREAD)
    server.say(done)
    messages = run(agent, way, None, THREAD)
    assert [type(message) for message in messages[1:]] == [AIMessage, ToolMessage, AIMessage]
    assert messages[-1].text == "It is sunny."
    assert asked == ["Leipzig"]
    assert last_roles(server) == ["user", "tool", "tool"]
    assert server.requests[1].json == server.requests[2].json


def graph_of(model: Any, **policy: Any) -> Any:
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


WHAT_MAY_PASS = {"retry_on": lambda error: getattr(error, "is_retryable", False)}


@in_both_halves
@pytest.mark.parametrize(
    ("policy", "answer", "requests"),
    [
        *((WHAT_MAY_PASS, answer, 3) for answer in (BUSY, TOO_MANY, LOST)),
        (WHAT_MAY_PASS, WRONG_KEY, 1),
        ({}, WRONG_KEY, 3),
    ],
    ids=["503", "429", "lost", "401", "401-by-default"],
)
def test_a_nodes_retry_policy_acts_on_what_may_pass(
    server: ScriptServer, policy: dict[str, Any], answer: Answer, requests: int, way: str
):
    server.always = answer
    with pytest.raises(ours.AKIError):
        run(graph_of(model_at(server, max_retries=0), **policy), way)
    assert len(server.requests) == requests
