"""In a notebook, what comes back is shown as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from aki_transport.emulator import Emulator

ROOT = Path(__file__).parents[1]
CELLS = (
    "from aki_transport import Client\nfrom langchain_aki import AKIImageGenerationTool",
    'images = Client(base_url={url!r}, api_key={key!r}).generate_image("a <cat>", size="128x128", n=2)\nimages[0]',
    "images[1]",
    "images",
    "display(*images)",
    'tool = AKIImageGenerationTool(base_url={url!r}, api_key={key!r}, size="128x128")',
    'tool.invoke({{"type": "tool_call", "id": "1", "name": tool.name, "args": {{"prompt": "a dog"}}}}).artifact[0]',
    'Client(protocol="native", base_url={native!r}, api_key={key!r}, on_progress=print).generate_image("a tree")[0]',
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Iterator[list[list[dict[str, Any]]]]:
    """What each cell of the notebook puts out, by type."""
    place = tmp_path_factory.mktemp("kernel")
    spec = {"argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    (place / "kernels" / "here").mkdir(parents=True)
    (place / "kernels" / "here" / "kernel.json").write_text(json.dumps({**spec, "display_name": "here"}))
    with Emulator(job_speed=20) as service, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(place))
        patch.setenv("IPYTHONDIR", str(place))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(place))
        known = {"url": service.openai_url, "native": service.native_url, "key": service.key}
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.format(**known)) for cell in CELLS])
        NotebookClient(book, timeout=60, kernel_name="here", resources={"metadata": {"path": str(ROOT)}}).execute()
        yield [[dict(output.get("data", {})) for output in cell.outputs] for cell in book.cells]


@pytest.mark.parametrize("cell", [1, 2, 6, 7], ids=["a picture", "a list's item", "an artifact", "a job's picture"])
def test_a_picture_is_shown_as_one(shown, cell):
    data = shown[cell][-1]
    assert set(data) == {"image/png", "text/plain"}
    assert data["image/png"].startswith("iVBORw0KGgo")
    assert data["text/plain"].startswith("GeneratedImage('img_")


def test_a_list_of_pictures_is_shown_as_pictures(shown):
    (data,) = shown[3]
    assert set(data) == {"text/html", "text/plain"}
    assert data["text/html"].count('<img src="data:image/png;base64,iVBORw0KGgo') == 2
    assert data["text/html"].count('alt="a &lt;cat&gt;"') == 2
    assert data["text/plain"].count("GeneratedImage('img_") == 2
    assert "iVBORw0KGgo" not in data["text/plain"]


def test_all_of_a_list_are_shown_by_display(shown):
    assert [set(data) for data in shown[4]] == [{"image/png", "text/plain"}] * 2
