"""The README and the pages in docs/: their length, links and names; their tables are what the code does.

Their code is run by `.ci/run`, from the wheel in a clean environment: see `tests/tools/docs_blocks`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import aki_transport.errors
import langchain_aki.errors
from aki_transport.models.catalog import load_table
from tests.tools.docs_blocks.page_process import matches
from tests.tools.docs_blocks.pages import Block, all_pages, blocks_of, requirements

ROOT = Path(__file__).parents[1]
PACKAGES = ("aki_transport", "langchain_aki", "llama_index_aki", "llama_index.llms.aki")
LINKING = [
    *all_pages(),
    *ROOT.glob("[A-Z]*.md"),
    *(ROOT / folder / "README.md" for folder in ("tests", "tests/tools/benchmarks", "cassettes", "notebooks/at_scale")),
]
RUNNER = ROOT / "tests" / "tools" / "docs_blocks"


def anchors(page: Path) -> set[str]:
    """The names by which GitHub links to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_fits_on_a_few_screens():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1100


def test_the_readme_names_the_versions_of_python_that_are_declared():
    status = (ROOT / "README.md").read_text(encoding="utf-8").partition("## ")[0]
    declared = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert declared == re.findall(r"\b3\.\d+\b(?!\+)", status)


@pytest.mark.parametrize("page", sorted(set(LINKING)), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("https://")]
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_names_that_the_code_of_the_pages_imports_exist():
    imported = {
        (node.module, alias.name)
        for page in all_pages()
        for block in blocks_of(page.read_text(encoding="utf-8"))
        if block.language == "python"
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGES)
        for alias in node.names
    }
    assert len(imported) > 20
    assert [(module, name) for module, name in imported if not hasattr(import_module(module), name)] == []


def test_the_table_of_models_is_the_catalog():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `([^`]+)` \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    known = [(row.id, str(row.context_window), str(row.max_output)) for row in load_table("aki").values()]
    assert sorted(shown) == sorted(known)


def test_the_table_of_errors_names_every_error_and_its_langchain_class():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+Error`(?:, `\w+Error`)*) \| .* \| `(\w+)` \| .* \|$", page, re.MULTILINE)
    named = {name: theirs for names, theirs in rows for name in re.findall(r"\w+Error", names)}
    assert set(named) == {name for name in langchain_aki.errors.__all__ if name not in ("AKIError", "APIStatusError")}
    for name, theirs in named.items():
        assert theirs in [cls.__name__ for cls in getattr(langchain_aki.errors, name).__mro__]
        assert hasattr(aki_transport.errors, name)


def test_the_rooms_and_files_that_the_pages_on_them_name_are_there() -> None:
    tests = Path(__file__).parent
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = [
        *(ROOT / name for name in re.findall(r"`((?:aki_transport|tests|notebooks|docs)/[\w./]*)`", contributing)),
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


PAGE = """
```sh
pip install '.[langchain]' pytest   # from a clone
```
<!-- not run: needs a key -->
```python
a()
```

```python title="test_x.py"
b()
```

```python
print("id 7")
```

```text
id …
```
"""


def test_blocks_of_a_page():
    assert [block for block in blocks_of(PAGE) if block.language == "python"] == [
        Block("python", "a()\n", 7, skipped="needs a key"),
        Block("python", "b()\n", 11, title="test_x.py"),
        Block("python", 'print("id 7")\n', 15, output="id …\n"),
    ]
    assert list(requirements(PAGE, "x.whl")) == ["x.whl[langchain]", "pytest"]


def test_expected_output():
    assert matches("id …\n", "id 7\n\n")
    assert not matches("id …", "no id 7")
    assert not matches("id 7", "id 77")


@pytest.mark.parametrize(
    ("block", "printed"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("print(1)\n```\n\n```text\n2", "and it printed\n1"),
        ("import sys; sys.exit(0)", ""),
    ],
)
def test_a_page_that_does_not_do_what_it_says_fails(block, printed, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"```python\n{block}\n```\n", encoding="utf-8")
    done = subprocess.run(  # noqa: S603  our own program
        [sys.executable, RUNNER, page], capture_output=True, check=False, encoding="utf-8", timeout=60
    )
    assert done.returncode == 1
    assert printed in done.stdout
    assert "pages that failed: " in done.stdout
    assert "page.md" in done.stdout.splitlines()[-1]
