"""Which tools a prompt calls for, and with what arguments."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aki_transport.emulator import facts
from aki_transport.emulator.answers import joke, simple
from aki_transport.emulator.arithmetic import expressions, operators
from aki_transport.emulator.errors import Refusal
from aki_transport.emulator.hints import FORMULA, PLACE, Hints
from aki_transport.emulator.image_tools import ImageStep, image_steps, latest_image, wants_image
from aki_transport.emulator.numeric import Unfillable
from aki_transport.emulator.prompt import Call, Named, Prompt, Tool
from aki_transport.emulator.results import results
from aki_transport.emulator.schema import Filler
from aki_transport.emulator.words import STOP, content, name_parts, sentences, stem, stems

_ALIKE = {
    "weather": "temperature forecast rain rainy sunny hot cold warm umbrella degrees",
    "email": "mail",
    "add": "plus sum total +",
    "sum": "plus add total +",
    "multiply": "times product multiplied *",
    "product": "times multiply *",
    "subtract": "minus difference -",
    "divide": "divided quotient /",
    "power": "squared exponent **",
    "calculator": "calculate compute evaluate math",
    "search": "find look lookup documentation docs",
    "clock": "time",
}
_COMMON = stems("get fetch tool function my run call do use value return make given input result set a")
_SEARCHES = re.compile(r"search|look_?up|retriev|find|docs?\b|documentation|knowledge|wiki|query|browse", re.IGNORECASE)
_QUESTION = re.compile(r"\?\s*$|^\s*(?:what|who|where|when|which|how|why|does|is|are|can)\b", re.IGNORECASE)
_JOINT = re.compile(r"\s*(?:,|;)?\s+(?:and|und|as well as|also|then)\s+(?:also\s+|then\s+)?|\s*;\s*", re.IGNORECASE)
_LIST = re.compile(r",\s+")

_FITS = 3.0
_NAMED = 100.0
_FEW_WORDS = 4


@dataclass(frozen=True, slots=True)
class _Ask:
    """A part of the prompt that one call is for."""

    tool: Tool
    text: str


def plan(prompt: Prompt) -> tuple[Call, ...]:
    """The calls to make now; none if the answer is text."""
    if prompt.choice == "none" or not prompt.tools:
        return ()
    tools = prompt.tools
    if isinstance(prompt.choice, Named):
        tools = tuple(tool for tool in tools if tool.name == prompt.choice.name)
    found = results(prompt)
    done = Counter(each.call.name for each in found)
    said = [turn.text for turn in prompt.turns]
    steps, asked = image_steps(prompt.asked, tools, said)
    pictures = _pictures(steps, said, done)
    others = tuple(tool for tool in tools if tool.name not in {step.tool.name for step in steps})
    asks = _open(_asks(asked, others), done) if others and asked else []
    if not asks and not pictures and prompt.choice != "auto":
        asks = [_Ask(_forced(prompt, tools), prompt.asked)]
    if not prompt.parallel:
        pictures, asks = pictures[:1], asks[: 0 if pictures else 1]
    behind = "\n".join(each.text for each in found)
    return (*pictures, *(_call(ask, prompt, behind) for ask in asks))


def _pictures(steps: list[ImageStep], said: list[str], done: Counter[str]) -> tuple[Call, ...]:
    """The calls for pictures that can be made now: a change waits for the picture it is made of."""
    left = steps[sum(done[name] for name in {step.tool.name for step in steps}) :]
    first_change = next((number for number, step in enumerate(left) if step.changes), len(left))
    now = left[: max(first_change, 1)]
    calls = (_picture(step, latest_image(step, said) if step.changes else None) for step in now)
    return tuple(call for call in calls if call is not None)


def _picture(step: ImageStep, image: str | None) -> Call | None:
    if step.changes and image is None:
        return None

    def write(name: str) -> str | None:
        return image if wants_image(name) else step.worded(name)

    return _filled(step.tool, Hints(f"{step.count} {step.size or ''}", "", write))


def _open(asks: list[_Ask], done: Counter[str]) -> list[_Ask]:
    """What has no result yet: the first calls of each tool are the ones that were made."""
    left = []
    for ask in asks:
        if done[ask.tool.name]:
            done[ask.tool.name] -= 1
        else:
            left.append(ask)
    return left


def _forced(prompt: Prompt, tools: tuple[Tool, ...]) -> Tool:
    """The best of the tools not called yet, for an answer that has to be a call."""
    called = {call.name for turn in prompt.since_asked for call in turn.calls}
    fresh = [tool for tool in tools if tool.name not in called] or list(tools)
    return max(fresh, key=lambda tool: _score(tool, prompt.asked))


def _asks(text: str, tools: tuple[Tool, ...]) -> list[_Ask]:
    asks: list[_Ask] = []
    for clause in _clauses(text):
        best = max(tools, key=lambda tool: _score(tool, clause))
        score = _score(best, clause)
        last = asks[-1] if asks else None
        if score >= _FITS and (last is None or _stands_alone(best, clause, last, score)):
            asks.append(_Ask(best, clause))
        elif last is not None and _continues(last.tool, clause):
            asks.append(_Ask(last.tool, clause))
        elif last is not None:
            asks[-1] = _Ask(
                last.tool, f"{last.text} and {clause}" if len(clause.split()) <= _FEW_WORDS else f"{last.text} {clause}"
            )
    asks = [_Ask(ask.tool, part) for ask in asks for part in _repeats(ask)]
    if asks:
        # What one clause leaves open another may say: "In Paris: what is the weather?"
        return [_Ask(ask.tool, text) if len(asks) == 1 else ask for ask in asks]
    whole = max(tools, key=lambda tool: _score(tool, text))
    if _score(whole, text) >= _FITS:
        return [_Ask(whole, text)]
    return _searches(text, tools)


def _searches(text: str, tools: tuple[Tool, ...]) -> list[_Ask]:
    """A question no tool is made for goes to a tool that looks things up."""
    if not _QUESTION.search(text) or simple(text.strip()) or len(content(text)) < 1:
        return []
    return [_Ask(tool, text) for tool in tools if _SEARCHES.search(tool.name)][:1]


def _clauses(text: str) -> list[str]:
    found: list[str] = []
    for sentence in sentences(" ".join(text.split())):
        for part in _JOINT.split(sentence):
            found.extend(_LIST.split(part) if _JOINT.search(sentence) and not facts.has_region(part) else [part])
    return [part.strip() for part in found if part.strip()]


def _stands_alone(tool: Tool, clause: str, last: _Ask, score: float) -> bool:
    if tool.name != last.tool.name:
        return True
    return (score >= _NAMED and bool(facts.numbers(clause) or facts.quoted(clause))) or _fills(tool, clause)


def _continues(tool: Tool, clause: str) -> bool:
    """Whether a clause without a tool of its own asks the same of something else."""
    return len(clause.split()) <= _FEW_WORDS and _fills(tool, clause)


def _fills(tool: Tool, clause: str) -> bool:
    """Whether the clause alone brings what the tool must have."""
    required = _required(tool)
    numeric = [name for name in required if _kind(tool, name) in {"integer", "number"}]
    if numeric:
        return len(facts.numbers(clause)) >= len(numeric)
    if any(_is_about(name, FORMULA) for name in required):
        return bool(expressions(clause))
    if any(_is_about(name, PLACE) for name in required):
        return bool(facts.names(clause))
    return bool(required) and len(facts.quoted(clause)) >= len(required)


def _repeats(ask: _Ask) -> list[str]:
    """The parts of one clause that are each a call: two expressions, or twice the numbers."""
    required = _required(ask.tool)
    found = expressions(ask.text)
    if len(found) > 1 and (any(_is_about(name, FORMULA) for name in required) or len(required) > 1):
        return found
    return [ask.text]


def _score(tool: Tool, text: str) -> float:
    if re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", text):
        return _NAMED
    heard = set(content(text)) - _COMMON
    found = expressions(text)
    signs = set().union(*(operators(each) for each in found)) if found else set()
    called = _alike(name_parts(tool.name)) - _COMMON
    described = set(content(tool.description)) - _COMMON - called
    required = _required(tool)
    numeric = [name for name in required if _kind(tool, name) in {"integer", "number"}]
    if len(numeric) > len(facts.numbers(text)):
        return 0.0
    score = 3.0 * len(heard & called) + 1.5 * len(heard & described)
    score += len(heard & {word for name in _properties(tool) for word in content(name_parts(name))} - called)
    formula = any(_is_about(name, FORMULA) for name in required) or "calculat" in called
    if found and (formula or signs & called):
        score += 2 * _FITS
    return score


def _alike(words: str) -> set[str]:
    plain = [word for word in words.lower().split() if word not in STOP]
    added = [other for word in plain for other in _ALIKE.get(word, "").split()]
    return {stem(word) for word in (*plain, *added)}


def _call(ask: _Ask, prompt: Prompt, behind: str) -> Call:
    rest = prompt.asked if ask.text != prompt.asked else ""
    return _filled(ask.tool, Hints(ask.text, f"{rest}\n{behind}".strip(), _writer(prompt)))


def _filled(tool: Tool, hints: Hints) -> Call:
    try:
        value = Filler(tool.schema, hints, optional=False).fill() if tool.schema else {}
    except Unfillable:
        raise Refusal(f"Parameter 'tools': no arguments fit the schema of {tool.name}.") from None
    arguments = json.dumps(value if isinstance(value, dict) else {}, ensure_ascii=False)
    return Call(f"call_{uuid4().hex[:24]}", tool.name, arguments)


def _writer(prompt: Prompt) -> Any:
    def write(name: str) -> str | None:
        return {"setup": joke(prompt.asked)[0], "punchline": joke(prompt.asked)[1]}.get(name.lower())

    return write


def _properties(tool: Tool) -> dict[str, Any]:
    found = tool.schema.get("properties")
    return found if isinstance(found, dict) else {}


def _required(tool: Tool) -> list[str]:
    found = tool.schema.get("required")
    return [str(name) for name in found] if isinstance(found, list) else []


def _kind(tool: Tool, name: str) -> Any:
    schema = _properties(tool).get(name)
    return schema.get("type") if isinstance(schema, dict) else None


def _is_about(name: str, words: frozenset[str]) -> bool:
    return bool(set(content(name_parts(name))) & words)
