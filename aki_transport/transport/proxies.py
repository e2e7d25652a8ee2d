"""Proxies as the environment names them, the same for threads and event loops.

Read here and not by the HTTP libraries, for with the environment they would also take passwords from ~/.netrc.
"""

from __future__ import annotations

from collections.abc import Container
from urllib.request import getproxies, proxy_bypass

import httpx


def proxies_by_scheme() -> dict[str, str]:
    """The address of the proxy for each scheme, `"all"` for any other."""
    return {
        scheme: address if "://" in address else f"http://{address}"
        for scheme, address in getproxies().items()
        if scheme in ("http", "https", "all") and address
    }


def proxied_scheme(url: httpx.URL, proxies: Container[str]) -> str:
    """Under which scheme the URL's proxy is to be found; an empty text if it is spared from proxies."""
    if proxy_bypass(url.netloc.decode("ascii")):
        return ""
    return url.scheme if url.scheme in proxies else "all"
