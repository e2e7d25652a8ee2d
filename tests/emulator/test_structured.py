import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lazily import lazily

openai = lazily("openai")

JOKE = {
    "type": "object",
    "properties": {"setup": {"type": "string"}, "punchline": {"type": "string"}},
    "required": ["setup", "punchline"],
}


def ask(client, text, schema, **options):
    form = (
        {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        if schema
        else {"type": "json_object"}
    )
    messages = [{"role": "user", "content": text}]
    answer = client.chat.completions.create(model="llama3-chat-70b", messages=messages, response_format=form, **options)
    if options.get("stream"):
        return json.loads("".join(chunk.choices[0].delta.content or "" for chunk in answer))
    return json.loads(answer.choices[0].message.content)


def fits(value: Any, schema: Any, root: Any) -> bool:
    """A checker of its own, for the keywords the schemas below use."""
    match schema:
        case {"$ref": reference}:
            return fits(value, root["$defs"][reference.rsplit("/", 1)[1]], root)
        case {"anyOf": ways}:
            return any(fits(value, way, root) for way in ways)
        case {"const": const}:
            return value == const
        case {"enum": values}:
            return value in values
        case {"type": kind}:
            return CHECKS[kind](value, schema, root)
    raise AssertionError(schema)


def number_fits(value, schema, _root):
    step = schema.get("multipleOf")
    return (
        isinstance(value, int if schema["type"] == "integer" else int | float)
        and not isinstance(value, bool)
        and schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and (step is None or value % step == 0)
    )


def text_fits(value, schema, _root):
    return isinstance(value, str) and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6)


def array_fits(value, schema, root):
    return (
        isinstance(value, list)
        and schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 99)
        and all(fits(each, schema["items"], root) for each in value)
    )


def object_fits(value, schema, root):
    known = schema["properties"]
    return (
        isinstance(value, dict)
        and set(schema["required"]) <= value.keys() <= known.keys()
        and all(fits(each, known[name], root) for name, each in value.items())
    )


CHECKS = {
    "null": lambda value, *_: value is None,
    "boolean": lambda value, *_: isinstance(value, bool),
    "string": text_fits,
    "integer": number_fits,
    "number": number_fits,
    "array": array_fits,
    "object": object_fits,
}
NAMES = st.sampled_from(["name", "age", "city", "email", "query", "tags", "total", "ok", "next", "x_1", "größe"])
NUMBERS = st.tuples(st.integers(-50, 50), st.integers(0, 60)).map(
    lambda each: {"minimum": each[0], "maximum": sum(each)}
)
PLAIN = st.one_of(
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": "string"}, {"type": "integer"}, {"type": "number"}]
    ),
    st.builds(lambda kind, bounds: {"type": kind, **bounds}, st.sampled_from(["integer", "number"]), NUMBERS),
    st.integers(1, 7).map(lambda step: {"type": "integer", "multipleOf": step, "minimum": -20}),
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(
        lambda each: {"type": "string", "minLength": each[0], "maxLength": sum(each)}
    ),
    st.lists(st.one_of(st.text(max_size=5), st.integers(), st.none()), min_size=1, max_size=4).map(
        lambda each: {"enum": each}
    ),
    st.one_of(st.text(max_size=5), st.integers(), st.booleans()).map(lambda each: {"const": each}),
    st.just({"$ref": "#/$defs/Node"}),
    st.integers(0, 4).map(lambda least: {"type": "array", "items": {"type": "integer"}, "minItems": least}),
)


def _nested(inner):
    objects = st.dictionaries(NAMES, inner, max_size=4).flatmap(
        lambda found: st.sets(st.sampled_from(sorted(found)) if found else st.nothing()).map(
            lambda required: {"type": "object", "properties": found, "required": sorted(required)}
        )
    )
    arrays = st.tuples(inner, st.integers(0, 3), st.integers(0, 3)).map(
        lambda each: {"type": "array", "items": each[0], "minItems": each[1], "maxItems": each[1] + each[2]}
    )
    return st.one_of(objects, arrays, st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}))


NODE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
    },
    "required": ["value", "next", "children"],
}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    properties=st.dictionaries(NAMES, st.recursive(PLAIN, _nested, max_leaves=6), min_size=1, max_size=4),
    text=st.sampled_from(["Anna is 34 and lives in Berlin.", "", 'Say "x": 1, 2 and 3.5', "Is it ok? bob@example.org"]),
)
def test_any_schema_is_answered_with_json_that_fits(client, properties, text):
    schema = {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "$defs": {"Node": NODE},
    }
    assert fits(ask(client, text, schema), schema, schema)


def test_fields_are_filled_from_the_prompt(client):
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "city": {"type": "string"},
            "email": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "role": {"enum": ["engineer", "teacher"]},
        },
        "required": ["name", "age", "city", "email", "role"],
    }
    assert ask(client, "Anna is 34 years old, a teacher, and lives in Berlin.", schema) == {
        "name": "Anna",
        "age": 34,
        "city": "Berlin",
        "email": None,
        "role": "teacher",
    }


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "country": {"type": "string"}},
    "required": ["name", "country"],
}


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ("Give JSON with name and age: Anna is 31 years old.", PERSON, {"name": "Anna", "age": 31}),
        ("Dr. Maria Schmidt, 45, lives in Hamburg.", PERSON, {"name": "Dr. Maria Schmidt", "age": 45}),
        ("Munich is a city in Germany.", CITY, {"name": "Munich", "country": "Germany"}),
        (
            "Give JSON with name and country: Paris is the capital of France.",
            CITY,
            {"name": "Paris", "country": "France"},
        ),
    ],
)
def test_what_is_asked_for_is_not_taken_for_its_form(client, text, schema, expected):
    assert ask(client, text, schema) == expected


def test_json_mode_takes_the_keys_from_the_prompt(client):
    text = "Tell me a joke about cats. Return the result as JSON with 'setup' and 'punchline' keys."
    assert ask(client, text, None).keys() == {"setup", "punchline"}
    assert ask(client, "What is 6 * 7?", None) == {"answer": "6 * 7 = 42."}


@pytest.mark.parametrize(
    "order",
    [
        "Return nothing but JSON with the keys `setup` and `punchline`.",
        f"The output should be a JSON instance that conforms to this schema:\n```\n{json.dumps(JOKE)}\n```",
        'Answer in JSON like this: {"setup": "…", "punchline": "…"}',
    ],
)
def test_json_ordered_in_words_comes_without_a_response_format(client, order):
    messages = [{"role": "system", "content": order}, {"role": "user", "content": "Tell me a joke."}]
    answer = client.chat.completions.create(model="llama3-chat-70b", messages=messages)
    assert json.loads(answer.choices[0].message.content).keys() == {"setup", "punchline"}


def test_a_schema_that_nothing_fits_is_refused(client):
    endless = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}
    with pytest.raises(openai.NotFoundError, match="No value fits"):
        ask(client, "Hello", endless)
