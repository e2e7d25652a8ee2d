"""Values that fit a JSON schema, filled with what a prompt offers."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aki_transport.emulator.hints import Hints
from aki_transport.emulator.numeric import Unfillable, fits, nearest
from aki_transport.emulator.shapes import branches, implied, resolved, variations

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMATS = {
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "date": "2026-01-15",
    "date-time": "2026-01-15T12:00:00Z",
    "time": "12:00:00Z",
    "uuid": "6f0c2c1e-7a53-4f0e-9d3b-2f6f0d1c5a44",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
    "duration": "P1D",
}
# Tried in turn for a `pattern` the prompt does not fill.
_SAMPLES = (
    *("A", "a", "abc", "ABC", "Abc", "1", "12", "123", "1234", "12345", "A1", "AB-123", "abc-123", "1.0.0", "#336699"),
    *("+49 30 123456", "DE", "EUR", "en", "en-US"),
    *_FORMATS.values(),
)
_MOST_ITEMS = 3


@dataclass(frozen=True, slots=True)
class _Filled:
    value: Any
    # Whether the prompt brought it, rather than a default.
    sure: bool


class Filler:
    """Fills one schema.

    Args:
        schema: The root; references are looked up in it.
        hints: What the prompt offers.
        optional: Whether fields that are not required are filled even if the prompt does not bring them.
    """

    def __init__(self, schema: dict[str, Any], hints: Hints, *, optional: bool) -> None:
        self._root = schema
        self._hints = hints
        self._optional = optional

    def fill(self) -> Any:
        """The value.

        Raises:
            Unfillable: The schema asks for what cannot be.
        """
        return self._fill(self._root, "", ()).value

    def _fill(self, schema: Any, name: str, inside: tuple[str, ...]) -> _Filled:
        if schema is False:
            raise Unfillable
        schema, inside = resolved({} if schema is True else schema, self._root, inside)
        if "const" in schema:
            return _Filled(schema["const"], sure=True)
        if schema.get("enum"):
            named = self._hints.choice(schema["enum"])
            fallback = schema.get("default", schema["enum"][0])
            return _Filled(fallback if named is None else named, named is not None)
        ways = branches(schema)
        return self._any(ways, name, inside) if ways else self._typed(schema, name, inside)

    def _typed(self, schema: dict[str, Any], name: str, inside: tuple[str, ...]) -> _Filled:
        kind = schema.get("type") or implied(schema)
        ways: dict[str, Callable[[], _Filled]] = {
            "object": lambda: self._object(schema, inside),
            "array": lambda: self._array(schema, name, inside),
            "integer": lambda: self._number(schema, name, integral=True),
            "number": lambda: self._number(schema, name, integral=False),
            "boolean": lambda: self._boolean(schema, name),
            "null": lambda: _Filled(None, sure=False),
            "string": lambda: self._string(schema, name),
        }
        if kind not in ways:
            raise Unfillable
        return ways[kind]()

    def _any(self, ways: list[dict[str, Any]], name: str, inside: tuple[str, ...]) -> _Filled:
        weak: list[_Filled] = []
        start = self._hints.mark()
        for way in ways:
            try:
                filled = self._fill(way, name, inside)
            except Unfillable:
                filled = None
            if filled is not None and filled.sure:
                return filled
            self._hints.back_to(start)
            weak.extend([filled] if filled is not None else [])
        if not weak:
            raise Unfillable
        return next((each for each in weak if each.value is None), weak[0])

    def _object(self, schema: dict[str, Any], inside: tuple[str, ...]) -> _Filled:
        required = schema.get("required", ())
        properties: dict[str, Any] = schema.get("properties", {})
        value: dict[str, Any] = {}
        sure = not properties
        for name in dict.fromkeys([*properties, *required]):
            start = self._hints.mark()
            try:
                filled = self._fill(properties.get(name, {}), name, inside)
            except Unfillable:
                if name in required:
                    raise
                continue
            if name in required or filled.sure or self._optional:
                value[name] = filled.value
                sure = sure or filled.sure
            else:
                self._hints.back_to(start)
        for number in range(len(value), schema.get("minProperties", 0)):
            value[f"field_{number + 1}"] = self._fill(schema.get("additionalProperties", {}), "", inside).value
        return _Filled(value, sure)

    def _array(self, schema: dict[str, Any], name: str, inside: tuple[str, ...]) -> _Filled:
        first = schema.get("prefixItems", ())
        items = schema.get("items", not first)
        least = max(schema.get("minItems", 0), len(first) if items is False else 0)
        most = max(least, min(schema.get("maxItems", _MOST_ITEMS), max(_MOST_ITEMS, least)))
        values = [self._fill(each, name, inside).value for each in first]
        found, sure = self._several(items, max(most - len(values), 0))
        values.extend(found)
        while len(values) < max(least, min(most, 1)):
            try:
                filled = self._fill(items, name, inside)
            except Unfillable:
                if len(values) < least:
                    raise
                break
            values.append(filled.value)
            sure = sure or filled.sure
        if schema.get("uniqueItems"):
            values = self._unique(values, items, least)
        return _Filled(values, sure)

    def _several(self, items: Any, most: int) -> tuple[list[Any], bool]:
        """The items of a plain list the prompt spells out."""
        if not isinstance(items, dict) or items.keys() - {"type", "title", "description"}:
            return [], False
        match items.get("type"):
            case "string":
                return list(self._hints.texts(most)), True
            case "integer":
                found: list[Any] = [int(each) for each in self._hints.rest() if each == int(each)]
            case "number":
                found = list(self._hints.rest())
            case _:
                return [], False
        return found[:most], bool(found)

    def _unique(self, values: list[Any], items: Any, least: int) -> list[Any]:
        distinct: list[Any] = []
        for value in values:
            if value not in distinct:
                distinct.append(value)
        schema, _ = resolved(items if isinstance(items, dict) else {}, self._root, ())
        spare = schema.get("enum") or variations(schema)
        for value in spare:
            if len(distinct) >= least:
                break
            if not any(value == each and type(value) is type(each) for each in distinct):
                distinct.append(value)
        if len(distinct) < least:
            raise Unfillable
        return distinct

    def _boolean(self, schema: dict[str, Any], name: str) -> _Filled:
        flag = self._hints.flag(name, schema.get("description", ""))
        return _Filled(bool(schema.get("default")) if flag is None else flag, flag is not None)

    def _number(self, schema: dict[str, Any], name: str, *, integral: bool) -> _Filled:
        start = self._hints.mark()
        offered = self._hints.number(name, integral=integral)
        if offered is not None and fits(offered, schema):
            return _Filled(int(offered) if integral else offered, sure=True)
        self._hints.back_to(start)
        default = schema.get("default")
        if isinstance(default, int | float) and fits(default, schema):
            return _Filled(default, sure=False)
        return _Filled(nearest(schema, integral=integral), sure=False)

    def _string(self, schema: dict[str, Any], name: str) -> _Filled:
        form = schema.get("format", "")
        offered = self._hints.text(name, form if form in _FORMATS else "")
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if pattern := schema.get("pattern"):
            words = (offered, self._hints.phrase(), *self._hints.phrase().split(), *_SAMPLES)
            matching = (word for word in words if word and len(word) >= least and re.search(pattern, word))
            return _Filled(next((word for word in matching if most is None or len(word) <= most), "x"), sure=False)
        value = offered
        if value is None:
            default = schema.get("default")
            value = default if isinstance(default, str) else _FORMATS.get(form) or self._hints.word()
        value += "." * max(least - len(value), 0)
        return _Filled(value[:most], offered is not None)
