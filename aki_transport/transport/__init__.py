"""Calls to bytes to payloads: connections, retries, deadlines, event streams."""

from aki_transport.transport.call import Call, Timeout
from aki_transport.transport.events import Payload
from aki_transport.transport.sender import Decoder, Transport

__all__ = ["Call", "Decoder", "Payload", "Timeout", "Transport"]
