"""Which URLs calls may go to, and which key may be sent there."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from inspect import isawaitable, iscoroutine
from ipaddress import ip_address
from socket import inet_aton
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import SecretStr

from aki_transport.errors import ConfigurationError
from aki_transport.providers import Provider, Route, emulator_place
from aki_transport.redaction import MIN_SECRET, redact

EMULATOR_VARIABLE = "AKI_EMULATOR"
KeyFunction: TypeAlias = Callable[[], str | SecretStr | Awaitable[str | SecretStr]]
ApiKeySource: TypeAlias = str | SecretStr | KeyFunction | None
"""A key, or a function that returns one, also an async function."""

_PRINTABLE = re.compile(r"[!-~]+")
_CALL_PATH = re.compile(
    r"/((chat/)?completions|responses|embeddings|images/(generations|edits)|(v1/)?messages|(call|progress)/[^/]+)/*$",
    re.IGNORECASE,
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|passw|credential|session|signature", re.IGNORECASE)
_TOKEN_SEPARATORS = re.compile(r"[\s,;]+|(?<=\w)=(?=\w)")


def is_loopback(host: str) -> bool:
    """Whether `host`, as `urlsplit` gives it, is this machine."""
    if host.removesuffix(".").lower() == "localhost":
        return True
    try:
        # As getaddrinfo reads an IPv4 address: 127.1, 0x7f000001 and 2130706433 are 127.0.0.1.
        address = ip_address(inet_aton(host)) if ":" not in host else ip_address(host)
    except (OSError, ValueError):
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def checked_base_url(url: str, *, title: str, allow_insecure: bool) -> str:
    """The URL without a trailing slash.

    Raises:
        ConfigurationError: It is not an http(s) URL, contains credentials or a fragment, ends in the path of a call, or
            is plain http to another machine, unless `allow_insecure`.
    """
    if "@" in url:
        raise ConfigurationError(f"{title}: base_url must not contain credentials; pass api_key= instead.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # which fails for labels that no name may have, as every look-up would
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("https", "http") or not host or not _PRINTABLE.fullmatch(url):
        hint = "" if "://" in url else f"; did you mean 'https://{url}'?"
        raise ConfigurationError(f"{title}: base_url={url!r} is not an http(s) URL{hint or '.'}")
    if "#" in url:
        raise ConfigurationError(f"{title}: base_url={url!r} must not contain a fragment.")
    call = _CALL_PATH.search(parts.path)
    if call is not None:
        base = urlunsplit(parts._replace(path=parts.path[: call.start()]))
        raise ConfigurationError(
            f"{title}: base_url={url!r} ends in the path of a call, which is added here; did you mean {base!r}?"
        )
    if parts.scheme == "http" and not allow_insecure and not is_loopback(host):
        raise ConfigurationError(
            f"{title}: base_url={url!r} is plain http, which sends the key and the prompts unencrypted;"
            " use https, or pass allow_insecure=True."
        )
    address, question, query = url.partition("?")
    return address.rstrip("/") + question + query


def checked_headers(headers: Mapping[str, str], *, title: str) -> dict[str, str]:
    """The headers, names in lower case; `ConfigurationError` if HTTP does not allow a name or value.

    The length of a body is told by what sends it.
    """
    for name, value in headers.items():
        is_allowed = _HEADER_NAME.fullmatch(name) and isinstance(value, str) and _HEADER_VALUE.fullmatch(value)
        if not is_allowed or name.lower() == "content-length":
            raise ConfigurationError(f"{title}: the header {name!r} cannot be sent.")
    return {name.lower(): value.strip() for name, value in headers.items()}


def emulated(provider: Provider, route: Route, api_key: ApiKeySource) -> tuple[Route, ApiKeySource]:
    """The route and the key of the emulator that `AKI_EMULATOR` names, on this machine; without it, the arguments."""
    root = os.environ.get(EMULATOR_VARIABLE, "").strip()
    if not root:
        return route, api_key
    root = checked_base_url(root, title=EMULATOR_VARIABLE, allow_insecure=True)
    if not is_loopback(urlsplit(root).hostname or ""):
        raise ConfigurationError(f"{EMULATOR_VARIABLE}={root!r} is not on this machine; nothing is sent there.")
    path, key = emulator_place(provider, route.protocol)
    return replace(route, base_url=f"{root}{path}", key_in=None), key


def secret_header_values(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The tokens in headers whose name indicates a secret, e.g. `sk-4711` in `authorization: Bearer sk-4711`."""
    tokens = (
        token
        for name, value in headers.items()
        if _SECRET_HEADER.search(name)
        for token in _TOKEN_SEPARATORS.split(value)
    )
    return tuple(dict.fromkeys(token for token in tokens if len(token) >= MIN_SECRET))


