"""The page's recipe for cassettes of one's own records and replays, sync and async."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys

import httpx
import pytest
import vcr

from aki_transport import Client
from aki_transport.emulator import Emulator
from aki_transport.models.listing import forget_listings
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.recording import files

(RECIPE,) = re.findall(r"```python\n(.*?)```", (files.CASSETTES / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def run(address: str, key: str) -> None:
    recipe = RECIPE.replace('model="qwen3.6-35b",', f'model="qwen3.6-35b", base_url="{address}", api_key="{key}",')
    exec(compile(recipe, "cassettes/README.md", "exec"), {"__name__": "recipe"})  # noqa: S102  our own page


@pytest.mark.filterwarnings("ignore:unclosed")  # the page leaves closing to its reader
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
    gc.collect()
    assert len(re.findall(r"\b42\b", capsys.readouterr().out)) == 6
    recorded = (tmp_path / "sync.yaml").read_text() + (tmp_path / "async.yaml").read_text()
    assert key not in recorded


@pytest.mark.parametrize("make", [ChatAKI, AKI], ids=["ChatAKI", "AKI"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "native"])
def test_the_same_arguments_work_for_the_other_classes_and_protocols(make, protocol, tmp_path):
    names = {}
    exec(RECIPE.partition("model =")[0], names)  # noqa: S102  our own page
    recorder, said = names["recorder"], []
    with Emulator() as emulator:
        for mode in ("all", "none"):
            forget_listings()
            with httpx.Client() as client, recorder.use_cassette(str(tmp_path / "it.yaml"), record_mode=mode):
                where = {"protocol": protocol, "base_url": getattr(emulator, f"{protocol}_url")}
                model = make(model="qwen3.6-35b", api_key=emulator.key, http_client=client, **where)
                said.append(
                    str(model.complete("What is 6 * 7?") if make is AKI else model.invoke("What is 6 * 7?").text)
                )
            asked = len(emulator.requests)
            emulator.reset()
        assert asked == 0
    assert said[0] == said[1]
    assert "42" in said[0]
    assert Emulator.key not in (tmp_path / "it.yaml").read_text()


def test_a_sync_call_without_a_client_of_ones_own_is_not_recorded(tmp_path):
    with Emulator() as emulator, vcr.use_cassette(str(tmp_path / "it.yaml"), record_mode="all") as cassette:
        with Client(base_url=emulator.openai_url, api_key=emulator.key) as client:
            client.refresh_models()
        assert emulator.count("/models") == 1
        assert len(cassette) == 0


def test_a_first_call_while_one_records_does_not_record_for_ever(tmp_path):
    script = """
import sys, vcr
from aki_transport import Client
from aki_transport.emulator import Emulator
with Emulator() as emulator:
    client = Client(base_url=emulator.openai_url, api_key=emulator.key)
    with vcr.use_cassette(sys.argv[1], record_mode="none"):
        client.refresh_models()
    client.refresh_models()
    client.close()
    print(emulator.count("/models"))
"""
    ran = subprocess.run(  # noqa: S603  our own script
        [sys.executable, "-c", script, tmp_path / "it.yaml"], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.returncode) == ("2\n", 0), ran.stderr


def test_an_async_call_without_a_client_of_ones_own_comes_back_without_its_headers(tmp_path):
    async def asked() -> tuple[str | None, ...]:
        async with Client("aacflow", base_url=emulator.aacflow_url, api_key=emulator.aacflow_key) as client:
            seen = []
            read = client._read_listing
            client._read_listing = lambda headers, body: seen.append(headers.get("x-request-id")) or read(headers, body)
            await client.arefresh_models()
        return tuple(seen)

    with Emulator() as emulator:
        for mode, has_headers in (("all", True), ("none", False)):
            with vcr.use_cassette(str(tmp_path / "it.yaml"), record_mode=mode):
                assert all(asyncio.run(asked())) is has_headers
