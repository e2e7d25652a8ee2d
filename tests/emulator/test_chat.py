"""AKI.IO's OpenAI-compatible interface: answers, streams, models, and what is refused."""

import base64

import pytest

from aki_transport.emulator import prompt as tokens
from tests.lazily import lazily
from tests.pictures import a_png

openai = lazily("openai")

USER = [{"role": "user", "content": "Hello"}]


def ask(client, text="Hello", model="llama3-chat-8b", **options):
    messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
    return client.chat.completions.create(model=model, messages=messages, **options)


def chunks(client, text="Count to 9", **options):
    return list(ask(client, text, stream=True, **options))


def png(width, height):
    return "data:image/png;base64," + base64.b64encode(a_png(width, height)).decode()


def test_an_unknown_model_is_answered_by_minimax_in_silence_and_an_older_id_under_the_main_one(client):
    for model in ("gpt-4o", "Qwen/Qwen3.6-35B"):
        assert ask(client, model=model).model == "minimax-m2.5-230b"
        assert {chunk.model for chunk in chunks(client, model=model)} == {"minimax-m2.5-230b"}
    assert ask(client, model="gemma4-chat-26b").model == "gemma4-26b"


def test_text_ends_before_the_stop_word_and_at_the_limit_toward_which_reasoning_counts(client):
    answer = ask(client, "Count to 9", stop=["7", "5"]).choices[0]
    assert (answer.message.content, answer.finish_reason) == ("1, 2, 3, 4, ", "stop")
    stopped = chunks(client, stop="3")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stopped) == "1, 2, "
    for name in ("max_tokens", "max_completion_tokens"):
        answer = ask(client, "Count to 9", **{name: 4})
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("1, 2,", "length")
        assert answer.usage.completion_tokens == 4
    assert chunks(client, max_tokens=4)[-1].choices[0].finish_reason == "length"
    answer = ask(client, model="qwen3.6-35b", max_tokens=3)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("", "length")
    assert answer.usage.completion_tokens_details.reasoning_tokens == 3


def test_effort_steers_how_long_a_reasoning_model_thinks(client):
    def thought(model="qwen3.6-35b", **options):
        return getattr(ask(client, model=model, **options).choices[0].message, "reasoning_content", "")

    lengths = [len(thought(reasoning_effort=effort)) for effort in ("none", "low", "medium", "high")]
    assert lengths[0] == 0
    assert lengths == sorted(set(lengths))
    assert len(thought()) == lengths[2]
    assert thought("llama3-chat-70b", reasoning_effort="high") == ""


def test_the_deltas_of_a_stream_are_the_answer_reasoning_first(client):
    whole = ask(client, "Count to 9", model="qwen3.6-35b").choices[0].message
    choices = [chunk.choices[0] for chunk in chunks(client, model="qwen3.6-35b")]
    assert "".join(choice.delta.content or "" for choice in choices) == whole.content
    assert "".join(getattr(choice.delta, "reasoning_content", "") for choice in choices) == whole.reasoning_content
    kinds = ["reasoning" if hasattr(choice.delta, "reasoning_content") else "text" for choice in choices[1:]]
    assert kinds == sorted(kinds)
    assert [choice.delta.role for choice in choices] == ["assistant"] + [None] * (len(choices) - 1)
    assert [choice.finish_reason for choice in choices] == [None] * (len(choices) - 1) + ["stop"]


@pytest.mark.parametrize("text", ["", "a", "Grüße, 你好 😀!\n\n  indented_name  ", "x" * 100])
def test_the_tokens_of_a_text_are_the_text(text):
    assert "".join(tokens.deltas(text)) == text
    assert tokens.cut(text, tokens.count(text)) == text


def test_a_model_that_sees_says_what_it_was_sent_and_others_refuse(client):
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": png(640, 480)}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    answer = ask(client, [{"role": "user", "content": parts}], model="qwen3.6-35b").choices[0].message.content
    assert "a PNG image of 640 × 480 pixels" in answer  # noqa: RUF001  # as the answer writes it
    assert "an image at example.com that was not opened" in answer
    with pytest.raises(openai.NotFoundError, match="no image input") as refused:
        ask(client, [{"role": "user", "content": parts}])
    assert refused.value.code == "request_failed"


def test_what_other_services_take_is_taken(client):
    """Sound and files, roles in a row, names, empty content, another service's thinking."""
    parts = [
        {"type": "text", "text": "What is 6 * 7?"},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
    ]
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hello", "name": "ada"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": parts},
    ]
    answer = ask(client, history, seed=1, presence_penalty=0.1, temperature=2)
    assert answer.choices[0].message.content == "6 * 7 = 42."


def test_what_the_service_does_not_take_is_a_404_that_says_request_failed(http):
    schema = {"type": "json_schema", "json_schema": {"schema": {"type": {}}}}
    for change in (
        {"temperature": 2.1},
        {"temperature": "hot"},
        {"n": 2},
        {"max_tokens": -1},
        {"messages": None},
        {"model": None},
        {"reasoning_effort": "extreme"},
        {"response_format": {"type": "yaml"}},
        {"response_format": schema},
        {"tool_choice": "required"},
        {"tools": [{"name": "flat"}]},
        {"messages": [{"role": "assistant", "tool_calls": 1}]},
        {"stream": True, "stream_options": "usage"},
    ):
        answer = http.post("/v1/chat/completions", json={"model": "llama3-chat-8b", "messages": USER} | change)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "request_failed"), change


def test_what_never_reaches_the_interface_is_refused_by_the_framework(http):
    for raw in (b"{", b"", b"[]", b"\xff"):
        answer = http.post("/v1/chat/completions", content=raw)
        assert (answer.status_code, answer.json()["description"]) == (400, "Bad Request")
    for method, path, status in (
        ("GET", "/v1/models/qwen3.6-35b", 404),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/nowhere", 404),
    ):
        answer = http.request(method, path)
        assert answer.status_code == answer.json()["status"] == status
        assert answer.json().keys() == {"description", "status", "message"}


def test_any_other_key_is_a_401(http):
    for header in ("Bearer other", "bearer aki-test", "aki-test", ""):
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions")):
            answer = http.request(method, path, headers={"authorization": header})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_the_listing_names_every_chat_model_and_few_windows(http):
    data = http.get("/v1/models").json()["data"]
    assert {"apertus-chat-70b", "minimax-m2.5-230b", "qwen3.6-35b"} <= {model["id"] for model in data}
    assert not any("image" in model["id"] for model in data)
    shown = {model["id"]: model["max_model_len"] for model in data if model["max_model_len"]}
    assert shown == {"apertus-chat-70b": 65_536, "ministral3-14b": 262_144, "kimi-k2.7-code-1100b": 262_144}
    assert sorted({type(model["created"]).__name__ for model in data}) == ["int", "str"]
