"""Which tools a prompt calls for, and with what arguments."""

import json
import re
from collections import Counter
from uuid import uuid4

from aki_transport.emulator.field_values import FieldValues, Unfillable
from aki_transport.emulator.prompt import Call, Prompt, Tool
from aki_transport.emulator.text import content, expressions, names, numbers, quoted, sentences, spaced

# What a clause holds that asks for a tool of this name, where its words do not say so.
_SIGNS = {"add": "+", "sum": "+", "multiply": "*", "subtract": "-", "divide": "/", "power": "**"}
_ORDERS = {
    "generate": re.compile(r"\s*(?:(?:please|can you)\s+)?(?:draw|paint)\b", re.IGNORECASE),
    "edit": re.compile(r"\s*(?:(?:please|now)\s+)?(?:make|change|turn|add|remove|edit)\b", re.IGNORECASE),
}
_SEARCHES = re.compile(r"search|look_?up|retriev|docs|knowledge|query", re.IGNORECASE)
_JOINT = re.compile(r",?\s+and\s+(?:then\s+)?|,?\s+then\s+|^then\s+|\s*;\s*", re.IGNORECASE)
_IDENTIFIER = re.compile(r"(?<![\w/.-])[A-Za-z]{2,12}[_-](?=[A-Za-z]*\d)[A-Za-z0-9]{4,}(?![\w-])")
_FITS = 3.0
_FEW_WORDS = 4


def plan(prompt: Prompt) -> tuple[Call, ...]:
    """The calls to make now; none if the answer is text. `Unfillable` where no arguments fit a tool's schema."""
    if prompt.choice == "none" or not prompt.tools:
        return ()
    made = Counter(call.name for call, _ in prompt.results)
    wanted = []
    for tool, text in _wanted(prompt.question, prompt.tools):
        if made[tool.name]:
            made[tool.name] -= 1
        else:
            wanted.append((tool, text))
    if not wanted and prompt.choice != "auto":
        called = {call.name for call, _ in prompt.results}
        fresh = [tool for tool in prompt.tools if tool.name not in called] or list(prompt.tools)
        wanted = [(max(fresh, key=lambda tool: _score(tool, prompt.question)), prompt.question)]
    # Each change is made of the picture before, and waits for it.
    changes = [each for each in wanted if "image" in each[0].properties]
    can_change = prompt.choice != "auto" or _images(prompt)
    wanted = [each for each in wanted if each not in changes or (each == changes[0] and can_change)]
    calls = [_call(tool, text, prompt) for tool, text in wanted]
    return tuple(calls if prompt.parallel else calls[:1])


def _wanted(question: str, tools: tuple[Tool, ...]) -> list[tuple[Tool, str]]:
    """Each call the question asks for: the tool, and the part of the question that it is for."""
    wanted: list[tuple[Tool, str]] = []
    for clause in (clause for each in sentences(" ".join(question.split())) for clause in _JOINT.split(each)):
        best = max(tools, key=lambda tool: _score(tool, clause))
        # "and in Berlin" asks the same of something else.
        facts = (names(clause) or numbers(clause)) and not quoted(clause) and len(clause.split()) <= _FEW_WORDS
        if _score(best, clause) >= _FITS:
            wanted.append((best, clause))
        elif wanted and facts:
            wanted.append((wanted[-1][0], clause))
    if not wanted and question.rstrip().endswith("?") and not expressions(question):
        wanted = [(tool, question) for tool in tools if _SEARCHES.search(tool.name)][:1]
    # What one part leaves open another may say.
    return [(wanted[0][0], question)] if len(wanted) == 1 else wanted


def _score(tool: Tool, clause: str) -> float:
    """How well a tool fits, by the words that its name, description and arguments share with a clause."""
    if re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", clause):
        return 100.0
    asked, called = set(content(clause)), set(content(spaced(tool.name)))
    required = [tool.properties.get(name) for name in tool.schema.get("required", ())]
    kinds = [each.get("type") for each in required if isinstance(each, dict)]
    if kinds.count("integer") + kinds.count("number") > len(numbers(clause)):
        return 0.0
    described = set(content(tool.description)) - called
    arguments = {word for name in tool.properties for word in content(spaced(name))} - called
    sums = " ".join(expressions(clause))
    sign = next((sign for word, sign in _SIGNS.items() if set(content(word)) <= called), None)
    works_out = bool(sums) and (set(content("expression")) <= arguments or (sign is not None and sign in sums))
    is_ordered = any(f"{word}_image" in tool.name and order.match(clause) for word, order in _ORDERS.items())
    score = 3.0 * len(asked & called) + 1.5 * len(asked & described) + len(asked & arguments)
    return score + 2 * _FITS * (works_out + is_ordered)


def _call(tool: Tool, text: str, prompt: Prompt) -> Call:
    behind = "\n".join([*(result for _, result in prompt.results), prompt.question if text != prompt.question else ""])
    images = [*_images(prompt), *_IDENTIFIER.findall(text)]
    fixed = {"image": images[-1]} if images else {}
    try:
        arguments = FieldValues(text, behind, fixed.get, optional=False).fill(tool.schema) if tool.schema else {}
    except Unfillable as error:
        raise Unfillable(f"{tool.name} {error}") from None
    return Call(f"call_{uuid4().hex[:24]}", tool.name, json.dumps(arguments, ensure_ascii=False))


def _images(prompt: Prompt) -> list[str]:
    """The IDs of pictures that the conversation names, the latest last."""
    return [id_ for turn in prompt.messages for id_ in _IDENTIFIER.findall(turn.text)]
