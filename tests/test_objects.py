"""The object in an answer is the one that fits the schema, whatever stands around it; a wrong or an empty one never."""

import json
import sys
from contextlib import nullcontext, suppress
from functools import partial, reduce
from itertools import pairwise, product
from operator import add
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.exceptions import OutputParserException
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, Field, RootModel
from typing_extensions import TypedDict

from aki_transport import InvalidResponseError, ModelRefusalError, json_answer
from aki_transport.json_answer import JsonAnswer
from aki_transport.schemas import checked
from tests.anthropic_script import said
from tests.requests.frameworks import aki, chat_aki, in_pieces
from tests.scenarios import chunk, replied, streamed
from tests.scenarios.tool_calls import call
from tests.script_server import Answer, Request, ScriptServer

pytestmark = pytest.mark.filterwarnings(
    "ignore::aki_transport.errors.ModelMismatchWarning", "ignore:.*called none:UserWarning"
)


class City(BaseModel):
    """A city."""

    name: str
    people: int = 0


class Names(BaseModel):
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
    "as a call in other words": f'{{"name": "City", "description": "A city.", "input": {R}}}',
    "as a call in LangChain's words": f'{{"name": "City", "args": {R}, "id": "1", "type": "tool_call"}}',
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
    "the schema by its name": f'{{"name": "City", "schema": {SCHEMA}, "strict": true}}',
    "the function": f'{{"type": "function", "function": {{"name": "City", "parameters": {SCHEMA}}}}}',
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
    protocol = how.pop("protocol", "openai")
    model = chat_aki(server, protocol).with_structured_output(schema, **how)
    return list(model.stream("Which city?")) if stream else [model.invoke("Which city?")]


def predicted(server: ScriptServer, cls: type[BaseModel], *, stream: bool, protocol: Any = "openai") -> list[Any]:
    """What LlamaIndex gives, one by one."""
    llm, prompt = aki(server, protocol), PromptTemplate("Which city?")
    return list(llm.stream_structured_predict(cls, prompt)) if stream else [llm.structured_predict(cls, prompt)]


SCHEMAS: tuple[Any, ...] = (City, DictCity, JSON_CITY)
METHODS = (None, "json_schema", "function_calling", "json_mode")
PROTOCOLS = ("openai", "anthropic")
ERRORS = (OutputParserException, InvalidResponseError)


