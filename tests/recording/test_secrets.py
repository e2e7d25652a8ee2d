"""No cassette holds a key, and a key would be found wherever it was."""

import base64
import json
from urllib.parse import quote_plus, urlencode

import httpx
import pytest
import vcr
from vcr.serializers import yamlserializer

from aki_transport.emulator import Emulator
from tests.subcases import subcases
from tests.tools.recording import files, scrub
from tests.tools.recording.scan import findings

# The emulator's, forms that services give, and one that looks like nothing in particular.
KEYS = (
    Emulator.key,
    "sk-or-v1-0123456789abcdef0123",
    "aki-9f8e7d6c5b4a",
    "aacf_live_0123456789",
    "6f0c2c1e-7a53-4f0e-9d3b-2f6f0d1c5a44",
    "Zq81LmNw52TrYx07BvKc34HsJd96Pf",
)


DOCUMENT = files.read("aki/openai/tools_stream")


def in_base64(text, encode=base64.b64encode):
    return encode(text.encode()).decode()


def planted(where, part, value):
    """A cassette with something put into its request or answer."""
    each = DOCUMENT["interactions"][-1]
    return {**DOCUMENT, "interactions": [{**each, where: {**each[where], part: value}}]}


def headed(where, name, value):
    return planted(where, "headers", {"content-type": ["application/json"], name: [value]})


def sent(data):
    return planted("request", "body", data if isinstance(data, str | bytes) else json.dumps(data))


def form(name, value):
    """A form with a picture, whose bytes are no text, and a field."""
    request = httpx.Request("POST", "http://x", data={name: value}, files={"image": b"\x89PNG\r\n\x1a\n\x00\xff"})
    return sent(request.read())


def answered(text):
    return planted("response", "body", {"string": text})


@subcases("name", files.names())
def test_a_cassette_holds_nothing_like_a_key(name):
    assert findings(files.read(name)) == []


_BASE = "https://aki.io/api/endpoints"
# Where only what looks like a key is one.
ANYWHERE = {
    "header": lambda key: headed("request", "x-something", key),
    "session": lambda key: headed("request", "cookie", f"session={key}"),
    "set-session": lambda key: headed("response", "set-cookie", f"session={key}; HttpOnly"),
    "other-query": lambda key: planted("request", "uri", f"{_BASE}?of={key}"),
    "body": lambda key: sent({"key": key}),
    "deep": lambda key: sent({"deep": [{"down": {"unsuspected": key}}]}),
    "form": lambda key: form("prompt", f"my key is {key}"),
    "answer": lambda key: answered(json.dumps({"progress": {"auth_key": key}})),
    "event": lambda key: answered('data: {"deep": {"token": "' + key + '"}}\n\n'),
    "page": lambda key: answered(f"<p>Key {key} is not valid</p>"),
    "urlencoded": lambda key: sent(urlencode({"prompt": "a lighthouse", "with": f"<{key}>"})),
    "base64-header": lambda key: headed("request", "x-something", in_base64(key)),
    "basic": lambda key: headed("request", "authorization", f"Basic {in_base64(f'me:{key}')}"),
    "base64-deep": lambda key: sent({"deep": [{"down": in_base64(f'{{"of": "{key}"}}')}]}),
    "base64-query": lambda key: planted("request", "uri", f"{_BASE}?of={quote_plus(in_base64(f'key={key}'))}"),
    "base64-form": lambda key: form("prompt", in_base64(key, base64.urlsafe_b64encode)),
}
# Where keys belong, so that any word is one.
PLACES = {
    "authorization": lambda key: headed("request", "authorization", f"Bearer {key}"),
    "bare-authorization": lambda key: headed("request", "authorization", key),
    "x-api-key": lambda key: headed("request", "x-api-key", key),
    "cookie": lambda key: headed("request", "cookie", key),
    "set-cookie": lambda key: headed("response", "set-cookie", key),
    "query": lambda key: planted("request", "uri", f"{_BASE}?{urlencode({'key': key})}"),
    "deep-named": lambda key: sent({"deep": [{"down": {"client_session_auth_key": key}}]}),
    "in-json-text": lambda key: sent({"chat_context": json.dumps([{"role": "user", "auth_key": key}])}),
    "form-field": lambda key: form("api_key", key),
    "urlencoded-field": lambda key: sent(urlencode({"prompt": "a lighthouse", "api_key": key})),
    "base64-field": lambda key: sent({"of": in_base64(json.dumps({"token": key}))}),
    "page-of-headers": lambda key: answered(f"Set-Cookie: {key}\n"),
}


@pytest.mark.parametrize("place", [*ANYWHERE, *PLACES])
def test_a_planted_key_is_found(place):
    plant = (ANYWHERE | PLACES)[place]
    for key in KEYS + (("open, sesame/100%",) if place in PLACES else ()):
        written = yamlserializer.deserialize(yamlserializer.serialize(plant(key)))
        assert findings(written), key


def test_words_and_names_of_models_are_no_keys():
    assert findings(sent({"text": "the quick brown fox", "model": "meta-llama/Llama-3.3-70B-Instruct"})) == []


def test_what_is_recorded_holds_no_key_in_headers_query_or_nested_bodies(tmp_path):
    path = tmp_path / "it.yaml"
    with Emulator() as emulator, httpx.Client() as client:
        key = emulator.key
        with vcr.use_cassette(str(path), record_mode="all", **scrub.vcr_config()):
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
