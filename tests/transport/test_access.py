"""Where calls may go, what they carry, and that the key is nowhere else."""

import logging
import traceback

import httpx
import pytest

from aki_transport import PROVIDERS, Client, Provider, Route, __version__, errors
from aki_transport.auth import emulated, secret_header_values, shown_url
from aki_transport.redaction import escape_control
from aki_transport.transport.call import Call, Job, Timeout
from tests.scenarios import chunk, replied, streamed
from tests.script_server import ScriptServer, json_answer, sse, text_answer
from tests.transport.asking import (
    KEY,
    answered_by,
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
        *(
            "https://.example.com/v1",
            "https://a..example.com/v1",
            f"https://{'a' * 64}.example.com/v1",
        ),  # psf/requests#5367
        *(f"https://me:{SECRET}@aki.io/v1", f"https://{SECRET}@aki.io/v1", f"http://me:{SECRET}@127.0.0.1/v1"),
        *(f"https://me:{SECRET}@aki.io:port/v1", f"https://me:{SECRET}@aki.io:99999/v1"),
        *(f"https://me:{SECRET}@[::1/v1", f"ftp://me:{SECRET}@aki.io/v1"),
    ],
)
def test_an_unsafe_url_is_refused_before_anything_is_sent(url):
    with pytest.raises(errors.ConfigurationError, match=r"AKI\.IO: base_url") as caught:
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
def test_a_safe_url_is_taken(url):
    assert Client(base_url=url).base_url == url.rstrip("/")
    assert Client(base_url="http://10.0.0.1/v1", allow_insecure=True).base_url == "http://10.0.0.1/v1"


@pytest.mark.parametrize("url", ["https://example.com/v1", "https://aki.io.example.com/v1", "https://xaki.io/v1"])
@in_every_chat
def test_a_key_from_the_environment_goes_to_no_foreign_host(chat_way, url, monkeypatch):
    monkeypatch.setenv("AKI_API_KEY", KEY)
    with pytest.raises(errors.ConfigurationError, match=r"AKI_API_KEY goes only to aki\.io") as caught:
        chat_way.ask(Client(base_url=url))
    assert KEY not in str(caught.value)


@in_every_way
def test_the_key_is_looked_for_in_order(way, server, monkeypatch):
    server.always = good
    monkeypatch.delenv("AKI_API_KEY", raising=False)
    for name, value in (("AKI_IO_API_KEY", "second"), ("AKI_API_KEY", " first\n")):
        monkeypatch.setenv(name, value)
        way.ask(Client(base_url=server.openai_url))
        assert server.requests[-1].headers["authorization"] == f"Bearer {value.strip()}"
    way.ask(Client(base_url=server.openai_url, api_key="explicit"))
    assert server.requests[-1].headers["authorization"] == "Bearer explicit"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("api_key", key) for key in ("a\r\nx: y", "a\nb", "a b", "schl\u00fcssel", "a\0", "a\x7f")),
        *(("default_headers", {"x": value}) for value in ("a\r\nb: c", "a\nb", "\u00fc", "\0")),
        *(("default_headers", {name: "1"}) for name in ("x\r\n", "", "a b", "Content-Length")),
    ],
)
def test_what_no_header_takes_is_refused_without_showing_it(field, value):
    with pytest.raises(errors.ConfigurationError, match=field if field != "api_key" else "key") as caught:
        Client(**{field: value})
    assert field != "api_key" or value not in f"{caught.value} {caught.value!r}"


@in_every_chat
def test_blanks_around_a_header_are_none_of_it(chat_way, server):
    server.always = good
    chat_way.ask(client_for(server, default_headers={"X-Team": " red and blue\t"}))
    assert server.requests[0].headers["x-team"] == "red and blue"


def test_a_call_has_the_documented_defaults_and_shows_neither_headers_nor_form():
    call = Call(path="/x", form={"files": SECRET}, headers={"x": SECRET})
    assert SECRET not in repr(call)
    assert (call.stream, call.read_only, Job(follow=lambda _: (call, call)).stream) == (False, False, False)
    assert Timeout() == Timeout(connect=10.0, answer=600.0, chunk=120.0)


URL = "http://127.0.0.1:9/v1"
OTHERS = {
    **dict.fromkeys(("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY"), URL),
    **dict.fromkeys(("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_ORGANIZATION", "OPENAI_PROJECT_ID"), "of-another"),
    **dict.fromkeys(("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"), "true"),
    **dict.fromkeys(("LANGSMITH_API_KEY", "ANTHROPIC_API_KEY"), "of-another"),
}


