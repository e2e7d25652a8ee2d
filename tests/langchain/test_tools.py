"""Tools: how they are bound, what the server receives, and agents that use them."""

import json
import operator
import warnings
from functools import reduce
from itertools import product
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

import langchain_aki.errors as ours
from aki_transport.messages import ChatDelta, ChatReply, ToolCall, ToolCallDelta
from langchain_aki import ChatAKI
from langchain_aki._convert_replies import DeltaConverter
from tests.langchain.asking import WAYS, Way, ask, is_streamed, model_at, pieces_of
from tests.scenarios import chunk, replied, streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases


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
    city: str
    sky: str


class Slow(BaseTool):
    name: str = "slow"
    description: str = "Takes its time."

    def _run(self, seconds: int) -> str:
        return str(seconds)


# A tool as users have it, and its name. Other dicts are tested with both frameworks in `tests/requests`.
LOOK = {"title": "look", "description": "Look.", "type": "object", "properties": {"at": {"type": "string"}}}
FORMS: list[tuple[Any, str]] = [
    *((get_weather, "get_weather"), (tool(get_weather), "get_weather"), (Slow(), "slow")),
    *((GetWeather, "GetWeather"), (Weather, "Weather"), (LOOK, "look")),
]
ADD = {"type": "function", "function": {"name": "add"}}
CHOICES: list[tuple[Any, Any]] = [
    *(("auto", "auto"), ("none", "none"), ("any", "required"), ("required", "required"), (True, "required")),
    *(("add", ADD), (ADD, ADD), ({"type": "tool", "name": "add"}, ADD)),
    *(({"type": "any"}, "required"), ({"type": "auto"}, "auto"), (None, None), (False, None)),
]


def calling(*calls: tuple[str, str], stream: Any = False) -> Answer:
    entries = [
        {"index": at, "id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(calls)
    ]
    if stream:
        return streamed(chunk(tool_calls=entries), finish="tool_calls")
    return replied(None, tool_calls=entries, finish="tool_calls")


def sent(server: ScriptServer) -> dict[str, Any]:
    return server.requests[-1].json


def test_a_tool_of_each_form_reaches_the_server(server: ScriptServer):
    server.always = replied()
    for tool_of_a_user, name in FORMS:
        model_at(server).bind_tools([tool_of_a_user]).invoke("hi")
        (said,) = sent(server)["tools"]
        assert (said["type"], said["function"]["name"]) == ("function", name)
        assert said["function"]["description"]
        assert said["function"]["parameters"]["type"] == "object"
        assert "tool_choice" not in sent(server)
        assert "strict" not in json.dumps(said)


@pytest.mark.filterwarnings("ignore:.*called none")
def test_each_tool_choice_is_said_in_openais_words(server: ScriptServer):
    server.always = replied()
    for choice, said in CHOICES:
        model_at(server).bind_tools([get_weather, add], tool_choice=choice).invoke("hi")
        assert sent(server).get("tool_choice") == said


@pytest.mark.parametrize("choice", ["subtract", {"type": "function", "function": {"name": "subtract"}}])
def test_a_tool_choice_that_names_no_tool_is_refused(choice: Any):
    with pytest.raises(ours.ConfigurationError, match=r"subtract.*'get_weather', 'add'"):
        ChatAKI(model="qwen3.6-35b").bind_tools([get_weather, add], tool_choice=choice)


def test_options_of_tools_are_sent_where_given_and_only_with_tools(server: ScriptServer):
    server.always = replied("{}")
    for value in (True, False):
        model_at(server).bind_tools([add], parallel_tool_calls=value, strict=value).invoke("hi")
        assert sent(server)["parallel_tool_calls"] is value
        assert sent(server)["tools"][0]["function"]["strict"] is value
    model_at(server).bind_tools([add]).invoke("hi")
    assert "parallel_tool_calls" not in sent(server)
    model_at(server).bind_tools([], tool_choice="auto", strict=True, parallel_tool_calls=False).invoke("hi")
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sent(server))
    wanted = {"type": "json_schema", "json_schema": {"name": "Forecast", "schema": Forecast.model_json_schema()}}
    model_at(server).bind_tools([], response_format=wanted, strict=True).invoke("hi")
    assert sent(server)["response_format"]["json_schema"]["schema"]["properties"].keys() == {"city", "sky"}
    assert "tools" not in sent(server)


@pytest.mark.parametrize("choice", ["any", "add", "auto", "none", None])
@subcases("way", WAYS)
def test_a_forced_choice_without_a_call_warns_once_and_a_free_one_never(server: ScriptServer, way: Way, choice: Any):
    server.say(streamed("No.") if is_streamed(way) else replied("No."))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        answer = ask(model_at(server).bind_tools([add], tool_choice=choice), way, "hi")
    told = [str(each.message) for each in warned if issubclass(each.category, UserWarning)]
    assert len(told) == (choice in ("any", "add"))
    assert all("called none" in each for each in told)
    assert answer.text == "No."


