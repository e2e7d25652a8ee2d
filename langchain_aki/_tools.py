"""Converts what LangChain users bind as tools to OpenAI's dicts; tools that are no functions pass untouched."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from langchain_core.tools import BaseTool, create_schema_from_function
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from aki_transport.arguments import SCHEMA_TYPES, as_response_format, as_tool, as_tool_choice, choice_among
from aki_transport.messages import JsonSchema, Tool, ToolNamed, cache_mark
from aki_transport.schemas import object_schema, rooted_schema
from langchain_aki.errors import ConfigurationError

_REFERENCE = re.compile(r'"\$ref": "#/\$defs/([^"]*)"')


def convert_tool(
    tool: Mapping[str, Any] | type | Callable[..., Any] | BaseTool, strict: bool | None = None
) -> dict[str, Any]:
    """A tool as OpenAI's dict, with its `extras`; a dict that is no function, and none of its forms, as it is."""
    if isinstance(tool, Mapping):
        return _convert_dict(tool, strict)
    converted = _as_openai_tool(tool, strict)
    if "function" in converted:
        function, recursive = converted["function"], _recursive_schema(tool)
        parameters = function.get("parameters") if recursive is None else recursive
        function["parameters"] = object_schema(parameters or {"type": "object", "properties": {}})
    extras = getattr(tool, "extras", None) if isinstance(tool, BaseTool) else None
    return {**(extras or {}), **converted}


def convert_schema(schema: Any, strict: bool | None) -> dict[str, Any]:
    """Name, description and `parameters` of the form that answers shall have; `ConfigurationError` without a name."""
    if isinstance(schema, Mapping):
        form = as_response_format(schema, strict)
        if isinstance(form, JsonSchema):
            function = {"name": form.name, "parameters": object_schema(form.schema)}
            if form.schema is schema and function["parameters"] is schema:  # as LangChain's conversion has it
                function["parameters"] = _without_title(schema)
            return function if form.description is None else {**function, "description": form.description}
    converted = convert_tool(schema, strict).get("function")
    if not isinstance(converted, dict):
        raise ConfigurationError("the schema has no name; give the JSON schema a title.")
    return converted


def unwrapped_schema(schema: Any, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the value that users get: theirs, if `parameters` have it as the field of an object."""
    if isinstance(schema, Mapping):
        form = as_response_format(schema, None)
        root = form.schema if isinstance(form, JsonSchema) else schema
    else:
        has_schema = isinstance(schema, type) and hasattr(schema, "model_json_schema")
        root = schema.model_json_schema() if has_schema else parameters
    return parameters if object_schema(root) is root else root


def _convert_dict(tool: Mapping[str, Any], strict: bool | None) -> dict[str, Any]:
    known = as_tool(tool)
    if isinstance(known, Tool):
        function = dict(known.extra.get("function", {}))
        strict = known.strict if strict is None else strict
        function |= {"name": known.name, "description": known.description, "parameters": known.parameters}
        if strict is not None:
            function["strict"] = strict
        fields = {name: value for name, value in known.extra.items() if name != "function"}
        return {**fields, "type": "function", "function": function}
    tool = rooted_schema(tool) if "$ref" in tool else tool
    is_schema = str(tool.get("type")) in SCHEMA_TYPES or (tool.get("type") is None and {"name", "title"} & tool.keys())
    if is_schema or "toolSpec" in tool:
        return {**cache_mark(tool), **_as_openai_tool(dict(tool), strict)}
    return dict(tool)


def _as_openai_tool(tool: Any, strict: bool | None) -> dict[str, Any]:
    """LangChain's conversion. The wire makes a schema strict, for LangChain would close free objects too."""
    try:
        converted = convert_to_openai_tool(tool)
    except RecursionError:
        problem = "it contains itself; use a pydantic class"
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        problem = str(error).rstrip(".")
    else:
        if strict is not None and "function" in converted:
            converted["function"]["strict"] = strict
        return converted
    name = getattr(tool, "__name__", repr(tool))
    raise ConfigurationError(f"{name:.100} cannot be converted to a tool or a schema: {problem}.")


def _recursive_schema(tool: Any) -> dict[str, Any] | None:
    """The schema with its references, if a class in it contains itself: LangChain's form leaves such fields empty.

    So is a schema that is a dict, as tools of MCP servers have.
    """
    source: Any = tool.tool_call_schema if isinstance(tool, BaseTool) else tool
    if any(is_kind(source) for is_kind in (inspect.isroutine, is_dataclass)):
        source = create_schema_from_function(source.__name__, source)
    if isinstance(source, dict):
        return _without_title(source)
    if not (isinstance(source, type) and is_basemodel_subclass(source) and hasattr(source, "model_json_schema")):
        return None
    schema: dict[str, Any] = source.model_json_schema()
    definitions = schema.get("$defs", {})
    try:
        TopologicalSorter({name: _REFERENCE.findall(json.dumps(each)) for name, each in definitions.items()}).prepare()
    except CycleError:
        return _without_title(schema)
    return None


def _without_title(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object without its name and description, which the tool has."""
    return {name: value for name, value in rooted_schema(schema).items() if name not in ("title", "description")}


def convert_tool_choice(
    choice: str | bool | dict[str, Any] | None, tools: list[dict[str, Any]]
) -> str | dict[str, Any] | None:
    """The choice in OpenAI's form, which bindings and traces hold; `ConfigurationError` if it names no tool."""
    parsed = choice_among(as_tool_choice(choice), tools)
    if isinstance(choice, Mapping) and "disable_parallel_tool_use" in choice:
        return dict(choice)
    if isinstance(parsed, ToolNamed):
        return {"type": "function", "function": {"name": parsed.name}}
    return parsed if parsed is None or isinstance(parsed, str) else dict(parsed)
