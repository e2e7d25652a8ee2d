"""Proxies as the environment names them, the same for threads and event loops.

Read here and not by the HTTP libraries, for with the environment they would also take passwords from ~/.netrc.
"""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from aki_transport.errors import ConfigurationError


def proxies_by_scheme() -> dict[str, str]:
    """The address of the proxy for each scheme, `"all"` for any other.

    Raises:
        ConfigurationError: One of them is no address, or neither an http nor an https proxy.
    """
    found = {
        scheme: address if "://" in address else f"http://{address}"
        for scheme, address in getproxies().items()
        if scheme in ("http", "https", "all") and address
    }
    for scheme, address in found.items():
        kind = address.partition("://")[0]
        if kind not in ("http", "https"):
            raise ConfigurationError(f"the environment names a {kind} proxy for {scheme!r}; use http or https.")
        if not _is_address(address):
            raise ConfigurationError(f"what the environment names as the proxy for {scheme!r} is no address.")
    return found


def _is_address(proxy: str) -> bool:
    """Whether the HTTP libraries can read it; their own words would show a password with a / in it."""
    try:
        parts = urlsplit(proxy)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def proxied_scheme(url: httpx.URL, proxies: Container[str]) -> str:
    """Under which scheme the URL's proxy is to be found; an empty text if it is spared from proxies."""
    if proxy_bypass(url.netloc.decode("ascii")):
        return ""
    return url.scheme if url.scheme in proxies else "all"
