"""Whatever JSON a service puts in any place, users of both frameworks get an answer or an error of ours."""

import base64
import copy
import json
from functools import cache, partial

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
from tests.tools.fuzz.in_frameworks import ASKS, CHATS, PROTOCOLS, SERVICE, answer_or_error, no_pauses, say
from tests.tools.fuzz.targets import TARGETS, followed, ours_or
from tests.transport.asking import KEY, request_for
from tests.transport.test_decoding import anything, check, located, placed

pytestmark = pytest.mark.filterwarnings("ignore:AKI.IO", "ignore::aki_transport.ModelLimitWarning")
some = settings(max_examples=12, deadline=None)
in_both_frameworks = pytest.mark.parametrize("framework", ASKS)
on_every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
in_both_ways = pytest.mark.parametrize("stream", [False, True], ids=["blocking", "stream"])
VALID = {
    ("openai", False): seeds.OPENAI[:2],
    ("openai", True): seeds.OPENAI_STREAM[:2],
    ("anthropic", False): seeds.ANTHROPIC,
    ("anthropic", True): seeds.ANTHROPIC_STREAM,
    ("native", False): seeds.NATIVE[:2],
    ("native", True): seeds.NATIVE[:2],
}


def places_in(document):
    """The way to each value in it."""
    yield ()
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in inner:
        yield from ((name, *path) for path in places_in(value))


@st.composite
def answers(draw, valid):
    """A valid answer with any JSON in up to three of its places."""
    answer = copy.deepcopy(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(answer) - 1))
        path = draw(st.sampled_from(list(places_in(answer[at]))))
        answer[at] = placed(answer[at], path, draw(anything))
    return answer


def payloads(event, documents):
    return [Payload(event, each if each == "[DONE]" else json.dumps(each)) for each in documents]


@in_both_frameworks
@on_every_protocol
@in_both_ways
@some
@given(data=st.data())
def test_any_json_in_any_place_of_an_answer(framework, protocol, stream, data):
    events = payloads("message" if stream else "body", data.draw(answers(VALID[protocol, stream])))
    with no_pauses():
        answer_or_error(framework, protocol, events, stream=stream)


@on_every_protocol
@in_both_ways
@some
@given(value=anything)
def test_any_json_in_each_place_that_a_decoder_reads(protocol, stream, value):
    event = "progress" if protocol == "native" else "message" if stream else "body"
    for answer in VALID[protocol, stream]:
        for at, document in enumerate(answer):
            for path in places_in(document):
                changed = payloads(event, [*answer[:at], placed(document, path, value), *answer[at + 1 :]])
                decoder = find_wire(protocol).decoder(request_for(), {}, on_model=str, stream=stream)
                with located((at, *path)):
                    ours_or(partial(followed, decoder, changed), check)


_TOKEN = st.fixed_dictionaries({}, optional=dict.fromkeys(("token", "logprob", "bytes", "top_logprobs"), anything))
_TOKENS = st.lists(anything | _TOKEN, max_size=2)


@in_both_frameworks
@in_both_ways
@some
@given(contents=st.lists(anything | _TOKENS, min_size=2, max_size=2))
@example(contents=[5, 5])
@example(contents=[[{"token": "a", "top_logprobs": 3}], []])
@example(contents=[[{"token": "a", "top_logprobs": [3]}], []])
@example(contents=[[{"token": 5, "logprob": "x"}], []])
def test_any_json_as_log_probabilities(framework, stream, contents):
    choices = [{**seeds.CHOICE, "logprobs": {"content": content}} for content in contents]
    whole = [reply("Hello", top={"choices": [{**choices[0], "message": {"content": "a"}, "finish_reason": "stop"}]})]
    chunks = [*(chunk(top={"choices": [choice]}) for choice in choices), chunk(finish="stop")]
    say("openai", payloads("message", chunks) if stream else payloads("body", whole), stream=stream)
    ask, check = ASKS[framework]
    check(ask("openai", stream=stream))


@in_both_frameworks
@on_every_protocol
@some
@given(answer=answers(seeds.ERRORS), status=st.integers(300, 599))
def test_any_json_in_any_place_of_an_error(framework, protocol, answer, status):
    SERVICE.say(json.dumps(answer[0]).encode(), status=status)
    with pytest.raises(AKIError, match=r"^AKI\.IO"):
        ASKS[framework][0](protocol, stream=False)


@pytest.mark.parametrize("cls", [ChatAKI, AKI])
@on_every_protocol
@some
@given(data=st.data())
def test_any_json_in_any_place_of_a_listing(cls, protocol, data):
    listing = data.draw(answers(seeds.ENDPOINTS if protocol == "native" else seeds.LISTING))[0]
    forget_listings()
    played = httpx.MockTransport(lambda _: httpx.Response(200, content=json.dumps(listing)))
    client = httpx.Client(transport=played, verify=False)  # noqa: S501  nothing is connected
    model = cls(model=CHATS[protocol], protocol=protocol, api_key=KEY, http_client=client, max_retries=0)
    try:
        assert all(isinstance(info.id, str) for info in model.refresh_models())
    except AKIError:
        pass
    finally:
        forget_listings()
    assert model.profile["max_input_tokens"] > 0 if cls is ChatAKI else model.metadata.context_window > 0


@cache
def drawers(protocol):
    client = httpx.Client(transport=httpx.MockTransport(SERVICE.answer))
    options = {"protocol": protocol, "api_key": KEY, "http_client": client, "max_retries": 0}
    tool, spec = AKIImageGenerationTool(**options), AKIImageToolSpec(**options)
    call = {"name": tool.name, "args": {"prompt": "a cat"}, "id": "a", "type": "tool_call"}
    return {"LangChain": lambda: tool.invoke(call).content, "LlamaIndex": lambda: str(spec.generate_image("a cat")[0])}


@in_both_frameworks
@pytest.mark.parametrize(("protocol", "valid"), [("openai", seeds.PICTURES), ("native", seeds.NATIVE_PICTURES)])
@some
@given(data=st.data())
def test_any_json_in_any_place_of_an_answer_with_pictures(framework, protocol, valid, data):
    documents = [*data.draw(answers(valid)), *(seeds.NATIVE_PICTURES[1] if protocol == "native" else ())]
    SERVICE.say(*(json.dumps(each).encode() for each in documents))
    with no_pauses():
        try:
            text = drawers(protocol)[framework]()
        except AKIError:
            return
    assert base64.b64encode(a_png()).decode() not in str(text)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@some
@given(data=st.binary(max_size=120))
def test_each_parser_takes_any_bytes(target, data):
    target.run(Drawn(data))