CUTS = {
    "numbers": '{"a": 1, "b": [1, 2, {"c": -1.5e3}], "d": true, "e": null}',
    "texts": '{"city": "New York", "note": "say \\"hi\\" \\\\ \\u00fc [not] {this}"}',
    "nested": '{"a": {"b": {"c": ["x", ["y"]]}}}',
}


@pytest.mark.parametrize("as_blocks", [False, True], ids=["v0", "v1"])
@pytest.mark.parametrize("kind", CUTS)
def test_a_streamed_call_cut_anywhere_does_not_pass_for_a_whole_one(kind: str, as_blocks: bool):
    """LangChain would complete its JSON when it adds the chunks up."""
    for end in range(len(CUTS[kind])):
        text = CUTS[kind][:end]
        reply = ChatReply(tool_calls=(ToolCall("c", "look", text),), finish_reason="length")
        deltas = (ChatDelta(tool_calls=(ToolCallDelta(0, "c", "look", text),)), ChatDelta(reply=reply))
        converter = DeltaConverter("aki", as_blocks=as_blocks)
        answer = reduce(operator.add, [chunk for delta in deltas for chunk in converter.convert(delta)]).message
        assert not answer.tool_calls, text
        (broken,) = answer.invalid_tool_calls
        assert broken["name"] == "look"
        assert broken["args"].startswith(text)
        assert broken["args"].removeprefix(text).strip('\\"') in ("", "]", "}")  # which the text does not end with
        assert "tool_call" not in [block["type"] for block in answer.content_blocks]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_call_that_was_cut_is_none_in_events_too(server: ScriptServer):
    # vLLM tells that of one as of any call (vllm-project/vllm#58228); then the count of tokens, here 3, shows it.
    for arguments, finish in product(("", '{"city": "Par'), ("length", "tool_calls")):
        call = {"index": 0, "id": "c", "function": {"name": "get_weather", "arguments": arguments}}
        server.say(streamed(chunk(tool_calls=[call]), finish=finish))
        model = model_at(server, max_tokens=3).bind_tools([get_weather])
        assert not model.stream_events("hi", version="v3").output.tool_calls


LOOP = (("get_weather", '{"city": "Paris"}'), ("add", '{"a": 1, "b": 2}'))


def agent_at(server: ScriptServer, **given: Any) -> Any:
    return create_agent(model_at(server), tools=[get_weather, add], **given)


@subcases("way", [*WAYS, "standard blocks"])
def test_an_agent_calls_two_tools(server: ScriptServer, way: Any):
    def play(request: Request) -> Answer:
        stream = request.json.get("stream")
        if len(request.json["messages"]) == 1:
            return calling(*LOOP, stream=stream)
        return streamed("Sunny, ", "and 3.") if stream else replied("Sunny, and 3.")

    server.always = play
    if way == "standard blocks":
        model = model_at(server, output_version="v1", streaming=True)
        messages = create_agent(model, tools=[get_weather, add]).invoke({"messages": "hi"})["messages"]
    elif is_streamed(way):
        seen = pieces_of(agent_at(server), way, {"messages": "hi"}, stream_mode=["values", "messages"])
        messages = [item for mode, item in seen if mode == "values"][-1]["messages"]
    else:
        messages = pieces_of(agent_at(server), way, {"messages": "hi"})[-1]["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "tool", "ai"]
    assert [message.content for message in messages[2:4]] == ["sunny in Paris for 1 days", "3"]
    assert messages[-1].text == "Sunny, and 3."
    assert [message["role"] for message in sent(server)["messages"]] == ["user", "assistant", "tool", "tool"]
    assert [message["tool_call_id"] for message in sent(server)["messages"][2:]] == ["call_0", "call_1"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("strategy", [ToolStrategy, lambda cls: cls, AutoStrategy, ProviderStrategy])
def test_an_agent_gives_its_answer_by_a_tool_or_as_json_where_asked_to(server: ScriptServer, strategy: Any):
    text, as_json = '{"city": "Paris", "sky": "sunny"}', strategy is ProviderStrategy
    server.say(calling(LOOP[0]), replied(text) if as_json else calling(("Forecast", text)))
    found = agent_at(server, response_format=strategy(Forecast)).invoke({"messages": "hi"})["structured_response"]
    assert found == Forecast(city="Paris", sky="sunny")
    last = sent(server)
    assert (last.get("tool_choice"), "response_format" in last) == (None if as_json else "required", as_json)
    assert len(last["tools"]) == (2 if as_json else 3)
