"""Filters for streamed text: tags of reasoning and stop sequences, with the same result however the text is split."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aki_transport.wire._harmony import HarmonySplitter, may_begin

# What templates write around reasoning: most of them, EXAONE and Gemma, Seed, Mistral, Kimi, Gemma 4, MedGemma,
# OpenThinker.
_CLOSINGS = {
    "<think>": "</think>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|channel>thought\n": "<channel|>",
    "<unused94>thought\n": "<unused95>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
}
_OPENING, _CLOSING = (re.compile("|".join(map(re.escape, tags))) for tags in (_CLOSINGS, _CLOSINGS.values()))
_TAGS = (*_CLOSINGS, *_CLOSINGS.values())
_LONGEST = max(map(len, _CLOSINGS.values()))


def split_unopened(text: str) -> tuple[str, str] | None:
    r"""Reasoning and answer of a text in which reasoning ends that did not begin: templates may begin it in the prompt.

    None if there is not exactly one end of reasoning, with an answer behind it, or if the tag is quoted.

    Example:
        >>> from aki_transport.wire._text_filters import split_unopened
        >>> split_unopened("The user greets me.\n</think>\n\nHello!")
        ('The user greets me.\n', 'Hello!')
    """
    closing = _CLOSING.search(text)
    if closing is None:
        return None
    reasoning, answer = text[: closing.start()], text[closing.end() :]
    is_quoted = reasoning.endswith(("`", '"', "'")) or reasoning.lstrip().startswith(("{", "["))
    if is_quoted or _CLOSING.search(answer) or _OPENING.search(reasoning) or not answer.strip():
        return None
    return reasoning, answer.lstrip()


class ThinkSplitter:
    """Splits text that arrives in pieces into answer and reasoning.

    Only a tag at the very start opens reasoning; marks of the harmony format there are read by `HarmonySplitter`, with
    the `names` of the tools that were offered. With `may_be_unopened`, other text is held back until its end is seen,
    or the end of the text.

    Attributes:
        may_be_closed: Whether reasoning came in another way, so that an end of reasoning at the start ends that.
        is_past: Whether all text that follows belongs to the answer.
    """

    def __init__(self, names: Mapping[str, str], *, may_be_unopened: bool) -> None:
        self.may_be_unopened = may_be_unopened
        self.may_be_closed = False
        self._names = names
        self._harmony: HarmonySplitter | None = None
        self.was_unopened = False
        self.is_past = False
        self._state = "start"
        self._held = ""
        self._closing = ""
        self._unopened: list[str] = []
        self._tail = ""

    def feed(self, text: str) -> tuple[str, str]:
        """The answer text and the reasoning that are certain now."""
        if self.is_past or not text:
            return text, ""
        if self._harmony is not None:
            return self._harmony.feed(text)
        if self._state == "unopened":
            return self._hold(text)
        held = self._held + text
        self._held = ""
        if self._state == "start":
            start = held.lstrip()
            tags = _TAGS if self.may_be_closed else _CLOSINGS
            if any(len(start) < len(tag) and tag.startswith(start) for tag in tags) or may_begin(start) is None:
                self._held = held
                return "", ""
            if may_begin(start):
                self._harmony = HarmonySplitter(self._names)
                return self._harmony.feed(start)
            if self.may_be_closed and (closing := _CLOSING.match(start)):
                self._state = "gap"
                return self.feed(start[closing.end() :])
            opening = _OPENING.match(start)
            if opening is None:
                self._state, self.is_past = "unopened", not self.may_be_unopened
                return (held, "") if self.is_past else self._hold(held)
            self._state, self._closing = "thinking", _CLOSINGS[opening[0]]
            held = start[opening.end() :]
        if self._state == "thinking":
            reasoning, tag, rest = held.partition(self._closing)
            if not tag:
                kept = _overlap(held, self._closing)
                self._held = held[len(held) - kept :]
                return "", held[: len(held) - kept]
            self._state = "gap"
            answer, _ = self.feed(rest)
            return answer, reasoning
        # The blank lines between reasoning and answer belong to neither.
        answer = held.lstrip()
        self.is_past = bool(answer)
        return answer, ""

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Name and arguments of each call in the text."""
        return [] if self._harmony is None else self._harmony.calls

    def _hold(self, text: str) -> tuple[str, str]:
        self._unopened.append(text)
        end = self._tail + text  # all of the text, looked through with each piece, would take quadratic time
        self._tail = end[1 - _LONGEST :]
        if not _CLOSING.search(end):
            return "", ""
        held, self._unopened = "".join(self._unopened), []
        closing = _CLOSING.search(held)
        if closing is None or _OPENING.search(held, 0, closing.start()):
            self.is_past = True
            return held, ""
        self._state, self.was_unopened = "gap", True
        answer, _ = self.feed(held[closing.end() :])
        return answer, held[: closing.start()]

    def flush(self) -> tuple[str, str]:
        """The answer text and the reasoning that are still held back when the text has ended."""
        if self._harmony is not None:
            return self._harmony.flush()
        if self._unopened:
            return "".join(self._unopened), ""
        held, self._held = self._held, ""
        return ("", held) if self._state == "thinking" else (held, "")


class StopSequences:
    """Cuts a text before the first stop sequence, which is `matched` then, and holds back the beginnings of any."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._sequences = tuple(filter(None, sequences))
        self._held = ""
        self.matched: str | None = None

    def feed(self, text: str) -> str:
        """The text that certainly stands before any stop sequence."""
        if self.matched is not None:
            return ""
        text = self._held + text
        # The sequence that ends first wins, so the result does not depend on how the text is split.
        matches = [
            (at + len(sequence), at, sequence) for sequence in self._sequences if (at := text.find(sequence)) >= 0
        ]
        if matches:
            _, at, self.matched = min(matches)
            self._held = ""
            return text[:at]
        kept = max((_overlap(text, sequence) for sequence in self._sequences), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def flush(self) -> str:
        """The text that was held back and was no stop sequence."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, sequence: str) -> int:
    """How many of the last characters may be the beginning of `sequence`."""
    return next((n for n in range(min(len(sequence) - 1, len(text)), 0, -1) if sequence.startswith(text[-n:])), 0)
