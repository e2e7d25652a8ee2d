"""Finds the JSON value that answers a question in the text of an answer: beside reasoning, wrapped, or nearly JSON."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from aki_transport.json_text import BracketScanner

T = TypeVar("T")

_KINDS = r"(?i:(?:seed:|ant)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis))"
# Where reasoning begins and ends (also as Cohere, OpenThinker, Phi, Gemma, Apriel and Granite write it), and where JSON
# may begin. If only its end is marked, all the text before is reasoning: templates of chat models put the opening tag
# into the prompt, and servers that leave out the special tokens of the harmony format leave the words between them.
# Each branch begins with its own character, which makes it fast.
_MARK = re.compile(
    rf"<(?:\s?/\s?{_KINDS}\s?>(?P<close>)|\s?{_KINDS}\s?>(?P<open>)|\|channel\|>final(?:<\|message\|>)?(?P<close_final>)"
    r"|\|?channel\|?>(?:analysis|thought)(?P<open_channel>)|channel\|>(?P<end>)"
    rf"|\|(?:/|(?i:end_(?:of_)?)){_KINDS}\|>(?P<close_token>)|\|(?i:(?:start_|begin_(?:of_)?)?){_KINDS}\|>(?P<open_token>)"
    r"|unused9(?:4>(?P<open_unused>)|5>(?P<close_unused>))|\|[A-Za-z_]+\|>(?:assistant)?(?P<token>))"
    r'|\[(?:/THINK\](?P<close_bracket>)|THINK\](?P<open_bracket>)|(?=\s*(?:["{\[\d-]|true|false|null))(?P<json_list>)'
    r"|BEGIN FINAL RESPONSE\](?P<close_begin>))"
    r"|Here(?: i|')s my (?:response:(?P<close_here>)|thought process:(?P<open_here>))"
    r"|◁(?:/think▷(?P<close_triangle>)|think▷(?P<open_triangle>))"
    r'|\{(?=\s*(?:["\'#/]|[A-Za-z_]\w{0,63}\s{0,9}:))(?P<json_object>)|"(?=\s*[{\[])(?P<json_string>)'
    r"|assistantfinal(?P<close_words>)"
)
# What models write in the place of JSON: objects as Python and JavaScript have them, with comments.
_NEARLY_JSON = re.compile(
    r"""(?P<kept>"(?:[^"\\]|\\.)*")|'(?P<text>(?:[^'\\]|\\.){0,4096})'|(?P<comment>(?://|\#)[^\n]*|/\*.{0,4096}?\*/)"""
    r"""|(?P<key>[A-Za-z_]\w{0,63})(?=\s{0,9}:)|\b(?P<constant>None|True|False)\b"""
    r"|(?P<blank>[\u00a0\u200b\u3000\ufeff]+)",
    re.DOTALL,
)
_LAST_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}|(?P<no_escape>))')
_CONSTANTS = {"None": "null", "True": "true", "False": "false"}
_MAX_CANDIDATES = 1000  # the last ones of a text
_MAX_FAILURES = 1000  # each may take time in proportion to the length of the text
_MAX_SCANNED = 1 << 20  # characters that are looked through for the ends of objects that are no valid JSON
_MAX_DEPTH = 2  # objects around the answer
# How models write the call of a tool as text, and repeat the schema that they were given: these beside a name.
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "schema", "input_schema")
_CALL_FIELDS = {"name", "type", "id", "description", "strict", *_ARGUMENTS}
_TOO_DEEP = 100  # how many failures nesting too deep counts for, as it takes that long
_decoder = json.JSONDecoder(strict=False)


class Candidate(NamedTuple):
    """A JSON value in a text; `is_repaired` if it was not valid JSON as it stood there."""

    value: Any
    is_repaired: bool = False


