"""`Payload` and the protocol `Decoder`: each wire has decoders of its own, and the transport feeds them."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Payload(NamedTuple):
    """One message of a service: an event of a stream, or a complete body under the name `"body"`."""

    event: str
    data: str | bytes

    def __repr__(self) -> str:
        # Tools that print the variables of a traceback call this; a service may echo the key in the data.
        return f"Payload({self.event!r}, {len(self.data)} long)"


class Decoder(Protocol[T_co]):
    """Reads the payloads of one answer: the body, the events of a stream, or the states of a job."""

    @property
    def finished(self) -> bool:
        """The stream's terminator was read; nothing more will follow."""

    @property
    def complete(self) -> bool:
        """The answer is complete, even if the connection breaks now."""

    def feed(self, payload: Payload) -> T_co | None:
        """What this payload adds, if anything."""

    def end(self) -> T_co:
        """The last item, with the complete answer; raises if the answer is not complete."""

    @property
    def text(self) -> str:
        """The text so far."""
