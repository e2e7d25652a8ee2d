"""Requests and replies as frozen values: frameworks translate to and from them, protocols send and decode them.

Nothing here depends on a framework, a provider or a protocol. `None` means "not given" everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from mimetypes import guess_type
from typing import Any, Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
SendReasoning: TypeAlias = Literal["never", "tool_turns", "always"]
Dialect: TypeAlias = Literal["openai", "anthropic", "native"]
"""The protocol whose form a content block has."""

StructuredMethod: TypeAlias = Literal["json_schema", "function_calling", "instruction"]
"""A way to ask for JSON of a schema: in the field for it, as the arguments of a forced call, or in the prompt."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text. Here and below, `extra` holds the fields without a name of ours, e.g. `cache_control`."""

    text: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """An image: a URL, base64 text with its MIME type, or the ID of a file that was uploaded to the service."""

    url: str | None = None
    base64: str | None = None
    mime_type: str | None = None
    detail: str | None = None
    file_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def as_url(self) -> str:
        """The URL, or the data as a data URL."""
        return self.url if self.url is not None else f"data:{self.mime_type or 'image/png'};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class File:
    """A document: base64 text, plain text, a URL, or the ID of a file that was uploaded to the service."""

    base64: str | None = None
    mime_type: str | None = None
    filename: str | None = None
    file_id: str | None = None
    url: str | None = None
    text: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        """The MIME type; what the name tells, or that of a PDF, if it is not known."""
        return self.mime_type or guess_type(self.filename or "")[0] or "application/pdf"


@dataclass(frozen=True, slots=True)
class Audio:
    """Audio as base64 text; `format` is the service's name of it ("wav", "mp3")."""

    base64: str
    format: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A content block without a name of ours, untouched. `dialect` is None if nobody's form is known to be meant."""

    fields: Mapping[str, Any]
    dialect: Dialect | None = None


Part: TypeAlias = Text | Image | File | Audio | RawBlock


def with_fields(part: Part, fields: Mapping[str, Any]) -> Part:
    """The part with further fields, e.g. a mark of caches."""
    if isinstance(part, RawBlock):
        return replace(part, fields={**part.fields, **fields})
    return replace(part, extra={**part.extra, **fields})


