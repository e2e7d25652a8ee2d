import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.lazily import lazily

openai = lazily("openai")


def record(**properties):
    """The schema of an object; a text names a type."""
    known = {name: value if isinstance(value, dict) else {"type": value} for name, value in properties.items()}
    return {"type": "object", "properties": known, "required": list(known), "additionalProperties": False}


def complete(client, *messages, **options):
    messages = [{"role": role, "content": content} for role, content in messages]
    answer = client.chat.completions.create(model="llama3-chat-70b", messages=messages, **options)
    return json.loads(answer.choices[0].message.content)


def ask(client, text, schema):
    by_schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return complete(client, ("user", text), response_format=by_schema if schema else {"type": "json_object"})


NAMES = st.sampled_from(["name", "age", "city", "email", "query", "tags", "total", "ok", "next", "x_1", "größe"])
PLAIN = st.one_of(
    st.sampled_from([{"type": kind} for kind in ("boolean", "null", "string", "integer", "number")]),
    st.builds(
        lambda kind, least, more: {"type": kind, "minimum": least, "maximum": least + more},
        st.sampled_from(["integer", "number"]),
        st.integers(-50, 50),
        st.integers(0, 60),
    ),
    st.integers(1, 7).map(lambda step: {"type": "integer", "multipleOf": step, "minimum": -20}),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 9),
        st.integers(0, 9),
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
        lambda properties: st.sets(st.sampled_from(sorted(properties)) if properties else st.nothing()).map(
            lambda required: {**record(**properties), "required": sorted(required)}
        )
    )
    arrays = st.builds(
        lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
        inner,
        st.integers(0, 3),
        st.integers(0, 3),
    )
    return st.one_of(objects, arrays, st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}))


NODE = record(
    value="integer",
    next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    children={"type": "array", "items": {"$ref": "#/$defs/Node"}},
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    properties=st.dictionaries(NAMES, st.recursive(PLAIN, _nested, max_leaves=6), min_size=1, max_size=4),
    text=st.sampled_from(["Anna is 34 and lives in Berlin.", "", 'Say "x": 1, 2 and 3.5', "Is it ok? bob@example.org"]),
)
def test_any_schema_is_answered_with_json_that_fits(client, properties, text):
    schema = {**record(**properties), "$defs": {"Node": NODE}}
    Draft202012Validator(schema).validate(ask(client, text, schema))


ANNA = record(
    name="string",
    age="integer",
    city="string",
    email={"anyOf": [{"type": "string"}, {"type": "null"}]},
    role={"enum": ["engineer", "teacher"]},
)
PERSON = record(name="string", age="integer")
JOKE = record(setup="string", punchline="string")
CITY = record(name="string", country="string")


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        (
            "Anna is 34 years old, a teacher, and lives in Berlin.",
            ANNA,
            {"name": "Anna", "age": 34, "city": "Berlin", "email": None, "role": "teacher"},
        ),
        # What is asked for is not taken for its form.
        ("Give JSON with name and age: Anna is 31 years old.", PERSON, {"name": "Anna", "age": 31}),
        ("Dr. Maria Schmidt, 45, lives in Hamburg.", PERSON, {"name": "Dr. Maria Schmidt", "age": 45}),
        ("Munich is a city in Germany.", CITY, {"name": "Munich", "country": "Germany"}),
        ("Give JSON with name and country: Paris is the capital of France.", CITY,
         {"name": "Paris", "country": "France"}),
    ],
)  # fmt: skip
def test_fields_are_filled_from_the_prompt(client, text, schema, expected):
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
    assert complete(client, ("system", order), ("user", "Tell me a joke.")).keys() == {"setup", "punchline"}


def test_a_schema_that_nothing_fits_is_refused(client):
    with pytest.raises(openai.NotFoundError, match="No value fits"):
        ask(client, "Hello", record(self={"$ref": "#"}))
