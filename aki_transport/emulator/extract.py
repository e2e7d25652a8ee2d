"""The sentences of a context that answer a question."""

import math
import re
from collections import Counter
from dataclasses import dataclass

from aki_transport.emulator.passages import Unit, units
from aki_transport.emulator.tables import extreme
from aki_transport.emulator.words import content

_INSTRUCTION = re.compile(
    r"\W*(?:answer\b|reply\b|respond\b|cite\b|if you (?:do not|don'?t|are not|cannot)\b"
    r"|if the (?:answer|context|passages?|documents?)\b|based on\b|think\b|helpful\b|(?:the )?following\b|below\b"
    r"|context\b|here (?:is|are)\b|(?:question|query|answer|human|assistant|user|helpful answer)\s*:)",
    re.IGNORECASE,
)
# Said to the model where no source stands above it, else to the reader of that source.
_ADVICE = re.compile(
    r"\W*(?:you\b|your\b|use\b|using\b|do not\b|don'?t\b|never\b|always\b|please\b|keep\b|be\b|if you\b|given\b|only\b"
    r"|say\b|write\b|return\b)",
    re.IGNORECASE,
)
_META = re.compile(
    r"\b(?:the|these|this|following|given|retrieved|provided)\s+(?:\w+\s+)?"
    r"(?:context|passages?|documents?|excerpts?|question|user'?s?)\b",
    re.IGNORECASE,
)
_MARKED = re.compile(
    r"(?im)^\s*(?:\#+\s*)?(?:context|documents?|passages?|excerpts?|sources?|kontext|retrieved)\b[^\n:]{0,40}:"
    r"|<(?:context|documents?|passage)\b|^\s*\[[^\]\n]+\.\w{2,4}\]"
)
_QUESTION_LINE = re.compile(r"(?im)^\s*\**(?:user\s+)?(?:question|query|frage|q)\**\s*:\**\s*(\S.*)$")
_COUNTS = re.compile(
    r"\bhow (?:many|much|long|large|big|old|often|fast)\b|\bwhat (?:number|size|limit|port|version)\b", re.IGNORECASE
)
_DEFINES = re.compile(
    r"^(?:what|who)(?:'s| is| are| was| does| do)\s+(?:an?\s+|the\s+)?[\w.-]+(?:\s+[\w.-]+)?\s*\?*$", re.IGNORECASE
)
# "How many times" asks for a number and names nothing.
_FRAME = re.compile(r"\bhow (?:many times|often|come)\b|\bwhat (?:kind|sort) of\b", re.IGNORECASE)
_POINTER = re.compile(r"\W*(?:see|cf\.?|more (?:in|on)|read)\s", re.IGNORECASE)
# Means nothing without the sentence before it.
_LEANS = re.compile(
    r"\W*(?:it|they|this|that|these|those|both|he|she|not given|otherwise|then)\b|.*\b(?:that|this|these|them)\.?$",
    re.IGNORECASE | re.DOTALL,
)
_ASKS_COMMAND = re.compile(r"\b(?:command|how (?:do|can|to)|run|start|install|import)\b", re.IGNORECASE)

_HEADING_WEIGHT = 0.35
_SECOND_AT_LEAST = 0.6
_SECOND_ELSEWHERE_AT_LEAST = 0.85
_LEAST_FRESH = 0.3
_LEAST_COVERED = 0.34
_SURE_COVERED = 0.5


@dataclass(frozen=True, slots=True)
class _Ranked:
    unit: Unit
    order: int
    score: float
    covered: float
    # What each word of the question counts for, of those the unit itself has; the whole question is 1.
    shares: dict[str, float]


def question_of(text: str) -> str:
    """What a message that may hold passages too asks."""
    if labelled := _QUESTION_LINE.findall(text):
        return str(labelled[-1]).strip()
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    asked = [line for line in lines if line.endswith("?")]
    if asked and (asked[-1] in (lines[0], lines[-1])):
        return _last_question(asked[-1])
    return lines[-1] if len(lines) > 1 and asked == [] else _last_question(asked[-1]) if asked else lines[0]


def has_context(text: str) -> bool:
    """Whether the text says that passages stand in it."""
    return _MARKED.search(text) is not None


