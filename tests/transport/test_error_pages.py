"""Errors of any length and shape are judged in a time that grows no faster than they do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from aki_transport import error_parsing
from aki_transport.error_parsing import _strip_markup, error_from_response
from aki_transport.messages import ChatRequest
from aki_transport.prepare import adaptations
from aki_transport.prepare.adaptations import TABLE, adapted
from aki_transport.wire import _job
from tests.growth import grows_with_its_size

SHAPES = (
    *("<", "<script>x", "<title ", "<style a", "</", "<!--", "[", "[],", '{"error":', " \t\n", "a", "1", "'", "model "),
    *("model 'a", "models a/b ", "context length ", "exceed", "prompt is ", "token limit tokens + max_tokens "),
    *("9 + 9 ", "9 > 9 - ", "tool_choice ", "tool call id ", "user after tool ", "system first ", "job ", "api key "),
    *("not supported max_tokens ", "no api-key", "does not support", "unknown field ", "thinking signature "),
    *("role 'user' after ", "name "),
)
SEARCHES: dict[str, Callable[[str], object]] = {
    "markup": _strip_markup,
    **{
        f"{module.__name__.rpartition('.')[2]}.{name}": value.search
        for module in (error_parsing, adaptations, _job)
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    },
    **{f"adaptation {row.name}": re.compile(row.message, re.IGNORECASE).search for row in TABLE if row.message},
}


def bodies(size: int) -> Iterator[bytes]:
    for shape in SHAPES:
        text = (shape * (size // len(shape) + 1))[:size]
        yield text.encode()
        yield b'{"error": {"message": "%s", "param": "%s"}}' % ((text.replace('"', "'").encode(),) * 2)
    yield b'{"detail": [%s]}' % b",".join([b'{"loc": ["body", "a"], "msg": "no"}'] * (size // 35))


def judge(size: int) -> None:
    request = ChatRequest(model="m", messages=(), max_tokens=9, tool_choice="required", own_bound="required")
    for body in bodies(size):
        adapted(request, error_from_response(500, {}, body), set())


def test_pages_are_judged_in_linear_time() -> None:
    grows_with_its_size(judge, 4_000)  # messages are cut at four times that


@pytest.mark.parametrize("name", SEARCHES)
def test_every_pattern_is_linear(name: str) -> None:
    """Also beyond what is cut before it is matched."""
    for shape in SHAPES:
        grows_with_its_size(lambda size, shape=shape: SEARCHES[name]((shape * size)[:size]), 2_000)
