"""Restores the original names of tools in the tool calls of an answer, after they were reduced for the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aki_transport.messages import ChatDelta
from aki_transport.transport import Decoder, OuterDecoder, Payload


class NameDecoder(OuterDecoder):
    """Decodes an answer, with the tools' original names in its calls."""

    def __init__(self, inner: Decoder[ChatDelta], originals: Mapping[str, str]) -> None:
        super().__init__(inner)
        self._originals = originals

    def feed(self, payload: Payload) -> ChatDelta | None:
        """The delta in this payload."""
        delta = self._inner.feed(payload)
        return None if delta is None else self._renamed(delta)

    def end(self) -> ChatDelta:
        """The last delta."""
        return self._renamed(self._inner.end())

    def _renamed(self, delta: ChatDelta) -> ChatDelta:
        names = self._originals
        calls = tuple(call._replace(name=names.get(call.name or "", call.name)) for call in delta.tool_calls)
        if delta.reply is None:
            return delta._replace(tool_calls=calls)
        renamed = tuple(replace(call, name=names.get(call.name, call.name)) for call in delta.reply.tool_calls)
        return delta._replace(tool_calls=calls, reply=replace(delta.reply, tool_calls=renamed))
