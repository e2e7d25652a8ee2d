"""What the interfaces have in common, and the gateways AACFlow and AK AI CORE: keys, credits, errors in their form."""

from decimal import Decimal

import httpx
import pytest

from aki_transport.emulator import Emulator

INTERFACES = {
    "openai": ("openai_url", "key", "/chat/completions", "llama3-chat-8b"),
    "anthropic": ("anthropic_url", "key", "/v1/messages", "llama3-chat-8b"),
    "aacflow": ("aacflow_url", "aacflow_key", "/chat/completions", "claude-sonnet-4-6"),
    "ak_ai_core": ("ak_ai_core_url", "ak_ai_core_key", "/chat/completions", "anthropic/claude-3-5-sonnet"),
}


def ask(emu, name, *, fault="", key=None, header="authorization", **changes):
    url, key_name, path, model = INTERFACES[name]
    value = getattr(emu, key_name) if key is None else key
    headers = {"x-emulator-fault": fault, header: f"Bearer {value}" if header == "authorization" else value}
    body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Count to 9"}]} | changes
    return httpx.post(getattr(emu, url) + path, json=body, headers=headers)


def error(answer):
    """What a gateway's error says: its text, and at AACFlow its type and code."""
    body = answer.json()
    assert body.keys() == {"error"}
    told = body["error"]
    return (told,) if isinstance(told, str) else (told["message"], told["type"], told["code"])


@pytest.mark.parametrize("name", INTERFACES)
def test_each_answers_under_the_id_that_was_recorded_and_tells_the_emulators_own_errors(emu, name, monkeypatch):
    answer = ask(emu, name)
    assert "1, 2, 3, 4, 5, 6, 7, 8, 9." in answer.text
    (recorded,) = emu.requests
    assert [value for header, value in answer.headers.items() if header.endswith("request-id")] == [recorded.request_id]
    url, _, path, _ = INTERFACES[name]
    assert recorded.path == getattr(emu, url).removeprefix(emu.url) + path
    monkeypatch.setattr("aki_transport.emulator.answering.think", lambda *_: 1 / 0)
    broken = ask(emu, name)
    assert broken.status_code == 500
    assert "The emulator failed: ZeroDivisionError: division by zero" in broken.text


def test_at_aacflow_each_answer_says_what_it_cost_and_what_is_left(emu):
    first, streamed = (ask(emu, "aacflow", stream=stream) for stream in (False, True))
    used, usage = Decimal(first.headers["x-credits-used"]), first.json()["usage"]
    assert used == (3 * usage["prompt_tokens"] + 15 * usage["completion_tokens"]) / Decimal(1_000_000)
    assert used == Decimal(streamed.headers["x-credits-used"])
    assert ask(emu, "aacflow", temperature=3).status_code == 400
    left = [Decimal(each.headers["x-credits-remaining"]) for each in (first, streamed, ask(emu, "aacflow"))]
    assert [left[0] - left[1], left[1] - left[2]] == [used, used]


@pytest.mark.parametrize(("name", "least"), [("aacflow", 0.001), ("ak_ai_core", 0.5)])
def test_credits_run_out_and_a_reset_brings_them_back(name, least):
    with Emulator(credits=least + 0.000_005) as emu:
        assert [ask(emu, name).status_code for _ in range(3)] == [200, 402, 402]
        assert "redit" in error(ask(emu, name))[0]
        emu.reset()
        assert ask(emu, name).status_code == 200
    with Emulator(credits=least - 0.000_005) as emu:
        assert ask(emu, name).status_code == 402


@pytest.mark.parametrize("name", ["aacflow", "ak_ai_core"])
def test_what_it_does_not_take_is_refused_in_its_form(emu, name):
    odd = {"response_format": {"type": "yaml"}}
    for changes in ({"messages": []}, {"messages": None}, {"model": None}, {"top_p": 2}, odd):
        answer = ask(emu, name, **changes)
        assert (answer.status_code, bool(error(answer)[0])) == (400, True)
    assert error(ask(emu, name, fault="droop=1"))[0]
