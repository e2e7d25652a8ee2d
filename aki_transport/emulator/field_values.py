"""Values that fit a JSON schema, with what a text offers for each field; each fact is handed out once."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from aki_transport.emulator.text import content, expressions, names, numbers, quoted, shorten, spaced

_T = TypeVar("_T")

# What a format looks like in a text, and a value that has it.
_FORMATS = {
    "email": (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "someone@example.com"),
    "uri": (r"https?://[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]", "https://example.com/"),
    "date-time": (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?", "2026-01-15T12:00:00Z"),
    "date": (r"\b\d{4}-\d\d-\d\d\b", "2026-01-15"),
}
# Tried in turn for a `pattern` that the text does not fill.
_SAMPLES = ("A", "a", "abc", "ABC", "1", "12", "123", "12345", "A1", "AB-123", "1.0.0", "#336699")
IDENTIFIER = re.compile(r"(?<![\w/.-])[A-Za-z]{2,12}[_-](?=[A-Za-z]*\d)[A-Za-z0-9]{4,}(?![\w-])")
_PLACE, _FORMULA = set(content("city location place town area")), set(content("expression formula equation"))
_REQUEST = set(content("query question search text input prompt request topic"))
_BEFORE_PLACE = re.compile(r"\b(?:in|at|near|for|from|to)\s+$", re.IGNORECASE)
_SMALL_PLACE = re.compile(r"\b(?:in|at|near|from|to)\s+([^\W\d_]+)")
_TOOL_TALK = re.compile(
    r"^\s*(?:(?:please|look\s+up|find(?:\s+out)?|search(?:\s+for)?|tell\s+me(?:\s+about)?"
    r"|in\s+(?:the|our)\s+(?:docs|documents|documentation)|use\s+the\s+[\w-]+\s+tool(?:\s+to)?)\b[\s,:]*)+",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:no|not|without|don't|isn't|never)\b", re.IGNORECASE)
_SAME_REFERENCE = 2  # how deep a schema that holds itself is followed
_MOST_ITEMS = 3
_LONGEST = 300


class Unfillable(Exception):  # noqa: N818  # used to try the next way
    """No value of limited depth fits the schema."""


class FieldValues:
    """Fills schemas from a text.

    Args:
        text: What the user asks.
        behind: Other text the fields may be about, such as the results of tools.
        write: The text for a field that is to be written, by the field's name, or `None`.
        optional: Whether fields that are not required are filled even if the text does not offer them.
    """

    def __init__(self, text: str, behind: str, write: Callable[[str], str | None], *, optional: bool) -> None:
        self._text = text
        self._both = f"{text}\n{behind}"
        self._write = write
        self._optional = optional
        self._guesses = True
        self._root: Mapping[str, Any] = {}
        self._taken: dict[str, frozenset[int]] = {}

    def fill(self, schema: Mapping[str, Any]) -> Any:
        """The value; `Unfillable` where the schema asks for what cannot be, or is none."""
        self._root = schema
        try:
            return self._fill(schema, "", ())[0]
        except (TypeError, AttributeError, ValueError, KeyError, ArithmeticError) as error:
            raise Unfillable(f"the schema is none: {error}") from None

    def _fill(self, schema: Any, name: str, inside: tuple[str, ...]) -> tuple[Any, bool]:
        """The value, and whether the text offered it."""
        schema, inside = self._resolved({} if schema is True else schema, inside)
        kind = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "string")
        kinds = [{"type": each} for each in kind] if isinstance(kind, list) else []
        if options := schema.get("anyOf") or schema.get("oneOf") or kinds:
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "type")}
            return self._any([{**rest, **option} for option in options], name, inside)
        match {"type": kind, **schema}:
            case {"const": value}:
                return value, True
            case {"enum": [first, *_] as values}:
                known = [each for each in values if self._has_word(spaced(str(each)))]
                return (known or [schema.get("default", first)])[0], bool(known)
            case {"type": "object"}:
                return self._object(schema, inside)
            case {"type": "array"}:
                return self._array(schema, name, inside)
            case {"type": "integer" | "number"}:
                return self._number(schema, integral=kind == "integer")
            case {"type": "boolean"}:
                asked = any(map(self._has_word, spaced(name).split()))
                return _NEGATION.search(self._text) is None if asked else bool(schema.get("default")), asked
            case {"type": "string"}:
                return self._string(schema, name)
            case {"type": "null"}:
                return None, False
        raise Unfillable

    def _has_word(self, word: str) -> bool:
        return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self._both, re.IGNORECASE) is not None

    def _resolved(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The schema without `$ref` and `allOf`, and the references that led to it."""
        merged = dict(schema)
        while parts := [*([merged.pop("$ref")] if "$ref" in merged else []), *merged.pop("allOf", ())]:
            for part in parts:
                target: Any = part
                if isinstance(part, str):
                    if inside.count(part) >= _SAME_REFERENCE:
                        raise Unfillable
                    inside, target = (*inside, part), self._root
                    for step in filter(None, part.removeprefix("#").split("/")):
                        target = target[step.replace("~1", "/").replace("~0", "~")]
                both = {key: {**merged.get(key, {}), **target.get(key, {})} for key in ("properties",) if key in target}
                merged |= {**target, **both, "required": [*merged.get("required", ()), *target.get("required", ())]}
        return merged, inside

    def _any(self, options: list[dict[str, Any]], name: str, inside: tuple[str, ...]) -> tuple[Any, bool]:
        unsure: list[Any] = []
        start = dict(self._taken)
        for option in options:
            try:
                value, sure = self._fill(option, name, inside)
            except Unfillable:
                continue
            if sure:
                return value, True
            self._taken = dict(start)
            unsure.append(value)
        if not unsure:
            raise Unfillable
        return (None if None in unsure else unsure[0]), False

    def _object(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> tuple[Any, bool]:
        required = schema.get("required", ())
        value: dict[str, Any] = {}
        any_sure = False
        for name, each in {**{name: {} for name in required}, **schema.get("properties", {})}.items():
            start = dict(self._taken)
            self._guesses = self._optional or name in required
            try:
                filled, sure = self._fill(each, name, inside)
            except Unfillable:
                if name in required:
                    raise
                continue
            if name in required or sure or self._optional:
                value[name] = filled
                any_sure = any_sure or sure
            else:
                self._taken = start
        return value, any_sure

    def _array(self, schema: Mapping[str, Any], name: str, inside: tuple[str, ...]) -> tuple[Any, bool]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", _MOST_ITEMS)
        values: list[Any] = []
        any_sure = False
        while len(values) < max(least, min(most, _MOST_ITEMS)):
            try:
                value, sure = self._fill(schema.get("items", {}), name, inside)
            except Unfillable:
                if len(values) < least:
                    raise
                break
            if len(values) >= max(least, 1) and (not sure or value in values):
                break
            any_sure = any_sure or sure
            values.append(value)
        return values, any_sure

    def _number(self, schema: Mapping[str, Any], *, integral: bool) -> tuple[Any, bool]:
        offered = self._next("number", numbers(self._both), lambda each: not integral or each % 1 == 0)
        if offered is not None and _is_allowed(offered, schema):
            return int(offered) if integral else offered, True
        step = schema.get("multipleOf") or 1
        tries = [schema.get("default"), 1, 0, step]
        bounds = (schema.get(f"{kind}{end}") for kind in ("m", "exclusiveM") for end in ("inimum", "aximum"))
        for bound in (bound for bound in bounds if bound is not None):
            tries += [bound // step * step + more * step for more in (0, 1, -1)] + ([] if integral else [bound])
        for value in tries:
            if value is not None and _is_allowed(value, schema) and not (integral and value % 1):
                return int(value) if integral else value, False
        raise Unfillable

    def _string(self, schema: Mapping[str, Any], name: str) -> tuple[Any, bool]:
        form, least = schema.get("format", ""), schema.get("minLength", 0)
        offered = self._offered(name, form)
        word = next((word for word in re.findall(r"[^\W\d_]{3,}", self._text) if content(word)), "example")
        sample = _FORMATS[form][1] if form in _FORMATS else word
        value = next(each for each in (offered, schema.get("default"), sample) if isinstance(each, str))
        if pattern := schema.get("pattern"):
            tries = (value, *self._text.split(), *_SAMPLES, *(sample for _, sample in _FORMATS.values()))
            value = next((each for each in tries if re.search(pattern, each)), value)
        return (value + "." * max(least - len(value), 0))[: schema.get("maxLength")], offered is not None

    def _offered(self, name: str, form: str) -> str | None:
        about = set(content(spaced(name)))
        kind = form or next((each for each in _FORMATS if each in spaced(name).lower().split()), "")
        if kind in _FORMATS:
            return self._next(kind, re.findall(_FORMATS[kind][0], self._both))
        if (written := self._write(name)) is not None:
            return written
        if about & _FORMULA:
            return self._next("sum", expressions(self._text))
        if about & _PLACE:
            return self._next("place", _places(self._text))
        if about & _REQUEST:
            return shorten(_TOOL_TALK.sub("", self._text).strip(" .\n") or "nothing", _LONGEST)
        if not self._guesses:
            return None
        return self._next("quotation", quoted(self._text)) or self._next("name", names(self._text))

    def _next(self, kind: str, offered: Sequence[_T], wanted: Callable[[_T], bool] = lambda _: True) -> _T | None:
        taken = self._taken.get(kind, frozenset())
        at = next((at for at, each in enumerate(offered) if at not in taken and wanted(each)), None)
        if at is None:
            return None
        self._taken[kind] = taken | {at}
        return offered[at]


def _is_allowed(value: float, schema: Mapping[str, Any]) -> bool:
    """Whether the schema's bounds and step allow the number."""
    step = schema.get("multipleOf")
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        and not (step and Decimal(str(value)) % Decimal(str(step)))
    )


def _places(text: str) -> list[str]:
    """Names, those after a preposition alone if there are any; else the small word after one."""
    every = names(text)
    after = [name for name in every if _BEFORE_PLACE.search(text[: text.find(name)])]
    return after or every or [word.title() for word in _SMALL_PLACE.findall(text) if content(word)]
