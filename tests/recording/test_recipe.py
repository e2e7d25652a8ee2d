"""The page's recipe for cassettes of one's own records and replays, sync and async."""

import re

import pytest

from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.tools.recording import files

PLAYED, RECIPE = re.findall(
    r"```python\n(.*?)```", (files.CASSETTES / "README.md").read_text(encoding="utf-8"), re.DOTALL
)


def run(address, key):
    recipe = RECIPE.replace('model="qwen3.6-35b"', f'model="qwen3.6-35b", base_url="{address}", api_key="{key}"')
    exec(compile(recipe, "cassettes/README.md", "exec"), {"__name__": "recipe"})  # noqa: S102  our own page


@pytest.mark.block_network
def test_the_page_plays_a_cassette(monkeypatch, capsys):
    monkeypatch.chdir(files.CASSETTES.parent)
    exec(compile(PLAYED, "cassettes/README.md", "exec"), {"__name__": "played"})  # noqa: S102  our own page
    assert "10, 11, 12" in capsys.readouterr().out


def test_the_recipe_records_and_replays(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        run(emulator.openai_url, emulator.key)
        asked = len(emulator.requests)
        forget_listings()
        run(emulator.openai_url, emulator.key)
        assert len(emulator.requests) == asked
        address, key = emulator.openai_url, emulator.key
    forget_listings()
    run(address, key)  # with nobody there
    assert len(re.findall(r"\b42\b", capsys.readouterr().out)) == 6
    recorded = (tmp_path / "sync.yaml").read_text() + (tmp_path / "async.yaml").read_text()
    assert key not in recorded


@pytest.mark.parametrize("make", [ChatAKI, AKI], ids=["ChatAKI", "AKI"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "native"])
def test_the_recipe_works_for_the_other_classes_and_protocols(make, protocol, tmp_path, fresh_emulator):
    names, answers = {}, []
    exec(RECIPE.partition("model =")[0], names)  # noqa: S102  our own page
    base_url = getattr(fresh_emulator, f"{protocol}_url")
    for mode in ("all", "none"):
        fresh_emulator.reset()
        forget_listings()
        with names["recorder"].use_cassette(str(tmp_path / "it.yaml"), record_mode=mode):
            model = make(model="qwen3.6-35b", protocol=protocol, base_url=base_url, api_key=Emulator.key)
            answer = model.complete("What is 6 * 7?") if make is AKI else model.invoke("What is 6 * 7?").text
            answers.append(str(answer))
    assert fresh_emulator.requests == []
    assert answers[0] == answers[1]
    assert "42" in answers[0]
    assert Emulator.key not in (tmp_path / "it.yaml").read_text()
