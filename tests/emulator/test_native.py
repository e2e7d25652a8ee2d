"""AKI.IO's native interface: blocking calls, parameters, what there is to call, and jobs.

The faults of jobs stand in tests/behaviour, what AKI.IO's own client makes of it all, in test_sdk_aki_io. What is
assumed of the services is asked of the emulator in test_live_check.
"""

import base64
import json
import re
import time
from itertools import pairwise
from types import SimpleNamespace

import httpx
import pytest

from aki_transport.emulator import Emulator
from aki_transport.emulator.faults import Faults
from aki_transport.emulator.interfaces.jobs import Jobs, Work
from aki_transport.emulator.interfaces.native import ENDPOINTS
from aki_transport.emulator.models import MODELS
from tests.pictures import a_png
from tests.tools.recording.places import steady_emulator

COUNTED = "1, 2, 3, 4, 5, 6, 7, 8, 9."


@pytest.fixture(scope="module")
def swift():
    """150 seconds of its jobs pass in one."""
    with Emulator(job_speed=150) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def api(swift):
    """No header carries a key."""
    with httpx.Client(base_url=swift.native_url, timeout=10) as made:
        yield made


def post(api, endpoint="llama3_8b_chat", path="call", **params):
    return api.post(f"/{path}/{endpoint}", json={"key": "aki-test", **params})


