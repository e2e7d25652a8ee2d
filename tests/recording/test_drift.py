"""The emulator of today answers the requests of each cassette in the shape that was recorded."""

import json

import httpx
import pytest

from tests.subcases import subcases
from tests.tools.recording import files, places, scrub
from tests.tools.recording.scenarios import SPOTS
from tests.tools.recording.shapes import shape

KEYS = {spot.cassette: spot.scenario.key for spot in SPOTS}


@pytest.fixture(scope="module")
def steady():
    with places.steady_emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def client():
    with httpx.Client(trust_env=False) as client:
        yield client


def answered_today(name, document, emulator, client):
    """Each recorded answer's shape, and that of the emulator's answer now."""
    place, jobs = places.PLACES[name.rpartition("/")[0]], {}
    key = KEYS.get(name) or getattr(emulator, place.key)
    for each in document["interactions"]:
        recorded = each["response"]
        body = recorded["body"]["string"]
        answer = client.send(request_of(each["request"], place, emulator, key, jobs))
        if job := job_of(answer.text):
            jobs[job_of(body)] = job
        headers = {header: value for header, value in answer.headers.items() if header in scrub.ANSWERED}
        then = {header: value for header, (value,) in recorded["headers"].items()}
        yield shape(recorded["status"]["code"], then, body), shape(answer.status_code, headers, answer.content)


def request_of(recorded, place, emulator, key, jobs):
    body = recorded["body"] or b""
    body = body.encode() if isinstance(body, str) else body
    body = body.replace(f'"{places.SCRUBBED}"'.encode(), json.dumps(key).encode())
    for then, now in jobs.items():
        body = body.replace(then.encode(), now.encode())
    headers = {header: value for header, (value,) in recorded["headers"].items()}
    headers |= {"x-api-key": key} if place.protocol == "anthropic" else {"authorization": f"Bearer {key}"}
    uri = recorded["uri"].replace(places.own_url(place), getattr(emulator, place.url)).replace(places.SCRUBBED, key)
    return httpx.Request(recorded["method"], uri, headers=headers, content=body)


def job_of(body):
    try:
        data = json.loads(body)
    except ValueError:
        return ""
    return data.get("job_id", "") if isinstance(data, dict) else ""


@subcases("name", files.names())
def test_the_emulator_still_answers_in_the_recorded_shape(name, steady, client):
    for recorded, today in answered_today(name, files.read(name), steady, client):
        assert today == recorded


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("aki/openai/chat", lambda answer: replace(answer, '"object"', '"kind"')),
        ("aki/openai/chat", lambda answer: replace(answer, '"id":"qwen3.6-35b"', '"id":7')),
        ("aki/openai/wrong_key", lambda answer: answer["status"].update(code=403)),
        ("aki/anthropic/stream", lambda answer: replace(answer, "message_stop", "end")),
        ("aacflow/openai/prompt", lambda answer: answer["headers"].pop("x-credits-used", None)),
    ],
)
def test_an_answer_of_another_shape_is_noticed(name, change, steady, client):
    document = files.read(name)
    for each in document["interactions"]:
        change(each["response"])
    assert any(recorded != today for recorded, today in answered_today(name, document, steady, client))


def replace(answer, old, new):
    answer["body"]["string"] = answer["body"]["string"].replace(old, new)
