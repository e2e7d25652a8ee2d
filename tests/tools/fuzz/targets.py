"""One target per parser: bytes in; what it gives is checked, and what it raises must be ours."""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import chain
from typing import Any

import httpx

from aki_transport import AKIError, ConfigurationError, GeneratedImage
from aki_transport.error_parsing import error_from_response
from aki_transport.errors import APIStatusError, InvalidResponseError
from aki_transport.images.request import ImageRequest
from aki_transport.json_answer import JsonAnswer
from aki_transport.messages import ChatDelta, ChatReply, JsonSchema, ToolCall
from aki_transport.models.catalog import read_listing
from aki_transport.prepare.structured_output import JsonDecoder, NoJsonError
from aki_transport.schemas import checked
from aki_transport.tool_arguments import read_calls
from aki_transport.transport import Decoder
from aki_transport.transport.body import apayloads, payloads
from aki_transport.transport.decoder import Payload
from aki_transport.transport.retry import retry_after_seconds
from aki_transport.wire import anthropic, native, native_images, openai, openai_images
from aki_transport.wire._job import read_error
from aki_transport.wire._tool_calls import ToolCallReader
from tests.tools.fuzz import in_frameworks, seeds
from tests.tools.fuzz.drawn import Drawn
from tests.transport.asking import KEY, added_up, request_for
from tests.transport.test_decoding import Pieces, check

_KINDS = ("text/event-stream", "text/event-stream; charset=utf-8", "text/plain", "", "application/json")
_HEADERS = ("retry-after", "retry-after-ms", "x-request-id", "x-credits-used", "content-type", "set-cookie")
_DATES = ("Wed, 21 Oct 2026 07:28:00 GMT", "Mon, 1 Jan 0001 00:00:00 +9999", "1e400", "nan", "-1", "60")
_PICTURES = (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0\0\x10JFIF", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ")


@dataclass(frozen=True)
class Target:
    """A parser and how it is fed.

    Attributes:
        name: What is printed.
        run: Feeds it with what these bytes stand for; raises if it does what it must not do.
        is_fast: Whether it takes well under a millisecond.
    """

    name: str
    run: Callable[[Drawn], object]
    is_fast: bool = True


def ours_or(read: Callable[[], Any], checked: Callable[[Any], object]) -> None:
    """What is read is as it should be, or an error of ours that can be shown and sent elsewhere."""
    try:
        found = read()
    except AKIError as error:
        failure = error
    else:
        checked(found)
        return
    failure.redact([KEY])
    assert isinstance(str(failure), str)
    assert repr(pickle.loads(pickle.dumps(failure)).__dict__)  # noqa: S301  our own pickle


def followed(decoder: Decoder[ChatDelta], events: Sequence[Payload]) -> ChatReply:
    """The answer, fed as the transport does; its pieces add up to it."""
    deltas = []
    for event in events:
        delta = decoder.feed(event)
        assert isinstance(decoder.text, str)
        if delta is not None:
            deltas.append(delta)
        if decoder.finished:
            break
    return added_up([*deltas, decoder.end()])


def decoding(wire: Any, valid: Sequence[Sequence[Any]], event: str | None) -> Callable[[Drawn], None]:
    """The decoder of one wire."""

    def run(drawn: Drawn) -> None:
        empty, stream, stops = drawn.flag(), drawn.flag(), ("a", "lo")[: drawn.below(3)]
        request = request_for(stop=stops if wire is native else (), max_tokens=drawn.pick((None, 3)))
        headers = {name: drawn.text() for name in _HEADERS[2:4]} if drawn.flag() else {}
        decoder = wire.decoder(request, headers, on_model=_told, empty_is_failure=empty, stream=stream)
        ours_or(lambda: followed(decoder, drawn.payloads(valid, event)), check)

    return run


def _told(model: str) -> None:
    assert isinstance(model, str)


def _response(body: bytes, kind: str, cuts: list[int]) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": kind}, stream=Pieces(body, cuts))


def _events_of(events: Iterable[Sequence[Payload]]) -> list[Payload]:
    return list(chain.from_iterable(events))


def _all_of(events: AsyncGenerator[Sequence[Payload], None]) -> list[Payload]:
    async def collect() -> list[Payload]:
        return [event async for batch in events for event in batch]

    try:
        collect().send(None)  # nothing in it waits
    except StopIteration as end:
        return end.value
    raise AssertionError("reading bytes that are there has waited")


def _outcome(read: Callable[[], list[Payload]]) -> Any:
    try:
        return read()
    except InvalidResponseError as error:
        return str(error)


