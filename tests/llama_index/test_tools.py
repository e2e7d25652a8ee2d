"""Tools: how they are asked for, the calls that come back, and what becomes of broken ones."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool

from llama_index_aki import AKI
from tests.llama_index.asking import STREAMED, WAYS, Way, ask, is_streamed, items_of, model_at, model_on
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, ScriptServer
from tests.subcases import subcases


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def broken_tool() -> str:
    """Never works."""
    raise RuntimeError("out of order")


ADD, WEATHER, BROKEN = (FunctionTool.from_defaults(fn=fn) for fn in (add, get_weather, broken_tool))
TOOLS = [ADD, WEATHER]
HI = ChatMessage(content="hi")
SYSTEM = ChatMessage(role="system", content="be kind")
WAYS_WITH_TOOLS = ("chat_with_tools", "achat_with_tools", "stream_chat_with_tools", "astream_chat_with_tools")


def call(name: str, arguments: Any, call_id: str | None = "call_1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def said(*calls: dict[str, Any], stream: bool, text: str | None = None, finish: str = "tool_calls") -> Answer:
    """An answer with these calls, whole or streamed."""
    if not stream:
        return replied(text, tool_calls=list(calls), finish=finish)
    events = [chunk(tool_calls=[{"index": index, **called}]) for index, called in enumerate(calls)]
    return streamed(*([text] if text else []), *events, finish=finish)


def sent(server: ScriptServer) -> dict[str, Any]:
    return server.requests[-1].json


def with_tools(llm: AKI, way: str, *tools: FunctionTool, **given: Any) -> ChatResponse:
    """The last of what `way` gives."""

    async def awaited() -> Any:
        found = await getattr(llm, way)(list(tools), **given)
        return [item async for item in found][-1] if "stream" in way else found

    if way.startswith("a"):
        return asyncio.run(awaited())
    found = getattr(llm, way)(list(tools), **given)
    return list(found)[-1] if "stream" in way else found


def prepared(tools: Any = TOOLS, **given: Any) -> dict[str, Any]:
    return AKI(model="qwen3.6-35b")._prepare_chat_with_tools(tools, **given)


# Preparing


def test_no_choice_is_made_where_none_was_asked_for():
    found = prepared(user_msg="hi")
    assert "tool_choice" not in found
    assert [tool["function"]["name"] for tool in found["tools"]] == ["add", "get_weather"]
    assert found["messages"] == [HI]


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ({"tool_required": True}, "required"),
        ({"tool_required": False}, None),
        ({"tool_choice": "none", "tool_required": True}, "none"),
        ({"tool_choice": "auto", "tool_required": True}, "auto"),
        ({"tool_choice": "add", "tool_required": True}, "add"),
        ({"tool_choice": "add"}, "add"),
        ({"tool_choice": "required"}, "required"),
        ({"tool_choice": None, "tool_required": True}, "required"),
    ],
)
def test_an_explicit_choice_wins_over_a_required_one(given: dict[str, Any], choice: Any):
    assert prepared(user_msg="hi", **given).get("tool_choice") == choice


NAMED = {"type": "function", "function": {"name": "add"}}


@pytest.mark.parametrize(
    ("choice", "on_the_wire"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("any", "required"),
        ("add", NAMED),
        (NAMED, NAMED),
        ({"type": "auto"}, "auto"),
        (None, None),
    ],
)
@subcases("way", WAYS_WITH_TOOLS)
def test_each_form_of_choice_is_said_in_openais_words(server: ScriptServer, way: str, choice: Any, on_the_wire: Any):
    server.say(said(call("add", '{"a": 1, "b": 2}'), stream="stream" in way))
    with_tools(model_at(server), way, *TOOLS, user_msg="hi", tool_choice=choice)
    assert sent(server).get("tool_choice") == on_the_wire


@subcases("way", WAYS_WITH_TOOLS)
def test_a_required_tool_is_said_to_be(server: ScriptServer, way: str):
    server.say(said(call("add", '{"a": 1, "b": 2}'), stream="stream" in way))
    response = with_tools(model_at(server), way, ADD, user_msg="hi", tool_required=True)
    assert sent(server)["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in sent(server)["tools"]] == ["add"]
    assert sent(server)["tools"][0]["function"]["parameters"]["properties"].keys() == {"a", "b"}
    (found,) = AKI(model="qwen3.6-35b").get_tool_calls_from_response(response)
    assert found == ToolSelection(tool_id="call_1", tool_name="add", tool_kwargs={"a": 1, "b": 2})


@subcases("way", WAYS_WITH_TOOLS)
def test_without_tools_nothing_of_them_is_sent(server: ScriptServer, way: str):
    server.say(streamed("Hello") if "stream" in way else replied())
    given = {"user_msg": "hi", "tool_required": True, "tool_choice": "add", "allow_parallel_tool_calls": True}
    response = with_tools(model_at(server), way, **given)
    assert response.message.content == "Hello"
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sent(server))


def test_without_tools_there_is_nothing_of_them():
    assert set(prepared([], user_msg="hi", tool_required=True, tool_choice="add")) == {"messages"}


def test_other_arguments_are_passed_on():
    assert prepared(user_msg="hi", temperature=0, seed=7) | {"tools": None, "messages": None} == {
        "temperature": 0,
        "seed": 7,
        "parallel_tool_calls": False,
        "tools": None,
        "messages": None,
    }


@pytest.mark.parametrize("user_msg", ["hi", HI, None])
@pytest.mark.parametrize("history", [None, [], [SYSTEM]])
def test_the_question_stands_behind_the_history_which_is_not_changed(user_msg: Any, history: Any):
    before = list(history or [])
    found = prepared(user_msg=user_msg, chat_history=history)
    assert found["messages"] == [*before, *([] if user_msg is None else [HI])]
    assert list(history or []) == before
    assert found["messages"] is not history


def test_a_question_without_characters_is_a_question():
    assert prepared(user_msg="")["messages"] == [ChatMessage(content="")]


def test_chat_with_tools_does_not_change_the_history(server: ScriptServer):
    server.say(said(call("add", '{"a": 1, "b": 2}'), stream=False))
    history = [SYSTEM]
    model_at(server).chat_with_tools(TOOLS, user_msg="hi", chat_history=history)
    assert history == [SYSTEM]
    assert [message["role"] for message in sent(server)["messages"]] == ["system", "user"]


def test_a_long_description_is_sent_whole(server: ScriptServer):
    server.say(replied())
    tool = FunctionTool.from_defaults(fn=add, description="x" * 3000)
    model_at(server).chat_with_tools([tool], user_msg="hi")
    assert sent(server)["tools"][0]["function"]["description"].endswith("x" * 3000)


def test_a_tool_without_parameters_is_called(server: ScriptServer):
    server.say(said(call("broken_tool", ""), stream=False))
    response = model_at(server).chat_with_tools([BROKEN], user_msg="hi")
    (found,) = model_at(server).get_tool_calls_from_response(response)
    assert found.tool_kwargs == {}
    assert sent(server)["tools"][0]["function"]["parameters"]["type"] == "object"


# Several calls

TWO = (call("add", '{"a": 1, "b": 2}'), call("get_weather", '{"city": "Paris"}', "call_2"))


@subcases("way", WAYS_WITH_TOOLS)
def test_several_calls_are_given_where_they_are_allowed(server: ScriptServer, way: str):
    server.say(said(*TWO, stream="stream" in way, text="I look."))
    llm = model_at(server)
    response = with_tools(llm, way, *TOOLS, user_msg="hi", allow_parallel_tool_calls=True)
    assert [found.tool_id for found in llm.get_tool_calls_from_response(response)] == ["call_1", "call_2"]
    assert response.message.content == "I look."


@subcases("way", ["chat_with_tools", "achat_with_tools"])
def test_the_first_call_is_kept_where_only_one_is_allowed(server: ScriptServer, way: str):
    server.say(said(*TWO, stream=False, text="I look."))
    llm = model_at(server)
    with pytest.warns(UserWarning, match="is not called"):
        response = with_tools(llm, way, *TOOLS, user_msg="hi", allow_parallel_tool_calls=False)
    assert sent(server)["parallel_tool_calls"] is False
    (found,) = llm.get_tool_calls_from_response(response)
    assert (found.tool_id, found.tool_name) == ("call_1", "add")
    assert response.message.content == "I look."
    assert len(response.message.blocks) == 2


# Reading calls


def a_response(*blocks: Any, **known: Any) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks)), additional_kwargs=known)


def selected(*kwargs: Any, **known: Any) -> list[ToolSelection]:
    blocks = [ToolCallBlock(tool_call_id=f"c{n}", tool_name="f", tool_kwargs=given) for n, given in enumerate(kwargs)]
    return AKI(model="qwen3.6-35b").get_tool_calls_from_response(
        a_response(*blocks, **known), error_on_no_tool_call=False
    )


def test_no_call_is_an_error_unless_it_is_not():
    llm = AKI(model="qwen3.6-35b")
    for response in (a_response(), a_response(TextBlock(text="hi"), finish_reason="stop")):
        with pytest.raises(ValueError, match="no tool"):
            llm.get_tool_calls_from_response(response)
        assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"a": 1}, {"a": 1}),
        ({}, {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1, "b": "Par', {"a": 1, "b": "Par"}),
        ('{"a": [1, 2', {"a": [1, 2]}),
        ('{"a', {}),
        ("", {}),
        ("null", {}),
        ("[1]", {}),
        ("nonsense", {}),
    ],
)
def test_arguments_are_read_as_far_as_they_go(given: Any, read: dict[str, Any]):
    (found,) = selected(given)
    assert found.tool_kwargs == read


@pytest.mark.parametrize("given", ['{"a": 1', "[1]", "nonsense", '"text"'])
def test_arguments_of_a_whole_answer_that_are_no_object_select_no_tool(given: str):
    (found,) = selected(given, finish_reason="tool_calls")
    assert (found.tool_id, found.tool_kwargs) == ("c0", {})
    assert found.tool_name.startswith("f (not called: the arguments of f are")


def test_a_call_of_another_integration_is_read():
    (found,) = selected('{"a": 1}')
    assert found == ToolSelection(tool_id="c0", tool_name="f", tool_kwargs={"a": 1})


def test_whole_arguments_as_text_in_a_whole_answer_are_read():
    (found,) = selected('{"a": 1}', finish_reason="tool_calls")
    assert found.tool_kwargs == {"a": 1}


CUT = {
    "behind_the_name": "",
    "amid": '{"city": "Par',
    "behind_the_brace": "{",
}


@pytest.mark.parametrize("how", CUT)
@subcases("way", WAYS)
def test_a_call_that_was_cut_at_max_tokens_is_not_made(server: ScriptServer, way: Way, how: str):
    server.say(said(call("get_weather", CUT[how]), stream=is_streamed(way), finish="length"))
    llm = model_at(server)
    response = ask(llm, way, "hi", tools=[WEATHER.metadata.to_openai_tool()])
    assert response.additional_kwargs["finish_reason"] == "length"
    (selection,) = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    assert (selection.tool_name.split(" ")[:2], selection.tool_kwargs) == (["get_weather", "(not"], {})
    assert len(server.requests) == 1


def test_the_error_of_a_call_that_was_cut_says_what_cut_it(server: ScriptServer):
    server.say(said(call("get_weather", '{"city": "Par'), stream=False, finish="length"))
    llm = model_at(server)
    response = ask(llm, "chat", "hi", tools=[WEATHER.metadata.to_openai_tool()])
    (selection,) = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    assert "max_tokens" in selection.tool_name


@subcases("way", WAYS)
def test_a_whole_call_before_one_that_was_cut_is_there_to_see(server: ScriptServer, way: Way):
    server.say(
        said(
            call("add", '{"a": 1, "b": 2}'),
            call("get_weather", "", "call_2"),
            stream=is_streamed(way),
            finish="length",
        )
    )
    response = ask(model_at(server), way, "hi", tools=[WEATHER.metadata.to_openai_tool()])
    kwargs = [block.tool_kwargs for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    assert kwargs == [{"a": 1, "b": 2}, ""]


@subcases("way", WAYS)
@pytest.mark.parametrize("arguments", ["", None, "{}", {}])
def test_a_call_without_arguments_is_a_call_where_the_answer_was_not_cut(
    server: ScriptServer, way: Way, arguments: Any
):
    server.say(said(call("get_weather", arguments), stream=is_streamed(way)))
    llm = model_at(server)
    response = ask(llm, way, "hi", tools=[WEATHER.metadata.to_openai_tool()])
    assert llm.get_tool_calls_from_response(response)[0].tool_kwargs == {}


@subcases("way", STREAMED)
def test_a_call_that_was_cut_gives_what_there_is_until_the_answers_end(server: ScriptServer, way: Way):
    server.say(said(call("get_weather", '{"city": "Par'), stream=True, finish="length"))
    llm = model_at(server)
    items = items_of(llm, way, "hi", tools=[WEATHER.metadata.to_openai_tool()])
    found = [llm.get_tool_calls_from_response(item, error_on_no_tool_call=False) for item in items[:-1]]
    assert [calls[0].tool_kwargs for calls in found if calls][-1] == {"city": "Par"}


# Predict and call


@pytest.mark.parametrize("how", ["predict_and_call", "apredict_and_call"])
def test_a_tool_is_chosen_and_called(server: ScriptServer, how: str):
    server.say(said(call("add", '{"a": 1, "b": 2}'), stream=False))
    found = getattr(model_at(server), how)(TOOLS, user_msg="1 + 2?")
    answer = asyncio.run(_awaited(found)) if how.startswith("a") else found
    assert answer.response == "3"
    assert [(source.tool_name, source.raw_input["kwargs"]) for source in answer.sources] == [("add", {"a": 1, "b": 2})]


async def _awaited(found: Any) -> Any:
    return await found


def test_several_tools_are_called_where_that_is_allowed(server: ScriptServer):
    server.say(said(*TWO, stream=False))
    answer = model_at(server).predict_and_call(TOOLS, user_msg="hi", allow_parallel_tool_calls=True)
    assert answer.response == "3\n\nsunny in Paris"


def test_no_call_is_an_error_of_predict_and_call_or_its_text(server: ScriptServer):
    server.say(replied(), replied())
    with pytest.raises(ValueError, match="no tool"):
        model_at(server).predict_and_call(TOOLS, user_msg="hi")
    assert model_at(server).predict_and_call(TOOLS, user_msg="hi", error_on_no_tool_call=False).response == "Hello"


def test_a_tools_error_is_its_result_or_an_error(server: ScriptServer):
    server.say(*(said(call("broken_tool", "{}"), stream=False) for _ in range(2)))
    answer = model_at(server).predict_and_call([BROKEN], user_msg="hi")
    assert "out of order" in answer.response
    with pytest.raises(ValueError, match="out of order"):
        model_at(server).predict_and_call([BROKEN], user_msg="hi", error_on_tool_error=True)


def test_the_emulator_calls_a_tool(fresh_emulator):
    answer = model_on(fresh_emulator).predict_and_call([WEATHER], user_msg="What is the weather in Paris?")
    assert answer.response == "sunny in Paris"


@subcases("way", WAYS_WITH_TOOLS)
def test_the_emulators_calls_are_the_same_in_every_way(fresh_emulator, way: str):
    llm = model_on(fresh_emulator)
    response = with_tools(llm, way, WEATHER, user_msg="What is the weather in Paris?", tool_required=True)
    (found,) = llm.get_tool_calls_from_response(response)
    assert (found.tool_name, found.tool_kwargs) == ("get_weather", {"city": "Paris"})
    json.dumps(response.raw)
