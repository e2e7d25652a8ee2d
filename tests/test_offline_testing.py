"""The README's example of a test suite of one's own runs as it stands, without a key or a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python (\w+\.py)\n(.*?)```", README, re.DOTALL))


@pytest.fixture
def suite(tmp_path) -> Path:
    """A folder with the example's files."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(suite: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    nowhere = "http://127.0.0.1:9"
    return subprocess.run(  # noqa: S603  our own page
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", *arguments],
        capture_output=True,
        check=False,
        cwd=suite,
        encoding="utf-8",
        env={"PATH": os.defpath, "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"},
        timeout=60,
    )


def test_the_example_is_a_fixture_and_tests():
    assert set(FILES) == {"conftest.py", "test_support.py"}
    assert "@pytest.fixture" in FILES["conftest.py"]


def test_the_example_passes(suite):
    done = run(suite, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{FILES['test_support.py'].count('def test_')} passed" in done.stdout


def test_each_test_of_the_example_passes_by_itself(suite):
    names = re.findall(r"^def (test_\w+)", FILES["test_support.py"], re.MULTILINE)
    done = run(suite, "-q", *(f"test_support.py::{name}" for name in reversed(names)))
    assert done.returncode == 0, done.stdout + done.stderr