@pytest.mark.parametrize("row", HELD)
def test_the_object_that_fits_is_found(row: str, scripted: ScriptServer, subtests) -> None:
    scripted.always = in_pieces(HELD[row])
    for number, stream in enumerate((False, True), 2 * [*HELD].index(row)):
        schema, method, protocol = SCHEMAS[number % 3], METHODS[number // 2 % 4], PROTOCOLS[number // 4 % 2]
        is_bare = method == "json_mode" and schema is not City  # no schema is given there
        scripted.requests.clear()
        with subtests.test("LangChain", schema=schema, method=method, stream=stream):
            last = objects(scripted, schema, stream=stream, method=method)[-1]
            assert is_bare or _known(last) == ROME
        for ask in (objects, predicted):
            with subtests.test(ask.__name__, protocol=protocol, stream=stream):
                assert ask(scripted, City, stream=stream, protocol=protocol)[-1] == City(**ROME)
        assert len(scripted.requests) == 3
    with subtests.test("wrong forms are not shown while it arrives"):
        states = objects(scripted, JSON_CITY, stream=True)
        assert all(next(iter(state)) in (*ROME, "note") for state in states)
        raw = reduce(add, objects(scripted, JSON_CITY, stream=True, include_raw=True))
        assert (_known(raw["parsed"]), raw["parsing_error"]) == (ROME, None)


def _known(value: Any) -> Any:
    """What an object says of Rome: one of a class says nothing else."""
    if isinstance(value, City):
        return value.model_dump()
    assert type(value) is dict
    return {name: value[name] for name in ROME}


@pytest.mark.parametrize("row", [*NOT_HELD, *NO_JSON])
def test_no_other_object_is_returned(row: str, scripted: ScriptServer, subtests) -> None:
    scripted.always = in_pieces({**NOT_HELD, **NO_JSON}[row])
    for stream, (method, schema) in product((False, True), zip(METHODS[:3], SCHEMAS, strict=True)):
        with subtests.test("LangChain", method=method, stream=stream):
            scripted.requests.clear()
            *_, last = objects(scripted, schema, stream=stream, method=method, include_raw=True)
            assert (last["parsed"], type(last["parsing_error"])) == (None, OutputParserException)
            assert row in NO_JSON or len(scripted.requests) == 1
    for ask, stream in product((objects, predicted), (False, True)):
        with subtests.test(ask.__name__, stream=stream), pytest.raises(ERRORS):
            ask(scripted, City, stream=stream)


def test_an_object_whose_fields_are_all_optional_is_not_made_of_anything(scripted: ScriptServer, subtests) -> None:
    fits, other = Names(names=["Ann"]), json.dumps({"names": ["Ann"]})
    rows = {
        **dict.fromkeys((f'{{"Names": {other}}}', f'{{"names": {other}}}', other), fits),
        json.dumps({"names": '["Ann"]'}): fits,  # sgl-project/sglang#12456: a list as JSON text
        "{}": Names(),
        **dict.fromkeys(('{"Names": {}}', '{"title": "Names"}', "Nothing: {}", json.dumps(Names.model_json_schema()))),
    }
    for (text, expected), stream, ask in product(rows.items(), (False, True), (objects, predicted)):
        with subtests.test(text, stream=stream, ask=ask.__name__):
            scripted.always = in_pieces(text)
            with nullcontext() if expected else pytest.raises(ERRORS):
                assert ask(scripted, Names, stream=stream)[-1] == expected


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("text", [None, "", "\n"])
def test_an_object_that_came_as_reasoning_is_the_answer(field: str, text: Any, scripted: ScriptServer, subtests):
    for number, reasoning in enumerate((R, f"I was asked for JSON. {OTHER}? No:\n{R}", f"```json\n{R}\n```")):
        scripted.always = in_pieces(text, **{field: reasoning})
        for stream in (False, True):
            schema, method = SCHEMAS[(number + stream) % 3], METHODS[number]
            with subtests.test(reasoning=reasoning, schema=schema, method=method, stream=stream):
                scripted.requests.clear()
                assert _known(objects(scripted, schema, stream=stream, method=method)[-1]) == ROME
                assert predicted(scripted, City, stream=stream)[-1] == City(**ROME)
                assert len(scripted.requests) == 2


@pytest.mark.parametrize("text", ['{"name": "Ro', '{"name": {"name": "x"}, "country": "', "I think that", "", R])
@pytest.mark.parametrize(("protocol", "finish"), [("openai", "content_filter"), ("anthropic", "refusal")])
def test_an_object_that_a_filter_cut_off_is_a_refusal_unless_it_is_complete(
    protocol: str, finish: str, text: str, scripted: ScriptServer
) -> None:
    others = {"openai": ("SAFETY", "sensitive"), "anthropic": ("content_filtered",)}[protocol]
    for reason in (finish, *(others if text in (R, "") else ())):

        def answer(request: Request, reason: str = reason) -> Answer:
            if protocol == "anthropic":
                return said(request, {"type": "text", "text": text}, stop=reason)
            return streamed(text, finish=reason) if request.json.get("stream") else replied(text, finish=reason)

        scripted.always = answer
        for stream, ask in product((False, True), (objects, predicted)):
            scripted.requests.clear()
            with nullcontext() if text == R and reason != "refusal" else pytest.raises(ModelRefusalError):
                assert ask(scripted, City, stream=stream, protocol=protocol)[-1] == City(**ROME)
            assert len(scripted.requests) == 1


@pytest.mark.parametrize("finish", ["length", "content_filter"])
@pytest.mark.parametrize("text", [None, f"<think>{R}", f"{R} or so.</think>\n"])
def test_an_object_in_reasoning_is_no_answer_where_the_answer_was_cut(
    finish: str, text: str | None, scripted: ScriptServer
) -> None:
    scripted.always = in_pieces(text, finish=finish, reasoning_content="" if text else R)
    for stream, ask in product((False, True), (objects, predicted)):
        with pytest.raises(Exception, match=r"max_tokens|refused"):
            ask(scripted, City, stream=stream)


ARRAY = {"title": "Numbers", "type": "array", "items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (RootModel[list[int]], "[1, 2]", RootModel[list[int]]([1, 2])),
        (RootModel[list[int]], 'Here: {"value": [1, 2]}', RootModel[list[int]]([1, 2])),
        (RootModel[int], '{"value": 7}', RootModel[int](7)),
        (ARRAY, '{"value": [1, 2]}', [1, 2]),
        (ARRAY, "So: [1, 2]", [1, 2]),
        ({"name": "numbers", "schema": ARRAY}, '{"value": [1]}', [1]),
        ({"title": "Size", "type": "integer"}, '{"value": 7}', 7),
        ({"title": "A", "type": "object", "properties": {"value": {"type": "integer"}}}, '{"value": 7}', {"value": 7}),
    ],
)
def test_a_root_that_is_no_object_is_wrapped_and_unwrapped(
    schema: Any, text: str, expected: Any, scripted: ScriptServer
) -> None:
    scripted.always = in_pieces(text)
    for stream in (False, True):
        for method in (None, "function_calling"):
            assert objects(scripted, schema, stream=stream, method=method)[-1] == expected
        if isinstance(schema, type):
            assert predicted(scripted, schema, stream=stream)[-1] == expected


