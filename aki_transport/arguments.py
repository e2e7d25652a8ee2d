"""Converts arguments from the forms that callers use to our values, and explains unknown arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from aki_transport.errors import ConfigurationError
from aki_transport.messages import JsonObject, JsonSchema, ResponseFormat, Tool, ToolChoice, ToolNamed, tool_name
from aki_transport.schemas import rooted_schema

ALIASES: Mapping[str, str] = {
    "model_name": "model",
    **dict.fromkeys(("openai_api_key", "anthropic_api_key"), "api_key"),
    **dict.fromkeys(("openai_api_base", "api_base", "anthropic_api_url"), "base_url"),
    **dict.fromkeys(("request_timeout", "default_request_timeout"), "timeout"),
    **dict.fromkeys(("max_completion_tokens", "max_tokens_to_sample"), "max_tokens"),
    "stop_sequences": "stop",
    **dict.fromkeys(("model_kwargs", "additional_kwargs"), "extra_body"),
    "async_http_client": "http_async_client",
}
"""Names that users of other integrations write, and ours of the same meaning; taken everywhere."""

ALWAYS_SO: Mapping[str, tuple[Any, ...]] = {
    "stream_usage": (True, None),
    "is_chat_model": (True, None),
    "reuse_client": (True, None),
    "use_responses_api": (False, None),
    "tokenizer": (),
    "tiktoken_model_name": (),
}
"""Arguments that are taken without effect, with the values that describe what is so anyway; empty: any value."""

_OPENAI = frozenset({"openai"})
_BOTH = frozenset({"openai", "anthropic"})
REQUEST_FIELDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("n", "logprobs", "top_logprobs", "logit_bias", "user", "verbosity", "prediction", "modalities", "audio"),
            *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "moderation", "safety_identifier"),
            *("store", "web_search_options"),
            *("min_p", "top_a", "repetition_penalty", "length_penalty", "min_tokens", "ignore_eos", "best_of"),
            *("chat_template_kwargs", "include_reasoning", "reasoning", "plugins", "models", "route", "transforms"),
        ),
        _OPENAI,
    ),
    **dict.fromkeys(("service_tier", "thinking", "cache_control"), _BOTH),
    **dict.fromkeys(
        (
            *("container", "context_management", "mcp_servers", "output_config", "inference_geo", "speed"),
            *("diagnostics", "user_profile_id", "workspace_id"),
        ),
        frozenset({"anthropic"}),
    ),
}
"""Further fields of the request body by name, and the protocols that know each."""

_HINTS: Mapping[str, str] = {
    **dict.fromkeys(("endpoint", "url", "host"), "use base_url="),
    **dict.fromkeys(("model_id", "deployment_name", "engine", "azure_deployment"), "use model="),
    **dict.fromkeys(("aki_api_key", "key", "token"), "use api_key="),
    **dict.fromkeys(("max_new_tokens", "num_output", "max_gen_tokens"), "use max_tokens="),
    **dict.fromkeys(("headers", "extra_headers"), "use default_headers=, or extra_headers= in a call"),
    **dict.fromkeys(("retries", "num_retries"), "use max_retries="),
    **dict.fromkeys(("functions", "function_call"), "use tools= and tool_choice="),
    **dict.fromkeys(("streaming", "stream"), "call stream(), in LlamaIndex stream_chat()"),
    **dict.fromkeys(("openai_proxy", "anthropic_proxy"), "set HTTPS_PROXY, or pass http_client="),
    **dict.fromkeys(("organization", "openai_organization"), "use default_headers={'OpenAI-Organization': ...}"),
    "betas": "use default_headers={'anthropic-beta': ...}",
    **dict.fromkeys(("default_query", "extra_query"), "put the query into base_url="),
    "disable_parallel_tool_use": "use parallel_tool_calls=False",
    "effort": "use reasoning_effort=",
    "enable_thinking": "use reasoning_effort='none', or chat_template_kwargs={...} at servers of one's own",
    "max_input_tokens": "use context_window=",
    "max_output_tokens": "use max_output= for the model's limit, max_tokens= for one answer's",
    "metadata": "send it to the service with extra_body={'metadata': ...}",
    "stream_chunk_timeout": "use timeout=Timeout(chunk=...)",
    "stream_options": "nothing is needed: the usage of a stream is asked for",
    "system": "pass a system message",
    "tags": "pass it in config= of the call",
}
_VALUE_HINTS: Mapping[str, str] = {"model": "a model's ID; the command `aki models` lists them"}
_FUNCTION_FIELDS = frozenset({"name", "description", "parameters", "strict"})
# The last three are MCP's, for those who show tools to people.
_DECLARATION_FIELDS = _FUNCTION_FIELDS | {
    *("type", "input_schema", "inputSchema"),
    *("title", "annotations", "outputSchema"),
}


def with_aliases(owner: str, arguments: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The arguments under our names, further request fields in `request_fields`, what is always so left out.

    A name that is among those `known` to the owner is never an alias. Raises `ConfigurationError` for an argument that
    is unknown, or has a value that cannot be taken.
    """
    taken: dict[str, Any] = {}
    fields: dict[str, Any] = dict(arguments.get("request_fields") or {})
    for name, value in sorted(arguments.items(), key=lambda argument: argument[0] not in known):
        if name in known:
            taken[name] = value
        elif name in ALIASES and ALIASES[name] in known:
            if ALIASES[name] == "extra_body":
                # The arguments of a call in OpenAI's library, of which two are no fields of the body.
                body = dict(value or {})
                headers = "extra_headers" if "extra_headers" in known else "default_headers"
                for target, inner in ((headers, "extra_headers"), ("extra_body", "extra_body")):
                    if inner in body:
                        taken[target] = {**body.pop(inner), **(taken.get(target) or {})}
                taken["extra_body"] = {**body, **(taken.get("extra_body") or {})}
            elif arguments.get(ALIASES[name]) is None:
                taken[ALIASES[name]] = value
        elif name in REQUEST_FIELDS:
            fields[name] = value
        elif name == "is_function_calling_model" and "capabilities" in known:
            taken["capabilities"] = {"tools": value, **(arguments.get("capabilities") or {})}
        elif name in ALWAYS_SO and (not ALWAYS_SO[name] or value in ALWAYS_SO[name]):
            continue
        else:
            raise unknown_argument(owner, name, value)
    if fields:
        taken["request_fields"] = {name: value for name, value in fields.items() if value is not None}
    return taken


