"""Runs the notebooks from top to bottom, each in a kernel of its own, and keeps their outputs.

Keys are kept from the kernels, so that outputs come from the emulator. What would differ from run to run without
meaning anything is made the same, so that a diff shows what changed.
"""

from __future__ import annotations

import asyncio
import os
import re
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode

from aki_transport import PROVIDERS

NOTEBOOKS = Path(__file__).resolve().parent
AT_ONCE = 2
_SECONDS = 120

_VARYING = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1:8089"),
    (re.compile(r"\b0x[0-9a-f]{6,16}\b"), "0x0"),
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
)
# Names that are drawn anew each time: pictures, calls, requests, messages.
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DRAWN = re.compile(rf"\b(?:(img|call|req|chatcmpl)[_-][0-9a-f]{{6,}}|{_UUID})\b")


Result: TypeAlias = NotebookNode | CellControlSignal | DeadKernelError


def paths() -> list[Path]:
    """The notebooks, in order."""
    return sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the providers' keys."""
    variables = {variable for provider in PROVIDERS.values() for variable in provider.key_variables}
    return {name: value for name, value in environment.items() if name not in variables}


async def execute(path: Path, environment: Mapping[str, str]) -> NotebookNode:
    """The notebook with the outputs of a run in a new kernel of this Python.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    specs = KernelSpecManager()
    specs.kernel_dirs = []  # else a kernel that is installed under the same name would be taken
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=_SECONDS,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # else it warns that it talks in plain text, which stays on this machine
        resources={"metadata": {"path": str(path.parent)}},
    )
    await client.async_execute(env=dict(environment))
    return notebook


async def execute_all(
    chosen: Iterable[Path], environment: Mapping[str, str]
) -> AsyncIterator[tuple[Path, Result, float]]:
    """Each notebook with its outputs, or with why it failed, and the seconds it took; a few at once."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def timed(path: Path) -> tuple[Path, Result, float]:
        async with turn:
            start = perf_counter()
            try:
                result: Result = await execute(path, environment)
            except (CellControlSignal, DeadKernelError) as error:
                result = error
            return path, result, perf_counter() - start

    for done in asyncio.as_completed(map(timed, chosen)):
        yield await done


def settle(notebook: NotebookNode) -> NotebookNode:
    """The notebook without what differs from run to run."""
    known: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        kind = match.group(1) or "id"
        return known.setdefault(match.group(), f"{kind}_{sum(each.startswith(kind) for each in known.values()) + 1}")

    def plain(text: str) -> str:
        for pattern, instead in _VARYING:
            text = pattern.sub(instead, text)
        return _DRAWN.sub(name, text)

    notebook.metadata = NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
        language_info={"name": "python"},
    )
    for number, cell in enumerate(notebook.cells, start=1):
        cell.metadata.pop("execution", None)
        if re.fullmatch(r"[0-9a-f]{8}(-.*)?", cell.id):
            cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [_settled(output, plain) for output in _joined(cell.outputs)]
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs, all that was printed in a row in one of them, bars as they were at the end."""
    found = []
    for printed, group in groupby(outputs, key=lambda output: output.get("name")):
        row = list(group)
        if printed is not None:
            row[0].text = re.sub(r"[^\n]*\r(?!\n)", "", "".join(output.text for output in row))
            row = row[:1] if row[0].text.strip() else []
        found.extend(row)
    return found


def _settled(output: NotebookNode, plain: Any) -> NotebookNode:
    if "text" in output:
        output.text = plain(output.text)
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/") and isinstance(value, str):
            output.data[kind] = plain(value)
    return output


async def run(chosen: Sequence[Path], into: Path) -> int:
    """Run them and keep them in a folder; gives how many failed."""
    failed = 0
    async for path, result, seconds in execute_all(chosen, without_keys(os.environ)):
        if isinstance(result, NotebookNode):
            nbformat.write(settle(result), into / path.name)
            print(f"{path.name}: {len(result.cells)} cells, {seconds:.1f} s")
        else:
            failed += 1
            print(f"{path.name} failed after {seconds:.1f} s: {result}")
    return failed


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="part of a notebook's name; none: all of them")
    parser.add_argument(
        "--into", type=Path, default=NOTEBOOKS, metavar="FOLDER", help="where to write, if not in place"
    )
    given = parser.parse_args()
    wanted = [path for path in paths() if not given.name or any(name in path.name for name in given.name)]
    raise SystemExit(asyncio.run(run(wanted, given.into)))
