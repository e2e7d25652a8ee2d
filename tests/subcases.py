"""One test item with its variants inside, each reported by itself."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from aki_transport.models.listing import forget_listings
from aki_transport.prepare.memory import forget_refusals


def subcases(name: str, values: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test once for each value of an argument, as subtests of one item.

    The fixtures are made once. Before each value those with a method `reset` are reset (servers, the emulator, the
    clock), the log is emptied, and neither a listing nor a refusal is known.
    """
    variants = list(values)
    assert variants

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        assert not inspect.iscoroutinefunction(test)
        signature = inspect.signature(test)
        others = [each for each in signature.parameters.values() if each.name != name]
        wants_subtests = "subtests" in signature.parameters

        @functools.wraps(test)
        def run(**given: Any) -> None:
            subtests = given["subtests"] if wants_subtests else given.pop("subtests")
            for variant in variants:
                with subtests.test(f"{name}={getattr(variant, '__name__', variant)}"):
                    for fixture in given.values():
                        _renew(fixture)
                    forget_listings()
                    forget_refusals()
                    test(**{name: variant}, **given)

        if not wants_subtests:
            others.append(inspect.Parameter("subtests", inspect.Parameter.KEYWORD_ONLY))
        run.__signature__ = signature.replace(parameters=others)
        del run.__wrapped__
        return run

    return decorate


def _renew(fixture: Any) -> None:
    if isinstance(fixture, pytest.LogCaptureFixture):
        fixture.clear()
    elif hasattr(fixture, "reset"):
        fixture.reset()
