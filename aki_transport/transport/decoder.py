"""What reads the payloads of an answer. Each wire has its own; the transport only feeds it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from aki_transport.transport.payload import Payload

T_co = TypeVar("T_co", covariant=True)


class Decoder(Protocol[T_co]):
    """What reads an answer's payloads, the events of a stream or the states of a job; a fresh one for each attempt."""

    @property
    def finished(self) -> bool:
        """The stream's terminator was read; nothing more will follow."""

    @property
    def complete(self) -> bool:
        """The answer is whole, even if the stream should break off now."""

    def feed(self, payload: Payload) -> T_co | None:
        """What this payload adds, if anything."""

    def end(self) -> T_co:
        """The last item, with the whole answer; raises if the answer is not whole."""

    @property
    def text(self) -> str:
        """The text so far."""
