"""What the model answers: a script's next item, else tool calls, JSON, a sum, an echo or the best sentence there is."""

import base64
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from aki_transport.emulator.faults import Faults
from aki_transport.emulator.field_values import FieldValues, Unfillable
from aki_transport.emulator.models import Model
from aki_transport.emulator.prompt import EFFORTS, Completion, Prompt, Refusal, limited
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script
from aki_transport.emulator.text import content, evaluate, expressions, quoted, sentences, shorten, spaced
from aki_transport.emulator.tool_calls import plan

UNKNOWN = "I do not know."

_GREETING = re.compile(r"^\s*(?:hi|hello|hey|good (?:morning|evening|day))\b[^?]{0,40}$", re.IGNORECASE)
_ECHO = re.compile(
    r"\b(?:say|repeat|(?:reply|respond|answer)\s+(?:only|just|exactly|with))\b"
    r"(?:\s+(?:only|just|exactly|with|after me|the|words?))*\s*[:,]?\s*(.+)",
    re.IGNORECASE | re.DOTALL,
)
_COUNT = re.compile(r"\bcount\b.*?\b(?:from\s+(\d+)\s+)?(?:to|until)\s+(\d+)", re.IGNORECASE)
_LABELLED = re.compile(r"(?im)^\s*(?:question|query)\s*:\s*(\S.*)$")
_EXISTING = re.compile(r"(?im)^.*\b(?:original|existing) answer:\s*(\S.*)$")
_SOURCE = re.compile(r"^\s*\[([^\]\n]{1,200})\]\s*(?!\()|^\s*(?:source|file_path|file)\s*:\s*(\S.*)$", re.IGNORECASE)
# Written for the model where no source stands above it, else for the reader of that source.
_INSTRUCTION = re.compile(
    r"\W*(?:answer|reply|respond|cite|use|you|your|if|given|based|context|do not|never|always|please|keep|think)\b",
    re.IGNORECASE,
)
# A sentence that orders JSON, not one of a passage that speaks of it.
_ORDER = re.compile(
    r"(?im)(?:^|[.!?:]\s+)\W*(?:please\s+)?(?:the output|output|your|return|respond|reply|answer|give|write|use)\b"
    r"[^\n]*\bJSON\b[^\n]*"
)
_WRITTEN = frozenset(["answer", "response", "reply", "result", "text", "summary", "explanation"])
_CODE = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_MARKS = re.compile(
    r"(?im)\*\*|^\s*(?:[-*+]|\d+[.)])\s+|^\s*#+\s.*$|^\s*-{3,}\s*$"
    r"|^\s*(?:context|passages|documents)\b[^\n:]{0,30}:|<[^<>\n]+>"
)
_LONGEST_COUNT = 2000
_LONGEST_ECHO = 400
_LONG = 60  # words; from here on the result of a tool is read like a context
_COVERED = 0.4  # how much of what a question asks a sentence has to hold


def complete(prompt: Prompt, model: Model, request: RecordedRequest, script: Script, faults: Faults) -> Completion:
    """The answer to a request: a script's as it is, else the model's own within its limits; or what is refused."""
    if not model.sees and any(turn.images for turn in prompt.messages):
        raise Refusal(f"The model {model.id} has no image input; send text only.")
    used, wanted = prompt.tokens(), prompt.max_tokens or 0
    if used + wanted > model.window:
        # vLLM's words, which clients look for.
        raise Refusal(
            f"This model's maximum context length is {model.window} tokens. However, you requested {used + wanted} "
            f"tokens ({used} in the messages, {wanted} in the completion). Please reduce the length of the messages.",
            400,
            "context_length_exceeded",
        )
    if faults.empty:
        return Completion(prompt_tokens=used)
    return script.take(prompt, request) or limited(think(prompt), prompt, model.max_output)


def think(prompt: Prompt) -> Completion:
    """The answer to a prompt, always the same one but for the IDs of calls."""
    try:
        calls = plan(prompt)
        text = "" if calls else _text(prompt)
    except Unfillable as error:
        raise Refusal(f"No value fits the JSON schema: {error}") from None
    needs = f"That needs {', '.join(call.name for call in calls)}."
    steps = (
        f"The user writes: “{shorten(prompt.question, 80)}”",
        needs if calls else "I can answer this from what is in the prompt.",
        f"There are {len(prompt.messages)} messages and {len(prompt.tools)} tools.",
    )
    return Completion(text, " ".join(steps[: EFFORTS.index(prompt.effort)]), calls)


