"""Looks for anything like a key in a cassette, whatever its place is called."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from tests.tools.recording.places import SCRUBBED
from tests.tools.recording.scrub import SECRET_NAMES, known_keys

_KEY_LIKE = re.compile(
    r"""
      \b(?:sk|pk|rk|aki|aacf|ghp|gho|xox[abp])[-_][A-Za-z0-9_-]{8,}            # the services' own forms, and others'
    | \b[Bb]earer\s+(?!SCRUBBED\b)\S{4,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.                                 # a signed token
    | \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b         # what AKI.IO's examples show as keys
    | \b(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{28,}\b           # too long and too mixed for a word
    """,
    re.VERBOSE,
)
_HARMLESS = re.compile(
    r"""
      data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+   # a picture
    | \biVBORw0KGgo[A-Za-z0-9+/]*={0,2}       # a PNG
    | [A-Za-z0-9+/]{200,}={0,2}               # anything that long
    | (?<=/)[0-9a-f]{40}(?=/)                 # a commit in an address
    """,
    re.VERBOSE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_FORM = re.compile(r"[\w.-]+=[^&\s]*(?:&[\w.-]+=[^&\s]*)*")
_FIELD = re.compile(r'name="([^"]*)"\r\n\r\n([^\r\n]*)')
_SIGNED = frozenset({"signature", "thoughtSignature"})
"""Fields of reasoning that its service has signed. They open nothing."""


def findings(document: Mapping[str, Any]) -> list[str]:
    """Where something stands that may be a key, and what its beginning is."""
    return [f"{where}: {what[:12]}…" for where, what in _look(document, "")]


def _look(data: Any, where: str) -> Iterator[tuple[str, str]]:
    match data:
        case dict():
            for name, value in data.items():
                place = f"{where}/{name}"
                texts = value if isinstance(value, list) else [value]  # a header is a list of them
                if str(name).lower() in SECRET_NAMES and any(isinstance(text, str) for text in texts):
                    yield from ((place, text) for text in texts if text not in ("", SCRUBBED))
                elif name not in _SIGNED:
                    yield from _look(value, place)
                yield from _look(str(name), f"{place} (the name itself)")
        case list():
            for number, value in enumerate(data):
                yield from _look(value, f"{where}/{number}")
        case str():
            yield from _look_in_text(data, where)
        case bytes():
            yield from _look_in_form(data.decode("latin-1"), where)


def _look_in_form(text: str, where: str) -> Iterator[tuple[str, str]]:
    """The fields of a form; not its pictures, in which anything may look like a key."""
    for name, value in _FIELD.findall(text):
        if name.lower() in SECRET_NAMES and value != SCRUBBED:
            yield f"{where}/{name}", value
        yield from _look_in_text(value, f"{where}/{name}")
    for key in known_keys():
        if key in text:
            yield where, key


def _look_in_text(text: str, where: str) -> Iterator[tuple[str, str]]:
    for key in known_keys():
        if key in text:
            yield where, key
    if text.startswith(("{", "[")) and (data := _read(text)) is not None:
        yield from _look(data, f"{where} (JSON in it)")
        return
    query = urlsplit(text).query if "://" in text[:10] else text if _FORM.fullmatch(text) else ""
    for name, value in parse_qsl(query):
        if name.lower() in SECRET_NAMES and value != SCRUBBED:
            yield f"{where}?{name}", value
        yield from _look_in_text(value, f"{where}?{name}")
    for kind, decoded in _decoded(text):
        yield from _look_in_text(decoded, f"{where} ({kind} in it)")
    for line in text.splitlines():
        event = _read(line.removeprefix("data:")) if line.startswith("data:") else None
        if event is not None:
            yield from _look(event, f"{where} (an event)")
            continue
        for found in _KEY_LIKE.finditer(_HARMLESS.sub("", line)):
            yield where, found[0]
        name, _, value = line.partition(":")
        if name.strip().lower() in SECRET_NAMES and value.strip() not in ("", SCRUBBED):
            yield f"{where} (a line)", value.strip()


def _decoded(text: str) -> Iterator[tuple[str, str]]:
    """What a text says once more to whoever decodes it."""
    plain = unquote_plus(text)
    if plain != text.replace("+", " "):
        yield "URL-encoded text", plain
    for token in _BASE64.findall(text):
        bare = token.rstrip("=").translate(str.maketrans("+/", "-_"))
        try:
            yield "base64", urlsafe_b64decode(f"{bare}{'=' * (-len(bare) % 4)}").decode("ascii")
        except ValueError:  # it is no base64, or nothing that is read
            continue


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
