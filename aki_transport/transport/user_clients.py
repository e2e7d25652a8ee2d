"""Values of httpx that users pass. It is imported when one is passed, or the first client made: it takes 50 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from aki_transport.errors import ConfigurationError

if TYPE_CHECKING:
    from httpx import AsyncClient as HttpAsyncClient
    from httpx import Client as HttpClient
else:
    # Pydantic's fields of these types take anything: `users_client` looks at it before.
    HttpClient = HttpAsyncClient = Any

__all__ = ["HttpAsyncClient", "HttpClient", "is_httpx", "users_client"]


def is_httpx(given: Any, kind: Literal["Client", "AsyncClient", "Timeout"]) -> bool:
    """Whether it is one of httpx's."""
    import httpx  # noqa: PLC0415  see above

    return isinstance(given, getattr(httpx, kind))


def users_client(client: Any, kind: Literal["Client", "AsyncClient"], field: str) -> Any:
    """The user's client, if it is one."""
    if client is None or is_httpx(client, kind):
        return client
    found = f"{type(client).__module__}.{type(client).__qualname__}"
    raise ConfigurationError(f"{field}= takes an httpx.{kind}, not {found}.")