def events(drawn: Drawn) -> None:
    """Any split of any bytes gives the same events, sync and async."""
    kind, cuts = drawn.pick(_KINDS), [drawn.byte() * (1 + drawn.below(9)) for _ in range(drawn.below(6))]
    body = drawn.bytes()
    whole = _outcome(lambda: _events_of(payloads(_response(body, kind, []), stream=True)))
    assert _outcome(lambda: _events_of(payloads(_response(body, kind, cuts), stream=True))) == whole
    assert _outcome(lambda: _all_of(apayloads(_response(body, kind, cuts), stream=True))) == whole


def packed(drawn: Drawn) -> None:
    """The same of a body that is packed, or says so."""
    cuts = [drawn.byte() for _ in range(drawn.below(6))]
    body = drawn.bytes() if drawn.flag() else zlib.compress(drawn.bytes())
    headers = {"content-type": "text/event-stream", "content-encoding": drawn.pick(("gzip", "deflate", "br"))}
    found = [
        _outcome(lambda response=response: _events_of(payloads(response, stream=True)))
        for response in (httpx.Response(200, headers=headers, stream=Pieces(body, at)) for at in ([], cuts))
    ]
    assert isinstance(found[0], str) == isinstance(found[1], str)


def bytes_to_reply(wire: Any, valid: Sequence[Sequence[Any]]) -> Callable[[Drawn], None]:
    """Bytes of a stream, cut anywhere, to an answer: the same for any split."""

    def run(drawn: Drawn) -> None:
        newline = drawn.pick(("\n", "\r\n", "\r"))
        cuts = [drawn.byte() * (1 + drawn.below(9)) for _ in range(drawn.below(6))]
        if drawn.flag():
            body = drawn.bytes()
        else:
            said = [event if isinstance(event, str) else json.dumps(event) for event in drawn.pick(valid)]
            body = "".join(f"data: {each}{newline}{newline}" for each in said).encode()
            at = drawn.byte() * 4 % (len(body) + 1)
            body = body[:at] + drawn.bytes(40) + body[at + drawn.below(8) :]

        def reply_of(cut: list[int]) -> Any:
            decoder = wire.decoder(request_for(), {}, on_model=_told)
            try:
                answer = followed(decoder, _events_of(payloads(_response(body, "text/event-stream", cut), stream=True)))
            except AKIError as error:
                return str(error)
            check(answer)
            return answer.text, answer.reasoning, [call.arguments for call in answer.tool_calls], answer.usage

        assert reply_of(cuts) == reply_of([])

    return run


def tool_call_pieces(drawn: Drawn) -> None:
    """Any pieces of tool calls, and the arguments that come of them."""
    reader = ToolCallReader({})

    def read() -> ChatReply:
        for _ in range(1 + drawn.below(6)):
            piece = {"index": drawn.below(3), "function": {"arguments": drawn.text()}}
            more = [{"id": drawn.pick(("a", "b"))}, {"function": {"name": drawn.text(), "arguments": drawn.json()}}, {}]
            reader.feed([{**piece, **drawn.pick(more)}] if drawn.flag() else drawn.json())
        reader.end()
        return ChatReply(tool_calls=reader.calls(), finish_reason=drawn.pick(("stop", "length")), model="m", raw={})

    def checked(reply: ChatReply) -> None:
        check(reply)
        arguments(reply)

    ours_or(read, checked)


def arguments(reply: ChatReply) -> None:
    """The arguments of tool calls are objects, or said to be wrong."""
    for call in read_calls(reply):
        assert isinstance(call.arguments, dict) or (call.arguments is None and call.error)


def tool_arguments(drawn: Drawn) -> None:
    """Any text as arguments."""
    said = drawn.bytes().decode("utf-8", "replace") if drawn.flag() else json.dumps(drawn.json()) + drawn.text()
    calls = (ToolCall("a", "add", said),)
    arguments(ChatReply(tool_calls=calls, finish_reason=drawn.pick(("stop", "length")), model="m", raw={}))


def structured(drawn: Drawn) -> None:
    """JSON in any text, whole and flowing."""
    way, kind = drawn.pick(("json_schema", "function_calling", "instruction")), drawn.pick(("object", "array"))
    is_last, size = drawn.flag(), 1 + drawn.below(9)
    text = drawn.bytes().decode("utf-8", "replace")
    if drawn.flag():
        text = f"{text[:9]}```json\n{json.dumps(drawn.json())}```{text[9:]}"
    schema = {"type": kind, "properties": {"a": {"type": "integer"}}}
    with suppress(ValueError):
        JsonAnswer(text, drawn.text()).find(checked(schema))
    pieces = [text[at : at + size] for at in range(0, len(text), size)] or [""]
    inner = openai.decoder(request_for(), {}, on_model=_told)
    target = JsonSchema(name="answer", schema=schema)
    decoder = JsonDecoder(inner, way, target, is_last=is_last, stream=True)
    said = [Payload("message", json.dumps({"choices": [{"delta": {"content": piece}}]})) for piece in pieces]
    try:
        for event in [*said, Payload("message", "[DONE]")]:
            decoder.feed(event)
        reply = decoder.end().reply
    except NoJsonError:
        assert not is_last
        return
    assert reply is not None
    check(reply)


