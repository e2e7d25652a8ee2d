"""What is changed: one operator, constant, condition, call or return value at a time, in the module's syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

RECORDER = "_statement_is_reached"

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


@dataclass(frozen=True)
class Mutation:
    """One change of a module.

    Attributes:
        name: Where and what, without line numbers, so that it stays the same when other lines move.
        line: Where it is now.
        statement: The line in which its statement begins.
        source: What is compiled instead of the module: a tree, or a text.
    """

    name: str
    line: int
    source: ast.Module | str
    statement: int = 0


def mutations(text: str) -> Iterator[Mutation]:
    """Every change of the module, in the order of its lines."""
    tree = ast.parse(text)
    statements = {
        line: node.lineno
        for node in ast.walk(tree)  # those within come later
        if isinstance(node, ast.stmt)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    sites = [site for site in _walk(tree, "") if not isinstance(site[1], ast.Module)]
    seen: dict[str, int] = {}
    for parent, node, field, index, scope in [(site[0], *site[1:]) for site in sites]:
        for replacement in _replacements(node, parent, field):
            before, after = _shown(node), _shown(replacement)
            name = f"{scope or 'module'}: {before} → {after}"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name += f" ({seen[name]})"
            source = _with_replacement(tree, parent, field, index, replacement)
            yield Mutation(name, node.lineno, source, statements[node.lineno])


def with_recorder(text: str) -> ast.Module:
    """The module with a call of `RECORDER`, with its line, before each statement."""
    tree = ast.parse(text)
    for node in list(ast.walk(tree)):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, [each for statement in statements for each in _recorded(statement)])
    return ast.fix_missing_locations(tree)


def _recorded(statement: ast.stmt) -> Iterator[ast.stmt]:
    is_first = _is_docstring(statement) or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")
    if not is_first:
        call = ast.Call(ast.Name(RECORDER, ast.Load()), [ast.Constant(statement.lineno)], [])
        yield ast.copy_location(ast.Expr(call), statement)
    yield statement


def _walk(parent: ast.AST, scope: str) -> Iterator[tuple[ast.AST, ast.expr | ast.stmt, str, int | None, str]]:
    """Each statement and expression that may be changed, with its place in its parent and its function's name."""
    for field, value in ast.iter_fields(parent):
        if _is_left_alone(parent, field):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(child, ast.AST) or _is_docstring(child):
                continue
            inner = (
                f"{scope}.{child.name}".strip(".")
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                else scope
            )
            if isinstance(child, ast.expr | ast.stmt):
                yield parent, child, field, index, scope
            yield from _walk(child, inner)


def _is_left_alone(parent: ast.AST, field: str) -> bool:
    """Types, messages of errors and decorators: they say what is meant to people and tools."""
    match parent:
        case ast.Call(func=ast.Name(id="TypeVar")) | ast.Subscript(value=ast.Name(id="Literal")):
            return True
        case ast.AnnAssign() | ast.arg():
            return field == "annotation"
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return field in ("returns", "decorator_list")
        case ast.ClassDef():
            return field != "body"
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
    return False


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _replacements(node: ast.expr | ast.stmt, parent: ast.AST, field: str) -> Iterator[ast.expr | ast.stmt]:
    match node:
        case ast.Compare(ops=[op, *more]) if type(op) in _COMPARISONS:
            yield _changed(node, ops=[_COMPARISONS[type(op)](), *more])
        case ast.BoolOp(op=op):
            yield _changed(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC and not _is_text(node):
            yield _changed(node, op=_ARITHMETIC[type(op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield _changed(node, value=not value)
        case ast.Constant(value=int(value) | float(value)):
            yield _changed(node, value=value + 1)
        case ast.Constant(value=str(value)) if " " not in value:  # with a blank, it is a message
            yield _changed(node, value=f"{value}X")
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):  # constants have own changes
            yield _changed(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
    if field == "test" and isinstance(parent, ast.If | ast.IfExp | ast.While) and isinstance(node, ast.Name | ast.Call):
        yield ast.UnaryOp(ast.Not(), node)


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _changed(node: ast.AST, **fields: object) -> ast.expr | ast.stmt:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed  # type: ignore[return-value]


def _shown(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())[:90]


def _with_replacement(
    tree: ast.Module, parent: ast.AST, field: str, index: int | None, replacement: ast.AST
) -> ast.Module:
    """A copy of the tree with the replacement in that place."""
    value = getattr(parent, field)
    original = value if index is None else value[index]
    ast.copy_location(replacement, original)
    _put(parent, field, index, replacement)
    try:
        return ast.fix_missing_locations(copy.deepcopy(tree))
    finally:
        _put(parent, field, index, original)


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node
