"""JSON schemas and names, changed into what services accept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MAX_NAME = 64  # characters of a name of a tool or a schema, in OpenAI's protocol
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
    root = _resolved(schema, schema)
    is_object = not isinstance(root, Mapping) or root.get("type") == "object" or "properties" in root
    if is_object or not root.keys() & {"type", "anyOf", "oneOf", "enum", "const"}:
        return schema
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {"type": "object", "properties": {"value": inner}, "required": ["value"], **definitions}


def flat_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of an object with the fields of its alternatives beside its own, for services that take none there.

    Example:
        >>> from aki_transport.schemas import flat_schema
        >>> flat_schema({"anyOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]})
        {'type': 'object', 'properties': {'a': {}, 'b': {}}}
    """
    alternatives = {name: schema[name] for name in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(name), list)}
    if not alternatives:
        return schema
    roots = [_resolved(schema, each) for branches in alternatives.values() for each in branches]
    properties: dict[str, Any] = {}
    for root in (*roots, schema):
        properties |= root.get("properties") or {} if isinstance(root, Mapping) else {}
    rest = {name: value for name, value in schema.items() if name not in alternatives}
    return {**rest, "type": "object", "properties": properties}


def rooted_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its object at the root, where a reference stood: services refuse a root without a type.

    Example:
        >>> from aki_transport.schemas import rooted_schema
        >>> rooted_schema({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}})
        {'type': 'object', '$defs': {'A': {'type': 'object'}}}
    """
    root = _resolved(schema, schema)
    if root is schema or not isinstance(root, Mapping):
        return schema
    return {**root, **{name: value for name, value in schema.items() if name != "$ref"}}


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the form that services require for `strict`: all fields required, no others, no defaults.

    Source: OpenAI's documentation of structured outputs; Anthropic's asks for the same.

    Example:
        >>> from aki_transport.schemas import strict_schema
        >>> strict_schema({"type": "object", "properties": {"n": {"type": "integer", "default": 1}}})["required"]
        ['n']
    """
    legal = {name: value for name, value in schema.items() if name not in ("default", "discriminator")}
    if "oneOf" in legal and "anyOf" not in legal:
        legal["anyOf"] = legal.pop("oneOf")
    return {name: _strict_entry(name, value) for name, value in _closed(legal).items()}


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
        others = {name: value for name, value in schema.items() if name != "$ref"}
        return {"anyOf": [{"$ref": schema["$ref"]}], **others}
    match schema.get("allOf"):
        case [Mapping() as only]:
            schema = {**{name: value for name, value in schema.items() if name != "allOf"}, **only}
    properties = schema.get("properties")
    if schema.get("type") != "object" and not isinstance(properties, Mapping):
        return schema
    if not isinstance(properties, Mapping) or (not properties and schema.get("additionalProperties") is True):
        return schema  # a free-form object, which could only be empty if it were closed
    # So could one with a schema for any other field, if it has none of its own.
    closed = {} if isinstance(schema.get("additionalProperties"), Mapping) else {"additionalProperties": False}
    return {**schema, "required": list(properties), **closed}


_TYPES: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": (int, float),
}


def known_fields(schema: Any) -> frozenset[str]:
    """The names of the fields of a schema's object; empty if it has none of its own."""
    names: set[str] = set()
    pending, seen = [schema], 0
    while pending and seen < _MAX_PARTS:
        part, seen = _resolved(schema, pending.pop()), seen + 1
        if isinstance(part, Mapping):
            names.update(part["properties"] if isinstance(part.get("properties"), Mapping) else ())
            pending += [each for word in ("anyOf", "oneOf", "allOf") for each in _list(part.get(word))]
    return frozenset(names)


_MAX_PARTS = 100


