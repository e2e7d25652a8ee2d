"""What a prompt offers to the fields of a schema; each fact is handed out once."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aki_transport.emulator import facts
from aki_transport.emulator.arithmetic import expressions
from aki_transport.emulator.words import content, name_parts, shorten, stems

PLACE = stems("city location place town country region address origin destination where area")
FORMULA = stems("expression formula equation calculation expr math calc arithmetic")
IMAGE = stems("image images picture photo img")
_IDENTITY = IMAGE | stems("id identifier ref reference")
_COUNTRY = stems("country nation")
_PERSON = stems("name person user author customer employee recipient who owner artist company")
_REQUEST = stems("query question search text input prompt message content request topic subject task keyword term")
_ADDRESSES: dict[str, Callable[[str], list[str]]] = {
    "email": facts.emails,
    "mail": facts.emails,
    "url": facts.urls,
    "uri": facts.urls,
    "link": facts.urls,
    "website": facts.urls,
    "date-time": facts.date_times,
    "datetime": facts.date_times,
    "timestamp": facts.date_times,
    "date": facts.dates,
    "day": facts.dates,
    "time": facts.times,
    "path": facts.paths,
    "file": facts.paths,
    "filename": facts.paths,
}
_TOOL_TALK = re.compile(
    r"\b(?:using|use|call|with)\s+(?:the\s+|your\s+|a\s+|both\s+)?(?:[\w-]+\s+)?(?:tools?|functions?)\b(?:\s+to\b)?[,:]?\s*",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(
    r"^\s*(?:please|hi|hello|hey|can you|could you|would you|i want to|i need to|search(?:\s+the\s+\w+)?(?:\s+for)?"
    r"|(?:look\s+up|find(?:\s+out)?)(?:\s+in\s+(?:the|our|your)\s+\w+(?=\s+\w))?|tell\s+me(?:\s+about)?)\b[\s,:]*",
    re.IGNORECASE,
)
_LONGEST_PHRASE = 300


class Hints:
    """Facts of the text itself first, then of what stands behind it.

    Args:
        text: What the user asks.
        behind: Other text the fields may be about, such as the results of tools.
        write: Gives the text for a field that is to be written, by the field's name, or `None`.
    """

    def __init__(self, text: str, behind: str = "", write: Callable[[str], str | None] = lambda _: None) -> None:
        self._text = text
        self._behind = behind
        self._whole = f"{text}\n{behind}"
        self._records = _records(behind)
        self._write = write
        self._taken: dict[str, int] = {}

    def mark(self) -> Mapping[str, int]:
        """What was handed out so far."""
        return dict(self._taken)

    def back_to(self, mark: Mapping[str, int]) -> None:
        """Take back what was handed out since."""
        self._taken = dict(mark)

    def number(self, name: str, *, integral: bool) -> float | None:
        """The number for this field."""
        recorded = self._recorded(name)
        if isinstance(recorded, int | float) and not isinstance(recorded, bool):
            return recorded
        written = facts.labelled(self._whole, name)
        if written and (found := facts.numbers(written)):
            return found[0]
        return self._next_number(integral=integral)

    def choice(self, values: Iterable[Any]) -> Any:
        """The first of these values that the text names, or `None`."""
        placed: list[tuple[int, int, Any]] = []
        for value in values:
            spoken = re.escape(name_parts(str(value))).replace(r"\ ", r"[\s_-]")
            if value is not None and (found := re.search(rf"(?<!\w){spoken}(?!\w)", self._whole, re.IGNORECASE)):
                placed.append((found.start(), len(placed), value))
        return min(placed, key=lambda each: each[:2])[2] if placed else None

    def flag(self, name: str, description: str) -> bool | None:
        """Whether the text says yes or no to this field."""
        recorded = self._recorded(name)
        if isinstance(recorded, bool):
            return recorded
        written = facts.labelled(self._whole, name)
        if written and written.lower() in {"true", "yes", "on", "false", "no", "off"}:
            return written.lower() in {"true", "yes", "on"}
        about = set(content(name_parts(name))) or set(content(description))
        if not about & set(content(self._text)):
            return None
        return re.search(r"\b(?:no|not|without|don't|isn't|never)\b", self._text, re.IGNORECASE) is None

    def text(self, name: str, form: str = "") -> str | None:
        """The text for this field if the prompt has it, by what the name or the format asks for."""
        recorded = self._recorded(name)
        if isinstance(recorded, str | int | float):
            return str(recorded)
        kind = form or next((part for part in name_parts(name).lower().split()[::-1] if part in _ADDRESSES), "")
        found = self._next(kind, _ADDRESSES[kind](self._whole)) if kind in _ADDRESSES else None
        return found or (None if form else self._text_named(name, set(content(name_parts(name)))))

    def _text_named(self, name: str, about: set[str]) -> str | None:
        ways: tuple[Callable[[], str | None], ...] = (
            lambda: self._next("expression", expressions(self._text)) if about & FORMULA else None,
            lambda: self._write(name),
            lambda: self._id() if about & _IDENTITY else None,
            lambda: facts.labelled(self._text, name, loose=not about & _REQUEST),
            lambda: self._next("country", facts.countries(self._text)) if about & _COUNTRY else None,
            lambda: self._next("place", facts.places(self._text)) if about & PLACE else None,
            lambda: self._next("quoted", facts.quoted(self._text)),
            lambda: self._next("name", facts.names(self._text)) if about & _PERSON else None,
            lambda: self.phrase() if about & _REQUEST else None,
        )
        return next((found for way in ways if (found := way()) is not None), None)

    def _id(self) -> str | None:
        """The ID the text names, else the one that came up last behind it."""
        return next(iter(facts.ids(self._text)), None) or next(iter(facts.ids(self._behind)[::-1]), None)

    def texts(self, limit: int) -> list[str]:
        """Several texts: quotations, names, or the words that matter."""
        for kind, found in (("quoted", facts.quoted(self._text)), ("name", facts.names(self._text))):
            if rest := list(dict.fromkeys(found[self._taken.get(kind, 0) :])):
                self._taken[kind] = len(found)
                return rest[:limit]
        return list(dict.fromkeys(self._text_words()))[: min(limit, 3)]

    def rest(self) -> list[float]:
        """All numbers not handed out yet."""
        found = self._numbers()
        rest = found[self._taken.get("number", 0) :]
        self._taken["number"] = len(found)
        return rest

    def phrase(self) -> str:
        """What the text is about, without the talk about tools."""
        asked = _LEAD_IN.sub("", _TOOL_TALK.sub("", self._text)).strip(" .\n")
        return shorten(asked or self._text.strip() or "nothing", _LONGEST_PHRASE)

    def word(self) -> str:
        """A name the text brings up, else the word it is about."""
        named = facts.names(self._text)
        return named[0] if named else next(iter(self._text_words()), "example")

    def _text_words(self) -> list[str]:
        plain = _TOOL_TALK.sub("", self._text)
        return [word for word in re.findall(r"[^\W\d_]{3,}", plain) if content(word)]

    def _numbers(self) -> list[float]:
        return [*facts.numbers(self._text), *facts.numbers(self._behind)]

    def _next(self, kind: str, found: list[str]) -> str | None:
        at = self._taken.get(kind, 0)
        if at >= len(found):
            return None
        self._taken[kind] = at + 1
        return found[at]

    def _next_number(self, *, integral: bool) -> float | None:
        for at, found in enumerate(self._numbers()[self._taken.get("number", 0) :], self._taken.get("number", 0)):
            if not integral or found == int(found):
                self._taken["number"] = at + 1
                return found
        return None

    def _recorded(self, name: str) -> Any:
        wanted = content(name_parts(name))
        return next((value for key, value in self._records if content(name_parts(key)) == wanted), None)


def _records(text: str) -> list[tuple[str, Any]]:
    """The names and values of the JSON objects that stand in the text, one to a line."""
    found: list[tuple[str, Any]] = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.extend(value.items())
    return found
