import base64
import json
import re
import time

import httpx
import pytest

from aki_transport.emulator.interfaces.native import ENDPOINTS
from aki_transport.emulator.models import MODELS
from tests.pictures import a_png
from tests.transport.asking import patient

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def api(running):
    """No header carries a key."""
    with httpx.Client(base_url=running.native_url, timeout=10) as made:
        yield made


def ask(api, endpoint="llama3_8b_chat", *, fault="", **params):
    body = {"key": "aki-test", **params}
    return api.post(f"/call/{endpoint}", json=body, headers={"x-emulator-fault": fault} if fault else {})


def said(api, text="Count to 9", **params):
    answer = ask(api, prompt_input=text, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def context(*turns):
    return json.dumps([{"role": role, "content": content} for role, content in turns])


def png(width, height):
    return "data:image/png;base64," + base64.b64encode(a_png(width, height)).decode()


def refused(answer):
    """What is wrong with a request, sentence by sentence."""
    assert answer.status_code == 400
    body = answer.json()
    assert body["success"] is False
    assert isinstance(body["error"], list)
    return body["error"]


def test_a_blocking_call_brings_the_text_and_its_cost(api):
    body = said(api)
    assert body["success"] is True
    assert body["text"] == "1, 2, 3, 4, 5, 6, 7, 8, 9."
    assert body["model_name"] == "Llama-3.1-8B-Instruct"
    assert body["max_seq_len"] == 131_072
    assert body["prompt_length"] > 0
    assert body["num_generated_tokens"] == 18
    assert body["current_context_length"] == body["prompt_length"] + body["num_generated_tokens"]
    assert body["total_duration"] >= body["compute_duration"] > 0
    assert re.fullmatch(UUID + r"#\d+", body["job_id"])
    assert "finish_reason" not in body


def test_a_job_is_done_within_a_moment(api):
    began = time.perf_counter()
    with patient(2):
        said(api, "Count to 100")
    assert time.perf_counter() - began >= 0.05


def test_three_ways_to_ask_are_the_same_question(api):
    texts = {
        said(api, "Count to 9")["text"],
        ask(api, text_context="Count to 9").json()["text"],
        ask(api, chat_context=context(("user", "Count to 9"))).json()["text"],
    }
    assert len(texts) == 1


def test_a_prompt_follows_the_context(api):
    history = context(("system", "Be brief."), ("user", "What is 6 * 7?"), ("assistant", "6 * 7 = 42."))
    body = ask(api, chat_context=history, prompt_input="Count to 3").json()
    assert body["text"] == "1, 2, 3."
    assert body["prompt_length"] > said(api, "Count to 3")["prompt_length"]


def test_nothing_to_answer_is_refused(api):
    (error,) = refused(ask(api))
    assert "chat_context, text_context and prompt_input" in error


def test_a_context_as_a_list_is_refused(api):
    (error,) = refused(ask(api, chat_context=[{"role": "user", "content": "Hi"}]))
    assert "Invalid argument type chat_context" in error


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[{", "invalid json format"),
        ('{"role": "user"}', "a list of messages"),
        (context(("tool", "42")), "system, user or assistant"),
        (context(("user", None)), "a string or a list of parts"),
        ('[{"role": "user"}]', "and content"),
        (context(("user", [{"type": "image_url", "image_url": {"url": "x"}}])), '{"image": "data:…"}'),
    ],
)
def test_a_broken_context_is_refused(api, written, words):
    (error,) = refused(ask(api, chat_context=written))
    assert words in error


@pytest.mark.parametrize(
    ("name", "value"),
    [("stop", ["x"]), ("seed", 1), ("tools", []), ("response_format", {}), ("stream", True), ("model", "x")],
)
def test_a_parameter_the_endpoint_does_not_have_is_refused(api, name, value):
    assert refused(ask(api, prompt_input="Hi", **{name: value})) == [f"Invalid parameter: {name}"]


def test_all_that_is_wrong_is_said_at_once(api):
    errors = refused(ask(api, stop="x", seed=1, temperature=1.5, top_p=-0.1, top_k="many", max_gen_tokens=0))
    assert [error.split(" = ")[0].split("=")[0] for error in errors] == [
        "Invalid parameter: stop",
        "Invalid parameter: seed",
        "Invalid argument type top_k",
        "Parameter top_p",
        "Parameter temperature",
        "Parameter max_gen_tokens",
    ]


@pytest.mark.parametrize("params", [{"temperature": 0}, {"temperature": 1}, {"top_p": 1.0, "top_k": 1000}])
def test_the_ends_of_a_range_belong_to_it(api, params):
    assert said(api, **params)["success"] is True


def test_a_parameter_that_is_null_is_not_given(api):
    assert said(api, temperature=None, max_gen_tokens=None, client_session_auth_key=None)["num_generated_tokens"] == 18


def test_a_limit_cuts_the_text_at_as_many_tokens(api):
    body = said(api, max_gen_tokens=4)
    assert body["text"] == "1, 2,"
    assert body["num_generated_tokens"] == 4


def test_a_limit_above_the_models_own_is_refused(api):
    (error,) = refused(ask(api, "apertus_chat", prompt_input="Hi", max_gen_tokens=8193))
    assert "8192" in error


def test_a_context_that_does_not_fit_is_refused_in_plain_words(api):
    text = "word " * 60_000
    assert said(api, text, endpoint="apertus_chat")["success"] is True
    (error,) = refused(ask(api, "apertus_chat", prompt_input=text, max_gen_tokens=8000))
    assert "maximum context length of 65536 tokens" in error


def test_a_reasoning_models_thoughts_stand_in_the_text(api):
    text = said(api, endpoint="qwen3.6_35b_chat")["text"]
    assert re.fullmatch(r"<think>The user writes: .+</think>\n\n1, 2, 3, 4, 5, 6, 7, 8, 9\.", text)
    assert said(api, endpoint="qwen3.6_35b_chat", chat_output_format="raw")["text"] == text


def test_thoughts_and_text_can_be_had_apart(api):
    body = said(api, endpoint="qwen3.6_35b_chat", chat_output_format="json")
    assert body["text"]["content"] == "1, 2, 3, 4, 5, 6, 7, 8, 9."
    assert body["text"]["thinking"].startswith("The user writes")
    assert said(api, chat_output_format="json")["text"] == {"thinking": "", "content": "1, 2, 3, 4, 5, 6, 7, 8, 9."}


def test_a_thought_that_the_limit_cuts_is_not_closed(api):
    body = said(api, endpoint="qwen3.6_35b_chat", max_gen_tokens=3)
    assert body["text"] == "<think>The user writes"
    assert body["num_generated_tokens"] == 3


def test_an_unknown_output_format_is_refused(api):
    (error,) = refused(ask(api, prompt_input="Hi", chat_output_format="markdown"))
    assert "['chatml', 'raw', 'json']" in error


def test_an_image_is_a_part_with_a_data_url(api):
    parts = [{"type": "text", "text": "What is this?"}, {"image": png(12, 34)}]
    body = ask(api, "qwen3.6_35b_chat", chat_context=context(("user", parts))).json()
    assert "12 × 34" in body["text"]  # noqa: RUF001  # how sizes are written


def test_a_model_that_does_not_see_refuses_images(api):
    (error,) = refused(ask(api, chat_context=context(("user", [{"image": png(1, 1)}]))))
    assert "no image input" in error


@pytest.mark.parametrize("key", ["wrong", "", None, 7])
def test_a_bad_key_is_refused_in_calls_and_polls(api, key):
    for path in ("/call/llama3_8b_chat", "/progress/llama3_8b_chat"):
        answer = api.post(path, json={"key": key, "prompt_input": "Hi"}, headers={"authorization": "Bearer aki-test"})
        assert answer.status_code == 401
        assert answer.json()["success"] is False


def test_a_body_that_is_no_json_object_is_the_frameworks_400(api):
    for content in (b"", b"[]", b"{"):
        answer = api.post("/call/llama3_8b_chat", content=content)
        assert answer.status_code == 400
        assert answer.json().keys() == {"description", "status", "message"}


def test_an_endpoint_that_is_not_there_is_the_frameworks_404(api):
    answer = ask(api, "gpt5_chat", prompt_input="Hi")
    assert answer.status_code == 404
    assert answer.json()["message"] == "Requested URL /api/call/gpt5_chat not found"
    assert api.get("/endpoints/gpt5_chat").status_code == 404
    assert api.get("/call/llama3_8b_chat", params={"key": "aki-test"}).status_code == 405


def test_the_endpoints_are_listed_for_everybody_but_bad_keys(api):
    names = api.get("/endpoints").json()["endpoints"]
    assert {"llama3_8b_chat", "apertus_chat", "gpt_oss_chat", "z_image_turbo", "qwen_image_edit"} <= set(names)
    assert api.get("/endpoints", params={"key": "aki-test"}).json() == {"success": True, "endpoints": names}
    bad = api.get("/endpoints", params={"key": "wrong"})
    assert (bad.status_code, bad.json()["success"], "endpoints" in bad.json()) == (200, False, False)


def test_details_have_the_range_of_each_parameter(api):
    details = api.get("/endpoints/llama3_8b_chat", params={"key": "aki-test"}).json()
    given = details["parameter_description"]["input"]
    assert given["temperature"] == {"type": "float", "minimum": 0, "maximum": 1, "default": 0.8}
    assert given["max_gen_tokens"]["maximum"] == 32_768
    assert details["name"] == "llama3_8b_chat"
    assert details["num_workers"] == len(details["workers"])
    image = api.get("/endpoints/z_image_turbo").json()
    assert image["category"] == "image"
    assert image["parameter_description"]["input"]["width"]["maximum"] == 2048
    assert api.get("/endpoints/llama3_8b_chat", params={"key": "wrong"}).json()["success"] is False


def test_a_key_is_validated_with_status_200(api):
    def validate(key):
        answer = api.get("/validate_key", params={"key": key, "version": "test"})
        assert answer.status_code == 200
        return answer.json()

    assert validate("aki-test") == {"success": True, "valid": True, "error": None}
    assert validate("wrong")["success"] is False
    assert validate("wrong")["error"]


def test_each_model_has_an_endpoint_of_the_parts_of_its_id():
    known = {"apertus_chat", "gpt_oss_chat"}
    for model in MODELS:
        name = model.endpoint
        assert name in ENDPOINTS
        ids = {frozenset(re.split("[-_]", each)) for each in (model.id, model.older_id) if each}
        assert name in known or frozenset(re.split("[-_]", name)) in ids, name


@pytest.mark.parametrize(("fault", "status"), [("status=401", 401), ("status=402", 402), ("credits", 402)])
def test_a_status_on_demand_has_the_words_of_the_interface(api, fault, status):
    answer = ask(api, prompt_input="Hi", fault=fault)
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], list)