def error_envelope(drawn: Drawn) -> None:
    """Any body under any bad status."""
    status, is_native = 300 + drawn.byte() + drawn.byte() % 44, drawn.flag()
    headers = {name: drawn.text() for name in _HEADERS if drawn.flag()}
    body = drawn.payloads(seeds.ERRORS, "body")[0].data
    assert isinstance(body, bytes)
    error: AKIError = error_from_response(status, headers, body, retry_after=drawn.pick((None, 1.0)))
    if is_native:
        assert isinstance(error, APIStatusError)
        error = read_error(error)
    ours_or(lambda: _raise(error), check)
    if isinstance(error, APIStatusError):
        assert error.response.status_code == error.status_code
        assert isinstance(error.response.text, str)
        assert all(isinstance(value, str | None) for value in (error.code, error.type))


def _raise(error: AKIError) -> None:
    raise error


def retry_after(drawn: Drawn) -> None:
    """Any words of how long to wait."""
    said = drawn.pick(_DATES) if drawn.flag() else ""
    headers = {drawn.pick(_HEADERS[:2]): said + drawn.bytes(60).decode("latin-1") for _ in range(1 + drawn.below(2))}
    seconds = retry_after_seconds(httpx.Headers(headers, encoding="utf-8"), 1.8e9)
    assert seconds is None or 0 <= seconds < float("inf")


def images(wire: Any, valid: Sequence[Sequence[Any]]) -> Callable[[Drawn], None]:
    """Answers that hold pictures."""

    def run(drawn: Drawn) -> None:
        decoder = wire.decoder(ImageRequest(prompt="a cat", model="z"), {}, on_progress=None)

        def read() -> list[GeneratedImage]:
            for payload in drawn.payloads(valid, "body"):
                decoder.feed(payload)
                if decoder.finished:
                    break
            return decoder.end()

        ours_or(read, lambda found: [picture(image) for image in found])

    return run


def picture(image: GeneratedImage) -> None:
    """A picture has a size and a type."""
    assert image.width > 0
    assert image.height > 0
    assert image.mime_type.startswith("image/")
    repr(image)


def picture_bytes(drawn: Drawn) -> None:
    """Any bytes as a picture."""
    data = drawn.pick((b"", *_PICTURES)) + drawn.bytes()
    try:
        picture(GeneratedImage.read(data))
    except ConfigurationError:
        return


def listing(read: Callable[[bytes], Any], valid: Sequence[Sequence[Any]]) -> Callable[[Drawn], None]:
    """Lists of models."""

    def checked(found: Any) -> None:
        assert found
        assert all(isinstance(name, str) and name for name in found)
        assert all(type(size) is int and size >= 0 for each in found.values() for size in astuple(each))

    def run(drawn: Drawn) -> None:
        body = drawn.payloads(valid, "body")[0].data
        assert isinstance(body, bytes)
        ours_or(lambda: read(body), checked)

    return run


TARGETS: tuple[Target, ...] = (
    Target("events of a stream", events),
    Target("packed bodies", packed),
    Target("openai: blocking reply", decoding(openai, seeds.OPENAI, "body")),
    Target("openai: stream", decoding(openai, seeds.OPENAI_STREAM, None)),
    Target("openai: bytes to reply", bytes_to_reply(openai, seeds.OPENAI_STREAM)),
    Target("anthropic: blocking reply", decoding(anthropic, seeds.ANTHROPIC, "body")),
    Target("anthropic: stream", decoding(anthropic, seeds.ANTHROPIC_STREAM, None)),
    Target("anthropic: bytes to reply", bytes_to_reply(anthropic, seeds.ANTHROPIC_STREAM)),
    Target("native: states of a job", decoding(native, seeds.NATIVE, "progress")),
    Target("tool calls in pieces", tool_call_pieces),
    Target("tool arguments", tool_arguments),
    Target("structured JSON", structured),
    Target("error envelopes", error_envelope),
    Target("retry-after", retry_after),
    Target("openai: image answers", images(openai_images, seeds.PICTURES)),
    Target("native: image answers", images(native_images, seeds.NATIVE_PICTURES)),
    Target("pictures", picture_bytes),
    Target("openai: listing", listing(read_listing, seeds.LISTING)),
    Target("native: listing", listing(native.read_models, seeds.ENDPOINTS)),
    *(Target(name, run, is_fast=False) for name, run in in_frameworks.TARGETS.items()),
)
