"""JSON schemas and names, changed into what services accept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_NAME = 64
"""Characters of a name of a tool or a schema, in OpenAI's protocol."""

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
_LEGAL_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_NAME}}}")


def legal_name(name: str) -> str:
    """The name, reduced to what protocols take: letters, digits, `_` and `-`, at most 64.

    Example:
        >>> from aki_transport.schemas import legal_name
        >>> legal_name("Answer[Größe]")
        'Answer_Grosse'
    """
    if _LEGAL_NAME.fullmatch(name):
        return name
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return _NOT_IN_NAMES.sub("_", plain).strip("_")[:MAX_NAME] or "unnamed"


def object_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema; one whose root is no object as the field `value` of one, for services take objects alone.

    Example:
        >>> from aki_transport.schemas import object_schema
        >>> object_schema({"type": "integer"})["properties"]
        {'value': {'type': 'integer'}}
    """
    root: Any = schema
    if isinstance(root.get("$ref"), str):
        root = root.get("$defs", {}).get(root["$ref"].rpartition("/")[2], {"type": "object"})
    if not root or root.get("type") == "object" or "properties" in root or ("type" not in root and "anyOf" not in root):
        return schema
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {"type": "object", "properties": {"value": inner}, "required": ["value"], **definitions}


def unwrap_value(value: Any) -> Any:
    """The value in an object that `object_schema` may have made; None if it is none."""
    return value["value"] if isinstance(value, dict) and value.keys() == {"value"} else None


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the form that services require for `strict`: all fields required, no others, no defaults.

    Source: OpenAI's documentation of structured outputs; Anthropic's asks for the same.

    Example:
        >>> from aki_transport.schemas import strict_schema
        >>> strict_schema({"type": "object", "properties": {"n": {"type": "integer", "default": 1}}})["required"]
        ['n']
    """
    return {name: _strict_entry(name, value) for name, value in _closed(schema).items() if name != "default"}


def _strict_entry(keyword: str, value: Any) -> Any:
    match keyword, value:
        case "properties" | "$defs" | "definitions", Mapping():
            return {name: strict_schema(each) if isinstance(each, Mapping) else each for name, each in value.items()}
        case "enum" | "const" | "required" | "examples", _:
            return value
        case _, Mapping():
            return strict_schema(value)
        case _, list():
            return [strict_schema(each) if isinstance(each, Mapping) else each for each in value]
        case _:
            return value


def _closed(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its object closed; a `$ref` stands alone, as services require."""
    if "$ref" in schema and len(schema) > 1 and "$defs" not in schema:
        return {"$ref": schema["$ref"]}
    match schema.get("allOf"):
        case [Mapping() as only]:
            schema = {**{name: value for name, value in schema.items() if name != "allOf"}, **only}
    properties = schema.get("properties")
    if schema.get("type") != "object" and not isinstance(properties, Mapping):
        return schema
    required = {"required": list(properties)} if isinstance(properties, Mapping) else {}
    # A free-form object, with a schema for any other field, is left as it is: closed, it could only be empty.
    closed = {} if isinstance(schema.get("additionalProperties"), Mapping) else {"additionalProperties": False}
    return {**schema, **required, **closed}