def secret_query_values(url: str) -> tuple[str, ...]:
    """The same for the parameters in a URL's query."""
    query = url.partition("?")[2]
    return secret_header_values(dict(parse_qsl(query))) if query else ()


def shown_url(url: str) -> str:
    """The URL for people and traces: without the secrets in its query."""
    return redact(url, secret_query_values(url))


class ApiKey:
    """The key for one base URL. The environment is read at the first call.

    Args:
        provider: Its row names the environment variables, and the hosts to which a key from them may be sent.
        base_url: The URL to which the key is sent.
        explicit: The key that the user passed, or the function that returns it, which is asked for each attempt; an
            empty key counts as none.
        origin: Where the explicit one comes from, for messages.
    """

    def __init__(self, provider: Provider, base_url: str, explicit: ApiKeySource, *, origin: str = "api_key=") -> None:
        self.origin: str | None = None if explicit is None else origin
        """Where the key comes from: an argument, or the environment variable that it was read from; None if nothing
        was read yet."""
        self._provider = provider
        self._host = urlsplit(base_url).hostname or ""
        self.function: KeyFunction | None = None
        self._key: SecretStr | None = None
        if isinstance(explicit, str | SecretStr):
            self._key = _strip_key(explicit, provider.title)
        else:
            self.function = explicit

    @property
    def hint(self) -> str:
        """For the error of a key that was refused: where it came from, and where keys are made."""
        page = self._provider.key_page and f"; keys of {self._provider.title} are made at {self._provider.key_page}"
        if self.origin is None:
            return "No key was sent; pass api_key=."
        return f"The key came from {self.origin}{page}."

    def __call__(self) -> SecretStr | None:
        """The key; None if the provider needs none.

        Raises:
            ConfigurationError: No key is set, its function is async, or it may not go to the base URL.
        """
        if self.function is not None:
            return self._from_function(self.function())
        if self._key is None and self._provider.key_variables:
            self._key = self._from_environment()
        return self._key

    async def for_async_call(self) -> SecretStr | None:
        """The key; its function may be async."""
        if self.function is None:
            return self()
        key = self.function()
        return self._from_function(await key if isawaitable(key) else key)

    def _from_function(self, key: object) -> SecretStr:
        title = self._provider.title
        if isawaitable(key):
            if iscoroutine(key):
                key.close()
            raise ConfigurationError(f"{title}: the function in api_key= is async; a sync call needs one that is not.")
        if not isinstance(key, str | SecretStr):
            raise ConfigurationError(f"{title}: the function in api_key= returned no str, but a {type(key).__name__}.")
        stripped = _strip_key(key, title)
        if stripped is None:
            raise ConfigurationError(f"{title}: the function in api_key= returned an empty key.")
        return stripped

    def _from_environment(self) -> SecretStr:
        provider = self._provider
        for variable in provider.key_variables:
            key = _strip_key(os.environ.get(variable, ""), provider.title)
            if key is None:
                continue
            if self._host not in provider.hosts and not is_loopback(self._host):
                raise ConfigurationError(
                    f"{provider.title}: the key in {variable} goes only to {', '.join(sorted(provider.hosts))};"
                    f" to send a key to {self._host}, pass api_key= explicitly."
                )
            self.origin = variable
            return key
        page = provider.key_page and f" Keys are made at {provider.key_page}."
        raise ConfigurationError(
            f"{provider.title}: no key; set {' or '.join(provider.key_variables)} or pass api_key=.{page}"
            f" To try without one, run `aki emulator` and set {EMULATOR_VARIABLE} to its address."
        )


def _strip_key(key: SecretStr | str, title: str) -> SecretStr | None:
    """The key without surrounding blanks; None if nothing is left.

    No local variable holds it as plain text, because error trackers record the local variables of frames.
    """
    key = SecretStr((key.get_secret_value() if isinstance(key, SecretStr) else key).strip())
    if not key.get_secret_value():
        return None
    if not _PRINTABLE.fullmatch(key.get_secret_value()):
        raise ConfigurationError(
            f"{title}: the key contains spaces or characters that are not allowed in an HTTP header; pass the key"
            " alone, without 'Bearer'."
        )
    return key
