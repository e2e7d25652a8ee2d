"""What a row of the table says, and the builders that keep a row short."""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from tests.script_server import Answer, End, json_answer, sse

ASK = "hi"
MODEL = "qwen3.6-35b"
FALLBACK = "minimax-m2.5-230b"
PROVIDER = "aki"
KEY = "aki-test"


def _function(name: str, description: str, kind: str, *properties: str, required: tuple[str, ...]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {each: {"type": kind} for each in properties},
        "required": [*required],
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS: tuple[Mapping[str, Any], ...] = (
    _function("get_weather", "The weather in a city.", "string", "city", required=()),
    _function("add", "The sum of two numbers.", "integer", "a", "b", required=("a", "b")),
)


@dataclass(frozen=True, kw_only=True)
class Expect:
    """The answer that the caller must get; a stream's pieces, added up, must give the same.

    None means "the answer has none" for `finish_reason`, `usage` and `refusal`, else "not compared".
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[tuple[str, dict[str, Any]], ...] = ()  # name and parsed arguments of each
    tool_ids: tuple[str | None, ...] = ()  # None stands for one that is made up; all must be there and unique
    invalid_tool_calls: tuple[tuple[str, str], ...] = ()  # name and raw text of those whose arguments are no object
    finish_reason: str | None = "stop"
    usage: tuple[int, int, int] | None = (5, 3, 8)  # input, output and total tokens
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    model: str = MODEL
    refusal: str | None = None
    request_id: str | None = None
    credits: tuple[float, float] | None = None  # used and remaining, in USD
    warns: str | None = None  # the class in `aki_transport.errors` of the warning that the call issues


@dataclass(frozen=True)
class Fails:
    """The error that the caller must get; None means "not compared"."""

    error: str  # the class in `aki_transport.errors`, and not an ancestor of it
    _: KW_ONLY
    status: int | None = None
    code: str | None = None
    says: tuple[str, ...] = ()  # what its text holds: the server's own words
    partial_text: str | None = None
    retry_after: float | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Scenario:
    """One oddity: what the server says, and what the caller must get, with `max_retries=2` and no waiting.

    None for what differs in a stream means that it does not.
    """

    name: str
    blocking: Answer | None  # the answer to a blocking request; None where the row is about streams alone
    stream: Answer | None  # the same to a streamed one
    expect: Expect | Fails
    _: KW_ONLY
    expect_stream: Expect | Fails | None = None
    tools: bool = False  # whether the call is made with `TOOLS`
    requests: int = 1  # how many chat requests the server sees
    requests_stream: int | None = None
    then: tuple[Answer, ...] = ()  # answers to the attempts after the first
    then_stream: tuple[Answer, ...] | None = None
    ask: str = ASK
    model: str = MODEL
    provider: str = PROVIDER

    def applies(self, *, streamed: bool) -> bool:
        """Whether the row says anything about this way of asking."""
        return (self.stream if streamed else self.blocking) is not None

    def outcome(self, *, streamed: bool) -> Expect | Fails:
        return self.expect_stream if streamed and self.expect_stream is not None else self.expect

    def attempts(self, *, streamed: bool) -> int:
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
    total = prompt + completion
    return _kept({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more})


def _body(
    kind: str, part: str, said: Mapping[str, Any], finish: Any, more: Mapping[str, Any], top: Any
) -> dict[str, Any]:
    body = {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1767225600,
        "model": MODEL,
        "choices": [{"index": 0, part: _kept(said), "finish_reason": finish}],
    }
    return _kept({**body, **more, **(top or {})})


def reply(
    text: Any = "Hello", *, finish: Any = "stop", top: Mapping[str, Any] | None = None, **message: Any
) -> dict[str, Any]:
    """A blocking answer's body; `top` replaces fields beside the choices, other names those of the message."""
    said = {"role": "assistant", "content": text, **message}
    return _body("chat.completion", "message", said, finish, {"usage": tokens()}, top)


def chunk(
    text: Any = ABSENT, *, finish: Any = None, top: Mapping[str, Any] | None = None, **delta: Any
) -> dict[str, Any]:
    """One event of a stream; `top` replaces fields beside the choices, other names those of the delta."""
    return _body("chat.completion.chunk", "delta", {"content": text, **delta}, finish, {}, top)


def choices(*entries: Mapping[str, Any]) -> dict[str, Any]:
    return chunk(top={"choices": list(entries)})


def counted(usage: Any) -> dict[str, Any]:
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


def in_stream(name: str, stream: Answer, expect: Expect | Fails = HELLO, **more: Any) -> Scenario:
    return Scenario(name, None, stream, expect, **more)


def at_once(name: str, blocking: Answer, expect: Expect | Fails = HELLO, **more: Any) -> Scenario:
    return Scenario(name, blocking, None, expect, **more)


def either(name: str, answer: Answer, expect: Expect | Fails, **more: Any) -> Scenario:
    """A row whose answer is the same, streamed or not."""
    return Scenario(name, answer, answer, expect, **more)


def then_good(name: str, blocking: Answer, stream: Answer, *others: Answer) -> Scenario:
    """A row whose last attempt, behind these answers, is a good one."""
    later = {"then": (*others, HELLO_REPLY), "then_stream": (*others, HELLO_STREAM)}
    return Scenario(name, blocking, stream, HELLO, requests=2 + len(others), **later)


# Our own failures, which no row is about: for tests of what the frameworks do then.
BUSY = json_answer({"error": {"message": "busy", "code": None}}, 503)
TOO_MANY = json_answer({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429)
WRONG_KEY = json_answer({"error": {"message": f"wrong key {KEY}", "code": "invalid_api_key"}}, 401)
LOST = Answer(end="reset")
