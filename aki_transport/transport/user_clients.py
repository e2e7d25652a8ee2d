"""Recognizes what a user passes of httpx, or of its fork httpx2, which this package never imports."""

from __future__ import annotations

from collections.abc import Collection
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal

from aki_transport.errors import ConfigurationError

if TYPE_CHECKING:
    from httpx import AsyncClient as HttpAsyncClient
    from httpx import Client as HttpClient
else:
    # Fields of these types take anything in pydantic: `users_client` checks it.
    HttpClient = HttpAsyncClient = Any

__all__ = ["HttpAsyncClient", "HttpClient", "class_of_library", "users_client"]

_LIBRARIES = frozenset({"httpx", "httpx2", "socksio"})  # whose exceptions come through those of the others


def class_of_library(value: object, names: Collection[str]) -> str | None:
    """The first of these classes of the library that an object belongs to; None if it belongs to none of them."""
    for cls in type(value).__mro__:
        if cls.__name__ in names and cls.__module__.partition(".")[0] in _LIBRARIES:
            return cls.__name__
    return None


def users_client(client: Any, kind: Literal["Client", "AsyncClient"], field: str) -> Any:
    """The user's client; `ConfigurationError` if it is no client of that kind."""
    # By what is used of it: a client of the user's may wrap another one.
    send = getattr(client, "send", None)
    is_client = callable(send) and callable(getattr(client, "build_request", None)) and hasattr(client, "is_closed")
    if client is None or (is_client and iscoroutinefunction(send) == (kind == "AsyncClient")):
        return client
    passed = f"{type(client).__module__}.{type(client).__qualname__}"
    raise ConfigurationError(f"{field}= takes an httpx.{kind}, not {passed}.")