@in_every_way
def test_exactly_these_headers_are_sent_whatever_the_environment_says(way, server, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    for name, value in {**OTHERS, "HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}.items():
        monkeypatch.setenv(name, value)
    server.say(good)
    way.ask(client_for(server, default_headers={"X-Mine": "1", "Authorization": "Bearer other"}))
    for request in (server.requests[0], server.listings[0]):
        own = {"host", "content-length", "connection"}
        assert {name: value for name, value in request.headers.items() if name not in own} == {
            "accept": "application/json, text/event-stream",
            "accept-encoding": "gzip",
            "authorization": f"Bearer {KEY}",
            "content-type": "application/json",
            "user-agent": f"aki-integrations/{__version__}",
            "x-mine": "1",
        }
    with pytest.raises(errors.ConfigurationError, match="no key; set AKI_API_KEY or AKI_IO_API_KEY or pass api_key="):
        way.ask(Client())


def test_the_secrets_in_headers_are_found_by_the_names_of_the_headers():
    headers = {
        "Authorization": "Bearer first-secret",
        "x-api-key": "second-secret",
        "Cookie": "session=third-secret; theme=dark",
        "X-Auth-Token": "short",
        "x-title": "My application",
        "accept": "application/json",
    }
    assert secret_header_values(headers) == ("first-secret", "second-secret", "third-secret")


@in_every_stream
def test_what_had_arrived_of_a_stream_stays_as_it_is(stream_way, server):
    server.always = sse(chunk(f"the text with {KEY} in it"), done=False, end="cut")
    with pytest.raises(errors.StreamInterruptedError) as caught:
        stream_way.ask(client_for(server, max_retries=0))
    assert caught.value.partial_text == f"the text with {KEY} in it"
    assert KEY not in str(caught.value)


@in_every_way
def test_control_characters_of_a_server_reach_no_message_and_no_log(way, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.always = json_answer(
        {"error": {"message": "\x1b[2Jgone \u202etxt.exe", "code": "a\u2066b"}}, 400, x_request_id="r\x9b31m"
    )
    with pytest.raises(errors.APIStatusError) as caught:
        way.ask(client_for(server, max_retries=0))
    error = caught.value
    assert r"\x1b[2Jgone \u202etxt.exe" in str(error)
    assert r"a\u2066b" in str(error)
    for text in (str(error), error.message, *(record.getMessage() for record in caplog.records)):
        assert text == escape_control(text)


@pytest.mark.usefixtures("clock")
@in_every_way
def test_the_key_is_in_no_local_of_a_call_that_is_under_way(way):
    """Error trackers show the locals of every frame, containers included."""
    frames: list[str] = []
    leaks: list[str] = []

    def look(request: httpx.Request) -> httpx.Response:
        for frame, _ in traceback.walk_stack(None):
            if "/aki_transport/" in frame.f_code.co_filename:
                frames.append(frame.f_code.co_qualname)
                leaks.extend(f"{name} in {frames[-1]}" for name, value in frame.f_locals.items() if KEY in repr(value))
        raise httpx.ConnectError("no", request=request)

    with pytest.raises(errors.AKIError):
        way.ask(answered_by(look, provider="aacflow"))
    assert len(set(frames)) > 2
    assert leaks == []


@in_every_way
def test_bodies_are_not_logged(way, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.say(streamed("The answer") if way.streamed else replied("The answer"))
    way.ask(client_for(server), request_for(text="The question"))
    said = "\n".join(record.getMessage() for record in caplog.records if record.name == "aki_transport")
    assert "POST /chat/completions answered 200" in said
    assert "The question" not in said
    assert "The answer" not in said


@in_every_way
def test_a_redirect_does_not_carry_the_key(way, server):
    with ScriptServer(always=replied()) as other:
        location = f"{other.openai_url}/chat/completions"
        server.always = text_answer("", 307, location=location)
        mine = {} if way.is_async else {"http_client": httpx.Client(follow_redirects=True, trust_env=False)}
        with pytest.raises(errors.APIStatusError):
            way.ask(client_for(server, **mine))
        assert (other.requests, other.listings) == ([], [])


# AKI_EMULATOR: what has no base URL goes to an emulator, with the emulator's key and no other

ROOT = "http://127.0.0.1:8089"


def test_every_route_is_where_the_emulator_has_it_with_its_key(emulator, monkeypatch):
    route = PROVIDERS["aki"].route("openai")
    monkeypatch.setenv("AKI_EMULATOR", " ")
    assert emulated(PROVIDERS["aki"], route, "key") == (route, "key")
    monkeypatch.setenv("AKI_EMULATOR", f"{ROOT}/")
    served = {(url.removeprefix(emulator.url), key) for _, url, key in emulator.addresses}
    routes = [emulated(row, route, "a-real-key") for row in PROVIDERS.values() for route in row.routes]
    assert {(route.base_url.removeprefix(ROOT), key) for route, key in routes} == served
    mine = Provider(name="mine", routes=(Route(protocol="anthropic", base_url="https://a.example", key_in="bearer"),))
    route, key = emulated(mine, mine.route("anthropic"), None)
    assert (route.base_url, route.key_places[0], key) == (f"{ROOT}/anthropic", "x-api-key", "aki-test")
    assert Client().base_url == f"{ROOT}/v1"
    assert Client(base_url="https://aki.io/v1", api_key="key").base_url == "https://aki.io/v1"


@pytest.mark.parametrize(
    "root", ["https://emulator.example", "http://10.0.0.1:8089", "127.0.0.1:8089", "http://u:p@127.0.0.1"]
)
def test_the_emulator_has_to_be_on_this_machine(root, monkeypatch):
    monkeypatch.setenv("AKI_EMULATOR", root)
    with pytest.raises(errors.ConfigurationError, match="AKI_EMULATOR"):
        Client()


def test_a_key_in_the_query_of_an_address_is_not_shown():
    assert shown_url("https://a.example/v1?api-key=sk-1234567890&n=1") == "https://a.example/v1?api-key=***&n=1"
