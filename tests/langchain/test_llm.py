"""`AKILLM`: raw prompts to text, alone and many at once. As an object it is tested in `test_model.py`."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from langchain_core import exceptions as lc

import langchain_aki.errors as ours
from aki_transport import Provider, Route
from aki_transport.emulator import Emulator
from langchain_aki import AKILLM
from tests.langchain.asking import WAYS, Ears, Way, ask, is_streamed, llm_at
from tests.scenarios import MODEL, replied, streamed
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.subcases import subcases

SUM = "What is 6 * 7?"
OTHER_FIRST = Provider(name="mine", routes=(Route(protocol="anthropic", base_url="http://localhost:1/a"),))
NATIVE_LAST = Provider(
    name="mine",
    routes=(
        Route(protocol="openai", base_url="http://localhost:1/v1"),
        Route(protocol="native", base_url="http://localhost:1/api", key_in="body"),
    ),
)
in_both_halves = subcases("is_async", [False, True])


def llm_on(emulator: Emulator, protocol: str = "native", **given: Any) -> AKILLM:
    at = {"protocol": protocol, "base_url": getattr(emulator, f"{protocol}_url"), "api_key": emulator.key}
    return AKILLM(**{"model": "llama3-chat-8b", **at, **given})


def generate(llm: AKILLM, prompts: list[str], *, is_async: bool) -> Any:
    return asyncio.run(llm.agenerate(prompts)) if is_async else llm.generate(prompts)


def prompt_in(request: Request) -> str:
    (message,) = request.json["messages"]
    return message["content"]


def echo(request: Request) -> Answer:
    """The prompt, said back; the prompt `bad` is refused."""
    said = prompt_in(request)
    if said == "bad":
        return json_answer({"error": {"message": "not that one"}}, 400)
    return streamed(said) if request.json.get("stream") else replied(said)


@subcases("way", WAYS)
def test_a_prompt_goes_out_as_it_is_or_as_one_user_message(fresh_emulator: Emulator, way: Way):
    assert ask(llm_on(fresh_emulator), way, SUM) == "6 * 7 = 42."
    called = [seen.body for seen in fresh_emulator.requests if "/call/" in seen.path]
    assert called == [{"text_context": SUM, "wait_for_result": False, "key": fresh_emulator.key}]
    for protocol in ("openai", "anthropic"):
        assert ask(llm_on(fresh_emulator, protocol), way, SUM) == "6 * 7 = 42."
        (message,) = fresh_emulator.requests[-1].body["messages"]
        assert message["role"] == "user"
        assert SUM in str(message["content"])


@subcases("way", WAYS)
def test_fields_of_the_model_and_of_the_call_are_sent(server: ScriptServer, way: Way):
    server.always = echo
    ask(llm_at(server, temperature=0, max_tokens=5, seed=7, stop="a").bind(temperature=0.5, stop=["b"]), way, "hi")
    sent = server.requests[0].json
    assert (sent["temperature"], sent["max_tokens"], sent["seed"], sent["stop"]) == (0.5, 5, 7, ["b"])


@pytest.mark.parametrize(
    ("given", "protocol"),
    [
        pytest.param({"provider": "aki"}, "native", id="aki"),
        pytest.param({"provider": "aki", "protocol": "openai"}, "openai", id="given"),
        pytest.param({"provider": "aacflow"}, "openai", id="aacflow"),
        pytest.param({"provider": "ak_ai_core"}, "openai", id="ak_ai_core"),
        pytest.param({"provider": OTHER_FIRST}, "anthropic", id="first"),
        pytest.param({"provider": NATIVE_LAST}, "native", id="native-last"),
    ],
)
def test_the_protocol_is_native_where_there_is_one_else_the_providers_first(given: Any, protocol: str):
    assert AKILLM(model="m", **given).protocol == protocol


@in_both_halves
def test_a_batch_in_which_one_fails_gives_the_others_or_raises(server: ScriptServer, is_async: bool):
    server.always = echo
    llm, prompts = llm_at(server), ["a", "bad", "c"]

    def batch(**given: Any) -> list[Any]:
        return asyncio.run(llm.abatch(prompts, **given)) if is_async else llm.batch(prompts, **given)

    first, second, third = batch(return_exceptions=True)
    assert (first, type(second), third) == ("a", ours.BadRequestError, "c")
    with pytest.raises(lc.ModelInvalidRequestError, match="not that one"):
        batch()


@in_both_halves
def test_generate_answers_every_prompt_and_adds_usage_up(server: ScriptServer, is_async: bool):
    server.always = echo
    result = generate(llm_at(server), ["a", "b", "c"], is_async=is_async)
    assert [[each.text for each in answers] for answers in result.generations] == [["a"], ["b"], ["c"]]
    assert result.llm_output == {
        "model_name": MODEL,
        "model_provider": "aki",
        "token_usage": {"prompt_tokens": 15, "completion_tokens": 9, "total_tokens": 24},
    }
    with pytest.raises(ours.BadRequestError, match="not that one"):
        generate(llm_at(server), ["a", "bad"], is_async=is_async)


def test_generate_asks_one_after_the_other_where_it_is_told_to(server: ScriptServer):
    server.always = echo
    llm_at(server, batch_size=1).generate(["a", "b", "c"])
    assert [prompt_in(request) for request in server.requests] == ["a", "b", "c"]


async def test_agenerate_cancels_the_others_when_one_fails():
    refused = replace(json_answer({"error": {"message": "not that one"}}, 400), delay=0.2)
    always = lambda request: refused if prompt_in(request) == "bad" else Answer(end="hang")  # noqa: E731
    with ScriptServer(always=always) as server:
        async with asyncio.timeout(60):
            with pytest.raises(ours.BadRequestError):
                await llm_at(server).agenerate(["good", "bad"])
            assert len(server.requests) == 2
            while server.open_connections:  # noqa: ASYNC110  the server is in another thread
                await asyncio.sleep(0.005)


def test_usage_that_the_service_does_not_count_is_left_out(server: ScriptServer):
    server.say(replied(top={"usage": None}))
    result = llm_at(server).generate(["hi"])
    assert "usage" not in result.generations[0][0].generation_info
    assert result.llm_output["token_usage"]["total_tokens"] == 0


@subcases("way", WAYS)
def test_a_handler_hears_each_token_once_and_what_is_known_at_the_end(server: ScriptServer, way: Way):
    server.say(replied("One, two."), streamed("One, ", "two.") if is_streamed(way) else replied("One, two."))
    ears, llm = Ears(), llm_at(server)
    first = llm.generate(["count"]).generations[0][0]
    assert ask(llm.with_config(callbacks=[ears]), way, "count") == "One, two."
    assert list(filter(None, ears.tokens)) == (["One, ", "two."] if is_streamed(way) else [])
    (((last,),),) = [result.generations for result in ears.ends]
    assert (last.text, last.generation_info) == (first.text, first.generation_info)
