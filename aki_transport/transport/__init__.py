"""Calls to bytes to payloads: connections, retries, deadlines, event streams.

What sends is `sender`, imported with the first client that is made: with httpx it takes longer than all the rest.
"""

from aki_transport.transport.call import Call, Form, Job, ListenerError, Timeout, as_timeout
from aki_transport.transport.decoder import Decoder
from aki_transport.transport.payload import Payload
from aki_transport.transport.user_clients import HttpAsyncClient, HttpClient, users_client

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
    "as_timeout",
    "users_client",
]
