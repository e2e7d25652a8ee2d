"""What tools answered, put into words."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aki_transport.emulator.arithmetic import expressions
from aki_transport.emulator.extract import extract
from aki_transport.emulator.prompt import Call, Prompt
from aki_transport.emulator.words import name_parts, shorten

_LONG = 60  # words; from here on a result is read like a context
_SENTENCE = 4
_LONGEST = 600
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ENDS = '.!?…`)"]'


@dataclass(frozen=True, slots=True)
class Result:
    """A call and what came back."""

    call: Call
    text: str


def results(prompt: Prompt) -> list[Result]:
    """The results since the user last spoke."""
    turns = prompt.since_asked
    calls = {call.id: call for turn in turns for call in turn.calls}
    unknown = Call("", "tool", "{}")
    return [Result(calls.get(turn.call_id or "", unknown), turn.text) for turn in turns if turn.role == "tool"]


def told(question: str, found: list[Result]) -> str:
    """The results as an answer to the question."""
    return " ".join(dict.fromkeys(_one(question, each) for each in found))


def _one(question: str, result: Result) -> str:
    text = result.text.strip()
    if not text:
        return f"The tool {result.call.name} returned nothing."
    arguments = _json(result.call.arguments)
    inputs = list(arguments.values()) if isinstance(arguments, dict) else []
    if len(text.split()) > _LONG:
        # What was looked up, then all that was asked: one question may hold several.
        looked_up = " ".join(each for each in inputs if isinstance(each, str))
        found = (extract(each, text, sure=True) for each in (looked_up, question) if each)
        return next(filter(None, found), None) or shorten(text, _LONGEST)
    match _json(text):
        case dict(value):
            return f"{_about(inputs)}{_pairs(value)}."
        case list(values):
            listed = "; ".join(_pairs(each) if isinstance(each, dict) else str(each) for each in values)
            return f"{_about(inputs)}{listed}."
        case _:
            return _worded(text, result.call.name, inputs)


def _worded(text: str, tool: str, inputs: list[Any]) -> str:
    ended = text if text[-1] in _ENDS else f"{text}."
    if len(text.split()) >= _SENTENCE:
        return ended if _mentions(text, inputs) else f"{_about(inputs)}{ended}"
    if len(inputs) == 1 and expressions(str(inputs[0])):
        return f"{inputs[0]} = {text}."
    if not re.search(r"\d", text):
        return f"{_about(inputs)}{ended}"
    given = ", ".join(map(str, inputs))
    return f"The result of {name_parts(tool)}{f' for {given}' if given else ''} is {ended}"


def _about(inputs: list[Any]) -> str:
    plain = [str(each) for each in inputs if isinstance(each, str | int | float)]
    return f"{shorten(', '.join(plain), 80)}: " if plain else ""


def _mentions(text: str, inputs: Iterable[Any]) -> bool:
    values = [str(each) for each in inputs]
    plain = _THOUSANDS.sub("", text.lower())
    return not values or any(each and each.lower() in plain for each in values) or max(map(len, values)) > len(text)


def _pairs(value: dict[str, Any]) -> str:
    return ", ".join(f"{name_parts(key)}: {_shown(each)}" for key, each in value.items())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
