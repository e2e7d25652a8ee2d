"""Runs the attempts of a call, and hands out what comes back.

The sync and the async half stand side by side and differ in their I/O alone; what they decide is in `Attempts`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, closing
from itertools import chain
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr
from pydantic_core import to_json

from aki_transport.auth import ApiKey, secret_header_values, secret_query_values
from aki_transport.error_parsing import error_from_response, request_id_of
from aki_transport.errors import AKIError, AuthenticationError, ConfigurationError, ServerError
from aki_transport.redaction import escape_control, redact
from aki_transport.transport import polling
from aki_transport.transport.attempts import Attempts
from aki_transport.transport.body import apayloads, aread_error_body, payloads, read_error_body
from aki_transport.transport.call import Call, Read, Timeout
from aki_transport.transport.decoder import Decoder, Payload
from aki_transport.transport.failures import forget_frames, is_failed_call
from aki_transport.transport.lifetime import HttpEngine, arelease, loop_client, release, running_loop, thread_client
from aki_transport.transport.proxies import proxy_secrets
from aki_transport.transport.retry import retry_after_seconds

T = TypeVar("T")

_UNAUTHORIZED = 401
_PLACE_THAT_WORKED: dict[str, str] = {}
"""Where the service at a base URL took the key, if not in the first place; servers make a model for each request."""
_DRAIN = 0.25  # seconds for the bytes behind a stream's terminator, so that the connection can be used again


class Transport:
    """Calls to one base URL.

    Args:
        title: The provider's name in messages.
        base_url: Where paths start.
        key: Returns the key at each attempt; None where the service takes none.
        key_places: `"bearer"`, `"x-api-key"` or `"body"`; a second one is tried after a 401 of the first.
        headers: Sent with every call.
        timeout: Bounds on single waits.
        total_timeout: Seconds for a whole call with its repetitions; None is no bound.
        max_retries: Attempts after the first.
        http_client: The user's own client, never closed here.
        http_async_client: The user's own async client, never closed here.
        http_engine: What carries async calls: `"httpx"` or `"aiohttp"`.
    """

    def __init__(
        self,
        *,
        title: str,
        base_url: str,
        key: ApiKey,
        key_places: tuple[str, ...],
        headers: Mapping[str, str],
        timeout: Timeout,
        total_timeout: float | None = None,
        max_retries: int = 2,
        http_client: httpx.Client | None = None,
        http_async_client: httpx.AsyncClient | None = None,
        http_engine: HttpEngine = "httpx",
    ) -> None:
        self.title = title
        self.base_url = base_url
        self.timeout = timeout
        self.total_timeout = total_timeout
        self.max_retries = max_retries
        self._url, question, query = base_url.partition("?")
        self._query = question + query
        self._key = key
        self._key_places = key_places
        self._headers = dict(headers)
        self._secret_headers = (*secret_query_values(base_url), *secret_header_values(headers))
        self._form_headers = {name: value for name, value in headers.items() if name != "content-type"}
        self._http_client = http_client
        self._http_async_client = http_async_client
        self._http_engine = http_engine

    @property
    def has_async_client(self) -> bool:
        """Whether async calls go through a client of the user's."""
        return self._http_async_client is not None

    def run(
        self, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], *, deadline: float | None = None
    ) -> Iterator[T]:
        """Send, and give what the decoder makes of each payload as it arrives; the last item is the complete answer.

        Args:
            call: What to send. One that starts a job is followed until the job is done.
            start: Makes the decoder from the answer's headers, anew for each attempt.
            deadline: When all of it with its repetitions must be done, by `deadline`.

        Raises:
            AKIError: The call failed; before the first payload only after its repetitions.
        """
        return polling.run(self, call, start, deadline=deadline) if call.job else self._run(call, start, deadline)

    def arun(
        self, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], *, deadline: float | None = None
    ) -> AsyncGenerator[T, None]:
        """`run`, async."""
        running_loop()
        return polling.arun(self, call, start, deadline=deadline) if call.job else self._arun(call, start, deadline)

    def fetch(self, call: Call, read: Read, *, deadline: float | None) -> Any:
        """Send, and give what `read` makes of the headers and the body; what it raises is a failure of the call."""
        (result,) = self._run(call, lambda headers: _BodyDecoder(headers, read), deadline)
        return result

    async def afetch(self, call: Call, read: Read, *, deadline: float | None) -> Any:
        """`fetch`, async."""
        (result,) = [each async for each in self._arun(call, lambda headers: _BodyDecoder(headers, read), deadline)]
        return result

    def _run(self, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], deadline: float | None) -> Iterator[T]:
        attempts = Attempts(self, call, deadline, trusts_connections=self._http_client is None)
        while True:
            try:
                response = self._open(attempts)
                try:
                    decoder = attempts.decoder = start(response.headers)
                    batches = payloads(response, stream=call.stream)
                    try:
                        for payload in chain.from_iterable(batches):
                            item = decoder.feed(payload)
                            attempts.has_begun = True
                            if item is not None:
                                attempts.has_yielded = True
                                yield item
                            if decoder.finished:
                                break
                            if call.stream:  # a body that was read is not thrown away
                                attempts.check_time()
                    except Exception as error:  # noqa: BLE001  judged there
                        attempts.raise_unless_complete(decoder, error)
                    last = _end(decoder, attempts)
                    attempts.has_ended = True
                    yield last
                    # A client of the user's has no such bound, and would wait as long as for any chunk.
                    end_by = response.extensions.get("end_by")
                    if end_by is not None and decoder.complete:
                        end_by(time.monotonic() + _DRAIN)
                        for _ in batches:
                            pass
                finally:
                    # At the end of the interpreter all connections are closed, and httpx's `close` crashes Python 3.13.
                    if not sys.is_finalizing():
                        response.close()
            except BaseException as error:
                forget_frames(error)
                if not is_failed_call(error):
                    raise
                attempts.failure = error
            if attempts.has_ended:
                return
            time.sleep(attempts.next_pause())

    async def _arun(
        self, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], deadline: float | None
    ) -> AsyncGenerator[T, None]:
        """`_run`, async."""
        trusted = self._http_async_client is None and self._http_engine == "httpx"
        attempts = Attempts(self, call, deadline, trusts_connections=trusted)
        while True:
            try:
                async with asyncio.timeout(attempts.remaining()):
                    response = await self._aopen(attempts)
                try:
                    decoder = attempts.decoder = start(response.headers)
                    batches = apayloads(response, stream=call.stream)
                    if deadline is not None:
                        batches = _until(attempts, batches)
                    async with aclosing(batches):
                        try:
                            async for batch in batches:
                                for payload in batch:
                                    item = decoder.feed(payload)
                                    attempts.has_begun = True
                                    if item is not None:
                                        attempts.has_yielded = True
                                        yield item
                                    if decoder.finished:
                                        break
                                if decoder.finished:
                                    break
                        except Exception as error:  # noqa: BLE001  judged there
                            attempts.raise_unless_complete(decoder, error)
                        last = _end(decoder, attempts)
                        attempts.has_ended = True
                        yield last
                        if decoder.complete:
                            await _drain(batches)
                except GeneratorExit:
                    # A loop that shuts down closes the generators around this one too, which must not find it waiting.
                    response.extensions.get("abandon", _nothing)()
                    raise
                finally:
                    await response.aclose()
            except BaseException as error:
                forget_frames(error)
                if not is_failed_call(error):
                    raise
                attempts.failure = error
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
        client = _check_open(self._http_client) or thread_client(self)
        attempts.key = self._key()
        places = self._places_of_key(attempts.key)
        for place in places:
            response = client.send(self._request(client, attempts, place), stream=True, follow_redirects=False)
            if attempts.accepts(response.status_code, response.headers):
                if place != places[0]:  # a listing may need no key, and tells nothing of the first place
                    _PLACE_THAT_WORKED[self.base_url] = place
                break
            with closing(response):
                if response.status_code != _UNAUTHORIZED or place == places[-1]:
                    raise _refusal(attempts.call, response, read_error_body(response))
        return response

    async def _aopen(self, attempts: Attempts) -> httpx.Response:
        """`_open`, async."""
        client = _check_open(self._http_async_client) or await loop_client(self, self._http_engine)
        attempts.key = await self._key.for_async_call()
        places = self._places_of_key(attempts.key)
        for place in places:
            response = await client.send(self._request(client, attempts, place), stream=True, follow_redirects=False)
            if attempts.accepts(response.status_code, response.headers):
                if place != places[0]:  # a listing may need no key, and tells nothing of the first place
                    _PLACE_THAT_WORKED[self.base_url] = place
                break
            async with aclosing(response):
                if response.status_code != _UNAUTHORIZED or place == places[-1]:
                    raise _refusal(attempts.call, response, await aread_error_body(response))
        return response

    def _places_of_key(self, key: SecretStr | None) -> tuple[str, ...]:
        """Where to send the key, one after the other."""
        if key is None or len(self._key_places) == 1:
            return self._key_places[:1]
        worked = _PLACE_THAT_WORKED.get(self.base_url)
        return self._key_places if worked is None else (worked,)

    def _request(self, client: httpx.Client | httpx.AsyncClient, attempts: Attempts, key_in: str) -> httpx.Request:
        """One attempt. The key is unwrapped in its arguments alone, so that no local variable holds it."""
        call, form = attempts.call, attempts.call.form
        headers, body = (self._headers, {}) if form is None else (self._form_headers, form)
        return client.build_request(
            call.method,
            self._url + call.path + self._query,  # a text, for httpx2 takes no URL of httpx
            headers={**headers, **call.headers, **_key_header(attempts.key, key_in)},
            content=self._content(call, attempts.key),
            extensions=attempts.next_attempt(),
            **body,
        )

    def _content(self, call: Call, key: SecretStr | None) -> bytes | None:
        if call.body is None:
            return None
        try:
            content = to_json(
                call.body
                if key is None or "body" not in self._key_places
                else {**call.body, "key": key.get_secret_value()}
            )
            if b"NaN" in content or b"Infinity" in content:
                json.dumps(call.body, allow_nan=False, default=str)  # tells a number from a text
            return content
        except ValueError as error:
            message = str(error)
        raise ConfigurationError(f"the request cannot be written as JSON: {message}")

    def with_context(
        self,
        error: AKIError,
        headers: Mapping[str, str] | None,
        key: SecretStr | None = None,
        call_headers: Mapping[str, str] | None = None,
    ) -> AKIError:
        """The error with provider and request ID, and without key and tokens should the service echo them."""
        # An error may pass here twice; the first time it has no provider yet.
        is_refused_key = isinstance(error, AuthenticationError) and error.provider is None
        error.provider = error.provider or self.title
        if error.request_id is None and headers is not None:
            error.request_id = request_id_of(headers)
        error.redact((*self._secrets(key), *secret_header_values(call_headers or {})))
        if is_refused_key:
            error.add_hint(self._key.hint)
        return error

    def without_key(self, text: str) -> str:
        """The text without the key, should the service echo it."""
        return escape_control(redact(text, self._secrets(None)))

    def _secrets(self, key: SecretStr | None) -> tuple[str, ...]:
        if key is None and self._key.function is None:
            key = self._key()
        return (*self._secret_headers, *proxy_secrets(), *(() if key is None else (key.get_secret_value(),)))


