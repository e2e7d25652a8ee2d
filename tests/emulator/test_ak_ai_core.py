import httpx
import pytest

from aki_transport.emulator import Emulator

BODY = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Count to 9"}]}


@pytest.fixture
def core(emu):
    with httpx.Client(
        base_url=emu.ak_ai_core_url, headers={"authorization": f"Bearer {emu.ak_ai_core_key}"}, timeout=10
    ) as made:
        yield made


def ask(client, *, fault="", **changes):
    return client.post("/chat/completions", json=BODY | changes, headers={"x-emulator-fault": fault})


def error(answer):
    """The whole error form: one key, and a text."""
    assert answer.json().keys() == {"error"}
    assert isinstance(answer.json()["error"], str)
    return answer.json()["error"]


def test_the_listing_is_the_documented_one(core):
    assert core.get("/models").json() == {
        "object": "list",
        "data": [
            {"id": "openai/gpt-4o-mini", "object": "model", "created": 1715644800, "owned_by": "openai"},
            {"id": "anthropic/claude-3-5-sonnet", "object": "model", "created": 1718323200, "owned_by": "anthropic"},
        ],
    }


def test_an_answer_has_no_headers_about_credits(core):
    answer = ask(core, frequency_penalty=0.5, presence_penalty=0.5, top_p=1.0)
    assert answer.json()["choices"][0]["message"]["content"] == "1, 2, 3, 4, 5, 6, 7, 8, 9."
    assert not [name for name in answer.headers if "credits" in name]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer aki-test"}, {"x-api-key": "sk-or-test"}])
def test_any_other_key_is_a_401(emu, headers):
    answer = httpx.post(f"{emu.ak_ai_core_url}/chat/completions", headers=headers, json=BODY)
    assert answer.status_code == 401
    assert error(answer) == "Invalid or expired API key."


@pytest.mark.parametrize(("credits_", "status"), [(0.5, 200), (0.49, 402)])
def test_a_balance_under_half_a_dollar_is_not_enough(credits_, status):
    with Emulator(credits=credits_) as emu:
        headers = {"authorization": f"Bearer {emu.ak_ai_core_key}"}
        answer = httpx.post(f"{emu.ak_ai_core_url}/chat/completions", json=BODY, headers=headers)
        assert answer.status_code == status
        if status == 402:
            assert error(answer) == "Insufficient credits. Please top up your account."


def test_answers_use_the_balance_up_and_a_reset_brings_it_back():
    with (
        Emulator(credits=0.500_005) as emu,
        httpx.Client(base_url=emu.ak_ai_core_url, headers={"authorization": f"Bearer {emu.ak_ai_core_key}"}) as client,
    ):
        assert [ask(client).status_code for _ in range(2)] == [200, 402]
        emu.reset()
        assert ask(client).status_code == 200


def test_an_unknown_model_is_a_404(core):
    answer = ask(core, model="gpt-4o-mini")
    assert answer.status_code == 404
    assert "gpt-4o-mini" in error(answer)


@pytest.mark.parametrize("changes", [{"messages": []}, {"model": None}, {"temperature": 2.5}, {"top_p": 2}])
def test_what_it_does_not_take_is_a_400(core, changes):
    answer = ask(core, **changes)
    assert answer.status_code == 400
    assert error(answer)


@pytest.mark.parametrize(("path", "status"), [("/embeddings", 404), ("/chat/completions", 405)])
def test_a_route_that_is_none_is_refused_in_its_form(core, path, status):
    answer = core.get(path)
    assert answer.status_code == status
    assert error(answer)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 429, 500, 502, 503])
@pytest.mark.parametrize("stream", [False, True])
def test_a_status_fault_has_its_error_form(core, status, stream):
    answer = ask(core, fault=f"status={status};retry-after=2", stream=stream)
    assert answer.status_code == status
    assert answer.headers["retry-after"] == "2"
    assert error(answer)


def test_an_error_inside_a_stream_is_a_text_too(core):
    events = ask(core, fault="stream-error=1", stream=True).text.split("\n\n")
    assert events[1].startswith('data: {"error":"')
