"""A local stand-in for the services: real sockets, deterministic answers, no key of anyone's."""

from aki_transport.emulator.jobs import JobSeen
from aki_transport.emulator.record import Seen
from aki_transport.emulator.server import Emulator

__all__ = ["Emulator", "JobSeen", "Seen"]