def unknown_argument(owner: str, name: str, value: Any = None) -> ConfigurationError:
    """The error for an unknown argument; its message names ours of that meaning, if there is one."""
    if name in ALWAYS_SO:
        return ConfigurationError(f"{owner} takes {name}={ALWAYS_SO[name][0]!r} only, not {value!r}.")
    hint = f"; {_HINTS[name]}" if name in _HINTS else ""
    return ConfigurationError(f"{owner} has no argument {name!r}{hint}.")


def wrong_values(owner: str, error: ValidationError) -> str:
    """What pydantic found wrong with arguments, in one line and without the values, which may be secrets."""
    problems: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(each["loc"][0]) if each["loc"] else ""
        message = each["msg"].removeprefix("Input ")
        text = f"needs {name}=" if each["type"] == "missing" else f"{name}= {message[:1].lower()}{message[1:]}"
        hint = f" ({_VALUE_HINTS[name]})" if name in _VALUE_HINTS else ""
        problems.setdefault(name, text + hint)
    return f"{owner}: {'; '.join(problems.values())}."


def as_tool_choice(choice: Any) -> ToolChoice | None:
    """A tool choice from OpenAI's strings and dicts, "any", booleans, a tool's name; else `ConfigurationError`."""
    match choice:
        case None | False:
            return None
        case True | "any" | "required":
            return "required"
        case "auto":
            return "auto"
        case "none":
            return "none"
        case {"type": "allowed_tools"}:
            return dict(choice)
        case {"function": {"name": str(name)}} | {"name": str(name)} | str(name):
            return ToolNamed(name)
        case {"type": "auto" | "any" | "required" | "none" as kind}:
            return as_tool_choice(kind)
        case {"type": str()}:  # a tool that is no function
            return dict(choice)
        case _:
            raise ConfigurationError(f"tool_choice={choice!r} is not valid; use 'auto', 'any', 'none' or a name.")


