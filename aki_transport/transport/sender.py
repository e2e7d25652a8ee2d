"""Sends calls and hands out what comes back: the only place that sends, sleeps or asks the time.

The sync and the async half stand side by side and differ in their I/O alone; what they decide is in `Attempts`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from itertools import chain
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr
from pydantic_core import to_json

from aki_transport.auth import secret_header_values
from aki_transport.error_parsing import error_from_response, request_id_of
from aki_transport.errors import AKIError, ConfigurationError, ServerError
from aki_transport.redaction import escape_control, redact
from aki_transport.transport.attempts import Attempts
from aki_transport.transport.body import (
    abatches,
    aread_body,
    aread_words,
    batches,
    read_body,
    read_words,
)
from aki_transport.transport.call import Call, Form, Timeout
from aki_transport.transport.connections import arelease, loop_pool, release, thread_pool
from aki_transport.transport.deadline import cut_off
from aki_transport.transport.decoder import Decoder
from aki_transport.transport.outgoing import Answer, AsyncAnswer, Outgoing, SyncAnswer
from aki_transport.transport.payload import Payload
from aki_transport.transport.polling import arun, run
from aki_transport.transport.retry import retry_after_seconds

T = TypeVar("T")

_DRAIN = 0.25  # seconds for the bytes behind a stream's terminator, so that the connection can be used again
_CAUGHT = (AKIError, httpx.TransportError, httpx.DecodingError, httpx.InvalidURL, TimeoutError)


class Transport:
    """Calls to one base URL.

    Args:
        title: The provider's name in messages.
        base_url: Where paths start.
        key: Asked for the key at each send; None where the service takes none.
        key_in: `"bearer"`, `"x-api-key"` or `"body"`.
        headers: Sent with every call.
        timeout: Bounds on single waits.
        total_timeout: Seconds for a whole call with its repetitions; None is no bound.
        max_retries: Attempts after the first.
        http_client: The user's own client, never closed here.
        http_async_client: The user's own async client, never closed here.
    """

    def __init__(
        self,
        *,
        title: str,
        base_url: str,
        key: Callable[[], SecretStr | None],
        key_in: str,
        headers: Mapping[str, str],
        timeout: Timeout,
        total_timeout: float | None = None,
        max_retries: int = 2,
        http_client: httpx.Client | None = None,
        http_async_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.title = title
        self.base_url = base_url
        self.timeout = timeout
        self.total_timeout = total_timeout
        self.max_retries = max_retries
        self._key = key
        self._key_in = key_in
        self._headers = dict(headers)
        self._secret_headers = secret_header_values(headers)
        self._form_headers = {name: value for name, value in headers.items() if name != "content-type"}
        self._http_client = http_client
        self._http_async_client = http_async_client
        self._urls: dict[str, httpx.URL] = {}

    def send(self, call: Call, read: Callable[[Mapping[str, str], Payload], T], *, deadline: float | None = None) -> T:
        """Send, read the whole answer and give what `read` makes of its headers and body.

        Args:
            call: What to send.
            read: Makes the result; what it raises counts as a failure of the call.
            deadline: When all of it with its repetitions must be done, by `deadline_in`.

        Raises:
            AKIError: The call failed, with its repetitions.
        """
        attempts = Attempts(self, call, deadline)
        while True:
            try:
                response = self._open(attempts)
                try:
                    with cut_off(response, attempts.remaining()):
                        body = read_body(response)
                finally:
                    response.close()
                return read(response.headers, body)
            except _CAUGHT as cause:
                failure = cause
            time.sleep(attempts.pause(failure))

    async def asend(
        self, call: Call, read: Callable[[Mapping[str, str], Payload], T], *, deadline: float | None = None
    ) -> T:
        """`send`, async."""
        attempts = Attempts(self, call, deadline)
        while True:
            try:
                async with asyncio.timeout(attempts.remaining()):
                    response = await self._aopen(attempts)
                    try:
                        body = await aread_body(response)
                    finally:
                        await response.aclose()
                return read(response.headers, body)
            except _CAUGHT as cause:
                failure = cause
            await asyncio.sleep(attempts.pause(failure))

    def stream(
        self, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], *, deadline: float | None = None
    ) -> Iterator[T]:
        """Send and give what the decoder makes of each payload, as they arrive.

        Args:
            call: What to send.
            start: Makes the decoder from the answer's headers.
            deadline: When all of it with its repetitions must be done, by `deadline_in`.

        Raises:
            AKIError: The call failed; before the first payload only after its repetitions.
        """
        if call.job is not None:
            return run(self, call, start, deadline=deadline)
        return self._answer(call, start, deadline)

    def _answer(
        self, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], deadline: float | None
    ) -> Iterator[T]:
        attempts = Attempts(self, call, deadline)
        while True:
            try:
                response = self._open(attempts)
                try:
                    decoder = attempts.decoder = start(response.headers)
                    events = batches(response)
                    try:
                        with cut_off(response, attempts.remaining()):
                            for payload in chain.from_iterable(events):
                                item = decoder.feed(payload)
                                attempts.begun = True
                                if item is not None:
                                    attempts.given = True
                                    yield item
                                if decoder.finished:
                                    break
                    except httpx.TransportError:
                        attempts.raise_unless_complete(decoder)
                    try:
                        last = decoder.end()
                    except ServerError:
                        attempts.begun = attempts.given  # a failed worker's empty answer: nothing of it was an answer
                        raise
                    attempts.ended = True
                    yield last
                    with cut_off(response, _DRAIN):
                        for _ in events:
                            pass
                finally:
                    response.close()
            except _CAUGHT as cause:
                failure = cause
            else:
                return
            if attempts.ended:
                return
            time.sleep(attempts.pause(failure))

    def astream(
        self, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], *, deadline: float | None = None
    ) -> AsyncGenerator[T, None]:
        """`stream`, async."""
        if call.job is not None:
            return arun(self, call, start, deadline=deadline)
        return self._aanswer(call, start, deadline)

    async def _aanswer(
        self, call: Call, start: Callable[[Mapping[str, str]], Decoder[T]], deadline: float | None
    ) -> AsyncGenerator[T, None]:
        """`_answer`, async."""
        attempts = Attempts(self, call, deadline)
        while True:
            try:
                async with asyncio.timeout(attempts.remaining()):
                    response = await self._aopen(attempts)
                try:
                    decoder = attempts.decoder = start(response.headers)
                    async with aclosing(_until(attempts, abatches(response))) as events:
                        try:
                            async for batch in events:
                                for payload in batch:
                                    item = decoder.feed(payload)
                                    attempts.begun = True
                                    if item is not None:
                                        attempts.given = True
                                        yield item
                                    if decoder.finished:
                                        break
                                if decoder.finished:
                                    break
                        except (httpx.TransportError, TimeoutError):
                            attempts.raise_unless_complete(decoder)
                        try:
                            last = decoder.end()
                        except ServerError:
                            attempts.begun = attempts.given
                            raise
                        attempts.ended = True
                        yield last
                        async with asyncio.timeout(_DRAIN):
                            async for _ in events:
                                pass
                finally:
                    await response.aclose()
            except _CAUGHT as cause:
                failure = cause
            else:
                return
            if attempts.ended:
                return
            await asyncio.sleep(attempts.pause(failure))

    def deadline_in(self, seconds: float | None = None) -> float | None:
        """The moment in that many seconds, or at the end of `total_timeout`; None if there is no end."""
        seconds = self.total_timeout if seconds is None else seconds
        return None if seconds is None else time.monotonic() + seconds

    def close(self) -> None:
        """Let go of the thread pool, which closes with its last user."""
        release(self)

    async def aclose(self) -> None:
        """Let go of this loop's pool, which closes with its last user, and of the thread pool."""
        await arelease(self)
        release(self)

    def _open(self, attempts: Attempts) -> SyncAnswer:
        """Send one attempt; a response with a good status, or its error."""
        client = _open_one(self._http_client)
        if client is None:
            response: SyncAnswer = thread_pool(self)(self._outgoing(attempts))
        else:
            response = client.send(self._request(client.build_request, attempts), stream=True, follow_redirects=False)
        if not attempts.accepted(response):
            try:
                with cut_off(response, attempts.remaining()):
                    words = read_words(response)
            finally:
                response.close()
            raise self._refusal(attempts.call, response, words)
        return response

    async def _aopen(self, attempts: Attempts) -> AsyncAnswer:
        """`_open`, async."""
        client = _open_one(self._http_async_client)
        if client is None:
            send = await loop_pool(self)
            response: AsyncAnswer = await send(self._outgoing(attempts))
        else:
            request = self._request(client.build_request, attempts)
            response = await client.send(request, stream=True, follow_redirects=False)
        if not attempts.accepted(response):
            try:
                words = await aread_words(response)
            finally:
                await response.aclose()
            raise self._refusal(attempts.call, response, words)
        return response

    def _outgoing(self, attempts: Attempts) -> Outgoing:
        """One attempt. The key is unwrapped in its arguments alone, so that no local variable holds it."""
        call = attempts.call
        if call.form is not None:
            return _whole(self._request(httpx.Request, attempts))
        return Outgoing(
            call.method,
            self._url(call.path),
            {**self._headers, **call.headers, **self._key_header()},
            self._content(call),
            attempts.next_attempt(),
        )

    def _request(self, make: Callable[..., httpx.Request], attempts: Attempts) -> httpx.Request:
        """One attempt as httpx has it: for a client of the user's, or because it writes forms."""
        call = attempts.call
        return make(
            call.method,
            self._url(call.path),
            headers={
                **(self._headers if call.form is None else self._form_headers),
                **call.headers,
                **self._key_header(),
            },
            extensions=attempts.next_attempt(),
            **({"content": self._content(call)} if call.form is None else self._form(call.form)),
        )

    def _key_header(self) -> dict[str, str]:
        key = self._key()
        if key is None or self._key_in == "body":
            return {}
        if self._key_in == "bearer":
            return {"authorization": f"Bearer {key.get_secret_value()}"}
        return {self._key_in: key.get_secret_value()}

    def _content(self, call: Call) -> bytes | None:
        if call.body is None:
            return None
        key = self._key() if self._key_in == "body" else None
        try:
            content = to_json(call.body if key is None else {**call.body, "key": key.get_secret_value()})
            if b"NaN" in content or b"Infinity" in content:
                json.dumps(call.body, allow_nan=False, default=str)  # which tells the number from a word in a text
            return content
        except ValueError as error:
            words = str(error)
        raise ConfigurationError(f"the request cannot be written as JSON: {words}")

    def _form(self, form: Form) -> dict[str, Any]:
        """The form as httpx takes it, which sets the content type too."""
        return {"data": form.fields, "files": [(name, (file, data, kind)) for name, file, data, kind in form.files]}

    def with_context(self, error: AKIError, response: Answer | None) -> AKIError:
        """The error with provider and request ID, and without the key should the service have echoed it."""
        error.provider = error.provider or self.title
        if error.request_id is None and response is not None:
            error.request_id = request_id_of(response.headers)
        error.redact(self._secrets())
        return error

    def without_key(self, text: str) -> str:
        """The text without the key, should the service have said it."""
        return escape_control(redact(text, self._secrets()))

    def _secrets(self) -> tuple[str, ...]:
        key = self._key()
        return (*self._secret_headers, *(() if key is None else (key.get_secret_value(),)))

    def _url(self, path: str) -> httpx.URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx.URL(self.base_url + path)
        return url

    def _refusal(self, call: Call, response: Answer, words: Payload) -> AKIError:
        """The error that a bad status stands for."""
        headers, data = response.headers, words.data
        wait = retry_after_seconds(headers, time.time())
        body = data if isinstance(data, bytes) else data.encode()
        error = error_from_response(response.status_code, headers, body, retry_after=wait)
        return error if call.read_error is None else call.read_error(error)


def _whole(request: httpx.Request) -> Outgoing:
    return Outgoing(request.method, request.url, dict(request.headers), request.read(), request.extensions)


def _open_one(client: Any) -> Any:
    """The user's client, if it can still be used."""
    if client is not None and client.is_closed:
        raise ConfigurationError(f"the httpx.{type(client).__name__} that was passed is closed; pass an open one.")
    return client


def _until(attempts: Attempts, events: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The events, each awaited no longer than the call's deadline allows."""
    return events if attempts.remaining() is None else _timed(attempts, events)


async def _timed(attempts: Attempts, events: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    async with aclosing(events):
        while True:
            try:
                async with asyncio.timeout(attempts.remaining()):
                    event = await anext(events)
            except StopAsyncIteration:
                return
            yield event
