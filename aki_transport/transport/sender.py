"""Runs the attempts of a call, and hands out what comes back.

The sync and the async half stand side by side and differ in their I/O alone; what they decide is in `Attempts`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import httpx
from pydantic import SecretStr
from pydantic_core import to_json

from aki_transport.auth import ApiKey, secret_header_values, secret_query_values
from aki_transport.error_parsing import error_from_response, request_id_of
from aki_transport.errors import AKIError, AuthenticationError, ConfigurationError
from aki_transport.redaction import escape_control, redact
from aki_transport.transport.attempts import Attempts
from aki_transport.transport.body import apayloads, aread_body, payloads, read_body
from aki_transport.transport.call import Call, Headers, Read, Start, T, Timeout
from aki_transport.transport.decoder import Payload
from aki_transport.transport.failures import forget_frames, is_failed_call, library_error
from aki_transport.transport.lifetime import HttpEngine, arelease, loop_client, release, running_loop, thread_client
from aki_transport.transport.polling import afollow_job, follow_job
from aki_transport.transport.proxies import proxy_secrets
from aki_transport.transport.retry import retry_after_seconds

_UNAUTHORIZED = 401
_PLACE_THAT_WORKED: dict[str, str] = {}
"""Where the service at a base URL took the key, if not in the first place; servers make a model for each request."""
_NOTHING = httpx.ByteStream(b"")
"""In place of a stream that was closed: httpx's point back at their response, which only the garbage collector ends."""
_DRAIN = 0.25  # seconds for the bytes behind a stream's terminator, so that the connection can be used again


