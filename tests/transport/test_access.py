"""Where calls may go, what they carry, and that the key is nowhere else."""

from __future__ import annotations

import logging
import sys
from typing import Any

import httpx
import pytest

from aki_transport import AKIError, APIStatusError, Client, ConfigurationError, StreamInterruptedError, __version__
from aki_transport.auth import secret_header_values
from aki_transport.redaction import escape_control
from aki_transport.transport.call import Call, Job, Timeout
from tests.scenarios import chunk, replied, streamed
from tests.script_server import ScriptServer, json_answer, sse, text_answer
from tests.transport.asking import (
    KEY,
    Clock,
    Way,
    client_for,
    good,
    in_every_chat,
    in_every_stream,
    in_every_way,
    request_for,
)

SECRET = "hunter2-the-passw0rd"


@pytest.mark.parametrize(
    "url",
    [
        *("http://aki.io/v1", "http://192.168.0.1/v1", "http://0.0.0.0/v1", "http://localhost.example.com/v1"),
        *("http://127.0.0.1.example.com/v1", "http://evillocalhost/v1", "http://evil.localhost/v1"),
        *("http://localhost../v1", "http://128.1/v1", "http://2130706432.example.com/v1", "http://[::]/v1"),
        *("http://[::ffff:10.0.0.1]/v1", "http://[::2]/v1", "http://127.0.0.1./v1", "http://127.1.2.3.4/v1"),
        *("ftp://aki.io/v1", "file:///etc/passwd", "aki.io/v1", "//aki.io/v1", "https://", "https:///v1"),
        *("https://aki.io/v1/chat/completions", "https://aki.io/anthropic/v1/messages", "https://aki.io/v1#x"),
        *("https://aki.io/v1#", "https://aki.io/\r\nx: y", "https://aki.io /v1", " https://aki.io/v1"),
        *("https://aki.io:port/v1", "https://aki.io:99999/v1", "https://[::1/v1", "https://gr\u00fc\u00dfe.de/v1"),
        *(f"https://me:{SECRET}@aki.io/v1", f"https://{SECRET}@aki.io/v1", f"http://me:{SECRET}@127.0.0.1/v1"),
        *(f"https://me:{SECRET}@aki.io:port/v1", f"https://me:{SECRET}@aki.io:99999/v1"),
        *(f"https://me:{SECRET}@[::1/v1", f"ftp://me:{SECRET}@aki.io/v1"),
    ],
)
def test_an_unsafe_url_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"AKI\.IO: base_url") as caught:
        Client(base_url=url, api_key=KEY)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("https://aki.io/v1", "https://aki.io/v1/", "HTTPS://AKI.IO/v1", "http://localhost/v1", "http://LOCALHOST/v1"),
        *("http://localhost:1234", "http://localhost./v1", "http://127.0.0.1:1/v1", "http://127.9.9.9/v1"),
        *("http://127.1/v1", "http://0x7f000001/v1", "http://2130706433/v1", "http://[::ffff:127.0.0.1]:8000/v1"),
        *("http://[::1]:80/v1", "http://[0:0:0:0:0:0:0:1]/v1"),
    ],
)
def test_a_safe_url_is_taken(url: str) -> None:
    assert Client(base_url=url).base_url == url.rstrip("/")


def test_plain_http_is_taken_where_it_is_allowed() -> None:
    assert Client(base_url="http://10.0.0.1/v1", allow_insecure=True).base_url == "http://10.0.0.1/v1"


@pytest.mark.parametrize("url", ["https://example.com/v1", "https://aki.io.example.com/v1", "https://xaki.io/v1"])
@in_every_chat
def test_a_key_from_the_environment_goes_to_no_foreign_host(
    chat_way: Way, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AKI_API_KEY", KEY)
    with pytest.raises(ConfigurationError, match=r"AKI_API_KEY goes only to aki\.io") as caught:
        chat_way.ask(Client(base_url=url))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("variable", ["AKI_API_KEY", "AKI_IO_API_KEY"])
@in_every_way
def test_a_key_from_the_environment_goes_to_loopback(
    way: Way, variable: str, server: ScriptServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f" {KEY}\n")
    server.say(good)
    way.ask(Client(base_url=server.openai_url))
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@in_every_way
def test_the_key_is_looked_for_in_order(way: Way, server: ScriptServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKI_IO_API_KEY", "second")
    monkeypatch.setenv("AKI_API_KEY", "first")
    server.always = good
    way.ask(Client(base_url=server.openai_url))
    way.ask(Client(base_url=server.openai_url, api_key="explicit"))
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer first", "Bearer explicit"]


@pytest.mark.parametrize("key", ["a\r\nx: y", "a\nb", "a b", "schl\u00fcssel", "a\0", "a\x7f"])
def test_a_key_that_no_header_takes_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client(api_key=key)
    assert key not in str(caught.value)
    assert key not in repr(caught.value)


@pytest.mark.parametrize(
    "headers",
    [{"x": "a\r\nb: c"}, {"x": "a\nb"}, {"x\r\n": "a"}, {"": "a"}, {"a b": "c"}, {"x": "\u00fc"}, {"x": "\0"}],
)
def test_headers_that_http_does_not_take_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="default_headers"):
        Client(default_headers=headers)


@in_every_way
def test_own_headers_are_sent_and_do_not_replace_the_key(way: Way, server: ScriptServer) -> None:
    server.say(good)
    way.ask(client_for(server, default_headers={"X-Mine": "1", "Authorization": "Bearer other"}))
    assert server.requests[0].headers["x-mine"] == "1"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_call_has_the_documented_defaults_and_shows_neither_headers_nor_form() -> None:
    call = Call(path="/x", form={"files": SECRET}, headers={"x": SECRET})
    assert SECRET not in repr(call)
    assert (call.stream, call.read_only, Job(follow=lambda _: (call, call)).stream) == (False, False, False)
    assert Timeout() == Timeout(connect=10.0, answer=600.0, chunk=120.0)


OTHERS = {
    "OPENAI_API_KEY": "sk-other",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_API_BASE": "http://127.0.0.1:9/v1",
    "OPENAI_ORG_ID": "org",
    "OPENAI_ORGANIZATION": "org",
    "OPENAI_PROJECT_ID": "project",
    "OPENAI_PROXY": "http://127.0.0.1:9",
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_API_KEY": "ls-other",
    "LANGCHAIN_TRACING_V2": "true",
    "ANTHROPIC_API_KEY": "sk-ant",
}


@in_every_way
def test_exactly_these_headers_are_sent_whatever_the_environment_says(
    way: Way, server: ScriptServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OTHERS.items():
        monkeypatch.setenv(name, value)
    server.say(good)
    way.ask(client_for(server))
    for request in (server.requests[0], server.listings[0]):
        own = {"host", "content-length", "connection"}
        assert {name: value for name, value in request.headers.items() if name not in own} == {
            "accept": "application/json, text/event-stream",
            "accept-encoding": "gzip",
            "authorization": f"Bearer {KEY}",
            "content-type": "application/json",
            "user-agent": f"aki-integrations/{__version__}",
        }


@in_every_way
def test_a_key_of_another_vendor_is_none(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OTHERS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="no key; set AKI_API_KEY or AKI_IO_API_KEY or pass api_key="):
        way.ask(Client())


def test_the_secrets_in_headers_are_found_by_the_names_of_the_headers() -> None:
    headers = {
        "Authorization": "Bearer first-secret",
        "x-api-key": "second-secret",
        "Cookie": "session=third-secret; theme=dark",
        "X-Auth-Token": "short",
        "x-title": "My application",
        "accept": "application/json",
    }
    assert secret_header_values(headers) == ("first-secret", "second-secret", "third-secret")


# The key


@in_every_stream
def test_what_had_arrived_of_a_stream_stays_as_it_is(stream_way: Way, server: ScriptServer) -> None:
    server.always = sse(chunk(f"the text with {KEY} in it"), done=False, end="cut")
    with pytest.raises(StreamInterruptedError) as caught:
        stream_way.ask(client_for(server, max_retries=0))
    assert caught.value.partial_text == f"the text with {KEY} in it"
    assert KEY not in str(caught.value)


@in_every_way
def test_control_characters_of_a_server_reach_no_message_and_no_log(
    way: Way, server: ScriptServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.always = json_answer(
        {"error": {"message": "\x1b[2Jgone \u202etxt.exe", "code": "a\u2066b"}}, 400, x_request_id="r\x9b31m"
    )
    with pytest.raises(APIStatusError) as caught:
        way.ask(client_for(server, max_retries=0))
    error = caught.value
    assert r"\x1b[2Jgone \u202etxt.exe" in str(error)
    assert r"a\u2066b" in str(error)
    for text in (str(error), error.message, *(record.getMessage() for record in caplog.records)):
        assert text == escape_control(text)


@in_every_way
def test_the_key_is_in_no_local_of_a_call_that_is_under_way(way: Way, server: ScriptServer, clock: Clock) -> None:
    """Error trackers show the locals of every frame, containers included."""
    del clock
    seen: list[str] = []

    class Looking(httpx.BaseTransport, httpx.AsyncBaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            frame = sys._getframe()
            while frame is not None:
                if "aki_transport" in frame.f_code.co_filename and "tests" not in frame.f_code.co_filename:
                    seen.extend(
                        f"{name} in {frame.f_code.co_qualname}"
                        for name, value in frame.f_locals.items()
                        if KEY in repr(value)
                    )
                frame = frame.f_back
            raise httpx.ConnectError("no", request=request)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return self.handle_request(request)

    client = client_for(
        server,
        provider="aacflow",
        http_client=httpx.Client(transport=Looking()),
        http_async_client=httpx.AsyncClient(transport=Looking()),
    )
    with pytest.raises(AKIError):
        way.ask(client)
    assert seen == []


@in_every_way
def test_bodies_are_not_logged(way: Way, server: ScriptServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.say(streamed("The answer") if way.streamed else replied("The answer"))
    way.ask(client_for(server), request_for(text="The question"))
    said = "\n".join(record.getMessage() for record in caplog.records if record.name == "aki_transport")
    assert "POST /chat/completions answered 200" in said
    assert "The question" not in said
    assert "The answer" not in said


@in_every_way
def test_a_redirect_does_not_carry_the_key(way: Way, server: ScriptServer) -> None:
    with ScriptServer(always=replied()) as other:
        location = f"{other.openai_url}/chat/completions"
        server.always = text_answer("", 307, location=location)
        mine: Any = {}
        if not way.is_async:
            mine = {"http_client": httpx.Client(follow_redirects=True, trust_env=False)}
        with pytest.raises(APIStatusError):
            way.ask(client_for(server, **mine))
        assert (other.requests, other.listings) == ([], [])
