"""Arguments and tools as people write them, in both frameworks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import httpx
import pytest
from langchain_core.tools import StructuredTool, tool
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, Field, RootModel, SecretStr

from aki_transport import AKIError, ConfigurationError, Timeout
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.requests.frameworks import WAYS, aki, answer, ask, bodies_by_every_way, chat_aki
from tests.scenarios import replied
from tests.script_server import ScriptServer, json_answer

# The scripted server answers with the same model, whichever is asked for.
pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}

REQUEST_FIELDS = {
    "n": 1,
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"5": 1},
    "user": "ann",
    "service_tier": "flex",
    "verbosity": "low",
    "prediction": {"type": "content", "content": "x"},
    "modalities": ["text"],
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "min_p": 0.0,
    "repetition_penalty": 1.1,
    "store": False,
}


def test_request_fields_are_taken_by_name(subtests) -> None:
    for framework in (chat_aki, aki):
        with subtests.test(framework.__name__, where="constructor"):
            body = bodies_by_every_way(framework, "openai", ["hi"], fields=REQUEST_FIELDS)
            assert body == {**body, **REQUEST_FIELDS}
        with subtests.test(framework.__name__, where="call"):
            body = bodies_by_every_way(framework, "openai", ["hi"], fields={"n": 5}, **REQUEST_FIELDS)
            assert body == {**body, **REQUEST_FIELDS}
        with subtests.test(framework.__name__, where="a wire that has no such field"):
            with ScriptServer(always=answer) as server, pytest.raises(ConfigurationError, match="takes no logit_bias"):
                ask(framework(server, "anthropic", logit_bias={"5": 1}), "blocking", ["hi"])
            assert not server.requests


def test_aliases_are_taken(subtests) -> None:
    for framework in (ChatAKI, AKI):
        with subtests.test(framework.__name__), ScriptServer(always=answer) as server:
            model = framework(
                model_name="qwen3.6-35b",
                openai_api_key="k-test",
                openai_api_base=server.openai_url,
                request_timeout=7,
                max_completion_tokens=9,
                stop_sequences=["x"],
                model_kwargs={"seed2": 1},
                stream_usage=True,
            )
            assert model.model == "qwen3.6-35b"
            assert model.base_url == server.openai_url
            assert isinstance(model.api_key, SecretStr)
            assert model.timeout == 7
            assert (model.max_tokens, model.stop, model.extra_body) == (9, ["x"], {"seed2": 1})
            ask(model, "blocking", ["hi"], max_completion_tokens=3, stop_sequences="y")
            body = server.requests[-1].json
            assert (body["max_tokens"], body["stop"], body["seed2"]) == (3, ["y"], 1)
            assert server.requests[-1].headers["authorization"] == "Bearer k-test"
    both = {"x-a": "1", "x-b": "1"}
    for framework in (chat_aki, aki):
        for name in ("model_kwargs", "additional_kwargs"):
            for where in ("constructor", "call"):
                with subtests.test(framework.__name__, name=name, where=where), ScriptServer(always=answer) as server:
                    inner = {"a": 1, "b": 1, "extra_headers": both, "extra_body": {"c": 1}}
                    headers = "default_headers" if where == "constructor" else "extra_headers"
                    fields = {name: inner, "extra_body": {"b": 2}, headers: {"x-b": "2"}}
                    of_model, of_call = (fields, {}) if where == "constructor" else ({}, fields)
                    ask(framework(server, **of_model), "blocking", ["hi"], **of_call)
                    (request,) = server.requests
                    assert request.json == {**request.json, "a": 1, "b": 2, "c": 1}
                    assert "extra_headers" not in request.json
                    assert (request.headers["x-a"], request.headers["x-b"]) == ("1", "2")
    for cls in (ChatAKI, AKI):
        with subtests.test(cls.__name__, what="None is the default, and httpx's tuple a timeout"):
            model = cls(model="m", max_retries=None, protocol=None, on_unknown_model=None, request_timeout=(5, 60))
            assert (model.max_retries, model.protocol, model.on_unknown_model) == (2, "openai", "raise")
            assert model.timeout == Timeout(connect=5, answer=60, chunk=60)
        with subtests.test(cls.__name__, what="one bound"), ScriptServer(always=answer) as server:
            fields = {"base_url": server.openai_url, "api_key": "k-test", "model_listing": False}
            ask(cls(model="qwen3.6-35b", model_kwargs={"max_completion_tokens": 5}, **fields), "blocking", ["hi"])
            assert "max_tokens" not in server.requests[0].json
    llm = AKI(
        model="m", api_base="https://aki.io/v1", is_chat_model=True, reuse_client=True, additional_kwargs={"a": 1}
    )
    assert llm.extra_body == {"a": 1}
    assert not AKI(model="gpt-oss-120b", is_function_calling_model=False).metadata.is_function_calling_model


@pytest.mark.parametrize("framework", [ChatAKI, AKI])
def test_hints_come_from_a_table(framework: Any) -> None:
    hints = {
        "headers": "extra_headers=",
        "num_retries": "max_retries=",
        "endpoint": "base_url=",
        "is_chat_model": "True",
    }
    for name in (*hints, "stroe", "temprature"):
        with pytest.raises(ConfigurationError) as caught:
            framework(model="m", **{name: False})
        assert hints[name] in str(caught.value) if name in hints else "use" not in str(caught.value)


def test_a_call_has_its_own_headers_and_timeout(subtests) -> None:
    for framework in (chat_aki, aki):
        for way in WAYS:
            with subtests.test(framework.__name__, way=way), ScriptServer(always=answer) as server:
                model = framework(server, default_headers={"x-a": "1", "x-b": "1"})
                ask(model, way, ["hi"], extra_headers={"x-b": "2"}, timeout=5, extra_body={"z": 1})
                (request,) = server.requests
                assert (request.headers["x-a"], request.headers["x-b"], request.json["z"]) == ("1", "2", 1)
                assert "timeout" not in request.json
    request = ChatAKI(model="m", api_key="k-test")._request([], None, {"timeout": 5})
    assert request.timeout == Timeout(connect=5, answer=5, chunk=5)


def key_functions() -> tuple[Any, Any]:
    """Two functions that give another key each time: one to call, one to await."""
    keys = iter(f"token-{n:06}" for n in range(9))

    async def awaited() -> str:
        return next(keys)

    return (lambda: next(keys)), awaited


def test_a_key_may_be_a_function_asked_for_each_attempt(subtests) -> None:
    refusal = json_answer({"error": {"message": "busy: token-000000"}}, 503, retry_after="0")
    for framework in (chat_aki, aki):
        for way in WAYS:
            with subtests.test(framework.__name__, way=way), ScriptServer(refusal, always=answer) as server:
                key = key_functions()[way.startswith("async")]
                model = framework(server, api_key=key, model_listing=False)
                ask(model, way, ["hi"])
                seen = [request.headers["authorization"] for request in server.requests]
                assert seen == ["Bearer token-000000", "Bearer token-000001"]
                assert "token-" not in repr(model)
    with ScriptServer(always=json_answer({"error": {"message": "bad key token-secret-1"}}, 401)) as server:
        for function, words in (
            (key_functions()[1], "async"),
            (lambda: "", "empty"),
            (lambda: "token-secret-1", "bad"),
        ):
            with pytest.raises(AKIError, match=words) as caught:
                chat_aki(server, api_key=function).invoke("hi")
            assert "token-secret-1" not in str(caught.value)


FOREIGN = [
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    {"type": "code_execution_20250825", "name": "code_execution"},
    {"type": "mcp_toolset", "mcp_server_name": "x"},
    {"type": "openrouter:web_search"},
    {"type": "builtin_function", "function": {"name": "$web_search"}},
    {"type": "custom", "custom": {"name": "sql"}},
    {"google_search": {}},
    {"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": True}},
    {"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]},
]


def test_tools_that_are_no_functions_pass(subtests) -> None:
    for foreign in FOREIGN:
        for protocol in ("openai", "anthropic"):
            with subtests.test(foreign, protocol=protocol), ScriptServer(always=answer) as server:
                chat_aki(server, protocol).bind_tools([foreign]).invoke("hi")
                aki(server, protocol).chat([ChatMessage("hi")], tools=[foreign])
                assert [request.json["tools"] for request in server.requests] == [[foreign]] * 2


def test_functions_in_any_dict_are_the_same_tool(subtests) -> None:
    schema = {"type": "object", "properties": {"a": {}}}
    named = {"name": "f", "description": "d"}
    for form in (
        {"type": "function", **named, "parameters": schema},
        {**named, "parameters": schema},
        {**named, "inputSchema": schema, "title": "F", "annotations": {"readOnlyHint": True}},
        {**named, "input_schema": schema},
    ):
        with subtests.test(form), ScriptServer(always=answer) as server:
            chat_aki(server).bind_tools([form]).invoke("hi")
            aki(server).chat([ChatMessage("hi")], tools=[form])
            sent = {"type": "function", "function": {**named, "parameters": schema}}
            assert [request.json["tools"] for request in server.requests] == [[sent]] * 2


@pytest.mark.filterwarnings("ignore:.*was told to call a tool")
def test_a_tool_that_is_no_function_can_be_chosen_and_extras_of_a_tool_stay(subtests) -> None:
    hosted = {"type": "web_search_preview"}
    mark = {"cache_control": {"type": "ephemeral"}}
    for protocol in ("openai", "anthropic"):
        with subtests.test(protocol), ScriptServer(always=answer) as server:
            chat_aki(server, protocol).bind_tools([hosted], tool_choice="web_search_preview").invoke("hi")
            chat_aki(server, protocol).bind_tools([hosted], tool_choice=hosted).invoke("hi")
            aki(server, protocol).chat([ChatMessage("hi")], tools=[hosted], tool_choice=hosted)
            assert [request.json["tool_choice"] for request in server.requests] == [hosted] * 3
            chat_aki(server, protocol).bind_tools([tool(extras=mark)(grow)]).invoke("hi")
            assert server.requests[3].json["tools"][0]["cache_control"] == mark["cache_control"]
    custom = {"type": "custom", "custom": {"name": "sql"}}
    with subtests.test("a custom tool, by its name too"), ScriptServer(always=answer) as server:
        for choice in ("sql", custom):
            chat_aki(server).bind_tools([custom], tool_choice=choice).invoke("hi")
            aki(server).chat([ChatMessage("hi")], tools=[custom], tool_choice=choice)
        assert [request.json["tool_choice"] for request in server.requests] == [custom] * 4


def test_tools_are_taken_in_a_call_as_they_are_bound(subtests) -> None:
    declared = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    with ScriptServer(always=answer) as server:
        chat_aki(server).invoke("hi", tools=[tool(grow), declared])
        grower = FunctionTool.from_defaults(grow, fn_schema=Tree)
        aki(server).chat([ChatMessage("hi")], tools=[grower, declared])
        aki(server).chat_with_tools([grower, declared], "hi")
        for request in server.requests:
            assert [each["function"]["name"] for each in request.json["tools"]] == ["grow", "f"]
        for wrong in ("f", 5, list[int]):
            with subtests.test(str(wrong)), pytest.raises(ConfigurationError, match="cannot be converted"):
                chat_aki(server).bind_tools([wrong])


class Node(BaseModel):
    """A tree."""

    name: str
    children: list[Node] = []


class Tree(BaseModel):
    """The arguments of a tool."""

    tree: Node


class Garden:
    """Has a method as a tool."""

    def plant(self, tree: Node) -> str:
        """Plant."""
        return tree.name


@dataclass
class Bed:
    """The arguments of a tool."""

    trees: list[Node]


class KindA(BaseModel):
    """A."""

    kind: Literal["a"] = "a"


class KindB(BaseModel):
    """B."""

    kind: Literal["b"] = "b"


class Choice(BaseModel):
    """The arguments of a tool."""

    one: KindA | KindB = Field(discriminator="kind")


def grow(tree: Node) -> str:
    """Grow."""
    return tree.name


T = TypeVar("T")


class Answer(BaseModel, Generic[T]):
    """An answer."""

    value: T
    note: str = ""


class Names(RootModel[list[str]]):
    """Names."""


def test_schemas_of_tools_are_whole_and_strict_ones_legal(subtests) -> None:
    with subtests.test("LangChain, recursive"), ScriptServer(always=answer) as server:
        chat_aki(server).bind_tools([Node, tool(grow), grow]).invoke("hi")
        schema = Tree.model_json_schema()
        of_server = StructuredTool(name="f", description="d", args_schema=schema, func=str)  # as MCP's are
        chat_aki(server).bind_tools([of_server, Garden().plant, Bed, Node.model_json_schema()]).invoke("hi")
        for each in (each for request in server.requests for each in request.json["tools"]):
            assert each["function"]["parameters"]["$defs"]["Node"]["properties"]["children"]["items"] == {
                "$ref": "#/$defs/Node"
            }
    with subtests.test("LlamaIndex, recursive"), ScriptServer(always=answer) as server:
        aki(server).chat_with_tools([FunctionTool.from_defaults(grow, fn_schema=Tree)], user_msg="hi")
        parameters = server.requests[0].json["tools"][0]["function"]["parameters"]
        assert parameters["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
        aki(server).chat_with_tools([FunctionTool.from_defaults(grow, fn_schema=Node)], user_msg="hi")
        parameters = server.requests[1].json["tools"][0]["function"]["parameters"]
        assert (parameters["type"], parameters["required"]) == ("object", ["name"])
    for protocol in ("openai", "anthropic"):
        with subtests.test("strict", protocol=protocol), ScriptServer(always=answer) as server:
            tools = [
                Choice,
                Answer[int],
                Answer[dict[str, int]],
                Answer[dict[str, Any]],
                {"title": "N", "type": "object"},
            ]
            chat_aki(server, protocol).bind_tools(tools, strict=True).invoke("hi")
            sent = [each.get("function", each) for each in server.requests[0].json["tools"]]
            one_of, plain, free, any_field, none = (each.get("parameters") or each["input_schema"] for each in sent)
            assert "oneOf" not in str(one_of)
            assert "discriminator" not in str(one_of)
            assert [each["properties"]["kind"]["const"] for each in one_of["properties"]["one"]["anyOf"]] == ["a", "b"]
            assert (sent[1]["strict"], sent[1]["name"]) == (True, "Answer_int")
            assert (plain["additionalProperties"], plain["required"]) == (False, ["value", "note"])
            assert "default" not in str(plain)
            assert free["properties"]["value"]["additionalProperties"] == {"type": "integer"}
            assert free["additionalProperties"] is False
            assert any_field["properties"]["value"]["additionalProperties"] is True
            assert (none["properties"], none["additionalProperties"]) == ({}, False)


def test_schemas_of_answers_are_taken_in_any_form(subtests) -> None:
    schema = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    for form in (
        schema,
        {"name": "City", "schema": schema},
        {"name": "City", "schema": schema, "strict": True},
        {"type": "json_schema", "json_schema": {"name": "City", "schema": schema}},
        {"type": "json_schema", "json_schema": schema},
        {"type": "json_object", "schema": schema, "name": "City"},
        {"title": "City", "$ref": "#/$defs/C", "$defs": {"C": {k: v for k, v in schema.items() if k != "title"}}},
        {"$ref": "#/$defs/City", "$defs": {"City": schema}},
    ):
        with subtests.test(form), ScriptServer(always=lambda _: replied('{"name": "Rome"}', model="m")) as server:
            assert chat_aki(server).with_structured_output(form).invoke("hi") == {"name": "Rome"}
            chat_aki(server).invoke("hi", response_format=form)
            aki(server).chat([ChatMessage("hi")], response_format=form)
            for request in server.requests:
                sent = request.json["response_format"]
                assert sent["type"] == "json_schema"
                assert sent["json_schema"]["name"] == "City"
                assert sent["json_schema"]["schema"]["properties"] == schema["properties"]


def test_a_value_that_is_no_object_is_json_text_in_an_answer() -> None:
    with ScriptServer(always=replied('{"value": "bad"}', model="m")) as server:
        response = aki(server).chat([ChatMessage("hi")], response_format={"title": "Mood", "enum": ["good", "bad"]})
    assert response.message.content == '"bad"'


def test_names_and_roots_are_made_legal_and_back_again(subtests) -> None:
    size = type("Größe", (BaseModel,), {"__annotations__": {"cm": int}, "__doc__": "A size."})
    long = type("N" * 80, (BaseModel,), {"__annotations__": {"cm": int}, "__doc__": "Long."})
    rows = [
        (size, '{"cm": 3}', lambda found: found.cm == 3),
        (long, '{"cm": 3}', lambda found: found.cm == 3),
        (Answer[int], '{"value": 3}', lambda found: found.value == 3),
        (Names, '{"value": ["a"]}', lambda found: found.root == ["a"]),
        (RootModel[int], '{"value": 3}', lambda found: found.root == 3),
        ({"title": "Mood", "enum": ["good", "bad"]}, '{"value": "bad"}', lambda found: found == "bad"),
        ({"type": "object", "properties": {"n": {"type": "integer"}}}, '{"n": 3}', lambda found: found == {"n": 3}),
    ]
    for schema, text, fits in rows:
        with subtests.test(str(schema)), ScriptServer(always=lambda _, text=text: replied(text, model="m")) as server:
            assert fits(chat_aki(server).with_structured_output(schema).invoke("hi"))
            sent = server.requests[0].json["response_format"]["json_schema"]
            assert len(sent["name"]) <= 64
            assert sent["name"].replace("_", "").isalnum()
            assert sent["name"].isascii()
            assert sent["schema"]["type"] == "object"
    with subtests.test("a tool"):
        calls = [{"id": "c1", "type": "function", "function": {"name": "Grosse", "arguments": '{"cm": 1}'}}]
        always = replied("", tool_calls=calls, finish="tool_calls", model="m")
        with ScriptServer(always=always) as server:
            (call,) = chat_aki(server).bind_tools([size], tool_choice="Größe").invoke("hi").tool_calls
            assert call["name"] == "Größe"
            body = server.requests[0].json
            assert body["tools"][0]["function"]["name"] == body["tool_choice"]["function"]["name"] == "Grosse"
            measure = FunctionTool.from_defaults(lambda cm: f"{cm} cm", name="Größe", description="A size.")
            assert aki(server).predict_and_call([measure], user_msg="hi").response == "1 cm"
            assert server.requests[1].json["tools"][0]["function"]["name"] == "Grosse"


def test_choices_of_tools_are_passed(subtests) -> None:
    function = {"type": "function", "function": {"name": "f"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function]}}
    other = {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}}
    one = {"type": "auto", "disable_parallel_tool_use": True}
    for framework in (chat_aki, aki):
        with subtests.test(framework.__name__):
            body = bodies_by_every_way(framework, "openai", ["hi"], tools=[FUNCTION, other], tool_choice=allowed)
            assert body["tool_choice"] == allowed
            body = bodies_by_every_way(framework, "anthropic", ["hi"], tools=[FUNCTION, other], tool_choice=allowed)
            assert (body["tool_choice"], [each["name"] for each in body["tools"]]) == ({"type": "any"}, ["f"])
            tools = [FUNCTION, other, {"type": "web_search"}, {"type": "code"}]
            flat = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}, {"name": "g"}]}
            body = bodies_by_every_way(framework, "anthropic", ["hi"], tools=tools, tool_choice=flat)
            assert [each.get("name", each.get("type")) for each in body["tools"]] == ["g", "web_search"]
            named = {"type": "function", "function": {"name": "Größe"}}
            allowed_size = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named]}}
            body = bodies_by_every_way(framework, "openai", ["hi"], tools=[named, other], tool_choice=allowed_size)
            assert body["tool_choice"]["allowed_tools"]["tools"][0]["function"]["name"] == "Grosse"
            body = bodies_by_every_way(framework, "anthropic", ["hi"], tools=[named, other], tool_choice=allowed_size)
            assert [each["name"] for each in body["tools"]] == ["Grosse"]
            body = bodies_by_every_way(framework, "anthropic", ["hi"], tools=[FUNCTION], tool_choice=one)
            assert body["tool_choice"] == one
            body = bodies_by_every_way(framework, "openai", ["hi"], tools=[FUNCTION], parallel_tool_calls=False)
            assert body["parallel_tool_calls"] is False
    kwargs = {"tool_required": True, "allow_parallel_tool_calls": False}
    body = bodies_by_every_way(aki, "openai", ["hi"], tools=[FUNCTION], **kwargs)
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


def test_base_urls_as_people_copy_them(subtests) -> None:
    for framework in (ChatAKI, AKI):
        for url, meant in (
            ("https://h.example/v1/chat/completions", "https://h.example/v1"),
            ("https://h.example/v1/chat/completions/", "https://h.example/v1"),
            ("https://h.example/v1/Chat/Completions", "https://h.example/v1"),
            ("https://h.example/v1/embeddings", "https://h.example/v1"),
            ("https://h.example/api/call/llama3_8b_chat", "https://h.example/api"),
            ("https://h.example/anthropic/v1/messages", "https://h.example/anthropic"),
        ):
            with subtests.test(url), pytest.raises(ConfigurationError, match=f"did you mean '{meant}'"):
                framework(model="m", base_url=url, api_key="k-test")
        with subtests.test("no text"), pytest.raises(ConfigurationError, match="base_url= should be a valid string"):
            framework(model="m", base_url=httpx.URL("https://h.example/v1"), api_key="k-test")
        with subtests.test("query"), ScriptServer(always=answer) as server:
            model = framework(model="qwen3.6-35b", base_url=f"{server.openai_url}/?api-version=1", api_key="k-test")
            ask(model, "blocking", ["hi"])
            assert (server.requests[0].path, server.requests[0].query) == ("/v1/chat/completions", "api-version=1")


def test_capabilities_are_stated_by_the_user(subtests) -> None:
    for framework in (ChatAKI, AKI):
        with subtests.test(framework.__name__):
            model = framework(model="gpt-oss-120b", capabilities={"tools": False, "images": True, "reasoning": True})
            info = model.model_info()
            assert (info.tools, info.images, info.reasoning) == (False, True, True)
            with pytest.raises(ConfigurationError, match="'sight'"):
                framework(model="m", capabilities={"sight": True})
    profile = ChatAKI(model="gpt-oss-120b", capabilities={"tools": False, "structured_output": True}).profile
    assert (profile["tool_calling"], profile["structured_output"]) == (False, True)
    assert not AKI(model="gpt-oss-120b", capabilities={"tools": False}).metadata.is_function_calling_model
