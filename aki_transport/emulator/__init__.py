"""A local stand-in for the services: real sockets, deterministic or scripted answers, no key of anyone's."""

from typing import TYPE_CHECKING, Any

from aki_transport.emulator.records import RecordedJob, RecordedRequest
from aki_transport.emulator.respond import answer, http_error, tool_call

if TYPE_CHECKING:
    from aki_transport.emulator.server import Emulator

__all__ = ["Emulator", "RecordedJob", "RecordedRequest", "answer", "http_error", "tool_call"]


def __getattr__(name: str) -> Any:
    # The server needs the packages of the extra; a script can be written without them.
    if name != "Emulator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from aki_transport.emulator.server import Emulator  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"The emulator needs {error.name}: pip install 'aki-integrations[emulator]'", name=error.name
        ) from None
    return Emulator