@dataclass(eq=False, repr=False, kw_only=True)
class Transport:
    """Calls to one base URL; see `Client` for the fields."""

    title: str  # the provider's, for messages
    base_url: str
    key: ApiKey
    key_places: tuple[str, ...]  # "bearer", "x-api-key" or "body"; a second one is tried after a 401 of the first
    headers: Headers
    timeout: Timeout
    total_timeout: float | None = None
    max_retries: int = 2
    http_client: httpx.Client | None = None
    http_async_client: httpx.AsyncClient | None = None
    http_engine: HttpEngine = "httpx"
    _urls: dict[str, httpx.URL] = field(default_factory=dict, init=False)

    def run(self, call: Call, start: Start[T], *, deadline: float | None = None) -> Iterator[T]:
        """Send, and give what the decoder makes of each payload as it arrives; the last item is the complete answer.

        Args:
            call: What to send. One that starts a job is followed until the job is done.
            start: Makes the decoder, anew for each attempt.
            deadline: When all of it with its repetitions must be done.

        Raises:
            AKIError: The call failed; before the first payload only after its repetitions.
        """
        return follow_job(self, call, start, deadline=deadline) if call.job else self._run(call, start, deadline)

    def arun(self, call: Call, start: Start[T], *, deadline: float | None = None) -> AsyncGenerator[T, None]:
        """`run`, async."""
        running_loop()
        return afollow_job(self, call, start, deadline=deadline) if call.job else self._arun(call, start, deadline)

    def fetch(self, call: Call, read: Read, *, deadline: float | None) -> Any:
        """Send, and give what `read` makes of the headers and the body; what it raises is a failure of the call."""
        (result,) = self._run(call, partial(_BodyDecoder, read), deadline)
        return result

    async def afetch(self, call: Call, read: Read, *, deadline: float | None) -> Any:
        """`fetch`, async."""
        running_loop()
        (result,) = [each async for each in self._arun(call, partial(_BodyDecoder, read), deadline)]
        return result

    def _run(self, call: Call, start: Start[T], deadline: float | None) -> Iterator[T]:
        attempts = Attempts(self, call, deadline, trusts_connections=self.http_client is None)
        while True:
            try:
                response = self._open(attempts)
                try:
                    decoder = attempts.start(start)
                    batches = payloads(response, stream=call.stream, check_time=attempts.check_of_chunks)
                    try:
                        for payload in chain.from_iterable(batches):
                            item = decoder.feed(payload)
                            attempts.has_begun = True
                            if item is not None:
                                attempts.has_yielded = True
                                yield item
                            if decoder.finished:
                                break
                    except Exception as error:  # noqa: BLE001  judged there
                        attempts.raise_unless_complete(error)
                    yield attempts.end()
                    # A client of the user's has no such bound, and would wait as long as for any chunk.
                    end_by = response.extensions.get("end_by")
                    if call.stream and end_by is not None and attempts.decoder.complete:
                        end_by(time.monotonic() + _DRAIN)
                        for _ in batches:
                            pass
                finally:
                    # At the end of the interpreter all connections are closed, and httpx's `close` crashes Python 3.13.
                    if not sys.is_finalizing():
                        response.close()
                        if self.http_client is None:
                            response.stream = _NOTHING
            except BaseException as error:
                forget_frames(error)
                if not is_failed_call(error):
                    raise
                attempts.failure = _raised_by_hook(call, error) or error
            if attempts.has_ended:
                return
            time.sleep(attempts.next_pause())

    async def _arun(self, call: Call, start: Start[T], deadline: float | None) -> AsyncGenerator[T, None]:
        """`_run`, async."""
        trusted = self.http_async_client is None and self.http_engine == "httpx"
        attempts = Attempts(self, call, deadline, trusts_connections=trusted)
        while True:
            try:
                async with attempts.in_time():
                    response = await self._aopen(attempts)
                try:
                    decoder = attempts.start(start)
                    async with aclosing(apayloads(response, stream=call.stream)) as batches:
                        try:
                            while not decoder.finished:
                                async with attempts.in_time():
                                    batch = await anext(batches, None)
                                if batch is None:
                                    break
                                for payload in batch:
                                    item = decoder.feed(payload)
                                    attempts.has_begun = True
                                    if item is not None:
                                        attempts.has_yielded = True
                                        yield item
                                    if decoder.finished:
                                        break
                        except Exception as error:  # noqa: BLE001  judged there
                            attempts.raise_unless_complete(error)
                        yield attempts.end()
                        if call.stream and attempts.decoder.complete:
                            async with asyncio.timeout(_DRAIN):
                                async for _ in batches:
                                    pass
                finally:
                    await response.aclose()
                    if self.http_async_client is None:
                        response.stream = _NOTHING
            except BaseException as error:
                forget_frames(error)
                if not is_failed_call(error):
                    raise
                attempts.failure = _raised_by_hook(call, error) or error
            if attempts.has_ended:
                return
            await asyncio.sleep(attempts.next_pause())

    def deadline(self) -> float | None:
        """The moment at which a call that begins now must be over; None if there is no end."""
        return None if self.total_timeout is None else time.monotonic() + self.total_timeout

    def close(self) -> None:
        """Let go of the threads' connections, which close with their last user."""
        release(self)

    async def aclose(self) -> None:
        """Let go of this loop's connections, which close with their last user, and of the threads'."""
        await arelease(self)
        release(self)

    def _open(self, attempts: Attempts) -> httpx.Response:
        """Send one attempt; a response with a good status, or its error."""
        client = _check_open(self.http_client) or thread_client(self)
        attempts.key = self.key()
        for place in self._places_of_key(attempts.key):
            request = self._request(self.http_client, attempts, place)
            response = client.send(request, stream=True, follow_redirects=False)
            if attempts.accepts(response):
                self._note_place(place)
                return response
            with closing(response):
                body = read_body(response, attempts.check_of_chunks)
                error = _refusal(attempts.call, response, body)
            if response.status_code != _UNAUTHORIZED:
                break
        raise error

    async def _aopen(self, attempts: Attempts) -> httpx.Response:
        """`_open`, async."""
        client = _check_open(self.http_async_client) or await loop_client(self, self.http_engine)
        attempts.key = await self.key.for_async_call()
        for place in self._places_of_key(attempts.key):
            request = self._request(self.http_async_client, attempts, place)
            response = await client.send(request, stream=True, follow_redirects=False)
            if attempts.accepts(response):
                self._note_place(place)
                return response
            async with aclosing(response):
                error = _refusal(attempts.call, response, await aread_body(response))
            if response.status_code != _UNAUTHORIZED:
                break
        raise error

    def _places_of_key(self, key: SecretStr | None) -> tuple[str, ...]:
        worked = self.key_places[0] if key is None else _PLACE_THAT_WORKED.get(self.base_url)
        return self.key_places if worked is None else (worked,)

    def _note_place(self, place: str) -> None:
        if place != self.key_places[0]:  # a listing may need no key, and tells nothing of the first place
            _PLACE_THAT_WORKED[self.base_url] = place

    def _request(
        self, client: httpx.Client | httpx.AsyncClient | None, attempts: Attempts, key_in: str
    ) -> httpx.Request:
        """One attempt, with what the user's client adds. The key is unwrapped in arguments alone, in no local variable.

        Our own client adds nothing, and so need not be asked.
        """
        call = attempts.call
        headers = {**self.headers, **call.headers, **_key_header(attempts.key, key_in)}
        if call.form is not None:
            headers.pop("content-type", None)  # httpx knows the boundary
        build = httpx.Request if client is None else client.build_request
        return build(
            call.method,
            self._url(call.path) if client is None else self._address(call.path),  # httpx2 takes no URL of httpx
            headers=headers,
            content=self._content(call, attempts.key),
            extensions=attempts.next_request(),
            **(call.form or {}),
        )

    def _address(self, path: str) -> str:
        url, question, query = self.base_url.partition("?")
        return url + path + question + query

    def _url(self, path: str) -> httpx.URL:
        """The address of a path, which is read once: there are as many as endpoints."""
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx.URL(self._address(path))
        return url

    def _content(self, call: Call, key: SecretStr | None) -> bytes | None:
        if call.body is None:
            return None
        try:
            content = to_json(
                call.body
                if key is None or "body" not in self.key_places
                else {**call.body, "key": key.get_secret_value()}
            )
            if b"NaN" in content or b"Infinity" in content:
                json.dumps(call.body, allow_nan=False, default=str)  # tells a number from a text
            return content
        except ValueError as error:
            message = str(error)
        raise ConfigurationError(f"the request cannot be written as JSON: {message}")

    def with_context(self, error: AKIError, call: Call, headers: Headers | None, key: SecretStr | None) -> AKIError:
        """The error with provider and request ID, and without key and tokens should the service echo them."""
        # An error may pass here twice; the first time it has no provider yet.
        is_refused_key = isinstance(error, AuthenticationError) and error.provider is None
        error.provider = error.provider or self.title
        if error.request_id is None and headers is not None:
            error.request_id = request_id_of(headers)
        error.redact((*self._secrets(key), *secret_header_values(call.headers)))
        if is_refused_key:
            error.add_hint(self.key.hint)
        return error

    def without_key(self, text: str) -> str:
        """The text without the key, should the service echo it."""
        return escape_control(redact(text, self._secrets(None)))

    def _secrets(self, key: SecretStr | None) -> tuple[str, ...]:
        if key is None and self.key.function is None:
            key = self.key()
        of_headers = (*secret_query_values(self.base_url), *secret_header_values(self.headers))
        return (*of_headers, *proxy_secrets(), *(() if key is None else (key.get_secret_value(),)))