class JsonAnswer:
    """The JSON `values` in the text of an answer, in order, without those in its reasoning.

    `reasoning` is what came beside the text; None if the answer was cut off, so that an object in reasoning is none.
    """

    def __init__(self, text: str, reasoning: str | None = "") -> None:
        answers, from_reasoning, has_words = _read(text)
        self.values: list[Any] = [candidate.value for candidate in answers]
        if not answers and not has_words and reasoning is not None:  # some servers send the whole answer as reasoning
            in_text, more, _ = _read(reasoning)
            answers = from_reasoning or [*more, *in_text]
        self._candidates = answers

    def find(self, convert: Callable[[Any], T], fields: Collection[str] = ()) -> T:
        r"""The last value that fits: as it is, else in an object around it, else in a JSON string, else repaired.

        `convert` makes the result of a value, or raises `ValueError`, which is that of the last value if none fits.
        `fields` are names of fields of what is searched for: an object with some of them is nothing around it.

        Example:
            >>> from aki_transport.json_answer import JsonAnswer
            >>> from aki_transport.schemas import checked
            >>> schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
            >>> JsonAnswer('I first thought of {"a": 1}.</think> ```json\n{"a": 2}```').find(checked(schema))
            {'a': 2}
        """
        search = _Search(convert, frozenset(fields))
        valid = [candidate.value for candidate in reversed(self._candidates) if not candidate.is_repaired]
        repaired = [candidate.value for candidate in reversed(self._candidates) if candidate.is_repaired]
        forms = (search.as_it_is, search.unwrapped, search.decoded)
        return _first(
            chain(
                (partial(form, value) for form in forms for value in valid),
                (partial(search.any_form, value) for value in repaired),
            )
        )


def _first(attempts: Iterable[Callable[[], T]]) -> T:
    """The first result; raises what the first attempt raised if there is none."""
    first_error: ValueError | None = None
    for attempt in attempts:
        try:
            return attempt()
        except ValueError as error:
            first_error = first_error or error
    raise first_error or ValueError("there is no JSON")


class _Search(Generic[T]):
    """The forms in which a value may hold what is searched for. Each raises `ValueError` if it does not."""

    def __init__(self, convert: Callable[[Any], T], fields: frozenset[str]) -> None:
        self._convert = convert
        self._fields = fields

    def as_it_is(self, value: Any) -> T:
        if self._fields and isinstance(value, dict) and "name" in value and value.keys() <= _CALL_FIELDS:
            arguments = next((value[name] for name in _ARGUMENTS if name in value and name not in self._fields), None)
            arguments = _decoded(arguments)
            if arguments and isinstance(arguments, dict):
                return self._convert(arguments)
        return self._convert(value)

    def unwrapped(self, value: Any) -> T:
        """The one value in an object, or in a list of one, that fits."""
        return self._inner(value, self.as_it_is, _MAX_DEPTH)

    def decoded(self, value: Any) -> T:
        """The value in JSON that stands in a JSON string, by itself or in an object; or one with fields written so."""
        if isinstance(value, str):
            return self._from_text(value)
        if isinstance(value, dict) and (fields := {name: _decoded(field) for name, field in value.items()}) != value:
            with suppress(ValueError):
                return self.as_it_is(fields)
        return self._inner(value, self._from_text, _MAX_DEPTH)

    def any_form(self, value: Any) -> T:
        return _first(partial(form, value) for form in (self.as_it_is, self.unwrapped, self.decoded))

    def _from_text(self, text: Any) -> T:
        if not isinstance(text, str):
            raise ValueError("it is no text")  # noqa: TRY004  what `convert` raises
        value, end = _decode(text.strip(), 0)
        if end < len(text.strip()) or not isinstance(value, str | dict | list) or not value:
            raise ValueError("the text is no JSON")
        return self.any_form(value)

    def _inner(self, outer: Any, convert: Callable[[Any], T], depth: int) -> T:
        inner = [value for value in _values(outer) if self._may_stand_in(outer, value)]
        results = []
        for value in inner:
            with suppress(ValueError):
                results.append(convert(value))
        if len(results) == 1:
            return results[0]
        for value in inner if depth > 1 and not results else ():
            with suppress(ValueError):
                return self._inner(value, convert, depth - 1)
        raise ValueError("more than one value in it fits" if results else "no value in it fits")

    def _may_stand_in(self, outer: Any, value: Any) -> bool:
        if isinstance(value, dict | list):
            if not value:  # an empty object is no answer
                return False
        elif len(outer) > 1:  # a name or a remark beside the answer
            return False
        own = self._fields.intersection(outer) if isinstance(outer, dict) else frozenset()
        return not own or (isinstance(value, dict) and own <= value.keys())


def _values(outer: Any) -> Iterable[Any]:
    if isinstance(outer, dict):
        return outer.values()
    return outer if isinstance(outer, list) and len(outer) == 1 else ()


def _read(text: str) -> tuple[list[Candidate], list[Candidate], bool]:
    """The candidates of answer and reasoning, and whether the answer has other text than that."""
    body = _without_fence(text.strip())
    try:
        value, end = _decode(body, 0)
        if end == len(body):
            return [Candidate(value)], [], False
    except ValueError:
        pass
    reader = _Reader(body)
    reader.read()
    return list(reader.answers), list(reader.from_reasoning), reader.has_words


