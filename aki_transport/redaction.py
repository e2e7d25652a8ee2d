"""Makes text safe to show: removes secrets, and makes control characters visible."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MIN_SECRET = 8  # characters; shorter keys (`test`, `EMPTY`) are placeholders, and would be found in ordinary words
MASK = "***"
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]")  # no usual encoding changes these
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}

# C0 and C1 control characters (terminal escapes, line breaks), invisible and bidirectional formatting characters,
# line and paragraph separators, lone surrogates, annotations, tag characters. Source: Unicode Technical Report 36,
# section 3.
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` in place of each secret, and of each beginning of one that has 8 characters or more.

    Beginnings count because other code may have cut the text. A secret is also recognized JSON-escaped, HTML-escaped or
    URL-encoded, and if one of these was applied twice. Those under 8 characters are ignored.

    Example:
        >>> from aki_transport.redaction import redact
        >>> redact("the key sk-4711&0815 is wrong, sk-4711&amp;0815 too", ["sk-4711&0815"])
        'the key *** is wrong, *** too'
    """
    for secret in secrets:
        if len(secret) >= MIN_SECRET:
            text = _redact_one(text, [_spellings(character) for character in secret])
    return text


def redact_nested(value: Any, secrets: tuple[str, ...]) -> Any:
    """`redact` for each text in dicts, lists and tuples."""
    match value:
        case str():
            return redact(value, secrets)
        case dict():
            return {redact_nested(name, secrets): redact_nested(inner, secrets) for name, inner in value.items()}
        case list() | tuple():
            return type(value)(redact_nested(inner, secrets) for inner in value)
        case _:
            return value


def escape_control(text: str) -> str:
    r"""The text with control and bidirectional formatting characters as visible escapes, for messages and logs.

    Example:
        >>> from aki_transport.redaction import escape_control
        >>> escape_control("\x1b[2J first\nsecond")
        '\\x1b[2J first\\nsecond'
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def _redact_one(text: str, spellings: list[str]) -> str:
    text = re.sub("".join(spellings), MASK, text)  # for below, backslashes may be read as belonging to one character
    beginning = re.compile("".join(spellings[:MIN_SECRET]))
    rest = [re.compile(spelling) for spelling in spellings[MIN_SECRET:]]
    parts: list[str] = []
    position = 0
    while (match := beginning.search(text, position)) is not None:
        parts += (text[position : match.start()], MASK)
        position = match.end()
        for character in rest:
            match = character.match(text, position)
            if match is None:
                break
            position = match.end()
    return "".join((*parts, text[position:]))


def _spellings(character: str) -> str:
    """A pattern for one character in any usual encoding. Every repetition is bounded, so that matching is linear."""
    if _ALPHANUMERIC.fullmatch(character):
        return re.escape(character)
    code = f"{ord(character):x}"
    entity = f"#0{{0,5}}{ord(character)}|#[xX]0{{0,5}}(?i:{code})"
    if character in _ENTITIES:
        entity += f"|{_ENTITIES[character]}"
    return (
        rf"\\{{0,4}}(?:u00(?i:{code})|%(?:25){{0,2}}(?i:{code})|&(?:amp;){{0,2}}(?:{entity});|{re.escape(character)})"
    )
