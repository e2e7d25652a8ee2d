"""AKI.IO's Anthropic-compatible interface: Anthropic's own client as the witness, and what is refused in which form."""

import base64

import httpx
import pytest

from tests.lazily import lazily
from tests.pictures import a_png

anthropic = lazily("anthropic")

TEXT, THINKS = "llama3-chat-8b", "qwen3.6-35b"
THINKING = {"type": "enabled", "budget_tokens": 1024}
LOOK = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "A tower."}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather in a city.", "input_schema": CITY}
COUNTED = "1, 2, 3, 4, 5, 6, 7, 8, 9."


@pytest.fixture(scope="module")
def vendor(running):
    with anthropic.Anthropic(base_url=running.anthropic_url, api_key=running.key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def api(running):
    with httpx.Client(base_url=running.anthropic_url, headers={"x-api-key": running.key}, timeout=10) as made:
        yield made


def user(*content):
    return {"role": "user", "content": list(content) if content else "Hello"}


def assistant(*content):
    return {"role": "assistant", "content": list(content) if content else "Hello"}


def text(content="Hello"):
    return {"type": "text", "text": content}


def image(**source):
    return {"type": "image", "source": source}


def asking(messages="Hello", **options):
    messages = messages if isinstance(messages, list) else [user(text(messages))]
    return {"model": TEXT, "max_tokens": 2048, "messages": messages, **options}


def ask(client, messages="Hello", **options):
    return client.messages.create(**asking(messages, **options))


def ask_streamed(client, messages="Hello", **options):
    with client.messages.stream(**asking(messages, **options)) as stream:
        return stream.get_final_message()


def of_kind(message, kind):
    return [block for block in message.content if block.type == kind]


@pytest.mark.parametrize(
    ("options", "expected", "stop"),
    [
        ({"system": "Be brief."}, COUNTED, ("end_turn", None)),
        ({"model": THINKS}, COUNTED, ("end_turn", None)),
        ({"stop_sequences": ["7", "4"]}, "1, 2, 3, ", ("stop_sequence", "4")),
        ({"max_tokens": 4}, "1, 2,", ("max_tokens", None)),
    ],
)
def test_an_answer_and_its_stream_are_the_same(vendor, options, expected, stop):
    answer = ask(vendor, "Count to 9", **options)
    assert [block.text for block in of_kind(answer, "text")] == [expected]
    assert ((answer.stop_reason, answer.stop_sequence), answer.model) == (stop, options.get("model", TEXT))
    assert answer.usage.input_tokens > 0
    assert 0 < answer.usage.output_tokens <= options.get("max_tokens", 2048)
    streamed = ask_streamed(vendor, "Count to 9", **options)
    assert streamed.model_dump(exclude={"id"}) == answer.model_dump(exclude={"id"})


@pytest.mark.parametrize("asked_by", [ask, ask_streamed])
def test_tools_go_round(vendor, asked_by):
    asked = user(text("What is the weather in Paris and in London?"))
    options = {"tools": [WEATHER], "model": THINKS, "thinking": THINKING}
    first = asked_by(vendor, [asked], **options)
    paris, london = of_kind(first, "tool_use")
    assert (first.stop_reason, paris.input, london.input) == ("tool_use", {"city": "Paris"}, {"city": "London"})
    results = [
        {"type": "tool_result", "tool_use_id": paris.id, "content": "Sunny, 22 degrees in Paris."},
        {"type": "tool_result", "tool_use_id": london.id, "content": [text("Rain, 9 degrees in London.")]},
    ]
    second = ask(vendor, [asked, assistant(*first.content), user(*results)], **options)
    assert of_kind(second, "text")[0].text == "Sunny, 22 degrees in Paris. Rain, 9 degrees in London."
    assert second.stop_reason == "end_turn"
    results[0] |= {"content": "No such city.", "is_error": True}
    failed = ask(vendor, [asked, assistant(*first.content), user(*results)], **options)
    assert "Error: No such city." in of_kind(failed, "text")[0].text


def test_models_think_unless_told_not_to_and_take_their_thinking_back_with_its_signature_alone(vendor):
    for options, thinks in (
        ({"model": THINKS}, True),
        ({"model": THINKS, "thinking": {"type": "adaptive"}}, True),
        ({"model": THINKS, "thinking": {"type": "disabled"}}, False),
        ({"model": TEXT, "thinking": THINKING}, False),
    ):
        assert bool(of_kind(ask(vendor, **options), "thinking")) is thinks
    first = ask(vendor, "What is 6 * 7?", model=THINKS, thinking=THINKING)
    history = [user(text("What is 6 * 7?")), assistant(*first.content), user(text("What is 6 * 8?"))]
    assert of_kind(ask(vendor, history, model=THINKS), "text")[0].text == "6 * 8 = 48."
    history[1] = assistant({**first.content[0].model_dump(), "thinking": "Something else."})
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        ask(vendor, history, model=THINKS)


def test_images_are_seen_in_messages_and_in_results_and_a_document_of_text_is_read(vendor):
    inline = image(type="base64", media_type="image/png", data=base64.b64encode(a_png(8, 6)).decode())
    linked = image(type="url", url="https://example.com/a.png")
    options = {"model": THINKS, "thinking": {"type": "disabled"}}
    answer = ask(vendor, [user(inline, linked, text("What is this?"))], **options)
    assert "a PNG image of 8 × 6 pixels. I see an image at example.com" in answer.content[0].text  # noqa: RUF001  # as the answer writes it
    answer = ask(vendor, [user(text("Look!")), assistant(CALL), user({**RESULT, "content": [inline]})], **options)
    assert "8 × 6" in answer.content[0].text  # noqa: RUF001  # same
    page = "The tower of Pisa is 56 metres high. It was built in the twelfth century, and it has leaned ever since."
    source = {"type": "text", "media_type": "text/plain", "data": page}
    document = {"type": "document", "source": source, "title": "Towers"}
    answer = ask(vendor, [user(document, text("How high is the tower of Pisa?"))])
    assert "56 metres" in answer.content[0].text


def test_models_are_listed_and_a_key_in_another_form_is_a_401(emu, vendor):
    listed = list(vendor.models.list())
    assert [model.id for model in listed][:2] == ["apertus-chat-70b", "gpt-oss-120b"]
    assert listed[0].created_at.year == 2025
    for headers in ({}, {"x-api-key": "Bearer aki-test"}, {"authorization": "bearer aki-test"}):
        answer = httpx.post(f"{emu.anthropic_url}/v1/messages", headers=headers)
        assert answer.status_code == 401
        assert refused(answer, "authentication_error") == "invalid x-api-key"
        assert answer.headers["request-id"] == answer.json()["request_id"] == emu.requests[-1].request_id


def test_a_fault_is_the_clients_error(vendor):
    for status, error, kind in (
        (400, "BadRequestError", "invalid_request_error"),
        (403, "PermissionDeniedError", "permission_error"),
        (404, "NotFoundError", "not_found_error"),
        (413, "APIStatusError", "request_too_large"),
        (429, "RateLimitError", "rate_limit_error"),
        (500, "InternalServerError", "api_error"),
        (503, "InternalServerError", "api_error"),
        (529, "InternalServerError", "overloaded_error"),
    ):
        with pytest.raises(getattr(anthropic, error)) as raised:
            ask(vendor, extra_headers={"x-emulator-fault": f"status={status};retry-after=7"})
        assert raised.value.body["error"]["type"] == kind
        assert raised.value.response.headers["retry-after"] == "7"
    with pytest.raises(anthropic.APIError, match="worker was lost"):
        ask_streamed(vendor, model=f"{TEXT}!stream-error=4")
    for fault in ("drop=0", "reset"):
        with pytest.raises(anthropic.APIConnectionError):
            ask(vendor, model=f"{TEXT}!{fault}")


def post(client, **changes):
    body = {"model": TEXT, "max_tokens": 64, "messages": [user()]} | changes
    # ... leaves a parameter out.
    return client.post("/v1/messages", json={name: value for name, value in body.items() if value is not ...})


def refused(answer, kind="invalid_request_error"):
    body = answer.json()
    assert (body.keys(), body["error"].keys()) == ({"type", "error", "request_id"}, {"type", "message"})
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    return body["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": ...}, "model: Field required"),
        ({"messages": ...}, "messages: Field required"),
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "'max_tokens' must be"),
        ({"reasoning_effort": "none"}, "reasoning_effort: Extra inputs are not permitted"),
        ({"temperature": 1.1}, "'temperature' must be"),
        ({"top_p": -0.1}, "'top_p' must be"),
        ({"thinking": {"type": "enabled"}}, "documented form"),
        ({"thinking": THINKING}, "`max_tokens` must be greater than"),
        ({"tools": [LOOK], "tool_choice": {"type": "tool", "name": "other"}}, "'other'"),
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
        ({"messages": [user(), assistant({"type": "thinking", "thinking": "x"})]}, "Invalid `signature`"),
        ({"messages": [user(), assistant(CALL)]}, "need their `tool_result` blocks"),
        ({"messages": [user(), assistant(CALL), user(text())]}, "need their `tool_result` blocks"),
        ({"messages": [user(RESULT)]}, "those of {'toolu_1'}"),
        ({"messages": [user(image(type="url", url="https://a.example"))]}, "no image"),
    ],
)
def test_what_it_does_not_take_is_refused_in_its_form(api, changes, message):
    answer = post(api, **changes)
    assert answer.status_code == 400
    assert message in refused(answer)


