"""An OpenAI request body read into a prompt, or refused."""

from typing import Any, cast

from aki_transport.emulator.errors import Refusal
from aki_transport.emulator.models import Model
from aki_transport.emulator.prompt import Call, Choice, Effort, Named, Prompt, Role, Tool, Turn
from aki_transport.emulator.schema_form import is_schema

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_EFFORTS = ("none", "low", "medium", "high")
_MAX_TEMPERATURE = 2
_MAX_STOPS = 4


def read_prompt(body: dict[str, Any], model: Model) -> Prompt:
    """The prompt of a request to this model.

    Raises:
        Refusal: What the service answers to a parameter it does not take.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal("Missing required parameter: 'messages'.")
    _check_numbers(body)
    tools = tuple(_tool(tool) for tool in _listed(body, "tools"))
    turns = tuple(_turn(message) for message in messages)
    if not model.sees and any(turn.images for turn in turns):
        raise Refusal(f"The model {model.id} has no image input; send text only.")
    parallel = body.get("parallel_tool_calls")
    return Prompt(
        turns=turns,
        tools=tools,
        choice=_choice(body.get("tool_choice"), tools),
        parallel=parallel is None or bool(parallel),
        schema=_schema(body.get("response_format")),
        effort=_effort(body.get("reasoning_effort"), model),
        stop=_stop(body.get("stop")),
        max_tokens=_max_tokens(body),
    )


def _listed(body: dict[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if value is not None and not isinstance(value, list):
        raise Refusal(f"Parameter '{name}' must be a list.")
    return value or []


def _check_numbers(body: dict[str, Any]) -> None:
    temperature = body.get("temperature")
    if temperature is not None and not (_is_number(temperature) and 0 <= temperature <= _MAX_TEMPERATURE):
        raise Refusal(f"Parameter 'temperature' must be between 0 and 2, not {temperature!r}.")
    top_p = body.get("top_p")
    if top_p is not None and not (_is_number(top_p) and 0 <= top_p <= 1):
        raise Refusal(f"Parameter 'top_p' must be between 0 and 1, not {top_p!r}.")
    if body.get("n") not in (None, 1):
        raise Refusal("Parameter 'n' must be 1.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _max_tokens(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Refusal(f"Parameter '{name}' must be a positive integer, not {value!r}.")
        return value
    return None


def _stop(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or len(stops) > _MAX_STOPS or not all(isinstance(stop, str) for stop in stops):
        raise Refusal("Parameter 'stop' must be a string or up to 4 strings.")
    return tuple(stops)


def _effort(value: Any, model: Model) -> Effort:
    if value is not None and value not in _EFFORTS:
        raise Refusal(f"Parameter 'reasoning_effort' must be one of none, low, medium, high, not {value!r}.")
    return cast("Effort", value or "medium") if model.reasons else "none"


def _schema(value: Any) -> dict[str, Any] | None:
    match value:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}} if is_schema(schema):
            return schema
        case _:
            raise Refusal("Parameter 'response_format' must be text, json_object, or json_schema with its schema.")


def _tool(value: Any) -> Tool:
    match value:
        case {"type": "function", "function": {"name": str(name), **rest}}:
            return Tool(name, str(rest.get("description") or ""), _parameters(rest.get("parameters")))
        case _:
            raise Refusal("Parameter 'tools' must hold functions with a name.")


def _parameters(value: Any) -> dict[str, Any]:
    if value is not None and not (isinstance(value, dict) and is_schema(value)):
        raise Refusal("Parameter 'tools' must hold functions whose parameters are a JSON schema.")
    return value or {}


def _choice(value: Any, tools: tuple[Tool, ...]) -> Choice:
    match value:
        case None | "auto":
            return "auto"
        case "none":
            return "none"
        case "required" if tools:
            return "required"
        case {"type": "function", "function": {"name": str(name)}} if any(tool.name == name for tool in tools):
            return Named(name)
        case _:
            raise Refusal(f"Parameter 'tool_choice' names no tool of the request: {value!r}.")


def _turn(message: Any) -> Turn:
    if not isinstance(message, dict) or message.get("role") not in list(_ROLES):
        raise Refusal("Parameter 'messages' must hold objects with a role: system, user, assistant or tool.")
    call_id = message.get("tool_call_id")
    if call_id is not None and not isinstance(call_id, str):
        raise Refusal("A message's 'tool_call_id' must be a string.")
    text, images = _content(message.get("content"), message["role"])
    return Turn(
        role=_ROLES[message["role"]],
        text=text,
        images=images,
        calls=tuple(_call(call) for call in _listed(message, "tool_calls")),
        call_id=call_id,
    )


def _content(value: Any, role: str) -> tuple[str, tuple[str, ...]]:
    if value is None or isinstance(value, str):
        return value or "", ()
    if not isinstance(value, list):
        raise Refusal("A message's 'content' must be a string or a list of parts.")
    texts: list[str] = []
    images: list[str] = []
    for part in value:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}} | {"type": "image_url", "image_url": str(url)}:
                images.append(url)
            case {"type": str()} if role == "assistant":
                # History another service wrote (thinking, refusals, its own form of tool calls).
                continue
            case _:
                kind = part.get("type") if isinstance(part, dict) else part
                raise Refusal(f"A content part of type {kind!r} is not supported; there are text and image_url.")
    return "\n".join(texts), tuple(images)


def _call(value: Any) -> Call:
    match value:
        case {"function": {"name": str(name), **rest}, **outer}:
            return Call(str(outer.get("id") or ""), name, str(rest.get("arguments") or "{}"))
        case _:
            raise Refusal("A message's 'tool_calls' must hold functions with a name.")
