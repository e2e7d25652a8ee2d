"""HTTP clients and timeouts that users pass: httpx's, or those of its fork httpx2, which this package never imports."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal

from aki_transport.errors import ConfigurationError

if TYPE_CHECKING:
    from httpx import AsyncClient as HttpAsyncClient
    from httpx import Client as HttpClient
else:
    # Fields of these types take anything in pydantic: `users_client` checks it before.
    HttpClient = HttpAsyncClient = Any

__all__ = ["HttpAsyncClient", "HttpClient", "is_timeout", "users_client"]

_TIMEOUTS = ("connect", "read", "write", "pool")


def is_timeout(value: Any) -> bool:
    """Whether it is an `httpx.Timeout`."""
    return all(hasattr(value, name) for name in _TIMEOUTS)


def users_client(client: Any, kind: Literal["Client", "AsyncClient"], field: str) -> Any:
    """The user's client, if it is one of that kind.

    Raises:
        ConfigurationError: It is something else.
    """
    if client is None:
        return None
    send = getattr(client, "send", None)
    if (
        callable(send)
        and callable(getattr(client, "build_request", None))
        and hasattr(client, "is_closed")
        and iscoroutinefunction(send) == (kind == "AsyncClient")
    ):
        return client
    passed = f"{type(client).__module__}.{type(client).__qualname__}"
    raise ConfigurationError(f"{field}= takes an httpx.{kind}, not {passed}.")
