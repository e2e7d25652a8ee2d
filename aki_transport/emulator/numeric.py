"""The numbers a JSON schema allows."""

from decimal import Decimal
from typing import Any


class Unfillable(Exception):  # noqa: N818  # used to try the next way
    """No value of limited depth fits."""


def _bounds(schema: dict[str, Any]) -> tuple[Decimal | None, bool, Decimal | None, bool]:
    """Lowest and highest, each with whether it is itself excluded; draft 4 writes the exclusion as a boolean."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    low_excluded, high_excluded = above is True, below is True
    if above is not None and not isinstance(above, bool) and (low is None or above >= low):
        low, low_excluded = above, True
    if below is not None and not isinstance(below, bool) and (high is None or below <= high):
        high, high_excluded = below, True
    return _decimal(low), low_excluded, _decimal(high), high_excluded


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def fits(value: float, schema: dict[str, Any]) -> bool:
    """Whether the schema's bounds and step allow the number."""
    low, low_excluded, high, high_excluded = _bounds(schema)
    exact = Decimal(str(value))
    if low is not None and (exact < low or (low_excluded and exact == low)):
        return False
    if high is not None and (exact > high or (high_excluded and exact == high)):
        return False
    step = _decimal(schema.get("multipleOf"))
    return not step or exact % step == 0


def nearest(schema: dict[str, Any], *, integral: bool) -> float:
    """The allowed number nearest to one.

    Raises:
        Unfillable: There is none.
    """
    low, low_excluded, high, high_excluded = _bounds(schema)
    step = _decimal(schema.get("multipleOf")) or (Decimal(1) if integral else None)
    if integral and step is not None and step % 1:
        step = Decimal(step.as_integer_ratio()[0])
    if step is None:
        return float(_between(low, high, excluded=low_excluded or high_excluded))
    value = step
    if high is not None and (value > high or (high_excluded and value == high)):
        value = high // step * step
        while value > high or (high_excluded and value == high):
            value -= step
    if low is not None and (value < low or (low_excluded and value == low)):
        value = low // step * step
        while value < low or (low_excluded and value == low):
            value += step
    if not fits(float(value), {**schema, "multipleOf": None}):
        raise Unfillable
    return int(value) if value == int(value) else float(value)


def _between(low: Decimal | None, high: Decimal | None, *, excluded: bool) -> Decimal:
    one = Decimal(1)
    if low is not None and high is not None:
        if low > high or (low == high and excluded):
            raise Unfillable
        return one if low < one < high else (low + high) / 2
    if low is not None and low >= one:
        return low + 1
    if high is not None and high <= one:
        return high - 1
    return one