def ask(api, text="Count to 9", endpoint="llama3_8b_chat", **params):
    answer = post(api, endpoint, prompt_input=text, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def context(*turns):
    return json.dumps([{"role": role, "content": content} for role, content in turns])


def refused(answer):
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    return [*answer.json()["error"]]


def test_three_ways_to_ask_are_the_same_question_and_a_prompt_follows_the_context(api):
    for params in ({"text_context": "Count to 9"}, {"chat_context": context(("user", "Count to 9"))}):
        assert post(api, **params).json()["text"] == COUNTED
    history = context(("system", "Be brief."), ("user", "What is 6 * 7?"), ("assistant", "6 * 7 = 42."))
    body = ask(api, "Count to 3", chat_context=history)
    assert body["text"] == "1, 2, 3."
    assert body["prompt_length"] > ask(api, "Count to 3")["prompt_length"]


@pytest.mark.parametrize(
    ("params", "message"),
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
def test_what_it_does_not_take_is_refused(api, params, message):
    (error,) = refused(post(api, **params))
    assert message in error


def test_all_that_is_wrong_is_said_at_once_and_the_ends_of_a_range_belong_to_it(api):
    errors = refused(post(api, prompt_input="Hi", stop="x", seed=1, temperature=1.5, top_p=-0.1, max_gen_tokens=0))
    unknown, out_of_range = ("stop", "seed"), ("top_p", "temperature", "max_gen_tokens")
    expected = [*(f"Invalid parameter: {name}" for name in unknown), *(f"Parameter {name}" for name in out_of_range)]
    assert [error.split(" = ")[0] for error in errors] == expected
    for params in ({"temperature": 0}, {"temperature": 1}, {"top_p": 1.0, "top_k": 1000}):
        assert ask(api, **params)["success"] is True


def test_a_reasoning_models_thoughts_stand_in_the_text_and_one_that_is_cut_is_not_closed(api):
    text = ask(api, endpoint="qwen3.6_35b_chat")["text"]
    assert re.fullmatch(rf"<think>The user writes: .+</think>\n\n{COUNTED}", text)
    body = ask(api, endpoint="qwen3.6_35b_chat", max_gen_tokens=3)
    assert (body["text"], body["num_generated_tokens"]) == ("<think>The user writes", 3)


def test_an_image_is_a_part_with_a_data_url_and_one_behind_an_address_never_comes_back(api):
    url = "data:image/png;base64," + base64.b64encode(a_png(12, 34)).decode()
    parts = [{"type": "text", "text": "What is this?"}, {"image": url}]
    body = post(api, "qwen3.6_35b_chat", chat_context=context(("user", parts))).json()
    assert "12 × 34" in body["text"]  # noqa: RUF001  # how sizes are written
    linked = context(("user", [{"image": "https://example.org/x.png"}]))
    job = start(api, endpoint="qwen3.6_35b_chat", prompt_input=None, chat_context=linked)
    for _ in range(2):
        body = post(api, "qwen3.6_35b_chat", "progress", job_id=job).json()
        assert body["job_state"] == "processing"
        assert "progress_data" not in body["progress"]
        time.sleep(0.01)


def test_what_never_reaches_an_endpoint_is_refused_by_the_framework(api):
    for content in (b"", b"[]", b"{"):
        answer = api.post("/call/llama3_8b_chat", content=content)
        assert answer.status_code == 400
        assert answer.json().keys() == {"description", "status", "message"}
    answer = post(api, "gpt5_chat", prompt_input="Hi")
    assert (answer.status_code, answer.json()["message"]) == (404, "Requested URL /api/call/gpt5_chat not found")
    assert api.get("/endpoints/gpt5_chat").status_code == 404
    assert api.get("/call/llama3_8b_chat", params={"key": "aki-test"}).status_code == 405


def test_the_endpoints_are_listed_for_everybody_but_bad_keys(api):
    names = api.get("/endpoints").json()["endpoints"]
    assert api.get("/endpoints", params={"key": "aki-test"}).json() == {"success": True, "endpoints": names}
    bad = api.get("/endpoints", params={"key": "wrong"})
    assert (bad.status_code, bad.json()["success"], "endpoints" in bad.json()) == (200, False, False)
    details = api.get("/endpoints/llama3_8b_chat", params={"key": "aki-test"}).json()
    parameters = details["parameter_description"]["input"]
    assert parameters["temperature"] == {"type": "float", "minimum": 0, "maximum": 1, "default": 0.8}
    assert parameters["max_gen_tokens"]["maximum"] == 32_768
    assert (details["name"], details["category"]) == ("llama3_8b_chat", "chat")


def test_each_model_has_an_endpoint_of_the_parts_of_its_id():
    for model in MODELS:
        name = model.endpoint
        assert name in ENDPOINTS
        ids = {frozenset(re.split("[-_]", each)) for each in (model.id, model.older_id) if each}
        assert name in {"apertus_chat", "gpt_oss_chat"} or frozenset(re.split("[-_]", name)) in ids, name


def start(api, fault="", endpoint="llama3_8b_chat", **params):
    body = {"prompt_input": "Count to 100", "wait_for_result": False, **params}
    return post(api, f"{endpoint}!{fault}", **body).json()["job_id"]


def look(api, job):
    return post(api, path="progress", job_id=job)


def test_an_unknown_job_is_a_402(api):
    for params, message in (({}, "No job_id given"), ({"job_id": "nobody#1"}, "nobody#1")):
        answer = post(api, path="progress", **params)
        assert answer.status_code == 402
        assert message in answer.json()["error"][0]


def test_a_blocking_call_dies_after_a_minute_and_the_job_goes_on(swift, api):
    began = time.perf_counter()
    answer = post(api, "llama3_8b_chat!job-seconds=75", prompt_input="Hi")
    assert time.perf_counter() - began > 0.3
    assert (answer.status_code, answer.json()["message"]) == (503, "Response Timeout")
    assert swift.jobs[-1].state == "processing"
    assert post(api, "llama3_8b_chat!job-seconds=50", prompt_input="Hi").status_code == 200


def test_text_can_get_shorter():
    with steady_emulator() as emulator, httpx.Client(base_url=emulator.native_url) as api:
        job, polls = start(api, "shrink;job-seconds=20"), []
        while not polls or polls[-1]["job_state"] != "done":
            polls.append(look(api, job).json())
    parts = [poll["progress"]["progress_data"]["text"] for poll in polls if "progress_data" in poll.get("progress", {})]
    assert sum(len(later) < len(earlier) for earlier, later in pairwise([*parts, polls[-1]["job_result"]["text"]])) == 1


def test_progress_follows_the_clock_and_a_job_belongs_to_its_endpoint():
    clock = SimpleNamespace(now=0.0)
    jobs = Jobs(2, lambda: clock.now)
    job = jobs.add("draw", Work(10.0, lambda part: (int(100 * part), {"part": part}), {"text": "all"}), Faults())
    seen = []
    for clock.now in (0, 1.25, 4, 5):
        state, result = jobs.poll(job)
        seen.append((state, job.estimate(), job.part(job.asked), result))
    running = [("processing", 10, 0, None), ("processing", 7.5, 0.25, None), ("processing", 2, 0.8, None)]
    assert seen == [*running, ("done", -1, 1, {"text": "all"})]
    assert (jobs.find(job.id, "draw"), jobs.find(job.id, "edit")) == (job, None)
    with pytest.raises(ValueError, match="job_speed"):
        Emulator(job_speed=0)
