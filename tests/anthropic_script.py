"""What a service that speaks Anthropic's protocol says, for a `ScriptServer`: whole or streamed."""

from collections.abc import Mapping
from typing import Any

from tests.script_server import Answer, Request, json_answer, sse
from tests.transport import anthropic_says as claude


def said(request: Request, *blocks: dict[str, Any], stop: str = "end_turn") -> Answer:
    """An answer of these content blocks, in the form that the request asks for."""
    if not request.json.get("stream"):
        return json_answer(claude.message(*blocks, stop=stop))
    events = [event for index, block in enumerate(blocks) for event in _events(index, block)]
    return sse(*claude.streamed(*events, reason=stop), done=False)


def _events(index: int, block: dict[str, Any]) -> list[Mapping[str, Any]]:
    match block:
        case {"type": "thinking", "thinking": str(words), "signature": str(signature)}:
            signed = claude.grow(index, "signature", signature=signature)
            first, *rest = claude.thinking(""), claude.grow(index, "thinking", thinking=words), signed
        case {"type": "text", "text": str(words)}:
            first, *rest = claude.text(""), claude.say(words, index)
        case _:
            first, *rest = (block,)
    return [claude.begin(index, first), *rest, claude.stop(index)]
