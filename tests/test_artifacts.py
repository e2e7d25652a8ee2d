"""What is shipped: the files of the wheel and of the sdist, and what their metadata promise."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import aki_transport

ROOT = Path(aki_transport.__file__).parent.parent
PACKAGES = ("aki_transport", "langchain_aki", "llama_index_aki")
# What the build places elsewhere: where it is in the wheel, and where in the tree.
MOVED = {
    "llama_index/llms/aki/__init__.py": "llama_index_aki/_shim.py",
    "llama_index/llms/aki/py.typed": "llama_index_aki/_shim.typed",
    "pytest_aki.py": "aki_transport/pytest_plugin.py",
}
INFO = f"aki_integrations-{aki_transport.__version__}.dist-info"
BASE = {"httpcore", "httpx", "pydantic"}
EXTRAS = {
    "langchain": {"langchain-core"},
    "llama-index": {"llama-index-core"},
    "emulator": {"pillow", "python-multipart", "starlette", "uvicorn"},
    "aiohttp": {"httpx-aiohttp"},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[set[str], dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("built")
    command = [str(Path(sys.executable).with_name("uv")), "build", "--quiet", "--out-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=ROOT)  # noqa: S603
    assert done.returncode == 0, done.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    with zipfile.ZipFile(wheel) as archive:
        return names, {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def metadata(built) -> Message:
    return message_from_string(built[1][f"{INFO}/METADATA"].decode())


def test_the_wheel_holds_the_packages_the_shim_and_the_license_and_nothing_else(built):
    wheel = built[1]
    about = {f"{INFO}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if "__pycache__" not in path.parts]
    ours = {str(path.relative_to(ROOT)) for path in paths if path.is_file()} - set(MOVED.values())
    assert {f"{package}/py.typed" for package in PACKAGES} | {"aki_transport/models/models.toml"} < ours
    assert set(wheel) == ours | about | set(MOVED)
    assert {name.rpartition(".")[2] for name in ours} == {"py", "toml", "typed"}
    assert all(wheel[name] == (ROOT / name).read_bytes() for name in ours)
    assert all(wheel[there] == (ROOT / here).read_bytes() for there, here in MOVED.items())
    assert b"aki = pytest_aki" in wheel[f"{INFO}/entry_points.txt"]
    assert wheel[f"{INFO}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_the_sdist_holds_what_its_tests_and_its_makefile_need(built):
    names = built[0]
    assert {"Makefile", "README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "tests/script_server.py"} < names
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders == {*PACKAGES, "cassettes", "docs", "notebooks", "tests"}
    assert not [name for name in names if "__pycache__" in name or name.startswith("llama_index/")]


def test_the_metadata_name_the_version_the_license_and_the_pythons(metadata: Message):
    about = [metadata[name] for name in ("Name", "Version", "License-Expression", "Requires-Python")]
    assert about == ["aki-integrations", aki_transport.__version__, "MIT", ">=3.11"]
    pythons = [row.rpartition(" ")[2] for row in metadata.get_all("Classifier") or [] if "Python ::" in row]
    assert "{}.{}".format(*sys.version_info) in pythons  # what these tests run on is declared
    assert pythons[0] == "3.11"
    assert "Typing :: Typed" in (metadata.get_all("Classifier") or [])


def test_each_extra_brings_what_it_names_and_no_other_extra_does(metadata: Message):
    wanted: dict[str, set[str]] = {}
    for row in metadata.get_all("Requires-Dist") or []:
        name, versions, extra = re.fullmatch(r"([\w-]+)([^;]*)(?:; extra == '([\w-]+)')?", row).groups()
        assert ">=" in versions, row
        wanted.setdefault(extra or "", set()).add(name)
    assert wanted == {"": BASE, **EXTRAS, "all": set().union(*EXTRAS.values())}
    assert set(metadata.get_all("Provides-Extra") or []) == {*EXTRAS, "all"}
