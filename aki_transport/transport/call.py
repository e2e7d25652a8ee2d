"""A call as data, with its timeouts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from pydantic import SecretStr

from aki_transport.errors import AKIError, APIStatusError, ConfigurationError
from aki_transport.transport.decoder import Decoder, Payload
from aki_transport.transport.user_clients import class_of_library


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call, without its key and its base URL.

    Args:
        path: What follows the route's base URL.
        body: The JSON body; None sends none.
        form: httpx's arguments `data` and `files` for a form, instead of a JSON body.
        method: The HTTP method.
        headers: Headers of this call alone.
        stream: Whether the answer is asked for as server-sent events.
        repeatable: Whether it may be sent again after it may have been received. A chat call may; what starts a
            billed job may not.
        read_only: Whether it starts nothing, so that it may be sent again even if its answer broke off half-way, or
            did not come in time.
        timeout: The bounds on the waits of this call, instead of the transport's own.
        max_retries: Attempts after the first, instead of the transport's number.
        read_error: Makes the error of an answer with a bad status, where the protocol has errors of its own.
        job: How to follow the job that the call starts; None if its answer is all there is.
    """

    path: str
    body: Mapping[str, Any] | None = None
    form: Mapping[str, Any] | None = field(default=None, repr=False)
    method: Literal["GET", "POST"] = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold tokens
    stream: bool = False
    repeatable: bool = True
    read_only: bool = False
    timeout: Timeout | None = None
    max_retries: int | None = None
    read_error: Callable[[APIStatusError], AKIError] | None = None
    job: Job | None = None


T = TypeVar("T")
Headers: TypeAlias = Mapping[str, str]
Read: TypeAlias = Callable[[Headers, Payload], Any]
"""Makes a result of an answer's headers and body."""
Start: TypeAlias = Callable[[Headers], Decoder[T]]
"""Makes the decoder of an answer from its headers."""


class Sender(Protocol):
    """As much of `Transport` as those need whose calls it sends."""

    base_url: str
    timeout: Timeout
    max_retries: int
    http_async_client: Any

    def fetch(self, call: Call, read: Read, *, deadline: float | None) -> Any:
        """Send, and give what `read` makes of the answer."""

    def afetch(self, call: Call, read: Read, *, deadline: float | None) -> Awaitable[Any]:
        """`fetch`, async."""

    def with_context(self, error: AKIError, call: Call, headers: Headers | None, key: SecretStr | None) -> AKIError:
        """The error with what the transport knows about its call."""

    def without_key(self, text: str) -> str:
        """The text without the key, should the service echo it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How to follow a job.

    Args:
        follow: Makes the call that asks for its state, and the one that cancels it, from the answer that started it.
        stream: Whether someone waits for every piece of what it makes.
    """

    follow: Callable[[Payload], tuple[Call, Call]]
    stream: bool = False


class ListenerError(Exception):
    """Carries what the user's own `on_progress` raised: it is no failure of a call."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """How long to wait, in seconds; None waits for ever.

    Args:
        connect: For a connection.
        answer: For a blocking answer.
        chunk: For the next piece of a stream.

    Example:
        >>> client = Client(timeout=Timeout(answer=300, chunk=30))
    """

    connect: float | None = 10.0
    answer: float | None = 600.0
    chunk: float | None = 120.0

    def for_httpx(self, *, stream: bool, remaining: float | None = None) -> dict[str, float | None]:
        """Numbers in the form that httpx and httpx2 take in a request's extensions.

        Args:
            stream: Whether the answer is a stream.
            remaining: Seconds that none of them may exceed.

        Example:
            >>> Timeout().for_httpx(stream=True, remaining=60)
            {'connect': 10.0, 'read': 60, 'write': 60, 'pool': 60}
        """
        read = self.chunk if stream else self.answer
        bounds = {"connect": self.connect, "read": read, "write": self.answer, "pool": None}
        if remaining is None:
            return bounds
        return {name: remaining if bound is None else min(bound, remaining) for name, bound in bounds.items()}


def as_timeout(value: Any) -> Timeout:
    """A `Timeout` from a number of seconds, an `httpx.Timeout` or a mapping of our fields."""
    match value:
        case None:
            return Timeout()
        case Timeout():
            return value
        case bool():
            pass
        case int() | float() if value > 0:
            seconds = None if value == float("inf") else float(value)
            return Timeout(connect=min(10.0, value), answer=seconds, chunk=seconds)
        case (int() | float() as connect, int() | float() as read, *_):  # httpx's
            return Timeout(connect=connect, answer=read, chunk=read)
        case _ if class_of_library(value, {"Timeout"}):
            return Timeout(connect=value.connect, answer=value.read, chunk=value.read)
    raise ConfigurationError(f"timeout={value!r} is no number of seconds above 0 and no Timeout.")
