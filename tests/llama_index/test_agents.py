"""Agents: tool calls in every odd form through the async streaming path, hand-offs, ReAct, direct results, objects."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCall,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

import aki_transport.errors as ours
from tests.llama_index.asking import model_at, model_on
from tests.pictures import a_png
from tests.scenarios import SCENARIOS, Expect, Scenario, chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer

# LlamaIndex's workflows look at every attribute of an agent, pydantic's old ones too.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

DONE = streamed("It is ", "done.")
CALLS = [
    row
    for row in SCENARIOS
    if row.tools
    and row.stream is not None
    and isinstance(row.outcome(streamed=True), Expect)
    and row.outcome(streamed=True).tool_calls
    and not row.outcome(streamed=True).invalid_tool_calls
]


class Calls:
    """Two tools that remember how they were called."""

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


def call(name: str, arguments: Any, index: int = 0, call_id: str | None = None) -> dict[str, Any]:
    entry = {"index": index, "id": call_id or f"call_{index}", "type": "function"}
    return {**entry, "function": {"name": name, "arguments": arguments}}


def calling(*calls: dict[str, Any], text: str = "") -> Answer:
    events = [chunk(tool_calls=[entry]) for entry in calls]
    return streamed(*([text] if text else []), *events, finish="tool_calls")


def run(agent: Any, question: str = "hi", **given: Any) -> tuple[Any, list[Any]]:
    """The agent's result and its events."""

    async def awaited() -> tuple[Any, list[Any]]:
        handler = agent.run(user_msg=question, **given)
        events = [event async for event in handler.stream_events()]
        return await handler, events

    return asyncio.run(awaited())


def two_turns(agent: FunctionAgent) -> tuple[Any, Any]:
    """The results of two questions with one memory."""
    memory = ChatMemoryBuffer.from_defaults(llm=agent.llm)
    return run(agent, memory=memory)[0], run(agent, "and?", memory=memory)[0]


def sent(server: ScriptServer, at: int = -1) -> list[dict[str, Any]]:
    return server.requests[at].json["messages"]


# Calls in every form


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in CALLS])
def test_an_agent_makes_the_calls_of_each_odd_stream(server: ScriptServer, row: Scenario):
    expect = row.outcome(streamed=True)
    assert isinstance(expect, Expect)
    server.say(row.stream, DONE)
    calls = Calls()
    result, events = run(FunctionAgent(llm=model_at(server), tools=calls.tools))
    assert sorted(calls.made, key=str) == sorted(expect.tool_calls, key=str)
    assert str(result) == "It is done."
    assert len(server.requests) == 2
    answered = [message for message in sent(server) if message["role"] == "tool"]
    (asked,) = [message for message in sent(server) if message["role"] == "assistant"]
    ids = [entry["id"] for entry in asked["tool_calls"]]
    assert all(ids)
    assert sorted(message["tool_call_id"] for message in answered) == sorted(ids)
    assert [entry["function"]["name"] for entry in asked["tool_calls"]] == [name for name, _ in expect.tool_calls]
    assert len([event for event in events if isinstance(event, ToolCallResult)]) == len(expect.tool_calls)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in CALLS])
def test_two_agents_hand_off_and_make_the_calls_of_each_odd_stream(server: ScriptServer, row: Scenario):
    expect = row.outcome(streamed=True)
    assert isinstance(expect, Expect)
    handoff = calling(call("handoff", '{"to_agent": "second", "reason": "it knows"}', call_id="call_h"))
    server.say(handoff, row.stream, DONE)
    result, events, calls = two_agents(server)
    assert sorted(calls.made, key=str) == sorted(expect.tool_calls, key=str)
    assert str(result) == "It is done."
    assert len(server.requests) == 3
    assert [event.current_agent_name for event in events if isinstance(event, AgentOutput)] == [
        "first",
        "second",
        "second",
    ]


def two_agents(server: ScriptServer) -> tuple[Any, list[Any], Calls]:
    calls = Calls()
    llm = model_at(server)
    first = FunctionAgent(
        name="first", description="asks", llm=llm, system_prompt="You ask.", can_handoff_to=["second"]
    )
    second = FunctionAgent(name="second", description="knows", llm=llm, system_prompt="You know.", tools=calls.tools)
    result, events = run(AgentWorkflow(agents=[first, second], root_agent="first"))
    return result, events, calls


