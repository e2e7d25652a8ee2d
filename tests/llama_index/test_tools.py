"""Tools: how they are asked for, the calls that come back, and what becomes of calls with broken arguments."""

from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool

from aki_transport import InvalidResponseError
from llama_index_aki import AKI
from tests.llama_index.asking import AGENT_WARNINGS, WAYS, answer, answering, call, model_at, results, run, sent
from tests.scenarios import streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

pytestmark = AGENT_WARNINGS


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def broken_tool() -> str:
    """Never works."""
    raise RuntimeError("out of order")


ADD = FunctionTool.from_defaults(add, description="x" * 3000)
WEATHER, BROKEN = map(FunctionTool.from_defaults, (get_weather, broken_tool))
TOOLS = [ADD, WEATHER]
HI = ChatMessage(content="hi")
SYSTEM = ChatMessage(role="system", content="be kind")
SUM = call("add", '{"a": 1, "b": 2}')
PARIS = call("get_weather", '{"city": "Paris"}', "call_2")
NAMED = {"type": "function", "function": {"name": "add"}}
every_way = subcases("way", [f"{way}_with_tools" for way in WAYS])


def with_tools(llm: AKI, way: str, *tools: FunctionTool, **given: Any) -> ChatResponse:
    return results(getattr(llm, way), list(tools), user_msg="hi", **given)[-1]


CHOICES: list[tuple[dict[str, Any], Any]] = [
    *(({}, None), ({"tool_choice": None}, None), ({"tool_choice": "auto"}, "auto"), ({"tool_choice": "none"}, "none")),
    *(({"tool_choice": choice}, "required") for choice in ("required", "any")),
    *(({"tool_choice": choice}, NAMED) for choice in ("add", NAMED)),
    *(({"tool_choice": {"type": "auto"}}, "auto"), ({"tool_required": True}, "required")),
    *(({"tool_required": False}, None), ({"tool_required": True, "tool_choice": None}, "required")),
    *(({"tool_required": True, "tool_choice": choice}, sent) for choice, sent in (("none", "none"), ("add", NAMED))),
]


@every_way
def test_each_form_of_choice_is_sent_in_openais_form(server: ScriptServer, way: str):
    llm = model_at(server)
    for options, choice in CHOICES:
        with_tools(llm, way, *TOOLS, **options)
        assert sent(server).get("tool_choice") == choice, options


@every_way
def test_tools_are_sent_with_all_of_their_descriptions_and_called(server: ScriptServer, way: str):
    server.always = answering(None, SUM)
    llm = model_at(server)
    response = with_tools(llm, way, ADD, BROKEN, temperature=0)
    adding, without_parameters = (tool["function"] for tool in sent(server)["tools"])
    assert (adding["name"], adding["parameters"]["properties"].keys()) == ("add", {"a", "b"})
    assert adding["description"].endswith("x" * 3000)
    assert without_parameters["parameters"]["type"] == "object"
    assert sent(server)["temperature"] == 0
    (selection,) = llm.get_tool_calls_from_response(response)
    assert selection == ToolSelection(tool_id="call_1", tool_name="add", tool_kwargs={"a": 1, "b": 2})
    assert response.message.additional_kwargs["tool_calls"] == [SUM]


@every_way
def test_without_tools_nothing_of_them_is_sent(server: ScriptServer, way: str):
    given = {"tool_required": True, "tool_choice": "add", "allow_parallel_tool_calls": True}
    assert with_tools(model_at(server), way, **given).message.content == "Hello"
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sent(server))


def test_the_question_stands_behind_the_history_which_is_not_changed(server: ScriptServer):
    llm = model_at(server)
    for history in (None, [], [SYSTEM]):
        for question in ("hi", HI, None, ""):
            before = list(history or [])
            prepared = llm._prepare_chat_with_tools(TOOLS, user_msg=question, chat_history=history)
            asked = [] if question is None else [ChatMessage(content="") if question == "" else HI]
            assert prepared["messages"] == [*before, *asked]
            assert list(history or []) == before
    history = [SYSTEM]
    llm.chat_with_tools(TOOLS, user_msg="hi", chat_history=history)
    assert history == [SYSTEM]
    assert [message["role"] for message in sent(server)["messages"]] == ["system", "user"]


@pytest.mark.parametrize("parallel", [False, True])
@every_way
def test_calls_after_the_first_are_dropped_unless_several_are_allowed(server: ScriptServer, way: str, parallel: bool):
    server.always = answering("I look.", SUM, PARIS)
    llm = model_at(server)
    if parallel:
        response = with_tools(llm, way, *TOOLS, allow_parallel_tool_calls=True)
    else:
        with pytest.warns(UserWarning, match="get_weather is not called"):
            response = with_tools(llm, way, *TOOLS)
    assert sent(server).get("parallel_tool_calls") == (None if parallel else False)
    ids = [selection.tool_id for selection in llm.get_tool_calls_from_response(response)]
    assert ids == ["call_1", "call_2"][: 2 if parallel else 1]
    assert response.message.content == "I look."
    assert len(response.message.blocks) == 1 + len(ids)


def a_response(*blocks: Any, **details: Any) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks))
    return ChatResponse(message=message, additional_kwargs=details)