def _text(prompt: Prompt) -> str:
    schema = prompt.schema or _instructed(f"{prompt.system}\n{prompt.question}")
    if schema is None and prompt.schema is not None:
        schema = {"properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    return _plain(prompt) if schema is None else _json(prompt, schema)


def _json(prompt: Prompt, schema: dict[str, Any]) -> str:
    behind = "\n".join([*(result for _, result in prompt.results), prompt.system])
    question = re.sub(r"\{.*\}", "", prompt.question, flags=re.DOTALL)

    def write(name: str) -> str | None:
        return _plain(replace(prompt, schema=None)) if name.lower() in _WRITTEN else None

    return json.dumps(FieldValues(question, behind, write, optional=True).fill(schema), ensure_ascii=False)


def _instructed(text: str) -> dict[str, Any] | None:
    """The schema by which a text orders JSON: one written out, else an object of the keys that it shows or quotes."""
    for order in _ORDER.finditer(text):
        objects: list[dict[str, Any]] = []
        end = order.start()
        while (start := text.find("{", end)) >= 0:
            end = start + 1
            with suppress(ValueError):
                value, end = json.JSONDecoder().raw_decode(text, start)
                objects += [value] if value else []
        if schemas := [value for value in objects if "properties" in value or "$ref" in value]:
            return schemas[0]
        listed = order.group().partition(" keys ")[2].partition(".")[0].replace(" and ", " ")
        named = [key for key in quoted(order.group()) or re.findall(r"\w+", listed) if key.isidentifier()]
        if keys := [*objects[-1]] if objects else named:
            return {"properties": {key: {} for key in keys}, "required": keys}
    return None


def _plain(prompt: Prompt) -> str:
    if results := prompt.results:
        parts = [_reported(call.name, call.arguments, result.strip(), prompt.question) for call, result in results]
        return " ".join([*dict.fromkeys(parts), *map(_described, prompt.images)])
    if prompt.images:
        return " ".join(map(_described, prompt.images))
    # A prompt to refine an answer: only one that knows nothing is replaced.
    if (existing := _EXISTING.search(prompt.question)) and UNKNOWN not in existing.group(1):
        return existing.group(1).strip()
    question = _question(prompt.question)
    texts = [turn.text.replace(question, "\n\n") for turn in prompt.messages if turn.role in ("system", "user")]
    return _worked_out(question) or _best_sentence(question, "\n\n".join(texts)) or UNKNOWN


def _question(text: str) -> str:
    if labelled := _LABELLED.findall(text):
        return str(labelled[-1]).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.endswith("?")), text.strip() if len(lines) < 2 else lines[-1])  # noqa: PLR2004


def _worked_out(question: str) -> str | None:
    """The reply to what needs no knowledge."""
    if _GREETING.search(question):
        return "Hello! How can I help you today?"
    if count := _COUNT.search(question):
        first, last = int(count.group(1) or 1), int(count.group(2))
        return ", ".join(map(str, range(first, min(last, first + _LONGEST_COUNT) + 1))) + "."
    if sums := expressions(question):
        return " ".join(f"{each} = {evaluate(each)}." for each in sums)
    if echo := _ECHO.search(question):
        return shorten((quoted(echo.group(1)) or [echo.group(1).strip()])[0], _LONGEST_ECHO)
    return None


def _reported(tool: str, arguments: str, result: str, question: str) -> str:
    if len(result.split()) > _LONG:
        # What was looked up, else all that was asked.
        asked = (" ".join(quoted(arguments)), question)
        return next(filter(None, (_best_sentence(each, result) for each in asked)), shorten(result, _LONGEST_ECHO))
    ended = result if result[-1:] in (*'.!?…`)"]}',) else f"{result or 'nothing'}."
    return ended if " " in result else f"The result of {spaced(tool)} is {ended}"


def _best_sentence(question: str, context: str) -> str | None:
    """The sentence that holds most of what is asked, with its source; `None` where none holds enough."""
    asked = set(content(question))
    units = [
        (text, source, set(content(text)))
        for text, source in _units(context)
        if text != question and (source or not _INSTRUCTION.match(text))
    ]
    spread = Counter(word for _, _, stems in units for word in stems)
    weight = {word: math.log(1 + (len(units) - spread[word] + 0.5) / (spread[word] + 0.5)) for word in asked}
    scores = [sum(weight[word] for word in asked & stems) / (1 + len(stems) / 200) for _, _, stems in units]
    best = max(scores, default=0.0)
    if not asked or best < _COVERED * sum(weight.values()):
        return None
    text, source, _ = units[scores.index(best)]
    return f"{text} [{source}]" if source else text


def _units(context: str) -> Iterator[tuple[str, str | None]]:
    """The sentences of a context, each with the source that stands above it; no rows of tables and no code."""
    source: str | None = None
    paragraph: list[str] = []
    for line in [*_CODE.sub("\n", context).splitlines(), ""]:
        label = _SOURCE.match(line)
        if label or not line.strip() or _ITEM.match(line):
            yield from ((each, source) for each in sentences(" ".join(_MARKS.sub(" ", "\n".join(paragraph)).split())))
            paragraph = []
        if label:
            source = label.group(1) or label.group(2).strip()
        if not line.lstrip().startswith("|"):
            paragraph.append(line[label.end() :] if label else line)


def _described(url: str) -> str:
    head, _, payload = url.partition(",")
    if not head.startswith("data:"):
        # Never fetched: the emulator reaches nothing but its clients.
        return f"I see an image at {urlsplit(url).netloc or url[:40]} that was not opened."
    try:
        image = Image.open(BytesIO(base64.b64decode(payload)))
    except (ValueError, OSError):
        return "I see an image that cannot be read."
    return f"I see a {image.format} image of {image.width} × {image.height} pixels."  # noqa: RUF001  # as sizes are written
