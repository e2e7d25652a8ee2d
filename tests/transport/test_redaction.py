"""Secrets leave texts in every spelling, words stay, and no control character reaches a terminal."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aki_transport.redaction import escape_control, redact, redact_nested

KEY = "sk-4711&<\"'\\/0815=+%ef"
keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60)


def escaped_as_in_go(text: str) -> str:
    return json.dumps(text)[1:-1].replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def escaped_as_in_dotnet(text: str) -> str:
    return "".join(character if character.isalnum() else f"\\u{ord(character):04X}" for character in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "JSON of Go": escaped_as_in_go,
    "JSON of .NET": escaped_as_in_dotnet,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "Python": lambda text: repr(text)[1:-1],
    "HTML": html.escape,
    "HTML without quotes": lambda text: html.escape(text, quote=False),
    "HTML, decimal": lambda text: "".join(c if c.isalnum() else f"&#{ord(c)};" for c in text),
    "HTML, padded": lambda text: "".join(c if c.isalnum() else f"&#0{ord(c)};" for c in text),
    "HTML, hexadecimal": lambda text: "".join(c if c.isalnum() else f"&#x{ord(c):X};" for c in text),
    "XML": lambda text: html.escape(text).replace("&#x27;", "&apos;"),
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "URL": lambda text: quote(text, safe=""),
    "URL, path": quote,
    "URL, form": quote_plus,
    "URL, lower case": lambda text: "".join(c if c.isalnum() else f"%{ord(c):02x}" for c in text),
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON in HTML": lambda text: html.escape(json.dumps(text)[1:-1]),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@settings(max_examples=20, deadline=None)
@given(key=keys)
@example(key=r"sk-4711a\\b0815")
def test_a_key_is_recognized_in_every_spelling(spelling, key):
    assert redact(f"the key {spelling(key)} is wrong", [key]) == "the key *** is wrong"


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_key_that_was_cut_is_recognized(spelling):
    for length in range(8, len(KEY) + 1):
        assert redact(f"[{spelling(KEY[:length])}", [KEY]) == "[***", length


def test_what_stands_behind_a_key_that_was_cut_stays():
    assert redact(f"{KEY[:10]}ef", [KEY]) == "***ef"


@pytest.mark.parametrize("key", ["x", "test", "none", "EMPTY", "not-set", "1234567", ""])
def test_a_placeholder_is_no_secret(key):
    text = "a test of the boxes: none is EMPTY, not-set or 1234567"
    assert redact(text, [key]) == text
    assert redact_nested({"a": [text]}, (key,)) == {"a": [text]}


def test_several_secrets_go_from_names_values_and_lists():
    value = {f"x-{KEY}": [f"<{KEY}>", {"a": ("second-secret", 7, None)}]}
    assert redact_nested(value, (KEY, "second-secret")) == {"x-***": ["<***>", {"a": ("***", 7, None)}]}


@given(st.text(), st.lists(keys, max_size=3))
def test_what_holds_no_secret_stays(text, secrets):
    if any(secret[:8].casefold() in html.unescape(text).casefold() for secret in secrets):
        return
    assert redact(text, secrets) == text or any(mark in text for mark in "%&\\")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("first\r\nINFO forged", r"first\r\nINFO forged"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("\u2066a\u2069\u200f\u061c", r"\u2066a\u2069\u200f\u061c"),
        ("\x9b2J\x85\x7f\0", r"\x9b2J\x85\x7f\x00"),
        ("\u2028\u2029\ufeff", r"\u2028\u2029\ufeff"),
        ("\ud800", r"\ud800"),
        ("k\xadey\u180e\ufff9a\ufffb\U0001d173", r"k\xadey\u180e\ufff9a\ufffb\U0001d173"),
        ("a\U000e0041", r"a\U000e0041"),
        ("Zürich, 東京, שלום, 👩\u200d💻", "Zürich, 東京, שלום, 👩\u200d💻"),
    ],
    ids=repr,
)
def test_control_characters_become_visible_and_languages_stay(text, shown):
    assert escape_control(text) == shown
    assert escape_control(shown) == shown
