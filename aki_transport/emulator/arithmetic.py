# ruff: noqa: RUF001  # the signs people write are what it reads
"""Arithmetic in a prompt: finding it and working it out."""

import ast
import operator
import re
from collections.abc import Callable

Number = int | float

_SPOKEN = (
    (re.compile(r"\s+(?:multiplied\s+by|times)\s+(?=[\d(])"), " * "),
    (re.compile(r"\s+divided\s+by\s+(?=[\d(])"), " / "),
    (re.compile(r"\s+plus\s+(?=[\d(])"), " + "),
    (re.compile(r"\s+minus\s+(?=[\d(])"), " - "),
    (re.compile(r"\s+to\s+the\s+power\s+of\s+(?=[\d(])"), " ** "),
    (re.compile(r"\s+squared\b"), " ** 2"),
    (re.compile(r"(?<=\d)\s*%\s+of\s+(?=\d)|(?<=\d)\s+percent\s+of\s+(?=\d)"), " / 100 * "),
    (re.compile(r"(?<=[\d)])\s*[×·]\s*(?=[\d(])|(?<=[\d)])\s+x\s+(?=[\d(])"), " * "),
    (re.compile(r"(?<=[\d)])\s*÷\s*(?=[\d(])"), " / "),
    (re.compile(r"(?<=[\d)])\s*\^\s*(?=[\d(])"), " ** "),
    (re.compile(r"(?<=\d),(?=\d{3}\b)"), ""),
)
_OPERAND = r"\(*\s*-?\s*\(*\s*\d+(?:\.\d+)?\s*\)*"
_EXPRESSION = re.compile(rf"(?<![\w.]){_OPERAND}(?:\s*(?:\*\*|//|[-+*/%])\s*{_OPERAND})+(?![\w])")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_LARGEST_EXPONENT = 1000
_LARGEST_BASE = 10**6


def expressions(text: str) -> list[str]:
    """The arithmetic expressions of a text, spoken ones too, as Python writes them."""
    for pattern, symbol in _SPOKEN:
        text = pattern.sub(symbol, text)
    found = (_balanced(match.group().strip()) for match in _EXPRESSION.finditer(_ISO_DATE.sub(" ", text)))
    return [expression for expression in found if evaluate(expression) is not None]


def evaluate(expression: str) -> Number | None:
    """The value of an expression, or `None` if it has none."""
    try:
        value = _value(ast.parse(expression, mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError):
        return None
    if isinstance(value, complex):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def operators(expression: str) -> set[str]:
    """The operators an expression uses."""
    return set(re.findall(r"\*\*|//|[-+*/%]", expression))


def shown(value: Number) -> str:
    """A number as a reader wants it."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _balanced(expression: str) -> str:
    surplus = expression.count(")") - expression.count("(")
    if surplus > 0:
        return expression[:-surplus] if expression.endswith(")" * surplus) else expression
    return expression[-surplus:] if surplus and expression.startswith("(" * -surplus) else expression


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _OPERATORS:
            first, second = _value(left), _value(right)
            if isinstance(kind, ast.Pow) and (abs(second) > _LARGEST_EXPONENT or abs(first) > _LARGEST_BASE):
                raise ValueError("too large")
            return _OPERATORS[type(kind)](first, second)
        case _:
            raise ValueError("not arithmetic")
