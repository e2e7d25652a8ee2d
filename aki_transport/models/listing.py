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
from dataclasses import dataclass, replace
from functools import cached_property

from aki_transport.auth import ApiKey
from aki_transport.errors import (
    AKIError,
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from aki_transport.models.catalog import Limits, Listing
from aki_transport.providers import PROVIDERS, Provider
from aki_transport.transport import Call, Payload, Sender

log = logging.getLogger("aki_transport")

LIFETIME = 3600.0  # seconds for which a listing is used
REREAD_AFTER = 60.0  # seconds after which an ID that is missing, or a failure, is a reason to read it again
MAX_WAIT = 5.0  # seconds that reading it may hold a call up, in all

# A service that was not reached, or a key that was wrong.
_TEMPORARY = (APIConnectionError, AuthenticationError, PermissionDeniedError, RateLimitError, ServerError)


class SharedListing:
    """One service's models for one key, shared by every client that asks it; `known` is None until they were read."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._lock = threading.Lock()
        self.known: Listing | None = None
        self._read_at = 0.0
        self._failed_at: float | None = None
        self._retry_after = REREAD_AFTER
        self._reading: Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def read(self, fetch: Callable[[float], Listing], wanted: str | None, deadline: float | None) -> None:
        """Read the models if nothing is known, it is old, or the ID `wanted` is missing; never raises.

        `fetch` must be done at the moment that it is told: the call's deadline, or after `MAX_WAIT`.
        """
        give_up = end_of_wait(deadline)
        while self._is_due(wanted):
            reading, is_ours = self._join_or_start(None)
            if is_ours:
                with self._our_reading(reading):
                    self.keep(fetch(give_up))
                return
            if self._is_read_by_this_loop():
                return
            with suppress(FutureTimeoutError):
                reading.result(timeout=give_up - time.monotonic())
            if not reading.done():
                return

    async def aread(
        self, fetch: Callable[[float], Awaitable[Listing]], wanted: str | None, deadline: float | None
    ) -> None:
        """`read`, async."""
        from aki_transport.transport.lifetime import running_loop  # noqa: PLC0415  httpx comes with the first call

        loop = running_loop()
        give_up = end_of_wait(deadline)
        while self._is_due(wanted):
            reading, is_ours = self._join_or_start(loop)
            if is_ours:
                with self._our_reading(reading):
                    self.keep(await fetch(give_up))
                return
            # Shielded: a waiter that is cancelled must not cancel the reading for all the others.
            with suppress(TimeoutError):
                async with asyncio.timeout(give_up - time.monotonic()):
                    await asyncio.shield(asyncio.wrap_future(reading))
            if not reading.done():
                return

    def _is_due(self, wanted: str | None) -> bool:
        now = time.monotonic()
        if self._failed_at is not None and now - self._failed_at < self._retry_after:
            return False
        if self.known is None:
            return True
        age = now - self._read_at
        return age > LIFETIME or (wanted is not None and wanted not in self.known and age > REREAD_AFTER)

    def _join_or_start(self, loop: asyncio.AbstractEventLoop | None) -> tuple[Future[None], bool]:
        """The reading that is under way, or a new one; True for whoever has to do the new one."""
        with self._lock:
            if self._reading is not None:
                return self._reading, False
            self._reading = Future()
            self._loop = loop
            return self._reading, True

    @contextmanager
    def _our_reading(self, reading: Future[None]) -> Iterator[None]:
        """Around a reading of ours: notes its failure, and lets all who wait for it go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  a test's mock may raise anything
            self._note_failure(error)
        finally:
            with self._lock:
                self._reading = None
                self._loop = None
            reading.set_result(None)

    def _is_read_by_this_loop(self) -> bool:
        """Whether a task of the loop that this blocking call holds up is reading: waiting for it would be in vain."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def keep(self, models: Listing) -> None:
        """Keep what was read now."""
        self.known = models
        self._read_at = time.monotonic()
        self._failed_at = None

    def _note_failure(self, error: Exception) -> None:
        first = self._failed_at is None
        self._failed_at = time.monotonic()
        log.debug("the models of %s could not be read: %s", self._provider.title, error)
        if self._provider.fallback_model is None:
            # A service without a listing is asked once; one that was not reached may have been starting.
            self._retry_after = (
                LIFETIME if isinstance(error, APITimeoutError) or not isinstance(error, _TEMPORARY) else REREAD_AFTER
            )
            return
        # A wrong key is reported by the call itself, and a test's mock without a listing is no failure.
        if first and isinstance(error, AKIError) and not isinstance(error, AuthenticationError | PermissionDeniedError):
            problem = f"the model listing could not be read, the built-in table serves instead. {error}"
            warnings.warn(f"{self._provider.title}: {problem}", UserWarning, stacklevel=2)


def end_of_wait(deadline: float | None = None) -> float:
    """The moment at which a reading that begins now must be over."""
    wait = time.monotonic() + MAX_WAIT
    return wait if deadline is None else min(wait, deadline)


@dataclass(repr=False, eq=False, kw_only=True)
class ServiceListing:
    """The listing of the service that one client talks to.

    `call` asks for it and `parse` reads the answer; unless `is_read`, only `refresh` reads it.
    """

    provider: Provider
    base_url: str
    key: ApiKey
    call: Call
    parse: Callable[[str | bytes], Listing]
    transport: Sender
    is_read: bool

    @property
    def known(self) -> Listing | None:
        """The models, if they were read; never asks the service."""
        try:
            return self._listing().known
        except ConfigurationError:
            return None  # there is no key yet, so nothing can have been read with it

    def read(self, wanted: str | None = None, deadline: float | None = None) -> None:
        """Read the models where that is due; see `SharedListing.read`."""
        if self.is_read:
            self._listing().read(self._fetch, wanted, deadline)

    async def aread(self, wanted: str | None = None, deadline: float | None = None) -> None:
        """`read`, async."""
        if self.is_read:
            await self._listing().aread(self._afetch, wanted, deadline)

    def refresh(self) -> None:
        """Read the models now; raises `AKIError` if that fails."""
        self._listing().keep(self._fetch(end_of_wait()))

    async def arefresh(self) -> None:
        """`refresh`, async."""
        self._listing().keep(await self._afetch(end_of_wait()))

    def _fetch(self, deadline: float) -> Listing:
        models: Listing = self.transport.fetch(self.call, self._read_body, deadline=deadline)
        details = self._call_for_limits(models)
        if details is not None:
            with suppress(Exception):
                return {**models, **self.transport.fetch(details, self._read_body, deadline=deadline)}
        return models

    async def _afetch(self, deadline: float) -> Listing:
        models: Listing = await self.transport.afetch(self.call, self._read_body, deadline=deadline)
        details = self._call_for_limits(models)
        if details is not None:
            with suppress(Exception):
                return {**models, **await self.transport.afetch(details, self._read_body, deadline=deadline)}
        return models

    def _call_for_limits(self, models: Listing) -> Call | None:
        """The call that LiteLLM answers with its models' limits, for a user's own service whose listing has none."""
        is_told = self.provider in PROVIDERS.values() or any(limits != Limits() for limits in models.values())
        path = self.call.path.removesuffix("/models")
        return None if is_told or path == self.call.path else replace(self.call, path=f"{path}/model/info")

    def _read_body(self, _: Mapping[str, str], body: Payload) -> Listing:
        return self.parse(body.data)

    @cached_property
    def _place(self) -> tuple[str, str, str]:
        """Where the listing is kept: by the key, which function returns it, or a hash of it."""
        if self.key.function is not None:
            digest = f"function {id(self.key.function)}"
        else:
            key = self.key()
            digest = "" if key is None else hashlib.blake2b(key.get_secret_value().encode()).hexdigest()
        return self.provider.name, self.base_url, digest

    def _listing(self) -> SharedListing:
        # A dict does this in one step, so that two threads get the same one.
        return _listings.get(self._place) or _listings.setdefault(self._place, SharedListing(self.provider))


_listings: dict[tuple[str, str, str], SharedListing] = {}
"""The listing of each provider, base URL and key in this process."""


def forget_listings() -> None:
    """Forget everything read, as if the process had just started."""
    _listings.clear()


if hasattr(os, "register_at_fork"):  # missing where there is no fork
    os.register_at_fork(after_in_child=forget_listings)  # another thread may have been reading one
