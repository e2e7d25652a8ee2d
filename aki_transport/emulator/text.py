# ruff: noqa: RUF001  # the signs and quotation marks that people write are what it reads
"""What can be read in a text without understanding it: sentences, stems of words, names, numbers and sums."""

import ast
import operator
import re
from itertools import pairwise

STOP = frozenset(
    """
    a about after again all also am an and any are as at be because been before but by can could did do does during for
    from had has have he her his how i if in into is it its just let like me my no nor not now of off on once only or
    other our out over own please she should so some such than that the their them then there these they this those to
    too under until up very was we were what when where which while who whom why will with would you your tell give want
    need know say return answer json name use using call
    """.split()  # noqa: SIM905  # reads better than a list
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SUFFIXES = ("ations", "ation", "ings", "ing", "ied", "ies", "ers", "er", "es", "ed", "ly", "s", "e", "y")
_SHORTEST_STEM = 3
_SENTENCE_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\bDr)(?<!\bMrs)(?<!\bMr)[.!?…][\"'”’)\]`*_]*\s+(?![a-z])")
_NUMBER = re.compile(r"(?<![\w.,-])-?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\w-]|\.\d|,\d)")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)")
_NAME = re.compile(r"(?:(?:Dr|Prof|Mr|Mrs|Ms)\. )?[A-ZÀ-ÖØ-Þ][\w’-]*(?:\s+[A-ZÀ-ÖØ-Þ][\w’-]*)*")
# What stands behind a name that begins a sentence.
_AFTER_NAME = re.compile(r"(?:['’]s|,)?\s+(?:is|are|was|were|has|have|lives?|turned|and|works?)\b|,\s|[.!?]?\s*$")
_SPOKEN = {"plus": "+", "minus": "-", "times": "*", "divided by": "/", "×": "*", "·": "*"}
_OPERATOR = re.compile(rf"(?<=[\d)])\s*({'|'.join(map(re.escape, _SPOKEN))})\s*(?=[\d(])")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SUM = re.compile(r"(?<![\w.])[-(]*\d[\d .()+*/-]*[\d)](?!\w)")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def stem(word: str) -> str:
    """A word without its ending; only good for comparing with another stem."""
    word = word.lower()
    for suffix in _SUFFIXES:
        base = word.removesuffix(suffix)
        if base != word and len(base) >= _SHORTEST_STEM:
            return base[:-1] if base[-1] == base[-2] and base[-1] not in "lsaeiou" else base
    return word


def content(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order; `maxRetries` and `max_retries` count as two words."""
    return [stem(word) for word in re.findall(r"[^\W_]+", _CAMEL.sub(" ", text)) if word.lower() not in STOP]


def spaced(name: str) -> str:
    """An identifier as separate words: `get_weather`, `getWeather` → `get weather`."""
    return _CAMEL.sub(" ", name).replace("_", " ").replace("-", " ")


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph."""
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    return [part for start, end in pairwise(ends) if (part := text[start:end].strip())]


def shorten(text: str, limit: int) -> str:
    """The beginning of a text, on one line, cut at a word."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[:limit].rsplit(" ", 1)[0].rstrip(",;:.") + " …"


def numbers(text: str) -> list[float]:
    """Numbers, without those that are part of a date, an identifier or an address."""
    written = (each.replace(",", "") for each in _NUMBER.findall(text))
    return [float(each) if "." in each else int(each) for each in written]


def quoted(text: str) -> list[str]:
    """Quotations, without their marks."""
    return [next(filter(None, groups)).strip() for groups in _QUOTED.findall(text)]


def names(text: str) -> list[str]:
    """Capitalised names, without words that are only capitalised because a sentence begins."""
    matches: list[str] = []
    for match in _NAME.finditer(text):
        parts = match.group().split()
        begins = text[: match.start()].rstrip()[-1:] in ("", *".!?:")
        if begins and parts[0].lower().rstrip("’'s") not in STOP and not _AFTER_NAME.match(text[match.end() :]):
            parts.pop(0)
        while parts and parts[0].lower().rstrip("’'s") in STOP:
            parts.pop(0)
        matches += [" ".join(parts).removesuffix("’s")] if parts else []
    return matches


def expressions(text: str) -> list[str]:
    """The sums of a text, spoken ones too, as Python writes them."""
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", _DATE.sub("", text))
    written = _SUM.findall(_OPERATOR.sub(lambda match: f" {_SPOKEN[match[1]]} ", text))
    return [each for each in written if re.search(r"[\d)]\s*[-+*/]", each) and evaluate(each) is not None]


def evaluate(expression: str) -> str | None:
    """The value of a sum as it is written, or `None` if it has none."""
    try:
        value = _value(ast.parse(expression, mode="eval").body)
        return f"{value:.10g}" if isinstance(value, float) else str(value)
    except (SyntaxError, ValueError, ArithmeticError):
        return None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _OPERATORS:
            result: float = _OPERATORS[type(kind)](_value(left), _value(right))
            return result
        case _:
            raise ValueError("no sum")