def test_other_histories_are_taken(api):
    for messages in (
        [user(), assistant(text("I will look."), CALL), user(RESULT, text("What is it?"))],
        [user(), assistant(CALL), user({"type": "tool_result", "tool_use_id": "toolu_1"})],
        [user(), assistant({"type": "redacted_thinking", "data": "xyz"}, text()), user()],
        [user({**text(), "cache_control": {"type": "ephemeral"}})],
        [user({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}})],
        [user(), assistant()],
    ):
        assert post(api, messages=messages).status_code == 200, messages


def test_system_is_a_string_or_blocks_of_text(api):
    asked = [user(text("How high is the tower?"))]
    fact = "Context:\nThe tower of Pisa is 56 metres high. It was built in the twelfth century and it leans."
    first, second = (post(api, messages=asked, system=system).json()["content"] for system in (fact, [text(fact)]))
    assert first == second
    assert "56" in first[0]["text"]


def test_what_never_reaches_the_interface_is_refused_in_its_form(api):
    for raw in (b"", b"{", b"[]", b"\xff"):
        answer = api.post("/v1/messages", content=raw)
        assert answer.status_code == 400
        assert refused(answer)
    assert refused(api.post("/v1/messages/count_tokens"), "not_found_error")
    assert api.get("/v1/messages").status_code == 405
