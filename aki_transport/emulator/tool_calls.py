"""Which tools a prompt calls for, and with what arguments."""

import json
import re
from collections import Counter
from itertools import takewhile
from uuid import uuid4

from aki_transport.emulator.field_values import IDENTIFIER, FieldValues, Unfillable
from aki_transport.emulator.prompt import Call, NamedTool, Prompt, Tool
from aki_transport.emulator.text import content, expressions, names, numbers, quoted, sentences, spaced

_SIGNS = {"add": "+", "sum": "+", "multiply": "*", "subtract": "-", "divide": "/", "power": "**"}
_SEARCHES = re.compile(r"search|look_?up|retriev|docs|documentation|knowledge|query", re.IGNORECASE)
_QUESTION = re.compile(r"\?\s*$|^\s*(?:what|who|where|when|which|how|why)\b", re.IGNORECASE)
_JOINT = re.compile(r"\s*[,;]?\s+(?:and|as well as)\s+(?:then\s+)?|,?\s+then\s+|\s*;\s*", re.IGNORECASE)
_LEAD_IN = re.compile(r"^(?:(?:please|then|now|can you|could you)\b[\s,]*)+", re.IGNORECASE)
_DRAW = re.compile(
    r"^(?:draw|paint|sketch)\s+(?:me\s+)?"
    r"|^(?:generate|create|make)\s+(?:an?\s+|\d\s+)?(?:images?|pictures?|drawings?)\s+(?:of|showing)\s+",
    re.IGNORECASE,
)
_CHANGE = re.compile(r"^(?:edit\b.*?:\s*)?(?:make|change|turn|paint|add|remove|edit)\b", re.IGNORECASE)
_FITS = 3.0
_FEW_WORDS = 4


def plan(prompt: Prompt) -> tuple[Call, ...]:
    """The calls to make now; none if the answer is text. `Unfillable` where no arguments fit a tool's schema."""
    if prompt.choice == "none" or not prompt.tools:
        return ()
    tools = prompt.tools
    if isinstance(prompt.choice, NamedTool):
        tools = tuple(tool for tool in tools if tool.name == prompt.choice.name)
    made = Counter(call.name for call, _ in prompt.results)
    wanted = []
    for tool, text in _wanted(prompt, tools):
        if made[tool.name]:
            made[tool.name] -= 1
        else:
            wanted.append((tool, text))
    if not wanted and prompt.choice != "auto":
        called = {call.name for call, _ in prompt.results}
        fresh = [tool for tool in tools if tool.name not in called] or list(tools)
        wanted = [(max(fresh, key=lambda tool: _score(tool, prompt.question)), prompt.question)]
    # Each change is made of the picture before.
    first_change = next((each for each in wanted if _image_argument(each[0])), None)
    wanted = [each for each in wanted if each == first_change or not _image_argument(each[0])]
    calls = [call for tool, text in wanted if (call := _call(tool, text, prompt)) is not None]
    return tuple(calls if prompt.parallel else calls[:1])


def _wanted(prompt: Prompt, tools: tuple[Tool, ...]) -> list[tuple[Tool, str]]:
    """Each call the question asks for: the tool, and the part of the question that it is for."""
    changes = next((tool for tool in tools if _image_argument(tool)), None)
    draws = next((tool for tool in tools if tool is not changes and re.search("draw|image|paint", tool.name)), None)
    pictures: list[tuple[Tool, str]] = []
    wanted: list[tuple[Tool, str]] = []
    for sentence in sentences(" ".join(prompt.question.split())):
        clauses = [_LEAD_IN.sub("", clause) for clause in _JOINT.split(sentence)]
        while clauses:
            clause = clauses.pop(0)
            if draws is not None and (order := _DRAW.match(clause)):
                # What is drawn may be a list; it ends where a change begins.
                rest = list(takewhile(lambda each: not _CHANGE.match(each), clauses))
                pictures.append((draws, " and ".join([clause[order.end() :], *rest])))
                del clauses[: len(rest)]
            elif changes is not None and _CHANGE.match(clause) and (pictures or _latest_image(prompt)):
                pictures.append((changes, clause))
            else:
                wanted += _fitting(clause, tools, wanted[-1][0] if wanted else None)
    if not (wanted or pictures) and _QUESTION.search(prompt.question) and not expressions(prompt.question):
        wanted = [(tool, prompt.question) for tool in tools if _SEARCHES.search(tool.name)][:1]
    # What one part leaves open another may say.
    return [*pictures, *([(wanted[0][0], prompt.question)] if len(wanted) == 1 and not pictures else wanted)]


def _fitting(clause: str, tools: tuple[Tool, ...], before: Tool | None) -> list[tuple[Tool, str]]:
    best = max(tools, key=lambda tool: _score(tool, clause))
    if _score(best, clause) >= _FITS:
        return [(best, clause)]
    # "and in Berlin" asks the same of something else.
    facts = (names(clause) or numbers(clause)) and not quoted(clause)
    return [(before, clause)] if before is not None and facts and len(clause.split()) <= _FEW_WORDS else []


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
    return 3.0 * len(asked & called) + 1.5 * len(asked & described) + len(asked & arguments) + 2 * _FITS * works_out


def _call(tool: Tool, text: str, prompt: Prompt) -> Call | None:
    image, latest = _image_argument(tool), _latest_image(prompt)
    if image and latest is None and prompt.choice == "auto":
        # A change waits for the picture it is made of.
        return None
    behind = "\n".join([*(result for _, result in prompt.results), prompt.question if text != prompt.question else ""])
    fixed = {image: (IDENTIFIER.findall(text) or [latest])[0]} if image else {}
    if image or "image" in tool.name:
        fixed["prompt"] = text.strip(" .!?")
    try:
        arguments = FieldValues(text, behind, fixed.get, optional=False).fill(tool.schema) if tool.schema else {}
    except Unfillable as error:
        raise Unfillable(f"{tool.name} {error}") from None
    return Call(f"call_{uuid4().hex[:24]}", tool.name, json.dumps(arguments, ensure_ascii=False))


def _image_argument(tool: Tool) -> str | None:
    return next((name for name in tool.properties if name in ("image", "image_id", "picture")), None)


def _latest_image(prompt: Prompt) -> str | None:
    known = [id_ for turn in prompt.turns for id_ in IDENTIFIER.findall(turn.text)]
    return known[-1] if known else None
