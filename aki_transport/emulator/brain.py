"""What the model thinks of to answer."""

from aki_transport.emulator.answers import plain
from aki_transport.emulator.pictures import describe
from aki_transport.emulator.prompt import Effort, Prompt, Thought
from aki_transport.emulator.results import results, told
from aki_transport.emulator.structured import by_instruction, by_schema
from aki_transport.emulator.tools import plan
from aki_transport.emulator.words import shorten

_STEPS: dict[Effort, int] = {"none": 0, "low": 1, "medium": 2, "high": 4}


def think(prompt: Prompt) -> Thought:
    """The answer to a prompt, always the same one but for the IDs of calls."""
    calls = plan(prompt)
    text = "" if calls else _text(prompt)
    way = f"That needs {', '.join(call.name for call in calls)}." if calls else _way(prompt)
    return Thought(text=text, calls=calls, reasoning=_reasoning(prompt, way))


def _text(prompt: Prompt) -> str:
    if prompt.schema is not None:
        return by_schema(prompt, prompt.schema)
    if (instructed := by_instruction(prompt)) is not None:
        return instructed
    if found := results(prompt):
        seen = f" {describe(prompt.images)}" if prompt.images else ""
        return told(prompt.asked, found) + seen
    if prompt.images:
        return describe(prompt.images)
    return plain(prompt)


def _way(prompt: Prompt) -> str:
    if prompt.schema is not None:
        return "The answer has to be JSON of the given form."
    if results(prompt):
        return "The tools have answered, so their results are the answer."
    return "I can answer this from what is in the prompt."


def _reasoning(prompt: Prompt, way: str) -> str:
    asked = shorten(prompt.asked, 80)
    steps = (
        f"The user writes: “{asked}”",
        way,
        f"There are {len(prompt.turns)} messages and {len(prompt.tools)} tools to go by.",
        "Nothing in them speaks against this, so that is what I will give.",
    )
    return " ".join(steps[: _STEPS[prompt.effort]])
