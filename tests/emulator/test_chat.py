import base64

import pytest

from tests.lazily import lazily
from tests.pictures import a_png

openai = lazily("openai")

USER = [{"role": "user", "content": "Hello"}]


def ask(client, text="Hello", model="llama3-chat-8b", **options):
    messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
    return client.chat.completions.create(model=model, messages=messages, **options)


def png(width, height):
    return "data:image/png;base64," + base64.b64encode(a_png(width, height)).decode()


def test_an_answer_has_text_usage_and_the_model_that_gave_it(client):
    answer = ask(client, "What is 6 * 7?")
    assert answer.choices[0].message.content == "6 * 7 = 42."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "llama3-chat-8b"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens > 0


def test_the_same_request_brings_the_same_answer(client):
    first, second = (ask(client, "Tell me a joke about cats.", model="gpt-oss-120b") for _ in range(2))
    assert first.choices == second.choices
    assert first.id != second.id


@pytest.mark.parametrize("model", ["gpt-4o", "Qwen/Qwen3.6-35B", "meta-llama/Llama-3.3-70B-Instruct"])
def test_an_unknown_model_is_answered_by_minimax_in_silence(client, model):
    assert ask(client, model=model).model == "minimax-m2.5-230b"


@pytest.mark.parametrize(("older", "main"), [("gemma4-chat-26b", "gemma4-26b"), ("qwen3.6-chat-35b", "qwen3.6-35b")])
def test_an_older_id_is_answered_under_the_main_one(client, older, main):
    assert ask(client, model=older).model == main


def test_text_ends_before_the_stop_word(client):
    answer = ask(client, "Count to 9", stop=["7", "5"])
    assert answer.choices[0].message.content == "1, 2, 3, 4, "
    assert answer.choices[0].finish_reason == "stop"
    assert ask(client, "Count to 9", stop="3").choices[0].message.content == "1, 2, "


@pytest.mark.parametrize("label", ["Original Answer: ", "We have provided an existing answer: "])
def test_an_answer_to_be_refined_stays_unless_it_knows_nothing(client, label):
    context = "\nContext: The harbor closes at nine.\nQuery: When does the harbor close?\n"
    assert ask(client, f"{context}{label}At ten. [1]\n").choices[0].message.content == "At ten. [1]"
    refined = ask(client, f"{context}{label}I do not know.\n").choices[0].message.content
    assert refined == "The harbor closes at nine."


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_the_answer_and_says_so(client, name):
    answer = ask(client, "Count to 9", **{name: 4})
    assert answer.choices[0].message.content == "1, 2,"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 4


def test_reasoning_counts_toward_the_limit(client):
    answer = ask(client, model="qwen3.6-35b", max_tokens=3)
    assert answer.choices[0].message.content == ""
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens_details.reasoning_tokens == 3


def test_effort_steers_how_long_a_reasoning_model_thinks(client):
    def thought(**options):
        return getattr(ask(client, model="qwen3.6-35b", **options).choices[0].message, "reasoning_content", "")

    lengths = [len(thought(reasoning_effort=effort)) for effort in ("none", "low", "medium", "high")]
    assert lengths[0] == 0
    assert lengths == sorted(set(lengths))
    assert len(thought()) == lengths[2]


def test_other_models_never_reason(client):
    answer = ask(client, model="llama3-chat-70b", reasoning_effort="high")
    assert not hasattr(answer.choices[0].message, "reasoning_content")


def test_a_model_that_sees_says_what_it_was_sent(client):
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": png(640, 480)}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    answer = ask(client, [{"role": "user", "content": parts}], model="qwen3.6-35b")
    assert answer.choices[0].message.content == (
        "I see 2 images: 1. a PNG image of 640 × 480 pixels; 2. an image at example.com that was not opened."  # noqa: RUF001  # as the answer writes it
    )


def test_a_model_that_does_not_see_refuses_images(client):
    parts = [{"type": "image_url", "image_url": {"url": png(1, 1)}}]
    with pytest.raises(openai.NotFoundError, match="no image input") as refused:
        ask(client, [{"role": "user", "content": parts}])
    assert refused.value.code == "request_failed"


def test_consecutive_roles_names_and_empty_content_are_taken(client):
    answer = ask(
        client,
        [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "Hello", "name": "ada"},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "Hello"},
        ],
        seed=1,
        top_p=0.5,
        presence_penalty=0.1,
        frequency_penalty=0.1,
    )
    assert answer.choices[0].message.content


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 2.1},
        {"temperature": -0.1},
        {"temperature": "hot"},
        {"n": 2},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"max_tokens": 0},
        {"messages": None},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"model": None},
        {"reasoning_effort": "extreme"},
        {"response_format": {"type": "yaml"}},
        {"tool_choice": "required"},
        {"tools": [{"name": "flat"}]},
        {"tools": 1},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": {}}}}},
        {"messages": [{"role": ["user"], "content": "x"}]},
        {"messages": [{"role": "assistant", "tool_calls": 1}]},
        {"messages": [{"role": "tool", "tool_call_id": [1], "content": "x"}]},
        {"stream": True, "stream_options": "usage"},
    ],
)
def test_what_the_service_does_not_take_is_a_404_that_says_request_failed(http, change):
    body = {"model": "llama3-chat-8b", "messages": USER} | change
    answer = http.post("/v1/chat/completions", json={key: value for key, value in body.items() if value is not None})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "request_failed"


@pytest.mark.parametrize("temperature", [0, 1, 2, 0.7])
def test_temperatures_from_0_to_2_are_taken(client, temperature):
    assert ask(client, temperature=temperature).choices


@pytest.mark.parametrize("raw", [b"{", b"", b"[]", b"\xff"])
def test_a_malformed_body_is_a_400_of_the_framework(http, raw):
    answer = http.post("/v1/chat/completions", content=raw)
    assert answer.status_code == 400
    assert answer.json()["description"] == "Bad Request"


def test_more_than_the_window_is_refused_in_vllms_words(client):
    with pytest.raises(openai.BadRequestError, match="maximum context length is 131072 tokens") as refused:
        ask(client, max_tokens=131_072)
    assert refused.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="Please reduce the length of the messages"):
        ask(client, "word " * 70_000, model="apertus-chat-70b")


def test_requests_are_kept_as_they_arrived(emu, client):
    ask(client, "Hello", seed=7)
    seen = emu.requests[-1]
    assert (seen.method, seen.path, seen.query) == ("POST", "/v1/chat/completions", {})
    assert seen.headers["authorization"] == "Bearer aki-test"
    assert seen.body["seed"] == 7
    assert b'"seed":7' in seen.raw
    assert emu.count("/chat/completions") == 1
    emu.reset()
    assert emu.requests == []
