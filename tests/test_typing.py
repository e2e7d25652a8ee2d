"""Programs on both frameworks, as their authors' type checkers read them: mypy in strict mode, and pyright."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted(map(str, (ROOT / "tests" / "typing").glob("*.py")))


# Without our own configuration, which the authors do not have.
@pytest.mark.parametrize(
    "checker",
    [["mypy", "--strict", "--config-file=", "--follow-imports=silent"], ["pyright", "--pythonpath", sys.executable]],
    ids=["mypy", "pyright"],
)
def test_a_program_of_a_user_has_no_type_errors(checker):
    pytest.importorskip(checker[0])
    assert len(PROGRAMS) == 2
    done = subprocess.run(  # noqa: S603  our own arguments
        [sys.executable, "-m", *checker, *PROGRAMS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
