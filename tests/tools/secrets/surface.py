"""Everything that the packages offer, used once with the planted key, at services that say the key back."""

import asyncio
import inspect
import json
import logging
import tempfile
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import vcr

from aki_transport import AKIError, Client, GeneratedImage, ImageStore
from aki_transport.models.listing import forget_listings
from aki_transport.transport import polling
from langchain_aki import AKILLM, AKIImageEditTool, AKIImageGenerationTool, ChatAKI
from llama_index_aki import AKI, AKICompletion, AKIImageToolSpec
from tests.pictures import a_png
from tests.scenarios import chunk, replied, reply
from tests.script_server import Answer, ScriptServer, json_answer, sse, text_answer
from tests.tools.recording import scrub
from tests.tools.secrets.evidence import KEY, Evidence
from tests.transport import anthropic_says, native_says
from tests.transport.asking import MODEL, request_for

PATHS = {"openai": "v1", "anthropic": "anthropic", "native": "api"}
CLASSES = (ChatAKI, AKILLM, AKI, AKICompletion)
MODELS = {"openai": MODEL, "anthropic": MODEL, "native": native_says.CHAT}


def key_of(request):
    """The key that the request carried, wherever that was."""
    headers, body = request.headers, request.json if isinstance(request.json, dict) else {}
    return headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key") or body.get("key", "")


def _refusal(status, **more):
    return lambda key: json_answer({"error": {"message": f"Wrong: {key}", "type": key, "param": [key], **more}}, status)


def _native_refusal(status, message="no", **more):
    echo = lambda key: {"error": f"{message}: {key}", "auth_key": key, "progress": {"auth_key": key}}  # noqa: E731
    return lambda key: json_answer({"success": False, **echo(key), **more}, status)


def _native_job(**more):
    return lambda key: json_answer(
        {"success": True, "job_id": "J1", "auth_key": key, "progress": {"auth_key": key}, **more}
    )


# A good answer, whose contents are handed out as they are; looked at is the warning.
OTHER_MODEL = "other model"

# What a service may answer with the key of the request in it: one row for each kind of failure.
FAILURES = {
    **{
        f"status {status}": _refusal(status)
        for status in (400, 401, 402, 403, 404, 405, 408, 413, 418, 422, 429, 500, 503)
    },
    "model not found": _refusal(404, code="model_not_found"),
    "too long": lambda key: json_answer({"error": {"message": f"maximum context length {key}"}}, 400),
    "code": lambda key: json_answer({"error": {"message": "x", "code": key, key: {"a": [key]}}}, 400),
    "page": lambda key: text_answer(f"<title>{key}</title>", 502, content_type="text/html"),
    "cut": lambda key: json_answer({"error": {"message": "x" * 584 + key}}, 400),  # 600 characters are shown
    "header": lambda key: json_answer({"error": "x"}, 400, x_echo=f"Bearer {key}", x_request_id=key),
    "no JSON": lambda key: text_answer(f"<html>{key}"),
    "no answer": lambda key: json_answer({"you_sent": key}),
    "list": lambda key: json_answer([key]),
    "inner error": lambda key: json_answer({"error": {"message": f"Wrong key {key}"}}),
    "event": lambda key: sse({"error": {"message": f"Wrong key {key}"}}, done=False),
    "stream cut": lambda key: sse(f": {key}\n\n".encode(), chunk("so far"), done=False, end="cut"),
    "part": lambda key: json_answer({"choices": [{"message": {"content": [[key]]}}]}),
    "choice": lambda key: json_answer({"choices": [key]}),
    "tool call": lambda key: json_answer({"choices": [{"message": {"tool_calls": [key]}}]}),
    OTHER_MODEL: lambda key: json_answer(reply("x", top={"model": f"other-{key}"})),
    "fallback": lambda key: json_answer(reply("x", top={"model": "minimax-m2.5-230b", "system_fingerprint": key})),
    "reset": lambda _: Answer(end="reset"),
    "silence": lambda _: Answer(end="hang"),
    "native refusal": _native_refusal(400),
    "native payment": _native_refusal(402),
    "native job lapsed": _native_refusal(400, "Job lapsed", job_id="JID1", job_state="lapsed"),
    "native job": _native_job(job_state="canceled"),
    "native worker": lambda key: _native_job(job_state="done", job_result={"error": f"no {key}", "auth_key": key})(key),
}
GOOD = {
    "openai": lambda _: replied("Hello"),
    "anthropic": lambda _: json_answer(anthropic_says.message(anthropic_says.text("Hello"))),
    "native": lambda key: json_answer(native_says.done("Hello") | {"auth_key": key, "progress": {"auth_key": key}}),
}


def use_all(evidence):
    forget_listings()
    with ScriptServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AKI_API_KEY", KEY)
        patch.setattr(polling, "pause", lambda *_, **__: 0.0)
        for protocol in PATHS:
            _answer(server, GOOD[protocol])
            for cls in CLASSES:
                model = evidence.objects[f"{protocol} {cls.__name__}"] = _made(cls, server, protocol, evidence)
                _call(evidence, model)
            for name in FAILURES:
                _fail(server, protocol, name, evidence)
            _without_key_argument(server, protocol, evidence)
        _list_nothing(server, evidence)
        _draw(server, evidence)
        _refuse(evidence)
        _record(server, evidence)
    forget_listings()


def _answer(server, answer):
    server.always = lambda request: answer(key_of(request))


