"""Bodies that are not JSON are one error everywhere; brackets are tracked the same however a text is split."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aki_transport import InvalidResponseError
from aki_transport.images.request import ImageRequest
from aki_transport.json_text import MAX_SHOWN, BracketScanner, parse_json
from aki_transport.messages import ChatRequest, Message
from aki_transport.transport import Payload
from aki_transport.wire import IMAGE_WIRES, WIRES, find_image_wire, find_wire

REQUEST = ChatRequest(model="m", messages=(Message(role="user", content="hi"),))
HTML = b"<html>" + b"x" * 2 * MAX_SHOWN


def chat(protocol: str) -> Callable[[bytes], Any]:
    return lambda body: find_wire(protocol).decoder(REQUEST, {}, on_model=str).feed(Payload("body", body))


def images(protocol: str) -> Callable[[bytes], Any]:
    decoder = find_image_wire(protocol).decoder(ImageRequest(prompt="a cat"), {}, on_progress=None)
    return lambda body: decoder.feed(Payload("body", body))


READERS = {
    **{f"models {protocol}": find_wire(protocol).read_models for protocol in WIRES},
    **{f"chat {protocol}": chat(protocol) for protocol in WIRES},
    **{f"images {protocol}": images(protocol) for protocol in IMAGE_WIRES},
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("body", [HTML, HTML.decode()], ids=["bytes", "text"])
def test_a_body_that_is_not_json_is_shown_up_to_a_bound(reader, body):
    with pytest.raises(InvalidResponseError, match=r"^the [a-z ]+ is not JSON \(.+\): '<html>xx") as caught:
        reader(body)
    assert len(caught.value.message) < MAX_SHOWN + 200


def test_a_byte_order_mark_is_no_part_of_the_json():
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@given(st.text(alphabet='{}[]"\\a', max_size=40), st.integers(0, 40))
def test_the_scanner_is_in_the_same_state_however_the_text_is_split(text, at):
    split, joined = BracketScanner(), BracketScanner()
    first, end = split.feed(text[:at]), joined.feed(text)
    second = split.feed(text[at:]) if first is None else None
    for name in vars(BracketScanner()):
        assert getattr(split, name) == getattr(joined, name)
    assert end == (first if first is not None or second is None else second + len(text[:at]))


@pytest.mark.parametrize(
    ("text", "end", "open_brackets"),
    [('{"a": [1]} x', 10, []), ('{"}": "\\"}"', None, ["{"]), ("]{[", None, ["{", "["]), ("", None, [])],
)
def test_the_scanner_skips_strings_and_brackets_that_close_nothing(text, end, open_brackets):
    scanner = BracketScanner()
    assert scanner.feed(text) == end
    assert scanner.open_brackets == open_brackets