def choice_among(choice: ToolChoice | None, tools: Collection[Tool | Mapping[str, Any]]) -> ToolChoice | None:
    """The choice; the type of a tool that the service runs becomes OpenAI's form of it.

    Raises `ConfigurationError` for the name of no tool.
    """
    if not isinstance(choice, ToolNamed):
        return choice
    names = [name for tool in tools if (name := tool_name(tool)) is not None]
    if choice.name in names:
        return choice
    if any(isinstance(tool, Mapping) and tool.get("type") == choice.name for tool in tools):
        return {"type": choice.name}
    known = ", ".join(map(repr, (*names, "auto", "any")))
    raise ConfigurationError(f"tool_choice={choice.name!r} names no tool; use {known} or 'none'.")


def as_tool(tool: Any, *, strict: bool | None = None) -> Tool | Mapping[str, Any]:
    """A tool from OpenAI's or Anthropic's dict of a function; any other dict is returned as it is.

    `strict`, whether the arguments must follow the schema, counts if the dict does not state it.
    """
    match tool:
        case {"type": "function", "function": {"name": str(name)} as function}:
            extra = {key: value for key, value in tool.items() if key not in ("type", "function")}
        case {"type": "function", "name": str(name)}:  # OpenAI's newer form, without nesting
            function, extra = {key: value for key, value in tool.items() if key != "type"}, {}
        case (  # Anthropic's, MCP's and OpenAI's oldest
            {"name": str(name), "input_schema": Mapping() as schema}
            | {"name": str(name), "inputSchema": Mapping() as schema}
            | {"name": str(name), "parameters": Mapping() as schema}
        ) if tool.get("type") in (None, "custom"):
            extra = {key: value for key, value in tool.items() if key not in _DECLARATION_FIELDS}
            function = {**{key: tool[key] for key in _FUNCTION_FIELDS if key in tool}, "parameters": schema}
        case _:
            return tool if isinstance(tool, Tool | Mapping) else dict(tool)
    inner = {key: value for key, value in function.items() if key not in _FUNCTION_FIELDS}
    return Tool(
        name=name,
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
        strict=function.get("strict", strict),
        extra={**extra, **({"function": inner} if inner else {})},
    )


_SCHEMA_KEYS = frozenset({"properties", "$ref", "anyOf", "oneOf", "allOf", "items", "enum", "$defs", "const"})
SCHEMA_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})


def is_schema(value: Mapping[str, Any]) -> bool:
    """Whether a dict is a JSON schema."""
    types = value.get("type")
    names = types if isinstance(types, list) else [types]
    return bool(_SCHEMA_KEYS & value.keys()) or any(str(name) in SCHEMA_TYPES for name in names)


def as_response_format(value: Any, strict: bool | None) -> ResponseFormat | None:
    """A response format from OpenAI's dict for it, or from a JSON schema; other dicts are returned as they are.

    `strict`, whether the model must follow the schema exactly, counts if the dict does not state it. Raises
    `ConfigurationError` for anything else.
    """
    match value:
        case None:
            return None
        case {"type": "json_object", "schema": Mapping() as schema}:
            return _json_schema(value, schema, strict)
        case {"type": "json_object", **others} if not others:
            return JsonObject()
        case {"type": "json_schema", "json_schema": {"schema": Mapping() as schema} as fields}:
            return _json_schema(fields, schema, strict)
        case {"type": "json_schema", "json_schema": Mapping() as schema} if is_schema(schema):
            return as_response_format(schema, strict)
        case {"type": "json_schema", "schema": Mapping() as schema} | {"name": str(), "schema": Mapping() as schema}:
            return _json_schema(value, schema, strict)
        case {"type": "text"}:
            return None
        case type() if hasattr(value, "model_json_schema"):
            return _json_schema(
                {"name": value.__name__, "description": value.__doc__}, value.model_json_schema(), strict
            )
        case {"$ref": str()} if rooted_schema(value) is not value:
            return as_response_format(rooted_schema(value), strict)
        case Mapping() if is_schema(value):
            return _json_schema({"name": value.get("title"), "description": value.get("description")}, value, strict)
        case Mapping():
            return value
        case _:
            raise ConfigurationError(f"response_format={value!r} is not a response format in OpenAI's form.")


def _json_schema(fields: Mapping[str, Any], schema: Mapping[str, Any], strict: bool | None) -> JsonSchema:
    return JsonSchema(
        name=fields.get("name") or "answer",
        schema=schema,
        description=fields.get("description"),
        strict=fields.get("strict", strict),
    )