def test_a_broken_server_answers_in_the_frameworks_words(api):
    assert ask(api, prompt_input="Hi", fault="status=503").json()["status"] == 503
    assert ask(api, prompt_input="Hi", fault="html=502").headers["content-type"].startswith("text/html")


def test_faults_of_any_answer_strike_here_too(api):
    late = ask(api, prompt_input="Hi", fault="first-byte=0.05;retry-after=7")
    assert late.headers["retry-after"] == "7"
    with pytest.raises(httpx.TransportError):
        ask(api, prompt_input="Hi", fault="reset")
    with pytest.raises(httpx.RemoteProtocolError):
        ask(api, prompt_input="Hi", fault="drop=0")
    with pytest.raises(httpx.ReadTimeout):
        api.post("/call/llama3_8b_chat", json={"key": "aki-test"}, headers={"x-emulator-fault": "hang"}, timeout=0.05)
    once = [ask(api, prompt_input="Hi", fault="status=500;times=1;tag=native").status_code for _ in range(2)]
    assert once == [500, 200]


def test_a_fault_can_stand_in_the_endpoints_name(emu, api):
    assert ask(api, "llama3_8b_chat!status=503", prompt_input="Hi").status_code == 503
    assert emu.count("/api/call/llama3_8b_chat!status=503") == 1
    assert emu.jobs == []
    assert ask(api, "llama3_8b_chat!typo", prompt_input="Hi").status_code == 400


def test_a_model_can_have_nothing_to_say(api):
    body = said(api, fault="empty")
    assert (body["text"], body["num_generated_tokens"]) == ("", 0)
