"""Values that fit a JSON schema, with what a text offers for each field; each fact is handed out once."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, TypeVar

from aki_transport.emulator.text import content, expressions, names, numbers, quoted, shorten, spaced

_T = TypeVar("_T")

# What a format looks like in a text, and a value that has it.
_FORMATS = {
    "email": (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "someone@example.com"),
    "date": (r"\b\d{4}-\d\d-\d\d\b", "2026-01-15"),
}
_FORMULA = set(content("expression formula equation"))
_REQUEST = set(content("query question search text input prompt request topic"))
_TOOL_TALK = re.compile(
    r"^\s*(?:(?:please|now|can you|(?:draw|paint)(?:\s+me)?|look\s+up|find(?:\s+out)?|search(?:\s+for)?"
    r"|in\s+(?:the|our)\s+(?:docs|documents|documentation)|use\s+the\s+[\w-]+\s+tool(?:\s+to)?)\b[\s,:]*)+",
    re.IGNORECASE,
)
_SAME_REFERENCE = 2  # how deep a schema that holds itself is followed


class Unfillable(Exception):  # noqa: N818  # used to try the next way
    """No value of limited depth fits the schema."""


class FieldValues:
    """Fills schemas from what the user asks, and from what stands behind it, such as the results of tools.

    `write` gives the text for fields that are to be written, by name; `optional` fields are filled if the text offers
    something, or all.
    """

    def __init__(self, text: str, behind: str, write: Callable[[str], str | None], *, optional: bool) -> None:
        self._text = text
        self._both = f"{text}\n{behind}"
        self._write = write
        self._optional = optional
        self._guesses = True
        self._root: Mapping[str, Any] = {}
        # What the text offered so far: the kind of the fact, and which of them.
        self._taken: frozenset[tuple[str, Any]] = frozenset()

    def fill(self, schema: Mapping[str, Any]) -> Any:
        """The value; `Unfillable` where the schema asks for what cannot be, or is none."""
        self._root = schema
        try:
            return self._fill(schema, "", ())
        except (TypeError, AttributeError, ValueError, KeyError, ArithmeticError) as error:
            raise Unfillable(f"the schema is none: {error}") from None

    def _fill(self, schema: Any, name: str, inside: tuple[str, ...]) -> Any:
        schema, inside = self._resolved({} if schema is True else schema, inside)
        kind = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "string")
        kinds = [{"type": each} for each in kind] if isinstance(kind, list) else []
        if options := schema.get("anyOf") or schema.get("oneOf") or kinds:
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "type")}
            return self._any([{**rest, **option} for option in options], name, inside)
        match {"type": kind, **schema}:
            case {"const": value}:
                return self._take("constant", value)
            case {"enum": [first, *_] as values}:
                known = [each for each in values if self._has_word(spaced(str(each)))]
                return self._take("choice", known[0]) if known else schema.get("default", first)
            case {"type": "object"}:
                return self._object(schema, inside)
            case {"type": "array"}:
                return self._array(schema, name, inside)
            case {"type": "integer" | "number"}:
                return self._number(schema, integral=kind == "integer")
            case {"type": "boolean"}:
                return bool(schema.get("default"))
            case {"type": "string"}:
                return self._string(schema, name)
            case {"type": "null"}:
                return None
        raise Unfillable

    def _take(self, kind: str, value: _T, which: object = None) -> _T:
        self._taken |= {(kind, which)}
        return value

    def _next(self, kind: str, offered: Sequence[_T], wanted: Callable[[_T], bool] = lambda _: True) -> _T | None:
        """The first of these facts that is wanted and not handed out yet."""
        free = ((at, each) for at, each in enumerate(offered) if (kind, at) not in self._taken and wanted(each))
        return next((self._take(kind, each, at) for at, each in free), None)

    def _has_word(self, word: str) -> bool:
        return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self._both, re.IGNORECASE) is not None

    def _resolved(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The schema without `$ref`, and the references that led to it."""
        resolved = dict(schema)
        while reference := resolved.pop("$ref", None):
            if inside.count(reference) >= _SAME_REFERENCE:
                raise Unfillable
            inside, target = (*inside, reference), self._root
            for step in filter(None, reference.removeprefix("#").split("/")):
                target = target[step]
            resolved = {**target, **resolved}
        return resolved, inside

    def _any(self, options: list[dict[str, Any]], name: str, inside: tuple[str, ...]) -> Any:
        """The first option for which the text offers something; else null, else the first that can be filled."""
        start, values = self._taken, []
        for option in options:
            with suppress(Unfillable):
                values.append(self._fill(option, name, inside))
                if self._taken != start:
                    return values[-1]
            self._taken = start
        if not values:
            raise Unfillable
        return None if None in values else values[0]

    def _object(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        required = schema.get("required", ())
        value: dict[str, Any] = {}
        for name, each in {**{name: {} for name in required}, **schema.get("properties", {})}.items():
            start = self._taken
            self._guesses = self._optional or name in required
            try:
                filled = self._fill(each, name, inside)
            except Unfillable:
                if name in required:
                    raise
                continue
            if name in required or self._optional or self._taken != start:
                value[name] = filled
        return value

    def _array(self, schema: Mapping[str, Any], name: str, inside: tuple[str, ...]) -> list[Any]:
        """One item, unless there have to be more."""
        least = schema.get("minItems", 0)
        try:
            return [
                self._fill(schema.get("items", {}), name, inside)
                for _ in range(min(max(least, 1), schema.get("maxItems", least + 1)))
            ]
        except Unfillable:
            if least:
                raise
            return []

    def _number(self, schema: Mapping[str, Any], *, integral: bool) -> float:
        offered = self._next("number", numbers(self._both), lambda each: not integral or each % 1 == 0)
        step = schema.get("multipleOf") or 1
        names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        bounds = [schema[name] for name in names if schema.get(name) is not None]
        near = [(bound // step + more) * step for bound in bounds for more in (0, 1, -1)]
        for value in (offered, schema.get("default"), 1, 0, step, *near, *bounds):
            if value is not None and _is_allowed(value, schema) and not (integral and value % 1):
                return int(value) if integral else value
        raise Unfillable

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        form, least = schema.get("format", ""), schema.get("minLength", 0)
        word = next((word for word in re.findall(r"[^\W\d_]{3,}", self._text) if content(word)), "example")
        sample = _FORMATS[form][1] if form in _FORMATS else word
        tries = (self._offered(name, form), schema.get("default"), sample)
        value = next(each for each in tries if isinstance(each, str))
        return value.ljust(least, ".")[: schema.get("maxLength")]

    def _offered(self, name: str, form: str) -> str | None:
        about = set(content(spaced(name)))
        kind = form or next((each for each in _FORMATS if each in spaced(name).lower().split()), "")
        if kind in _FORMATS:
            return self._next(kind, re.findall(_FORMATS[kind][0], self._both))
        if (written := self._write(name)) is not None:
            return self._take(name, written)
        if about & _FORMULA:
            return self._next("sum", expressions(self._text))
        if about & _REQUEST:
            return self._take(name, shorten(_TOOL_TALK.sub("", self._text).strip(" .\n") or "nothing", 300))
        if not self._guesses:
            return None
        return self._next("quotation", quoted(self._text)) or self._next("name", names(self._text))


def _is_allowed(value: float, schema: Mapping[str, Any]) -> bool:
    """Whether the schema's bounds and step allow the number."""
    step = schema.get("multipleOf")
    is_within = schema.get("minimum", value) <= value <= schema.get("maximum", value)
    is_between = schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1)
    return is_within and is_between and not (step and Decimal(str(value)) % Decimal(str(step)))
