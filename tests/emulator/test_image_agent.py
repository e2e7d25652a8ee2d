import json

import pytest

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
        "Please draw me a red circle on a white background and then make the circle blue.",
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


def test_tools_for_pictures_leave_other_questions_alone(client):
    assert calls(ask(client, "Hello!", TOOLS)) == []
    assert calls(ask(client, "What is a circle?", TOOLS)) == []
    assert calls(ask(client, "Make the meeting shorter and add Anna.", TOOLS)) == []
    assert calls(ask(client, "What is the weather in Rome?", [*TOOLS, WEATHER])) == [
        ("get_weather", {"location": "Rome"})
    ]
