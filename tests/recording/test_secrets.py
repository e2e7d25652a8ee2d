"""No cassette holds a key, and a key would be found wherever it was."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from urllib.parse import quote_plus, urlencode

import httpx
import pytest
import vcr as vcrpy

from aki_transport.emulator import Emulator
from tests.recording import files, form, scrub
from tests.recording.scan import findings

# The emulator's, forms that services give, and one that looks like nothing in particular.
KEYS = (
    Emulator.key,
    "sk-or-v1-0123456789abcdef0123",
    "aki-9f8e7d6c5b4a",
    "aacf_live_0123456789",
    "6f0c2c1e-7a53-4f0e-9d3b-2f6f0d1c5a44",
    "Zq81LmNw52TrYx07BvKc34HsJd96Pf",
)
WHOLE = "aki/openai/tools_stream"


def in_base64(text: str, encode: Callable[[bytes], bytes] = base64.b64encode) -> str:
    return encode(text.encode()).decode()


def planted(**parts: object) -> dict:
    """A cassette with something put into its first request or answer."""
    document = copy.deepcopy(files.read(WHOLE))
    for name, value in parts.items():
        where, _, part = name.partition("_")
        message = document["interactions"][0][where]
        message[part] = {**message.get(part, {}), **value} if isinstance(value, dict) else value
    return document


@pytest.mark.parametrize("name", files.names())
def test_a_cassette_holds_nothing_like_a_key(name):
    assert findings(files.read(name)) == []


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "plant",
    [
        lambda key: planted(request_headers={"authorization": f"Bearer {key}"}),
        lambda key: planted(request_headers={"x-something": key}),
        lambda key: planted(request_headers={"cookie": f"session={key}"}),
        lambda key: planted(response_headers={"set-cookie": f"session={key}; HttpOnly"}),
        lambda key: planted(request_uri=f"https://aki.io/api/endpoints?key={key}"),
        lambda key: planted(request_uri=f"https://aki.io/api/endpoints?of={key}"),
        lambda key: planted(request_json={"key": key}),
        lambda key: planted(request_json={"deep": [{"down": {"client_session_auth_key": key}}]}),
        lambda key: planted(request_json={"deep": [{"down": {"unsuspected": key}}]}),
        lambda key: planted(request_json={"chat_context": json.dumps([{"role": "user", "auth_key": key}])}),
        lambda key: planted(request_form=[{"name": "prompt", "text": f"my key is {key}"}]),
        lambda key: planted(response_json={"progress": {"auth_key": key}}),
        lambda key: planted(response_events='data: {"deep": {"token": "' + key + '"}}\n\n'),
        lambda key: planted(response_text=f"<p>Key {key} is not valid</p>"),
        lambda key: planted(request_text=urlencode({"prompt": "a lighthouse", "with": f"<{key}>"})),
        lambda key: planted(request_headers={"x-something": in_base64(key)}),
        lambda key: planted(request_headers={"authorization": f"Basic {in_base64(f'me:{key}')}"}),
        lambda key: planted(request_json={"deep": [{"down": in_base64(f'{{"of": "{key}"}}')}]}),
        lambda key: planted(request_uri=f"https://aki.io/api/endpoints?of={quote_plus(in_base64(f'key={key}'))}"),
        lambda key: planted(request_form=[{"name": "prompt", "text": in_base64(key, base64.urlsafe_b64encode)}]),
    ],
    ids=[
        *("authorization", "header", "cookie", "set-cookie", "query", "other-query", "body", "deep-named", "deep"),
        *("in-json-text", "form", "answer", "event", "page"),
        *("urlencoded", "base64-header", "basic", "base64-deep", "base64-query", "base64-form"),
    ],
)
def test_a_planted_key_is_found(plant, key):
    assert findings(form.load(form.dump(plant(key))))


@pytest.mark.parametrize(
    "plant",
    [
        lambda key: planted(request_headers={"authorization": key}),
        lambda key: planted(request_headers={"x-api-key": key}),
        lambda key: planted(request_headers={"cookie": key}),
        lambda key: planted(response_headers={"set-cookie": key}),
        lambda key: planted(request_uri=f"https://aki.io/api/endpoints?{urlencode({'key': key})}"),
        lambda key: planted(request_json={"deep": [{"down": {"client_session_auth_key": key}}]}),
        lambda key: planted(request_json={"chat_context": json.dumps([{"role": "user", "auth_key": key}])}),
        lambda key: planted(request_form=[{"name": "api_key", "text": key}]),
        lambda key: planted(request_text=urlencode({"prompt": "a lighthouse", "api_key": key})),
        lambda key: planted(request_json={"of": in_base64(json.dumps({"token": key}))}),
        lambda key: planted(response_text=f"Set-Cookie: {key}\n"),
    ],
    ids=[
        *("authorization", "x-api-key", "cookie", "set-cookie", "query", "deep", "in-json-text", "form"),
        *("urlencoded", "base64", "page"),
    ],
)
def test_a_key_that_looks_like_a_word_is_found_where_keys_belong(plant):
    assert findings(form.load(form.dump(plant("open, sesame/100%"))))


def test_words_and_names_of_models_are_no_keys():
    document = planted(request_json={"text": "the quick brown fox", "model": "meta-llama/Llama-3.3-70B-Instruct"})
    assert findings(document) == []


def test_what_is_recorded_holds_no_key_in_headers_query_or_nested_bodies(tmp_path):
    player = vcrpy.VCR(record_mode="all", **scrub.vcr_config())
    scrub.prepare(player)
    path = tmp_path / "it.yaml"
    with Emulator() as emulator, httpx.Client() as client:
        key = emulator.key
        with player.use_cassette(str(path)):
            client.get(f"{emulator.native_url}/endpoints", params={"key": key, "of": f"x{key}x"})
            body = {"key": "unheard-of", "deep": [{"auth_key": "unheard-of"}], "chat_context": f"say {key}"}
            headers = {"authorization": f"Bearer {key}", "cookie": f"a={key}"}
            client.post(f"{emulator.native_url}/call/llama3_8b_chat", json=body, headers=headers)
            fields, picture = {"key": "unheard-of", "prompt": key}, {"image": b"\x89PNG"}
            client.post(f"{emulator.openai_url}/images/edits", data=fields, files=picture, headers=headers)
    text = path.read_text(encoding="utf-8")
    assert key not in text
    assert "unheard-of" not in text
    assert text.count(scrub.SCRUBBED) >= 5
