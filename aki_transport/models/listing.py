"""The models that a service lists: read once for all threads and tasks of the process, then cached."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from pydantic import SecretStr

from aki_transport.errors import AKIError, AuthenticationError, ConfigurationError, PermissionDeniedError
from aki_transport.providers import Provider
from aki_transport.transport import Call, Payload, Sender

log = logging.getLogger("aki_transport")

LIFETIME = 3600.0
"""Seconds for which a listing is used."""

REREAD_AFTER = 60.0
"""Seconds after which an ID that is missing, or a failure, is a reason to read it again."""

MAX_WAIT = 5.0
"""Seconds that reading it may hold a call up, in all."""


class Listing:
    """One service's models for one key, shared by every client that asks it; `known` is None until they were read."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock = threading.Lock()
        self.known: Mapping[str, int] | None = None
        self._read_at = 0.0
        self._failed_at: float | None = None
        self._error: Exception | None = None
        self._flight: Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def read(
        self,
        fetch: Callable[..., Mapping[str, int]],
        *,
        wanted: str | None = None,
        deadline: float | None = None,
        force: bool = False,
    ) -> None:
        """Read the models if nothing is known, it is old, or the ID `wanted` is missing; with `force` in any case.

        Raises only with `force`. `fetch` must be done at its own `deadline`: that of the call, or after `MAX_WAIT`.
        """
        give_up = min(time.monotonic() + MAX_WAIT, deadline if deadline is not None else float("inf"))
        while force or self._is_due(wanted):
            flight, leads = self._board(None)
            if leads:
                with self._reading(flight, force=force):
                    self._arrived(fetch(deadline=give_up))
                return
            if self._is_led_from_this_thread():
                return
            with suppress(FutureTimeoutError):
                flight.result(timeout=max(give_up - time.monotonic(), 0))
            if not flight.done():
                return
            if force and self._error is not None:
                raise self._error
            force = False

    async def aread(
        self,
        fetch: Callable[..., Awaitable[Mapping[str, int]]],
        *,
        wanted: str | None = None,
        deadline: float | None = None,
        force: bool = False,
    ) -> None:
        """`read`, async."""
        give_up = min(time.monotonic() + MAX_WAIT, deadline if deadline is not None else float("inf"))
        while force or self._is_due(wanted):
            flight, leads = self._board(asyncio.get_running_loop())
            if leads:
                with self._reading(flight, force=force):
                    self._arrived(await fetch(deadline=give_up))
                return
            # Shielded, because a waiter that is cancelled must not cancel the flight of all the others.
            with suppress(TimeoutError):
                async with asyncio.timeout(max(give_up - time.monotonic(), 0)):
                    await asyncio.shield(asyncio.wrap_future(flight))
            if not flight.done():
                return
            if force and self._error is not None:
                raise self._error
            force = False

    def part_from_parent(self) -> None:
        """In the child of a fork: whoever held the lock, or was reading the listing, is not here."""
        self._lock = threading.Lock()
        self._flight = None

    def _is_due(self, wanted: str | None) -> bool:
        now = time.monotonic()
        if self._failed_at is not None and now - self._failed_at < REREAD_AFTER:
            return False
        if self.known is None:
            return True
        age = now - self._read_at
        return age > LIFETIME or (wanted is not None and wanted not in self.known and age > REREAD_AFTER)

    def _board(self, loop: asyncio.AbstractEventLoop | None) -> tuple[Future[None], bool]:
        """The flight under way and False, or a new one and True for its leader."""
        with self._lock:
            if self._flight is not None:
                return self._flight, False
            self._flight = Future()
            self._loop = loop
            return self._flight, True

    @contextmanager
    def _reading(self, flight: Future[None], *, force: bool) -> Iterator[None]:
        """Around the leader's reading: keeps its error, and lets all who wait for the flight go on."""
        try:
            yield
        except Exception as error:  # a test's mock may raise anything
            self._failed(error)
            if force:
                raise
        finally:
            with self._lock:
                self._flight = None
                self._loop = None
            flight.set_result(None)

    def _is_led_from_this_thread(self) -> bool:
        """Whether the leader is a task of the loop that this blocking call holds up: waiting would be in vain."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _arrived(self, models: Mapping[str, int]) -> None:
        self.known = models
        self._read_at = time.monotonic()
        self._failed_at = None
        self._error = None

    def _failed(self, error: Exception) -> None:
        first = self._failed_at is None
        self._failed_at = time.monotonic()
        self._error = error
        log.info("the model listing could not be read: %s", error)
        # What the call itself will say need not be said twice; and a mock that knows no listing is no failure.
        if first and isinstance(error, AKIError) and not isinstance(error, AuthenticationError | PermissionDeniedError):
            warnings.warn(
                f"{self._title}: the model listing could not be read, the built-in table serves instead. {error}",
                UserWarning,
                stacklevel=2,
            )


@dataclass(repr=False, eq=False, kw_only=True)
class ServiceListing:
    """The listing of the service that one client talks to.

    `call` asks for it and `parse` reads the answer; unless `is_read`, it is read only by force.
    """

    provider: Provider
    base_url: str
    key: Callable[[], SecretStr | None]
    call: Call
    parse: Callable[[str | bytes], Mapping[str, int]]
    transport: Sender
    is_read: bool
    _shared: Listing | None = field(default=None, init=False)

    @property
    def known(self) -> Mapping[str, int] | None:
        """The models, if they were read; never asks the service."""
        try:
            return self._listing().known
        except ConfigurationError:
            return None  # there is no key yet, so nothing can have been read with it

    def read(self, *, wanted: str | None = None, deadline: float | None = None, force: bool = False) -> None:
        """Read the models where that is due; see `Listing.read`."""
        if self.is_read or force:
            fetch = partial(self.transport.fetch, self.call, self._read_body)
            self._listing().read(fetch, wanted=wanted, deadline=deadline, force=force)

    async def aread(self, *, wanted: str | None = None, deadline: float | None = None, force: bool = False) -> None:
        """`read`, async."""
        if self.is_read or force:
            fetch = partial(self.transport.afetch, self.call, self._read_body)
            await self._listing().aread(fetch, wanted=wanted, deadline=deadline, force=force)

    def _read_body(self, _: Mapping[str, str], body: Payload) -> Mapping[str, int]:
        return self.parse(body.data)

    def _listing(self) -> Listing:
        if self._shared is None:
            key = self.key()
            digest = "" if key is None else hashlib.blake2b(key.get_secret_value().encode()).hexdigest()
            with _lock:
                name = (self.provider.name, self.base_url, digest)
                self._shared = _listings.setdefault(name, Listing(self.provider.title))
        return self._shared


_listings: dict[tuple[str, str, str], Listing] = {}
"""The listing of each provider, base URL and key in this process."""

_lock = threading.Lock()


def _part_from_parent() -> None:
    """In the child of a fork: take locks that nobody holds."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    for listing in _listings.values():
        listing.part_from_parent()


if hasattr(os, "register_at_fork"):  # not everywhere; where it is missing, so is the fork
    os.register_at_fork(after_in_child=_part_from_parent)


def forget_listings() -> None:
    """Forget everything read, as if the process had just started."""
    with _lock:
        _listings.clear()
