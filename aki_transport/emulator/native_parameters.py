"""What an endpoint of the native interface takes: each parameter a row, and a request's values read by the rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["string", "integer", "float", "bool", "json", "image", "selection"]

_PYTHON: Mapping[Type, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "bool": bool,
    "json": str,
    "image": str,
    "selection": str,
}
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Args:
        name: Its name.
        type: Its type; `json` is a string that holds JSON, `image` a data URL.
        minimum: The least number.
        maximum: The greatest number.
        default: Its value where none is given.
        required: Whether one has to be given.
        supported: The values of a selection.
    """

    name: str
    type: Type
    minimum: float | None = None
    maximum: float | None = None
    default: Any = None
    required: bool = False
    supported: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """The parameter as an endpoint's details show it."""
        given = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "default": self.default,
            "required": self.required or None,
            "supported": list(self.supported) or None,
        }
        return {"type": self.type, **{name: value for name, value in given.items() if value is not None}}


# Every endpoint takes these.
COMMON = (
    Parameter("key", "string"),
    Parameter("client_session_auth_key", "string"),
    Parameter("wait_for_result", "bool", default=True),
)


def read(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The value of each parameter, `None` where there is none, and what is wrong with what was given."""
    known = {parameter.name for parameter in parameters}
    errors = [f"Invalid parameter: {name}" for name in given if name not in known]
    values: dict[str, Any] = {}
    for parameter in parameters:
        try:
            values[parameter.name] = _value(parameter, given.get(parameter.name))
        except ValueError as error:
            errors.append(str(error))
    return values, errors


def _value(parameter: Parameter, given: Any) -> Any:
    if given is None:
        if parameter.required:
            raise ValueError(f"Missing required argument: {parameter.name}")
        return parameter.default
    value = _typed(parameter, given)
    if parameter.type == "selection" and value not in parameter.supported:
        raise ValueError(f"Parameter {parameter.name} = {value} not in supported values {list(parameter.supported)}!")
    if parameter.type in ("integer", "float"):
        _check_range(parameter, value)
    if parameter.type == "json" and value:
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError(f"Input parameter {parameter.name}={value[:_SHOWN]} has invalid json format!") from None
    return value


def _typed(parameter: Parameter, given: Any) -> Any:
    expected = _PYTHON[parameter.type]
    if expected in (int, float) and isinstance(given, int | float) and not isinstance(given, bool):
        return expected(given)
    if not isinstance(given, expected) or (expected is not bool and isinstance(given, bool)):
        raise ValueError(
            f"Invalid argument type {parameter.name}={str(given)[:_SHOWN]}. Expected: {expected} but got {type(given)}!"
        )
    return given


def _check_range(parameter: Parameter, value: float) -> None:
    if parameter.maximum is not None and value > parameter.maximum:
        how, end, limit = "high", "Max", parameter.maximum
    elif parameter.minimum is not None and value < parameter.minimum:
        how, end, limit = "low", "Min", parameter.minimum
    else:
        return
    raise ValueError(
        f"Parameter {parameter.name} = {value} is too {how}. {end} supported value for {parameter.name} on this "
        f"endpoint is {limit}!"
    )
