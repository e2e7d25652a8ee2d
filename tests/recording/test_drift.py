"""The emulator of today answers the requests of each cassette in the shape that was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aki_transport.emulator import Emulator
from tests.subcases import subcases
from tests.tools.recording import files, places, scrub
from tests.tools.recording.scenarios import SPOTS
from tests.tools.recording.shapes import shape

KEYS = {spot.cassette: spot.scenario.key for spot in SPOTS}


def answered_today(name: str, document: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Each recorded answer's shape, and that of the emulator's answer now."""
    provider, protocol, _ = name.split("/")
    place = places.PLACES[f"{provider}/{protocol}"]
    jobs: dict[str, str] = {}
    with places.steady_emulator() as emulator, httpx.Client(trust_env=False) as client:
        key = KEYS.get(name) or getattr(emulator, place.key)
        for each in document["interactions"]:
            recorded = each["response"]
            body = recorded["body"]["string"]
            got = client.send(_request(each["request"], place, emulator, key, jobs))
            if job := _job_id(got.text):
                jobs[_job_id(body)] = job
            headers = {header: value for header, value in got.headers.items() if header in scrub.ANSWERED}
            then = {header: value for header, (value,) in recorded["headers"].items()}
            yield shape(recorded["status"]["code"], then, body), shape(got.status_code, headers, got.content)


def _request(
    recorded: dict[str, Any], place: places.Face, emulator: Emulator, key: str, jobs: dict[str, str]
) -> httpx.Request:
    text = recorded["body"] or ""
    body = text.encode() if isinstance(text, str) else text
    body = body.replace(f'"{places.SCRUBBED}"'.encode(), json.dumps(key).encode())
    for then, now in jobs.items():
        body = body.replace(then.encode(), now.encode())
    headers = {header: value for header, (value,) in recorded["headers"].items()}
    headers |= {"x-api-key": key} if place.protocol == "anthropic" else {"authorization": f"Bearer {key}"}
    uri = recorded["uri"].replace(places.own_url(place), getattr(emulator, place.url)).replace(places.SCRUBBED, key)
    return httpx.Request(recorded["method"], uri, headers=headers, content=body)


def _job_id(body: str) -> str:
    try:
        data = json.loads(body)
    except ValueError:
        return ""
    return data.get("job_id", "") if isinstance(data, dict) else ""


@subcases("name", files.names())
def test_the_emulator_still_answers_in_the_recorded_shape(name):
    for recorded, today in answered_today(name, files.read(name)):
        assert today == recorded


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("aki/openai/chat", lambda answer: _replace(answer, '"object"', '"kind"')),
        ("aki/openai/chat", lambda answer: _replace(answer, '"id":"qwen3.6-35b"', '"id":7')),
        ("aki/openai/wrong_key", lambda answer: answer["status"].update(code=403)),
        ("aki/anthropic/stream", lambda answer: _replace(answer, "message_stop", "end")),
        ("aacflow/openai/prompt", lambda answer: answer["headers"].pop("x-credits-used", None)),
    ],
)
def test_an_answer_of_another_shape_is_noticed(name, change):
    document = files.read(name)
    for each in document["interactions"]:
        change(each["response"])
    assert any(recorded != today for recorded, today in answered_today(name, document))


def _replace(answer: dict[str, Any], old: str, new: str) -> None:
    answer["body"]["string"] = answer["body"]["string"].replace(old, new)
