"""Values that both frameworks translate to and every wire speaks from: what is asked, what is answered.

Nothing here knows a framework, a provider or a wire. `None` means "not given" everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
SendReasoning: TypeAlias = Literal["never", "tool_turns", "always"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, by address or as base64 text with its MIME type."""

    url: str | None = None
    base64: str | None = None
    mime_type: str | None = None
    detail: str | None = None

    @property
    def as_url(self) -> str:
        """The address, or the data as a data URL."""
        return self.url if self.url is not None else f"data:{self.mime_type or 'image/png'};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class File:
    """A document (PDF or text) as base64 text, or the ID of one that the service holds."""

    base64: str | None = None
    mime_type: str | None = None
    filename: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """Sound as base64 text; `format` is the service's word for it ("wav", "mp3")."""

    base64: str
    format: str


Part: TypeAlias = Text | Image | File | Audio


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that a model asks for; `arguments` is JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningBlock:
    """Reasoning that its service wants back unchanged: signed text, or data that only the service can read."""

    text: str = ""
    signature: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation. `is_error` marks what a tool says when it failed."""

    role: Role
    content: str | tuple[Part, ...] = ""
    name: str | None = None
    reasoning: str = ""
    reasoning_blocks: tuple[ReasoningBlock, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call; `parameters` is its JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolNamed:
    """The tool choice that forces the one function of this name."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | ToolNamed


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The answer shall be some JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSchema:
    """The answer shall be JSON that fits `schema`."""

    name: str
    schema: Mapping[str, Any]
    description: str | None = None
    strict: bool | None = None


ResponseFormat: TypeAlias = JsonObject | JsonSchema | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request to a model. What is None, empty or False is not sent.

    Where a model is an endpoint, `endpoint` is its name. `plain` says that the one message is a raw prompt, for wires
    that take such.
    """

    model: str
    messages: tuple[Message, ...]
    endpoint: str | None = None
    plain: bool = False
    tools: tuple[Tool | Mapping[str, Any], ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    structured_first: Literal["json_schema", "function_calling", "instruction"] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning_effort: str | None = None
    send_reasoning: SendReasoning | None = None
    include_usage: bool = True
    extra_body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the service counted them; `input_tokens` includes what came from its cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """A whole answer. `model` is the one that answered, `raw` the service's last payload as a plain dict.

    `thoughts` is what the service wants back of the reasoning; `details` is what else it says of how it answered.
    """

    text: str = ""
    reasoning: str = ""
    reasoning_blocks: tuple[ReasoningBlock, ...] = ()
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    model: str = ""
    id: str | None = None
    request_id: str | None = None
    credits_used: float | None = None
    credits_remaining: float | None = None
    system_fingerprint: str | None = None
    logprobs: Any = None
    details: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a job of the native API is.

    Args:
        job_id: Its ID.
        state: `"queued"`, `"processing"` or `"done"`.
        percent: 0 to 100, where the service says so.
        queue_position: How many jobs come before it.
        estimate: Seconds that the service reckons with.
        workers: How many workers are online for the endpoint.

    Example:
        >>> seen = []
        >>> client = Client(protocol="native", on_progress=seen.append)
        >>> (drawn,) = client.generate_image("a red lighthouse", size="256x256")
        >>> seen[-1].state
        'done'
    """

    job_id: str
    state: str
    percent: float | None = None
    queue_position: int | None = None
    estimate: float | None = None
    workers: int | None = None


class ToolCallDelta(NamedTuple):
    """The next piece of a tool call. `position` counts calls from 0; `id` and `name` come once each."""

    position: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


# Tuples, not dataclasses: one is built per chunk of a stream, and a frozen dataclass costs three times as much.
class ChatDelta(NamedTuple):
    """What one payload of a stream adds; the last one carries the whole answer in `reply`."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    reply: ChatReply | None = None
    raw: Mapping[str, Any] | None = None
