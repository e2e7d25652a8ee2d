"""Answers in JSON: by a schema, by keys the prompt names, or any object."""

import json
import re
from collections.abc import Callable
from typing import Any

from aki_transport.emulator.answers import joke, plain, simple
from aki_transport.emulator.errors import Refusal
from aki_transport.emulator.facts import quoted
from aki_transport.emulator.hints import Hints
from aki_transport.emulator.numeric import Unfillable
from aki_transport.emulator.prompt import Prompt
from aki_transport.emulator.results import results
from aki_transport.emulator.schema import Filler
from aki_transport.emulator.words import content, name_parts, sentences, shorten, stems

_KEY = re.compile(r"[A-Za-z_]\w*$")
_KEYS = re.compile(
    r"\b(?:keys?|fields?|properties|attributes)\b\s*:?\s*(?:named|called)?\s*((?:[\"'`]?\w+[\"'`]?(?:\s*,\s*|\s+and\s+)?)+)"
)
_LISTED = re.compile(
    r"\bJSON\b(?:\s+(?:object|document))?\s+(?:with|of|containing|holding|that (?:has|holds))\s+(?:an?\s+|the\s+)?"
    r"(\w+(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)(?:an?\s+|the\s+)?\w+)*)(?=\s*(?:[:.;]|$))"
)
# A sentence that orders JSON, not one of a passage that speaks of it.
_ORDER = re.compile(
    r"\W*(?:please\s+)?(?:the output|output|your|return|respond|reply|answer|give|format|write|provide|produce|tell"
    r"|only|use|extract|create|generate)\b.*\bJSON\b",
    re.IGNORECASE,
)
_AMOUNTS = stems("age count total price cost amount quantity number year score rating size length width height weight")
_WRITTEN = frozenset(
    """
    answer response reply result text explanation summary description reason rationale story
    """.split()  # noqa: SIM905  # reads better than a list
)


def by_schema(prompt: Prompt, schema: dict[str, Any]) -> str:
    """JSON that fits the schema; an empty schema leaves the keys to the prompt."""
    if not schema:
        schema = _instructed(f"{prompt.system}\n{prompt.asked}") or _object(["answer"])
    behind = "\n".join([*(each.text for each in results(prompt)), prompt.system])
    filler = Filler(schema, Hints(_without_schema(prompt.asked), behind, _writer(prompt)), optional=True)
    try:
        return json.dumps(filler.fill(), ensure_ascii=False)
    except Unfillable:
        raise Refusal("Parameter 'response_format' holds a schema that no value fits.") from None


def by_instruction(prompt: Prompt) -> str | None:
    """JSON where the prompt itself asks for it and says of what form, else `None`."""
    schema = _instructed(f"{prompt.system}\n{prompt.asked}")
    return by_schema(prompt, schema) if schema else None


def _instructed(text: str) -> dict[str, Any] | None:
    """The last schema written out after the instruction, else an object of the keys it shows or names."""
    orders = [sentence for line in text.splitlines() for sentence in sentences(line) if _ORDER.match(sentence)]
    if not orders:
        return None
    after = text[text.find(orders[0]) :]
    written = _objects(after)
    if schemas := [value for value in written if "properties" in value or "$ref" in value]:
        return schemas[-1]
    if examples := [value for value in written if value and all(_KEY.match(key) for key in value)]:
        return _object(list(examples[-1]), examples[-1])
    keys = [key for order in orders for key in quoted(order) if _KEY.match(key)]
    if not keys and (named := _KEYS.search(" ".join(orders)) or _LISTED.search(" ".join(orders))):
        keys = re.findall(r"\w+", re.sub(r"\b(?:and|an?|the)\b", " ", named.group(1)))
    return _object(list(dict.fromkeys(keys))) if keys else None


def _object(keys: list[str], example: dict[str, Any] | None = None) -> dict[str, Any]:
    # bool before int, which it is a kind of.
    kinds = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    properties = {}
    for key in keys:
        value = (example or {}).get(key, "")
        kind = next((name for each, name in kinds.items() if isinstance(value, each)), "string")
        properties[key] = {"type": kind, **({"items": {"type": "string"}} if kind == "array" else {})}
        if example is None and _AMOUNTS & set(content(name_parts(key))):
            properties[key] = {"type": ["integer", "number", "string"]}
    return {"type": "object", "properties": properties, "required": keys}


def _objects(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            found.extend([value] if isinstance(value, dict) else [])
        at = text.find("{", end)
    return found


def _without_schema(text: str) -> str:
    for value in _objects(text):
        if "properties" in value:
            text = text[: text.find("{")] + text[text.rfind("}") + 1 :]
            break
    return text


def _writer(prompt: Prompt) -> Callable[[str], str | None]:
    asked = prompt.asked

    def write(name: str) -> str | None:
        name = name.lower()
        if name in {"setup", "punchline"}:
            return joke(asked)[name == "punchline"]
        if name in _WRITTEN:
            return simple(asked) or plain(prompt)
        if name in {"title", "headline"} and not quoted(asked):
            return shorten(" ".join(word for word in re.findall(r"\w+", asked) if content(word)), 60).title()
        return None

    return write
