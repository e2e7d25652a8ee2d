import json

import httpx
import pytest

TEXT = "llama3-chat-8b"
SEES = "qwen3.6-35b"
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "A tower."}


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


def image(**source):
    return {"type": "image", "source": source}


def ask(client, *, fault="", **changes):
    body = {"model": TEXT, "max_tokens": 64, "messages": [user()]} | changes
    # ... leaves a parameter out; None is sent as null.
    body = {name: value for name, value in body.items() if value is not ...}
    return client.post("/v1/messages", json=body, headers={"x-emulator-fault": fault})


def refused(answer, kind="invalid_request_error"):
    """The words of an error in Anthropic's form."""
    body = answer.json()
    assert body.keys() == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["error"].keys() == {"type", "message"}
    assert body["error"]["type"] == kind
    return body["error"]["message"]


def events(answer):
    """Name and data of each event."""
    found = []
    for block in answer.text.removesuffix("\n\n").split("\n\n"):
        event, data = block.split("\n")
        found.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_an_answer_has_the_documented_fields_and_no_others(api):
    answer = ask(api)
    assert answer.json().keys() == {
        "id",
        "type",
        "role",
        "content",
        "model",
        "stop_reason",
        "stop_sequence",
        "usage",
    }
    assert answer.json()["id"].startswith("msg_")
    assert answer.json()["usage"].keys() == {"input_tokens", "output_tokens"}
    assert answer.headers["request-id"].startswith("req_")


@pytest.mark.parametrize("headers", [{"x-api-key": "aki-test"}, {"authorization": "Bearer aki-test"}])
@pytest.mark.parametrize("version", [{}, {"anthropic-version": "2023-06-01"}, {"anthropic-version": "2026-10-21"}])
def test_the_key_is_taken_in_either_header_with_any_version(emu, headers, version):
    assert httpx.get(f"{emu.anthropic_url}/v1/models", headers=headers | version).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"x-api-key": "other"}, {"x-api-key": "Bearer aki-test"}, {"authorization": "bearer aki-test"}]
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("POST", "/v1/messages")])
def test_any_other_key_is_a_401(emu, headers, method, path):
    answer = httpx.request(method, f"{emu.anthropic_url}{path}", headers=headers)
    assert answer.status_code == 401
    assert refused(answer, "authentication_error") == "invalid x-api-key"
    assert answer.headers["request-id"] == answer.json()["request_id"] == emu.requests[-1].request_id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": ...}, "model: Field required"),
        ({"messages": ...}, "messages: Field required"),
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": 1.5}, "max_tokens: Input should be a valid integer"),
        ({"reasoning_effort": "none"}, "reasoning_effort: Extra inputs are not permitted"),
        ({"max_completion_tokens": 5}, "max_completion_tokens: Extra inputs are not permitted"),
        ({"temperature": 1.1}, "temperature: Input should be less than or equal to 1"),
        ({"temperature": None}, "temperature: Input should be a valid number"),
        ({"top_p": -0.1}, "top_p: Input should be greater than or equal to 0"),
        ({"top_k": -1}, "top_k: Input should be greater"),
        ({"stop_sequences": "4"}, "stop_sequences: Input should be a valid list"),
        ({"stop_sequences": [" "]}, "contains non-whitespace"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"system": 1}, "system: Input should be a valid list"),
        ({"system": [image(type="url", url="https://example.com")]}, "system.0: Input tag 'image' found"),
        ({"thinking": {"type": "enabled"}}, "thinking: Input should be enabled with a budget"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "a budget of 1024 or more"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "`max_tokens` must be greater than"),
        ({"thinking": {"type": "deep"}}, "thinking: "),
        ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: "),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, "'other' not found"),
        ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
        ({"tools": [{**TOOL, "name": "a b"}]}, "tools.0: Input should have a name"),
        ({"tools": [{"name": "look"}]}, "an input_schema of type"),
        ({"tools": [{**TOOL, "input_schema": {}}]}, "an input_schema of type"),
        ({"tools": [{"type": "function", "function": TOOL}]}, "Input tag 'function' found"),
        ({"max_tokens": 131_072}, "input length and `max_tokens` exceed context limit"),
    ],
)
def test_a_parameter_it_does_not_take_is_refused_in_anthropics_words(api, changes, words):
    answer = ask(api, **changes)
    assert answer.status_code == 400
    assert words in refused(answer)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "at least one message is required"),
        ("Hello", "messages: Input should be a valid list"),
        ([assistant()], 'first message must use the "user" role'),
        ([user(), user()], 'multiple "user" roles in a row'),
        ([user(), assistant(), assistant()], 'multiple "assistant" roles in a row'),
        ([{"role": "system", "content": "Be brief."}, user()], 'Unexpected role "system"'),
        ([{"role": "tool", "content": "x"}], "messages.0.role: Input should be 'user' or 'assistant'"),
        ([{"role": "user"}], "messages.0.content: Field required"),
        ([{"role": "user", "content": ""}], "must have non-empty content"),
        ([{"role": "user", "content": []}], "must have non-empty content"),
        ([{"role": "user", "content": None}], "messages.0.content: Input should be a valid list"),
        ([{**user(), "name": "ada"}], "messages.0.name: Extra inputs are not permitted"),
        ([user("Hello")], "messages.0.content.0: Input should be a valid dictionary"),
        ([user(text(""))], "text content blocks must be non-empty"),
        ([user(text(" \n"))], "contain non-whitespace text"),
        ([user({"type": "text"})], "lacks a field"),
        ([user({"type": "image_url", "image_url": {}})], "messages.0.content.0: Input tag 'image_url' found"),
        ([user(CALL)], "messages.0.content.0: Input tag 'tool_use' found"),
        ([user(), assistant({**CALL, "input": "{}"})], "lacks a field"),
        ([user(), assistant({**CALL, "id": "call:1"})], "lacks a field"),
        ([user(), assistant({"type": "thinking", "thinking": "x"})], "lacks a field"),
        ([user(), assistant({"type": "thinking", "thinking": "x", "signature": "y"})], "Invalid `signature`"),
    ],
)
def test_messages_it_does_not_take_are_refused_in_anthropics_words(api, messages, words):
    answer = ask(api, messages=messages)
    assert answer.status_code == 400
    assert words in refused(answer)


