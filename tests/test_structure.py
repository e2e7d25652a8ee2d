"""What the product leans on: no private part of another library but those listed here, httpx in its one place, and no
provider by its name: what is particular about one is data in its row."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from aki_transport import PROVIDERS
from tests.programs import ROOT

PACKAGES = ("aki_transport", "langchain_aki", "llama_index_aki")
FILES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.name not in ("__main__.py", "_shim.py")
)

# DESIGN, part 7: the one attribute through which httpx's transports take our connections.
OF_HTTP_LIBRARIES = {("aki_transport/transport/connections.py", "_pool")}
# Methods that the frameworks have their subclasses override or call; and LangChain's table of names for
# `init_chat_model` with its caches, which has no public way in.
OF_FRAMEWORKS = {
    ("langchain_aki/_base.py", "_add_version"),
    ("langchain_aki/_base.py", "super()._client"),  # of our own base
    ("langchain_aki/_base.py", "super()._get_ls_params"),
    ("langchain_aki/llms.py", "super()._identifying_params"),
    ("langchain_aki/registration.py", "_BUILTIN_PROVIDERS"),
    ("langchain_aki/registration.py", "_default_class_paths_cache"),
    ("langchain_aki/registration.py", "_get_chat_model_creator"),
    ("llama_index_aki/llms.py", "_extend_messages"),
    ("llama_index_aki/llms.py", "super()._structured_astream_call"),
    ("llama_index_aki/llms.py", "super()._structured_stream_call"),
}
OF_NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}  # public, in spite of their names


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_"


@cache
def our_names() -> frozenset[str]:
    """Private names that the product itself defines."""
    names = set()
    for node in (node for path in FILES for node in ast.walk(tree(path))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
    return frozenset(filter(is_private, names))


def is_our_own(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def touched_outside_of_classes(path: Path) -> Iterator[str]:
    """Private names of others, on anything but `self`: attributes, imports, and names given as texts."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name) if is_private(name):
                yield f"super().{name}"
            case ast.Attribute(attr=name) if is_private(name) and not is_our_own(node):
                if name not in our_names() and name not in OF_NAMED_TUPLES:
                    yield name
            case ast.Call(args=args):
                texts = (each.value for each in args if isinstance(each, ast.Constant) and isinstance(each.value, str))
                yield from (
                    text for text in texts if text.isidentifier() and is_private(text) and text not in our_names()
                )
            case ast.ImportFrom(module=str(module), level=0) if module.partition(".")[0] not in (
                *PACKAGES,
                "__future__",
            ):
                yield from filter(is_private, [*module.split("."), *(alias.name for alias in node.names)])


def is_foreign(cls: type) -> bool:
    root = cls.__module__.partition(".")[0]
    return root not in PACKAGES and root not in sys.stdlib_module_names


@cache
def source_of(cls: type) -> str:
    """Of its methods: httpx names another module than that which its classes stand in."""
    return "".join(inspect.getsource(each) for each in vars(cls).values() if inspect.isfunction(each))


def touched_in_subclasses(path: Path) -> Iterator[str]:
    """Private attributes that a class of ours uses on itself, and that a library's class among its bases has."""
    module = importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    for definition in (node for node in tree(path).body if isinstance(node, ast.ClassDef)):
        cls: Any = getattr(module, definition.name)
        ours = {name for base in cls.__mro__ if not is_foreign(base) for name in vars(base)}
        theirs = [base for base in cls.__mro__ if is_foreign(base)]
        used = {node.attr for node in ast.walk(definition) if is_our_own(node)}
        for name in filter(is_private, used - ours):
            if any(name in vars(base) or re.search(rf"\bself\.{name}\b", source_of(base)) for base in theirs):
                yield name


def touched(path: Path) -> set[tuple[str, str]]:
    return {(path.as_posix(), name) for name in (*touched_outside_of_classes(path), *touched_in_subclasses(path))}


def test_no_private_part_of_a_library_is_touched_but_those_listed_here() -> None:
    assert set().union(*map(touched, FILES)) == OF_HTTP_LIBRARIES | OF_FRAMEWORKS


def imported(path: Path) -> dict[str, list[ast.stmt]]:
    found: dict[str, list[ast.stmt]] = {}
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), level=0):
                modules = [module]
            case _:
                continue
        for name in modules:
            found.setdefault(name.partition(".")[0], []).append(node)
    return found


