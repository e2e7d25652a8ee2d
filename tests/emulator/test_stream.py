import json

import pytest

from aki_transport.emulator import prompt as tokens


def chunks(client, text="Count to 9", model="llama3-chat-8b", **options):
    messages = [{"role": "user", "content": text}]
    return list(client.chat.completions.create(model=model, messages=messages, stream=True, **options))


def test_the_deltas_add_up_to_the_whole_answer(client):
    messages = [{"role": "user", "content": "Tell me a joke about cats."}]
    whole = client.chat.completions.create(model="qwen3.6-35b", messages=messages).choices[0].message
    deltas = [chunk.choices[0].delta for chunk in chunks(client, messages[0]["content"], "qwen3.6-35b")]
    assert "".join(delta.content or "" for delta in deltas) == whole.content
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == whole.reasoning_content


def test_reasoning_comes_before_the_text(client):
    deltas = [chunk.choices[0].delta for chunk in chunks(client, model="qwen3.6-35b")]
    kinds = ["reasoning" if hasattr(delta, "reasoning_content") else "text" for delta in deltas[1:]]
    assert kinds == sorted(kinds)
    assert len(set(kinds)) == 2


def test_the_role_comes_once_and_the_finish_reason_last(client):
    choices = [chunk.choices[0] for chunk in chunks(client)]
    assert [choice.delta.role for choice in choices] == ["assistant"] + [None] * (len(choices) - 1)
    assert [choice.finish_reason for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert len(choices) > 4


def test_usage_comes_in_a_last_chunk_without_choices_if_asked_for(client):
    *others, last = chunks(client, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    assert all(other.usage is None for other in [*others, *chunks(client)])


def test_the_fallback_shows_in_every_chunk(client):
    assert {chunk.model for chunk in chunks(client, model="gpt-4o")} == {"minimax-m2.5-230b"}


def test_stop_words_and_limits_hold_in_streams(client):
    stopped = chunks(client, stop=["4"])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stopped) == "1, 2, 3, "
    cut = chunks(client, max_tokens=4)
    assert cut[-1].choices[0].finish_reason == "length"


def test_events_are_data_lines_that_end_with_done(http):
    body = {"model": "llama3-chat-8b", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(event.removeprefix("data: "))["object"] == "chat.completion.chunk" for event in events[:-2])


@pytest.mark.parametrize("text", ["", "a", "Grüße, 你好 😀!\n\n  indented_name  ", "x" * 100])
def test_the_tokens_of_a_text_are_the_text(text):
    assert "".join(tokens.deltas(text)) == text
    assert tokens.cut(text, tokens.count(text)) == text
