"""AKI.IO's native interface."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from itertools import pairwise

from PIL import Image

from tests.pictures import a_png
from tests.tools.live import probes
from tests.tools.live.rows import Row, Seen
from tests.tools.live.service import Said, Service

_WIRE = "aki_transport/wire/native.py"
_ANSWER = "aki_transport/wire/_native_decoder.py"
_JOB = "aki_transport/wire/_job.py"
_JOBS = "aki_transport/transport/polling.py"
_PICTURES = "aki_transport/wire/native_images.py"
_LOOKS = 42


def _without_key(service: Service) -> Seen:
    said = service.ask("GET", "/endpoints", key=None)
    names = said.at("endpoints")
    return Seen(isinstance(names, list) and bool(names), f"{len(names)} endpoints" if names else said.words)


def _endpoints(service: Service) -> Seen:
    names = service.ask("GET", "/endpoints", key_in="query").at("endpoints") or []
    wanted = {"llama3_8b_chat", "apertus_chat", "gpt_oss_chat", "z_image_turbo", "qwen_image_edit"}
    missing = sorted(wanted.difference(map(str, names)))
    return Seen(not missing, f"{len(names)} endpoints" + (f", without {', '.join(missing)}" if missing else ""))


def _details(service: Service) -> Seen:
    said = service.ask("GET", "/endpoints/llama3_8b_chat", key_in="query")
    fields = list(said.at("parameter_description", "input") or {})
    return Seen("chat_context" in fields, f"{len(fields)} parameters" if fields else said.words)


def _validates(service: Service) -> Seen:
    said = service.ask("GET", "/validate_key", key="wrong", key_in="query", params={"version": "1"})
    return Seen(said.status == probes.OK and said.at("success") is False, said.words)


def _wrong_key(service: Service) -> Seen:
    said = service.call(key="wrong")
    return Seen(said.status == 401, said.words)


def _starts(service: Service) -> Seen:
    job = service.call()
    service.looks(job)
    return Seen(bool(job.at("job_id")) and job.at("text") is None, f"fields {', '.join(job.json or {})}")


def _grows(service: Service) -> Seen:
    words = "Count from 1 to 150."
    job = service.call({"chat_context": json.dumps([{"role": "user", "content": words}]), "max_gen_tokens": 600})
    found = [look.at("progress", "progress_data", "text") for look in service.looks(job, pause=0.1)]
    texts = [text for text in found if text]
    grows = all(later.startswith(earlier) for earlier, later in pairwise(texts))
    how = "each the one before and more" if grows else "not each the one before and more"
    return Seen(grows and len(texts) > 1, f"{len(texts)} texts, {how}")


def _once(service: Service) -> Seen:
    job = service.call()
    first = service.looks(job)[-1]
    again = service.look(job)
    words = f"first {'with' if first.at('job_result') else 'without'}, then {again.status} "
    words += "with a result" if again.at("job_result") else f"without: {again.at('job_state')}"
    return Seen(bool(first.at("job_result")) and not again.at("job_result"), words)


def _result(service: Service) -> Seen:
    result = service.looks(service.call())[-1].at("job_result") or {}
    wanted = ("text", "num_generated_tokens", "current_context_length", "max_seq_len", "model_name", "prompt_length")
    missing = [name for name in wanted if name not in result]
    return Seen(not missing, f"without {', '.join(missing)}" if missing else "all fields")


def _cancels(service: Service) -> Seen:
    words = "Write a long story about the sea."
    job = service.call({"chat_context": json.dumps([{"role": "user", "content": words}]), "max_gen_tokens": 2000})
    said = service.look(job, cancel=True)
    after = service.looks(job)[-1]
    state = after.at("job_state") or after.status
    return Seen("canceled" in (said.at("job_state"), state), f"{said.at('job_state')!r}, afterwards {state!r}")


def _refuses(more: dict[str, object]) -> object:
    def ask(service: Service) -> Seen:
        said = service.call(more)
        if said.status == probes.OK:
            service.looks(said)
        return Seen(said.status == 400, said.words)

    return ask


def _raw(service: Service) -> Seen:
    job = service.call({"chat_context": None, "text_context": "The capital of France is", "max_gen_tokens": 12})
    text = service.looks(job)[-1].at("job_result", "text") if job.status == probes.OK else None
    return Seen(bool(text), repr(text)[:70] if text else job.words)


def _output_format(service: Service) -> Seen:
    job = service.call({"chat_output_format": "json", "max_gen_tokens": 300}, endpoint="gpt_oss_chat")
    if job.status != probes.OK:
        return Seen(as_assumed=False, words=job.words)
    text = service.looks(job, endpoint="gpt_oss_chat")[-1].at("job_result", "text")
    return Seen(isinstance(text, dict), f"fields {', '.join(text)}" if isinstance(text, dict) else repr(text)[:70])


def _thinks(service: Service) -> Seen:
    job = service.call({"max_gen_tokens": 300}, endpoint="gpt_oss_chat")
    text = str(service.looks(job, endpoint="gpt_oss_chat")[-1].at("job_result", "text"))
    return Seen("<think>" in text, repr(text)[:70])


def _draws(service: Service) -> Seen:
    body = {"prompt": "a red lighthouse", "width": 250, "height": 250, "seed": 7, "wait_for_result": False}
    job = service.ask("POST", "/call/z_image_turbo", json=body)
    result = service.looks(job, endpoint="z_image_turbo")[-1]
    size = _size(result)
    words = f"{size[0]}x{size[1]}, seed {result.at('job_result', 'seed')}" if size else f"{job.words} … {result.words}"
    return Seen(size == (256, 256) and result.at("job_result", "seed") == 7, words)


def _edits(service: Service) -> Seen:
    image = f"data:image/png;base64,{base64.b64encode(a_png(256, 256)).decode()}"
    body = {"prompt": "make it blue", "image": image, "wait_for_result": False}
    job = service.ask("POST", "/call/qwen_image_edit", json=body)
    size = _size(service.looks(job, endpoint="qwen_image_edit")[-1])
    return Seen(size is not None, f"a picture of {size[0]}x{size[1]}" if size else job.words)


def _size(said: Said) -> tuple[int, int] | None:
    images = said.at("job_result", "images")
    url = images[0] if isinstance(images, list) and images else images
    if not isinstance(url, str) or "," not in url:
        return None
    with Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return image.size


def _row(about: str, assumed: str, ask: object, *code: str, calls: int = 1) -> Row:
    return Row(place="aki/native", about=about, assumed=assumed, code=code, ask=ask, calls=calls)


ROWS = (
    _row("endpoints without a key", "are listed", _without_key, _WIRE),
    _row(
        "endpoints",
        "the five that we name are there",
        _endpoints,
        "aki_transport/models/catalog.py",
        "aki_transport/models/models.toml",
    ),
    _row("an endpoint's parameters", "are described", _details, _WIRE),
    _row("validate_key", "a wrong key is a 200 without success", _validates, "aki_transport/error_parsing.py"),
    _row("wrong key", "is a 401", _wrong_key, "aki_transport/error_parsing.py"),
    _row("wait_for_result false", "answers at once with a job_id", _starts, _JOB, calls=_LOOKS),
    _row("text in progress", "is all so far, not what is new", _grows, _ANSWER, calls=_LOOKS),
    _row("result", "is delivered once", _once, _JOB, _JOBS, calls=_LOOKS),
    _row("fields of a result", "text and counts, with prompt_length", _result, _ANSWER, calls=_LOOKS),
    _row("cancel", "is honoured", _cancels, _JOBS, calls=_LOOKS),
    _row("stop", "is an unknown parameter and refused", _refuses({"stop": "7"}), _WIRE, calls=_LOOKS),
    _row(
        "chat_context as a list",
        "is refused; it has to be text",
        _refuses({"chat_context": [{"role": "user", "content": "Hi"}]}),
        _WIRE,
        calls=_LOOKS,
    ),
    _row("temperature 1.5", "is refused", _refuses({"temperature": 1.5}), _WIRE, calls=_LOOKS),
    _row("text_context", "is gone on from", _raw, _WIRE, "langchain_aki/llms.py", calls=_LOOKS),
    _row("chat_output_format json", "gives text as an object", _output_format, _ANSWER, calls=_LOOKS),
    _row("thinking", "stands in <think> by default", _thinks, _ANSWER, calls=_LOOKS),
    _row("pictures", "sides become multiples of 32; the seed is told", _draws, _PICTURES, calls=_LOOKS),
    _row("changed pictures", "`image` as a data URL", _edits, _PICTURES, calls=_LOOKS),
)
