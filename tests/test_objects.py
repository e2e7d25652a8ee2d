"""The object in an answer is the one that fits the schema, whatever stands around it; a wrong or an empty one never."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.exceptions import OutputParserException
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, Field, RootModel
from typing_extensions import TypedDict

from aki_transport import InvalidResponseError, ModelRefusalError
from aki_transport.json_answer import JsonAnswer
from aki_transport.messages import ChatRequest, JsonSchema, Message
from aki_transport.schemas import checked
from tests.anthropic_script import said
from tests.requests.frameworks import aki, chat_aki, in_pieces
from tests.scenarios import replied, streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.transport.asking import in_every_way

pytestmark = pytest.mark.filterwarnings(
    "ignore::aki_transport.errors.ModelMismatchWarning", "ignore:.*called none:UserWarning"
)


class City(BaseModel):
    """A city."""

    name: str
    people: int = 0


class Names(BaseModel):
    """Names."""

    names: list[str] = Field(default_factory=list)


class DictCity(TypedDict):
    """A city."""

    name: str
    people: int


JSON_CITY = {
    "title": "JsonCity",
    "description": "A city.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name"],
}
ROME = {"name": "Rome", "people": 3}
R = json.dumps(ROME)
OTHER = '{"name": "x", "people": 1}'
SCHEMA = json.dumps(City.model_json_schema())

# Texts that hold the object. Thoughts hold others that fit as well.
HELD: dict[str, str] = {
    "a thought that only ends": f"Perhaps {OTHER}, or not.</think>\n{R}",
    "a thought that only ends, begun with JSON": f"{OTHER} would do.\n</think>\n\n```json\n{R}\n```",
    "<think>": f"<think>{OTHER}</think>{R}",
    "<think> behind a first word": f"Okay. <think>{OTHER}</think>\n{R}",
    "<thought>": f"<thought>Maybe {OTHER}.</thought>\n{R}",
    "<thinking>": f"<thinking>\n{OTHER}\n</thinking>\n\nHere: {R}",
    "<reasoning>": f"<Reasoning>{OTHER}</Reasoning>{R}",
    "[THINK]": f"[THINK]{OTHER}[/THINK]{R}",
    "two thoughts": f"<think>{OTHER}</think>Hm.<think>{OTHER}</think>{R}",
    "a thought behind": f"{R}\n<think>Was {OTHER} better?</think>",
    "harmony": f"<|channel|>analysis<|message|>{OTHER}<|end|>"
    f"<|start|>assistant<|channel|>final<|message|>{R}<|return|>",
    "harmony, a call": f"<|channel|>analysis<|message|>{OTHER}<|end|><|start|>assistant<|channel|>commentary"
    f" to=functions.City <|constrain|>json<|message|>{R}<|call|>",
    "harmony without its tokens": f"analysisMaybe {OTHER}.assistantfinal{R}",
    "Gemma's channel": f"<|channel>thought\nMaybe {OTHER}.<channel|>{R}",
    "Cohere's tokens": f"<|START_THINKING|>{OTHER}<|END_THINKING|><|START_RESPONSE|>{R}<|END_RESPONSE|>",
    "OpenThinker's tokens": f"<|begin_of_thought|>{OTHER}<|end_of_thought|>{R}",
    "Granite's words": f"Here is my thought process: {OTHER}\nHere is my response: {R}",
    "only a thought": f"<think>{R}",
    "only a thought, closed": f"<think>So: {OTHER}. No, {R}</think>",
    "words": f"[Note] As said in [1], {{it}} is {R}. See [2].",
    "an apostrophe and a quote": f'It\'s "{R}"!',
    "a fence": f"Sure:\n```json\n{R}\n```\nAnything else?",
    "a fence of another kind": f"```\n{R}\n```",
    "an empty object first": f"{{}}\n{R}",
    "a schema first": f"{SCHEMA}\n\n{R}",
    "an example first": f'For example {{"name": "Rome", "people": "3 million"}}, or {OTHER}.\n{R}',
    "an ellipsis first": f'It has the form {{"name": ...}}.\n{R}',
    "another object behind": f'{R}\n{{"confidence": 0.9}}',
    "wrapped in its name": f'{{"City": {R}}}',
    "wrapped": f'```json\n{{"output": {R}}}\n```',
    "wrapped in properties": f'{{"type": "object", "properties": {R}}}',
    "wrapped twice": f'{{"response": {{"output": {R}}}}}',
    "in a list": f"[{R}]",
    "as a call": f'{{"name": "City", "arguments": {R}}}',
    "as a call of OpenAI": json.dumps({"type": "function", "function": {"name": "City", "arguments": R}}),
    "as a call among others' fields": f'{{"id": "1", "type": "function", "name": "City", "parameters": {R}}}',
    "as calls": f'<tool_call>{{"tool_calls": [{{"name": "City", "arguments": {R}}}]}}</tool_call>',
    "encoded twice": json.dumps(R),
    "encoded twice among words": f"The answer is {json.dumps(R)}.",
    "wrapped and encoded twice": json.dumps({"output": R}),
    "a comma too many": '{"name": "Rome", "people": 3,}',
    "a comma too many, in a fence": '```json\n{\n  "name": "Rome",\n  "people": 3,\n}\n```',
    "of Python": "{'name': 'Rome', 'people': 3, 'note': None, 'says': 'it\\'s \"x\"'}",
    "of JavaScript": '{\n  name: "Rome", // the city\n  people: 3, /* of 4 */\n}',
    "of Python, with a comment": "{\n  # the city\n  'name': 'Rome', 'people': 3}",
    "blanks that do not break": '{\u00a0"name":\u00a0"Rome",\u00a0"people": 3}',
    "a backslash that escapes nothing": r'{"name": "Rome", "people": 3, "note": "\d \users \\ \n"}',
    "a comma within a text": '{"name": "Rome", "note": "a,}", "people": 3, }',
    "tags within a text": '{"note": "<think>x</think>", "name": "Rome", "people": 3}',
    "line breaks within a text": '{"note": "a\nb", "name": "Rome", "people": 3}',
}
# Texts without an object that fits; those of `NO_JSON` hold none at all.
NOT_HELD: dict[str, str] = {
    "a wrong object": '{"people": 3}',
    "an empty object": "{}",
    "the schema": SCHEMA,
    "a list of two": f"[{OTHER}, {OTHER}]",
    "an object that ends too soon": '{"name": "Rome", "mayor": {"name": "x"}, "people": ',
    "a part of it": '{"capital": 1, "people": {"name": "x"}}',
}
NO_JSON: dict[str, str] = {
    "words": "I would rather not.",
    "a thought alone is no answer where words follow": f"<think>{OTHER}</think>I do not know.",
    "an empty object among words": "Here: {}",
    "notes": "As [1] says, {nothing}.",
}


def objects(server: ScriptServer, schema: Any, *, stream: bool, **how: Any) -> list[Any]:
    """What LangChain gives, one by one."""
    protocol = how.pop("protocol", "openai")
    model = chat_aki(server, protocol).with_structured_output(schema, **how)
    return list(model.stream("Which city?")) if stream else [model.invoke("Which city?")]


def predicted(server: ScriptServer, cls: type[BaseModel], *, stream: bool, protocol: Any = "openai") -> list[Any]:
    """What LlamaIndex gives, one by one."""
    llm, prompt = aki(server, protocol), PromptTemplate("Which city?")
    return list(llm.stream_structured_predict(cls, prompt)) if stream else [llm.structured_predict(cls, prompt)]


KINDS: dict[str, Any] = {"class": City, "TypedDict": DictCity, "JSON schema": JSON_CITY}
METHODS = (None, "json_schema", "function_calling")


def placed(number: int, *methods: str | None) -> Iterator[tuple[str, Any, str | None]]:
    """Each method with one kind of schema, another one in the next row: any two of row, kind and method meet."""
    for at, method in enumerate(methods):
        kind = list(KINDS)[(number + at) % len(KINDS)]
        yield kind, KINDS[kind], method


@pytest.mark.parametrize("row", HELD)
def test_the_object_that_fits_is_found(row: str, subtests) -> None:
    with ScriptServer(always=in_pieces(HELD[row])) as server:
        for stream in (False, True):
            for kind, schema, method in placed([*HELD].index(row) + stream, *METHODS, "json_mode"):
                with subtests.test(framework="LangChain", kind=kind, method=method, stream=stream):
                    server.reset()
                    is_bare = method == "json_mode" and kind != "class"  # no schema is given there
                    found = objects(server, schema, stream=stream, method=method)[-1]
                    assert is_bare or _known(found) == ROME
                    assert len(server.requests) == 1
            for protocol in ("openai", "anthropic"):
                with subtests.test(framework="LlamaIndex", protocol=protocol, stream=stream):
                    server.reset()
                    assert predicted(server, City, stream=stream, protocol=protocol)[-1] == City(**ROME)
                    assert objects(server, City, stream=stream, protocol=protocol)[-1] == City(**ROME)
                    assert len(server.requests) == 2
        with subtests.test("wrong forms are not shown while it arrives"):
            states = objects(server, JSON_CITY, stream=True)
            assert all(next(iter(state)) in (*ROME, "note") for state in states)
            raw: Any = None
            for state in chat_aki(server).with_structured_output(JSON_CITY, include_raw=True).stream("Which city?"):
                raw = state if raw is None else raw + state
            assert (_known(raw["parsed"]), raw["parsing_error"]) == (ROME, None)


def _known(value: Any) -> Any:
    """What an object says of Rome: one of a class says nothing else."""
    if isinstance(value, City):
        return value.model_dump()
    assert type(value) is dict
    return {name: value[name] for name in ROME}


@pytest.mark.parametrize("row", [*NOT_HELD, *NO_JSON])
def test_no_other_object_is_returned(row: str, subtests) -> None:
    rows = {**NOT_HELD, **NO_JSON}
    with ScriptServer(always=in_pieces(rows[row])) as server:
        for stream in (False, True):
            for kind, schema, method in placed([*rows].index(row) + stream, *METHODS):
                with subtests.test(framework="LangChain", kind=kind, method=method, stream=stream):
                    server.reset()
                    with pytest.raises(OutputParserException):
                        objects(server, schema, stream=stream, method=method)
                    assert row in NO_JSON or len(server.requests) == 1
                    *_, last = objects(server, schema, stream=stream, method=method, include_raw=True)
                    assert last["parsed"] is None
                    assert isinstance(last["parsing_error"], OutputParserException)
            with subtests.test(framework="LlamaIndex", stream=stream), pytest.raises(InvalidResponseError):
                predicted(server, City, stream=stream)


def test_an_object_whose_fields_are_all_optional_is_not_made_of_anything(subtests) -> None:
    fits, other = Names(names=["Ann"]), json.dumps({"names": ["Ann"]})
    rows = {
        f'{{"Names": {other}}}': fits,
        f'{{"names": {other}}}': fits,
        other: fits,
        "{}": Names(),
        '{"Names": {}}': None,
        '{"title": "Names"}': None,
        "Nothing: {}": None,
        json.dumps(Names.model_json_schema()): None,
    }
    for text, expected in rows.items():
        for stream in (False, True):
            with subtests.test(text, stream=stream), ScriptServer(always=in_pieces(text)) as server:
                for ask in (objects, predicted):
                    if expected is not None:
                        assert ask(server, Names, stream=stream)[-1] == expected
                    else:
                        with pytest.raises((OutputParserException, InvalidResponseError)):
                            ask(server, Names, stream=stream)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("text", [None, "", "\n"])
def test_an_object_that_came_as_reasoning_is_the_answer(field: str, text: Any, subtests) -> None:
    for number, reasoning in enumerate((R, f"I was asked for JSON. {OTHER}? No:\n{R}", f"```json\n{R}\n```")):
        with ScriptServer(always=in_pieces(text, **{field: reasoning})) as server:
            for stream in (False, True):
                for kind, schema, method in placed(number + stream, *METHODS):
                    with subtests.test(reasoning=reasoning, kind=kind, method=method, stream=stream):
                        server.reset()
                        assert _known(objects(server, schema, stream=stream, method=method)[-1]) == ROME
                        assert len(server.requests) == 1
                with subtests.test(framework="LlamaIndex", reasoning=reasoning, stream=stream):
                    server.reset()
                    assert predicted(server, City, stream=stream)[-1] == City(**ROME)
                    assert len(server.requests) == 1


@pytest.mark.parametrize("text", ['{"name": "Ro', '{"name": {"name": "x"}, "country": "', "I think that", "", R])
@pytest.mark.parametrize(
    ("protocol", "finish"),
    [
        *(("openai", finish) for finish in ("content_filter", "SAFETY", "sensitive")),
        *(("anthropic", finish) for finish in ("refusal", "content_filtered")),
    ],
)
def test_an_object_that_a_filter_cut_off_is_a_refusal_unless_it_is_complete(
    protocol: str, finish: str, text: str
) -> None:
    def answer(request: Request) -> Answer:
        if protocol == "anthropic":
            return said(request, {"type": "text", "text": text}, stop=finish)
        return streamed(text, finish=finish) if request.json.get("stream") else replied(text, finish=finish)

    with ScriptServer(always=answer) as server:
        for stream in (False, True):
            for ask in (objects, predicted):
                server.requests.clear()
                if text == R and finish != "refusal":
                    assert ask(server, City, stream=stream, protocol=protocol)[-1] == City(**ROME)
                else:
                    with pytest.raises(ModelRefusalError):
                        ask(server, City, stream=stream, protocol=protocol)
                assert len(server.requests) == 1


@pytest.mark.parametrize("finish", ["length", "content_filter"])
@pytest.mark.parametrize("text", [None, f"<think>{R}", f"{R} or so.</think>\n"])
def test_an_object_in_reasoning_is_no_answer_where_the_answer_was_cut(finish: str, text: str | None) -> None:
    for stream in (False, True):
        with ScriptServer(always=in_pieces(text, finish=finish, reasoning_content="" if text else R)) as server:
            for ask in (objects, predicted):
                with pytest.raises(Exception, match=r"max_tokens|refused"):
                    ask(server, City, stream=stream)


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (RootModel[list[int]], "[1, 2]", RootModel[list[int]]([1, 2])),
        (RootModel[list[int]], 'Here: {"value": [1, 2]}', RootModel[list[int]]([1, 2])),
        (RootModel[int], '{"value": 7}', RootModel[int](7)),
        ({"title": "Numbers", "type": "array", "items": {"type": "integer"}}, '{"value": [1, 2]}', [1, 2]),
        ({"title": "Numbers", "type": "array", "items": {"type": "integer"}}, "So: [1, 2]", [1, 2]),
        ({"name": "numbers", "schema": {"type": "array", "items": {"type": "integer"}}}, '{"value": [1]}', [1]),
        ({"title": "Size", "type": "integer"}, '{"value": 7}', 7),
        (
            {"title": "One", "type": "object", "properties": {"value": {"type": "integer"}}},
            '{"value": 7}',
            {"value": 7},
        ),
    ],
)
def test_a_root_that_is_no_object_is_wrapped_and_unwrapped(schema: Any, text: str, expected: Any) -> None:
    with ScriptServer(always=in_pieces(text)) as server:
        for stream in (False, True):
            for method in (None, "function_calling"):
                assert objects(server, schema, stream=stream, method=method)[-1] == expected
            if isinstance(schema, type):
                assert predicted(server, schema, stream=stream)[-1] == expected


# Streams

GROWING = json.dumps({"name": "Rome, the capital of Italy", "people": 3})


@pytest.mark.parametrize("text", [GROWING, f"```json\n{GROWING}\n```", f"Here you are: {GROWING} Bye."])
def test_an_object_is_seen_while_it_arrives(text: str) -> None:
    with ScriptServer(always=in_pieces(text)) as server:
        found = objects(server, DictCity, stream=True)
        assert len(found) > 3
        for before, after in pairwise(found):
            assert after.get("name", "").startswith(before.get("name", ""))
        assert len(predicted(server, City, stream=True)) > 3


@in_every_way
def test_the_text_of_the_transport_is_the_object_alone(way, server: ScriptServer) -> None:
    target = JsonSchema(name="city", schema=JSON_CITY)
    request = ChatRequest(model="m", messages=(Message(role="user", content="hi"),), response_format=target)
    for text in (f"Hm {{}}.</think> {R}", f'{{"output": {R}}}', json.dumps(R), f"```json\n{R}\n```", R):
        server.always = in_pieces(text)
        assert json.loads(way.ask(chat_aki(server)._client, request).text) == ROME


# Pure

_words = st.text(st.sampled_from("abc .,\n!?-'"), max_size=20)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
_thoughts = st.sampled_from(
    [
        *("{}", "<think>{}</think>", "{}</think>", "<thought>{}</thought>", "<thinking>\n{}</thinking>"),
        *("[THINK]{}[/THINK]", "analysis{}assistantfinal", "<analysis>{}</analysis>", "< think >{}</ think >"),
        *("<|START_THINKING|>{}<|END_THINKING|>", "<unused94>thought{}<unused95>", "<|think|>{}<|/think|>"),
        *("Here is my thought process: {}Here is my response:", "Hm. {}[BEGIN FINAL RESPONSE]"),
        "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
    ]
)
_forms = st.sampled_from(
    ["{}", "```json\n{}\n```", '{{"output": {}}}', '{{"City": {}}}', "[{}]", '{{"x": {{"y": {}}}}}']
)


@st.composite
def _drawn(draw: Any) -> tuple[Any, dict[str, Any], str]:
    """A schema, an object that fits, and an answer that holds it, among others in thoughts."""
    names = draw(st.lists(st.sampled_from(["a", "b", "Größe", "a b"]), min_size=1, max_size=3, unique=True))
    types = {
        "integer": st.integers(),
        "string": st.text(max_size=9),
        "boolean": st.booleans(),
        "object": st.just({"z": 1}),
    }
    kinds = {name: draw(st.sampled_from([*types])) for name in names}
    fitting = st.fixed_dictionaries({name: types[kind] for name, kind in kinds.items()})
    schema = {"type": "object", "properties": {n: {"type": k} for n, k in kinds.items()}, "required": names}
    wanted, decoy = draw(fitting), draw(st.one_of(fitting, st.dictionaries(st.sampled_from("xyz"), _values)))
    thought = draw(_thoughts)
    if thought == "{}":
        decoy = draw(st.dictionaries(st.sampled_from("xyz"), st.integers()))
    before = thought.replace("{}", draw(_words) + json.dumps(decoy) + draw(_words))
    text = json.dumps(wanted, ensure_ascii=draw(st.booleans()))
    return schema, wanted, before + draw(_words) + draw(_forms).format(text) + draw(_words)


@given(_drawn())
@settings(max_examples=150, deadline=None)
def test_any_object_is_found_in_any_form_behind_any_thought(drawn: Any) -> None:
    schema, wanted, text = drawn
    assert JsonAnswer(text).find(checked(schema), schema["properties"]) == wanted


@given(st.text(), st.text(), st.sampled_from(["object", "array", "string"]))
def test_any_text_holds_a_value_that_fits_or_none(text: str, reasoning: str, kind: str) -> None:
    types = {"object": dict, "array": list, "string": str}
    with suppress(ValueError):
        assert isinstance(JsonAnswer(text, reasoning).find(checked({"type": kind})), types[kind])


@given(_values)
def test_any_json_fits_a_schema_that_demands_nothing(value: Any) -> None:
    for schema in ({}, True, {"description": "x", "format": "y"}, {"$ref": "#/nowhere"}, {"not": {}, "if": {}}):
        assert checked(schema)(value) == value


ADDRESS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHECKS: list[tuple[Any, Any, str]] = [  # schema, value, and what is wrong with it
    ({"type": "integer"}, 1, ""),
    ({"type": "integer"}, 1.0, ""),
    ({"type": "integer"}, 1.5, "it is no integer"),
    ({"type": "integer"}, True, "it is no integer"),
    ({"type": ["string", "null"]}, None, ""),
    ({"type": ["string", "null"]}, 1, "it is no string or null"),
    ({"type": "number"}, "1", "it is no number"),
    ({"enum": ["a", "b"]}, "c", "it is none of"),
    ({"const": 1}, 2, "it is none of"),
    ({"type": "array", "items": {"type": "integer"}}, [1, "2"], r"\[1\] is no integer"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, ""),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x", "it is no integer"),
    ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, "x", "it is no integer"),
    ({"allOf": [{"type": "object"}, ADDRESS]}, {"street": 1}, "none of the fields city"),
    ({"$ref": "#/$defs/A", "$defs": {"A": ADDRESS}}, {"city": 1}, "city is no string"),
    ({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": ADDRESS}}, {"a": {}}, "a.city is missing"),
    ({"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"a": {"$ref": "#"}}}}}, {"a": {"a": 1}}, ""),
    ({"properties": {"a": {"type": "integer"}}}, {"a": None}, ""),
    ({"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"a": None}, "a is no integer"),
    ({"properties": {"a": False}}, {"a": 1}, "a is not allowed"),
]


def test_a_schema_is_checked_as_far_as_it_is_understood(subtests) -> None:
    for schema, value, problem in CHECKS:
        with subtests.test(schema=schema, value=value):
            if problem:
                with pytest.raises(ValueError, match=problem):
                    checked(schema)(value)
            else:
                assert checked(schema)(value) == value


@pytest.mark.parametrize(
    "unit",
    ["[],", "[1],", '{"a', "[[", '{"a":{}},', '"{', '{"a" ', '\\"{\\"', '{"a":[', "</think>", "<|a|>", '{"a":1,}'],
)
def test_a_long_text_is_read_in_steps_in_proportion_to_its_length(unit: str) -> None:
    def calls(length: int) -> int:
        """Calls of functions, those of C too; each reads no more than the text once."""
        count = 0

        def note(_frame: Any, event: str, _arg: Any) -> None:
            nonlocal count
            count += "call" in event

        text = (unit * length)[:length]
        sys.setprofile(note)
        try:
            with suppress(ValueError):
                JsonAnswer(text).find(checked(ADDRESS), {"city"})
        finally:
            sys.setprofile(None)
        return count

    # Python 3.13 reads up to 10,000 levels at once, older ones 1,000: both lengths are beyond that.
    assert calls(64_000) < 3 * calls(32_000)


@pytest.mark.parametrize("answer", ['{"city": {"name": "Rome", "people": "3"}}', json.dumps({"output": R}), None])
def test_an_object_of_a_thought_that_only_ends_is_none_of_the_answer(answer: str | None, subtests) -> None:
    """Also where the object was returned before the thought ended, and the answer has to be unwrapped and converted."""
    with ScriptServer(always=in_pieces(f"Perhaps {OTHER}, or not.</think>\n{answer or 'I do not know.'}")) as server:
        for protocol, stream in product(("openai", "anthropic"), (False, True)):
            asked = {method: partial(objects, method=method) for method in (*METHODS, "json_mode")}
            for name, ask in {**asked, "LlamaIndex": predicted}.items():
                with subtests.test(name, protocol=protocol, stream=stream):
                    if answer is not None:
                        assert ask(server, City, stream=stream, protocol=protocol)[-1] == City(**ROME)
                        continue
                    with pytest.raises((OutputParserException, InvalidResponseError)):
                        ask(server, City, stream=stream, protocol=protocol)