GROWING = json.dumps({"name": "Rome, the capital of Italy", "people": 3})


@pytest.mark.parametrize("text", [GROWING, f"```json\n{GROWING}\n```", f"Here you are: {GROWING} Bye."])
def test_an_object_is_seen_while_it_arrives(text: str, scripted: ScriptServer) -> None:
    scripted.always = in_pieces(text)
    states = objects(scripted, DictCity, stream=True)
    assert len(states) > 3
    for before, after in pairwise(states):
        assert after.get("name", "").startswith(before.get("name", ""))
    assert len(predicted(scripted, City, stream=True)) > 3


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


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_call_is_no_answer_where_another_has_one(scripted: ScriptServer, stream: bool) -> None:
    names = json.dumps({"names": ["Ann"]})
    calls = [call("Names", text, index=index, call_id=text) for index, text in enumerate(("{}", names))]
    scripted.always = streamed(chunk(tool_calls=calls)) if stream else replied(None, tool_calls=calls)
    found = objects(scripted, Names, stream=stream, method="function_calling")[-1]
    assert found == Names(names=["Ann"])


@pytest.mark.parametrize("inner", ["parameters", "arguments", "input"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_object_of_any_fields_is_not_taken_for_a_call(scripted: ScriptServer, protocol: Any, inner: str) -> None:
    value = {"name": "Rome", inner: {"people": 3}}
    schema = {"title": "Any", "description": "Any object.", "type": "object"}
    scripted.always = in_pieces(json.dumps(value))
    for method in METHODS[1:]:
        assert objects(scripted, schema, stream=False, protocol=protocol, method=method) == [value]


@given(_drawn())
@settings(max_examples=60, deadline=None)
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
def test_a_long_text_is_read_in_steps_in_proportion_to_its_length(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("_MAX_CANDIDATES", "_MAX_FAILURES", "_MAX_SCANNED"):
        monkeypatch.setattr(json_answer, bound, getattr(json_answer, bound) // 10)

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
    length = 32_000 if unit.endswith("[") else 11_000
    assert calls(2 * length) < 3 * calls(length)


@pytest.mark.parametrize("answer", ['{"city": {"name": "Rome", "people": "3"}}', json.dumps({"output": R}), None])
def test_an_object_of_a_thought_that_only_ends_is_none_of_the_answer(
    answer: str | None, scripted: ScriptServer, subtests
) -> None:
    """Also where the object was returned before the thought ended, and the answer has to be unwrapped and converted."""
    scripted.always = in_pieces(f"Perhaps {OTHER}, or not.</think>\n{answer or 'I do not know.'}")
    asked = (*(partial(objects, method=method) for method in METHODS), predicted)
    for protocol, stream, ask in product(PROTOCOLS, (False, True), asked):
        with (
            subtests.test(ask=ask, protocol=protocol, stream=stream),
            nullcontext() if answer else pytest.raises(ERRORS),
        ):
            assert ask(scripted, City, stream=stream, protocol=protocol)[-1] == City(**ROME)
