"""Whatever JSON a service puts in any place, users of both frameworks get an answer or an error of ours."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aki_transport import AKIError
from aki_transport.models.listing import forget_listings
from aki_transport.transport.body import Payload
from aki_transport.wire import find_wire
from langchain_aki import AKIImageGenerationTool, ChatAKI
from llama_index_aki import AKI, AKIImageToolSpec
from tests.pictures import a_png
from tests.scenarios import chunk, reply
from tests.tools.fuzz import seeds
from tests.tools.fuzz.drawn import Drawn
from tests.tools.fuzz.in_frameworks import (
    ASKS,
    CHATS,
    PROTOCOLS,
    SERVICE,
    Protocol,
    answer_or_error,
    no_pauses,
    say,
)
from tests.tools.fuzz.targets import TARGETS, Target, followed, ours_or
from tests.transport.asking import KEY, request_for
from tests.transport.test_decoding import anything, check, located, placed

pytestmark = pytest.mark.filterwarnings("ignore:AKI.IO", "ignore::aki_transport.ModelLimitWarning")
some = settings(max_examples=20, deadline=None)
few = settings(max_examples=12, deadline=None)
FRAMEWORKS = tuple(ASKS)
VALID = {
    ("openai", False): seeds.OPENAI[:2],
    ("openai", True): seeds.OPENAI_STREAM[:2],
    ("anthropic", False): seeds.ANTHROPIC,
    ("anthropic", True): seeds.ANTHROPIC_STREAM,
    ("native", False): seeds.NATIVE[:2],
    ("native", True): seeds.NATIVE[:2],
}
EVENTS = {"openai": ("body", "message"), "anthropic": ("body", "message"), "native": ("progress",) * 2}


def places_in(document: Any) -> Iterator[tuple[Any, ...]]:
    """The way to each value in it."""
    yield ()
    fields = document.items() if isinstance(document, dict) else enumerate(document) if _is_list(document) else ()
    for name, value in fields:
        yield from ((name, *path) for path in places_in(value))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


@st.composite
def answers(draw: st.DrawFn, valid: list[list[Any]]) -> list[Any]:
    """A valid answer with any JSON in up to three of its places."""
    said = copy.deepcopy(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(said) - 1))
        path = draw(st.sampled_from(list(places_in(said[at]))))
        said[at] = placed(said[at], path, draw(anything))
    return said


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("stream", [False, True], ids=["blocking", "stream"])
@some
@given(data=st.data())
def test_any_json_in_any_place_of_an_answer(
    framework: str, protocol: Protocol, data: st.DataObject, *, stream: bool
) -> None:
    said = data.draw(answers(VALID[protocol, stream]))
    event = "message" if stream else "body"
    events = [Payload(event, each if each == "[DONE]" else json.dumps(each)) for each in said]
    with no_pauses():
        answer_or_error(framework, protocol, events, stream=stream)


@pytest.mark.parametrize(("protocol", "stream"), VALID)
@some
@given(value=anything)
def test_any_json_in_each_place_that_a_decoder_reads(protocol: Protocol, value: Any, *, stream: bool) -> None:
    event = EVENTS[protocol][stream]
    for said in VALID[protocol, stream]:
        for at, document in enumerate(said):
            for path in places_in(document):
                changed = [*said[:at], placed(document, path, value), *said[at + 1 :]]
                payloads = [Payload(event, each if each == "[DONE]" else json.dumps(each)) for each in changed]
                decoder = find_wire(protocol).decoder(request_for(), {}, on_model=str, stream=stream)
                with located((at, *path)):
                    ours_or(lambda: followed(decoder, payloads), check)  # noqa: B023  called at once


_TOKENS = st.lists(
    st.one_of(
        anything,
        st.fixed_dictionaries(
            {}, optional={"token": anything, "logprob": anything, "bytes": anything, "top_logprobs": anything}
        ),
    ),
    max_size=2,
)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("stream", [False, True], ids=["blocking", "stream"])
@some
@given(contents=st.lists(st.one_of(anything, _TOKENS), min_size=2, max_size=2))
@example(contents=[5, 5])
@example(contents=[[{"token": "a", "top_logprobs": 3}], []])
@example(contents=[[{"token": "a", "top_logprobs": [3]}], []])
@example(contents=[[{"token": 5, "logprob": "x"}], []])
def test_any_json_as_log_probabilities(framework: str, contents: list[Any], *, stream: bool) -> None:
    choices = [{**seeds.CHOICE, "logprobs": {"content": content}} for content in contents]
    whole = [reply("Hello", top={"choices": [{**choices[0], "message": {"content": "a"}, "finish_reason": "stop"}]})]
    chunks = [chunk(top={"choices": [choice]}) for choice in choices]
    said = [*chunks, chunk(finish="stop")] if stream else whole
    events = [Payload("message" if stream else "body", json.dumps(each)) for each in said]
    say("openai", events, stream=stream)
    ask, check = ASKS[framework]
    check(ask("openai", stream=stream))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@some
@given(said=answers(seeds.ERRORS), status=st.integers(300, 599))
def test_any_json_in_any_place_of_an_error(framework: str, protocol: Protocol, said: list[Any], status: int) -> None:
    SERVICE.say(json.dumps(said[0]).encode(), status=status)
    with pytest.raises(AKIError) as caught:
        ASKS[framework][0](protocol, stream=False)
    assert str(caught.value).startswith("AKI.IO")


@pytest.mark.parametrize("cls", [ChatAKI, AKI])
@pytest.mark.parametrize(
    ("protocol", "valid"), [("openai", seeds.LISTING), ("anthropic", seeds.LISTING), ("native", seeds.ENDPOINTS)]
)
@few
@given(data=st.data())
def test_any_json_in_any_place_of_a_listing(cls: Any, protocol: Protocol, valid: Any, data: st.DataObject) -> None:
    said = data.draw(answers(valid))[0]
    forget_listings()
    played = httpx.MockTransport(lambda _: httpx.Response(200, content=json.dumps(said)))
    with httpx.Client(transport=played) as client:
        model = cls(model=CHATS[protocol], protocol=protocol, api_key=KEY, http_client=client, max_retries=0)
        try:
            assert all(isinstance(info.id, str) for info in model.refresh_models())
        except AKIError:
            pass
        finally:
            forget_listings()
        assert model.profile["max_input_tokens"] > 0 if cls is ChatAKI else model.metadata.context_window > 0


@cache
def drawers(protocol: str) -> dict[str, Any]:
    client = httpx.Client(transport=httpx.MockTransport(SERVICE.answer))
    options = {"protocol": protocol, "api_key": KEY, "http_client": client, "max_retries": 0}
    tool = AKIImageGenerationTool(**options)
    spec = AKIImageToolSpec(**options)
    call = {"name": tool.name, "args": {"prompt": "a cat"}, "id": "a", "type": "tool_call"}
    return {"LangChain": lambda: tool.invoke(call), "LlamaIndex": lambda: spec.generate_image("a cat")}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("protocol", "valid"), [("openai", seeds.PICTURES), ("native", seeds.NATIVE_PICTURES)])
@some
@given(data=st.data())
def test_any_json_in_any_place_of_an_answer_with_pictures(
    framework: str, protocol: str, valid: Any, data: st.DataObject
) -> None:
    said = data.draw(answers(valid))
    SERVICE.say(*(json.dumps(each).encode() for each in [*said, *(seeds.NATIVE_PICTURES[1] * (protocol == "native"))]))
    with no_pauses():
        try:
            found = drawers(protocol)[framework]()
        except AKIError:
            return
    assert base64.b64encode(a_png()).decode() not in str(found.content if framework == "LangChain" else "")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@few
@given(data=st.binary(max_size=120))
def test_each_parser_takes_any_bytes(target: Target, data: bytes) -> None:
    target.run(Drawn(data))