def _without_fence(text: str) -> str:
    if not (text.startswith("```") and text.endswith("```") and len(text) > 6):  # noqa: PLR2004  both fences
        return text
    first, newline, rest = text[3:-3].partition("\n")
    return rest.strip() if newline and not first.strip("jsonJSON5 \r") else text[3:-3].removeprefix("json").strip()


def _decode(text: str, at: int) -> tuple[Any, int]:
    """The JSON value at a position, and where it ends; raises `ValueError`."""
    try:
        return _decoder.raw_decode(text, at)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


class _Reader:
    """Reads a text once, and sorts its JSON values into those of the answer and those of the reasoning."""

    def __init__(self, text: str) -> None:
        self.answers: deque[Candidate] = deque(maxlen=_MAX_CANDIDATES)
        self.from_reasoning: deque[Candidate] = deque(maxlen=_MAX_CANDIDATES)
        self.has_words = False
        self._text = text
        self._in_reasoning = False
        self._failures = 0
        self._left_to_scan = _MAX_SCANNED

    def read(self) -> None:
        position = 0
        while self._failures < _MAX_FAILURES and (mark := _MARK.search(self._text, position)) is not None:
            self._add_words(position, mark.start())
            position = mark.end()
            match (mark.lastgroup or "").partition("_")[0]:
                case "json":
                    position = self._read_value(mark.start())
                case "open":
                    self._in_reasoning = True
                case "close":
                    if not self._in_reasoning:
                        self.from_reasoning.extend(self.answers)
                        self.answers.clear()
                        self.has_words = False
                    self._in_reasoning = False
                case _:
                    self._in_reasoning = False
        self._add_words(position, len(self._text))

    def _add_words(self, start: int, end: int) -> None:
        if not self._in_reasoning and not self.has_words:
            self.has_words = bool(self._text[start:end].strip(" \t\r\n`"))

    def _read_value(self, start: int) -> int:
        """Keep the value that begins here, if it is one; returns where reading goes on."""
        opening = self._text[start]
        if opening == '"' and self._text[start - 1 : start] == "\\":
            return start + 1
        try:
            value, end = _decode(self._text, start)
        except ValueError as error:
            behind = max(getattr(error, "pos", 0), start + 1)
            self._failures += 1 if isinstance(error, json.JSONDecodeError) else _TOO_DEEP
            return self._read_broken_object(start, behind) if opening == "{" else behind
        if opening == '"' and not isinstance(_decoded(value), dict | list):
            self._failures += 1
            return start + 1
        self._keep(Candidate(value))
        return end

    def _read_broken_object(self, start: int, behind: int) -> int:
        """As `_read_value`, for an object whose JSON is wrong at `behind`: what stands in it is no answer."""
        window = self._text[start : start + self._left_to_scan]
        length = BracketScanner().feed(window)
        self._left_to_scan -= length or len(window)
        if length is None:
            return behind
        repaired = _NEARLY_JSON.sub(_as_json, window[:length])
        repaired = _LAST_COMMA.sub(lambda match: "" if match[0] == "," else match[0], repaired)
        with suppress(ValueError):
            self._keep(Candidate(_decode(repaired, 0)[0], is_repaired=True))
        return start + length

    def _keep(self, candidate: Candidate) -> None:
        (self.from_reasoning if self._in_reasoning else self.answers).append(candidate)


def _as_json(match: re.Match[str]) -> str:
    match match.lastgroup:
        case "text":
            text = match["text"].replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
            return _with_escapes(f'"{text}"')
        case "kept":
            return _with_escapes(match[0])
        case "comment":
            return ""
        case "key":
            return f'"{match["key"]}"'
        case "constant":
            return _CONSTANTS[match[0]]
        case _:
            return " "


def _with_escapes(text: str) -> str:
    """A string in which a backslash that escapes nothing, as in regular expressions and TeX, stands for itself."""
    return _ESCAPE.sub(lambda escape: escape[0] if escape["no_escape"] is None else "\\\\", text)


def _decoded(value: Any) -> Any:
    """What a JSON string holds, if that is an object or a list; else the value as it is."""
    with suppress(ValueError):
        if isinstance(value, str) and isinstance(inner := _decode(value.strip(), 0)[0], dict | list):
            return inner
    return value


def opens_reasoning(text: str) -> bool:
    """Whether there is the beginning of reasoning in a text."""
    return any((mark.lastgroup or "").startswith("open") for mark in _MARK.finditer(text))
