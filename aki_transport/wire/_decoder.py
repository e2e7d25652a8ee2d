"""What the decoders of all chat protocols share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from aki_transport.error_parsing import error_from_payload, is_error, request_id_of
from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import parse_json, shown
from aki_transport.messages import Usage
from aki_transport.wire._text_filters import ThinkSplitter

_LARGEST = sys.float_info.max  # integers in JSON may be larger


class AnswerDecoder:
    """Base of the decoders: parses payloads, collects text and reasoning.

    Args:
        requested: The requested model.
        headers: The headers of the answer.
        on_model: Called with the name of the model that answers, before any part of the answer is returned.
        empty_is_failure: Whether an answer with no content and 0 completion tokens means that a worker failed.
    """

    def __init__(
        self, requested: str, headers: Mapping[str, str], *, on_model: Callable[[str], None], empty_is_failure: bool
    ) -> None:
        self.finished = False
        self.complete = False
        self._requested = requested
        self._headers = headers
        self._on_model = on_model
        self._empty_is_failure = empty_is_failure
        self._model = ""
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._think = ThinkSplitter()
        self._finish: str | None = None
        self._broken: str | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    def _parse(self, event: str, data: str | bytes) -> Mapping[str, Any] | None:
        """The payload's object; None for invalid JSON in a stream.

        The last event of a stream may be cut off, which is an interruption. Only if another event follows was it
        invalid.

        Raises:
            APIStatusError: It is an error.
            InvalidResponseError: It is not a JSON object, or the payload before it was not.
        """
        if self._broken is not None:
            raise InvalidResponseError(self._broken)
        if not data:
            if event == "body":
                raise InvalidResponseError("the answer is empty")
            return None
        try:
            payload = parse_json(data)
        except InvalidResponseError as error:
            if event == "error":
                raise error_from_payload({"error": shown(data)}) from None
            if event == "body":
                raise
            self._broken = error.message
            return None
        if not isinstance(payload, dict):
            raise InvalidResponseError(f"the answer is {type(payload).__name__}, not an object")
        if event == "error" or is_error(payload):
            raise error_from_payload(payload)
        return payload

    def _note_model(self, model: Any) -> None:
        if model and model != self._model and isinstance(model, str):
            self._on_model(model)
            self._model = model

    def _collect(self, text: str, reasoning: str) -> None:
        if text:
            self._texts.append(text)
        if reasoning:
            self._reasonings.append(reasoning)

    def _flush(self) -> tuple[str, str]:
        """The text and the reasoning that were still held back."""
        text, reasoning = self._think.flush()
        self._collect(text, reasoning)
        return text, reasoning

    def _header_fields(self) -> dict[str, Any]:
        """The fields of the reply that come from the headers."""
        headers = self._headers
        return {
            "request_id": request_id_of(headers),
            "credits_used": _number(headers.get("x-credits-used")),
            "credits_remaining": _number(headers.get("x-credits-remaining")),
        }


def count_in(fields: Any, *names: str) -> int | None:
    """The first of these fields that is a finite number, as an integer."""
    number = number_in(fields, *names)
    return None if number is None else int(number)


def number_in(fields: Any, *names: str) -> float | None:
    """The first of these fields that is a finite number."""
    if fields and isinstance(fields, dict):
        for name in names:
            value = fields.get(name)
            if (type(value) is int or type(value) is float) and -_LARGEST <= value <= _LARGEST:
                return float(value)
    return None


def with_openai_fields(
    payload: Mapping[str, Any],
    model: str,
    usage: Usage | None,
    finish_reason: str | None,
    *,
    usage_fields: Mapping[str, Any],
) -> Mapping[str, Any]:
    """The last payload, with model, usage and finish reason where code for OpenAI's answers reads them.

    Args:
        payload: The last payload of the answer.
        model: The model that answered.
        usage: Its tokens.
        finish_reason: OpenAI's name of why it stopped.
        usage_fields: The tokens under the protocol's own names, which are kept.
    """
    tokens = (
        {}
        if usage is None
        else {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
        }
    )
    return {
        **payload,
        "model": model,
        "usage": {**usage_fields, **tokens} or None,
        "choices": [{"index": 0, "finish_reason": finish_reason}],
    }


def text_or_none(value: Any) -> str | None:
    """The value if it is text."""
    return value if isinstance(value, str) else None


def _number(text: str | None) -> float | None:
    try:
        value = None if text is None else float(text)
    except ValueError:
        return None
    return value if value is None or isfinite(value) else None
