"""Reasoning that ends without having begun is told from the answer where that takes nothing back."""

from itertools import product
from typing import Any

import pytest

from aki_transport import Client
from aki_transport.prepare import memory
from aki_transport.wire._text_filters import ThinkSplitter
from tests.requests.frameworks import chat_aki, gateway, in_pieces
from tests.scenarios import chunk, streamed
from tests.script_server import ScriptServer
from tests.transport.asking import WAYS, Way, request_for

pytestmark = pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")

TEXT = "The user greets me.\n</think>\n\nHello"
SPLIT = ("The user greets me.\n", "Hello")


def read(server: ScriptServer, way: Way, model: str = "m", protocol: Any = "openai", **fields: Any) -> tuple[str, str]:
    """Reasoning and text of an answer."""
    client = Client(provider=gateway(server), protocol=protocol, api_key="k-test", **fields)
    reply = way.ask(client, request_for(model))
    return reply.reasoning, reply.text


def in_each_way(subtests: Any, server: ScriptServer, text: str, is_split: Any, **fields: Any) -> None:
    server.always = in_pieces(text)
    for protocol, way in product(("openai", "anthropic"), WAYS):
        with subtests.test(protocol=protocol, way=str(way)):
            memory.forget_refusals()
            expected = SPLIT if is_split(way) else ("", text)
            assert read(server, way, protocol=protocol, **fields) == expected


@pytest.mark.parametrize(
    ("fields", "is_split"),
    [
        ({}, lambda way: not way.streamed),
        ({"capabilities": {"reasoning": True}}, lambda _: True),
        ({"capabilities": {"reasoning": False}}, lambda _: False),
    ],
    ids=["unknown: only where it is complete", "thinks: in streams too", "does not think: never"],
)
def test_an_answer_is_split_as_its_model_thinks(fields: Any, is_split: Any, scripted: ScriptServer, subtests) -> None:
    in_each_way(subtests, scripted, TEXT, is_split, **fields)


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "It ends with `</think>`, as I said.",
        'Write "</think>" there.',
        '{"tag": "</think>", "a": 1}',
        "one</think>two</think>three",
        "Only a thought.</think>\n",
    ],
)
def test_other_texts_stay_as_they_are(text: str, scripted: ScriptServer, subtests) -> None:
    in_each_way(subtests, scripted, text, lambda _: False)


def test_what_a_model_did_once_is_known_in_its_next_stream(scripted: ScriptServer) -> None:
    scripted.always = in_pieces(TEXT)
    stream = next(way for way in WAYS if way.streamed)
    for first in WAYS:
        memory.forget_refusals()
        read(scripted, first)
        assert read(scripted, stream) == SPLIT
        assert read(scripted, stream, model="other") == ("", TEXT)


def test_a_stream_is_not_held_back_where_the_service_tells_reasoning_from_text() -> None:
    pieces = streamed(chunk(reasoning_content="hm", model="m"), "Hel", "lo", model="m")
    with ScriptServer(always=lambda _: pieces) as server:
        texts = [part.text for part in chat_aki(server, capabilities={"reasoning": True}).stream("hi")]
        assert [text for text in texts if text] == ["Hel", "lo"]
    with ScriptServer(always=in_pieces("Hello")) as server:
        model = chat_aki(server, capabilities={"reasoning": True}, reasoning_effort="none")
        assert [part.text for part in model.stream("hi") if part.text] == ["Hel", "lo"]


def test_the_split_is_the_same_however_the_text_arrives() -> None:
    for text, expected in ((TEXT, SPLIT), ("Hello", ("", "Hello")), ("<think>a</think>b", ("a", "b"))):
        for size in range(1, len(text) + 1):
            splitter, answer, reasoning = ThinkSplitter({}, may_be_unopened=True), "", ""
            for at in range(0, len(text), size):
                more, thought = splitter.feed(text[at : at + size])
                answer, reasoning = answer + more, reasoning + thought
            more, thought = splitter.flush()
            assert (reasoning + thought, answer + more) == expected
