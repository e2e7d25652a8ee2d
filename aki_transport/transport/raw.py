"""Single requests, sent once and answered as they are: for looking at what a service really does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

import httpx

from aki_transport.redaction import MASK
from aki_transport.transport.body import read_body
from aki_transport.transport.call import Timeout
from aki_transport.transport.failures import describe_failure, is_failed_call
from aki_transport.transport.lifetime import release, thread_client
from aki_transport.transport.proxies import Proxies

_TIMEOUT = Timeout(answer=120.0).for_httpx(stream=False)


class RawResponse(NamedTuple):
    """An answer with any status."""

    status: int
    headers: Mapping[str, str]
    text: str


class RawSender:
    """Sends over the connections that every client uses, so through the same proxies."""

    def send(self, method: str, url: str, **options: Any) -> RawResponse:
        """One request with options of httpx, never repeated; `AKIError` if no answer came, or too large a one."""
        client = thread_client(self)
        request = client.build_request(method, url, extensions={"timeout": _TIMEOUT}, **options)
        try:
            with closing(client.send(request, stream=True, follow_redirects=False)) as response:
                text = read_body(response).decode("utf-8", "replace")
                return RawResponse(response.status_code, response.headers, text)
        except Exception as error:
            if not is_failed_call(error):
                raise
            failure = describe_failure(error, answering=False, streaming=False, partial_text="", base_url=url)
        raise failure

    @staticmethod
    def pause(seconds: float) -> None:
        """Wait, e.g. until a job may have gone on."""
        time.sleep(seconds)

    def close(self) -> None:
        """Let go of the connections."""
        release(self)


def proxy_for(url: str) -> str | None:
    """The environment's proxy for a URL, without its password; `ConfigurationError` if it cannot be used."""
    proxy = Proxies().proxy_for(httpx.URL(url))
    if proxy is None:
        return None
    return str(proxy.url.copy_with(username=None, password=None)) + (f" (user {MASK})" if proxy.raw_auth else "")
