import json

import pytest


def tool(name, description="", required=None, **properties):
    properties = {key: value if isinstance(value, dict) else {"type": value} for key, value in properties.items()}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


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


def ask(client, text, tools, history=(), **options):
    messages = [{"role": "user", "content": text}, *history]
    answer = client.chat.completions.create(model="llama3-chat-70b", messages=messages, tools=tools, **options)
    return answer.choices[0]


def calls(choice):
    return [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]


def done(name, arguments, result, number=1):
    call = {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return (
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{number}", "content": result},
    )


@pytest.mark.parametrize(
    ("text", "tools", "expected"),
    [
        ("What is the value of magic_function(3)? Use the tool.", [MAGIC], [("magic_function", {"input": 3})]),
        ("What is the weather in San Francisco, CA?", [WEATHER], [("get_weather", {"location": "San Francisco"})]),
        (
            "What is the weather in Paris and Rome and in Berlin?",
            [CALCULATOR, WEATHER],
            [("get_weather", {"location": city}) for city in ("Paris", "Rome", "Berlin")],
        ),
        (
            "What's the weather in Paris and what is 17 * 23?",
            [WEATHER, CALCULATOR],
            [("get_weather", {"location": "Paris"}), ("calculator", {"expression": "17 * 23"})],
        ),
        ("What is 2*3 and 4*5?", [MULTIPLY], [("multiply", {"a": 2, "b": 3}), ("multiply", {"a": 4, "b": 5})]),
        ("What is 2*3 and 4+5?", [MULTIPLY, ADD], [("multiply", {"a": 2, "b": 3}), ("add", {"a": 4, "b": 5})]),
        ("What is 3 plus 4?", [MULTIPLY, ADD], [("add", {"a": 3, "b": 4})]),
        ("Create a customer named '你好啊集团'.", [CUSTOMER], [("create_customer", {"customer_name": "你好啊集团"})]),
        (
            "Register the customer Jürgen Müller.",
            [CUSTOMER],
            [("create_customer", {"customer_name": "Jürgen Müller"})],
        ),
        (
            "Send an email to bob@example.org with subject 'Hi' and body 'See you'",
            [MAIL],
            [("send_email", {"to": "bob@example.org", "subject": "Hi", "body": "See you"})],
        ),
        ("The weather in Berlin in Fahrenheit?", [UNITS], [("get_weather", {"city": "Berlin", "unit": "fahrenheit"})]),
        ("The weather in Berlin?", [UNITS], [("get_weather", {"city": "Berlin"})]),
        (
            "How many retries are made?",
            [CALCULATOR, DOCS],
            [("search_docs", {"query": "How many retries are made?"})],
        ),
        ("Hello!", [MAGIC, WEATHER, DOCS], []),
        ("Thanks.", [MAGIC, WEATHER, DOCS], []),
        ("Draw a red circle. Then make it blue.", PICTURES, [("generate_image", {"prompt": "a red circle"})]),
        (
            "Please edit the image img_c0ffee: make it sepia.",
            PICTURES,
            [("edit_image", {"prompt": "edit the image img_c0ffee: make it sepia", "image": "img_c0ffee"})],
        ),
        ("What is a circle?", PICTURES, []),
        ("Make the meeting shorter and add Anna.", PICTURES, []),
    ],
)
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
    text = "Weather in Paris and in Berlin"
    first = calls(ask(client, text, [WEATHER], parallel_tool_calls=False))
    assert first == [("get_weather", {"location": "Paris"})]
    history = done("get_weather", {"location": "Paris"}, "Paris: 20 °C")
    second = calls(ask(client, text, [WEATHER], history, parallel_tool_calls=False))
    assert second == [("get_weather", {"location": "Berlin"})]


@pytest.mark.parametrize(
    ("text", "tools", "history", "answer"),
    [
        (
            "What is the weather in Paris?",
            [WEATHER],
            done("get_weather", {"location": "Paris"}, "It's sunny."),
            "It's sunny.",
        ),
        (
            "What is 17 * 23?",
            [CALCULATOR],
            done("calculator", {"expression": "17 * 23"}, "391"),
            "The result of calculator is 391.",
        ),
        (
            "What is the weather in Berlin?",
            [UNITS],
            done("get_weather", {"city": "Berlin"}, '{"temperature": 21, "sky": "clear"}'),
            '{"temperature": 21, "sky": "clear"}',
        ),
        (
            "How many retries are made?",
            [DOCS],
            done(
                "search_docs", {"query": "retries"}, "[guide.md]\nTwo retries are made by default.\n" + "Filler. " * 80
            ),
            "Two retries are made by default. [guide.md]",
        ),
    ],
)
def test_results_are_told_and_the_tool_is_not_called_again(client, text, tools, history, answer):
    choice = ask(client, text, tools, history)
    assert calls(choice) == []
    assert choice.message.content == answer


def test_two_results_answer_each_its_own_part(client):
    cost = tool("token_cost", "What tokens cost.", tokens="integer", price="number")
    text = "Look up in the docs how many retries are made, and work out what 250000 tokens cost at 0.45."
    asked = ask(client, text, [DOCS, cost])
    query, amount = {"query": "how many retries are made"}, {"tokens": 250000, "price": 0.45}
    assert calls(asked) == [("search_docs", query), ("token_cost", amount)]
    guide = "[guide.md]\nTwo retries are made by default. What tokens cost, the service says. " + "Filler. " * 80
    history = [
        {"role": "assistant", "content": None, "tool_calls": asked.message.model_dump()["tool_calls"]},
        {"role": "tool", "tool_call_id": asked.message.tool_calls[0].id, "content": guide},
        {"role": "tool", "tool_call_id": asked.message.tool_calls[1].id, "content": "250,000 tokens cost 0.11."},
    ]
    answer = ask(client, text, [DOCS, cost], history)
    assert answer.message.content == "Two retries are made by default. [guide.md] 250,000 tokens cost 0.11."


def test_a_forced_call_after_the_results_is_the_other_tool_filled_from_them(client):
    history = done("get_weather", {"city": "Berlin"}, '{"temperature": 21, "sky": "clear"}')
    text = "What is the weather in Berlin?"
    assert calls(ask(client, text, [UNITS, REPORT], tool_choice="required"))[0][0] == "get_weather"
    choice = ask(client, text, [UNITS, REPORT], history, tool_choice="required")
    assert calls(choice) == [("WeatherReport", {"city": "Berlin", "temperature": 21})]


def test_calls_are_streamed_name_first_and_arguments_in_pieces(client):
    messages = [{"role": "user", "content": "Weather in Paris and in Berlin"}]
    stream = client.chat.completions.create(model="llama3-chat-70b", messages=messages, tools=[WEATHER], stream=True)
    choices = [chunk.choices[0] for chunk in stream]
    deltas = [delta for choice in choices for delta in choice.delta.tool_calls or []]
    starts = [delta for delta in deltas if delta.id]
    assert [(start.index, start.function.name, start.function.arguments) for start in starts] == [
        (0, "get_weather", ""),
        (1, "get_weather", ""),
    ]
    pieces = [delta.function.arguments for delta in deltas if delta.index == 1 and not delta.id]
    assert len(pieces) > 2
    assert json.loads("".join(pieces)) == {"location": "Berlin"}
    assert choices[-1].finish_reason == "tool_calls"