def test_a_hand_off_keeps_the_conversation_in_order(server: ScriptServer):
    handoff = calling(call("handoff", '{"to_agent": "second", "reason": "it knows"}', call_id="call_h"))
    server.say(handoff, calling(call("add", '{"a": 1, "b": 2}')), DONE)
    two_agents(server)
    assert sent(server, 0)[0] == {"role": "system", "content": "You ask."}
    assert [tool["function"]["name"] for tool in server.requests[0].json["tools"]] == ["handoff"]
    assert sent(server, 1)[0] == {"role": "system", "content": "You know."}
    called = [message for message in sent(server, 1) if message.get("tool_calls")]
    answered = [message for message in sent(server, 1) if message["role"] == "tool"]
    assert [entry["id"] for message in called for entry in message["tool_calls"]] == ["call_h"]
    assert [message["tool_call_id"] for message in answered] == ["call_h"]


def test_a_workflow_of_tools_takes_the_agent_that_calls_functions(server: ScriptServer):
    server.say(calling(call("add", '{"a": 1, "b": 2}')), DONE)
    calls = Calls()
    workflow = AgentWorkflow.from_tools_or_functions(calls.tools, llm=model_at(server))
    result, _ = run(workflow)
    assert str(result) == "It is done."
    assert calls.made == [("add", {"a": 1, "b": 2})]


def test_an_agent_without_streaming_makes_the_same_calls(server: ScriptServer):
    made = [call("get_weather", '{"city": "Paris"}', 0), call("add", '{"a": 1, "b": 2}', 1)]
    server.say(replied(None, tool_calls=made, finish="tool_calls"), replied("It is done."))
    calls = Calls()
    result, _ = run(FunctionAgent(llm=model_at(server), tools=calls.tools, streaming=False))
    assert sorted(calls.made) == [("add", {"a": 1, "b": 2}), ("get_weather", {"city": "Paris"})]
    assert str(result) == "It is done."
    assert "stream" not in server.requests[0].json


# Events


def test_events_of_a_step_hold_text_thoughts_and_calls_as_they_come(server: ScriptServer):
    server.say(
        streamed(
            chunk(reasoning_content="hm, "),
            chunk("I ", reasoning_content="yes"),
            "look.",
            chunk(tool_calls=[call("get_weather", "")]),
            chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"city": "Paris"}'}}]),
            finish="tool_calls",
        ),
        DONE,
    )
    _, events = run(FunctionAgent(llm=model_at(server), tools=Calls().tools))
    streams = [event for event in events if isinstance(event, AgentStream)]
    assert "".join(event.delta for event in streams) == "I look.It is done."
    assert "".join(event.thinking_delta or "" for event in streams) == "hm, yes"
    assert [event.tool_calls[0].tool_kwargs for event in streams if event.tool_calls][-1] == {"city": "Paris"}
    output = next(event for event in events if isinstance(event, AgentOutput))
    assert [type(block) for block in output.response.blocks] == [ThinkingBlock, TextBlock, ToolCallBlock]
    assert next(event for event in events if isinstance(event, ToolCall)).tool_kwargs == {"city": "Paris"}
    assert all(isinstance(event.raw, dict) for event in streams)


def test_thoughts_go_back_within_the_agents_turn_and_not_into_the_next(server: ScriptServer):
    thoughtful = streamed(
        chunk(reasoning_content="hm"), chunk(tool_calls=[call("add", '{"a": 1, "b": 2}')]), finish="tool_calls"
    )
    server.say(thoughtful, DONE, DONE)
    agent = FunctionAgent(llm=model_at(server), tools=Calls().tools)

    two_turns(agent)
    assert [message.get("reasoning_content") for message in sent(server, 1)] == [None, "hm", None]
    assert not [message for message in sent(server, 2) if "reasoning_content" in message]
    assert [message["role"] for message in sent(server, 2)] == ["user", "assistant", "tool", "assistant", "user"]


def test_an_error_of_a_tool_is_told_to_the_model(server: ScriptServer):
    def fail() -> str:
        """Never works."""
        raise RuntimeError("out of order")

    server.say(calling(call("fail", "{}")), DONE)
    result, _ = run(FunctionAgent(llm=model_at(server), tools=[fail]))
    assert str(result) == "It is done."
    assert "out of order" in sent(server)[-1]["content"]


def test_a_tool_that_there_is_not_is_told_to_the_model(server: ScriptServer):
    server.say(calling(call("fly", "{}")), DONE)
    result, _ = run(FunctionAgent(llm=model_at(server), tools=Calls().tools))
    assert str(result) == "It is done."
    assert "fly" in sent(server)[-1]["content"]


