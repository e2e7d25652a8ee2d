"""What a row of the table says, and the builders that keep a row short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from tests.script_server import Answer, End, json_answer, sse

ASK = "hi"
MODEL = "qwen3.6-35b"
FALLBACK = "minimax-m2.5-230b"
PROVIDER = "aki"
KEY = "aki-test"

TOOLS: tuple[Mapping[str, Any], ...] = (
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": []},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "The sum of two numbers.",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                "required": ["a", "b"],
            },
        },
    },
)


@dataclass(frozen=True, kw_only=True)
class Expect:
    """The answer that the caller must get; a stream's pieces, added up, must give the same.

    None means "the answer has none" for `finish_reason`, `usage` and `refusal`, and "not compared" for
    `reasoning_tokens`, `cached_tokens`, `request_id`, `credits` and inside `tool_ids`.

    Attributes:
        tool_calls: Name and parsed arguments of each call, in order.
        tool_ids: The calls' IDs, in the same order; None stands for one that is made up. All must be non-empty and
            unique, also where this is left empty.
        invalid_tool_calls: Name and raw text of each call whose arguments are no JSON object.
        usage: Input, output and total tokens.
        model: The model that is reported.
        credits: Used and remaining, in USD.
        warns: Name of the warning's class in `aki_transport.errors` that the call issues.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    tool_ids: tuple[str | None, ...] = ()
    invalid_tool_calls: tuple[tuple[str, str], ...] = ()
    finish_reason: str | None = "stop"
    usage: tuple[int, int, int] | None = (5, 3, 8)
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    model: str = MODEL
    refusal: str | None = None
    request_id: str | None = None
    credits: tuple[float, float] | None = None
    warns: str | None = None


@dataclass(frozen=True)
class Fails:
    """The error that the caller must get; None means "not compared".

    Attributes:
        error: Name of the class in `aki_transport.errors`: this one, not an ancestor of what is raised.
        says: What `str(error)` must contain: the server's own words.
    """

    error: str
    _: KW_ONLY
    status: int | None = None
    code: str | None = None
    says: tuple[str, ...] = ()
    partial_text: str | None = None
    retry_after: float | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Scenario:
    """One oddity: what the server says, and what the caller must get.

    Attributes:
        name: The test's ID.
        blocking: What the server says to a blocking request; None where the row is about streams alone.
        stream: What it says to a streamed request.
        expect: What the caller gets.
        expect_stream: The same for a stream, where it differs.
        tools: The call is made with `TOOLS` bound.
        requests: How many chat requests the server sees, exactly, with `max_retries=2` and no waiting.
        requests_stream: The same for a stream, where it differs.
        then: Answers to the attempts after the first.
        then_stream: The same for a stream, where they differ.
    """

    name: str
    blocking: Answer | None
    stream: Answer | None
    expect: Expect | Fails
    _: KW_ONLY
    expect_stream: Expect | Fails | None = None
    tools: bool = False
    requests: int = 1
    requests_stream: int | None = None
    then: tuple[Answer, ...] = ()
    then_stream: tuple[Answer, ...] | None = None
    ask: str = ASK
    model: str = MODEL
    provider: str = PROVIDER

    def applies(self, *, streamed: bool) -> bool:
        """Whether the row says anything about this way of asking."""
        return (self.stream if streamed else self.blocking) is not None

    def outcome(self, *, streamed: bool) -> Expect | Fails:
        """What the caller gets."""
        return self.expect_stream if streamed and self.expect_stream is not None else self.expect

    def attempts(self, *, streamed: bool) -> int:
        """How many chat requests the server sees."""
        return self.requests_stream if streamed and self.requests_stream is not None else self.requests

    def script(self, *, streamed: bool) -> tuple[Answer, ...]:
        """The answers to all attempts; the last one is repeated where the row gives fewer."""
        following = self.then_stream if streamed and self.then_stream is not None else self.then
        first = self.stream if streamed else self.blocking
        said = (*((first,) if first is not None else ()), *following)
        return said + said[-1:] * (self.attempts(streamed=streamed) - len(said))


