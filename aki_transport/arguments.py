"""Converts arguments from the forms that callers use to our values, and explains unknown arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from aki_transport.errors import ConfigurationError
from aki_transport.messages import JsonObject, JsonSchema, ResponseFormat, ToolChoice, ToolNamed

_RENAMED = {
    **dict.fromkeys(("api_base", "openai_api_base", "endpoint", "url", "host"), "base_url"),
    **dict.fromkeys(("model_name", "model_id", "deployment_name", "engine"), "model"),
    **dict.fromkeys(("openai_api_key", "aki_api_key", "key", "token"), "api_key"),
    **dict.fromkeys(("request_timeout", "stream_chunk_timeout"), "timeout"),
    **dict.fromkeys(("model_kwargs", "additional_kwargs"), "extra_body"),
    **dict.fromkeys(("max_completion_tokens", "max_new_tokens", "num_output", "max_gen_tokens"), "max_tokens"),
    **dict.fromkeys(("headers", "extra_headers"), "default_headers"),
    **dict.fromkeys(("stop_sequences",), "stop"),
    **dict.fromkeys(("reasoning", "thinking", "effort"), "reasoning_effort"),
    **dict.fromkeys(("async_http_client",), "http_async_client"),
    **dict.fromkeys(("retries", "num_retries"), "max_retries"),
    **dict.fromkeys(("max_input_tokens",), "context_window"),
    **dict.fromkeys(("max_output_tokens",), "max_output"),
}


def unknown_argument(owner: str, name: str, known: Collection[str]) -> ConfigurationError:
    """The error for an unknown argument; its message names ours of that meaning, or of a similar name."""
    replacement = _RENAMED.get(name)
    if replacement not in known:
        replacement = next(iter(get_close_matches(name, known, n=1)), None)
    hint = f"; use {replacement}=" if replacement else ""
    return ConfigurationError(f"{owner} has no argument {name!r}{hint}.")


def as_tool_choice(choice: Any) -> ToolChoice | None:
    """A tool choice from any of the forms in use: OpenAI's strings and dicts, "any", booleans, a tool's name.

    Raises:
        ConfigurationError: It is none of them.
    """
    match choice:
        case None | False:
            return None
        case True | "any" | "required":
            return "required"
        case "auto":
            return "auto"
        case "none":
            return "none"
        case {"function": {"name": str(name)}} | {"name": str(name)} | str(name):
            return ToolNamed(name)
        case {"type": str(kind)}:
            return as_tool_choice(kind)
        case _:
            raise ConfigurationError(f"tool_choice={choice!r} is not valid; use 'auto', 'any', 'none' or a name.")


def as_response_format(value: Any, strict: bool | None) -> ResponseFormat | None:
    """A response format from OpenAI's dict for it; other dicts are returned as they are.

    Args:
        value: The dict; None is no format.
        strict: Whether the model must follow the schema exactly, if the dict does not state it.

    Raises:
        ConfigurationError: It is not a dict.
    """
    match value:
        case None:
            return None
        case {"type": "json_object"}:
            return JsonObject()
        case {"type": "json_schema", "json_schema": {"schema": Mapping() as schema} as fields}:
            return JsonSchema(
                name=fields.get("name", "answer"),
                schema=schema,
                description=fields.get("description"),
                strict=fields.get("strict", strict),
            )
        case {"type": "text"}:
            return None
        case Mapping():
            return value
        case _:
            raise ConfigurationError(f"response_format={value!r} is not a response format in OpenAI's form.")
