"""Runs the blocks of pages. `__main__` starts it, and each page gets a process of its own, forked from this one.

So the frameworks, which take seconds to import, are imported once. They start no threads by that.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import traceback
import types
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any

_SLOW = ("langchain.agents", "llama_index.core.agent.workflow", "langchain_aki", "llama_index_aki")


def matches(expected: str, printed: str) -> bool:
    """Whether the printed text is the expected one, in which `…` stands for any text."""
    pattern = ".*?".join(map(re.escape, expected.strip().split("…")))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def run_blocks(page: str, blocks: Sequence[dict[str, Any]]) -> bool:
    """Run them in order, in one namespace, up to the first that fails; whether none did."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    for block in blocks:
        where, output = f"{page}:{block['line']}", io.StringIO()
        # Line numbers of tracebacks are those of the page.
        source = "\n" * (block["line"] - 1) + block["text"]
        try:
            with redirect_stdout(output):
                exec(compile(source, page, "exec"), module.__dict__)  # noqa: S102  our own page
        except BaseException:  # noqa: BLE001  whatever it is, the block does not run
            print(f"{where} FAILED\n{output.getvalue()}{traceback.format_exc()}")
            return False
        printed, expected = output.getvalue(), block["output"]
        if expected is not None and not matches(expected, printed):
            print(f"{where} FAILED: the page shows\n{expected}\nand it printed\n{printed}")
            return False
        shown = "as the page shows" if expected is not None else " / ".join(printed.strip().splitlines())[:90]
        print(f"{where} ran: {shown}")
    return True


def run_page(page: str, blocks: Sequence[dict[str, Any]]) -> bool:
    """Run a page's blocks in a process and a folder of their own."""
    sys.stdout.flush()
    with TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            os.chdir(folder)
            succeeded = run_blocks(page, blocks)
            sys.stdout.flush()
            os._exit(not succeeded)  # the folder is the parent's to remove
        _, status = os.waitpid(child, 0)
    return status == 0


def main() -> None:
    """Run the pages that standard input holds as JSON, and end with a line of those that failed."""
    pages: dict[str, list[dict[str, Any]]] = json.load(sys.stdin)
    texts = [block["text"] for blocks in pages.values() for block in blocks]
    for name in _SLOW:
        if any(name.partition(".")[0] in text for text in texts):
            import_module(name)
    print(json.dumps([page for page, blocks in pages.items() if not run_page(page, blocks)]))


if __name__ == "__main__":
    main()
