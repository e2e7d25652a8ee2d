"""The code of the README and of the pages in docs/ runs, and the README's tables say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aki_transport.errors
import langchain_aki.errors
from aki_transport.models.catalog import load_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL), start=1)
]


@pytest.mark.parametrize("block", BLOCKS)
# LlamaIndex's workflows use what pydantic and themselves call deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_code_of_a_page_runs(block, at_the_emulator, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    block = block.replace("http://localhost:8000/v1", at_the_emulator.openai_url)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102  our own page
    assert capsys.readouterr().out


def test_model_table_is_the_catalog():
    said = re.findall(r"^\| `([^`]+)` \| (\d+) \| (\d+) \|", README, re.MULTILINE)
    known = [(row.id, str(row.context_window), str(row.max_output)) for row in load_table("aki").values()]
    assert sorted(said) == sorted(known)


def test_error_table_names_every_error_and_its_langchain_class():
    rows = re.findall(r"^\| (`\w+Error`(?:, `\w+Error`)*) \| .* \| `(\w+)` \| .* \|$", README, re.MULTILINE)
    named = {}
    for names, theirs in rows:
        for name in re.findall(r"\w+Error", names):
            named[name] = theirs
    ours = {name for name in langchain_aki.errors.__all__ if name not in ("AKIError", "APIStatusError")}
    assert set(named) == ours
    for name, theirs in named.items():
        assert theirs in [cls.__name__ for cls in getattr(langchain_aki.errors, name).__mro__]
        assert hasattr(aki_transport.errors, name)


def test_the_rooms_and_files_that_the_pages_on_them_name_are_there() -> None:
    tests = Path(__file__).parent
    contributing = (tests.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = [
        *(
            tests.parent / name
            for name in re.findall(r"`((?:aki_transport|tests|notebooks|docs)/[\w./]*)`", contributing)
        ),
        *(
            tests / "tools" / name
            for name in re.findall(r"^\| `([\w./]+)` \|", contributing.split("| tool in ")[1], re.MULTILINE)
        ),
        *(
            tests / name
            for name in re.findall(r"`([\w/]+(?:/|\.py))`", (tests / "README.md").read_text(encoding="utf-8"))
        ),
    ]
    assert len(rooms) > 40
    assert [str(room) for room in rooms if not room.exists()] == []
