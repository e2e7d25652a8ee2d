"""Canned answers on Anthropic's wire: text, whole or streamed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.tools.benchmarks.asking import ANSWER, MODEL, WORDS, wanted
from tests.tools.benchmarks.canned import Written, as_events, as_json


def messages(asked: bytes) -> Written:
    """The answer to a message."""
    return _streamed(wanted(asked.decode()).pieces) if json.loads(asked).get("stream") else _whole()


@cache
def _whole() -> Written:
    usage = {"input_tokens": 21, "output_tokens": 200}
    return as_json(_message([{"type": "text", "text": ANSWER}], "end_turn", usage))


@cache
def _streamed(count: int) -> Written:
    texts = [WORDS[position % len(WORDS)] for position in range(count)]
    return as_events(
        [
            {"type": "message_start", "message": _message([], None, {"input_tokens": 21, "output_tokens": 1})},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            *(
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
                for text in texts
            ),
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": count},
            },
            {"type": "message_stop"},
        ],
        named=True,
    )


def _message(content: list[dict[str, Any]], reason: str | None, usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": "msg_7f3c2a9b51d04e68",
        "type": "message",
        "role": "assistant",
        "content": content,
        "model": MODEL,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }
