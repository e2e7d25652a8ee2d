"""Which models there are: read once, believed for a while, and never the reason that a call fails."""

import asyncio
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from aki_transport import Client, errors
from aki_transport.models import listing as listing_module
from aki_transport.models.listing import LIFETIME, MAX_WAIT, REREAD_AFTER
from tests.script_server import MODELS, Answer, ScriptServer, json_answer, text_answer
from tests.transport.asking import (
    MODEL,
    Way,
    client_for,
    good,
    in_every_chat,
    in_every_way,
    patient,
    refusal,
    request_for,
    run,
    true,
)
from tests.transport.raw_server import until


@pytest.fixture
def server() -> Any:
    with ScriptServer(always=good) as server:
        yield server


def slow_listing(server: ScriptServer, seconds: float) -> None:
    server.listing = replace(json_answer({"data": list(MODELS)}), delay=seconds)


def test_the_listing_is_read_once_for_each_key_by_threads_and_tasks_together(server):
    slow_listing(server, 0.2)
    client = client_for(server)
    together = threading.Barrier(20)

    def ask(number: int) -> str:
        together.wait(10)
        return Way(streamed=False, is_async=number % 2 == 0).ask(client).text

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(ask, range(20))) == {"Hello"}
    assert len(server.listings) == 1
    client_for(server, api_key="another").chat(request_for())
    client_for(server).chat(request_for())
    assert len(server.listings) == 2


