import pytest

from aki_transport.emulator.schema_form import is_schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": ["string", "null"]},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"enum": [1]}}}, "required": ["a"]},
        {"anyOf": [{"$ref": "#/$defs/A"}, False], "$defs": {"A": {"minimum": -1.5, "maxLength": 3}}},
        {"additionalProperties": False, "x-other": 1},
    ],
)
def test_a_schema_is_one(schema):
    assert is_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        "object",
        {"type": None},
        {"type": [1]},
        {"properties": []},
        {"properties": {"a": 1}},
        {"required": "a"},
        {"items": [{}]},
        {"anyOf": {}},
        {"anyOf": [None]},
        {"$defs": {"A": {"enum": 1}}},
        {"pattern": 1},
        {"minimum": True},
        {"minimum": 10**30},
        {"minItems": -1},
        {"minItems": 10**30},
    ],
)
def test_what_has_another_shape_is_none(schema):
    assert not is_schema(schema)
    assert not is_schema({"properties": {"deep": {"items": schema}}})