@contextmanager
def _keeping(evidence):
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is, it is looked at
        evidence.errors.append(error)


def at(server, protocol, **fields):
    """The arguments with which a class asks the server."""
    base_url = f"{server.url}/{PATHS[protocol]}"
    return {"protocol": protocol, "base_url": base_url, "api_key": KEY, "max_retries": 0, **fields}


def _made(cls, server, protocol, evidence, **fields):
    watched = {"callbacks": evidence.tracers} if cls in (ChatAKI, AKILLM) else {"callback_manager": evidence.callbacks}
    return cls(model=MODELS[protocol], **at(server, protocol, **fields), **watched)


def _call(evidence, model, *, is_async=False, streamed=False):
    """One call; what it raises is kept. The pieces of a stream are not: the model's own text may hold anything."""
    names = ("stream", "invoke") if isinstance(model, ChatAKI | AKILLM) else ("stream_complete", "complete")
    name = names[0] if streamed else names[1]

    async def awaited():
        result = getattr(model, f"a{name}")("hi")
        result = await result if inspect.isawaitable(result) else result
        return [None async for _ in result] if streamed else result

    with _keeping(evidence):
        result = asyncio.run(awaited()) if is_async else getattr(model, name)("hi")
        if streamed:
            deque(result, maxlen=0)
        else:
            evidence.objects[f"{type(model).__name__} answer"] = result


def _fail(server, protocol, name, evidence):
    """Each failure in LangChain, LlamaIndex and bare; sync and async, blocking and streamed in turns."""
    _answer(server, FAILURES[name])
    turn = list(FAILURES).index(name)
    slow = {"timeout": 0.1} if name == "silence" else {}
    fallback = "raise" if name == "fallback" else "warn"
    for number, cls in enumerate((ChatAKI, AKI) if name != OTHER_MODEL else ()):
        model = _made(cls, server, protocol, evidence, on_model_fallback=fallback, **slow)
        _call(evidence, model, is_async=turn % 2 == number, streamed=name in ("event", "stream cut"))
    client = Client(**at(server, protocol, **slow))
    with _keeping(evidence):
        if turn & 1:
            asyncio.run(client.achat(request_for(MODELS[protocol])), debug=True)
        else:
            deque(client.stream(request_for(MODELS[protocol])), maxlen=0)
    evidence.objects[f"{protocol} Client"] = client


def _without_key_argument(server, protocol, evidence):
    _answer(server, GOOD[protocol])
    # Watched by nobody: what watches cannot be pickled.
    for cls in CLASSES:
        model = evidence.of_environment[f"{protocol} {cls.__name__}"] = _made(
            cls, server, protocol, Evidence(), api_key=None
        )
        _call(evidence, model)
    evidence.of_environment[f"{protocol} tool"] = _tools(server, "openai", api_key=None)["generate"]


def _list_nothing(server, evidence):
    for listing in (lambda request: json_answer({"error": {"message": key_of(request)}}, 401), None):
        forget_listings()
        server.listing = listing
        _call(evidence, ChatAKI(model="no-such-model", **at(server, "openai")))
        with suppress(AKIError):
            Client(**at(server, "openai")).refresh_models()


def _tools(server, protocol, **fields):
    store, options = ImageStore(), at(server, protocol, **fields)
    return {
        "generate": AKIImageGenerationTool(**options, store=store),
        "edit": AKIImageEditTool(**options, store=store),
        "spec": AKIImageToolSpec(**options),
        "store": store,
        "picture": store.add(GeneratedImage.read(a_png())),
    }


def _draw(server, evidence):
    for protocol in ("openai", "native"):
        tools = _tools(server, protocol)
        evidence.objects |= {f"{protocol} {name}": tool for name, tool in tools.items()}
        for name in ("status 401", "header", "no JSON", "inner error", "native refusal", "native worker"):
            _answer(server, FAILURES[name])
            with _keeping(evidence):
                tools["generate"].invoke({"prompt": "a cat"}, {"callbacks": evidence.tracers})
            with _keeping(evidence):
                tools["edit"].invoke({"prompt": "a hat", "image": tools["picture"].id})
            with _keeping(evidence):
                tools["spec"].generate_image("a cat")


def _refuse(evidence):
    wrong = ({"base_url": "http://aki.io/v1"}, {"default_headers": {"x": "a\nb"}}, {"protocol": "odd"})
    for fields in (*wrong, {"api_base": "https://aki.io/v1"}):
        for cls in CLASSES:
            with _keeping(evidence):
                cls(**{"model": MODEL, **fields})
        if fields in wrong:
            with _keeping(evidence):
                Client(**fields)


def _record(server, evidence):
    # At INFO vcrpy shows in its log what it has not scrubbed yet.
    logging.getLogger("vcr").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, httpx.Client() as mine:
        for protocol in PATHS:
            path = Path(folder) / f"{protocol}.yaml"
            for name, answer in (("answer", GOOD[protocol]), ("refusal", FAILURES["status 401"])):
                _answer(server, answer)
                with vcr.use_cassette(str(path), record_mode="all", **scrub.vcr_config()), suppress(AKIError):
                    Client(**at(server, protocol, http_client=mine)).chat(request_for(MODELS[protocol]))
                evidence.files[f"cassette of the {protocol} {name}"] = path.read_text(encoding="utf-8")


def as_json(value):
    return json.dumps(value, default=repr)
