import base64
import json

import pytest

from aki_transport.emulator.pictures import draw
from tests.emulator.test_tools import WEATHER, ask, calls, done, tool

GENERATE = tool(
    "generate_image",
    "Draws images from a description and returns their IDs.",
    ["prompt"],
    prompt="string",
    size={"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
    n={"anyOf": [{"type": "integer", "minimum": 1, "maximum": 4}, {"type": "null"}], "default": None},
)
EDIT = tool("edit_image", "Changes an image and returns the ID of the new one.", prompt="string", image="string")
TOOLS = [GENERATE, EDIT]
IDS = ("img_3f9c2a", "img_b81d07", "img_00abcd", "img_fadeda")


def run(client, text, tools=TOOLS, history=()):
    """All calls an agent makes, and its last words."""
    said, made = list(history), []
    for _ in range(8):
        choice = ask(client, text, tools, said)
        if not calls(choice):
            return made, choice.message.content
        said.append({"role": "assistant", "tool_calls": choice.message.model_dump()["tool_calls"]})
        for call in choice.message.tool_calls:
            made.append((call.function.name, json.loads(call.function.arguments)))
            content = f"Image {IDS[len(made) - 1]}, 1024x1024."
            said.append({"role": "tool", "tool_call_id": call.id, "content": content})
    raise AssertionError("the agent does not end")


@pytest.mark.parametrize(
    "text",
    [
        "Draw a red circle on a white background, then make the circle blue.",
        "Draw a red circle on a white background. Then make the circle blue.",
        "Please draw me a red circle on a white background and then make the circle blue!",
        "Generate an image of a red circle on a white background and make the circle blue.",
        "Can you draw a red circle on a white background; make the circle blue?",
    ],
)
def test_a_picture_is_drawn_then_changed_then_named(client, text):
    made, words = run(client, text)
    assert made == [
        ("generate_image", {"prompt": "a red circle on a white background"}),
        ("edit_image", {"prompt": "make the circle blue", "image": "img_3f9c2a"}),
    ]
    assert "img_3f9c2a" in words
    assert "img_b81d07" in words


def test_each_change_is_made_of_the_picture_before(client):
    made, words = run(
        client, "Create a picture of a house, then change the background to green, and then make the house red."
    )
    assert made == [
        ("generate_image", {"prompt": "a house"}),
        ("edit_image", {"prompt": "change the background to green", "image": "img_3f9c2a"}),
        ("edit_image", {"prompt": "make the house red", "image": "img_b81d07"}),
    ]
    assert "img_00abcd" in words


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("Draw three stars.", {"prompt": "three stars"}),
        ("Generate 2 images of a cat.", {"prompt": "a cat", "n": 2}),
        ("Draw a sign that says 'Hello' and a heart.", {"prompt": "a sign that says 'Hello' and a heart"}),
        ("Paint a sunset over the Alps in watercolor style.", {"prompt": "a sunset over the Alps in watercolor style"}),
    ],
)  # fmt: skip
def test_the_prompt_is_what_to_draw(client, text, arguments):
    assert run(client, text)[0] == [("generate_image", arguments)]


def test_several_pictures_are_drawn_at_once_and_a_change_waits(client):
    made = calls(ask(client, "Draw a cat. Then draw a dog. Then make it blue.", TOOLS))
    assert made == [("generate_image", {"prompt": "a cat"}), ("generate_image", {"prompt": "a dog"})]
    one = calls(ask(client, "Draw a cat. Then draw a dog.", TOOLS, parallel_tool_calls=False))
    assert one == [("generate_image", {"prompt": "a cat"})]


def test_a_picture_that_is_named_is_the_one_that_is_changed(client):
    made, _ = run(client, "Please edit the image img_c0ffee: make it sepia.")
    assert made[0][1]["image"] == "img_c0ffee"


def test_a_picture_of_an_earlier_turn_can_be_changed(client):
    history = (
        {"role": "user", "content": "Draw a red circle."},
        *done("generate_image", {"prompt": "a red circle"}, "Image img_3f9c2a, 1024x1024."),
        {"role": "assistant", "content": "Here is img_3f9c2a."},
        {"role": "user", "content": "Now make it blue."},
    )
    assert calls(ask(client, "Hello", TOOLS, history)) == [
        ("edit_image", {"prompt": "make it blue", "image": "img_3f9c2a"})
    ]


def test_nothing_is_changed_as_long_as_there_is_no_picture(client):
    failed = done("generate_image", {"prompt": "a cat"}, "Error: the service is busy.")
    choice = ask(client, "Draw a cat, then make it blue.", TOOLS, failed)
    assert calls(choice) == []
    assert "busy" in choice.message.content


def test_other_tools_are_called_for_the_rest(client):
    made, _ = run(client, "Draw a cat. What is the weather in Paris?", [*TOOLS, WEATHER])
    assert made == [("generate_image", {"prompt": "a cat"}), ("get_weather", {"location": "Paris"})]


def test_tools_for_pictures_leave_other_questions_alone(client):
    assert calls(ask(client, "Hello!", TOOLS)) == []
    assert calls(ask(client, "What is a circle?", TOOLS)) == []
    assert calls(ask(client, "Make the meeting shorter and add Anna.", TOOLS)) == []
    assert calls(ask(client, "What is the weather in Rome?", [*TOOLS, WEATHER])) == [
        ("get_weather", {"location": "Rome"})
    ]


def test_a_model_that_sees_names_the_picture_and_describes_it(client):
    url = f"data:image/png;base64,{base64.b64encode(draw('a cat', 256, 256, 0)).decode()}"
    shown = [{"type": "text", "text": "Attachments:"}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [
        {"role": "user", "content": "Draw a cat."},
        *done("generate_image", {"prompt": "a cat"}, "Image img_3f9c2a, 256x256."),
        {"role": "user", "content": shown},
    ]
    answer = client.chat.completions.create(model="qwen3.6-35b", messages=messages, tools=TOOLS)
    assert not answer.choices[0].message.tool_calls
    assert "img_3f9c2a" in answer.choices[0].message.content
    assert "256 × 256" in answer.choices[0].message.content  # noqa: RUF001  # as sizes are written
