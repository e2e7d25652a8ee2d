"""What a JSON schema says once its references are followed and its parts are merged."""

from typing import Any

from aki_transport.emulator.numeric import Unfillable, fits, nearest

_SAME_REFERENCE = 2  # how deep a schema that holds itself is followed


def resolved(
    schema: dict[str, Any], root: dict[str, Any], inside: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The schema without `$ref` and `allOf`, and the references that led to it.

    Raises:
        Unfillable: It holds itself, and was followed far enough.
    """
    while isinstance(reference := schema.get("$ref"), str):
        if inside.count(reference) >= _SAME_REFERENCE:
            raise Unfillable
        inside = (*inside, reference)
        target: Any = root
        for part in reference.removeprefix("#").strip("/").split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if part else target
        schema = _merge({key: value for key, value in schema.items() if key != "$ref"}, target)
    for part in schema.get("allOf", ()):
        whole, inside = resolved(part, root, inside)
        schema = _merge({key: value for key, value in schema.items() if key != "allOf"}, whole)
    return schema, inside


def _merge(first: dict[str, Any], second: Any) -> dict[str, Any]:
    if not isinstance(second, dict):
        return first
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        merged["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        merged["required"] = [*dict.fromkeys([*first["required"], *second["required"]])]
    return merged


def branches(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of which one has to fit; empty if the schema is one itself."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return [{**schema, "type": each} for each in kind]
    for word in ("anyOf", "oneOf"):
        if found := schema.get(word):
            rest = {key: value for key, value in schema.items() if key != word}
            return [_merge(rest, branch) for branch in found]
    return []


def implied(schema: dict[str, Any]) -> str:
    """The type of a schema that does not say it."""
    if schema.keys() & {"properties", "additionalProperties", "required", "minProperties"}:
        return "object"
    if schema.keys() & {"items", "prefixItems", "minItems"}:
        return "array"
    if schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}:
        return "number"
    return "string"


def variations(schema: dict[str, Any]) -> list[Any]:
    """Values of a plain type, for lists that may not repeat one."""
    few = range(100)
    match schema.get("type"):
        case "integer" | "number":
            start = int(nearest(schema, integral=True))
            step = schema.get("multipleOf", 1)
            both = [start + sign * each * step for each in few for sign in (1, -1)]
            return [value for value in both if fits(value, schema)]
        case "boolean":
            return [True, False]
        case "null":
            return [None]
        case _:
            least, most = schema.get("minLength", 0), schema.get("maxLength", 1000)
            return [text for each in few if least <= len(text := f"{each:0{max(least, 1)}}") <= most]
