"""AKI.IO's Anthropic-compatible interface: its form, and what it refuses."""

import httpx
import pytest

TEXT = "llama3-chat-8b"
SEES = "qwen3.6-35b"
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "A tower."}
BUDGET = {"type": "enabled", "budget_tokens": 2000}


@pytest.fixture
def api(emu):
    with httpx.Client(base_url=emu.anthropic_url, headers={"x-api-key": emu.key}, timeout=10) as made:
        yield made


def user(*content):
    return {"role": "user", "content": list(content) if content else "Hello"}


def assistant(*content):
    return {"role": "assistant", "content": list(content) if content else "Hello"}


def text(words="Hello"):
    return {"type": "text", "text": words}


def ask(client, **changes):
    body = {"model": TEXT, "max_tokens": 64, "messages": [user()]} | changes
    # ... leaves a parameter out.
    body = {name: value for name, value in body.items() if value is not ...}
    return client.post("/v1/messages", json=body)


def refused(answer, kind="invalid_request_error"):
    """The text of an error in Anthropic's form."""
    body = answer.json()
    assert body.keys() == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["error"].keys() == {"type", "message"}
    assert body["error"]["type"] == kind
    return body["error"]["message"]


def test_the_key_is_taken_in_either_header_and_any_other_is_a_401(emu):
    for headers in ({"x-api-key": "aki-test"}, {"authorization": "Bearer aki-test"}):
        assert httpx.get(f"{emu.anthropic_url}/v1/models", headers=headers).status_code == 200
    for headers in ({}, {"x-api-key": "Bearer aki-test"}, {"authorization": "bearer aki-test"}):
        answer = httpx.post(f"{emu.anthropic_url}/v1/messages", headers=headers)
        assert answer.status_code == 401
        assert refused(answer, "authentication_error") == "invalid x-api-key"
        assert answer.headers["request-id"] == answer.json()["request_id"] == emu.requests[-1].request_id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": ...}, "model: Field required"),
        ({"messages": ...}, "messages: Field required"),
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "'max_tokens' must be"),
        ({"reasoning_effort": "none"}, "reasoning_effort: Extra inputs are not permitted"),
        ({"temperature": 1.1}, "'temperature' must be"),
        ({"top_p": -0.1}, "'top_p' must be"),
        ({"thinking": {"type": "enabled"}}, "documented form"),
        ({"thinking": BUDGET}, "`max_tokens` must be greater than"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, "'other'"),
        ({"tool_choice": {"type": "any"}}, "names no tool"),
        ({"tools": [{"name": "look"}]}, "input_schema"),
        ({"max_tokens": 131_072}, "maximum context length is 131072 tokens"),
        ({"messages": []}, "non-empty"),
        ({"messages": "Hello"}, "documented form"),
        ({"messages": [assistant()]}, "roles must alternate"),
        ({"messages": [user(), user()]}, "roles must alternate"),
        ({"messages": [{"role": "system", "content": "Be brief."}, user()]}, "roles must alternate"),
        ({"messages": [{"role": "user", "content": ""}]}, "must have non-empty content"),
        ({"messages": [user(text(" \n"))]}, "contain non-whitespace text"),
        ({"messages": [user({"type": "image_url", "image_url": {}})]}, "Input tag 'image_url' found"),
        ({"messages": [user(), assistant({"type": "thinking", "thinking": "x", "signature": "y"})]}, "`signature`"),
        ({"messages": [user(), assistant(CALL)]}, "need their `tool_result` blocks"),
        ({"messages": [user(), assistant(CALL), user(text())]}, "need their `tool_result` blocks"),
        ({"messages": [user(RESULT)]}, "those of {'toolu_1'}"),
        ({"messages": [user({"type": "image", "source": {"type": "url", "url": "https://a.example"}})]}, "no image"),
    ],
)
def test_what_it_does_not_take_is_refused_in_its_form(api, changes, words):
    answer = ask(api, **changes)
    assert answer.status_code == 400
    assert words in refused(answer)


@pytest.mark.parametrize(
    "messages",
    [
        [user(), assistant(text("I will look."), CALL), user(RESULT, text("What is it?"))],
        [user(), assistant(CALL), user({"type": "tool_result", "tool_use_id": "toolu_1"})],
        [user(), assistant({"type": "redacted_thinking", "data": "xyz"}, text()), user()],
        [user({**text(), "cache_control": {"type": "ephemeral"}})],
        [user({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}})],
        [user(), assistant()],
    ],
)
def test_other_histories_are_taken(api, messages):
    assert ask(api, messages=messages).status_code == 200


def test_system_is_a_string_or_blocks_of_text(api):
    asked = [user(text("How high is the tower?"))]
    fact = "Context:\nThe tower of Pisa is 56 metres high. It was built in the twelfth century and it leans."
    said = [ask(api, messages=asked, system=system).json()["content"] for system in (fact, [text(fact)])]
    assert said[0] == said[1]
    assert "56" in said[0][0]["text"]


def test_what_never_reaches_the_interface_is_refused_in_its_form(api):
    for raw in (b"", b"{", b"[]", b"\xff"):
        answer = api.post("/v1/messages", content=raw)
        assert answer.status_code == 400
        assert refused(answer)
    assert refused(api.post("/v1/messages/count_tokens"), "not_found_error")
    assert api.get("/v1/messages").status_code == 405
