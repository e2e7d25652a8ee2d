"""The README and the pages in docs/: their length, links and names; their tables are what the code does.

Their code is run by `.ci/run`, from the wheel in a clean environment: see `tests/tools/docs_blocks`.
"""

import ast
import json
import math
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

import aki_transport.errors
import langchain_aki.errors
from aki_transport import ConfigurationError, JobProgress
from aki_transport.arguments import ALIASES, ALWAYS_SO, REQUEST_FIELDS
from aki_transport.emulator import Emulator, answer
from aki_transport.models.catalog import load_table
from aki_transport.settings import CHAT_FIELDS
from aki_transport.transport.connections import MAX_CONNECTIONS
from aki_transport.wire import find_wire
from langchain_aki import AKILLM, ChatAKI
from llama_index_aki import AKI, AKICompletion
from tests.behaviour.faces import FACES, Face
from tests.programs import ROOT, run
from tests.tools.comparison.clients import find_client
from tests.tools.comparison.lines import LINES
from tests.tools.comparison.playing import servers
from tests.tools.comparison.worker import play
from tests.tools.docs_blocks.pages import all_pages, blocks_of

PACKAGES = ("aki_transport", "langchain_aki", "llama_index_aki", "llama_index.llms.aki")
LINKING = [
    *all_pages(),
    *ROOT.glob("[A-Z]*.md"),
    *(ROOT / folder / "README.md" for folder in ("tests", "tests/tools/benchmarks", "cassettes", "notebooks/at_scale")),
]


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    return read(page).partition(f"## {title}")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines() if row.startswith("| ")]


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_fits_on_a_few_screens_and_names_the_versions_of_python_that_are_declared():
    assert len(read("README.md").split()) <= 1100
    declared = re.findall(r"Python :: (3\.\d+)", read("pyproject.toml"))
    assert declared == re.findall(r"\b3\.\d+\b(?!\+)", read("README.md").partition("## ")[0])


@pytest.mark.parametrize("page", sorted(set(LINKING)), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page))
    for link in (link for link in links if not link.startswith("https://")):
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
    shown = re.findall(r"^\| `([^`]+)` \| (\d+) \| (\d+) \|", read("docs/models.md"), re.MULTILINE)
    known = [(row.id, str(row.context_window), str(row.max_output)) for row in load_table("aki").values()]
    assert sorted(shown) == sorted(known)


def test_the_table_of_errors_names_every_error_and_its_langchain_class():
    row = r"^\| (`\w+Error`(?:, `\w+Error`)*) \| .* \| `(\w+)` \| .* \|$"
    shown = re.findall(row, read("docs/errors.md"), re.MULTILINE)
    named = {name: theirs for names, theirs in shown for name in re.findall(r"\w+Error", names)}
    assert set(named) == {name for name in langchain_aki.errors.__all__ if name not in ("AKIError", "APIStatusError")}
    for name, theirs in named.items():
        assert theirs in [cls.__name__ for cls in getattr(langchain_aki.errors, name).__mro__]
        assert hasattr(aki_transport.errors, name)


def test_the_rooms_and_files_that_the_pages_on_them_name_are_there() -> None:
    contributing = read("CONTRIBUTING.md")
    tools = re.findall(r"^\| `([\w./]+)` \|", contributing.split("| tool in ")[1], re.MULTILINE)
    rooms = [
        *re.findall(r"`((?:aki_transport|tests|notebooks|docs)/[\w./]*)`", contributing),
        *(f"tests/tools/{name}" for name in tools),
        *(f"tests/{name}" for name in re.findall(r"`([\w/]+(?:/|\.py))`", read("tests/README.md"))),
    ]
    assert len(rooms) > 40
    assert [room for room in rooms if not (ROOT / room).exists()] == []


COMPARISON = section("docs/migrating.md", "What is better than the generic client")


def test_the_table_of_generic_clients_has_a_row_for_each_line_and_the_readme_shows_some_of_them():
    table = rows(COMPARISON)
    assert [row[:2] for row in table[1:]] == [[line.title, f"`{line.key}`"] for line in LINES]
    short = rows(section("README.md", "Why not "))
    assert len(short) == 6
    assert [row for row in short if row not in [[row[0], *row[2:]] for row in table]] == []


@pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning")
@pytest.mark.parametrize("name", ["ChatAKI", "AKI"])
def test_the_table_of_generic_clients_says_what_ours_give(name, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "meant-for-another-service")
    ours = {row[1].strip("`"): row[-1] for row in rows(COMPARISON)[1:]}
    with servers() as urls:
        cells = play(find_client(name), LINES, *urls)
    assert {key: ours[key] for key in cells} == cells
    assert len(cells) > 10


SUM, ANSWER = "What is 6 * 7?", "6 * 7 = 42."


class City(BaseModel):
    """A city."""

    name: str
    country: str


def takes_pictures(at: dict[str, Any]) -> str:
    for picture in ({"base64": "iVBORw0KGgo=", "mime_type": "image/png"}, {"url": "https://example.com/a.png"}):
        parts = [{"type": "text", "text": "What is this?"}, {"type": "image", **picture}]
        try:
            assert ChatAKI(**at).invoke([HumanMessage(parts)]).text
        except ConfigurationError:
            return "as data" if "url" in picture else "no"
    return "yes"


def features(emulator: Emulator, face: Face) -> dict[str, str]:
    """What the columns of the table say of this interface."""
    # Of AKI.IO's models one that thinks and sees.
    at = {"model": "qwen3.6-35b" if face.provider == "aki" else face.models["plain"], **face.connection(emulator)}
    told: list[JobProgress] = []
    # Ten times as long as a job takes otherwise, so that it is looked at while it grows.
    slowly = {"x-emulator-fault": "queue=1;job-seconds=1.5"}
    model = ChatAKI(**at, on_progress=told.append, default_headers=slowly)
    emulator.respond(answer(ANSWER, reasoning="Hm."))
    blocking = model.invoke(SUM)
    first, *pieces = model.stream("Count to 50.")
    streamed = sum(pieces, first)
    both = (blocking, streamed)
    fields = find_wire(at["protocol"]).SUPPORTED_FIELDS
    assert ChatAKI(**at).with_structured_output(City).invoke("Munich is a city in Germany.").name == "Munich"
    assert ChatAKI(**at).invoke(SUM).text == AKILLM(**at).invoke(SUM) == ANSWER
    assert AKI(**at).complete(SUM).text == AKICompletion(**at).complete(SUM).text == ANSWER
    ways = {"schema": "response_format" in fields, "tool": "tools" in fields, "instruction": True}
    known = {
        "text": blocking.text == ANSWER,
        "streaming": len([piece for piece in pieces if piece.text]) > 1,
        "tools": "tools" in fields,
        "`reasoning_effort`": "reasoning_effort" in fields,
        "`stop`": ChatAKI(**at, stop=[" = "]).invoke(SUM).text == "6 * 7",
        "usage": all(each.usage_metadata and each.usage_metadata["total_tokens"] for each in both),
        "credits": all("credits_used" in each.response_metadata for each in both),
        "queue progress": any(progress.state == "queued" for progress in told),
    }
    signed = ", signed" if blocking.additional_kwargs.get("thinking_blocks") else ""
    return {
        **{name: "yes" if is_there else "no" for name, is_there in known.items()},
        "structured output, by": ", ".join(way for way, is_known in ways.items() if is_known),
        "images in": takes_pictures(at),
        "reasoning": f"yes{signed}" if blocking.additional_kwargs["reasoning_content"] == "Hm." else "no",
        "model classes": "all",
    }


def test_the_table_of_interfaces_says_what_runs_at_each_of_them(emulator: Emulator):
    table = {label: cells for label, *cells in rows(section("docs/protocols.md", "What each of them can do")) if label}
    assert table.pop("`provider`") == [f'`"{face.provider}"`' for face in FACES]
    assert table.pop("`protocol`") == [f'`"{face.protocol}"`' for face in FACES]
    columns = [features(emulator, face) for face in FACES]
    assert table == {label: [column[label] for column in columns] for label in columns[0]}


PERFORMANCE = read("docs/performance.md")
MEASURED = {
    row[0].strip("`"): [float(cell.split()[0]) for cell in row[1:3]]
    for row in rows(PERFORMANCE)
    if len(row) == 5 and row[0][0] == "`"
}
WORKED_OUT = [row for row in rows(PERFORMANCE) if len(row) == 4 and row[1].startswith("`")]