def extract(question: str, context: str, *, sure: bool) -> str | None:
    """The one or two sentences that answer, with their sources; `None` if the context has none.

    Args:
        question: What is asked.
        context: Where to look.
        sure: Whether the context is known to be one, so that a weaker match will do.
    """
    asked = list(dict.fromkeys(content(_FRAME.sub(" ", question))))
    known = [unit for unit in units(context) if _quotable(unit, question)]
    if not asked or not known:
        return None
    if found := extreme(question, known):
        return found
    ranked = _rank(question, asked, known)
    least = _LEAST_COVERED if sure else _SURE_COVERED
    if not ranked or ranked[0].covered < least:
        return None
    best = ranked[0]
    chosen = [best]
    chosen.extend(each for each in ranked[1:3] if _adds(each, best))
    chosen = chosen[:2]
    chosen.sort(key=lambda each: each.order)
    sources = dict.fromkeys(each.unit.source for each in chosen if each.unit.source)
    said = " ".join(_closed(each.unit) for each in chosen)
    if len(chosen) == 1 and best.unit.before and _LEANS.match(best.unit.text):
        said = f"{best.unit.before} {said}"
    return " ".join([said, *(f"[{source}]" for source in sources)])


def _last_question(line: str) -> str:
    return re.split(r"(?<=[.!:])\s+", line)[-1]


def _quotable(unit: Unit, question: str) -> bool:
    plain = unit.text.strip()
    if plain.rstrip("?. ") in question or question.strip() in plain:
        return False
    if unit.is_code:
        return True
    if unit.source is None and (_ADVICE.match(plain) or _META.search(plain)):
        return False
    return not _INSTRUCTION.match(plain)


def _rank(question: str, asked: list[str], known: list[Unit]) -> list[_Ranked]:
    spread = Counter(word for unit in known for word in unit.words)
    total = len(known)
    weight = {word: math.log(1 + (total - spread[word] + 0.5) / (spread[word] + 0.5)) for word in asked}
    # A word no sentence has says nothing about which one answers.
    everything = sum(weight[word] for word in asked if spread[word]) + 0.5 * sum(
        weight[word] for word in asked if not spread[word]
    )
    average = sum(len(unit.words) for unit in known) / total
    ranked = []
    for order, unit in enumerate(known):
        own = sum(weight[word] for word in asked if word in unit.words)
        near = _HEADING_WEIGHT * sum(weight[word] for word in asked if word in unit.near)
        length = 0.7 + 0.3 * len(unit.words) / average
        score = (own / length + near) * _suits(question, asked, unit)
        if own:
            shares = {word: weight[word] / everything for word in asked if word in unit.words}
            ranked.append(_Ranked(unit, order, score, (own + near) / everything, shares))
    return sorted(ranked, key=lambda each: (-each.score, each.order))


def _suits(question: str, asked: list[str], unit: Unit) -> float:
    factor = 1.0
    if unit.text.endswith("?") or _POINTER.match(unit.text):
        factor *= 0.5
    if unit.text.endswith(":"):
        factor *= 0.7
    if unit.is_code:
        factor *= 1.3 if _ASKS_COMMAND.search(question) else 0.6
    if _COUNTS.search(question) and re.search(r"\d", unit.text):
        factor *= 1.25
    if _DEFINES.match(question) and re.search(r"\b(?:is|are|means|was)\b|:", unit.text[:80]):
        start = content(unit.text[:60])[:3]
        factor *= 1.6 if start[:1] == asked[:1] else 1.3 if set(start) & set(asked) else 1.0
    return factor


def _adds(second: _Ranked, best: _Ranked) -> bool:
    fresh = sum(share for word, share in second.shares.items() if word not in best.shares)
    least = _SECOND_AT_LEAST if second.unit.source == best.unit.source else _SECOND_ELSEWHERE_AT_LEAST
    return fresh >= _LEAST_FRESH and second.score >= least * best.score


def _closed(unit: Unit) -> str:
    text = unit.text.rstrip()
    if unit.is_code:
        return f"`{text}`"
    return text if re.search(r"[.!?:…`\"”)\]]$", text) else f"{text}."