BROKEN = {
    "500": json_answer(refusal("Broken"), 500),
    "404": json_answer({"status": 404, "description": "no such route"}, 404),
    "429": json_answer(refusal("Slow down"), 429, retry_after="30"),
    "302": text_answer("", 302, location="https://example.com/"),
    "html": text_answer("<html>Login</html>", content_type="text/html"),
    "nothing": text_answer(""),
    "empty": json_answer({"data": []}),
    "empty-list": json_answer([]),
    "null": json_answer(None),
    "number": json_answer(3),
    "other": json_answer({"models": ["a"]}),
    "data-object": json_answer({"data": {"id": "a"}}),
    "ids-of-no-text": json_answer({"data": [{"id": 1}, {"id": None}, {"id": ""}, {"name": "a"}, "b", None, 3]}),
    "cut": Answer(chunks=(b'{"data": [',), end="cut"),
    "reset": Answer(end="reset"),
    "deep": text_answer("[" * 100_000, content_type="application/json"),
    "no-utf8": Answer(chunks=(b'\xff\xfe{"data"',)),
    "broken-gzip": text_answer("x", content_encoding="gzip"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
@in_every_chat
def test_a_listing_that_cannot_be_read_costs_one_warning(chat_way, answer, server):
    server.listing = answer
    client = client_for(server)
    asked = [(client, "Qwen/Qwen3.6-35B"), (client, "glm5.3-754b"), (client_for(server), MODEL)]
    with pytest.warns(UserWarning, match="AKI.IO: the model listing could not be read") as warned, patient(2):
        replies = [chat_way.ask(each, request_for(model)) for each, model in asked]
    assert [reply.text for reply in replies] == ["Hello"] * 3
    assert [request.json["model"] for request in server.requests] == [MODEL, "glm5.3-754b", MODEL]
    assert (len(warned), len(server.listings)) == (1, 1)
    assert "apertus-chat-70b" in {info.id for info in client.models()}  # those of the table


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        *(("openai", json_answer(refusal("Wrong key"), status)) for status in (401, 403)),
        ("openai", json_answer(refusal("API key not valid."), 400)),
        ("openai", json_answer({"detail": "Wrong key"}, 403)),
        ("anthropic", text_answer("Wrong key", 401)),
        ("native", json_answer({"success": False, "error": "Wrong key"}, 401)),
    ],
)
@in_every_way
def test_a_wrong_key_is_told_once_by_the_call(way, protocol, answer, server):
    server.listing = server.always = answer
    client = client_for(server, protocol=protocol, base_url=getattr(server, f"{protocol}_url"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(
                (errors.AuthenticationError, errors.PermissionDeniedError), match=r"Wrong key|not valid"
            ):
                way.ask(client, request_for("llama3-chat-8b"))
    assert len(server.listings) == (protocol != "native")


@pytest.mark.parametrize(
    "answer", [Answer(end="hang"), Answer(chunks=(b" ",) * 1000, chunk_delay=0.05)], ids=["hangs", "trickles"]
)
@in_every_chat
def test_a_listing_that_hangs_holds_up_for_so_long_at_most(chat_way, answer, server, monkeypatch):
    monkeypatch.setattr(listing_module, "MAX_WAIT", 0.3)
    server.listing = answer
    client, begun = client_for(server), time.monotonic()

    async def ask() -> None:
        await asyncio.gather(*(client.achat(request_for()) for _ in range(20)))

    with pytest.warns(UserWarning, match="listing") as warned, patient(3):
        run(ask()) if chat_way.is_async else client.chat(request_for())
    assert time.monotonic() - begun > 0.25
    assert (len(warned), len(server.listings), len(server.requests)) == (1, 1, 20 if chat_way.is_async else 1)
    assert MAX_WAIT == 5


@pytest.mark.parametrize(("cancelled", "listings"), [(0, 2), (3, 1)], ids=["whoever reads it", "whoever waits for it"])
def test_a_call_that_is_cancelled_disturbs_no_other(cancelled, listings, server):
    slow_listing(server, 0.3)

    async def ask() -> list[Any]:
        client = client_for(server)
        tasks = [asyncio.create_task(client.achat(request_for())) for _ in range(6)]
        await true(lambda: bool(server.listings))
        await asyncio.sleep(0.02)
        tasks[cancelled].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with patient(3):
        answers = run(ask())
    assert isinstance(answers.pop(cancelled), asyncio.CancelledError)
    assert [answer.text for answer in answers] == ["Hello"] * 5
    assert len(server.listings) == listings


def test_whoever_gives_up_while_it_waits_disturbs_nobody(server, caplog):
    slow_listing(server, 2.0)
    client = client_for(server)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.achat(request_for()), 0.05)

    with ThreadPoolExecutor(1) as threads:
        leader = threads.submit(client.chat, request_for())
        until(lambda: bool(server.listings))
        run(give_up())
        with patient(1), pytest.raises(errors.APITimeoutError):
            client_for(server, total_timeout=0.05).chat(request_for())
        assert leader.result().text == "Hello"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_blocking_call_within_the_leader_s_loop_does_not_wait(server):
    slow_listing(server, 0.5)

    async def ask() -> None:
        client = client_for(server)
        leader = asyncio.create_task(client.achat(request_for()))
        await true(lambda: bool(server.listings))
        with patient(0.4):
            assert client.chat(request_for()).text == "Hello"  # blocks the loop, as notebooks do
        await leader

    run(ask())


@in_every_way
def test_an_unknown_id_raises_before_anything_is_sent(way, server):
    for name in ("qwen3.6-53b", "swiss-ai/Apertus-70B-2509"):  # and an alias whose target is not listed
        with pytest.raises(errors.ModelNotFoundError) as caught:
            way.ask(client_for(server), request_for(name))
        error = caught.value
        assert isinstance(error, errors.NotFoundError)
        assert set(error.available) == {row["id"] for row in MODELS}
        assert all(words in str(error) for words in (*error.available, "AKI.IO", "Did you mean"))
        assert error.status_code == 404
        assert name != "qwen3.6-53b" or error.closest[0] == MODEL
    assert server.requests == []


@in_every_way
def test_an_unknown_id_may_be_sent(way, server):
    with pytest.warns(UserWarning, match="no model 'qwen9'") as warned:
        way.ask_twice(client_for(server, on_unknown_model="warn"), request_for("qwen9"))
    assert len(warned) == 1
    way.ask(client_for(server, on_unknown_model="allow"), request_for("qwen9"))
    assert [request.json["model"] for request in server.requests] == ["qwen9"] * 3


@pytest.mark.parametrize(
    ("provider", "written", "sent", "listed"),
    [
        *(("aki", each, MODEL, {}) for each in ("Qwen/Qwen3.6-35B", "qwen3.6-chat-35b", "QWEN3.6-35B")),
        ("aki", "gpt_oss_chat", "gpt-oss-120b", {}),
        ("aki", "qwen3.6-chat-35b", "qwen3.6-chat-35b", {"id": "qwen3.6-chat-35b"}),
        ("aki", "glm5.3-754b", "glm5.3-754b", {"id": "glm5.3-754b", "created": "yesterday"}),
        ("aacflow", "gpt-4o-mini", "gpt-4o-mini", {}),  # not listed, and refused by the provider if it is unknown
    ],
)
@in_every_chat
def test_names_are_resolved(chat_way, provider, written, sent, listed, server):
    server.models.append(listed)
    chat_way.ask(client_for(server, provider=provider), request_for(written))
    assert (len(server.listings), server.requests[0].json["model"]) == (1, sent)


USER = {"context_window": 1000, "max_output": 100}


@pytest.mark.parametrize(
    ("length", "fields", "window", "sources"),
    [
        (40960, {}, 40960, ("service", "table")),
        *((each, {}, 262144, ("table", "table")) for each in (0, -1, None, "lots", True)),
        (40960, USER, 1000, ("user", "user")),
    ],
)
def test_the_listed_length_is_used_where_it_says_something_and_the_user_s_limits_win(
    length, fields, window, sources, server
):
    server.models[:] = [{"id": MODEL, "max_model_len": length}]
    client = client_for(server, **fields)
    before = client.model_info(MODEL)
    assert (before.context_window, before.source) == ((1000, "user") if fields else (262144, "table"))
    assert server.listings == []
    client.chat(request_for())
    info = client.model_info(MODEL)
    assert (info.context_window, info.source, info.output_source) == (window, *sources)
    assert not fields or info.max_output == 100


def test_what_is_known_of_a_model_never_asks_or_raises():
    assert [Client().model_info(name).id for name in ("Qwen/Qwen3.6-35B", "")] == [MODEL, ""]
    info = Client().model_info("glm5.3-754b")
    assert (info.context_window, info.max_output, info.source, info.tools) == (32768, 8192, "default", None)


@in_every_way
def test_the_listing_is_believed_for_an_hour_and_longer_where_a_new_one_cannot_be_read(way, server, clock):
    client = client_for(server)
    for seconds, listings in ((0, 1), (LIFETIME - 10, 1), (20, 2)):
        clock.passed += seconds
        way.ask(client)
        assert len(server.listings) == listings
    server.listing = BROKEN["500"]
    clock.passed += LIFETIME + 1
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        way.ask(client)
    with pytest.raises(errors.ModelNotFoundError):
        way.ask(client, request_for("qwen9"))


@in_every_way
def test_a_missing_id_is_looked_for_again_after_a_minute(way, server, clock):
    client = client_for(server)
    way.ask(client)
    server.models.append({"id": "new-1b"})
    with pytest.raises(errors.ModelNotFoundError):
        way.ask(client, request_for("new-1b"))
    assert len(server.listings) == 1
    clock.passed += REREAD_AFTER + 1
    way.ask(client, request_for("new-1b"))
    assert len(server.listings) == 2
    assert server.requests[-1].json["model"] == "new-1b"


@in_every_way
def test_a_failed_listing_is_read_again_after_a_minute(way, server, clock):
    client = client_for(server)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for server.listing in (BROKEN["500"], BROKEN["500"], None):
            way.ask(client)
            clock.passed += REREAD_AFTER + 1
    assert (len(warned), len(server.listings)) == (1, 3)
    with pytest.raises(errors.ModelNotFoundError):
        way.ask(client, request_for("qwen9"))


def test_a_refresh_reads_now_and_says_what_fails(server):
    client = client_for(server)
    for models in (client.refresh_models(), run(client.arefresh_models())):
        assert {info.id for info in models} == {row["id"] for row in MODELS}
    assert len(server.listings) == 2
    server.listing = replace(BROKEN["500"], delay=0.2)

    async def refresh() -> list[Any]:
        return await asyncio.gather(*(client.arefresh_models() for _ in range(3)), return_exceptions=True)

    with pytest.raises(errors.ServerError, match="Broken"):
        client.refresh_models()
    assert [type(outcome) for outcome in run(refresh())] == [errors.ServerError] * 3