class _BodyDecoder:
    """Reads an answer that is one body, with a function."""

    finished = complete = False
    text = ""

    def __init__(self, headers: Mapping[str, str], read: Read) -> None:
        self._headers = headers
        self._read = read
        self._result: Any = None

    def feed(self, payload: Payload) -> None:
        """Read the body."""
        self._result = self._read(self._headers, payload)

    def end(self) -> Any:
        """The result."""
        return self._result


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


def _end(decoder: Decoder[T], attempts: Attempts) -> T:
    """The complete answer."""
    try:
        return decoder.end()
    except ServerError:
        attempts.has_begun = attempts.has_yielded  # a failed worker's empty answer: nothing of it was an answer
        raise


async def _drain(batches: AsyncGenerator[T, None]) -> None:
    """Read what stands behind the end of an answer."""
    async with asyncio.timeout(_DRAIN):
        async for _ in batches:
            pass


def _nothing() -> None:
    """What a client of the user's offers in place of `abandon`."""


def _check_open(client: Any) -> Any:
    """The user's client, if it can still be used."""
    if client is not None and client.is_closed:
        raise ConfigurationError(f"the httpx.{type(client).__name__} that was passed is closed; pass an open one.")
    return client


async def _until(attempts: Attempts, batches: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The batches, each awaited no longer than the call's deadline allows."""
    async with aclosing(batches):
        while True:
            try:
                async with asyncio.timeout(attempts.remaining()):
                    batch = await anext(batches)
            except StopAsyncIteration:
                return
            yield batch
