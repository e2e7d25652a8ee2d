"""Proxies: plain calls, tunnels, those that the environment names, and those that it must not be used for."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec

import httpcore
import httpx
import pytest

from aki_transport import APIConnectionError, Client, ConfigurationError
from aki_transport.transport import proxies
from aki_transport.transport.failures import was_never_sent
from aki_transport.transport.network import AsyncBackend, SyncBackend, Watch
from aki_transport.transport.proxies import proxy_secrets
from aki_transport.transport.raw import proxy_for
from tests.transport.asking import KEY, Way, answered_by, in_every_async_way, in_every_chat, in_every_way, patient
from tests.transport.raw_server import (
    GOOD,
    HEAD,
    answering,
    calling,
    dripping,
    error_of,
    proxying,
    read_request,
    refusing,
    reset,
    serving,
    until,
)


@pytest.mark.parametrize("proxy_tls", [None, False, True])
def test_what_drips_from_a_proxy_or_through_a_tunnel_ends_in_time(is_async, proxy_tls):
    if proxy_tls and not is_async:
        pytest.skip("httpcore's sync TLS within TLS bounds each part of a record, and not it; SECURITY.md says so")
    slow = threading.Event()

    def handle(connection: socket.socket, _: int) -> None:
        read_request(connection)
        slow.set()
        connection.sendall(GOOD)

    through = dripping(HEAD + b"x: " + b"a" * 500) if proxy_tls is None else proxying([], slow=slow)
    with (
        serving(handle, tls=True) as target,
        serving(through, tls=bool(proxy_tls)) as proxy,
        calling(is_async=is_async, proxy=proxy.url) as caller,
        patient(2),
    ):
        error_of(caller, target.url, total=0.4)


@pytest.mark.parametrize("proxy_tls", [False, True])
def test_a_proxy_gets_the_complete_address_of_a_plain_call(is_async, proxy_tls):
    seen: list[bytes] = []
    with serving(proxying(seen), tls=proxy_tls) as proxy:
        address = proxy.url.replace("://", "://me:hunt%2Fer-ü@")
        with calling(is_async=is_async, proxy=address) as caller:
            for _ in range(2):
                assert caller.fetch("http://target.invalid:81/a?b=c#d") == (200, b"ok")
        assert proxy.made == 1
    for request in seen:
        assert request.startswith(b"POST http://target.invalid:81/a?b=c HTTP/1.1\r\n")
        assert b"\r\nhost: target.invalid:81\r\n" in request.replace(b"Host", b"host")
        assert b"\r\nProxy-Authorization: Basic bWU6aHVudC9lci3DvA==\r\n" in request


@pytest.mark.parametrize("proxy_tls", [False, True])
def test_a_proxy_tunnels_what_is_secret(is_async, proxy_tls):
    seen: list[bytes] = []
    with (
        serving(answering(GOOD), tls=True) as target,
        serving(proxying(seen), tls=proxy_tls) as proxy,
        calling(is_async=is_async, proxy=proxy.url.replace("://", "://me:hunter2@")) as caller,
    ):
        for _ in range(3):
            assert caller.fetch(target.url) == (200, b"ok")
        made = 3 if proxy_tls and not is_async else 1  # httpcore's sync TLS within TLS is used once
        assert (proxy.made, target.made) == (made, made)
    assert len(seen) == made
    assert b"\r\nProxy-Authorization: Basic bWU6aHVudGVyMg==\r\n" in seen[0]


@pytest.mark.parametrize("refusal", [b"HTTP/1.1 407 Who are you\r\n\r\n", b"HTTP/1.1 502 No\r\n\r\n", b"", b"what"])
def test_a_tunnel_that_is_refused_shows_no_password(is_async, refusal):
    with (
        serving(proxying([], refusal)) as proxy,
        calling(is_async=is_async, proxy=proxy.url.replace("://", "://me:hunter2@")) as caller,
    ):
        error = error_of(caller, "https://target.invalid/")
        assert "hunter2" not in f"{error!r} {error.__context__!r} {error.__cause__!r}"
        assert was_never_sent(error) == refusal.startswith(b"HTTP")
        assert refusal[9:12].decode() in str(error)
        until(lambda: proxy.open == 0)


def test_a_proxy_that_is_not_there_is_never_sent(is_async):
    with refusing() as port, calling(is_async=is_async, proxy=f"http://me:hunter2@127.0.0.1:{port}") as caller:
        for url in ("http://target.invalid/", "https://target.invalid/"):
            error = error_of(caller, url)
            assert type(error) is httpx.ConnectError
            assert "hunter2" not in repr(error)


@pytest.mark.parametrize("lose", [lambda _: None, reset], ids=["closed", "reset"])
def test_what_is_lost_behind_a_proxy_may_have_arrived(is_async, lose):
    def handle(connection: socket.socket, _: int) -> None:
        read_request(connection)
        lose(connection)

    with serving(handle) as proxy, calling(is_async=is_async, proxy=proxy.url) as caller:
        assert not was_never_sent(error_of(caller, "http://target.invalid/"))


_BODY = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
REPLY = HEAD + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY) + _BODY
with_an_own_pool = pytest.mark.usefixtures("own_client", "clock")


@contextmanager
def proxy_in(variable: str, address: str = "http://{}", answer: bytes = b"") -> Iterator[list[bytes]]:
    """What a proxy sees that the environment names so."""
    seen: list[bytes] = []
    with serving(proxying(seen, answer, plain=REPLY)) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, address.format(f"127.0.0.1:{proxy.port}"))
        yield seen


def client_at(base_url: str) -> Client:
    return Client("aacflow", api_key=KEY, base_url=base_url, allow_insecure=True, model_listing=False, max_retries=0)


@with_an_own_pool
@pytest.mark.parametrize("address", ["http://{}", "{}", "http://us:pw@{}"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@in_every_chat
def test_proxies_of_the_environment_are_used(chat_way, variable, address):
    with proxy_in(variable, address) as seen:
        assert chat_way.ask(client_at("http://target.invalid/v1")).text == "Hi"
    assert seen[0].startswith(b"POST http://target.invalid/v1/")
    assert (b"proxy-authorization: " in seen[0].lower()) == ("@" in address)


@with_an_own_pool
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@in_every_chat
def test_a_proxy_of_the_environment_tunnels_https(chat_way, variable):
    refused = pytest.raises(APIConnectionError, match="403 No")
    with proxy_in(variable, "http://us:pw@{}", b"HTTP/1.1 403 No\r\n\r\n") as seen, refused:
        chat_way.ask(client_at("https://target.invalid/v1"))
    assert {request.split(b"\r\n")[0] for request in seen} == {b"CONNECT target.invalid:443 HTTP/1.1"}
    assert b"Proxy-Authorization: Basic dXM6cHc=" in seen[0]
    assert KEY.encode() not in b"".join(seen)


@with_an_own_pool
@pytest.mark.parametrize(
    "spared", ["target.invalid", "*", "example.com,target.invalid", ".invalid", "target.invalid:80"]
)
@in_every_chat
def test_no_proxy_spares_hosts(chat_way, spared, monkeypatch):
    monkeypatch.setenv("NO_PROXY", spared)
    with proxy_in("HTTP_PROXY") as seen, pytest.raises(APIConnectionError, match="cannot connect"):
        chat_way.ask(client_at("http://target.invalid/v1"))
    assert seen == []


@pytest.mark.parametrize(
    ("spared", "is_used"), [("2001:db8::1", False), ("[2001:db8::1]", False), ("2001:db8::2", True), ("::1", True)]
)
def test_no_proxy_names_ipv6_addresses_with_brackets_or_as_httpx_and_curl_read_them(spared, is_used, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", spared)
    for url in ("https://[2001:db8::1]/v1", "https://[2001:db8::1]:8443/v1"):
        assert (proxy_for(url) is not None) == is_used


@with_an_own_pool
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "LOCALHOST", "[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(is_async, host):
    bound = "127.0.0.1" if host.lower() == "localhost" else host.strip("[]")
    with proxy_in("ALL_PROXY") as seen, serving(answering(REPLY, then=REPLY), host=bound) as place:
        client = client_at(f"http://{host}:{place.port}/v1")
        assert Way(streamed=False, is_async=is_async).ask(client).text == "Hi"
        assert place.made == 1
    assert seen == []


@with_an_own_pool
@pytest.mark.parametrize(
    "address",
    [
        *("http://me:hunter2/x@h:80", "http://me@h:hunter2", "http://me:hunter2@h:99999", "http://"),
        *("http://me:hunter2@h:0", "ftp://me:hunter2@127.0.0.1:1"),
        *([] if find_spec("socksio") else ["socks5://me:hunter2@127.0.0.1:1", "socks5h://me:hunter2@127.0.0.1:1"]),
    ],
)
@in_every_way
def test_a_proxy_that_cannot_be_used_is_a_configuration_error(way, address, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", address)
    with pytest.raises(ConfigurationError, match="socksio" if address.startswith("socks") else "proxy") as caught:
        way.ask(client_at("http://127.0.0.1:9/v1"))
    assert "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.__context__!r} {caught.value.__cause__!r}"


class SOCKSError(Exception):
    """As socksio raises it: it is in no environment of these tests."""

    __module__ = "socksio.exceptions"


@in_every_way
def test_a_socks_proxy_that_answers_nonsense_is_a_failure_to_connect(way):
    def fail(_: httpx.Request) -> httpx.Response:
        raise SOCKSError("Malformed reply")

    with pytest.raises(APIConnectionError, match=r"cannot connect .*Malformed reply"):
        way.ask(answered_by(fail, model_listing=False, max_retries=0))


@with_an_own_pool
@in_every_async_way
def test_aiohttp_sends_nothing_to_a_socks_proxy(way, monkeypatch):
    monkeypatch.setattr(proxies, "find_spec", lambda _: True)
    client = Client(base_url="https://target.invalid/v1", api_key=KEY, http_engine="aiohttp", model_listing=False)
    with (
        proxy_in("ALL_PROXY", "socks5://{}") as seen,
        pytest.raises(ConfigurationError, match="aiohttp knows no SOCKS"),
    ):
        way.ask(client)
    assert seen == []


@pytest.mark.parametrize("max_bytes", [1, 4096])
def test_a_socks_proxy_that_says_nothing_is_waited_for_as_long_as_a_connection(is_async, max_bytes):
    """httpcore reads these replies without a timeout."""
    watch = Watch()

    async def aread(port: int) -> None:
        stream = await AsyncBackend(watch).connect_tcp("127.0.0.1", port, 0.1)
        try:
            await stream.read(max_bytes)
        finally:
            await stream.aclose()

    def read(port: int) -> None:
        with closing(SyncBackend(watch).connect_tcp("127.0.0.1", port, 0.1)) as stream:
            stream.read(max_bytes)

    with serving(lambda *_: time.sleep(10)) as place, pytest.raises(httpcore.ReadTimeout):
        asyncio.run(aread(place.port)) if is_async else read(place.port)


def test_a_password_of_bytes_that_are_no_text_is_kept_from_messages_too(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:\udcff@proxy.example")
    assert "\udcff" in proxy_secrets()
