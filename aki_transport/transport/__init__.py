"""Calls to bytes to payloads: connections, retries, deadlines, event streams."""

from aki_transport.transport.call import Call, Form, Job, Timeout, as_timeout
from aki_transport.transport.decoder import Decoder
from aki_transport.transport.events import Payload
from aki_transport.transport.jobs import ListenerError
from aki_transport.transport.pools import HttpAsyncClient, HttpClient, users_client
from aki_transport.transport.sender import Transport

__all__ = [
    "Call",
    "Decoder",
    "Form",
    "HttpAsyncClient",
    "HttpClient",
    "Job",
    "ListenerError",
    "Payload",
    "Timeout",
    "Transport",
    "as_timeout",
    "users_client",
]