def test_what_the_page_on_performance_works_out_follows_from_its_figures(subtests):
    for title, formula, *results in WORKED_OUT:
        for position, result in enumerate(results):
            with subtests.test(title, position=position):
                figures = {name: values[position] for name, values in MEASURED.items()}
                exact = eval(formula.split("`")[1], {"__builtins__": {}, "ceil": math.ceil}, figures)  # noqa: S307  our page
                assert float(result.replace(",", "")) == pytest.approx(exact, rel=0.051)
    assert (len(MEASURED) >= 9, len(WORKED_OUT) >= 14) == (True, True)
    sockets = re.findall(r"up to ([\d,]+) of them", PERFORMANCE)
    assert {int(number.replace(",", "")) for number in sockets} == {MAX_CONNECTIONS}


PEERS: dict[str, list[str]] = json.loads(read("tests/tools/peer_signatures/arguments.json"))
ARGUMENTS = [
    (name, peer, here)
    for name, peers, here in re.findall(
        r"^\| `(\w+)` \| ([\w, ]+) \| (.+) \|$", read("docs/migrating.md"), re.MULTILINE
    )
    for peer in peers.split(", ")
]
OURS: dict[str, Any] = {"ChatOpenAI": ChatAKI, "ChatAnthropic": ChatAKI, "OpenAILike": AKI}


def test_every_argument_of_a_peer_has_a_row() -> None:
    assert {(name, peer) for name, peer, _ in ARGUMENTS} == {
        (name, peer) for peer, names in PEERS.items() for name in names
    }


def test_each_row_of_an_argument_is_true(subtests) -> None:
    for name, peer, here in ARGUMENTS:
        # The rest of the peers are libraries whose calls the second part of the table is about.
        is_call = peer not in OURS
        for cls in (ChatAKI, AKI) if is_call else (OURS[peer],):
            with subtests.test(name, peer=peer, cls=cls.__name__):
                match here.split(":")[0].split(" ")[:2]:
                    case ["refused"]:
                        with pytest.raises(ConfigurationError, match=name):
                            call(cls, name) if is_call else cls(model="m", **{name: "x"})
                    case ["always", _]:
                        assert name in ALWAYS_SO
                        assert not is_call
                    case ["taken", "in"]:
                        assert (name, is_call) == ("stream", True)
                        call(ChatAKI, name)
                        with pytest.raises(ConfigurationError, match=name):
                            call(AKI, name)
                    case ["taken", "as"]:
                        assert f"`{ALIASES[name] if is_call else ALIASES.get(name, 'capabilities')}" in here
                    case ["taken,", "sent"]:
                        assert ", ".join(sorted(REQUEST_FIELDS[name])) in here or not is_call
                    case other:
                        assert other == ["taken"]
                        assert name in (CHAT_FIELDS if is_call else cls.model_fields)


def call(cls: Any, name: str) -> None:
    """Make the request of a call with this argument."""
    model = cls(model="m")
    (model._request([], None, {name: "x"}) if cls is ChatAKI else model._chat_request([], {name: "x"}))


BROKEN = {
    "1 / 0": "ZeroDivisionError",
    "print(1)\n```\n\n```text\n2": "and it printed\n1",
    "print(77)\n```\n\n```text\n7": "and it printed\n77",
    "print('no id 7')\n```\n\n```text\nid …": "and it printed\nno id 7",
    '"a file"\n```\n\n```python title="test_x.py"\ndef test_x():\n    assert False': "1 failed",
    "import sys; sys.exit(0)": "",
}


def test_a_page_that_does_not_do_what_it_says_fails(tmp_path):
    pages = [tmp_path / f"page{number}.md" for number in range(len(BROKEN))]
    for page, block in zip(pages, BROKEN, strict=True):
        page.write_text(f"```python\n{block}\n```\n", encoding="utf-8")
    done = run(ROOT / "tests" / "tools" / "docs_blocks", *pages)
    assert done.returncode == 1
    assert all(printed in done.stdout for printed in BROKEN.values())
    failed = done.stdout.splitlines()[-1].partition("pages that failed: ")[2]
    assert all(page.name in failed for page in pages)
