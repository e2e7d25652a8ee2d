"""AACFlow and AK AI CORE: keys, credits, and errors in their own forms."""

from decimal import Decimal

import httpx
import pytest

from aki_transport.emulator import Emulator

MESSAGES = [{"role": "user", "content": "Count to 9"}]
GATEWAYS = {
    "aacflow": ("aacflow_url", "aacflow_key", "claude-sonnet-4-6"),
    "ak_ai_core": ("ak_ai_core_url", "ak_ai_core_key", "anthropic/claude-3-5-sonnet"),
}
each_gateway = pytest.mark.parametrize("name", GATEWAYS)


def ask(emu, name, *, fault="", key=None, header="authorization", **changes):
    url, key_name, model = GATEWAYS[name]
    value = getattr(emu, key_name) if key is None else key
    headers = {"x-emulator-fault": fault, header: f"Bearer {value}" if header == "authorization" else value}
    body = {"model": model, "messages": MESSAGES} | changes
    return httpx.post(f"{getattr(emu, url)}/chat/completions", json=body, headers=headers)


def error(answer):
    """What an error says: its text, and at AACFlow its type and code."""
    told = answer.json()["error"]
    assert answer.json().keys() == {"error"}
    return (told,) if isinstance(told, str) else (told["message"], told["type"], told["code"])


@each_gateway
def test_the_listing_names_its_models_and_an_answer_shows_no_reasoning_and_sees_images(emu, name):
    url, key, model = GATEWAYS[name]
    listed = httpx.get(f"{getattr(emu, url)}/models", headers={"authorization": f"Bearer {getattr(emu, key)}"}).json()
    assert listed["object"] == "list"
    assert listed["data"][1].keys() == {"id", "object", "created", "owned_by"}
    assert listed["data"][1]["id"] == model
    assert ask(emu, name).json()["choices"][0]["message"].keys() == {"role", "content"}
    parts = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    answer = ask(emu, name, messages=[{"role": "user", "content": parts}])
    assert "example.com" in answer.json()["choices"][0]["message"]["content"]


def test_only_its_own_key_is_taken_at_aacflow_in_either_header(emu):
    for name in GATEWAYS:
        for key in ("other", "aki-test"):
            assert ask(emu, name, key=key).status_code == 401
        assert ask(emu, name, header="x-api-key").status_code == (200 if name == "aacflow" else 401)
    assert error(ask(emu, "aacflow", key="other"))[1:] == ("invalid_request_error", "invalid_api_key")
    assert error(ask(emu, "ak_ai_core", key="other")) == ("Invalid or expired API key.",)


def test_at_aacflow_each_answer_says_what_it_cost_and_what_is_left(emu):
    whole, streamed = (ask(emu, "aacflow", stream=stream) for stream in (False, True))
    used = Decimal(whole.headers["x-credits-used"])
    usage = whole.json()["usage"]
    assert used == (3 * usage["prompt_tokens"] + 15 * usage["completion_tokens"]) / Decimal(1_000_000)
    assert used == Decimal(streamed.headers["x-credits-used"])
    left = [Decimal(answer.headers["x-credits-remaining"]) for answer in (whole, streamed)]
    assert left[0] - left[1] == used
    assert ask(emu, "aacflow", temperature=3).status_code == 400
    assert left[1] - Decimal(ask(emu, "aacflow").headers["x-credits-remaining"]) == used


@pytest.mark.parametrize(("name", "least"), [("aacflow", 0.001), ("ak_ai_core", 0.5)])
def test_credits_run_out_and_a_reset_brings_them_back(name, least):
    with Emulator(credits=least + 0.000_005) as emu:
        assert [ask(emu, name).status_code for _ in range(3)] == [200, 402, 402]
        assert "redit" in error(ask(emu, name))[0]
        emu.reset()
        assert ask(emu, name).status_code == 200
    with Emulator(credits=least - 0.000_005) as emu:
        assert ask(emu, name).status_code == 402


@each_gateway
def test_what_it_does_not_take_and_faults_are_refused_in_its_form(emu, name):
    unknown = ask(emu, name, model="minimax-m2.5-230b")
    assert unknown.status_code == 404
    assert "minimax-m2.5-230b" in error(unknown)[0]
    for changes in (
        *({"messages": []}, {"messages": None}, {"model": None}, {"top_p": 2}),
        {"response_format": {"type": "yaml"}},
    ):
        answer = ask(emu, name, **changes)
        assert answer.status_code == 400
        assert error(answer)[0]
    assert error(ask(emu, name, fault="droop=1"))[0]
    for status in (400, 403, 404, 409, 429, 500, 502, 503):
        answer = ask(emu, name, fault=f"status={status};retry-after=2", stream=status % 2 == 0)
        assert (answer.status_code, answer.headers["retry-after"]) == (status, "2")
        assert error(answer)[0]
    events = ask(emu, name, fault="stream-error=1", stream=True).text.split("\n\n")
    assert events[1].startswith('data: {"error":')