def check_error(error: Any, fails: Fails, errors: Any) -> None:
    """The error is of the class that `errors` has by this name, keeps what the server said, and shows no key."""
    assert type(error) is getattr(errors, fails.error), repr(error)
    for words in fails.says:
        assert words in str(error)
    for name in ("partial_text", "retry_after", "code", "request_id"):
        if getattr(fails, name) is not None:
            assert getattr(error, name) == getattr(fails, name)
    if fails.status is not None:
        assert error.status_code == fails.status
        assert error.response.status_code == fails.status
    assert KEY not in f"{error} {error!r} {vars(error)}"


ABSENT: Any = object()
"""A field that is left out, where None would be sent as `null`."""


def _kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not ABSENT}


def tokens(prompt: int = 5, completion: int = 3, **more: Any) -> dict[str, Any]:
    """A usage object."""
    total = prompt + completion
    return _kept({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more})


def reply(
    text: Any = "Hello", *, finish: Any = "stop", top: Mapping[str, Any] | None = None, **message: Any
) -> dict[str, Any]:
    """A blocking answer's body; `top` replaces fields beside the choices, other names those of the message."""
    said = _kept({"role": "assistant", "content": text, **message})
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767225600,
        "model": MODEL,
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": tokens(),
    }
    return _kept({**body, **(top or {})})


def chunk(
    text: Any = ABSENT, *, finish: Any = None, top: Mapping[str, Any] | None = None, **delta: Any
) -> dict[str, Any]:
    """One event of a stream; `top` replaces fields beside the choices, other names those of the delta."""
    said = _kept({"content": text, **delta})
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": MODEL,
        "choices": [{"index": 0, "delta": said, "finish_reason": finish}],
    }
    return _kept({**body, **(top or {})})


def choices(*entries: Mapping[str, Any]) -> dict[str, Any]:
    """An event with these choices."""
    return chunk(top={"choices": list(entries)})


def counted(usage: Any) -> dict[str, Any]:
    """An event without choices that holds this usage."""
    return chunk(top={"choices": [], "usage": usage})


ROLE = chunk("", role="assistant")
STOP = chunk(finish="stop")
COUNT = counted(tokens())


def replied(
    text: Any = "Hello", *, finish: Any = "stop", top: Mapping[str, Any] | None = None, **message: Any
) -> Answer:
    """A blocking answer; see `reply`."""
    return json_answer(reply(text, finish=finish, top=top, **message))


def streamed(*events: Mapping[str, Any] | str, finish: str | None = "stop", **options: Any) -> Answer:
    """A whole stream: role, these events (a text stands for a chunk of it), finish reason, usage, `[DONE]`."""
    return sse(ROLE, *spoken(events), chunk(finish=finish), COUNT, **options)


def broken(*events: Mapping[str, Any] | str, end: End = "close") -> Answer:
    """A stream that ends after these events, without finish reason, usage and `[DONE]`."""
    return sse(ROLE, *spoken(events), done=False, end=end)


def spoken(events: Iterable[Mapping[str, Any] | str]) -> list[Mapping[str, Any]]:
    """The events, each text as a chunk of it."""
    return [chunk(event) if isinstance(event, str) else event for event in events]


def split_everywhere(answer: Answer, size: int) -> Answer:
    """The same answer in pieces of `size` bytes, whatever they cut through."""
    body = b"".join(answer.chunks)
    return replace(answer, chunks=tuple(body[at : at + size] for at in range(0, len(body), size)))


HELLO = Expect(text="Hello")
HELLO_REPLY = replied()
HELLO_STREAM = streamed("Hel", "lo")

# Our own failures, which no row is about: for tests of what the frameworks do then.
BUSY = json_answer({"error": {"message": "busy", "code": None}}, 503)
TOO_MANY = json_answer({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429)
WRONG_KEY = json_answer({"error": {"message": f"wrong key {KEY}", "code": "invalid_api_key"}}, 401)
LOST = Answer(end="reset")
