"""Whether a JSON schema is one."""

from typing import Any

_BY_NAME = ("properties", "patternProperties", "$defs", "definitions")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not")
_TEXTS = ("pattern", "format", "$ref")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_LEAST = ("minItems", "minLength", "minProperties")
_MOST = ("maxItems", "maxLength", "maxProperties")
# No model writes more, or larger numbers, than these bounds would ask for.
_LARGEST_COUNT = 100_000
_LARGEST_NUMBER = 10**20


def is_schema(value: Any) -> bool:
    """Whether the value has the shape of a schema, as deep as it goes."""
    if not isinstance(value, dict):
        return isinstance(value, bool)
    named = [value[name] for name in _BY_NAME if name in value]
    listed = [value[name] for name in _LISTED if name in value]
    inner = [value[name] for name in _SINGLE if name in value]
    kind = value.get("type", "object")
    return (
        all(isinstance(each, dict) for each in named)
        and all(isinstance(each, list) for each in listed)
        and (isinstance(kind, str) or _is_strings(kind))
        and _is_strings(value.get("required", []))
        and isinstance(value.get("enum", []), list)
        and all(isinstance(value[name], str) for name in _TEXTS if name in value)
        and all(_is_number(value[name]) for name in _NUMBERS if name in value)
        and all(_is_count(value[name]) and value[name] <= _LARGEST_COUNT for name in _LEAST if name in value)
        and all(_is_count(value[name]) for name in _MOST if name in value)
        and all(is_schema(each) for each in inner)
        and all(is_schema(each) for group in named for each in group.values())
        and all(is_schema(each) for group in listed for each in group)
    )


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