def cache_mark(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The mark of caches among the fields of a part, a call or a message, which is everyone's."""
    return {"cache_control": fields["cache_control"]} if fields.get("cache_control") is not None else {}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call of a model; `arguments` is JSON text exactly as the model wrote it.

    `extra` holds further fields of the call, which its maker wants back (signatures of thoughts).
    """

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningBlock:
    """Reasoning that the service requires back unchanged: signed text, or data that only the service can read."""

    text: str = ""
    signature: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation. `is_error` marks the result of a tool that failed.

    `provider` is the service that wrote an assistant's message, None if that is not known. Its reasoning and its
    `extra`, fields without a name of ours, go back to that service alone; `reasoning_field` is the field in which the
    reasoning came, None for the protocol's usual one.
    """

    role: Role
    content: str | tuple[Part, ...] = ""
    name: str | None = None
    reasoning: str = ""
    reasoning_blocks: tuple[ReasoningBlock, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False
    provider: str | None = None
    reasoning_field: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The content as parts."""
        return (Text(self.content),) if isinstance(self.content, str) else self.content


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strict: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def tool_name(tool: Tool | Mapping[str, Any]) -> str | None:
    """The name of a tool, also of a dict in any maker's form; None if it has none."""
    if isinstance(tool, Tool):
        return tool.name
    nested = (value for key in ("function", "custom") if isinstance(value := tool.get(key), Mapping))
    name = next(nested, tool).get("name")
    return name if isinstance(name, str) else None


@dataclass(frozen=True, slots=True)
class ToolNamed:
    """The tool choice that forces the one function of this name."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | ToolNamed | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JsonObject:
    """Response format: any JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSchema:
    """Response format: JSON that fits `schema`."""

    name: str
    schema: Mapping[str, Any]
    description: str | None = None
    strict: bool | None = None


ResponseFormat: TypeAlias = JsonObject | JsonSchema | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request to a model. Fields that are None or empty are not sent.

    `structured_first` is the method to try first for a JSON schema; `structured_methods` are those that are left,
    chosen while the request is prepared if it has none. `fields` are further fields of the body that are known by name,
    `extra_body` those that are not. `headers` and `timeout` are those of this one request. `max_tokens_field` is the
    protocol's name of that bound, and `own_bound` tells, where it is not the caller's, whether the protocol requires
    one.
    `sends_stop` is False where the service refuses `stop`, which is applied to its answer in any case.
    `attachments_in_results` means that pictures of a tool's result stay in its message, and `original_names` has the
    names of tools that were reduced to what protocols take.

    `endpoint` is the endpoint of the model on protocols where each model is one. `raw_prompt` marks the messages as raw
    text to continue, for protocols that have a field for it.
    """

    model: str
    messages: tuple[Message, ...]
    endpoint: str | None = None
    raw_prompt: bool = False
    tools: tuple[Tool | Mapping[str, Any], ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    structured_first: StructuredMethod | None = None
    structured_methods: tuple[StructuredMethod, ...] = ()
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
    sends_stop: bool = True
    max_tokens_field: str = "max_tokens"
    own_bound: Literal["optional", "required"] | None = None
    attachments_in_results: bool = False
    original_names: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold tokens
    timeout: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the service counted them; `input_tokens` includes those read from its cache.

    `extra` holds the counts without a name of ours.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """A complete answer. `model` is the model that answered, `raw` the service's last payload as a plain dict.

    `parts` is the content in its order where it is more than text, `annotations` are sources and citations in the
    service's form, and `choices` are the answers besides this one, if several were asked for. `reasoning_blocks` is the
    reasoning that the service requires back; `details` are further fields of its answer. `extra` holds the fields of
    its message without a name of ours, which frameworks keep in the additional fields of theirs, and `reasoning_field`
    the field in which the reasoning came; see `Message`.
    """

    text: str = ""
    reasoning: str = ""
    reasoning_field: str | None = None
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
    parts: tuple[Part, ...] = ()
    annotations: tuple[Any, ...] = ()
    choices: tuple[ChatReply, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> tuple[Part, ...]:
        """The parts; empty if there is nothing but text. A text that was changed since stands before the others."""
        return ordered_parts(self.text, self.parts)

    @property
    def token_usage(self) -> Mapping[str, Any]:
        """The tokens under the service's own names, and OpenAI's."""
        usage = self.raw.get("usage")
        return usage if isinstance(usage, Mapping) else {}


def ordered_parts(text: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts, if their texts add up to `text`; else `text`, and behind it the parts that are no text."""
    if not parts or "".join(part.text for part in parts if isinstance(part, Text)) == text:
        return parts
    return (Text(text), *(part for part in parts if not isinstance(part, Text)))


def joined_parts(parts: list[Part], separator: str) -> str | tuple[Part, ...]:
    """One string if all parts are text without further fields; empty texts are left out."""
    texts = [part.text for part in parts if isinstance(part, Text) and not part.extra]
    if len(texts) == len(parts):
        return separator.join(filter(None, texts))
    return tuple(part for part in parts if not isinstance(part, Text) or part.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """The progress of a job of the native API.

    Args:
        job_id: Its ID.
        state: `"queued"`, `"processing"` or `"done"`.
        percent: 0 to 100; None if the service does not report it.
        queue_position: Number of jobs before it.
        estimate: Seconds until it is done, as the service estimates.
        workers: Number of workers that are online for the endpoint.

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


OnProgress: TypeAlias = Callable[[JobProgress], None]
"""Called with the progress of a job of the native API whenever it has changed; what it raises ends the call."""


class ToolCallDelta(NamedTuple):
    """The next piece of a tool call. `position` counts calls from 0; `id` comes once, `name` most often too."""

    position: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


# Tuples, not dataclasses: one is built per chunk of a stream, and a frozen dataclass takes three times as long.
class ChatDelta(NamedTuple):
    """What one payload of a stream adds; the last delta holds the complete answer in `reply`.

    `parts` is the content of the payload in its order, where that is more than text. A `Text` in it without a text
    holds what belongs to the text before it; without further fields it ends that text.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    reply: ChatReply | None = None
    raw: Mapping[str, Any] | None = None
    parts: tuple[Part, ...] = ()
