"""Calls to bytes to payloads: the only code that sends, sleeps or reads the clock.

`sender` is imported with the first client, for httpx takes longer to import than everything else.
"""

from aki_transport.transport.call import Call, Job, ListenerError, Sender, Timeout, as_timeout
from aki_transport.transport.decoder import Decoder, Payload
from aki_transport.transport.user_clients import HttpAsyncClient, HttpClient, users_client

__all__ = [
    "Call",
    "Decoder",
    "HttpAsyncClient",
    "HttpClient",
    "Job",
    "ListenerError",
    "Payload",
    "Sender",
    "Timeout",
    "as_timeout",
    "users_client",
]
