"""The models that a service lists: read once for all threads and tasks of the process, then cached."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress

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
    """One service's models for one key, shared by every client that asks it.

    Args:
        title: The provider's name in the warning.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock = threading.Lock()
        self._models: Mapping[str, int] | None = None
        self._read_at = 0.0
        self._failed_at: float | None = None
        self._error: Exception | None = None
        self._reading: Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def known(self) -> Mapping[str, int] | None:
        """What was read, without reading; None if nothing was."""
        return self._models

    def read(
        self,
        fetch: Callable[[float], Mapping[str, int]],
        *,
        wanted: str | None = None,
        deadline: float | None = None,
        force: bool = False,
    ) -> Mapping[str, int] | None:
        """The models; reads them if nothing is known, it is old, or `wanted` is missing. Raises only with `force`.

        Args:
            fetch: Asks the service; takes the moment at which it must be done.
            wanted: The ID that is looked for.
            deadline: When the call that needs the listing must be done; `MAX_WAIT` bounds it in any case.
            force: Read now, and raise if that fails.
        """
        give_up = min(time.monotonic() + MAX_WAIT, deadline if deadline is not None else float("inf"))
        while force or self._is_due(wanted):
            reading, is_ours = self._join_or_start(None)
            if not is_ours:
                if self._is_read_by_this_loop():
                    break
                with suppress(FutureTimeoutError):
                    reading.result(timeout=max(give_up - time.monotonic(), 0))
                if not reading.done():
                    break
                if force and self._error is not None:
                    raise self._error
                force = False
                continue
            try:
                self._keep(fetch(give_up))
            except Exception as error:  # a test's mock may raise anything
                self._note_failure(error)
                if force:
                    raise
            finally:
                self._finish(reading)
            break
        return self._models

    async def aread(
        self,
        fetch: Callable[[float], Awaitable[Mapping[str, int]]],
        *,
        wanted: str | None = None,
        deadline: float | None = None,
        force: bool = False,
    ) -> Mapping[str, int] | None:
        """`read`, async."""
        give_up = min(time.monotonic() + MAX_WAIT, deadline if deadline is not None else float("inf"))
        while force or self._is_due(wanted):
            reading, is_ours = self._join_or_start(asyncio.get_running_loop())
            if not is_ours:
                # Shielded: a waiter that is cancelled must not cancel the reading for all the others.
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(give_up - time.monotonic(), 0)):
                        await asyncio.shield(asyncio.wrap_future(reading))
                if not reading.done():
                    break
                if force and self._error is not None:
                    raise self._error
                force = False
                continue
            try:
                self._keep(await fetch(give_up))
            except Exception as error:  # a test's mock may raise anything
                self._note_failure(error)
                if force:
                    raise
            finally:
                self._finish(reading)
            break
        return self._models

    def forget_parent(self) -> None:
        """In the child of a fork, where no other thread holds the lock or reads the listing."""
        self._lock = threading.Lock()
        self._reading = None

    def _is_due(self, wanted: str | None) -> bool:
        now = time.monotonic()
        if self._failed_at is not None and now - self._failed_at < REREAD_AFTER:
            return False
        if self._models is None:
            return True
        age = now - self._read_at
        return age > LIFETIME or (wanted is not None and wanted not in self._models and age > REREAD_AFTER)

    def _join_or_start(self, loop: asyncio.AbstractEventLoop | None) -> tuple[Future[None], bool]:
        """The reading that is under way, or a new one; True for whoever has to do the new one."""
        with self._lock:
            if self._reading is not None:
                return self._reading, False
            self._reading = Future()
            self._loop = loop
            return self._reading, True

    def _finish(self, reading: Future[None]) -> None:
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

    def _keep(self, models: Mapping[str, int]) -> None:
        self._models = models
        self._read_at = time.monotonic()
        self._failed_at = None
        self._error = None

    def _note_failure(self, error: Exception) -> None:
        first = self._failed_at is None
        self._failed_at = time.monotonic()
        self._error = error
        log.info("the model listing could not be read: %s", error)
        # A wrong key is reported by the call itself, and a test's mock without a listing is no failure.
        if first and isinstance(error, AKIError) and not isinstance(error, AuthenticationError | PermissionDeniedError):
            warnings.warn(
                f"{self._title}: the model listing could not be read, the built-in table serves instead. {error}",
                UserWarning,
                stacklevel=2,
            )


class ServiceListing:
    """The listing of the service that one client talks to.

    Args:
        provider: The service.
        base_url: Where it is.
        key: Returns the key.
        call: Asks for the listing.
        parse: Makes the models out of the answer's body.
        transport: Sends the call.
        is_read: False: the listing is never read.
    """

    def __init__(
        self,
        provider: Provider,
        base_url: str,
        *,
        key: Callable[[], SecretStr | None],
        call: Call,
        parse: Callable[[str | bytes], Mapping[str, int]],
        transport: Sender,
        is_read: bool,
    ) -> None:
        self._provider = provider
        self._base_url = base_url
        self._key = key
        self._call = call
        self._parse = parse
        self._transport = transport
        self._is_read = is_read
        self._shared: Listing | None = None

    @property
    def known(self) -> Mapping[str, int] | None:
        """The models, if they were read; never asks the service."""
        try:
            return self._listing().known
        except ConfigurationError:
            return None  # there is no key yet, so nothing can have been read with it

    def read(self, *, wanted: str | None = None, deadline: float | None = None, force: bool = False) -> None:
        """Read the models where that is due; see `Listing.read`."""
        if self._is_read or force:
            self._listing().read(self._fetch, wanted=wanted, deadline=deadline, force=force)

    async def aread(self, *, wanted: str | None = None, deadline: float | None = None, force: bool = False) -> None:
        """`read`, async."""
        if self._is_read or force:
            await self._listing().aread(self._afetch, wanted=wanted, deadline=deadline, force=force)

    def _fetch(self, deadline: float) -> Mapping[str, int]:
        models: Mapping[str, int] = self._transport.fetch(self._call, self._read_body, deadline=deadline)
        return models

    async def _afetch(self, deadline: float) -> Mapping[str, int]:
        models: Mapping[str, int] = await self._transport.afetch(self._call, self._read_body, deadline=deadline)
        return models

    def _read_body(self, _: Mapping[str, str], body: Payload) -> Mapping[str, int]:
        return self._parse(body.data)

    def _listing(self) -> Listing:
        if self._shared is None:
            key = self._key()
            digest = "" if key is None else hashlib.blake2b(key.get_secret_value().encode()).hexdigest()
            self._shared = listing_for(self._provider.name, self._provider.title, self._base_url, digest)
        return self._shared


_listings: dict[tuple[str, str, str], Listing] = {}
_lock = threading.Lock()


def listing_for(provider: str, title: str, base_url: str, key_digest: str) -> Listing:
    """The listing of this provider, base URL and key, shared by the process."""
    name = (provider, base_url, key_digest)
    with _lock:
        return _listings.setdefault(name, Listing(title))


def _forget_parent() -> None:
    """In the child of a fork: take locks that no thread holds."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    for listing in _listings.values():
        listing.forget_parent()


if hasattr(os, "register_at_fork"):  # missing where there is no fork
    os.register_at_fork(after_in_child=_forget_parent)


def forget_listings() -> None:
    """Forget everything read, as if the process had just started."""
    with _lock:
        _listings.clear()
