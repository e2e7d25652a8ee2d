"""What reached the emulator."""

from dataclasses import dataclass
from typing import Any, Literal

JobState = Literal["queued", "processing", "done", "lapsed", "canceled"]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it arrived.

    Args:
        method: The HTTP method.
        path: The URL's path.
        headers: With names in lower case.
        query: The URL's parameters.
        body: The JSON body; None if there was none.
        raw: The body's bytes.
        request_id: The ID that the answer names.

    Example:
        >>> with Emulator() as service:
        ...     models = Client(base_url=service.openai_url, api_key=service.key).refresh_models()
        ...     service.requests[0].method, service.requests[0].path
        ('GET', '/v1/models')
    """

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: Any
    raw: bytes
    request_id: str


@dataclass(frozen=True, slots=True)
class RecordedJob:
    """A job of the native interface.

    Args:
        id: Its ID.
        endpoint: Its endpoint's name.
        state: `"queued"`, `"processing"`, `"done"` (its result was delivered), `"lapsed"` or `"canceled"`.
        polls: How often it was asked for.
        cancelled: Whether the client ended it.

    Example:
        >>> with Emulator() as service:
        ...     client = Client(protocol="native", base_url=service.native_url, api_key=service.key)
        ...     _ = client.generate_image("a red lighthouse", size="256x256")
        ...     service.jobs[0].state
        'done'
    """

    id: str
    endpoint: str
    state: JobState
    polls: int
    cancelled: bool
