"""One client's process: plays lines to it, and prints what it gave as JSON.

`python -m tests.tools.comparison.worker CLIENT EMULATOR SCRIPTED KEY…` takes the two servers' base URLs and the
lines' keys.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

from tests.scenarios.table import KEY
from tests.tools.comparison.clients import Client, find_client
from tests.tools.comparison.lines import LINES, Line
from tests.tools.comparison.words import told


def main() -> None:
    """Write them, beside the version of what gave them."""
    name, emulator, scripted, *keys = sys.argv[1:]
    client = find_client(name)
    lines = [line for line in LINES if line.key in keys]
    printed = {
        "version": f"{client.package} {version(client.package)}",
        "found": play(client, lines, emulator, scripted),
    }
    sys.stdout.write(json.dumps(printed))


def play(client: Client, lines: Sequence[Line], emulator: str, scripted: str) -> dict[str, str]:
    """What a client gives, by the line's key; its framework may know nothing of a line."""
    module = import_module(client.module)
    cells: dict[str, str] = {}
    for line in lines:
        if hasattr(module, line.shown_by):
            url = emulator if line.at == "emulator" else scripted
            cells[line.key] = _shown(module, _maker(getattr(module, client.make), url, line), line)
    return cells


def _maker(make: Callable[..., Any], url: str, line: Line) -> Callable[..., Any]:
    """What makes the client as its users would: address, key and model, all else as it is by default."""

    def made(**more: Any) -> Any:
        fields = {"model": line.model, "base_url": url, "api_key": KEY, **more}
        if line.fault:
            fields["default_headers"] = {"x-emulator-fault": line.fault}
        return make(**{name: value for name, value in fields.items() if value is not None})

    return made


def _shown(module: ModuleType, make: Callable[..., Any], line: Line) -> str:
    try:
        shown: str = getattr(module, line.shown_by)(make, line)
    except Exception as error:  # noqa: BLE001  whatever a client raises is the finding
        return told(error)
    return shown


if __name__ == "__main__":
    main()
