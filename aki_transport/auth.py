"""Where calls may go and which key they may carry."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from aki_transport.errors import ConfigurationError
from aki_transport.providers import Protocol, Provider, Route

EMULATOR_VARIABLE = "AKI_EMULATOR"
# Where the emulator serves a gateway and which key it takes there; other providers are served as AKI.IO is.
_EMULATED = {
    ("aacflow", "openai"): ("/aacflow/api/v1/ai", "aacf_test"),
    ("ak_ai_core", "openai"): ("/ak_ai_core/v1", "sk-or-test"),
}
_EMULATED_PATHS: dict[Protocol, str] = {"openai": "/v1", "anthropic": "/anthropic", "native": "/api"}
_EMULATED_KEYS: dict[Protocol, Literal["bearer", "x-api-key", "body"]] = {
    "openai": "bearer",
    "anthropic": "x-api-key",
    "native": "body",
}

_PRINTABLE = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")


def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def checked_base_url(url: str, *, title: str, allow_insecure: bool) -> str:
    """The URL without a closing slash.

    Raises:
        ConfigurationError: It is no http(s) URL, holds credentials, a query or a fragment, or is plain http to another
            host than this machine.
    """
    if "@" in url:
        raise ConfigurationError(f"{title}: base_url must not hold credentials; pass api_key= instead.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("https", "http") or not host or not _PRINTABLE.fullmatch(url):
        raise ConfigurationError(f"{title}: base_url={url!r} is no http(s) URL.")
    if "?" in url or "#" in url:
        raise ConfigurationError(f"{title}: base_url={url!r} must not hold a query or a fragment.")
    if parts.scheme == "http" and not allow_insecure and not is_loopback(host):
        raise ConfigurationError(
            f"{title}: base_url={url!r} is plain http, which would show the key and the prompts to the network;"
            " use https, or pass allow_insecure=True."
        )
    return url.rstrip("/")


def checked_headers(headers: Mapping[str, str], *, title: str) -> dict[str, str]:
    """The headers with names in lower case; `ConfigurationError` names one that HTTP does not take."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(f"{title}: the header {name!r} in default_headers cannot be sent.")
    return {name.lower(): value for name, value in headers.items()}


def emulated(provider: Provider, route: Route, api_key: SecretStr | str | None) -> tuple[Route, SecretStr | str | None]:
    """The route and the key of the emulator that `AKI_EMULATOR` names; without it, those given.

    Raises:
        ConfigurationError: `AKI_EMULATOR` is no URL of this machine.
    """
    root = os.environ.get(EMULATOR_VARIABLE, "").strip()
    if not root:
        return route, api_key
    root = checked_base_url(root, title=EMULATOR_VARIABLE, allow_insecure=True)
    if not is_loopback(urlsplit(root).hostname or ""):
        raise ConfigurationError(f"{EMULATOR_VARIABLE}={root!r} is not on this machine; nothing is sent there.")
    path, key = _EMULATED.get((provider.name, route.protocol), (_EMULATED_PATHS[route.protocol], "aki-test"))
    return replace(route, base_url=f"{root}{path}", key_in=_EMULATED_KEYS[route.protocol]), key


class ApiKey:
    """The key for one base URL: looked up at the first call, unwrapped only by the transport.

    Args:
        provider: Names the environment variables and the hosts that a key from them may go to.
        base_url: Where it would be sent.
        explicit: The key that the user passed; an empty one counts as none.
    """

    def __init__(self, provider: Provider, base_url: str, explicit: SecretStr | str | None) -> None:
        self._provider = provider
        self._host = urlsplit(base_url).hostname or ""
        self._found = None if explicit is None else _checked(explicit, provider.title)

    def __call__(self) -> SecretStr | None:
        """The key; None where the provider takes none.

        Raises:
            ConfigurationError: There is none, or it comes from the environment and would go to a foreign host.
        """
        if self._found is None and self._provider.key_variables:
            self._found = self._from_environment()
        return self._found

    def _from_environment(self) -> SecretStr:
        provider = self._provider
        variables = " or ".join(provider.key_variables)
        for variable in provider.key_variables:
            found = _checked(os.environ.get(variable, ""), provider.title)
            if found is None:
                continue
            if self._host not in provider.hosts and not is_loopback(self._host):
                raise ConfigurationError(
                    f"{provider.title}: the key in {variable} goes only to {', '.join(sorted(provider.hosts))};"
                    f" to send a key to {self._host}, pass api_key= explicitly."
                )
            return found
        raise ConfigurationError(
            f"{provider.title}: no key; set {variables} or pass api_key=."
            " To try without one, start the local emulator: python -m aki_transport.emulator"
        )


def _checked(key: SecretStr | str, title: str) -> SecretStr | None:
    """The key without blanks around it, None if nothing is left. No local variable here holds it as plain text."""
    key = SecretStr((key.get_secret_value() if isinstance(key, SecretStr) else key).strip())
    if not key.get_secret_value():
        return None
    if not _PRINTABLE.fullmatch(key.get_secret_value()):
        raise ConfigurationError(f"{title}: the key holds spaces or characters that no HTTP header takes.")
    return key
