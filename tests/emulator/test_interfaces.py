import json

import httpx
import pytest

INTERFACES = [
    ("openai_url", "key", "/chat/completions", "llama3-chat-8b"),
    ("anthropic_url", "key", "/v1/messages", "llama3-chat-8b"),
    ("aacflow_url", "aacflow_key", "/chat/completions", "gpt-4o-mini"),
    ("ak_ai_core_url", "ak_ai_core_key", "/chat/completions", "openai/gpt-4o-mini"),
]
each_interface = pytest.mark.parametrize(
    ("url", "key", "path", "model"), INTERFACES, ids=[row[0] for row in INTERFACES]
)


def post(emu, url, key, path, model, **changes):
    body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]} | changes
    headers = {"authorization": f"Bearer {getattr(emu, key)}"}
    return httpx.post(getattr(emu, url) + path, json=body, headers=headers)


def test_the_addresses_are_those_of_the_properties(emu):
    addresses = {(url, key) for _, url, key in emu.addresses}
    assert {(getattr(emu, url), getattr(emu, key)) for url, key, _, _ in INTERFACES} <= addresses


@each_interface
def test_each_interface_counts_its_faults_and_its_requests(emu, url, key, path, model):
    answers = [post(emu, url, key, path, f"{model}!status=503;times=2").status_code for _ in range(3)]
    assert answers == [503, 503, 200]
    assert emu.count(path) == 3
    assert emu.requests[0].path == getattr(emu, url).removeprefix(emu.url) + path
    emu.reset()
    assert post(emu, url, key, path, f"{model}!status=503;times=2").status_code == 503


@each_interface
def test_each_interface_gives_the_same_answer_under_the_id_that_was_recorded(emu, url, key, path, model):
    answer = post(emu, url, key, path, model, messages=[{"role": "user", "content": "Count to 5"}])
    assert "1, 2, 3, 4, 5." in json.dumps(answer.json())
    ids = [value for name, value in answer.headers.items() if name.endswith("request-id")]
    assert ids == [emu.requests[0].request_id]


@each_interface
def test_an_error_of_the_emulators_own_is_in_the_interfaces_form(emu, url, key, path, model, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("aki_transport.emulator.answering.think", broken)
    answer = post(emu, url, key, path, model)
    assert answer.status_code == 500
    assert "The emulator failed: ZeroDivisionError: by zero" in answer.text
