"""Tools: how they are bound, what the server receives, and agents that use them."""

from __future__ import annotations

import json
import warnings
from functools import partial
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

import langchain_aki.errors as ours
from aki_transport.emulator import Emulator
from langchain_aki import ChatAKI
from tests.langchain.asking import WAYS, Way, ask, is_streamed, model_at
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

DATA = "iVBORw0KGgo="


def get_weather(city: str, days: int = 1) -> str:
    """The weather in a city."""
    return f"sunny in {city} for {days} days"


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str = Field(description="the city")


class Weather(TypedDict):
    """The weather in a city."""

    city: str


class Forecast(BaseModel):
    """A forecast."""

    city: str
    sky: str


class Slow(BaseTool):
    name: str = "slow"
    description: str = "Takes its time."

    def _run(self, seconds: int) -> str:
        return str(seconds)


FORMS: dict[str, tuple[Any, str]] = {
    "function": (get_weather, "get_weather"),
    "tool": (tool(get_weather), "get_weather"),
    "class": (Slow(), "slow"),
    "pydantic": (GetWeather, "GetWeather"),
    "typeddict": (Weather, "Weather"),
    "json_schema": (
        {"title": "look", "description": "Look.", "type": "object", "properties": {"at": {"type": "string"}}},
        "look",
    ),
    "openai": (
        {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}},
        "look",
    ),
    "openai_bare": ({"name": "look", "description": "Look.", "parameters": {"type": "object"}}, "look"),
    "anthropic": (
        {
            "name": "look",
            "description": "Look.",
            "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}},
            "cache_control": {"type": "ephemeral"},
        },
        "look",
    ),
}
CHOICES = {
    "auto": ("auto", "auto"),
    "none": ("none", "none"),
    "any": ("any", "required"),
    "required": ("required", "required"),
    "true": (True, "required"),
    "name": ("add", {"type": "function", "function": {"name": "add"}}),
    "dict": (
        {"type": "function", "function": {"name": "add"}},
        {"type": "function", "function": {"name": "add"}},
    ),
    "anthropic_tool": ({"type": "tool", "name": "add"}, {"type": "function", "function": {"name": "add"}}),
    "anthropic_any": ({"type": "any"}, "required"),
    "anthropic_auto": ({"type": "auto"}, "auto"),
}


def calling(*calls: tuple[str, str], text: str | None = None, finish: str = "tool_calls") -> Answer:
    entries = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    return replied(text, tool_calls=entries, finish=finish)


