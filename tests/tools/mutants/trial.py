"""Runs tests against a changed module, each change in a process of its own; the files on disk stay as they are."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

import pytest
from hypothesis import settings

from tests.tools.mutants.operators import Mutation

ROOT = Path(__file__).parents[3]
_MEMORY = 4 * 2**30  # bytes of address space, for changes that make a loop endless
_LEAST_SECONDS = 10
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


class Trial:
    """The tests of one module.

    Args:
        path: The module.
        tests: Arguments for pytest.
    """

    def __init__(self, path: Path, tests: Sequence[str]) -> None:
        self._path = path
        self._arguments = [*tests, "-x", "-q", "--tb=line", "-W", "ignore", "--hypothesis-profile=mutants"]
        self.seconds = 0.0

    def prepare(self) -> str | None:
        """Run the tests without a change, and import what they need of others; what is wrong if they fail."""
        with tempfile.NamedTemporaryFile("r") as names:
            began = time.monotonic()
            outcome, output = self._run(None, 600, names.name)
            self.seconds = time.monotonic() - began
            if outcome:
                return output
            for name in names.read().split():
                _import_if_possible(name)
        began = time.monotonic()
        self._run(None, 600)
        self.seconds = time.monotonic() - began
        return None

    def is_killed(self, mutation: Mutation) -> bool:
        """Whether a test notices the change; one that takes ten times as long as without it counts as noticed."""
        outcome, output = self._run(mutation, max(_LEAST_SECONDS, int(10 * self.seconds)))
        if outcome in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR):
            raise RuntimeError(output)
        return outcome != pytest.ExitCode.OK

    def _run(self, mutation: Mutation | None, seconds: int, names: str = "") -> tuple[int, str]:
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                self._run_in_child(mutation, seconds, names, output.fileno())
            _, status = os.waitpid(child, 0)
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what its tests had started
            output.seek(0)
            return os.waitstatus_to_exitcode(status), output.read().decode("utf-8", "replace")

    def _run_in_child(self, mutation: Mutation | None, seconds: int, names: str, output: int) -> None:
        code = int(pytest.ExitCode.INTERNAL_ERROR)
        try:
            os.setpgid(0, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            signal.alarm(seconds)  # its default ends the process
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            sys.dont_write_bytecode = True
            if mutation is not None:
                sys.meta_path.insert(0, _Changed(self._path, mutation))
            code = int(pytest.main(self._arguments))
            if names:
                Path(names).write_text(" ".join(name for name in sys.modules if not _is_ours(name)))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("aki_transport", "langchain_aki", "llama_index_aki", "tests", "conftest")


def _import_if_possible(name: str) -> None:
    """Import a module of others once for all children; those that cannot be imported alone are left to them."""
    try:
        importlib.import_module(name)
    except Exception:  # noqa: BLE001  any module of any package
        sys.modules.pop(name, None)
