"""Reasoning that a model writes inside its text as `<think>…</think>`, told apart however the text is cut."""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkSplitter:
    """Splits text into answer and reasoning as it arrives. Only a tag at the very start opens reasoning."""

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""

    def feed(self, text: str) -> tuple[str, str]:
        """The answer's text and the reasoning that are certain now."""
        if self._state == "answer" or not text:
            return text, ""
        held = self._held + text
        self._held = ""
        if self._state == "start":
            start = held.lstrip()
            if _OPEN.startswith(start[: len(_OPEN)]) and len(start) < len(_OPEN):
                self._held = held
                return "", ""
            if not start.startswith(_OPEN):
                self._state = "answer"
                return held, ""
            self._state = "thinking"
            held = start.removeprefix(_OPEN)
        if self._state == "thinking":
            thought, tag, rest = held.partition(_CLOSE)
            if not tag:
                kept = _overlap(held)
                self._held = held[len(held) - kept :]
                return "", held[: len(held) - kept]
            self._state = "gap"
            answer, _ = self.feed(rest)
            return answer, thought
        # Behind the reasoning: the blank lines up to the answer belong to neither.
        answer = held.lstrip()
        if answer:
            self._state = "answer"
        return answer, ""

    def flush(self) -> tuple[str, str]:
        """What is still held back when the text has ended."""
        held, self._held = self._held, ""
        return ("", held) if self._state == "thinking" else (held, "")


def _overlap(text: str) -> int:
    """How many of the last characters may be the beginning of the closing tag."""
    return next((n for n in range(min(len(_CLOSE) - 1, len(text)), 0, -1) if _CLOSE.startswith(text[-n:])), 0)