def calling_in_stream(*calls: tuple[str, str]) -> Answer:
    entries = [
        {"index": number, "id": f"call_{number}", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    return streamed(chunk(tool_calls=entries), finish="tool_calls")


def sent(server: ScriptServer) -> dict[str, Any]:
    return server.requests[-1].json


@pytest.mark.parametrize("form", FORMS)
def test_a_tool_of_each_form_reaches_the_server(server: ScriptServer, form: str):
    server.say(replied())
    given, name = FORMS[form]
    model_at(server).bind_tools([given]).invoke("hi")
    (said,) = sent(server)["tools"]
    assert said["type"] == "function"
    assert said["function"]["name"] == name
    assert said["function"]["description"]
    assert said["function"]["parameters"]["type"] == "object"
    assert "tool_choice" not in sent(server)
    assert said.get("cache_control") == (given.get("cache_control") if isinstance(given, dict) else None)
    assert "strict" not in json.dumps(said)


@pytest.mark.parametrize("choice", CHOICES)
def test_each_tool_choice_is_said_in_openais_words(server: ScriptServer, choice: str):
    given, said = CHOICES[choice]
    server.say(calling(("add", '{"a": 1, "b": 2}')))
    model_at(server).bind_tools([get_weather, add], tool_choice=given).invoke("hi")
    assert sent(server)["tool_choice"] == said


@pytest.mark.parametrize("choice", [None, False])
def test_no_tool_choice_is_not_sent(server: ScriptServer, choice: Any):
    server.say(replied())
    model_at(server).bind_tools([add], tool_choice=choice).invoke("hi")
    assert "tool_choice" not in sent(server)


def test_a_tool_choice_that_names_no_tool_is_refused():
    with pytest.raises(ours.ConfigurationError, match=r"'subtract'.*'get_weather', 'add'"):
        ChatAKI(model="qwen3.6-35b").bind_tools([get_weather, add], tool_choice="subtract")


def test_a_tool_choice_as_dict_that_names_no_tool_is_refused():
    with pytest.raises(ours.ConfigurationError, match="subtract"):
        ChatAKI(model="qwen3.6-35b").bind_tools(
            [get_weather, add], tool_choice={"type": "function", "function": {"name": "subtract"}}
        )


@pytest.mark.parametrize("value", [True, False])
def test_parallel_tool_calls_are_sent_where_given(server: ScriptServer, value: bool):
    server.say(replied(), replied())
    model_at(server).bind_tools([add], parallel_tool_calls=value).invoke("hi")
    assert sent(server)["parallel_tool_calls"] is value
    model_at(server).bind_tools([add]).invoke("hi")
    assert "parallel_tool_calls" not in sent(server)


@pytest.mark.parametrize("value", [True, False])
def test_strict_is_sent_where_given(server: ScriptServer, value: bool):
    server.say(replied())
    model_at(server).bind_tools([add], strict=value).invoke("hi")
    assert sent(server)["tools"][0]["function"]["strict"] is value


def test_no_tools_send_nothing_about_tools(server: ScriptServer):
    server.say(replied())
    model_at(server).bind_tools([], tool_choice="auto", strict=True, parallel_tool_calls=False).invoke("hi")
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sent(server))


def test_a_response_format_passes_through_bind_tools(server: ScriptServer):
    server.say(replied("{}"))
    wanted = {"type": "json_schema", "json_schema": {"name": "Forecast", "schema": Forecast.model_json_schema()}}
    model_at(server).bind_tools([], response_format=wanted, strict=True).invoke("hi")
    assert sent(server)["response_format"]["json_schema"]["schema"]["properties"].keys() == {"city", "sky"}
    assert "tools" not in sent(server)


@pytest.mark.parametrize("choice", ["any", "add"])
@subcases("way", WAYS)
def test_a_forced_choice_without_a_call_warns_once(server: ScriptServer, way: Way, choice: str):
    server.say(streamed("No.") if is_streamed(way) else replied("No."))
    with pytest.warns(UserWarning, match="called none") as warned:
        answer = ask(model_at(server).bind_tools([add], tool_choice=choice), way, "hi")
    assert len(warned) == 1
    assert answer.text == "No."


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_a_free_choice_without_a_call_is_no_reason_to_warn(server: ScriptServer, choice: Any):
    server.say(replied())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model_at(server).bind_tools([add], tool_choice=choice).invoke("hi")


CUTS = {
    "numbers": '{"a": 1, "b": [1, 2, {"c": -1.5e3}], "d": true, "e": null}',
    "texts": '{"city": "New York", "note": "say \\"hi\\" \\\\ \\u00fc [not] {this}"}',
    "nested": '{"a": {"b": {"c": ["x", ["y"]]}}}',
}


def cut(name: str, arguments: str, request: Request) -> Answer:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}
    if request.json.get("stream"):
        return streamed(chunk(tool_calls=[call]), finish="length")
    return replied(None, tool_calls=[call], finish="length")


@pytest.mark.parametrize("version", ["v0", "v1"])
@subcases("way", ["invoke", "stream"])
@pytest.mark.parametrize("kind", CUTS)
def test_a_call_cut_anywhere_does_not_pass_for_a_whole_one(server: ScriptServer, kind: str, way: Way, version: str):
    model = model_at(server, output_version=version).bind_tools([get_weather])
    for end in range(1, len(CUTS[kind])):
        text = CUTS[kind][:end]
        server.always = partial(cut, "get_weather", text)
        answer = ask(model, way, "hi")
        assert not answer.tool_calls, text
        (broken,) = answer.invalid_tool_calls
        assert broken["args"].startswith(text)
        assert "tool_call" not in [block["type"] for block in answer.content_blocks]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("kind", CUTS)
def test_a_call_cut_anywhere_does_not_pass_for_a_whole_one_in_events_v3(server: ScriptServer, kind: str):
    model = model_at(server).bind_tools([get_weather])
    for end in range(1, len(CUTS[kind])):
        server.always = partial(cut, "get_weather", CUTS[kind][:end])
        assert not model.stream_events("hi", version="v3").output.tool_calls, CUTS[kind][:end]


@subcases("way", WAYS)
def test_a_call_cut_before_its_arguments_does_not_pass_for_one_without_any(server: ScriptServer, way: Way):
    server.always = partial(cut, "get_weather", "")
    answer = ask(model_at(server).bind_tools([get_weather]), way, "hi")
    assert not answer.tool_calls
    assert [call["name"] for call in answer.invalid_tool_calls] == ["get_weather"]


@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_does_not_run_a_call_that_was_cut(server: ScriptServer, streaming: bool):
    ran: list[str] = []

    def write(path: str, text: str = "") -> str:
        """Write a file."""
        ran.append(path + text)
        return "written"

    server.always = partial(cut, "write", '{"path": "a.txt", "text": "half of')
    agent = create_agent(model_at(server, streaming=streaming), tools=[write])
    agent.invoke({"messages": "hi"}, {"recursion_limit": 4})
    assert not ran