def test_an_error_of_the_service_reaches_the_caller(server: ScriptServer):
    server.always = json_answer({"error": {"message": "wrong key", "code": "invalid_api_key"}}, 401)
    with pytest.raises(ours.AuthenticationError, match="wrong key"):
        run(FunctionAgent(llm=model_at(server), tools=Calls().tools))


@pytest.mark.parametrize("wanted", ["get_weather", "required", "auto"])
def test_a_first_tool_choice_is_sent_with_the_first_request_alone(server: ScriptServer, wanted: str):
    server.say(calling(call("get_weather", "{}")), DONE)
    run(FunctionAgent(llm=model_at(server), tools=Calls().tools, initial_tool_choice=wanted))
    named = {"type": "function", "function": {"name": wanted}} if wanted == "get_weather" else wanted
    assert server.requests[0].json["tool_choice"] == named
    assert "tool_choice" not in server.requests[1].json


# Direct results, ReAct, objects


def test_a_direct_result_is_the_answer_and_the_next_turn_goes_on(server: ScriptServer):
    calls = Calls()
    direct = FunctionTool.from_defaults(fn=calls.add, return_direct=True)
    server.say(calling(call("add", '{"a": 1, "b": 2}')), DONE)
    agent = FunctionAgent(llm=model_at(server), tools=[direct])

    first, second = two_turns(agent)
    assert (str(first), str(second)) == ("3", "It is done.")
    assert len(server.requests) == 2
    assert [message["role"] for message in sent(server)] == ["user", "assistant", "tool", "assistant", "user"]
    assert sent(server)[3] == {"role": "assistant", "content": "3"}


def test_a_react_agent_thinks_acts_and_answers(server: ScriptServer):
    server.say(
        streamed('Thought: I add.\nAction: add\nAction Input: {"a": 1, "b": 2}'),
        streamed("Thought: I can answer without using any more tools.\nAnswer: It is 3."),
    )
    calls = Calls()
    result, events = run(ReActAgent(llm=model_at(server), tools=calls.tools))
    assert str(result) == "It is 3."
    assert calls.made == [("add", {"a": 1, "b": 2})]
    assert not [request for request in server.requests if "tools" in request.json]
    assert "Observation: 3" in sent(server)[-1]["content"]
    assert [event for event in events if isinstance(event, AgentStream)]


def test_a_react_agent_streams_thoughts_of_the_model_too(server: ScriptServer):
    server.say(streamed(chunk(reasoning_content="hm"), "Thought: easy.\nAnswer: It is 3."))
    result, events = run(ReActAgent(llm=model_at(server), tools=Calls().tools))
    assert str(result) == "It is 3."
    assert [event.thinking_delta for event in events if isinstance(event, AgentStream) and event.thinking_delta] == [
        "hm"
    ]


class Forecast(BaseModel):
    """A forecast."""

    city: str
    sky: str


def test_an_agent_answers_with_an_object(server: ScriptServer):
    def answer(request: Request) -> Answer:
        body = request.json
        if "Forecast" in str(body.get("response_format")) + str(body.get("tools")) or "JSON schema" in str(body):
            text = '{"city": "Paris", "sky": "blue"}'
            return streamed(text) if body.get("stream") else replied(text)
        return DONE if any(message["role"] == "tool" for message in body["messages"]) else asked

    asked = calling(call("get_weather", '{"city": "Paris"}'))
    server.always = answer
    agent = FunctionAgent(llm=model_at(server), tools=Calls().tools, output_cls=Forecast)
    result, _ = run(agent)
    assert result.structured_response == {"city": "Paris", "sky": "blue"}
    assert result.get_pydantic_model(Forecast) == Forecast(city="Paris", sky="blue")
    assert len(server.requests) == 3


def test_memory_keeps_calls_and_results_which_are_json(server: ScriptServer):
    server.say(calling(call("add", '{"a": 1, "b": 2}')), DONE, replied())
    llm = model_at(server)
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    run(FunctionAgent(llm=llm, tools=Calls().tools), memory=memory)
    again = [ChatMessage.model_validate_json(message.model_dump_json()) for message in memory.get()]
    assert again == memory.get_all()
    assert [message.role for message in again] == ["user", "assistant", "tool", "assistant"]
    assert again[1].blocks == [ToolCallBlock(tool_call_id="call_0", tool_name="add", tool_kwargs={"a": 1, "b": 2})]
    llm.chat(again)
    assert sent(server)[1]["tool_calls"][0]["id"] == "call_0"


