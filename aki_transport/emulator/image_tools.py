"""Which pictures a prompt wants drawn and changed, one tool call after the other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aki_transport.emulator import facts
from aki_transport.emulator.hints import IMAGE
from aki_transport.emulator.prompt import Tool
from aki_transport.emulator.words import content, name_parts, stems

_WORDING = stems("prompt description instruction text request query")
_CHANGING = stems("edit change modify transform inpaint")
_ART = IMAGE | stems("art draw drawing illustration paint")
_I = re.IGNORECASE
# Where a request ends and the next may begin.
_ENDS = re.compile(
    r"[.!;]\s+(?:and\s+|then\s+|finally\s+|afterwards\s+|after that,?\s+|next,?\s+|now\s+|dann\s+|danach\s+)*"
    r"|,?\s*\b(?:and\s+|und\s+)?(?:then|finally|afterwards|after that|dann|danach|anschließend)\b,?\s*",
    _I,
)
_POLITE = re.compile(
    r"^\s*(?:please|now|first|also|next|bitte|hi|hello|hey|can you|could you|would you|kannst du|i want you to"
    r"|use the \w+ tool to)\b[\s,:]*",
    _I,
)
_REPORT = re.compile(r"\s+(?:and|und)\s+(?:show|tell|give|return|send|report|name|nenne|zeige?)\b.*", _I)
_DRAW = re.compile(r"^(?:draw|paint|sketch|illustrate|zeichne|male)\b(?:\s+(?:me|us|mir|uns))?\s+", _I)
_MAKE = re.compile(
    r"^(?:generate|create|make|produce|render|show|design|erzeuge|erstelle|generiere)\b(?:\s+(?:me|us|mir|uns))?\s+"
    r"(?=(?:\w+\s+){0,3}?(?:images?|pictures?|photos?|drawings?|illustrations?|paintings?|bild(?:er)?)\b)",
    _I,
)
_OF = re.compile(
    r"^(?:an?\s+|the\s+|ein\s+|\d+\s+|two\s+|three\s+|four\s+)?(?:new\s+)?(?:images?|pictures?|photos?|drawings?|bild(?:er)?)\s+"
    r"(?:of|showing|with|von|mit)\s+",
    _I,
)
_CHANGE = re.compile(
    r"^(?:make|change|turn|add|remove|delete|erase|replace|swap|rotate|mirror|flip|convert|apply|give|edit|modify|put|insert"
    r"|invert|blur|crop|zoom|write|colou?r|recolou?r|brighten|darken|mach|ändere|füge|entferne|ersetze|drehe|spiegle)\b",
    _I,
)
_AND_CHANGE = re.compile(rf"(?:,\s*(?:and\s+)?|\s+(?:and|und)\s+)(?={_CHANGE.pattern[1:]})", _I)
_COUNT = re.compile(
    r"\b(\d+|two|three|four|zwei|drei|vier)\s+(?:\w+\s+)?(?:images|pictures|photos|versions|variants|bilder)\b", _I
)
_COUNTS = {"two": "2", "three": "3", "four": "4", "zwei": "2", "drei": "3", "vier": "4"}
_SIZE = re.compile(r",?\s*(?:\b(?:in\s+)?(?:size|größe)\s*:?\s*|\bin\s+|\bat\s+)?\b(\d{3,4}x\d{3,4})\b", _I)


@dataclass(frozen=True, slots=True)
class ImageStep:
    """One picture to make.

    Attributes:
        tool: What makes it.
        text: What to draw or to change, without the order to do so.
        count: How many are wanted, as digits, if it is said.
        size: Width and height, if they are said.
        changes: Whether it is made of an earlier picture.
    """

    tool: Tool
    text: str
    count: str
    size: str | None
    changes: bool

    def worded(self, name: str) -> str | None:
        """The text for an argument of this name, if it is for words or for a size."""
        about = set(content(name_parts(name)))
        if about & _WORDING:
            return self.text
        return self.size if about & stems("size resolution") else None


def image_steps(text: str, tools: Sequence[Tool], said: Sequence[str]) -> tuple[list[ImageStep], str]:
    """The pictures a text asks for, in order, and the rest of the text.

    Args:
        text: What the user asks.
        tools: All there are; without any for pictures there are no steps.
        said: All texts of the conversation, in order.
    """
    changer = next((tool for tool in tools if _changes(tool)), None)
    drawer = next((tool for tool in tools if tool is not changer and _draws(tool)), None)
    if drawer is None and changer is None:
        return [], text
    steps: list[ImageStep] = []
    rest: list[str] = []
    known = any(facts.ids(each) for each in said)
    for part in _parts(text):
        order = _DRAW.match(part) or _MAKE.match(part)
        if drawer is not None and order:
            steps.append(_step(drawer, part, part[order.end() :], changes=False))
        elif changer is not None and _CHANGE.match(part) and (steps or known or _is_about_image(part)):
            steps.append(_step(changer, part, part, changes=True))
        else:
            rest.append(part)
    return steps, ". ".join(rest) if steps else text


def latest_image(step: ImageStep, said: Sequence[str]) -> str | None:
    """The ID of the picture a step changes: the one it names, else the one that came up last.

    Args:
        step: The step.
        said: All texts of the conversation, in order.
    """
    named = facts.ids(step.text)
    known = list(dict.fromkeys(found for text in said for found in facts.ids(text)))
    return next(iter(named), known[-1] if known else None)


def wants_image(name: str) -> bool:
    """Whether an argument of this name is for a picture."""
    return bool(set(content(name_parts(name))) & IMAGE)


def _step(tool: Tool, part: str, rest: str, *, changes: bool) -> ImageStep:
    count, size = _COUNT.search(part), _SIZE.search(part)
    if not changes:
        rest = _OF.sub("", _SIZE.sub("", rest))
    number = count.group(1).lower() if count else ""
    rest = _REPORT.sub("", rest)
    return ImageStep(tool, rest.strip(" .,!?\n") or part, _COUNTS.get(number, number), size and size.group(1), changes)


def _parts(text: str) -> list[str]:
    found: list[str] = []
    for sentence in _ENDS.split(" ".join(text.split())):
        for part in _AND_CHANGE.split(sentence):
            while (shorter := _POLITE.sub("", part)) != part:
                part = shorter  # noqa: PLW2901  # peeled until nothing comes off
            found.append(part)
    return [part.strip(" .!") for part in found if part.strip(" .!")]


def _is_about_image(part: str) -> bool:
    return bool(set(content(part)) & IMAGE)


def _changes(tool: Tool) -> bool:
    strings = _strings(tool)
    return any(wants_image(name) for name in strings) and any(_is_wording(name) for name in strings)


def _draws(tool: Tool) -> bool:
    called = set(content(name_parts(tool.name)))
    return bool(called & _ART) and not called & _CHANGING and any(_is_wording(name) for name in _strings(tool))


def _is_wording(name: str) -> bool:
    return bool(set(content(name_parts(name))) & _WORDING)


def _strings(tool: Tool) -> list[str]:
    properties: Any = tool.schema.get("properties")
    return list(properties) if isinstance(properties, dict) else []
