"""Where requests go: to a provider's own address, as cassettes show it, or to the emulator that plays it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator
from tests.behaviour.faces import FACES, Face

PLACES: dict[str, Face] = {face.name: face for face in FACES}

SCRUBBED = "SCRUBBED"
"""In a cassette in place of every secret; so it is also the key with which cassettes are played."""

_TLS = httpx.create_ssl_context()  # making one takes longer than a test


def own_url(face: Face) -> str:
    """The provider's own address."""
    return PROVIDERS[face.provider].route(face.protocol).base_url


def live_key(face: Face) -> str | None:
    """The key that the environment has for the service."""
    found = (os.environ.get(name, "").strip() for name in PROVIDERS[face.provider].key_variables)
    return next(filter(None, found), None)


def clients(before: Callable[[str], None]) -> dict[str, Any]:
    """Two httpx clients that count what is sent.

    Args:
        before: Called with the address of each request before it is sent; not of those that a cassette answers.
    """

    def step(request: httpx.Request, name: str, _: Any) -> None:
        if name.endswith("send_request_headers.started"):
            before(str(request.url))

    def trace(request: httpx.Request) -> None:
        request.extensions["trace"] = partial(step, request)

    async def atrace(request: httpx.Request) -> None:
        async def astep(name: str, about: Any) -> None:
            step(request, name, about)

        request.extensions["trace"] = astep

    common = {"verify": _TLS, "trust_env": False, "limits": httpx.Limits(max_keepalive_connections=0)}
    return {
        "http_client": httpx.Client(**common, event_hooks={"request": [trace]}),
        "http_async_client": httpx.AsyncClient(**common, event_hooks={"request": [atrace]}),
    }


def replayed(face: Face) -> dict[str, Any]:
    """The arguments of every class with which a cassette answers in place of the service."""
    return {"provider": face.provider, "protocol": face.protocol, "api_key": SCRUBBED}


@contextmanager
def steady_emulator() -> Iterator[Emulator]:
    """An emulator on whose clock one second passes with every look at it, so that jobs take as many polls each time."""
    emulator = Emulator()
    seconds = iter(range(10**6))
    emulator._jobs._clock = lambda: float(next(seconds))
    with emulator:
        yield emulator