# On the emulator


def search_documents(query: str) -> str:
    """Search the documents."""
    return f"About {query}: the warehouse in Leipzig opened in 2019."


def token_cost(tokens: int, usd_per_million: float) -> float:
    """The price of tokens in USD."""
    return tokens * usd_per_million / 1_000_000


def test_a_question_of_two_tools_is_answered(fresh_emulator):
    agent = FunctionAgent(
        llm=model_on(fresh_emulator), tools=[search_documents, token_cost], system_prompt="Answer with the tools."
    )
    question = "Search the documents for the warehouse, and what do 250000 tokens cost at 0.45 USD per million?"
    result, events = run(agent, question)
    called = {event.tool_name for event in events if isinstance(event, ToolCallResult)}
    assert called == {"search_documents", "token_cost"}
    assert "0.1125" in str(result)


def test_a_picture_of_a_tool_reaches_the_model_behind_the_results(server: ScriptServer):
    picture = a_png(2, 2)

    def draw(what: str) -> list[Any]:
        """Draw a picture."""
        return [TextBlock(text=f"a {what}"), ImageBlock(image=picture, image_mimetype="image/png")]

    server.say(calling(call("draw", '{"what": "cat"}'), call("draw", '{"what": "dog"}', 1)), DONE)
    result, _ = run(FunctionAgent(llm=model_at(server), tools=[draw]))
    assert str(result) == "It is done."
    *_, first, second, shown = sent(server)
    assert (first["role"], second["role"], shown["role"]) == ("tool", "tool", "user")
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    assert [part["image_url"]["url"] for part in shown["content"] if part["type"] == "image_url"] == [url, url]


def test_the_emulator_sees_the_picture_of_a_tool(fresh_emulator):
    def draw(what: str) -> list[Any]:
        """Draw a picture of something."""
        return [TextBlock(text=f"a {what}"), ImageBlock(image=a_png(2, 2), image_mimetype="image/png")]

    agent = FunctionAgent(llm=model_on(fresh_emulator), tools=[draw])
    result, events = run(agent, "Draw a cat.")
    assert [event.tool_name for event in events if isinstance(event, ToolCallResult)] == ["draw"]
    assert str(result)


def test_the_emulator_plays_two_agents(fresh_emulator):
    llm = model_on(fresh_emulator)
    agent = FunctionAgent(name="only", description="adds", llm=llm, tools=[token_cost])
    result, _ = run(AgentWorkflow(agents=[agent]), "What do 250000 tokens cost at 0.45 USD per million?")
    assert "0.1125" in str(result)


async def test_many_agents_at_once_do_not_mix(server: ScriptServer):
    def answer(request: Request) -> Answer:
        question = next(message["content"] for message in request.json["messages"] if message["role"] == "user")
        if any(message["role"] == "tool" for message in request.json["messages"]):
            return streamed(f"sum of {question}")
        return calling(call("add", f'{{"a": {question}, "b": 1}}'))

    server.always = answer
    llm = model_at(server)
    calls = Calls()

    async def asked(n: int) -> str:
        return str(await FunctionAgent(llm=llm, tools=calls.tools).run(user_msg=str(n)))

    assert await asyncio.gather(*(asked(n) for n in range(20))) == [f"sum of {n}" for n in range(20)]
    assert sorted(made["a"] for _, made in calls.made) == list(range(20))
    await llm.aclose()


def test_only_the_first_call_is_made_where_parallel_calls_are_not_allowed(server: ScriptServer):
    both = (call("get_weather", '{"city": "Paris"}', 0), call("add", '{"a": 1, "b": 2}', 1))
    server.say(calling(*both), DONE)
    calls = Calls()
    with pytest.warns(UserWarning, match="add is not called"):
        run(FunctionAgent(llm=model_at(server), tools=calls.tools, allow_parallel_tool_calls=False))
    assert server.requests[0].json["parallel_tool_calls"] is False
    assert calls.made == [("get_weather", {"city": "Paris"})]


def test_an_answer_of_calls_alone_is_an_empty_text(server: ScriptServer):
    server.say(calling(call("add", '{"a": 1, "b": 2}')), DONE)
    _, events = run(FunctionAgent(llm=model_at(server), tools=Calls().tools))
    output = next(event for event in events if isinstance(event, AgentOutput))
    assert not output.response.content
    assert ChatMessage.model_validate(output.response.model_dump()) == output.response
