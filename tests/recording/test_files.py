"""The folder of cassettes: nothing missing, nothing left over, nothing that could be changed unnoticed."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import langchain_aki
import llama_index_aki
from aki_transport import PROVIDERS
from tests.recording import files, form, page, places
from tests.recording.reading import READERS, READINGS
from tests.recording.scenarios import SPOTS

LARGEST = 150_000  # bytes


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of the folder."""
    return Path(shutil.copytree(files.CASSETTES, tmp_path / "cassettes"))


def replay(folder: Path, chosen: str, file: str = "test_cassettes.py") -> subprocess.CompletedProcess[str]:
    """The tests of these cassettes in that file, with that folder."""
    return subprocess.run(  # noqa: S603  our own tests
        [sys.executable, "-m", "pytest", "-q", "-m", "cassette", "-k", chosen, str(Path(__file__).parent / file)],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
        encoding="utf-8",
        env=files.environment(AKI_CASSETTES=str(folder)),
        timeout=120,
    )


CHAT = "aki/openai/chat-Client-sync"


def test_every_scenario_has_its_cassette_and_every_cassette_its_scenario():
    suites = [f"{name}/{files.SUITE}" for name in places.PLACES]
    assert files.names() == sorted([*(spot.cassette for spot in SPOTS), *suites])
    assert len(files.names()) < 80


def test_every_provider_and_protocol_has_a_place():
    spoken = {f"{row.name}/{route.protocol}" for row in PROVIDERS.values() for route in row.routes}
    assert spoken == set(places.PLACES)


def test_every_public_class_that_calls_a_service_reads_cassettes():
    calling = {"Client"} | {
        name
        for package in (langchain_aki, llama_index_aki)
        for name in package.__all__
        if isinstance(getattr(package, name), type) and name.startswith(("AKI", "ChatAKI")) and "Error" not in name
    }
    assert {reader.name for reader in READERS} == calling
    assert {reading.reader.name for reading in READINGS} == calling


@pytest.mark.parametrize("name", files.names())
def test_a_cassette_is_a_small_plain_file_with_the_services_own_address(name):
    text = (files.CASSETTES / f"{name}.yaml").read_text(encoding="utf-8")
    document = files.read(name)
    place = places.PLACES[name.rpartition("/")[0]]
    assert len(text) < LARGEST
    assert "!!" not in text
    assert form.dump(document) == text
    for each in document["interactions"]:
        assert each["request"]["uri"].startswith(f"{places.own_url(place)}/")
    assert "127.0.0.1" not in text


@pytest.mark.parametrize("name", files.names())
def test_a_cassette_says_how_it_was_made(name):
    made = files.read(name)["made"]
    assert made["by"] in ("the emulator", "the live service")
    assert ("version" in made) == (made["by"] == "the emulator")
    assert made["date"].count("-") == 2


def test_the_readme_says_how_each_was_made():
    assert page.table(files.CASSETTES) in (files.CASSETTES / "README.md").read_text(encoding="utf-8")


def test_bodies_are_the_same_bytes_again():
    png = b"\x89PNG\r\n\x1a\n\x00\xff"
    sent = form.to_bytes({"form": [{"name": "prompt", "text": "blue"}, {"name": "image", "file": "a.png",
                          "type": "image/png", "base64": "iVBORw0KGgoA/w=="}]})  # fmt: skip
    assert png in sent
    headers = {"content-type": "multipart/form-data; boundary=boundary"}
    assert form.to_bytes(form.from_bytes(headers, sent)) == sent
    for kind, body in (("text/event-stream", b"data: {}\r\n\r\n"), ("text/html", b"<p>"), ("image/png", png)):
        assert form.to_bytes(form.from_bytes({"content-type": kind}, body)) == body


def test_the_tests_pass_with_a_copied_folder(copied):
    done = replay(copied, CHAT)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_deleted_cassette_fails_a_test(copied):
    (copied / "aki/openai/chat.yaml").unlink()
    assert "1 failed" in replay(copied, CHAT).stdout


@pytest.mark.parametrize("body", [{"model": "another"}, {"max_tokens": 8192.0}, {"more": None}])
def test_a_changed_request_body_fails_a_test(copied, body):
    document = copy.deepcopy(files.read("aki/openai/chat"))
    document["interactions"][-1]["request"]["json"].update(body)
    files.write("aki/openai/chat", document, copied)
    assert "1 failed" in replay(copied, CHAT).stdout


def test_an_answer_that_nobody_asks_for_fails_a_test(copied):
    document = copy.deepcopy(files.read("aki/openai/chat"))
    document["interactions"].append(document["interactions"][-1])
    files.write("aki/openai/chat", document, copied)
    assert "1 error" in replay(copied, CHAT).stdout


def test_a_deleted_or_unasked_answer_of_the_suite_fails_a_test(copied):
    name = f"ak_ai_core/openai/{files.SUITE}"
    whole = files.read(name)
    extra = copy.deepcopy(whole["interactions"][0])
    extra["request"]["json"]["model"] = "another"
    files.write(name, {**whole, "interactions": [*whole["interactions"], extra]}, copied)
    assert "1 error" in replay(copied, "TestAkAiCoreOpenai", "test_langchain_standard.py").stdout
    files.write(name, {**whole, "interactions": whole["interactions"][1:]}, copied)
    assert " failed" in replay(copied, "TestAkAiCoreOpenai", "test_langchain_standard.py").stdout