def checked(schema: Any) -> Callable[[Any], Any]:
    """A function that returns a value that fits the schema, and raises `ValueError` for any other.

    What it checks: types, required fields, `enum`, `const`, `items`, `$ref`, `anyOf`, `oneOf` and `allOf`. Whatever
    else a schema demands is taken as met, and so is null in a field that is not required. An object with none of the
    fields of the schema's root does not fit, unless it is empty.

    Example:
        >>> from aki_transport.schemas import checked
        >>> checked({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})({"n": "1"})
        Traceback (most recent call last):
        ...
        ValueError: n is no integer
    """
    names = known_fields(schema)

    def check(value: Any) -> Any:
        if value and isinstance(value, dict) and names and not names & value.keys():
            raise ValueError(f"it has none of the fields {', '.join(sorted(names))}")
        try:
            problem = _problem(schema, schema, value, "")
        except RecursionError:
            problem = "it is nested too deep"
        if problem:
            raise ValueError(problem)
        return value

    return check


def validated(cls: Any) -> Callable[[Any], Any]:
    """As `checked`, for a class of pydantic (of any version), whose objects it returns."""
    validate = cls.model_validate if hasattr(cls, "model_validate") else cls.parse_obj
    declared = frozenset(class_fields(cls))

    def check(value: Any) -> Any:
        result = validate(value)
        used: Iterable[str] = result.model_fields_set if hasattr(cls, "model_validate") else result.__fields_set__
        if value and isinstance(value, dict) and declared and not declared.intersection(used):
            raise ValueError(f"it has none of the fields of {cls.__name__}")
        return result

    return check


def class_fields(cls: Any) -> Mapping[str, Any]:
    """The fields of a class of pydantic, by the names of its attributes."""
    fields: Mapping[str, Any] = cls.model_fields if hasattr(cls, "model_validate") else cls.__fields__
    return fields


def _problem(root: Any, schema: Any, value: Any, path: str) -> str:
    """Why a value does not fit; empty if it does."""
    schema = _resolved(root, schema)
    if not isinstance(schema, Mapping):
        return f"{path or 'it'} is not allowed" if schema is False else ""
    name = path or "it"
    for wanted in (schema.get("enum"), [schema["const"]] if "const" in schema else None):
        if isinstance(wanted, list) and value not in wanted:
            return f"{name} is none of {wanted!r:.200}"
    types = [each for each in _list(schema.get("type")) or [schema.get("type")] if isinstance(each, str)]
    if types and not any(_is_type(value, each) for each in types):
        return f"{name} is no {' or '.join(types)}"
    for word in ("anyOf", "oneOf"):
        problems = [_problem(root, each, value, path) for each in _list(schema.get(word))]
        if problems and all(problems):
            return problems[0]
    for each in _list(schema.get("allOf")):
        if problem := _problem(root, each, value, path):
            return problem
    if isinstance(value, dict):
        return _object_problem(root, schema, value, path)
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            if problem := _problem(root, schema["items"], each, f"{path}[{index}]"):
                return problem
    return ""


def _object_problem(root: Any, schema: Mapping[str, Any], value: Mapping[str, Any], path: str) -> str:
    required = _list(schema.get("required"))
    for name in required:
        if name not in value:
            return f"{_joined(path, name)} is missing"
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, Mapping) else ():
        if name in value and (value[name] is not None or name in required):
            problem = _problem(root, inner, value[name], _joined(path, name))
            if problem:
                return problem
    return ""


def _joined(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _is_type(value: Any, name: str) -> bool:
    kind = _TYPES.get(name)
    if kind is None:
        return True
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, float) and name == "integer":
        return bool(value.is_integer())
    return isinstance(value, kind)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _resolved(root: Any, schema: Any) -> Any:
    """What a reference within the schema points to; True, which anything fits, if that is not there."""
    for _ in range(_MAX_PARTS):
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            return schema
        target: Any = root
        for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
            if part:
                key = part.replace("~1", "/").replace("~0", "~")
                target = target.get(key, True) if isinstance(target, Mapping) else True
        schema = target
    return True
