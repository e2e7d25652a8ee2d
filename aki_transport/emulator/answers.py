"""What is said without tools: from a context, from memory, from arithmetic, or politely."""

import html
import re

from aki_transport.emulator import extract as extraction
from aki_transport.emulator.arithmetic import evaluate, expressions, shown
from aki_transport.emulator.facts import quoted
from aki_transport.emulator.prompt import Prompt
from aki_transport.emulator.words import content, sentences, shorten

JOKES = {
    "cat": ("Why was the cat sitting on the computer?", "It wanted to keep an eye on the mouse."),
    "dog": ("Why did the dog sit in the shade?", "It did not want to be a hot dog."),
    "program": ("Why do programmers prefer dark mode?", "Because light attracts bugs."),
    "model": ("Why did the language model go to school?", "To learn to stay in context."),
    "": ("Why did the scarecrow win a prize?", "He was outstanding in his field."),
}
_GREETING = re.compile(r"^\s*(?:hi|hello|hey|good (?:morning|evening|day)|hallo|guten tag)\b[^?]{0,40}$", re.IGNORECASE)
_ECHO = re.compile(
    r"\b(?:say|repeat|reply|respond|answer|write|output|return)\b(?:\s+(?:back|only|just|exactly|with|to me"
    r"|after me|the|words?|phrase|text|sentence|following|a|single|one))*\s*[:,]?\s*(.+)",
    re.IGNORECASE | re.DOTALL,
)
_EXACT = re.compile(r"\b(?:say|repeat)\b|\b(?:reply|respond|answer)\s+(?:only|just|exactly|with)", re.IGNORECASE)
_COUNT = re.compile(r"\bcount\b.*?\b(?:from\s+(\d+)\s+)?(?:to|until)\s+(\d+)", re.IGNORECASE)
_SUMMARY = re.compile(r"\b(?:summari[sz]e|summary|tl;?dr|zusammenfass\w*|fasse)\b", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z_]+(?:\s[^<>]*)?>")
_OF_A_SUMMARY = re.compile(r"\bhere is a summary\b[^.:\n]*:\s*", re.IGNORECASE)
_STATEMENT = re.compile(r"\b(?:my|i|i'm|we|our)\b", re.IGNORECASE)
_TURNED = {
    "my": "your",
    "mine": "yours",
    "i": "you",
    "i'm": "you are",
    "am": "are",
    "me": "you",
    "we": "you",
    "our": "your",
}
_THANKS = re.compile(r"^\s*(?:thanks|thank you|danke|great|ok(?:ay)?)\b[^?]{0,30}$", re.IGNORECASE)
_POLITE = (
    (_GREETING, "Hello! How can I help you today?"),
    (re.compile(r"\bhow are you\b", re.IGNORECASE), "I am well, thank you. How can I help?"),
    (_THANKS, "You are welcome."),
)

_LONGEST_ECHO = 400
_LONGEST_COUNT = 2000
_CONTEXT_AT_LEAST = 80  # characters; a shorter text beside the question is no context


def plain(prompt: Prompt) -> str:
    """The answer in words."""
    asked = prompt.asked.strip()
    if _SUMMARY.search(asked) or (_SUMMARY.search(prompt.system) and not asked.endswith("?")):
        return _summary(prompt)
    return _from_context(prompt) or _remembered(prompt) or simple(asked) or _restated(asked)


def simple(asked: str) -> str | None:
    """The reply to what needs no knowledge, or `None`."""
    return next((reply for pattern, reply in _POLITE if pattern.search(asked)), None) or _worked_out(asked)


def _worked_out(asked: str) -> str | None:
    if count := _COUNT.search(asked):
        first, last = int(count.group(1) or 1), int(count.group(2))
        return ", ".join(str(number) for number in range(first, min(last, first + _LONGEST_COUNT) + 1)) + "."
    if re.search(r"\bjoke\b", asked, re.IGNORECASE):
        return " ".join(joke(asked))
    if found := expressions(asked):
        values = ((expression, evaluate(expression)) for expression in found)
        return " ".join(f"{expression} = {shown(value)}." for expression, value in values if value is not None)
    if _EXACT.search(asked) and (echo := _ECHO.search(asked)):
        marked = quoted(echo.group(1))
        return shorten(marked[0] if marked else echo.group(1).strip().rstrip(), _LONGEST_ECHO)
    return None


def joke(asked: str) -> tuple[str, str]:
    """Setup and punchline, on the subject if there is one."""
    about = content(asked)
    return next(both for subject, both in JOKES.items() if not subject or subject in about)


def _restated(asked: str) -> str:
    if not asked:
        return "There is nothing to answer yet: the prompt holds no text."
    about = shorten(extraction.question_of(asked), 200)
    if about.endswith("?"):
        return f"You asked: “{about}” Nothing in the prompt answers it."
    if _STATEMENT.search(about):
        return f"You said: “{about}” I have noted it."
    return f"You asked: “{about}” An emulator answers from what the prompt holds, and it holds nothing on that."


def _from_context(prompt: Prompt) -> str | None:
    asked = prompt.asked
    question = extraction.question_of(asked)
    inside = asked.replace(question, "\n\n", 1) if len(asked) > len(question) + _CONTEXT_AT_LEAST else ""
    context = f"{prompt.system}\n\n{inside}"
    if len(context.strip()) < _CONTEXT_AT_LEAST:
        return None
    sure = extraction.has_context(context)
    found = extraction.extract(question, context, sure=sure)
    if found is None and sure and not simple(question):
        return "I do not know: nothing in the given context answers that."
    return found


def _remembered(prompt: Prompt) -> str | None:
    """An answer from what the user said before."""
    asked = prompt.asked
    if not asked.rstrip().endswith("?") and not asked.lower().startswith(("what", "who", "where", "how")):
        return None
    earlier = [turn.text for turn in prompt.turns if turn.role == "user" and turn.text != asked]
    parts = [part for text in earlier for part in re.split(r"\n\s*\n", text)]
    said = "\n\n".join(line for part in parts for line in sentences(part) if _STATEMENT.search(line))
    found = extraction.extract(asked, said, sure=False) if said and _STATEMENT.search(asked) else None
    if found is None:
        return None
    turned = " ".join(_TURNED.get(word.lower(), word) for word in found.split())
    return turned[0].upper() + turned[1:]


def _summary(prompt: Prompt) -> str:
    asked = prompt.asked
    head, colon, tail = asked.partition(":")
    text = tail if colon and _SUMMARY.search(head) and len(tail) > len(head) else ""
    if not text:
        others = [part for part in re.split(r"\n\s*\n", asked) if not _SUMMARY.search(part)]
        earlier = [turn.text for turn in prompt.turns if turn.role != "tool" and turn.text not in (asked, "")]
        text = "\n".join(others) or "\n".join(turn for turn in earlier if not _SUMMARY.search(turn))
    text = _OF_A_SUMMARY.sub("", _TAG.sub(" ", html.unescape(text)))
    found = sentences(" ".join(text.split()))
    return " ".join(found[:2]) or _restated(asked)
