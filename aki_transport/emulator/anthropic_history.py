"""The messages of an Anthropic request read into turns, or refused."""

import json
from collections.abc import Iterator
from itertools import pairwise, takewhile
from typing import Any

from aki_transport.emulator.anthropic_blocks import plain, read_blocks
from aki_transport.emulator.errors import Refusal
from aki_transport.emulator.prompt import Call, Turn

_Blocks = list[dict[str, Any]]


def read_messages(messages: Any) -> tuple[Turn, ...]:
    """The conversation.

    Raises:
        Refusal: In Anthropic's words, what is wrong with it.
    """
    if not isinstance(messages, list):
        raise Refusal("messages: Input should be a valid list")
    if not messages:
        raise Refusal("messages: at least one message is required")
    read = [_blocks(message, index) for index, message in enumerate(messages)]
    roles = [message["role"] for message in messages]
    if roles[0] != "user":
        raise Refusal('messages: first message must use the "user" role')
    for first, second in pairwise(roles):
        if first == second:
            # Anthropic's own service merges by now; what is taken here is taken everywhere.
            raise Refusal(
                'messages: roles must alternate between "user" and "assistant", '
                f'but found multiple "{first}" roles in a row'
            )
    _check_results(read)
    return tuple(
        turn
        for index, (role, blocks) in enumerate(zip(roles, read, strict=True))
        for turn in (_user(blocks, index) if role == "user" else _assistant(blocks, index))
    )


def _blocks(message: Any, index: int) -> _Blocks:
    at = f"messages.{index}"
    if not isinstance(message, dict):
        raise Refusal(f"{at}: Input should be a valid dictionary")
    for name in ("role", "content"):
        if name not in message:
            raise Refusal(f"{at}.{name}: Field required")
    for name in message:
        if name not in ("role", "content"):
            raise Refusal(f"{at}.{name}: Extra inputs are not permitted")
    role = message["role"]
    if role == "system":
        raise Refusal(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
            'not "system" as an input message role.'
        )
    if role not in ("user", "assistant"):
        raise Refusal(f"{at}.role: Input should be 'user' or 'assistant'")
    blocks = read_blocks(message["content"], role, f"{at}.content")
    if not blocks:
        raise Refusal(f"{at}: all messages must have non-empty content")
    return blocks


def _check_results(read: list[_Blocks]) -> None:
    """Every call has its result, first thing in the next message; every result has its call."""
    seen: set[str] = set()
    for index, (blocks, after) in enumerate(pairwise([[], *read, []]), start=-1):
        called = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if len({*called}) < len(called) or seen & {*called}:
            raise Refusal("messages: `tool_use` ids must be unique")
        seen.update(called)
        answered = [block["tool_use_id"] for block in takewhile(_is_result, after)]
        if missing := [id_ for id_ in called if id_ not in answered]:
            raise Refusal(
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        open_ = list(called)
        for number, block in enumerate(after):
            if not _is_result(block):
                continue
            if block["tool_use_id"] not in open_:
                raise Refusal(
                    f"messages.{index + 1}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )
            open_.remove(block["tool_use_id"])


def _is_result(block: dict[str, Any]) -> bool:
    return bool(block["type"] == "tool_result")


def _user(blocks: _Blocks, index: int) -> Iterator[Turn]:
    for number, block in enumerate(blocks):
        if _is_result(block):
            at = f"messages.{index}.content.{number}.tool_result.content"
            text, images = plain(read_blocks(block.get("content", ""), "tool_result", at), at)
            said = f"Error: {text}" if block.get("is_error") else text
            yield Turn("tool", said, images, call_id=block["tool_use_id"])
    if any(not _is_result(block) for block in blocks):
        yield Turn("user", *plain(blocks, f"messages.{index}.content"))


def _assistant(blocks: _Blocks, index: int) -> Iterator[Turn]:
    text, _ = plain(blocks, f"messages.{index}.content")
    calls = [
        Call(block["id"], block["name"], json.dumps(block["input"], ensure_ascii=False))
        for block in blocks
        if block["type"] == "tool_use"
    ]
    yield Turn("assistant", text, calls=tuple(calls))
