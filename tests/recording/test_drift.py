"""The emulator of today answers the requests of each cassette in the shape that was recorded."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aki_transport.emulator import Emulator
from tests.recording import files, form, places, scrub
from tests.recording.scenarios import SPOTS
from tests.recording.shapes import of, shape

KEYS_GIVEN = {spot.cassette: spot.connecting.get("api_key") for spot in SPOTS}


def answered_today(name: str, document: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Each recorded answer's shape, and that of the emulator's answer now."""
    provider, protocol, _ = name.split("/")
    place = places.PLACES[f"{provider}/{protocol}"]
    jobs: dict[str, str] = {}
    with places.steady_emulator() as emulator, httpx.Client(trust_env=False) as client:
        key = KEYS_GIVEN.get(name) or getattr(emulator, place.key)
        for each in document["interactions"]:
            recorded = each["response"]
            got = client.send(_request(each["request"], place, emulator, key, jobs))
            headers = {header: value for header, value in got.headers.items() if header in scrub.ANSWERED}
            today = {"status": got.status_code, "headers": headers, **form.from_bytes(headers, got.content)}
            if isinstance(today.get("json"), dict) and "job_id" in today["json"]:
                jobs[recorded["json"]["job_id"]] = today["json"]["job_id"]
            yield shape(recorded), shape(today)


def _request(
    recorded: dict[str, Any], place: places.Face, emulator: Emulator, key: str, jobs: dict[str, str]
) -> httpx.Request:
    text = (form.to_bytes(recorded) or b"").replace(f'"{scrub.SCRUBBED}"'.encode(), json.dumps(key).encode())
    for then, now in jobs.items():
        text = text.replace(then.encode(), now.encode())
    headers = {**recorded.get("headers", {}), "authorization": f"Bearer {key}"}
    if place.protocol == "anthropic":
        headers["x-api-key"] = key
        del headers["authorization"]
    uri = recorded["uri"].replace(places.own_url(place), getattr(emulator, place.url)).replace(scrub.SCRUBBED, key)
    return httpx.Request(recorded["method"], uri, headers=headers, content=text)


@pytest.mark.parametrize("name", files.names())
def test_the_emulator_still_answers_in_the_recorded_shape(name):
    for recorded, today in answered_today(name, files.read(name)):
        assert today == recorded


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("aki/openai/chat", lambda answer: answer["json"].pop("object")),
        ("aki/openai/chat", lambda answer: answer["json"]["data"][0].update(id=7)),
        ("aki/openai/wrong_key", lambda answer: answer.update(status=403)),
        ("aki/anthropic/stream", lambda answer: answer.update(events=answer["events"].replace("message_stop", "end"))),
        ("aacflow/openai/prompt", lambda answer: answer["headers"].pop("x-credits-used")),
    ],
)
def test_an_answer_of_another_shape_is_noticed(name, change):
    document = copy.deepcopy(files.read(name))
    change(document["interactions"][0]["response"])
    assert any(recorded != today for recorded, today in answered_today(name, document))


def test_what_an_answer_says_is_not_its_shape():
    assert of({"a": [1, 2.5], "b": "x", "c": None}) == of({"a": [3], "b": "y", "c": None})
    assert of({"a": True}) != of({"a": 1})
