"""Settings, arguments and tools as people write them, in both frameworks: what is sent, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, Generic, Literal, TypeVar

import httpx
import pytest
from langchain_core.tools import StructuredTool, tool
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, Field, SecretStr, create_model

from aki_transport import AKIError, ConfigurationError, Timeout
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.requests.frameworks import (
    BOTH_HALVES,
    FRAMEWORKS,
    PROTOCOLS,
    WAYS,
    Protocol,
    aki,
    ask,
    chat_aki,
    in_pieces,
    reply_of,
)
from tests.scenarios import replied
from tests.script_server import json_answer
from tests.subcases import subcases

pytestmark = [
    pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning"),  # the server has one answer
    pytest.mark.usefixtures("one_loop"),
]

in_both = subcases("framework", FRAMEWORKS)
in_both_classes = subcases("cls", (ChatAKI, AKI))
on_both_wires = subcases("protocol", PROTOCOLS)

HI = [ChatMessage("hi")]
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}
SAID = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

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


@in_both
def test_request_fields_are_taken_by_name(framework: Any, server, body, refused) -> None:
    for fields, kwargs in ((REQUEST_FIELDS, {}), ({"n": 5}, REQUEST_FIELDS)):
        sent = body(framework, "openai", ["hi"], fields=fields, **kwargs)
        assert sent == {**sent, **REQUEST_FIELDS}
    with refused("takes no logit_bias"):
        ask(framework(server, "anthropic", logit_bias={"5": 1}), "blocking", ["hi"])


ZEROS: dict[str, Any] = {
    "temperature": 0.0,
    "top_p": 0.0,
    "top_k": 0,
    "max_tokens": 1,
    "stop": ["x"],
    "seed": 0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "reasoning_effort": "none",
}


@in_both
def test_a_setting_is_sent_where_given_also_if_it_is_nothing(body: Any, framework: Any):
    assert body(framework, "openai", ["hi"]) == SAID
    for name, value in ZEROS.items():
        assert body(framework, "openai", ["hi"], fields={name: value}) == {**SAID, name: value}
        assert body(framework, "openai", ["hi"], **{name: value}) == {**SAID, name: value}
    nothing = {name: [] if name == "stop" else None for name in ZEROS}
    assert body(framework, "openai", ["hi"], fields=ZEROS, **nothing) == SAID


@in_both
def test_a_bound_of_ours_is_sent_where_the_service_has_one(server, framework: Any):
    fields = {"model": "Qwen/Qwen3.6-35B", "base_url": server.openai_url}
    ask(framework(server, provider="aki", **fields), "blocking", ["hi"])
    assert server.requests[0].json == {**SAID, "model": "qwen3.6-35b", "max_tokens": 8192}
    ask(framework(server, provider="aacflow", **{**fields, "model": "m"}), "blocking", ["hi"])
    assert server.requests[1].json == SAID


@in_both
def test_a_call_wins_over_the_model_and_bodies_are_joined(body: Any, framework: Any):
    fields = {"temperature": 1.0, "stop": ["a"], "extra_body": {"x": 1, "y": 1}}
    sent = body(framework, "openai", ["hi"], fields=fields, temperature=0.0, stop="b", extra_body={"y": 2, "z": 2})
    assert sent == {**SAID, "temperature": 0.0, "stop": ["b"], "x": 1, "y": 2, "z": 2}
    assert body(framework, "openai", ["hi"], fields={"stop": "a"}) == {**SAID, "stop": ["a"]}


@in_both_classes
def test_aliases_are_taken(cls: Any, server) -> None:
    model = cls(
        model_name="qwen3.6-35b",
        openai_api_key="k-test",
        openai_api_base=server.openai_url,
        request_timeout=7,
        max_completion_tokens=9,
        stop_sequences=["x"],
        model_kwargs={"seed2": 1},
        stream_usage=True,
    )
    assert (model.model, model.base_url, model.timeout) == ("qwen3.6-35b", server.openai_url, 7)
    assert isinstance(model.api_key, SecretStr)
    assert (model.max_tokens, model.stop, model.extra_body) == (9, ["x"], {"seed2": 1})
    ask(model, "blocking", ["hi"], max_completion_tokens=3, stop_sequences="y")
    body = server.requests[-1].json
    assert (body["max_tokens"], body["stop"], body["seed2"]) == (3, ["y"], 1)
    assert server.requests[-1].headers["authorization"] == "Bearer k-test"
    fields = {"base_url": server.openai_url, "api_key": "k-test", "model_listing": False}
    ask(cls(model="qwen3.6-35b", model_kwargs={"max_completion_tokens": 5}, **fields), "blocking", ["hi"])
    assert "max_tokens" not in server.requests[-1].json  # one bound is enough
    # None is the default, and httpx's tuple a timeout.
    model = cls(model="m", max_retries=None, protocol=None, on_unknown_model=None, request_timeout=(5, 60))
    assert (model.max_retries, model.protocol, model.on_unknown_model) == (2, "openai", "raise")
    assert model.timeout == Timeout(connect=5, answer=60, chunk=60)


@in_both
def test_fields_of_the_body_and_headers_may_be_nested(framework: Any, server) -> None:
    for name, headers in product(("model_kwargs", "additional_kwargs"), ("default_headers", "extra_headers")):
        inner = {"a": 1, "b": 1, "extra_headers": {"x-a": "1", "x-b": "1"}, "extra_body": {"c": 1}}
        fields = {name: inner, "extra_body": {"b": 2}, headers: {"x-b": "2"}}
        of_model, of_call = (fields, {}) if headers == "default_headers" else ({}, fields)
        ask(framework(server, **of_model), "blocking", ["hi"], **of_call)
        request = server.requests[-1]
        assert request.json == {**request.json, "a": 1, "b": 2, "c": 1}
        assert "extra_headers" not in request.json
        assert (request.headers["x-a"], request.headers["x-b"]) == ("1", "2")


def test_aliases_of_llama_index_are_taken() -> None:
    always = {"is_chat_model": True, "reuse_client": True}
    assert AKI(model="m", api_base="https://aki.io/v1", additional_kwargs={"a": 1}, **always).extra_body == {"a": 1}
    assert not AKI(model="gpt-oss-120b", is_function_calling_model=False).metadata.is_function_calling_model


@in_both_classes
def test_hints_come_from_a_table(cls: Any) -> None:
    known = {"headers": "extra_headers=", "num_retries": "max_retries=", "endpoint": "base_url="}
    hints = {**known, "is_chat_model": "True"}
    for name in (*hints, "stroe", "temprature"):
        with pytest.raises(ConfigurationError) as caught:
            cls(model="m", **{name: False})
        assert hints[name] in str(caught.value) if name in hints else "use" not in str(caught.value)


@in_both
def test_a_call_has_its_own_headers_and_timeout(framework: Any, server) -> None:
    model = framework(server, default_headers={"x-a": "1", "x-b": "1"})
    for way in WAYS:
        ask(model, way, ["hi"], extra_headers={"x-b": "2"}, timeout=5, extra_body={"z": 1})
        request = server.requests[-1]
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


@in_both
def test_a_key_may_be_a_function_asked_for_each_attempt(framework: Any, server) -> None:
    for way in WAYS:
        server.say(json_answer({"error": {"message": "busy: token-000000"}}, 503, retry_after="0"))
        model = framework(server, api_key=key_functions()[way.startswith("async")], model_listing=False)
        ask(model, way, ["hi"])
        seen = [request.headers["authorization"] for request in server.requests[-2:]]
        assert seen == ["Bearer token-000000", "Bearer token-000001"]
        assert "token-" not in repr(model)
    server.always = json_answer({"error": {"message": "bad key token-secret-1"}}, 401)
    for function, words in ((key_functions()[1], "async"), (lambda: "", "empty"), (lambda: "token-secret-1", "bad")):
        with pytest.raises(AKIError, match=words) as caught:
            ask(framework(server, api_key=function), "blocking", ["hi"])
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


def sent_by_both(server: Any, protocol: Protocol, tool: Any, *, name: str = "tools", **kwargs: Any) -> list[Any]:
    """What each framework sends of a tool, or of the choice of one."""
    chat_aki(server, protocol).bind_tools([tool], **kwargs).invoke("hi")
    aki(server, protocol).chat(HI, tools=[tool], **kwargs)
    return [request.json[name] for request in server.requests[-2:]]


@on_both_wires
def test_tools_that_are_no_functions_pass(protocol: Protocol, server) -> None:
    for foreign in FOREIGN:
        assert sent_by_both(server, protocol, foreign) == [[foreign]] * 2


def test_functions_in_any_dict_are_the_same_tool(server) -> None:
    schema = {"type": "object", "properties": {"a": {}}}
    named = {"name": "f", "description": "d"}
    for form in (
        {"type": "function", **named, "parameters": schema},
        {**named, "parameters": schema},
        {**named, "inputSchema": schema, "title": "F", "annotations": {"readOnlyHint": True}},
        {**named, "input_schema": schema},
    ):
        sent = [{"type": "function", "function": {**named, "parameters": schema}}]
        assert sent_by_both(server, "openai", form) == [sent] * 2


@pytest.mark.filterwarnings("ignore:.*was told to call a tool")
@on_both_wires
def test_a_tool_that_is_no_function_can_be_chosen_and_extras_of_a_tool_stay(protocol: Protocol, server) -> None:
    hosted = {"type": "web_search_preview"}
    assert sent_by_both(server, protocol, hosted, name="tool_choice", tool_choice=hosted) == [hosted] * 2
    chat_aki(server, protocol).bind_tools([hosted], tool_choice="web_search_preview").invoke("hi")
    assert server.requests[-1].json["tool_choice"] == hosted
    mark = {"cache_control": {"type": "ephemeral"}}
    chat_aki(server, protocol).bind_tools([tool(extras=mark)(grow)]).invoke("hi")
    assert server.requests[-1].json["tools"][0]["cache_control"] == mark["cache_control"]
    custom = {"type": "custom", "custom": {"name": "sql"}}
    for choice in ("sql", custom) if protocol == "openai" else ():
        assert sent_by_both(server, protocol, custom, name="tool_choice", tool_choice=choice) == [custom] * 2


def test_tools_are_taken_in_a_call_as_they_are_bound(server) -> None:
    declared = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    chat_aki(server).invoke("hi", tools=[tool(grow), declared])
    grower = FunctionTool.from_defaults(grow, fn_schema=Tree)
    aki(server).chat(HI, tools=[grower, declared])
    aki(server).chat_with_tools([grower, declared], "hi")
    for request in server.requests:
        assert [each["function"]["name"] for each in request.json["tools"]] == ["grow", "f"]

    class Silent(BaseModel):
        @classmethod
        def model_json_schema(cls, *_, **__):
            raise ValueError

    for wrong in ("f", 5, list[int], create_model("Sorted", by=(Callable[[int], int], ...)), Silent):
        for take in (lambda each: chat_aki(server).bind_tools([each]), chat_aki(server).with_structured_output):
            with pytest.raises(ConfigurationError, match="cannot be converted"):
                take(wrong)
    bound = chat_aki(server).with_structured_output(tool(grow)).first
    assert bound.kwargs["response_format"]["json_schema"]["name"] == "grow"


class Node(BaseModel):
    """A tree."""

    name: str
    children: list[Node] = []


class Tree(BaseModel):
    tree: Node


class Garden:
    def plant(self, tree: Node) -> str:
        """Plant."""
        return tree.name


@dataclass
class Bed:
    """The arguments of a tool."""

    trees: list[Node]


class KindA(BaseModel):
    kind: Literal["a"] = "a"


class KindB(BaseModel):
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


def test_schemas_of_tools_are_complete(server) -> None:
    of_server = StructuredTool(
        name="f", description="d", args_schema=Tree.model_json_schema(), func=str
    )  # as MCP's are
    for tools in ([Node, tool(grow), grow], [of_server, Garden().plant, Bed, Node.model_json_schema()]):
        chat_aki(server).bind_tools(tools).invoke("hi")
    for schema in (Tree, Node):
        aki(server).chat_with_tools([FunctionTool.from_defaults(grow, fn_schema=schema)], user_msg="hi")
    sent = [each["function"]["parameters"] for request in server.requests for each in request.json["tools"]]
    for parameters in sent[:-1]:
        assert parameters["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert (sent[-1]["type"], sent[-1]["required"]) == ("object", ["name"])


@on_both_wires
def test_strict_schemas_of_tools_are_legal(protocol: Protocol, server) -> None:
    tools = [Choice, Answer[int], Answer[dict[str, int]], Answer[dict[str, Any]], {"title": "N", "type": "object"}]
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


CITY = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
FORMS: list[dict[str, Any]] = [
    CITY,
    {"name": "City", "schema": CITY},
    {"name": "City", "schema": CITY, "strict": True},
    {"type": "json_schema", "json_schema": {"name": "City", "schema": CITY}},
    {"type": "json_schema", "json_schema": CITY},
    {"type": "json_object", "schema": CITY, "name": "City"},
    {"title": "City", "$ref": "#/$defs/C", "$defs": {"C": {k: v for k, v in CITY.items() if k != "title"}}},
    {"$ref": "#/$defs/City", "$defs": {"City": CITY}},
]


@subcases("form", FORMS)
def test_schemas_of_answers_are_taken_in_any_form(form: dict[str, Any], server) -> None:
    server.always = replied('{"name": "Rome"}', model="m")
    assert chat_aki(server).with_structured_output(form).invoke("hi") == {"name": "Rome"}
    chat_aki(server).invoke("hi", response_format=form)
    aki(server).chat(HI, response_format=form)
    for request in server.requests:
        sent = request.json["response_format"]
        assert (sent["type"], sent["json_schema"]["name"]) == ("json_schema", "City")
        assert sent["json_schema"]["schema"]["properties"] == CITY["properties"]


MOOD = {"title": "Mood", "enum": ["good", "bad"]}


def test_a_value_that_is_no_object_is_json_text_in_an_answer(server) -> None:
    server.always = replied('{"value": "bad"}', model="m")
    assert aki(server).chat(HI, response_format=MOOD).message.content == '"bad"'


def test_names_and_roots_are_made_legal_and_back_again(server) -> None:
    size = type("Größe", (BaseModel,), {"__annotations__": {"cm": int}, "__doc__": "A size."})
    long = type("N" * 80, (BaseModel,), {"__annotations__": {"cm": int}, "__doc__": "Long."})
    rows: list[tuple[Any, str, Any]] = [
        (size, '{"cm": 3}', size(cm=3)),
        (long, '{"cm": 3}', long(cm=3)),
        (Answer[int], '{"value": 3}', Answer[int](value=3)),
        (MOOD, '{"value": "bad"}', "bad"),
        ({"type": "object", "properties": {"n": {"type": "integer"}}}, '{"n": 3}', {"n": 3}),
    ]
    for schema, text, expected in rows:
        server.always = replied(text, model="m")
        assert chat_aki(server).with_structured_output(schema).invoke("hi") == expected
        sent = server.requests[-1].json["response_format"]["json_schema"]
        assert len(sent["name"]) <= 64
        assert sent["name"].replace("_", "").isalnum()
        assert sent["name"].isascii()
        assert sent["schema"]["type"] == "object"
    calls = [{"id": "c1", "type": "function", "function": {"name": "Grosse", "arguments": '{"cm": 1}'}}]
    server.always = replied("", tool_calls=calls, finish="tool_calls", model="m")
    (call,) = chat_aki(server).bind_tools([size], tool_choice="Größe").invoke("hi").tool_calls
    assert call["name"] == "Größe"
    body = server.requests[-1].json
    assert body["tools"][0]["function"]["name"] == body["tool_choice"]["function"]["name"] == "Grosse"
    measure = FunctionTool.from_defaults(lambda cm: f"{cm} cm", name="Größe", description="A size.")
    assert aki(server).predict_and_call([measure], user_msg="hi").response == "1 cm"
    assert server.requests[-1].json["tools"][0]["function"]["name"] == "Grosse"


# Schemas of tools without arguments, or without a type. Sources: https://github.com/langchain-ai/langchain-mcp-adapters/issues/137,
# https://github.com/osaurus-ai/osaurus/issues/2847, https://github.com/langchain-ai/langchain-mcp-adapters/pull/343
BARE: list[dict[str, Any]] = [
    {"type": "object"},
    {"type": "object", "additionalProperties": False},
    {"type": "object", "properties": None, "additionalProperties": True},
    {"type": "object", "properties": None},
    {"properties": {"a": {"type": "string"}}},
    {"type": "object", "required": []},
]


@on_both_wires
def test_arguments_are_an_object_with_properties(protocol: Protocol, server) -> None:
    for schema, strict in product(BARE, (None, True)):
        bound = [StructuredTool(name="f", description="d", args_schema=schema, func=str)]
        for tools in (bound, [{"name": "f", "description": "d", "input_schema": schema}]):
            chat_aki(server, protocol).bind_tools(tools, strict=strict).invoke("hi")
            (sent,) = server.requests[-1].json["tools"]
            parameters = sent["input_schema"] if protocol == "anthropic" else sent["function"]["parameters"]
            assert (parameters["type"], parameters["properties"]) == ("object", schema.get("properties") or {})
            closed = False if strict else None
            assert parameters.get("additionalProperties") == schema.get("additionalProperties", closed)
        aki(server, protocol).chat(HI, tools=[{"name": "f", "description": "d", "input_schema": schema}])
        assert "properties" in str(server.requests[-1].json["tools"])


@in_both
def test_blank_stop_sequences_cut_the_answer_though_anthropics_protocol_refuses_them(framework: Any, server) -> None:
    # Source: https://github.com/BerriAI/litellm/issues/3286
    server.always = in_pieces("Hi\n\nyou")
    for way, (stop, sent) in product(BOTH_HALVES, ((["\n\n", "END"], ["END"]), (["\n"], None))):
        reply = reply_of(framework(server, "anthropic"), way, stop=stop)
        assert (reply.message.content if framework is aki else reply.text) == "Hi"
        assert server.requests[-1].json.get("stop_sequences") == sent


@in_both
def test_choices_of_tools_are_passed(framework: Any, body) -> None:
    other = {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}}
    named = {"type": "function", "function": {"name": "Größe"}}

    def sent(protocol: Protocol, choice: Any, *tools: Any) -> tuple[Any, list[str]]:
        asked = body(framework, protocol, ["hi"], tools=[*tools], tool_choice=choice)
        names = [each.get("function", each) for each in asked["tools"]]
        return asked["tool_choice"], [each.get("name", each.get("type")) for each in names]

    def allowed(mode: str, tool: Any) -> Any:
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [tool]}}

    must = allowed("required", {"type": "function", "function": {"name": "f"}})
    assert sent("openai", must, FUNCTION, other)[0] == must
    assert sent("anthropic", must, FUNCTION, other) == ({"type": "any"}, ["f"])
    flat = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}, {"name": "g"}]}
    hosted = ({"type": "web_search"}, {"type": "code"})
    assert sent("anthropic", flat, FUNCTION, other, *hosted)[1] == ["g", "web_search"]
    renamed = allowed("auto", {**named, "function": {"name": "Grosse"}})
    assert sent("openai", allowed("auto", named), named, other)[0] == renamed
    assert sent("anthropic", allowed("auto", named), named, other)[1] == ["Grosse"]
    one = {"type": "auto", "disable_parallel_tool_use": True}
    assert sent("anthropic", one, FUNCTION)[0] == one
    assert (
        body(framework, "openai", ["hi"], tools=[FUNCTION], parallel_tool_calls=False)["parallel_tool_calls"] is False
    )
    if framework is aki:
        kwargs = {"tool_required": True, "allow_parallel_tool_calls": False}
        asked = body(aki, "openai", ["hi"], tools=[FUNCTION], **kwargs)
        assert (asked["tool_choice"], asked["parallel_tool_calls"]) == ("required", False)


@in_both_classes
def test_base_urls_as_people_copy_them(cls: Any, server) -> None:
    for path, meant in (
        ("v1/chat/completions", "v1"),
        ("v1/chat/completions/", "v1"),
        ("v1/Chat/Completions", "v1"),
        ("v1/embeddings", "v1"),
        ("api/call/llama3_8b_chat", "api"),
        ("anthropic/v1/messages", "anthropic"),
    ):
        with pytest.raises(ConfigurationError, match=f"did you mean 'https://h.example/{meant}'"):
            cls(model="m", base_url=f"https://h.example/{path}", api_key="k-test")
    with pytest.raises(ConfigurationError, match="base_url= should be a valid string"):
        cls(model="m", base_url=httpx.URL("https://h.example/v1"), api_key="k-test")
    model = cls(model="qwen3.6-35b", base_url=f"{server.openai_url}/?api-version=1", api_key="k-test")
    ask(model, "blocking", ["hi"])
    assert (server.requests[0].path, server.requests[0].query) == ("/v1/chat/completions", "api-version=1")


@in_both_classes
def test_capabilities_are_stated_by_the_user(cls: Any) -> None:
    model = cls(model="gpt-oss-120b", capabilities={"tools": False, "images": True, "structured_output": True})
    info = model.model_info()
    assert (info.tools, info.images, info.structured_output) == (False, True, True)
    assert cls(model="gpt-oss-120b", capabilities={"reasoning": True}).model_info().reasoning is True
    with pytest.raises(ConfigurationError, match="'sight'"):
        cls(model="m", capabilities={"sight": True})
    if cls is ChatAKI:
        told = [model.profile[name] for name in ("tool_calling", "image_inputs", "structured_output")]
        assert told == [False, True, True]
    else:
        assert not model.metadata.is_function_calling_model
