"""Pieces of streamed texts come out as they are, or as what each adds to all of it so far, each in its choice."""

import json
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aki_transport import InvalidResponseError
from aki_transport.transport.decoder import Payload
from aki_transport.wire import openai
from aki_transport.wire._cumulative import CumulativeText
from aki_transport.wire._harmony import HarmonySplitter
from tests.transport.asking import request_for

# Few letters, so that pieces often begin like those before.
pieces = st.lists(st.text("ab ", min_size=1, max_size=9), max_size=8)


def read(given_pieces: list[str]) -> str:
    text = CumulativeText()
    return "".join([*map(text.feed, given_pieces), text.flush()])


def is_growing(given_pieces: list[str]) -> bool:
    """Whether the first pieces look as if each held those before it."""
    return any(
        given_pieces[at + 1].startswith(given_pieces[at]) and given_pieces[at + 2].startswith(given_pieces[at + 1])
        for at in (0, 1)[: max(0, len(given_pieces) - 2)]
    )


@settings(deadline=None)
@given(pieces)
def test_parts_of_a_text_are_unchanged(given_pieces: list[str]) -> None:
    if not is_growing(given_pieces):
        assert read(given_pieces) == "".join(given_pieces)


@settings(deadline=None)
@given(pieces)
def test_pieces_that_hold_all_so_far_are_read_once(given_pieces: list[str]) -> None:
    text = "It is so. " + "".join(given_pieces)
    so_far = [text[:2], text[:5], text[:9], *accumulate(given_pieces, initial="It is so. ")]
    assert read(so_far) == read([text[:2], text[:5], *so_far[1:]]) == text


def test_a_piece_that_comes_again_or_follows_a_blank_tells_of_no_text_so_far() -> None:
    for given_pieces in (["Ha", "Hahaha ha", "Hahaha ha"], [" ", "  and so", "  and so on"]):
        assert read(given_pieces) == "".join(given_pieces)


def test_text_is_shown_as_soon_as_it_is_certain() -> None:
    text = CumulativeText()
    assert [text.feed(each) for each in ("Hello", "Hello wo", "Hello world", "Hello world.")] == [
        "Hello",
        "",
        " world",
        ".",
    ]
    assert HarmonySplitter({}).feed("<|channel|>final<|message|>a < b, c <|d") == ("a < b, c <|d", "")


def test_a_header_may_be_cut_behind_a_text_of_any_length() -> None:
    splitter, thought = HarmonySplitter({}), "Hm. " * 200
    assert splitter.feed(f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assis") == ("", thought)
    assert splitter.feed("tant<|channel|>final<|message|>Hello") == ("Hello", "")


def test_what_follows_a_call_is_none_of_its_arguments() -> None:
    splitter, odd = HarmonySplitter({"add": "add"}), "<|start|>!!<|message|>Hello"
    said = f'<|channel|>commentary to=functions.add<|message|>{{"a": 1}}<|call|>{odd}'
    assert (splitter.feed(said), splitter.calls) == ((odd, ""), [("add", '{"a": 1}')])


def test_text_that_is_taken_back_is_an_error() -> None:
    with pytest.raises(InvalidResponseError, match="then did not: 'ab'"):
        read(["ab", "abc", "abcd", "abcdefgh", "ab"])


def choices(*entries: tuple[int, str]) -> Payload:
    said = [{"index": index, "delta": {"content": text}} for index, text in entries]
    return Payload("message", json.dumps({"choices": said}))


def answered(*events: Payload, **fields: Any) -> list[str]:
    """The text of each choice."""
    decoder = openai.decoder(request_for(**fields), {}, on_model=lambda _: None)
    for event in events:
        decoder.feed(event)
    reply = decoder.end().reply
    assert reply is not None
    return [each.text for each in (reply, *reply.choices)]


DONE = Payload("message", "[DONE]")


def test_choices_that_were_asked_for_stay_apart_however_they_are_numbered() -> None:
    one_by_one = [choices((n, text)) for n, text in enumerate(("Hello", "Bye", "Ciao"))]
    under_one_index = [choices((0, "Hel"), (0, "By"), (0, "Ci")), choices((0, "lo"), (0, "e"), (0, "ao"))]
    for events in (one_by_one, under_one_index):
        for fields in ({"fields": {"n": 3}}, {"extra_body": {"n": 3}}):
            assert answered(*events, DONE, **fields) == ["Hello", "Bye", "Ciao"]


def test_a_choice_that_nobody_asked_for_stays_apart_also_where_it_begins_late() -> None:
    events = [choices(each) for each in ((0, "Hel"), (1, "Bye"), (0, "lo"), (2, "Ciao"))]
    assert answered(*events, DONE) == ["Hello", "Bye", "Ciao"]


def test_behind_an_index_that_counts_the_events_one_without_text_may_have_any() -> None:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    counted = [choices((n, text)) for n, text in enumerate("Hello you!")]
    assert answered(*counted, Payload("message", json.dumps(end))) == ["Hello you!"]


def test_texts_of_several_choices_are_never_one() -> None:
    call = {"id": "call_1", "function": {"name": "add", "arguments": "{}"}}
    for others in (("Bye",), ("Bye", "")):
        messages = ({"content": "Hello", "tool_calls": [call]}, *({"content": text} for text in others))
        body = {"choices": [{"index": n, "message": message} for n, message in enumerate(messages)]}
        assert answered(Payload("body", json.dumps(body))) == ["Hello", *others]


def test_a_refusal_may_come_in_parts() -> None:
    message = {"content": None, "refusal": [{"type": "text", "text": "No"}, {"type": "text", "text": "."}]}
    decoder = openai.decoder(request_for(), {}, on_model=lambda _: None, stream=False)
    decoder.feed(Payload("body", json.dumps({"choices": [{"message": message}]})))
    reply = decoder.end().reply
    assert reply is not None
    assert reply.refusal == "No."
