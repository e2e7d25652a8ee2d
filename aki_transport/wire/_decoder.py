"""What the answers of every protocol have in common while they are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from pydantic_core import from_json

from aki_transport.error_parsing import error_from_payload, is_error, request_id_of
from aki_transport.errors import InvalidResponseError
from aki_transport.messages import Usage
from aki_transport.wire._think_tags import ThinkSplitter

READ = 4096
"""Characters of an answer that an error is made of; its message keeps fewer."""

_BOM = b"\xef\xbb\xbf"
_LARGEST = sys.float_info.max  # whole numbers in JSON may be larger


class AnswerDecoder:
    """Reads one answer.

    Args:
        asked: The model that was asked.
        headers: The answer's headers.
        on_model: Told the model that answers, before anything of its answer is given out.
        empty_is_failure: An answer with no content and 0 completion tokens is a failed worker.
    """

    def __init__(
        self, asked: str, headers: Mapping[str, str], *, on_model: Callable[[str], None], empty_is_failure: bool
    ) -> None:
        self.finished = False
        self.complete = False
        self._asked = asked
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

    def _parsed(self, event: str, data: str | bytes) -> Mapping[str, Any] | None:
        """The payload's object; None if it was cut off in its middle, which only a further one proves wrong.

        Raises:
            APIStatusError: It is an error.
            InvalidResponseError: It is no object in JSON, or the one before it was none.
        """
        if self._broken is not None:
            raise InvalidResponseError(self._broken)
        if not data:
            if event == "body":
                raise InvalidResponseError("the answer is empty")
            return None
        try:
            payload = from_json(data.removeprefix(_BOM) if isinstance(data, bytes) else data)
        except ValueError as error:
            shown = data[:READ] if isinstance(data, str) else data[:READ].decode("utf-8", "replace")
            if event == "error":
                raise error_from_payload({"error": shown}) from None
            self._broken = f"the answer is not JSON ({error}): {shown!r}"
            if event == "body":
                raise InvalidResponseError(self._broken) from None
            return None
        if not isinstance(payload, dict):
            raise InvalidResponseError(f"the answer is {type(payload).__name__}, not an object")
        if event == "error" or is_error(payload):
            raise error_from_payload(payload)
        return payload

    def _served_by(self, model: Any) -> None:
        """Note the model that answers."""
        if model and model != self._model and isinstance(model, str):
            self._on_model(model)
            self._model = model

    def _flush(self) -> tuple[str, str]:
        """The text and the reasoning that were still held back."""
        text, reasoning = self._think.flush()
        if text:
            self._texts.append(text)
        if reasoning:
            self._reasonings.append(reasoning)
        return text, reasoning

    def _around(self) -> dict[str, Any]:
        """What the headers say of the answer."""
        headers = self._headers
        return {
            "request_id": request_id_of(headers),
            "credits_used": _number(headers.get("x-credits-used")),
            "credits_remaining": _number(headers.get("x-credits-remaining")),
        }


def count_in(said: Any, *names: str) -> int | None:
    """The first number of tokens among these fields."""
    found = number_in(said, *names)
    return None if found is None else int(found)


def number_in(said: Any, *names: str) -> float | None:
    """The first finite number among these fields."""
    if said and isinstance(said, dict):
        for name in names:
            value = said.get(name)
            if (type(value) is int or type(value) is float) and -_LARGEST <= value <= _LARGEST:
                return float(value)
    return None


def completed(
    last: Mapping[str, Any], model: str, usage: Usage | None, finish: str | None, *, said: Mapping[str, Any]
) -> Mapping[str, Any]:
    """A protocol's last payload with model, usage and finish reason where readers of OpenAI's answers look for them.

    Args:
        last: The payload.
        model: The model that answered.
        usage: Its tokens.
        finish: Why it stopped, in OpenAI's words.
        said: The tokens in the protocol's own words.
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
        **last,
        "model": model,
        "usage": {**said, **tokens} or None,
        "choices": [{"index": 0, "finish_reason": finish}],
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
