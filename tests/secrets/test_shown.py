"""Secrets beside the key, and objects that were refused, in what is shown of an error."""

import logging
import warnings
from base64 import b64encode
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from aki_transport import AKIError, Client, ImageStore, Provider
from aki_transport.transport import lifetime
from langchain_aki import AKILLM, AKIImageGenerationTool, ChatAKI
from llama_index_aki import AKI, AKICompletion, AKIImageToolSpec
from tests.ecosystem.calls import WAYS
from tests.script_server import ScriptServer, json_answer
from tests.secrets.test_interrupted import OBSERVERS, raised_by
from tests.tools.secrets.evidence import KEY, in_text
from tests.tools.secrets.places import in_python
from tests.tools.secrets.surface import MODELS, PATHS, at
from tests.transport.raw_server import proxying, serving

TOKEN = "tenant-t0ken-9f3c7e21"
SIGNATURE = "s1gnature-71d0"  # in the query of a base URL
HEADERS = {"X-Tenant-Token": TOKEN}


def without_arguments(error):
    """Its text and fields; the frames of a framework hold the arguments of the user's own call."""
    return f"{error} {error!r} {vars(error)} {error.args} {getattr(error, '__notes__', '')}"


def shown(error):
    """All that an error tells, with its causes, and its traceback with variables."""
    return f"{without_arguments(error)} {in_python(error)}"


def repeating(request):
    token = request.headers["x-tenant-token"]
    message = f"{token} is wrong at {request.path}"
    return json_answer({"error": {"message": message, "code": token, "param": [token]}}, 400, x_echo=token)


@pytest.mark.parametrize("protocol", PATHS)
def test_a_token_in_a_header_or_in_the_base_url_is_as_secret_as_the_key(protocol, subtests):
    with ScriptServer(always=repeating) as server:
        options = {"model": MODELS[protocol], **at(server, protocol, model_listing=False)}
        where = {"base_url": f"{options['base_url']}?v=1&signature={SIGNATURE}", "default_headers": HEADERS}
        for way in WAYS:
            with subtests.test(way=str(way)):
                model = way.make(**{**options, **where})
                error = raised_by(way.call, model)
                assert isinstance(error, AKIError)
                assert "***" in str(error)
                assert TOKEN not in f"{shown(error)} {model!r}"
                text = f"{without_arguments(error)} {model!r} {getattr(model, '_identifying_params', '')}"
                assert SIGNATURE not in text
        calls = (
            (ChatAKI, lambda model: model.invoke("hi", extra_headers=HEADERS)),
            (ChatAKI, lambda model: list(model.stream("hi", extra_headers=HEADERS))),
            (AKI, lambda model: model.complete("hi", extra_headers=HEADERS)),
            (AKI, lambda model: list(model.stream_complete("hi", extra_headers=HEADERS))),
        )
        for cls, call in calls:
            error = raised_by(call, cls(**options))
            assert isinstance(error, AKIError)
            assert "***" in str(error)
            assert TOKEN not in without_arguments(error)


PASSWORDS = ("hunter2", "p@ss:w/rd?#%41 é", "correct-horse-battery", "a'b\"c<d>&e")


def proxy_answers(password):
    """What a proxy answers to CONNECT, repeating what it got: the password in several spellings."""
    sent = b64encode(f"me:{password}".encode())
    plain = password.encode("utf-8").replace(b"\r", b"")
    page = b"<html>" + sent + b" " + plain + b"</html>"
    return {
        "407 with a page": b"HTTP/1.1 407 No\r\ncontent-length: %d\r\n\r\n" % len(page) + page,
        "407 with a reason": b"HTTP/1.1 407 Basic " + sent + b"\r\n\r\n",
        "502 with a reason in plain": b"HTTP/1.1 502 " + quote(password).encode() + b"\r\n\r\n",
        "garbage": b"what is " + sent + b" or " + plain + b"\r\n\r\n",
        "a broken header": b"HTTP/1.1 200 OK\r\n" + sent + b"\r\n\r\n",
        "the request again": b"CONNECT target.invalid:443\r\nProxy-Authorization: Basic " + sent + b"\r\n\r\n",
        "200, then garbage in place of TLS": b"HTTP/1.1 200 OK\r\n\r\n" + sent,
        "closed": b"",
    }


@pytest.mark.usefixtures("own_client")
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_proxy_that_answers_anything_shows_no_password(password, monkeypatch, caplog, subtests):
    caplog.set_level(logging.DEBUG, "aki_transport")
    secrets = {password, quote(password, safe=""), quote(password), b64encode(f"me:{password}".encode()).decode()}
    for name, answer in proxy_answers(password).items():
        for way in WAYS:
            with subtests.test(answer=name, way=str(way)), serving(proxying([], answer)) as proxy:
                monkeypatch.setattr(lifetime, "_threads", None)
                monkeypatch.setenv("HTTPS_PROXY", f"http://me:{quote(password, safe='')}@127.0.0.1:{proxy.port}")
                model = way.make(base_url="https://target.invalid/v1", api_key=KEY, max_retries=0)
                with warnings.catch_warnings(record=True, action="always") as warned:
                    error = raised_by(way.call, model)
                if lifetime._threads is not None:
                    lifetime._threads.client.close()
                assert isinstance(error, AKIError)
                texts = [shown(error), caplog.text, *(str(warning.message) for warning in warned)]
                assert [text for text in texts if any(secret in text for secret in secrets)] == []


# Objects that are refused while they are made. A key passed as `str` is a variable of the frameworks' own frames.

HIDDEN = SecretStr(KEY)

REFUSED = {
    "store of nothing": lambda: ImageStore(0),
    "store of no bytes": lambda: ImageStore(max_bytes=0),
    "plain http": lambda: Client(api_key=HIDDEN, base_url="http://far.example/v1"),
    "no protocol": lambda: Client("aacflow", protocol="native", api_key=HIDDEN),
    "no such provider": lambda: ChatAKI(model="m", provider="nobody", api_key=HIDDEN),
    "a bad timeout": lambda: ChatAKI(model="m", api_key=HIDDEN, timeout="soon"),
    "a bad header": lambda: AKI(model="m", api_key=HIDDEN, default_headers={"x y": "z"}),
    "an unknown argument": lambda: AKICompletion(model="m", api_key=HIDDEN, temprature=1),
    "a bad base URL": lambda: AKILLM(model="m", api_key=HIDDEN, base_url="ftp://far.example"),
    "a provider of a bad URL": lambda: Client(Provider(base_url="ftp://far.example"), api_key=HIDDEN),
    "a bad size": lambda: AKIImageGenerationTool(api_key=HIDDEN, size="huge"),
    "images over Anthropic": lambda: AKIImageToolSpec(api_key=HIDDEN, protocol="anthropic"),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_an_object_that_is_refused_can_be_shown_and_shows_no_key(make):
    error = raised_by(make)
    assert error is not None
    for observe in OBSERVERS:
        text = observe(error)
        assert type(error).__name__ in text
        assert not in_text(text)
