"""The environment's proxies, the same for threads and event loops.

httpx reads the environment only for transports that it makes itself, and would take passwords from ~/.netrc with it.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from importlib.util import find_spec
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import httpx

from aki_transport.auth import is_loopback
from aki_transport.errors import ConfigurationError

_SCHEMES = ("http", "https", "socks5", "socks5h")


class Proxies:
    """The proxies that the environment names now; `ConfigurationError` if one of them cannot be used."""

    def __init__(self) -> None:
        self._by_scheme = {
            scheme: _checked(scheme, address if "://" in address else f"http://{address}")
            for scheme, address in getproxies().items()
            if scheme in ("http", "https", "all") and address
        }

    def proxy_for(self, url: httpx.URL) -> httpx.Proxy | None:
        """The proxy to reach this address through. This machine itself is never reached through one."""
        if not self._by_scheme or is_loopback(url.host) or proxy_bypass(_with_port(url)):
            return None
        if ":" in url.host and proxy_bypass(url.host):  # as `NO_PROXY` names an IPv6 address, without brackets
            return None
        return self._by_scheme.get(url.scheme) or self._by_scheme.get("all")


def _with_port(url: httpx.URL) -> str:
    """Host and port as `NO_PROXY` may name them; httpx leaves out a scheme's own port."""
    host = url.netloc.decode("ascii")
    return host if url.port is not None else f"{host}:{443 if url.scheme == 'https' else 80}"


def proxy_secrets() -> tuple[str, ...]:
    """The passwords of the environment's proxies, and the form in which they are sent: a proxy may repeat either."""
    credentials = [unquote(address.rpartition("@")[0].rpartition("://")[2]) for address in getproxies().values()]
    return tuple(
        secret
        for each in filter(None, credentials)
        for secret in (b64encode(each.encode("utf-8", "replace")).decode("ascii"), each.partition(":")[2] or each)
    )


def _checked(scheme: str, address: str) -> httpx.Proxy:
    kind = address.partition("://")[0]
    problem = ""
    if kind not in _SCHEMES:
        problem = f"is a {kind} proxy; use one of {', '.join(_SCHEMES)}."
    elif kind.startswith("socks") and find_spec("socksio") is None:
        problem = "is a SOCKS proxy, which needs the package socksio: pip install socksio"
    else:
        with suppress(ValueError, httpx.InvalidURL):
            proxy = httpx.Proxy(address)
            if proxy.url.host and (proxy.url.port is None or 0 < proxy.url.port < 2**16):
                return proxy
    # Without the library's message, which would show a password with a / in it.
    raise ConfigurationError(f"the environment's proxy for {scheme!r} {problem or 'is no address.'}")
