import re
from decimal import Decimal

import httpx
import pytest

from aki_transport.emulator import Emulator

MESSAGES = [{"role": "user", "content": "Count to 9"}]
BODY = {"model": "gpt-4o-mini", "messages": MESSAGES}
DOLLARS = re.compile(r"\d+\.\d{6}")


@pytest.fixture
def aacflow(emu):
    with httpx.Client(
        base_url=emu.aacflow_url, headers={"authorization": f"Bearer {emu.aacflow_key}"}, timeout=10
    ) as made:
        yield made


def ask(client, *, fault="", **changes):
    return client.post("/chat/completions", json=BODY | changes, headers={"x-emulator-fault": fault})


def remaining(answer):
    return Decimal(answer.headers["x-credits-remaining"])


def test_the_listing_names_its_models(aacflow):
    listed = aacflow.get("/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["gpt-4o-mini", "claude-sonnet-4-6"]


@pytest.mark.parametrize("headers", [{"authorization": "Bearer aacf_test"}, {"x-api-key": "aacf_test"}])
@pytest.mark.parametrize("path", ["/models", "/chat/completions"])
def test_the_key_is_taken_in_either_header(emu, headers, path):
    method = "GET" if path == "/models" else "POST"
    answer = httpx.request(method, f"{emu.aacflow_url}{path}", headers=headers, json=BODY)
    assert answer.status_code == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer aki-test"}, {"x-api-key": "other"}])
def test_any_other_key_is_a_401(emu, headers):
    answer = httpx.post(f"{emu.aacflow_url}/chat/completions", headers=headers, json=BODY)
    assert answer.status_code == 401
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")


@pytest.mark.parametrize("stream", [False, True])
def test_each_answer_says_what_it_cost_and_what_is_left(aacflow, stream):
    first, second = ask(aacflow, stream=stream), ask(aacflow, stream=stream)
    assert DOLLARS.fullmatch(first.headers["x-credits-used"])
    assert DOLLARS.fullmatch(first.headers["x-credits-remaining"])
    assert remaining(first) - remaining(second) == Decimal(second.headers["x-credits-used"]) > 0
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_a_stream_costs_what_the_whole_answer_costs(aacflow):
    assert ask(aacflow).headers["x-credits-used"] == ask(aacflow, stream=True).headers["x-credits-used"]


def test_the_cost_is_that_of_the_tokens(aacflow):
    answer = ask(aacflow, model="claude-sonnet-4-6")
    usage = answer.json()["usage"]
    cost = (3 * usage["prompt_tokens"] + 15 * usage["completion_tokens"]) / Decimal(1_000_000)
    assert Decimal(answer.headers["x-credits-used"]) == cost


def test_a_refused_request_costs_nothing(aacflow):
    before = ask(aacflow)
    assert ask(aacflow, temperature=3).status_code == 400
    after = ask(aacflow)
    assert remaining(before) - remaining(after) == Decimal(after.headers["x-credits-used"])


def test_credits_run_out_and_a_reset_brings_them_back():
    with (
        Emulator(credits=0.0011) as emu,
        httpx.Client(base_url=emu.aacflow_url, headers={"x-api-key": emu.aacflow_key}) as client,
    ):
        answers = [ask(client) for _ in range(20)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == sorted(statuses)
        assert set(statuses) == {200, 402}
        error = answers[-1].json()["error"]
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_credits")
        emu.reset()
        assert ask(client).status_code == 200


@pytest.mark.parametrize("credits_", [0, 0.000999])
def test_less_than_the_deposit_is_not_enough(credits_):
    with Emulator(credits=credits_) as emu:
        headers = {"x-api-key": emu.aacflow_key}
        assert httpx.post(f"{emu.aacflow_url}/chat/completions", json=BODY, headers=headers).status_code == 402
        assert httpx.get(f"{emu.aacflow_url}/models", headers=headers).status_code == 200


def test_an_unknown_model_is_a_404(aacflow):
    answer = ask(aacflow, model="minimax-m2.5-230b")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "model_not_found")


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": []},
        {"messages": None},
        {"model": None},
        {"temperature": 2.5},
        {"stop": 7},
        {"response_format": {"type": "yaml"}},
    ],
)
def test_what_it_does_not_take_is_a_400(aacflow, changes):
    answer = ask(aacflow, **changes)
    assert answer.status_code == 400
    assert answer.json()["error"].keys() == {"message", "type", "code"}
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]"])
def test_a_malformed_body_is_a_400(aacflow, raw):
    answer = aacflow.post("/chat/completions", content=raw)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(("path", "status"), [("/embeddings", 404), ("/chat/completions", 405)])
def test_a_route_that_is_none_is_refused_in_its_form(aacflow, path, status):
    answer = aacflow.get(path)
    assert answer.status_code == status
    assert answer.json()["error"].keys() == {"message", "type", "code"}


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("credits", 402, "insufficient_quota"),
        ("status=429", 429, "rate_limit_error"),
        ("status=500", 500, "server_error"),
        ("status=503", 503, "server_error"),
        ("droop=1", 400, "invalid_request_error"),
    ],
)
def test_faults_have_its_error_form(aacflow, fault, status, kind):
    answer = ask(aacflow, fault=fault)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind


def test_it_sees_images(aacflow):
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    answer = ask(aacflow, messages=[{"role": "user", "content": parts}])
    assert "example.com" in answer.json()["choices"][0]["message"]["content"]


def test_it_shows_no_reasoning(aacflow):
    assert ask(aacflow).json()["choices"][0]["message"].keys() == {"role", "content"}