UNANSWERED = "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1"
UNEXPECTED = "unexpected `tool_use_id` found in `tool_result` blocks"


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([user(), assistant(CALL)], UNANSWERED),
        ([user(), assistant(CALL), user(text())], UNANSWERED),
        ([user(), assistant(CALL), user(text(), RESULT)], UNANSWERED),
        ([user(), assistant(CALL, {**CALL, "id": "toolu_2"}), user({**RESULT, "tool_use_id": "toolu_2"})], UNANSWERED),
        ([user(), assistant(CALL), user(RESULT, {**RESULT, "tool_use_id": "toolu_9"})], UNEXPECTED),
        ([user(), assistant(CALL), user(RESULT, RESULT)], UNEXPECTED),
        ([user(RESULT)], UNEXPECTED),
        ([user(), assistant(CALL), user(RESULT), assistant(), user(RESULT)], UNEXPECTED),
        ([user(), assistant(CALL, CALL), user(RESULT, RESULT)], "`tool_use` ids must be unique"),
        ([user(), assistant(CALL), user(RESULT), assistant(CALL), user(RESULT)], "`tool_use` ids must be unique"),
    ],
)
def test_each_call_has_one_result_first_thing_in_the_next_message(api, messages, words):
    answer = ask(api, messages=messages)
    assert answer.status_code == 400
    assert words in refused(answer)


@pytest.mark.parametrize(
    "messages",
    [
        [user(), assistant(text("I will look."), CALL), user(RESULT)],
        [user(), assistant(CALL), user(RESULT, text("What is it?"))],
        [user(), assistant(CALL), user({"type": "tool_result", "tool_use_id": "toolu_1"})],
        [user(), assistant(CALL), user({**RESULT, "content": "", "is_error": False})],
        [user(), assistant({"type": "redacted_thinking", "data": "xyz"}, text()), user()],
        [user({**text(), "cache_control": {"type": "ephemeral"}})],
        [user(), assistant()],
    ],
)
def test_other_histories_are_taken(api, messages):
    assert ask(api, messages=messages).status_code == 200


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (image(type="base64", media_type="image/bmp", data="aGk="), "base64.media_type"),
        (image(type="base64", media_type="image/png", data="???"), "invalid base64"),
        (image(type="file", file_id="1"), "base64 or url"),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
            "not expected here",
        ),
    ],
)
def test_a_source_it_cannot_read_is_refused(api, block, words):
    answer = ask(api, model=SEES, messages=[user(block)])
    assert answer.status_code == 400
    assert words in refused(answer)


