"""What of a request and an answer goes into a cassette."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import cleandoc
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aki_transport import PROVIDERS
from aki_transport.emulator import Emulator
from tests.tools.recording.places import PLACES, SCRUBBED, own_url

BOUNDARY = "boundary"
"""Between the parts of a form, in place of the random one of each request."""

BODY_TOO = ("method", "scheme", "host", "port", "path", "query", "body")
"""What vcrpy compares by itself, and the body."""

SECRET_NAMES = frozenset(
    """
    access_token api-key api_key apikey auth auth_key authorization client_secret client_session_auth_key cookie key
    password proxy-authorization refresh_token secret session_token set-cookie token x-api-key
    """.split()  # noqa: SIM905  reads better than a list
)
"""Fields, headers and parameters whose texts nobody may see."""

_SENT = ("anthropic-version", "content-type", "x-emulator-fault")
ANSWERED = (
    "content-type",
    "request-id",
    "retry-after",
    "x-credits-remaining",
    "x-credits-used",
    "x-request-id",
)
_addresses: dict[str, str] = {}


@contextmanager
def played_by(emulator: Emulator) -> Iterator[None]:
    """Within it, cassettes show the providers' own addresses for those of the emulator."""
    _addresses.update({getattr(emulator, face.url): own_url(face) for face in PLACES.values()})
    try:
        yield
    finally:
        _addresses.clear()


def vcr_config() -> dict[str, Any]:
    """How vcrpy records here."""
    return {
        "match_on": BODY_TOO,
        "before_record_request": request,
        "before_record_response": response,
        "decode_compressed_response": True,
    }


def request(sent: Any) -> Any:
    """A request as it goes into a cassette."""
    for here, there in _addresses.items():
        if sent.uri.startswith(f"{here}/"):
            sent.uri = there + sent.uri.removeprefix(here)
    sent.uri = _without_secrets_in_query(sent.uri)
    headers = {name.lower(): value for name, value in sent.headers.items()}
    _, _, boundary = headers.get("content-type", "").partition("boundary=")
    if boundary:
        headers["content-type"] = headers["content-type"].replace(boundary, BOUNDARY)
        sent.body = _scrubbed_form(sent.body.replace(boundary.encode(), BOUNDARY.encode()))
    else:
        sent.body = scrubbed(sent.body)
    sent.headers = {name: headers[name] for name in _SENT if name in headers}
    return sent


def response(got: dict[str, Any]) -> dict[str, Any]:
    """An answer as it goes into a cassette."""
    headers = {name.lower(): values for name, values in got["headers"].items()}
    kept = {name: [_without_known_keys(value) for value in headers[name]] for name in ANSWERED if name in headers}
    return {**got, "headers": kept, "body": {"string": scrubbed(got["body"].get("string") or b"")}}


def scrubbed(body: bytes | None) -> bytes | None:
    """A body without the secrets in it, however deep they are; other bodies as they are."""
    if not body:
        return body
    try:
        text = _without_known_keys(body.decode())
    except UnicodeDecodeError:
        return body
    try:
        data = json.loads(text)
    except ValueError:
        return _EVENT.sub(_scrubbed_event, text).encode()
    clean = without_secrets(_without_indentation(data))
    return text.encode() if clean == data else json.dumps(clean, ensure_ascii=False).encode()


def _without_indentation(data: Any) -> Any:
    """Descriptions of tools as Python gives docstrings from 3.13 on."""
    if not isinstance(data, dict) or not data.get("tools"):
        return data
    return {**data, "tools": [_dedented(tool) for tool in data["tools"]]}


def _dedented(tool: dict[str, Any]) -> dict[str, Any]:
    if "function" in tool:
        return {**tool, "function": _dedented(tool["function"])}
    return {**tool, "description": cleandoc(tool["description"])} if tool.get("description") else tool


def without_secrets(data: Any) -> Any:
    """JSON without the texts of secret fields."""
    if isinstance(data, Mapping):
        return {
            name: SCRUBBED
            if name.lower() in SECRET_NAMES and isinstance(value, str) and value
            else without_secrets(value)
            for name, value in data.items()
        }
    return [without_secrets(each) for each in data] if isinstance(data, list) else data


def _scrubbed_form(body: bytes) -> bytes:
    """A form without the secrets in it; its pictures are left as they are."""
    return _FIELD.sub(rb"\g<1>" + SCRUBBED.encode(), _without_known_keys(body.decode("latin-1")).encode("latin-1"))


_FIELD = re.compile(rf'(name="(?:{"|".join(SECRET_NAMES)})"\r\n\r\n)[^\r\n]*'.encode(), re.IGNORECASE)
_EVENT = re.compile(r"^(data: ?)(\{.*\})$", re.MULTILINE)


def _scrubbed_event(event: re.Match[str]) -> str:
    try:
        data = json.loads(event[2])
    except ValueError:
        return event[0]
    clean = without_secrets(data)
    return event[0] if clean == data else event[1] + json.dumps(clean, ensure_ascii=False)


def _without_secrets_in_query(uri: str) -> str:
    uri = _without_known_keys(uri)
    parts = urlsplit(uri)
    if not parts.query:
        return uri
    clean = [
        (name, SCRUBBED if name.lower() in SECRET_NAMES else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return urlunsplit(parts._replace(query=urlencode(clean)))


def known_keys() -> tuple[str, ...]:
    """The keys of this environment, and the emulator's."""
    variables = (name for row in PROVIDERS.values() for name in row.key_variables)
    real = (os.environ.get(name, "").strip() for name in variables)
    return tuple(filter(None, (*real, Emulator.key, Emulator.aacflow_key, Emulator.ak_ai_core_key)))


def _without_known_keys(text: str) -> str:
    for key in known_keys():
        text = text.replace(key, SCRUBBED)
    return text