def test_several_calls_and_text_beside_them_are_kept(server: ScriptServer):
    server.say(calling(("add", '{"a": 1, "b": 2}'), ("get_weather", '{"city": "Köln"}'), text="I look."))
    answer = model_at(server).bind_tools([add, get_weather]).invoke("hi")
    assert answer.text == "I look."
    assert [(call["name"], call["args"], call["id"]) for call in answer.tool_calls] == [
        ("add", {"a": 1, "b": 2}, "call_0"),
        ("get_weather", {"city": "Köln"}, "call_1"),
    ]


def test_an_invalid_call_is_sent_back_as_text_in_an_object(server: ScriptServer):
    server.say(calling(("add", '{"a": 1,')), replied())
    model = model_at(server).bind_tools([add])
    answer = model.invoke("hi")
    (wrong,) = answer.invalid_tool_calls
    model.invoke([HumanMessage("hi"), answer, ToolMessage("not JSON", tool_call_id=wrong["id"], status="error")])
    assistant, result = sent(server)["messages"][1:]
    assert assistant["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"not_json": "{\\"a\\": 1,"}'}
    assert result["tool_call_id"] == "call_0"


def history(result: ToolMessage) -> list[Any]:
    call = {"id": "call_1", "name": "look", "args": {"at": "it"}, "type": "tool_call"}
    return [HumanMessage("hi"), AIMessage("", tool_calls=[call]), result]


def test_a_tool_result_is_sent_with_its_call(server: ScriptServer):
    server.say(replied())
    model_at(server).invoke(history(ToolMessage("found", tool_call_id="call_1", name="look")))
    assistant, result = sent(server)["messages"][1:]
    assert assistant["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}}
    ]
    assert (result["role"], result["content"], result["tool_call_id"]) == ("tool", "found", "call_1")


def test_a_failed_tool_result_shows_its_words(server: ScriptServer):
    server.say(replied())
    model_at(server).invoke(history(ToolMessage("no such city", tool_call_id="call_1", status="error")))
    assert "no such city" in sent(server)["messages"][-1]["content"]
    assert "status" not in sent(server)["messages"][-1]


def test_a_tool_result_of_text_parts_becomes_text(server: ScriptServer):
    server.say(replied())
    parts = [{"type": "text", "text": "one"}, "two", {"type": "text", "text": "three"}]
    model_at(server).invoke(history(ToolMessage(parts, tool_call_id="call_1")))
    assert sent(server)["messages"][-1]["content"] == "one\ntwo\nthree"


def test_a_picture_in_a_tool_result_is_shown_by_the_user(server: ScriptServer):
    server.say(replied())
    parts = [{"type": "text", "text": "here"}, {"type": "image", "base64": DATA, "mime_type": "image/png"}]
    model_at(server).invoke(history(ToolMessage(parts, tool_call_id="call_1")))
    result, shown = sent(server)["messages"][-2:]
    assert result["role"] == "tool"
    assert result["content"].startswith("here")
    assert DATA not in json.dumps(result)
    assert shown["role"] == "user"
    assert shown["content"][-1] == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}


def test_pictures_of_several_results_come_behind_the_last_one(server: ScriptServer):
    server.say(replied())
    calls = [{"id": f"call_{n}", "name": "look", "args": {}, "type": "tool_call"} for n in (1, 2)]
    picture = {"type": "image", "base64": DATA, "mime_type": "image/png"}
    results = [ToolMessage([picture], tool_call_id=f"call_{n}") for n in (1, 2)]
    model_at(server).invoke([HumanMessage("hi"), AIMessage("", tool_calls=calls), *results])
    assert [message["role"] for message in sent(server)["messages"]] == ["user", "assistant", "tool", "tool", "user"]


def test_data_in_a_tool_result_is_told_as_json(server: ScriptServer):
    server.say(replied())
    model_at(server).invoke(history(ToolMessage([{"type": "json", "json": {"a": 1}}], tool_call_id="call_1")))
    assert '"a": 1' in sent(server)["messages"][-1]["content"]


def test_an_artifact_stays_here(server: ScriptServer):
    server.say(replied())
    model_at(server).invoke(history(ToolMessage("found", tool_call_id="call_1", artifact={"secret": 1})))
    assert "secret" not in server.requests[-1].body.decode()


def agent_at(server: ScriptServer, **given: Any) -> Any:
    return create_agent(model_at(server), tools=[get_weather, add], **given)


LOOP = (("get_weather", '{"city": "Paris"}'), ("add", '{"a": 1, "b": 2}'))


def check_loop(server: ScriptServer, messages: list[Any]) -> None:
    assert [message.type for message in messages] == ["human", "ai", "tool", "tool", "ai"]
    assert [message.content for message in messages[2:4]] == ["sunny in Paris for 1 days", "3"]
    assert messages[-1].text == "Sunny, and 3."
    assert [message["role"] for message in sent(server)["messages"]] == ["user", "assistant", "tool", "tool"]
    assert [message["tool_call_id"] for message in sent(server)["messages"][2:]] == ["call_0", "call_1"]
    assert len(server.requests) == 2


def test_an_agent_calls_two_tools(server: ScriptServer):
    server.say(calling(*LOOP), replied("Sunny, and 3."))
    check_loop(server, agent_at(server).invoke({"messages": "hi"})["messages"])


async def test_an_agent_calls_two_tools_async(server: ScriptServer):
    server.say(calling(*LOOP), replied("Sunny, and 3."))
    check_loop(server, (await agent_at(server).ainvoke({"messages": "hi"}))["messages"])


def test_an_agent_calls_two_tools_streamed(server: ScriptServer):
    server.say(calling_in_stream(*LOOP), streamed("Sunny, ", "and 3."))
    *_, last = agent_at(server).stream({"messages": "hi"}, stream_mode=["values", "messages"])
    values = [item for mode, item in [last] if mode == "values"]
    check_loop(server, values[-1]["messages"])


async def test_an_agent_calls_two_tools_streamed_async(server: ScriptServer):
    server.say(calling_in_stream(*LOOP), streamed("Sunny, ", "and 3."))
    seen = [item async for item in agent_at(server).astream({"messages": "hi"}, stream_mode=["values", "messages"])]
    check_loop(server, [item for mode, item in seen if mode == "values"][-1]["messages"])


def test_an_agent_of_standard_blocks_keeps_its_calls(server: ScriptServer):
    server.say(calling_in_stream(*LOOP), streamed("Sunny, ", "and 3."))
    agent = create_agent(model_at(server, output_version="v1", streaming=True), tools=[get_weather, add])
    check_loop(server, agent.invoke({"messages": "hi"})["messages"])


@pytest.mark.parametrize(
    "wanted", [ToolStrategy(Forecast), Forecast, AutoStrategy(Forecast)], ids=["tool", "auto", "named"]
)
def test_an_agent_gives_its_answer_by_a_tool(server: ScriptServer, wanted: Any):
    server.say(calling(LOOP[0]), calling(("Forecast", '{"city": "Paris", "sky": "sunny"}')))
    found = agent_at(server, response_format=wanted).invoke({"messages": "hi"})["structured_response"]
    assert found == Forecast(city="Paris", sky="sunny")
    assert sent(server)["tool_choice"] == "required"
    assert "response_format" not in sent(server)


def test_an_agent_gives_its_answer_as_json_where_asked_to(server: ScriptServer):
    server.say(calling(LOOP[0]), replied('{"city": "Paris", "sky": "sunny"}'))
    agent = agent_at(server, response_format=ProviderStrategy(Forecast))
    assert agent.invoke({"messages": "hi"})["structured_response"] == Forecast(city="Paris", sky="sunny")
    assert sent(server)["response_format"]["type"] == "json_schema"
    assert len(sent(server)["tools"]) == 2


def test_an_agent_without_tools_gives_its_answer_as_json(server: ScriptServer):
    server.say(replied('{"city": "Paris", "sky": "sunny"}'))
    agent = create_agent(model_at(server), tools=[], response_format=ProviderStrategy(Forecast))
    assert agent.invoke({"messages": "hi"})["structured_response"] == Forecast(city="Paris", sky="sunny")
    assert "tools" not in sent(server)


def test_an_agent_sends_an_invalid_call_back(server: ScriptServer):
    server.say(calling(("add", '{"a": "one"}')), calling(LOOP[1]), replied("3"))
    messages = agent_at(server).invoke({"messages": "hi"})["messages"]
    assert messages[-1].text == "3"
    assert messages[2].status == "error"


def test_an_agent_works_on_the_emulator(fresh_emulator: Emulator):
    model = ChatAKI(model="qwen3.6-35b", base_url=fresh_emulator.openai_url, api_key=fresh_emulator.key)
    agent = create_agent(model, tools=[get_weather, add])
    messages = agent.invoke({"messages": "What is the weather in Paris, and what is 17 plus 25?"})["messages"]
    assert {message.name for message in messages if message.type == "tool"} == {"get_weather", "add"}
    assert "42" in messages[-1].text
