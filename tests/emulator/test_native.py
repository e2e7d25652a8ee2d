"""AKI.IO's native interface: blocking calls, parameters, and what there is to call. Jobs: test_native_jobs."""

import base64
import json
import re

import httpx
import pytest

from aki_transport.emulator.interfaces.native import ENDPOINTS
from aki_transport.emulator.models import MODELS
from tests.pictures import a_png

COUNTED = "1, 2, 3, 4, 5, 6, 7, 8, 9."


@pytest.fixture(scope="module")
def api(running):
    """No header carries a key."""
    with httpx.Client(base_url=running.native_url, timeout=10) as made:
        yield made


def ask(api, endpoint="llama3_8b_chat", **params):
    return api.post(f"/call/{endpoint}", json={"key": "aki-test", **params})


def said(api, text="Count to 9", **params):
    answer = ask(api, prompt_input=text, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def context(*turns):
    return json.dumps([{"role": role, "content": content} for role, content in turns])


def refused(answer):
    """What is wrong with a request, sentence by sentence."""
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert isinstance(answer.json()["error"], list)
    return answer.json()["error"]


def test_three_ways_to_ask_are_the_same_question_and_a_prompt_follows_the_context(api):
    assert ask(api, text_context="Count to 9").json()["text"] == COUNTED
    assert ask(api, chat_context=context(("user", "Count to 9"))).json()["text"] == COUNTED
    history = context(("system", "Be brief."), ("user", "What is 6 * 7?"), ("assistant", "6 * 7 = 42."))
    body = ask(api, chat_context=history, prompt_input="Count to 3").json()
    assert body["text"] == "1, 2, 3."
    assert body["prompt_length"] > said(api, "Count to 3")["prompt_length"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "chat_context, text_context and prompt_input"),
        ({"chat_context": [{"role": "user", "content": "Hi"}]}, "documented form"),
        ({"chat_context": "[{"}, "documented form"),
        ({"chat_context": context(("tool", "42"))}, "system, user or assistant"),
        ({"chat_context": context(("user", None))}, "documented form"),
        ({"prompt_input": "Hi", "max_gen_tokens": 32_769}, "32768"),
        ({"prompt_input": "Hi", "temperature": "hot"}, "documented form"),
        ({"chat_context": context(("user", [{"image": "data:image/png;base64,aGk="}]))}, "no image input"),
    ],
)
def test_what_it_does_not_take_is_refused(api, params, words):
    (error,) = refused(ask(api, **params))
    assert words in error


def test_all_that_is_wrong_is_said_at_once_and_the_ends_of_a_range_belong_to_it(api):
    errors = refused(ask(api, prompt_input="Hi", stop="x", seed=1, temperature=1.5, top_p=-0.1, max_gen_tokens=0))
    assert [error.split(" = ")[0] for error in errors] == [
        "Invalid parameter: stop",
        "Invalid parameter: seed",
        "Parameter top_p",
        "Parameter temperature",
        "Parameter max_gen_tokens",
    ]
    for params in ({"temperature": 0}, {"temperature": 1}, {"top_p": 1.0, "top_k": 1000}):
        assert said(api, **params)["success"] is True


def test_a_limit_cuts_the_text_and_what_does_not_fit_is_refused(api):
    body = said(api, max_gen_tokens=4)
    assert (body["text"], body["num_generated_tokens"]) == ("1, 2,", 4)
    text = "word " * 60_000
    assert said(api, text, endpoint="apertus_chat")["success"] is True
    (error,) = refused(ask(api, "apertus_chat", prompt_input=text, max_gen_tokens=8000))
    assert "maximum context length is 65536 tokens" in error


def test_a_reasoning_models_thoughts_stand_in_the_text_and_one_that_is_cut_is_not_closed(api):
    text = said(api, endpoint="qwen3.6_35b_chat")["text"]
    assert re.fullmatch(rf"<think>The user writes: .+</think>\n\n{COUNTED}", text)
    body = said(api, endpoint="qwen3.6_35b_chat", max_gen_tokens=3)
    assert (body["text"], body["num_generated_tokens"]) == ("<think>The user writes", 3)


def test_an_image_is_a_part_with_a_data_url(api):
    url = "data:image/png;base64," + base64.b64encode(a_png(12, 34)).decode()
    parts = [{"type": "text", "text": "What is this?"}, {"image": url}]
    body = ask(api, "qwen3.6_35b_chat", chat_context=context(("user", parts))).json()
    assert "12 × 34" in body["text"]  # noqa: RUF001  # how sizes are written


def test_a_bad_key_is_refused_in_calls_and_polls(api):
    for key in ("wrong", "", None, 7):
        for path in ("/call/llama3_8b_chat", "/progress/llama3_8b_chat"):
            headers = {"authorization": "Bearer aki-test"}
            answer = api.post(path, json={"key": key, "prompt_input": "Hi"}, headers=headers)
            assert (answer.status_code, answer.json()["success"]) == (401, False)


def test_what_never_reaches_an_endpoint_is_refused_by_the_framework(api):
    for content in (b"", b"[]", b"{"):
        answer = api.post("/call/llama3_8b_chat", content=content)
        assert answer.status_code == 400
        assert answer.json().keys() == {"description", "status", "message"}
    answer = ask(api, "gpt5_chat", prompt_input="Hi")
    assert (answer.status_code, answer.json()["message"]) == (404, "Requested URL /api/call/gpt5_chat not found")
    assert api.get("/endpoints/gpt5_chat").status_code == 404
    assert api.get("/call/llama3_8b_chat", params={"key": "aki-test"}).status_code == 405


def test_the_endpoints_are_listed_for_everybody_but_bad_keys(api):
    names = api.get("/endpoints").json()["endpoints"]
    assert {"llama3_8b_chat", "apertus_chat", "gpt_oss_chat", "z_image_turbo", "qwen_image_edit"} <= set(names)
    assert api.get("/endpoints", params={"key": "aki-test"}).json() == {"success": True, "endpoints": names}
    bad = api.get("/endpoints", params={"key": "wrong"})
    assert (bad.status_code, bad.json()["success"], "endpoints" in bad.json()) == (200, False, False)
    details = api.get("/endpoints/llama3_8b_chat", params={"key": "aki-test"}).json()
    given = details["parameter_description"]["input"]
    assert given["temperature"] == {"type": "float", "minimum": 0, "maximum": 1, "default": 0.8}
    assert given["max_gen_tokens"]["maximum"] == 32_768
    assert (details["name"], details["category"]) == ("llama3_8b_chat", "chat")


def test_each_model_has_an_endpoint_of_the_parts_of_its_id():
    for model in MODELS:
        name = model.endpoint
        assert name in ENDPOINTS
        ids = {frozenset(re.split("[-_]", each)) for each in (model.id, model.older_id) if each}
        assert name in {"apertus_chat", "gpt_oss_chat"} or frozenset(re.split("[-_]", name)) in ids, name
