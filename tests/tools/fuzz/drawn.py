"""Values out of bytes: the same bytes give the same values, so that a fuzzer steers by changing bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from aki_transport.transport.body import Payload

T = TypeVar("T")

# Names and words that the parsers ask for, so that a byte is enough to say one.
WORDS = tuple(
    """
    id object model choices index delta message content role tool_calls function name arguments finish_reason stop
    usage prompt_tokens completion_tokens total_tokens prompt_tokens_details cached_tokens reasoning_content reasoning
    refusal logprobs top_logprobs token logprob bytes text thinking type error code status detail msg function_call
    system_fingerprint chat.completion.chunk length content_filter message_start message_delta message_stop
    content_block content_block_start content_block_delta content_block_stop text_delta thinking_delta signature_delta
    input_json_delta partial_json signature redacted_thinking data tool_use input stop_reason stop_sequence
    input_tokens output_tokens cache_read_input_tokens success job_id job_state job_result progress progress_data
    processing done failed lapsed canceled images seed num_generated_tokens prompt_length model_name queue_position
    b64_json url endpoints max_model_len <think> </think> { } [ ] {"a":1} ```json 0 429 500 [DONE] null queue_full
    qwen3.6-35b minimax-m2.5-230b context_length_exceeded invalid_api_key \\ud800 \\u0000
    """.split()  # noqa: SIM905  a page of words reads better than a list of them
)
_NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    400,
    10**30,
    -(10**30),
    2**63,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    -float("inf"),
)
_EVENTS = ("message", "message", "message", "message", "body", "error", "ping", "")
_DEEPEST = 4
_MOST = 3


class Drawn:
    """Reads choices from bytes; behind their end every choice is the first.

    Args:
        data: The bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """The next byte."""
        at = self._at
        self._at = at + 1
        return self._data[at] if at < len(self._data) else 0

    def below(self, end: int) -> int:
        """A number from 0 to `end`, without it."""
        return self.byte() % end

    def flag(self) -> bool:
        """Yes or no."""
        return bool(self.byte() & 1)

    def pick(self, values: Sequence[T]) -> T:
        """One of these."""
        return values[self.below(len(values))]

    def bytes(self, most: int = 4096) -> bytes:
        """All the bytes that are left."""
        rest = self._data[self._at : self._at + most]
        self._at += len(rest)
        return rest

    def text(self) -> str:
        """A word, several, or any characters."""
        if self.flag():
            return self.pick(WORDS)
        size = self.below(12)
        said = self._data[self._at : self._at + size].decode("utf-8", "replace")
        self._at += size
        return said + self.pick(WORDS) if self.flag() else said

    def json(self, depth: int = 0) -> Any:
        """Whatever JSON can hold."""
        match self.below(9 if depth < _DEEPEST else 6):
            case 0:
                return None
            case 1:
                return self.flag()
            case 2:
                return self.pick(_NUMBERS)
            case 3 | 4 | 5:
                return self.text()
            case 6:
                return [self.json(depth + 1) for _ in range(self.below(_MOST + 1))]
            case _:
                return {self.text(): self.json(depth + 1) for _ in range(self.below(_MOST + 1))}

    def changed(self, document: Any) -> Any:
        """The document with other values in some of its places."""
        for _ in range(1 + self.below(_MOST)):
            document = self._changed(document)
        return document

    def _changed(self, document: Any) -> Any:
        places = list(document) if isinstance(document, dict) else range(len(document) if _is_list(document) else 0)
        if not places or self.below(5) == 0:
            return self.json()
        place = self.pick(list(places))
        fields = document.copy()
        match self.below(8):
            case 0:
                del fields[place]
            case 1 if isinstance(fields, dict):
                fields[self.text()] = self.json()
            case 1:
                fields.append(self.pick(fields))
            case 2 if isinstance(fields, dict):
                fields[self.text()] = fields.pop(place)
            case _:
                fields[place] = self._changed(fields[place])
        return fields

    def payloads(self, seeds: Sequence[Sequence[Any]], event: str | None = None) -> list[Payload]:
        """What a service may send: valid answers with changes, any JSON, or any bytes.

        Args:
            seeds: Valid answers, each as its payloads.
            event: The name of every payload; None for any.
        """
        match self.below(6):
            case 0:
                return [self._payload(said, event) for said in self.bytes().split(b"\xff")]
            case 1:
                said = [self.json() for _ in range(1 + self.below(_MOST))]
            case _:
                # The first are the richest; the others are many.
                said = list(self.pick(seeds[:2] if self.flag() else seeds))
                for _ in range(self.below(_MOST)):
                    at = self.below(len(said))
                    match self.below(6):
                        case 0:
                            said.insert(at, said[self.below(len(said))])
                        case 1 if len(said) > 1:
                            del said[at]
                        case _:
                            said[at] = self.changed(said[at])
        return [self._payload(json.dumps(each), event) for each in said]

    def _payload(self, said: str | bytes, event: str | None) -> Payload:
        name = event if event is not None else self.pick(_EVENTS)
        if said == '"[DONE]"':
            said = "[DONE]"
        if name == "body" and isinstance(said, str):
            return Payload(name, said.encode())
        return Payload(name, said.decode("utf-8", "replace") if isinstance(said, bytes) and name != "body" else said)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