@dataclass(repr=False)
class _BodyDecoder:
    """Reads an answer that is one body, with a function."""

    read: Read
    headers: Headers
    result: Any = None
    finished = complete = False
    text = ""

    def feed(self, payload: Payload) -> None:
        self.result = self.read(self.headers, payload)

    def end(self) -> Any:
        return self.result


def _key_header(key: SecretStr | None, key_in: str) -> dict[str, str]:
    if key is None or key_in == "body":
        return {}
    if key_in == "bearer":
        return {"authorization": f"Bearer {key.get_secret_value()}"}
    return {key_in: key.get_secret_value()}


def _refusal(call: Call, response: httpx.Response, body: bytes) -> AKIError:
    """The error that a bad status stands for."""
    wait = retry_after_seconds(response.headers, time.time())
    error = error_from_response(response.status_code, response.headers, body, retry_after=wait)
    return error if call.read_error is None else call.read_error(error)


def _raised_by_hook(call: Call, error: BaseException) -> AKIError | None:
    """The error of a bad status, if a hook of the user's client asked for that before we could."""
    response = getattr(error, "response", None) if library_error(error) == "HTTPStatusError" else None
    if response is None:
        return None
    return _refusal(call, response, response.content if response.is_stream_consumed else b"")


def _check_open(client: Any) -> Any:
    """The user's client, if it can still be used."""
    if client is not None and client.is_closed:
        raise ConfigurationError(f"the httpx.{type(client).__name__} that was passed is closed; pass an open one.")
    return client
