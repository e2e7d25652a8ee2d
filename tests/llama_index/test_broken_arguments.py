"""A model that writes broken arguments is told so: no run ends, and no function of the user's is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.tools import FunctionTool

from aki_transport import InvalidResponseError
from llama_index_aki import AKI
from tests.llama_index.asking import model_at
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer

# LlamaIndex's workflows look at every attribute of an agent, pydantic's old ones too.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

BROKEN = {
    "cut": ('{"city": "Ro', "tool_calls"),
    "cut at max_tokens": ('{"city": "Ro', "length"),
    "nothing at max_tokens": ("", "length"),
    "a list": ('["Rome"]', "tool_calls"),
    "a text": ("Rome", "tool_calls"),
    "an object too many": ('{"city": "Rome"}{"city": "Paris"}', "tool_calls"),
    "Python": ("{'city': 'Rome'}", "tool_calls"),
}
made: list[Any] = []


def without() -> str:
    """Takes nothing."""
    made.append(())
    return "made"


def one(city: str) -> str:
    """Takes one."""
    made.append(city)
    return "made"


def defaults(city: str = "Paris", days: int = 3) -> str:
    """Takes nothing if need be."""
    made.append((city, days))
    return "made"


def anything(**kwargs: Any) -> str:
    """Takes anything."""
    made.append(kwargs)
    return "made"


TOOLS: tuple[Callable[..., str], ...] = (without, one, defaults, anything)


def answer(request: Request, name: str, arguments: str, finish: str) -> Answer:
    """Broken arguments first; text once the result of the call is there."""
    is_stream = request.json.get("stream")
    if request.json["messages"][-1]["role"] == "tool":
        return streamed("It is done.") if is_stream else replied("It is done.")
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    if is_stream:
        return streamed(chunk(tool_calls=[{"index": 0, **call}]), finish=finish)
    return replied(None, tool_calls=[call], finish=finish)


def function_agent(llm: AKI, tool: FunctionTool) -> Any:
    return FunctionAgent(llm=llm, tools=[tool])


def blocking_agent(llm: AKI, tool: FunctionTool) -> Any:
    return FunctionAgent(llm=llm, tools=[tool], streaming=False)


def workflow(llm: AKI, tool: FunctionTool) -> Any:
    return AgentWorkflow(agents=[FunctionAgent(name="a", description="a", llm=llm, tools=[tool])])


def run(agent: Any) -> str:
    async def awaited() -> str:
        return str(await agent.run("hi"))

    return asyncio.run(awaited())


@pytest.mark.parametrize("case", BROKEN)
def test_an_agent_goes_on_and_tells_the_model(case: str, subtests) -> None:
    arguments, finish = BROKEN[case]
    for function in TOOLS:
        for agent in (function_agent, blocking_agent, workflow):
            made.clear()
            respond = lambda request, name=function.__name__: answer(request, name, arguments, finish)  # noqa: E731
            with (
                subtests.test(function.__name__, agent=agent.__name__),
                ScriptServer(always=respond) as server,
            ):
                assert run(agent(model_at(server), FunctionTool.from_defaults(function))) == "It is done."
                assert made == []
                told = server.requests[-1].json["messages"][-1]
                assert told["tool_call_id"] == "c1"
                assert "not called: the" in told["content"]
                assert len(server.requests) == 2


@pytest.mark.parametrize("case", BROKEN)
def test_predict_and_call_gives_the_reason_as_an_error(case: str, subtests) -> None:
    arguments, finish = BROKEN[case]
    for function in TOOLS:
        for how in ("predict_and_call", "apredict_and_call"):
            made.clear()
            respond = lambda request, name=function.__name__: answer(request, name, arguments, finish)  # noqa: E731
            with subtests.test(function.__name__, how=how), ScriptServer(always=respond) as server:
                tools = [FunctionTool.from_defaults(function)]
                with pytest.raises(InvalidResponseError, match="not called: the"):
                    asyncio.run(_awaited(getattr(model_at(server), how)(tools, user_msg="hi")))
                assert made == []


async def _awaited(coroutine: Any) -> Any:
    return await coroutine


def test_the_calls_that_can_be_made_are_made() -> None:
    calls = [
        {"id": f"c{index}", "type": "function", "function": {"name": "one", "arguments": arguments}}
        for index, arguments in enumerate(('{"city": "Rome"}', '{"city": "Pa', '{"city": "Oslo"}'))
    ]
    tools = [FunctionTool.from_defaults(one)]
    with ScriptServer(always=replied(None, tool_calls=calls, finish="tool_calls")) as server:
        llm = model_at(server)
        response = llm.chat_with_tools(tools, user_msg="hi", allow_parallel_tool_calls=True)
        first, broken, last = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    assert [first.tool_kwargs, last.tool_kwargs] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert "not called" in broken.tool_name


def test_a_react_agent_goes_on() -> None:
    said = iter(
        [
            "Thought: I need the tool.\nAction: one\nAction Input: nonsense",
            "Thought: I can answer now.\nAnswer: It is done.",
        ]
    )
    made.clear()
    with ScriptServer(always=lambda _: streamed(next(said, "Thought: I can answer.\nAnswer: It is done."))) as server:
        assert run(ReActAgent(llm=model_at(server), tools=[FunctionTool.from_defaults(one)])) == "It is done."
        assert len(server.requests) >= 2
    assert made == []