# Arguments so far, and what is read of them; then those of a complete answer, where None stands for no call.
GROWING: list[tuple[Any, dict[str, Any]]] = [
    *(({"a": 1}, {"a": 1}), ({}, {}), ('{"a": 1}', {"a": 1}), ('{"a": 1, "b": "Par', {"a": 1, "b": "Par"})),
    *(('{"a": [1, 2', {"a": [1, 2]}), *((text, {}) for text in ('{"a', "", "null", "[1]", "nonsense"))),
]
COMPLETE: list[tuple[str, Any]] = [
    ('{"a": 1}', {"a": 1}),
    *((text, None) for text in ('{"a": 1', "[1]", "nonsense", '"text"', "{'a': 1}", '{"a": 1}{"a": 2}')),
]


def test_arguments_are_read_as_far_as_they_go_and_must_be_an_object_in_the_end():
    llm = AKI(model="qwen3.6-35b")
    for rows, details in ((GROWING, {}), (COMPLETE, {"finish_reason": "tool_calls"})):
        for arguments, parsed in rows:
            block = ToolCallBlock(tool_call_id="c", tool_name="f", tool_kwargs=arguments)
            (selection,) = llm.get_tool_calls_from_response(a_response(block, **details), error_on_no_tool_call=False)
            assert (selection.tool_id, selection.tool_kwargs) == ("c", parsed or {}), arguments
            name = "f" if parsed is not None else "f (not called: the arguments of f are"
            assert selection.tool_name.startswith(name), arguments
            assert (selection.tool_name == "f") is (parsed is not None), arguments


BOTH = subcases("how", ["predict_and_call", "apredict_and_call"])


def called(server: ScriptServer, how: str, *tools: FunctionTool, **given: Any) -> Any:
    return results(getattr(model_at(server), how), list(tools), user_msg="hi", **given)[0]


@BOTH
def test_tools_are_chosen_and_called(server: ScriptServer, how: str):
    server.always = answering(None, SUM)
    response = called(server, how, *TOOLS)
    assert response.response == "3"
    assert [(each.tool_name, each.raw_input["kwargs"]) for each in response.sources] == [("add", {"a": 1, "b": 2})]
    server.always = answering(None, SUM, PARIS)
    assert called(server, how, *TOOLS, allow_parallel_tool_calls=True).response == "3\n\nsunny in Paris"


@BOTH
def test_no_call_is_an_error_of_predict_and_call_or_its_text(server: ScriptServer, how: str):
    with pytest.raises(ValueError, match="no tool"):
        called(server, how, *TOOLS)
    assert called(server, how, *TOOLS, error_on_no_tool_call=False).response == "Hello"


@BOTH
def test_a_tools_error_is_its_result_or_an_error(server: ScriptServer, how: str):
    server.always = answering(None, call("broken_tool", "{}"))
    assert "out of order" in called(server, how, BROKEN).response
    with pytest.raises(ValueError, match="out of order"):
        called(server, how, BROKEN, error_on_tool_error=True)


UNUSABLE = {
    "cut": ('{"city": "Ro', "tool_calls"),
    "cut at max_tokens": ('{"city": "Ro', "length"),
    "nothing at max_tokens": ("", "length"),
    "a list": ('["Rome"]', "tool_calls"),
}


class Recorded:
    """Two tools, of which one takes anything, and the calls of both."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

        def one(city: str) -> str:
            self.calls.append(city)
            return "made"

        def anything(**kwargs: Any) -> str:
            self.calls.append(kwargs)
            return "made"

        self.tools = {tool.metadata.name: tool for tool in map(FunctionTool.from_defaults, (one, anything))}


@pytest.mark.parametrize("case", UNUSABLE)
@subcases("streaming", [True, False])
def test_an_agent_goes_on_and_tells_the_model(server: ScriptServer, case: str, streaming: bool):
    arguments, finish = UNUSABLE[case]

    def respond(request: Request) -> Answer:
        stream = request.json.get("stream")
        if request.json["messages"][-1]["role"] == "tool":
            return answer("It is done.", stream=stream)
        return answer(None, call("anything", arguments), stream=stream, finish=finish)

    server.always = respond
    recorded = Recorded()
    agent = FunctionAgent(llm=model_at(server), tools=[recorded.tools["anything"]], streaming=streaming)
    assert run(agent)[0] == "It is done."
    assert recorded.calls == []
    told = sent(server)["messages"][-1]
    assert told["tool_call_id"] == "call_1"
    assert "not called: the" in told["content"]
    assert finish != "length" or "max_tokens" in told["content"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("case", UNUSABLE)
@BOTH
def test_predict_and_call_gives_the_reason_as_an_error(server: ScriptServer, case: str, how: str):
    arguments, finish = UNUSABLE[case]
    recorded = Recorded()
    for name, tool in recorded.tools.items():
        server.always = answering(None, call(name, arguments), finish=finish)
        for needs_call in (True, False):
            with pytest.raises(InvalidResponseError, match="not called: the"):
                called(server, how, tool, error_on_no_tool_call=needs_call)
    assert recorded.calls == []


@BOTH
def test_predict_and_call_names_the_tools_where_the_model_calls_another(server: ScriptServer, how: str):
    server.always = answering(None, call("two", "{}"))
    with pytest.raises(InvalidResponseError, match="called two; the tools are one, anything"):
        called(server, how, *Recorded().tools.values())


def test_a_react_agent_goes_on(server: ScriptServer):
    server.say(streamed("Thought: I need the tool.\nAction: one\nAction Input: nonsense"))
    server.always = streamed("Thought: I can answer now.\nAnswer: It is done.")
    recorded = Recorded()
    assert run(ReActAgent(llm=model_at(server), tools=[recorded.tools["one"]]))[0] == "It is done."
    assert len(server.requests) >= 2
    assert recorded.calls == []