def test_a_model_that_does_not_see_refuses_images(api):
    answer = ask(api, messages=[user(image(type="url", url="https://example.com/a.png"))])
    assert answer.status_code == 400
    assert "no image input" in refused(answer)


def test_system_is_a_string_or_blocks_of_text(api):
    asked = [user(text("How high is the tower?"))]
    fact = "Context:\nThe tower of Pisa is 56 metres high. It was built in the twelfth century and it leans."
    said = [ask(api, messages=asked, system=system).json()["content"] for system in (fact, [text(fact)])]
    assert said[0] == said[1]
    assert "56" in said[0][0]["text"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", rb'{"model":"\ud83d"}'])
def test_a_malformed_body_is_a_400(api, raw):
    answer = api.post("/v1/messages", content=raw)
    assert answer.status_code == 400
    assert refused(answer)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("POST", "/v1/messages/count_tokens", 404, "not_found_error"),
        ("POST", "/messages", 404, "not_found_error"),
        ("GET", "/v1/messages", 405, "invalid_request_error"),
    ],
)
def test_a_route_that_is_none_is_refused_in_its_form(api, method, path, status, kind):
    answer = api.request(method, path)
    assert answer.status_code == status
    assert refused(answer, kind)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("credits", 402, "billing_error"),
        ("status=401", 401, "authentication_error"),
        ("status=413", 413, "request_too_large"),
        ("status=429", 429, "rate_limit_error"),
        ("status=503", 503, "api_error"),
        ("status=529", 529, "overloaded_error"),
        ("droop=1", 400, "invalid_request_error"),
    ],
)
def test_faults_have_its_error_form(api, fault, status, kind):
    answer = ask(api, fault=fault)
    assert answer.status_code == status
    assert refused(answer, kind)


def test_a_page_of_html_comes_with_any_status(api):
    answer = ask(api, fault="html=502")
    assert answer.status_code == 502
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize("fault", ["stream-error=3", "event-error=3"])
def test_an_error_event_ends_the_stream(api, fault):
    found = events(ask(api, fault=fault, stream=True))
    assert len(found) == 4
    assert found[-1] == (
        "error",
        {"type": "error", "error": {"type": "api_error", "message": "The worker was lost."}},
    )


def test_every_event_is_named_after_its_type(api):
    found = events(ask(api, stream=True))
    assert all(name == data["type"] for name, data in found)
    assert [name for name, _ in found][:2] == ["message_start", "ping"]


def test_a_stream_counts_the_prompt_first_and_the_answer_last(api):
    found = dict(events(ask(api, stream=True)))
    whole = ask(api).json()["usage"]
    assert found["message_start"]["message"]["usage"]["input_tokens"] == whole["input_tokens"]
    assert found["message_delta"]["usage"] == {"output_tokens": whole["output_tokens"]}


@pytest.mark.parametrize(("fault", "missing"), [("no-done", "message_stop"), ("no-finish", "message_delta")])
def test_a_stream_can_lack_its_end(api, fault, missing):
    assert missing not in dict(events(ask(api, fault=fault, stream=True)))


def test_an_answer_can_lack_its_stop_reason(api):
    assert ask(api, fault="no-finish").json()["stop_reason"] is None


def test_an_empty_answer_looks_like_a_lost_worker(api):
    answer = ask(api, fault="empty", model=SEES).json()
    assert (answer["content"], answer["usage"]["output_tokens"]) == ([], 0)
    assert "content_block_start" not in dict(events(ask(api, fault="empty", stream=True)))


@pytest.mark.parametrize("after", [0, 2])
def test_a_stream_is_dropped_after_so_many_events(api, after):
    with (
        api.stream(
            "POST",
            "/v1/messages",
            json={"model": f"{TEXT}!drop={after}", "max_tokens": 64, "messages": [user()], "stream": True},
        ) as answer,
    ):
        lines = []
        with pytest.raises(httpx.RemoteProtocolError):
            lines.extend(line for line in answer.iter_lines() if line.startswith("event"))
    assert len(lines) <= after
