"""Agents and steps of workflows: odd calls, hand-offs, ReAct, direct results, objects, and calls that fail."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentOutput, AgentStream, AgentWorkflow, FunctionAgent, ReActAgent, ToolCall
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step
from workflows.retry_policy import retry_if_exception, retry_policy, stop_after_attempt, wait_none

import aki_transport.errors as ours
from llama_index_aki import AKI
from tests.llama_index.asking import AGENT_WARNINGS, answer, call, model_at, run, sent
from tests.scenarios import FALLBACK, KEY, chunk, replied, streamed
from tests.scenarios.table import BUSY, LOST, TOO_MANY, WRONG_KEY, broken
from tests.script_server import Answer, ScriptServer, json_answer

pytestmark = [
    *AGENT_WARNINGS,
    # A context is carried from run to run as JSON, in which a memory with a tokenizer has no place.
    pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key"),
]

DONE = streamed("It is ", "done.")
ADD = call("add", '{"a": 1, "b": 2}')
WEATHER = call("get_weather", '{"city": "Paris"}', "call_0")


class Calls:
    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []

    def get_weather(self, city: str | None = None) -> str:
        """The weather in a city."""
        self.made.append(("get_weather", {} if city is None else {"city": city}))
        return f"sunny in {city}"

    def add(self, a: int, b: int) -> int:
        """The sum of two numbers."""
        self.made.append(("add", {"a": a, "b": b}))
        return a + b

    @property
    def tools(self) -> list[FunctionTool]:
        return [FunctionTool.from_defaults(fn=self.get_weather), FunctionTool.from_defaults(fn=self.add)]


@pytest.fixture
def calls() -> Calls:
    return Calls()


def calling(*entries: dict[str, Any], **options: Any) -> Answer:
    return answer(None, *entries, stream=True, **options)


def of_kind(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_events_of_a_step_hold_text_reasoning_and_calls_as_they_come(server: ScriptServer, calls: Calls):
    events = [chunk(reasoning_content="hm, "), chunk("I ", reasoning_content="yes"), "look."]
    pieces = [{"index": 0, **call("get_weather", "")}, {"index": 0, "function": {"arguments": '{"city": "Paris"}'}}]
    server.say(streamed(*events, *(chunk(tool_calls=[piece]) for piece in pieces), finish="tool_calls"), DONE)
    _, told = run(FunctionAgent(llm=model_at(server), tools=calls.tools))
    streams = of_kind(told, AgentStream)
    assert "".join(event.delta for event in streams) == "I look.It is done."
    assert "".join(event.thinking_delta or "" for event in streams) == "hm, yes"
    assert [event.tool_calls[0].tool_kwargs for event in streams if event.tool_calls][-1] == {"city": "Paris"}
    output = of_kind(told, AgentOutput)[0]
    assert [type(block) for block in output.response.blocks] == [ThinkingBlock, TextBlock, ToolCallBlock]
    assert of_kind(told, ToolCall)[0].tool_kwargs == {"city": "Paris"}
    assert all(isinstance(event.raw, dict) for event in streams)


def test_memory_keeps_calls_and_results_which_are_json(server: ScriptServer, calls: Calls):
    server.say(calling(ADD), DONE)
    llm = model_at(server)
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    _, events = run(FunctionAgent(llm=llm, tools=calls.tools), memory=memory)
    assert not of_kind(events, AgentOutput)[0].response.content
    again = [ChatMessage.model_validate_json(message.model_dump_json()) for message in memory.get()]
    assert again == memory.get_all()
    assert [message.role for message in again] == ["user", "assistant", "tool", "assistant"]
    assert again[1].blocks == [ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={"a": 1, "b": 2})]
    llm.chat(again)
    assert sent(server)["messages"][1]["tool_calls"][0]["id"] == "call_1"


def may_pass(error: BaseException) -> bool:
    return isinstance(error, ours.AKIError) and error.is_retryable


def asked_in_a_step(llm: AKI, *, stream: bool = False) -> str:
    retry = retry_if_exception(may_pass)

    class OneStep(Workflow):
        @step(retry_policy=retry_policy(retry=retry, wait=wait_none(), stop=stop_after_attempt(3)))
        async def ask(self, ev: StartEvent) -> StopEvent:
            question = [ChatMessage(content=ev.question)]
            if stream:
                response = [item async for item in await llm.astream_chat(question)][-1]
            else:
                response = await llm.achat(question)
            return StopEvent(result=response.message.content)

    async def awaited() -> str:
        return str(await OneStep(timeout=60).run(question="hi"))

    return asyncio.run(awaited())


FAILURES: dict[str, tuple[Answer, type[Exception], int]] = {
    "503": (BUSY, ours.ServiceUnavailableError, 3),
    "429": (TOO_MANY, ours.RateLimitError, 3),
    "lost": (LOST, ours.APIConnectionError, 3),
    "401": (WRONG_KEY, ours.AuthenticationError, 1),
    "402": (json_answer({"error": "no credits"}, 402), ours.InsufficientCreditsError, 1),
    "another model": (replied(top={"model": FALLBACK}), ours.ModelFallbackError, 1),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_step_repeats_what_may_pass_and_raises_the_rest(server: ScriptServer, case: str):
    server.always, error, requests = FAILURES[case]
    with pytest.raises(error):
        asked_in_a_step(model_at(server, max_retries=0))
    assert len(server.requests) == requests


@pytest.mark.parametrize("stream", [False, True])
def test_a_step_ends_with_the_answer(server: ScriptServer, stream: bool):
    server.say(BUSY, broken("Hel") if stream else LOST, answer("Hello", stream=stream))
    assert asked_in_a_step(model_at(server, max_retries=0), stream=stream) == "Hello"
    assert len(server.requests) == 3


ACTING = streamed('Thought: I look.\nAction: get_weather\nAction Input: {"city": "Paris"}')
AGENTS: dict[str, tuple[Callable[[AKI, Calls], Any], Answer]] = {
    "FunctionAgent": (lambda llm, calls: FunctionAgent(llm=llm, tools=calls.tools), calling(WEATHER)),
    "AgentWorkflow": (
        lambda llm, calls: AgentWorkflow.from_tools_or_functions(calls.tools, llm=llm),
        calling(WEATHER),
    ),
    "ReActAgent": (lambda llm, calls: ReActAgent(llm=llm, tools=calls.tools), ACTING),
}
ONCE = [("get_weather", {"city": "Paris"})]


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize("case", ["503", "401", "lost", "broken"])
def test_an_error_in_the_middle_of_a_run_reaches_the_caller_as_it_is(
    server: ScriptServer, calls: Calls, case: str, kind: str
):
    make, first = AGENTS[kind]
    failure, error, _ = FAILURES.get(case) or (broken("It is "), ours.StreamInterruptedError, 1)
    server.say(first, failure)
    with pytest.raises(error) as caught:
        run(make(model_at(server, max_retries=0), calls))
    assert KEY not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
    assert calls.made == ONCE
    assert len(server.requests) == 2


def test_the_context_of_a_failed_run_is_json_without_the_key_and_goes_on(server: ScriptServer, calls: Calls):
    server.say(calling(WEATHER), WRONG_KEY, DONE)
    bad, good = (FunctionAgent(llm=model_at(server), tools=calls.tools) for _ in range(2))

    async def awaited() -> str:
        handler = bad.run(user_msg="How is Paris?", ctx=Context(bad))
        with pytest.raises(ours.AuthenticationError):
            await handler
        kept = handler.ctx.to_dict()
        assert KEY not in str(kept)
        return str(await good.run(user_msg="Go on.", ctx=Context.from_dict(good, kept)))

    assert asyncio.run(awaited()) == "It is done."
    assert calls.made == ONCE
    assert len(server.requests) == 3
    *_, called, result = sent(server)["messages"]
    assert result["tool_call_id"] == called["tool_calls"][0]["id"]
