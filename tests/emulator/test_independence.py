import ast
import sys
from pathlib import Path

import pytest

import aki_transport.emulator

FOLDER = Path(aki_transport.emulator.__file__).parent
ALLOWED = sys.stdlib_module_names | {"starlette", "uvicorn", "PIL"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_no_file_imports_anything_of_ours_outside_the_emulator(path):
    for name in imported(path):
        assert name.startswith("aki_transport.emulator") or name.partition(".")[0] in ALLOWED, name
