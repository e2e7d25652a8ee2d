"""Runs tests against changed modules, each change in a process of its own; the files on disk stay as they are.

A change is shown to those tests that reach its line: to those of the file that has most of them first.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from hypothesis import settings

from tests.tools.mutants.operators import RECORDER, Mutation, with_recorder

ROOT = Path(__file__).parents[3]
_MEMORY = 4 * 2**30  # bytes of address space, for changes that make a loop endless
_LEAST_SECONDS = 30
_LONGEST_SECONDS = 3600  # for all tests without a change
_OPTIONS = ("-x", "-q", "--tb=line", "-W", "ignore", "--hypothesis-profile=mutants")
settings.register_profile("mutants", max_examples=25, derandomize=True, database=None, deadline=None)


class _Changed(MetaPathFinder, SourceFileLoader):
    """Finds one module, and compiles the change instead of the module's file."""

    def __init__(self, path: Path, mutation: Mutation) -> None:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        super().__init__(name, str(path))
        self._mutation = mutation

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return spec_from_file_location(self.name, self.path, loader=self) if fullname == self.name else None

    def get_code(self, _: str) -> CodeType:
        return compile(self._mutation.source, self.path, "exec")


class _Recorded(_Changed):
    """Compiles a module so that each of its statements tells that it is reached."""

    def __init__(self, path: Path, reach: Callable[[str, int], None]) -> None:
        super().__init__(path, Mutation("", 0, with_recorder(path.read_text())))
        self._reach = reach

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, RECORDER, partial(self._reach, self.path))
        super().exec_module(module)


class _Reached:
    """A plugin of pytest: which statements of the modules each test reaches, and how long it takes."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.lines: dict[str, dict[str, set[int]]] = {str(path): defaultdict(set) for path in paths}
        self.seconds: dict[str, float] = defaultdict(float)
        self._test = ""

    def record(self) -> None:
        """Let the modules tell what is reached of them."""
        sys.meta_path[:0] = [_Recorded(Path(path), self._reach) for path in self.lines]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._test = nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration

    def _reach(self, path: str, line: int) -> None:
        if self._test:  # not while tests are collected
            self.lines[path][self._test].add(line)


class _Chosen:
    """A plugin of pytest that runs these tests alone, in this order."""

    def __init__(self, names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._places), key=lambda item: self._places[item.nodeid]
        )


class Trial:
    """A group of tests, and which of them reach which lines of some modules.

    Args:
        tests: Arguments for pytest.
        paths: The modules.
    """

    def __init__(self, tests: Sequence[str], paths: Sequence[Path]) -> None:
        self._tests = tuple(tests)
        self._paths = tuple(paths)
        self._lines: dict[str, dict[str, set[int]]] = {}
        self._seconds: dict[str, float] = {}

    def prepare(self) -> str | None:
        """Run the tests without a change, and import what they need of others; what is wrong if they fail."""
        with tempfile.NamedTemporaryFile("r") as report:
            outcome, output = self._run(None, self._tests, _Reached(self._paths), _LONGEST_SECONDS, report.name)
            if outcome:
                return output
            names, lines, self._seconds = json.load(report)
        self._lines = {path: {name: set(reached) for name, reached in of.items()} for path, of in lines.items()}
        for name in names:
            _import_if_possible(name)
        chosen = self._by_seconds({name for tests in self._lines.values() for name in tests})
        outcome, output = self._run(None, _files(chosen), _Chosen(chosen), _LONGEST_SECONDS)  # any order must do
        return output if outcome else None

    def is_killed(self, path: Path, mutation: Mutation) -> bool:
        """Whether a test notices the change; taking ten times as long as without it counts as noticed."""
        reached = self._lines[str(path)]
        reaching = [name for name, lines in reached.items() if mutation.statement in lines]
        names = self._by_seconds(reaching or self._seconds)  # what runs at the import is used without its line
        owner = Counter(map(_file, names)).most_common(1)[0][0]  # most changes take no more than its tests
        first, rest = [name for name in names if _file(name) == owner], [name for name in names if _file(name) != owner]
        return self._fails((path, mutation), first) or (bool(rest) and self._fails((path, mutation), rest))

    def _fails(self, change: tuple[Path, Mutation], names: Sequence[str]) -> bool:
        seconds = int(_LEAST_SECONDS + 10 * sum(self._seconds[name] for name in names))
        outcome, output = self._run(change, _files(names), _Chosen(names), seconds)
        is_import_broken = "while loading conftest" in output  # the change itself
        if outcome in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR) and not is_import_broken:
            raise RuntimeError(output)
        return outcome != pytest.ExitCode.OK

    def _by_seconds(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=lambda name: self._seconds[name])

    def _run(
        self,
        change: tuple[Path, Mutation] | None,
        tests: Sequence[str],
        plugin: _Reached | _Chosen,
        seconds: int,
        report: str = "",
    ) -> tuple[int, str]:
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                self._run_in_child(change, tests, plugin, seconds, report, output.fileno())
            _, status = os.waitpid(child, 0)
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what its tests had started
            output.seek(0)
            return os.waitstatus_to_exitcode(status), output.read().decode("utf-8", "replace")

    def _run_in_child(
        self,
        change: tuple[Path, Mutation] | None,
        tests: Sequence[str],
        plugin: _Reached | _Chosen,
        seconds: int,
        report: str,
        output: int,
    ) -> None:
        code = int(pytest.ExitCode.INTERNAL_ERROR)
        try:
            os.setpgid(0, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            signal.alarm(seconds)  # its default ends the process
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            sys.dont_write_bytecode = False  # a change is never written, and all else is compiled once
            if change is not None:
                sys.meta_path.insert(0, _Changed(*change))
            if isinstance(plugin, _Reached):
                plugin.record()
            code = int(pytest.main([*tests, *_OPTIONS], plugins=[plugin]))
            if isinstance(plugin, _Reached):
                lines = {
                    path: {name: list(reached) for name, reached in of.items()} for path, of in plugin.lines.items()
                }
                others = [name for name in sys.modules if not _is_ours(name)]
                Path(report).write_text(json.dumps([others, lines, plugin.seconds]))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _file(name: str) -> str:
    return name.partition("::")[0]


def _files(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_file, names)))


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("aki_transport", "langchain_aki", "llama_index_aki", "tests", "conftest")


def _import_if_possible(name: str) -> None:
    """Import a module of others once for all children; those that cannot be imported alone, or import ours, are left
    to them."""
    before = set(sys.modules)
    try:
        importlib.import_module(name)
    except Exception:  # noqa: BLE001  any module of any package
        sys.modules.pop(name, None)
    if any(_is_ours(each) for each in sys.modules.keys() - before):
        for each in sys.modules.keys() - before:
            del sys.modules[each]
