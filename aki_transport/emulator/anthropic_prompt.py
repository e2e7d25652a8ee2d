"""An Anthropic request body read into a prompt, or refused."""

import re
from typing import Any

from aki_transport.emulator.anthropic_blocks import plain, read_blocks
from aki_transport.emulator.anthropic_history import read_messages
from aki_transport.emulator.errors import Refusal
from aki_transport.emulator.models import Model
from aki_transport.emulator.prompt import Choice, Effort, Named, Prompt, Tool, Turn
from aki_transport.emulator.schema_form import is_schema

_REQUIRED = ("model", "messages", "max_tokens")
_OPTIONAL = (
    "system",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "tools",
    "tool_choice",
    "thinking",
    "metadata",
    "service_tier",
)
_TOOL_FIELDS = ("type", "name", "description", "input_schema", "cache_control", "strict")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_LEAST_BUDGET = 1024
# Where more of a budget makes the emulator think longer.
_BUDGETS: tuple[tuple[int, Effort], ...] = ((16_384, "high"), (4096, "medium"), (0, "low"))


def check_fields(body: dict[str, Any]) -> None:
    """Look over which parameters there are, and the simple ones' values.

    Raises:
        Refusal: The first one that is missing, unknown or out of range.
    """
    for name in _REQUIRED:
        if name not in body:
            raise Refusal(f"{name}: Field required")
    for name in body:
        if name not in (*_REQUIRED, *_OPTIONAL):
            raise Refusal(f"{name}: Extra inputs are not permitted")
    if not isinstance(body["model"], str) or not body["model"]:
        raise Refusal("model: Input should be a valid string")
    if not isinstance(body.get("stream", False), bool):
        raise Refusal("stream: Input should be a valid boolean")
    for name, least in (("max_tokens", 1), ("top_k", 0)):
        if name in body:
            _check_integer(body[name], name, least)
    for name in ("temperature", "top_p"):
        value = body.get(name, 0)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Refusal(f"{name}: Input should be a valid number")
        if not 0 <= value <= 1:
            raise Refusal(f"{name}: range: 0..1")


def read_prompt(body: dict[str, Any], model: Model) -> Prompt:
    """The prompt of a request to this model.

    Raises:
        Refusal: In Anthropic's words, what it does not take.
    """
    turns = (*_system(body.get("system", "")), *read_messages(body["messages"]))
    if not model.sees and any(turn.images for turn in turns):
        raise Refusal(f"The model {model.id} has no image input; send text only.")
    tools = _tools(body.get("tools", []))
    choice, parallel = _choice(body.get("tool_choice", {"type": "auto"}), tools)
    if "tool_choice" in body and not tools:
        raise Refusal("tool_choice may only be specified while providing tools.")
    effort = _effort(body, body["max_tokens"])
    return Prompt(
        turns=turns,
        tools=tools,
        choice=choice,
        parallel=parallel,
        effort=effort if model.reasons else "none",
        stop=_stop(body.get("stop_sequences", [])),
        max_tokens=body["max_tokens"],
    )


def _check_integer(value: Any, at: str, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal(f"{at}: Input should be a valid integer")
    if value < least:
        raise Refusal(f"{at}: Input should be greater than or equal to {least}")


def _system(value: Any) -> tuple[Turn, ...]:
    text, _ = plain(read_blocks(value, "system", "system"), "system")
    return (Turn("system", text),) if text else ()


def _stop(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(stop, str) for stop in value):
        raise Refusal("stop_sequences: Input should be a valid list of strings")
    if any(not stop.strip() for stop in value):
        raise Refusal("stop_sequences: each stop sequence must contain non-whitespace")
    return tuple(value)


def _effort(body: dict[str, Any], max_tokens: int) -> Effort:
    match body.get("thinking", {"type": "adaptive"}):
        # AKI's models think unless told not to.
        case {"type": "adaptive", **rest} if not rest:
            return "medium"
        case {"type": "disabled", **rest} if not rest:
            return "none"
        case {"type": "enabled", "budget_tokens": budget, **rest} if not rest:
            _check_integer(budget, "thinking.enabled.budget_tokens", _LEAST_BUDGET)
            if budget >= max_tokens:
                raise Refusal("`max_tokens` must be greater than `thinking.budget_tokens`.")
            return next(effort for least, effort in _BUDGETS if budget >= least)
        case {"type": "enabled", **rest} if not rest:
            raise Refusal("thinking.enabled.budget_tokens: Field required")
        case value:
            raise Refusal(f"thinking: Input should be enabled with budget_tokens, disabled or adaptive, not {value!r}")


def _tools(value: Any) -> tuple[Tool, ...]:
    if not isinstance(value, list):
        raise Refusal("tools: Input should be a valid list")
    tools = tuple(_tool(each, f"tools.{index}") for index, each in enumerate(value))
    if len({tool.name for tool in tools}) < len(tools):
        raise Refusal("tools: Tool names must be unique.")
    return tools


def _tool(value: Any, at: str) -> Tool:
    if not isinstance(value, dict):
        raise Refusal(f"{at}: Input should be a valid dictionary")
    if value.get("type", "custom") not in ("custom", None):
        raise Refusal(
            f"{at}: Input tag '{value['type']}' found using 'type' does not match any of the expected tags: 'custom'"
        )
    for name in ("name", "input_schema"):
        if name not in value:
            raise Refusal(f"{at}.custom.{name}: Field required")
    for name in value:
        if name not in _TOOL_FIELDS:
            raise Refusal(f"{at}.custom.{name}: Extra inputs are not permitted")
    if not isinstance(value["name"], str) or not _TOOL_NAME.fullmatch(value["name"]):
        raise Refusal(f"{at}.custom.name: String should match pattern '^{_TOOL_NAME.pattern}$'")
    if not isinstance(value.get("description", ""), str):
        raise Refusal(f"{at}.custom.description: Input should be a valid string")
    match value["input_schema"]:
        case {"type": "object"} as schema if is_schema(schema):
            return Tool(value["name"], value.get("description", ""), schema)
        case {"type": "object"}:
            raise Refusal(f"{at}.custom.input_schema: JSON schema is invalid.")
        case _:
            raise Refusal(f"{at}.custom.input_schema.type: Input should be 'object'")


def _choice(value: Any, tools: tuple[Tool, ...]) -> tuple[Choice, bool]:
    """The choice, and whether several calls at once are welcome."""
    match value:
        case {"type": "none", **rest} if not rest:
            return "none", True
        case {"type": "auto" | "any" as kind, **rest} if _only_parallel(rest):
            return "auto" if kind == "auto" else "required", not rest.get("disable_parallel_tool_use")
        case {"type": "tool", "name": str(name), **rest} if _only_parallel(rest):
            if tools and all(tool.name != name for tool in tools):
                raise Refusal(f"Tool '{name}' not found in provided tools")
            return Named(name), not rest.get("disable_parallel_tool_use")
        case _:
            raise Refusal(f"tool_choice: Input should be auto, any, tool with its name, or none, not {value!r}")


def _only_parallel(rest: dict[Any, Any]) -> bool:
    return all(name == "disable_parallel_tool_use" and isinstance(value, bool) for name, value in rest.items())
