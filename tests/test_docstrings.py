"""What docstrings show runs as it is written there, and everything public shows how it is used."""

import ast
import doctest
import inspect
import pkgutil
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel

import aki_transport.emulator
import langchain_aki.errors
import llama_index_aki

PACKAGES = (aki_transport, langchain_aki, llama_index_aki)
OURS = tuple(package.__name__ for package in PACKAGES)
MODULES = [
    import_module(name)
    for package in PACKAGES
    for name in (
        package.__name__,
        *(found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")),
    )
    if not name.endswith("__main__")
]
EXAMPLES = {
    test.name: test
    for module in MODULES
    for test in doctest.DocTestFinder(exclude_empty=True).find(module)
    if test.examples
}

# Called by the frameworks, by pydantic and by the transport, not by people.
HOOKS = frozenset({"class_name", "get_lc_namespace", "is_lc_serializable", "model_post_init", "redact"})
# Their docstrings are what models are told of the tools.
TOLD = {"agenerate_image": "generate_image", "aedit_image": "edit_image"}


def taken_for_granted(name: str) -> dict[str, object]:
    there = (aki_transport.emulator, langchain_aki, llama_index_aki)
    packages = [aki_transport, *(package for package in there if name.startswith(package.__name__))]
    return {each: getattr(package, each) for package in packages for each in package.__all__}


@pytest.mark.usefixtures("at_the_emulator")
@pytest.mark.parametrize("test", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_gives_what_it_says(test, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert not [each.source for each in test.examples if each.options.get(doctest.SKIP)]
    test.globs = taken_for_granted(test.name)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


def test_no_example_is_written_where_it_would_not_run():
    ran = Counter(test.filename for test in EXAMPLES.values() for _ in test.examples)
    for path in (module.__file__ for module in MODULES):
        source = Path(path).read_text(encoding="utf-8")
        assert len(re.findall(r"^\s*>>> ", source, re.MULTILINE)) == ran[path], path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"^\s*(Examples?|Usage)::?\s*\n(?!\s*>>> )", node.value, re.MULTILINE), path
                assert "```python" not in node.value, path


def public() -> Iterator[tuple[type, str]]:
    """Every public class with itself, and with every method of ours that it has."""
    for module in (*PACKAGES, aki_transport.emulator, langchain_aki.errors):
        for cls in (getattr(module, name) for name in module.__all__):
            if isinstance(cls, type):
                yield cls, "__init__"
                ours = {name for base in cls.__mro__ if base.__module__.startswith(OURS) for name in vars(base)}
                for name in sorted(ours - HOOKS):
                    if not name.startswith("_") and inspect.isroutine(getattr(cls, name)):
                        yield cls, name


def test_everything_public_has_an_example():
    assert [f"{cls.__name__}.{name}" for cls, name in public() if not has_example(cls, name)] == []


def has_example(cls: type, method: str) -> bool:
    """Whether it is shown: by its own docstring, its class's, or those of its twin."""
    if method == "__init__":
        return is_shown(cls)
    text, of_class = inspect.getdoc(getattr(cls, method)) or "", inspect.getdoc(cls) or ""
    twin = re.match(r"`(\w+)`, (?:async\.|for the running event loop)", text)
    names = {method, twin[1] if twin else TOLD.get(method, method)}
    examples = [line for line in of_class.splitlines() if line.startswith("    >>> ")]
    return any(
        ">>> " in (inspect.getdoc(getattr(cls, name)) or "") or any(f".{name}(" in line for line in examples)
        for name in names
    )


def is_shown(cls: type) -> bool:
    """Whether a class has an example, or is an error that is made and read like one that has."""
    if ">>> " in (vars(cls).get("__doc__") or ""):
        return True
    return issubclass(cls, Exception) and "__init__" not in vars(cls) and any(map(is_shown, cls.__mro__[1:]))


def fields_with_docstring(cls: type) -> set[str]:
    """The fields in the body of a class behind which a docstring stands."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def test_every_field_of_a_model_or_tool_is_described():
    public_names = [getattr(module, name) for module in (langchain_aki, llama_index_aki) for name in module.__all__]
    for cls in (each for each in public_names if isinstance(each, type) and issubclass(each, BaseModel)):
        ours = [base for base in cls.__mro__ if base.__module__.startswith(OURS)]
        theirs = {name for base in cls.__mro__ if base not in ours for name in getattr(base, "model_fields", ())}
        described = set().union(*map(fields_with_docstring, ours))
        assert described
        assert (cls, cls.model_fields.keys() - theirs - described) == (cls, set())
