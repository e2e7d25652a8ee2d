"""Runs the blocks of one page in order, in one namespace. `__main__` starts it once for each page."""

from __future__ import annotations

import io
import json
import re
import sys
import traceback
import types
from contextlib import redirect_stdout


def matches(expected: str, printed: str) -> bool:
    """Whether the printed text is the expected one, in which `…` stands for any text."""
    pattern = ".*?".join(map(re.escape, expected.strip().split("…")))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def run(page: str, blocks: list[dict[str, object]]) -> None:
    """Run them all; the first that fails ends the process with status 1."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    for block in blocks:
        where, output = f"{page}:{block['line']}", io.StringIO()
        # Line numbers of tracebacks are those of the page.
        source = "\n" * (int(str(block["line"])) - 1) + str(block["text"])
        try:
            with redirect_stdout(output):
                exec(compile(source, page, "exec"), module.__dict__)  # noqa: S102  our own page
        except BaseException:  # noqa: BLE001  whatever it is, the block does not run
            print(f"{where} FAILED\n{output.getvalue()}{traceback.format_exc()}")
            sys.exit(1)
        printed, expected = output.getvalue(), block["output"]
        if expected is not None and not matches(str(expected), printed):
            print(f"{where} FAILED: the page shows\n{expected}\nand it printed\n{printed}")
            sys.exit(1)
        shown = "as the page shows" if expected is not None else " / ".join(printed.strip().splitlines())[:90]
        print(f"{where} ran: {shown}")


if __name__ == "__main__":
    run(sys.argv[1], json.load(sys.stdin))
