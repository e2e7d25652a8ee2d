"""What the emulator answers by itself: sums and quotes, tool calls, and objects by a schema."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.emulator.asking import chat, record, tool

PASSAGES = """\
[guide.md]
# Guide

A call is tried again when the service is busy. The client waits between
attempts, longer each time.

| field | default |
|---|---|
| `max_retries` | 2 |

The emulator is a local stand-in for the service.

[service.md]
AKI.IO is hosted in the European Union. Its models are open.
- Apertus has a context window of 65536 tokens.
- **MiniMax** answers requests for an unknown model.
"""
RULES = "Answer the question from the passages below. If they do not answer it, say that you do not know.\n\n"
FILLER = "Filler. " * 80


def answer(client, *turns):
    return chat(client, [{"role": role, "content": text} for role, text in turns]).choices[0].message.content


def test_the_sentence_that_answers_is_quoted_with_its_source(client):
    for question, expected in {
        "Where is AKI.IO hosted?": "AKI.IO is hosted in the European Union. [service.md]",
        "How large is the context window of Apertus?": "Apertus has a context window of 65536 tokens. [service.md]",
        "Which model answers an unknown model?": "MiniMax answers requests for an unknown model. [service.md]",
        "What is the emulator?": "The emulator is a local stand-in for the service. [guide.md]",
        "Who won the world cup?": "I do not know.",
        "What is the default of max_retries?": "I do not know.",
    }.items():
        assert answer(client, ("system", RULES + PASSAGES), ("user", question)) == expected
        prompt = f"{RULES}Context:\n{PASSAGES}\n\nQuestion: {question}\nAnswer:"
        assert answer(client, ("user", prompt)) == expected


def test_simple_things_get_simple_answers(client):
    museum = "Context:\n-----\nThe museum is open on Friday.\n-----\nQuery: When is it open?"
    for prompt, expected in {
        "Hello": "Hello! How can I help you today?",
        "What is 12 * 12?": "12 * 12 = 144.",
        "What is 7 times 6, and (1 + 2) / 4?": "7 * 6 = 42. (1 + 2) / 4 = 0.75.",
        "Say 'foo bar'": "foo bar",
        "Reply with exactly: ok": "ok",
        "Count to 3": "1, 2, 3.",
        "": "I do not know.",
        "What is the capital of France?": "I do not know.",
        museum: "The museum is open on Friday.",
    }.items():
        assert answer(client, ("user", prompt)) == expected
    colour = "My favourite colour is green."
    turns = ("user", colour), ("assistant", "Noted."), ("user", "What is my favourite colour?")
    assert answer(client, *turns) == colour
    for bomb in ("9**9**9**9", "1/0", "(((((", "10**1000 * 10**1000 / 3"):
        assert answer(client, ("user", f"What is {bomb}?"))


MAGIC = tool("magic_function", "Apply a magic function to an input.", input="integer")
WEATHER = tool("get_weather", "Get the weather at a location.", location="string")
CALCULATOR = tool("calculator", "Evaluate an arithmetic expression.", expression="string")
MULTIPLY = tool("multiply", "Multiply two numbers.", a="number", b="number")
ADD = tool("add", "Add two integers.", a="integer", b="integer")
DOCS = tool("search_docs", "Search the documentation of the project.", query="string")
CUSTOMER = tool("create_customer", "Create a customer.", customer_name="string")
GREETING = tool("greeting_generator", "Generate a greeting in a particular style.", answer_style="string")
MAIL = tool("send_email", "Send an email.", to={"type": "string", "format": "email"}, subject="string", body="string")
UNITS = tool("get_weather", "", ["city"], city="string", unit={"type": "string", "enum": ["celsius", "fahrenheit"]})
PICTURES = [
    tool("generate_image", "Draws images from a description and returns their IDs.", prompt="string"),
    tool("edit_image", "Changes an image and returns the ID of the new one.", prompt="string", image="string"),
]
REPORT = tool("WeatherReport", "The final weather report.", city="string", temperature="number")
BERLIN = {"city": "Berlin"}


def ask(client, text, tools, history=(), **options):
    return chat(client, [{"role": "user", "content": text}, *history], tools=tools, **options).choices[0]


def calls(choice):
    return [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]


def done(name, arguments, result):
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return (
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    )


def weather(*places):
    return [("get_weather", {"location": place}) for place in places]


EDIT = "edit the image img_c0ffee: make it sepia"
MAIL_TO_BOB = {"to": "bob@example.org", "subject": "Hi", "body": "See you"}
RETRIES = "How many retries are made?"


@pytest.mark.parametrize(
    ("text", "tools", "expected"),
    [
        ("What is the value of magic_function(3)? Use the tool.", [MAGIC], [("magic_function", {"input": 3})]),
        ("What is the weather in San Francisco, CA?", [WEATHER], weather("San Francisco")),
        ("The weather in Paris and Rome and in Berlin?", [CALCULATOR, WEATHER], weather("Paris", "Rome", "Berlin")),
        ("What's the weather in Paris and what is 17 * 23?", [WEATHER, CALCULATOR],
         [*weather("Paris"), ("calculator", {"expression": "17 * 23"})]),
        ("What is 2*3 and 4*5?", [MULTIPLY], [("multiply", {"a": 2, "b": 3}), ("multiply", {"a": 4, "b": 5})]),
        ("What is 2*3 and 4+5?", [MULTIPLY, ADD], [("multiply", {"a": 2, "b": 3}), ("add", {"a": 4, "b": 5})]),
        ("What is 3 plus 4?", [MULTIPLY, ADD], [("add", {"a": 3, "b": 4})]),
        ("Create a customer named '你好啊集团'.", [CUSTOMER], [("create_customer", {"customer_name": "你好啊集团"})]),
        ("Register the customer Jürgen Müller.", [CUSTOMER], [("create_customer", {"customer_name": "Jürgen Müller"})]),
        ("Send an email to bob@example.org with subject 'Hi' and body 'See you'", [MAIL],
         [("send_email", MAIL_TO_BOB)]),
        ("The weather in Berlin in Fahrenheit?", [UNITS], [("get_weather", {**BERLIN, "unit": "fahrenheit"})]),
        ("The weather in Berlin?", [UNITS], [("get_weather", BERLIN)]),
        (RETRIES, [CALCULATOR, DOCS], [("search_docs", {"query": RETRIES})]),
        ("Hello!", [MAGIC, WEATHER, DOCS], []),
        ("Thanks.", [MAGIC, WEATHER, DOCS], []),
        ("Draw a red circle. Then make it blue.", PICTURES, [("generate_image", {"prompt": "a red circle"})]),
        (f"Please {EDIT}.", PICTURES, [("edit_image", {"prompt": EDIT, "image": "img_c0ffee"})]),
        ("What is a circle?", PICTURES, []),
        ("Make the meeting shorter and add Anna.", PICTURES, []),
    ],
)  # fmt: skip
def test_the_prompt_decides_which_tools_are_called_with_what(client, text, tools, expected):
    choice = ask(client, text, tools)
    assert calls(choice) == expected
    assert choice.finish_reason == ("tool_calls" if expected else "stop")


def test_choice_required_brings_a_call_for_any_prompt_and_no_arguments_are_an_empty_object(client):
    assert calls(ask(client, "Hello!", [MAGIC, WEATHER], tool_choice="required"))
    (call,) = calls(ask(client, "Using the tool, generate a Pirate greeting.", [GREETING], tool_choice="required"))
    assert call == ("greeting_generator", {"answer_style": "Pirate"})
    bare = {"type": "function", "function": {"name": "magic_function_no_args", "description": "Calculate magic."}}
    assert calls(ask(client, "What is magic_function_no_args()?", [bare])) == [("magic_function_no_args", {})]


def test_without_parallel_calls_they_come_one_after_the_other(client):
    text, history = "Weather in Paris and in Berlin", done(*weather("Paris")[0], "Paris: 20 °C")
    assert calls(ask(client, text, [WEATHER], parallel_tool_calls=False)) == weather("Paris")
    assert calls(ask(client, text, [WEATHER], history, parallel_tool_calls=False)) == weather("Berlin")


def test_results_are_told_and_the_tool_is_not_called_again(client):
    sky = '{"temperature": 21, "sky": "clear"}'
    guide = f"[guide.md]\nTwo retries are made by default.\n{FILLER}"
    for text, asked, call, result, expected in (
        ("What is the weather in Paris?", WEATHER, weather("Paris")[0], "It's sunny.", "It's sunny."),
        ("What is 17 * 23?", CALCULATOR, ("calculator", {}), "391", "The result of calculator is 391."),
        ("What is the weather in Berlin?", UNITS, ("get_weather", BERLIN), sky, sky),
        (RETRIES, DOCS, ("search_docs", {}), guide, "Two retries are made by default. [guide.md]"),
    ):
        choice = ask(client, text, [asked], done(*call, result))
        assert (calls(choice), choice.message.content) == ([], expected)


def test_a_forced_call_after_the_results_is_the_other_tool_filled_from_them(client):
    history = done("get_weather", BERLIN, '{"temperature": 21, "sky": "clear"}')
    text = "What is the weather in Berlin?"
    assert calls(ask(client, text, [UNITS, REPORT], tool_choice="required"))[0][0] == "get_weather"
    choice = ask(client, text, [UNITS, REPORT], history, tool_choice="required")
    assert calls(choice) == [("WeatherReport", {**BERLIN, "temperature": 21})]


def complete(client, text, schema):
    by_schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    completion = chat(client, text, response_format=by_schema if schema else {"type": "json_object"})
    return json.loads(completion.choices[0].message.content)


NAMES = st.sampled_from(["name", "age", "city", "email", "query", "tags", "total", "ok", "next", "x_1", "größe"])
PLAIN = st.sampled_from(
    [
        *({"type": kind} for kind in ("boolean", "null", "string", "integer", "number")),
        *({"type": kind, "minimum": -7, "maximum": most} for kind in ("integer", "number") for most in (-7, 0, 50)),
        *({"type": "integer", "multipleOf": step, "minimum": -20} for step in (1, 3, 7)),
        *({"type": "string", "minLength": least, "maxLength": least + more} for least in (0, 1, 9) for more in (0, 5)),
        *({"type": "array", "items": {"type": "integer"}, "minItems": least} for least in (0, 4)),
        *({"enum": values} for values in (["", None, 3], [7], ["é"])),
        *({"const": value} for value in ("", "x", -1, True)),
        {"$ref": "#/$defs/Node"},
    ]
)
FEW = st.integers(0, 3)


def nested(inner):
    objects = st.builds(
        lambda fields, needed: record(required=sorted(fields)[:needed], **fields),
        st.dictionaries(NAMES, inner, max_size=4),
        FEW,
    )
    arrays = st.builds(
        lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
        *(inner, FEW, FEW),
    )
    return st.one_of(objects, arrays, st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}))


NODE = record(
    value="integer",
    next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    children={"type": "array", "items": {"$ref": "#/$defs/Node"}},
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    properties=st.dictionaries(NAMES, st.recursive(PLAIN, nested, max_leaves=6), min_size=1, max_size=4),
    text=st.sampled_from(["Anna is 34 and lives in Berlin.", "", 'Say "x": 1, 2 and 3.5', "Is it ok? bob@example.org"]),
)
def test_any_schema_is_answered_with_json_that_fits(client, properties, text):
    schema = {**record(**properties), "$defs": {"Node": NODE}}
    Draft202012Validator(schema).validate(complete(client, text, schema))


OPTIONAL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
ROLE = {"enum": ["engineer", "teacher"]}
ANNA = record(name="string", age="integer", city="string", email=OPTIONAL, role=ROLE)
JOKE = record(setup="string", punchline="string")
PERSON = record(name="string", age="integer")
CITY = record(name="string", country="string")


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ("Anna is 34 years old, a teacher, and lives in Berlin.", ANNA,
         {"name": "Anna", "age": 34, "city": "Berlin", "email": None, "role": "teacher"}),
        # What is asked for is not taken for its form.
        ("Give JSON with name and age: Anna is 31 years old.", PERSON, {"name": "Anna", "age": 31}),
        ("Dr. Maria Schmidt, 45, lives in Hamburg.", PERSON, {"name": "Dr. Maria Schmidt", "age": 45}),
        ("Munich is a city in Germany.", CITY, {"name": "Munich", "country": "Germany"}),
        ("Give JSON with name and country: Paris is the capital of France.", CITY,
         {"name": "Paris", "country": "France"}),
        ("What is 6 * 7?", None, {"answer": "6 * 7 = 42."}),
    ],
)  # fmt: skip
def test_fields_are_filled_from_the_prompt(client, text, schema, expected):
    assert complete(client, text, schema) == expected


def test_json_ordered_in_words_has_the_keys_of_the_prompt(client):
    text = "Tell me a joke about cats. Return the result as JSON with 'setup' and 'punchline' keys."
    assert complete(client, text, None).keys() == {"setup", "punchline"}
    for order in (
        "Return nothing but JSON with the keys `setup` and `punchline`.",
        f"The output should be a JSON instance that conforms to this schema:\n```\n{json.dumps(JOKE)}\n```",
        'Answer in JSON like this: {"setup": "…", "punchline": "…"}',
    ):
        told = answer(client, ("system", order), ("user", "Tell me a joke."))
        assert json.loads(told).keys() == {"setup", "punchline"}