def test_http_libraries_are_imported_where_calls_are_sent_and_nowhere_else() -> None:
    for path in FILES:
        names = imported(path).keys()
        assert not names & {"httpx2", "urllib3", "requests", "h11"}, path
        if path.parts[:2] != ("aki_transport", "transport"):
            assert "httpcore" not in names, path
            assert "httpx" not in names or path == Path("aki_transport/errors.py"), path
        if path != Path("aki_transport/transport/lifetime.py"):
            assert not names & {"aiohttp", "httpx_aiohttp"}, path


LANGCHAIN = {"langchain", "langchain_core", "langgraph", "langsmith", "langchain_aki"}
LLAMA_INDEX = {"llama_index", "llama_index_aki"}
VENDORS = {"openai", "anthropic", "aki_io", "tiktoken", "transformers", "langchain_openai"}
FORBIDDEN = {
    "aki_transport": LANGCHAIN | LLAMA_INDEX | VENDORS,
    "langchain_aki": LLAMA_INDEX | VENDORS,
    "llama_index_aki": LANGCHAIN | VENDORS,
}
OF_POSIX = {"crypt", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}


def test_no_package_imports_a_vendors_client_a_framework_that_is_not_its_own_or_what_only_posix_has() -> None:
    for path in FILES:
        names = imported(path).keys()
        assert not names & (FORBIDDEN[path.parts[0]] | OF_POSIX), path
        assert "langchain" not in names or path.name == "registration.py", path
        places = ("/proc/", "/dev/", "/tmp/", "/etc/", "/usr/")  # noqa: S108  looked for
        assert not [text for text in texts_of(path) if text.startswith(places)], path


def test_aiohttp_is_imported_by_the_one_function_that_needs_it() -> None:
    path = Path("aki_transport/transport/lifetime.py")
    (function,) = (node for node in tree(path).body if getattr(node, "name", "") == "_aiohttp_transport")
    statements = [node for name in ("aiohttp", "httpx_aiohttp") for node in imported(path)[name]]
    assert len(statements) == 2
    assert {*statements} <= {*ast.walk(function)}


def test_the_emulator_imports_nothing_of_ours_from_outside_itself() -> None:
    for path in (ROOT / "aki_transport" / "emulator").rglob("*.py"):
        packages = imported(path)
        assert packages.keys() <= {"aki_transport", "starlette", "uvicorn", "PIL", *sys.stdlib_module_names}, path
        assert all("aki_transport.emulator" in ast.unparse(each) for each in packages.get("aki_transport", ())), path


@cache
def texts_of(path: Path) -> list[str]:
    """The texts of a file that are no docstrings: those are statements of their own."""
    nodes = list(ast.walk(tree(path)))
    docstrings = [node.value for node in nodes if isinstance(node, ast.Expr)]
    constants = [node for node in nodes if isinstance(node, ast.Constant) and node not in docstrings]
    return [node.value for node in constants if isinstance(node.value, str)]


GATEWAYS = re.compile(r"aacflow|ak[_ ]ai[_ ]core|akaicore", re.IGNORECASE)
HOSTS = [host for provider in PROVIDERS.values() for host in provider.hosts]


def test_no_file_but_the_table_of_providers_names_one() -> None:
    for path in FILES:
        # The emulator and the questions to the live services stand for particular services.
        if path.name == "providers.py" or {"emulator", "live_check"} & set(path.parts):
            continue
        assert not GATEWAYS.search((ROOT / path).read_text()), path
        for text in texts_of(path):
            # The command has the name of a provider.
            assert text not in PROVIDERS or path.name == "cli.py", path
            assert not any(host in text for host in HOSTS), path


# An issue or a file of a repository, a page of the service, a specification, a rule of ours, or nothing that was found.
SHOWN = re.compile(
    r"# (.*\([\w.-]+/[\w.-]+(#\d+| [\w./]+)?\)|.*'s page|OpenAI's specification|The SSE standard|RFC \d|Our |Not seen)"
)


def test_each_scenario_says_who_shows_it() -> None:
    for path in (ROOT / "tests" / "scenarios").glob("*.py"):
        lines = [line.strip() for line in path.read_text().splitlines()]
        assert [line for line in lines if line.startswith("# ") and not SHOWN.match(line)] == [], path
        tables = [node.value for node in tree(path).body if isinstance(node, ast.Assign)]
        rows = [row for table in tables if isinstance(table, ast.Tuple) for row in table.elts]
        calls = [row for row in rows if isinstance(row, ast.Call) and ast.unparse(row.func) != "chunk"]
        assert [lines[row.lineno - 1] for row in calls if not lines[row.lineno - 2].startswith("# ")] == [], path
