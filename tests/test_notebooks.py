"""The notebooks run from top to bottom, each in a clean kernel, and keep what they showed."""

import base64
import os
import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter
from nbformat import NotebookNode

from aki_transport import GeneratedImage
from aki_transport.emulator import Emulator
from aki_transport.images.image import ImageList
from tests.pictures import a_png
from tests.programs import CUT_OFF, ROOT, run

NOTEBOOKS = ROOT / "notebooks"
# How many pictures each shows, and a part of its output that is right only if the cells before it did their work.
SHOWN = {
    "01_chat_langchain": (2, "Ada keeps the minutes."),
    "02_rag_llama_index": (2, "came and gnawed the rope"),
    "03_agents": (2, "Booked: a seat from Berlin to Bonn"),
    "04_images": (8, "the same image again: True seed 7"),
    "05_models_limits_and_costs": (4, "LlamaIndex: 197 answered, 197 of them rightly; failed: [40, 90, 140]"),
}
KEYS = (Emulator.key, Emulator.aacflow_key, Emulator.ak_ai_core_key)
# Of this machine, and of those that notebooks are usually run on.
PATHS = (str(ROOT), sys.prefix, str(Path.home()), tempfile.gettempdir(), "/home/", "/root/", "/Users/")
BAR = re.compile(r"[^\n|]*\d+%\|[^\n]*\n?")

sys.path.append(str(NOTEBOOKS))
run_notebooks = import_module("run_notebooks")


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("executed")
    # A key would be used, were it not kept away.
    environment = {"HOME": str(tmp_path_factory.mktemp("home")), "AKI_API_KEY": "sk-not-a-real-one", **CUT_OFF}
    done = run(NOTEBOOKS / "run_notebooks.py", "--into", folder, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def read(folder: Path, name: str) -> NotebookNode:
    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells[0].metadata == {"tags": ["skip-execution"]}
    assert cells[0].source.splitlines()[-1].startswith("%pip install --quiet ")
    return cells[1:]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in code(notebook) for output in cell.outputs]


def pictures(notebook: NotebookNode) -> list[bytes]:
    shown = []
    for data in (output.get("data", {}) for output in outputs(notebook)):
        shown += re.findall(r"base64,([\w+/=]+)", data.get("text/html", ""))
        shown += [data["image/png"]] if "image/png" in data else []
    return [base64.b64decode(each) for each in shown]


def kinds(cell: NotebookNode) -> list[tuple[str, list[str]]]:
    return sorted((each.output_type, sorted(each.get("data", [each.get("name")]))) for each in cell.outputs)


def test_the_notebooks_are_those_that_are_looked_at():
    assert [path.stem for path in run_notebooks.paths()] == list(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_every_cell_ran_in_order_and_shows_what_it_is_for_from_the_emulator_and_no_key(executed, subtests, name):
    for folder in (NOTEBOOKS, executed):
        with subtests.test("stored" if folder is NOTEBOOKS else "executed"):
            notebook = read(folder, name)
            cells, shown, images = code(notebook), outputs(notebook), pictures(notebook)
            assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
            assert not [output for output in shown if output.output_type == "error"]
            warned = [output.text for output in shown if output.get("name") == "stderr"]
            assert [text for text in warned if BAR.sub("", text)] == []
            assert len(images) == SHOWN[name][0]
            assert all(image.startswith(b"\x89PNG\r\n\x1a\n") and len(image) > 2000 for image in images)
            assert SHOWN[name][1] in "\n".join(output.get("text", "") for output in shown)
            assert "come from the emulator" in notebook.cells[0].source
            assert shown[0].text.startswith("Answers come from the emulator on this machine")
            text = nbformat.writes(notebook)
            assert [each for each in (*KEYS, "sk-not-a-real-one", *PATHS) if each in text] == []


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_stored_is_what_a_run_gives(executed, name):
    stored, fresh = read(NOTEBOOKS, name), read(executed, name)
    assert stored.metadata == fresh.metadata
    assert [cell.id for cell in stored.cells] == [cell.id for cell in fresh.cells]
    for before, after in zip(code(stored), code(fresh), strict=True):
        assert before.metadata == {}
        assert kinds(before) == kinds(after), before.id


@pytest.mark.parametrize("name", SHOWN)
def test_cells_can_be_copied_but_for_the_charts_and_with_a_key_talk_to_the_service(name, monkeypatch, capsys):
    cells = code(read(NOTEBOOKS, name))
    imported = {word for cell in cells for word in re.findall(r"^(?:from|import) (\w+)", cell.source, re.MULTILINE)}
    assert imported & {path.stem for path in NOTEBOOKS.glob("*.py")} <= {"charts"}
    monkeypatch.setenv("AKI_API_KEY", "sk-not-a-real-one")
    exec(cells[0].source, {})  # noqa: S102  our own
    assert capsys.readouterr().out == "Answers come from AKI.IO.\n"
    assert "AKI_EMULATOR" not in os.environ


def test_pictures_and_lists_of_them_are_shown_as_pictures():
    picture = GeneratedImage.read(a_png(), prompt="a <cat>")
    (one, _), (several, _) = map(DisplayFormatter().format, (picture, ImageList([picture, picture])))
    assert one == {"image/png": picture.to_base64(), "text/plain": repr(picture)}
    assert several["text/html"].count('<img src="data:image/png;base64,iVBORw0KGgo') == 2
    assert several["text/html"].count('alt="a &lt;cat&gt;"') == 2
    assert "iVBORw0KGgo" not in several["text/plain"]
