"""AKI.IO's native interface."""

from __future__ import annotations

import base64
import json
from itertools import pairwise

from aki_transport.images.header import read_header
from aki_transport.live_check import probes
from aki_transport.live_check.questions import Finding, Probe, Question
from aki_transport.live_check.service import Service, ServiceAnswer

_WIRE = "aki_transport/wire/native.py"
_ANSWER = "aki_transport/wire/_native_decoder.py"
_JOB = "aki_transport/wire/_job.py"
_JOBS = "aki_transport/transport/polling.py"
_IMAGES = "aki_transport/wire/native_images.py"
_POLLS = 42


def _without_key(service: Service) -> Finding:
    answer = service.send("GET", "/endpoints", key=None)
    names = answer.at("endpoints")
    return Finding(isinstance(names, list) and bool(names), f"{len(names)} endpoints" if names else answer.summary)


def _endpoints(service: Service) -> Finding:
    names = service.send("GET", "/endpoints", key_in="query").at("endpoints") or []
    wanted = {"llama3_8b_chat", "apertus_chat", "gpt_oss_chat", "z_image_turbo", "qwen_image_edit"}
    missing = sorted(wanted.difference(map(str, names)))
    return Finding(not missing, f"{len(names)} endpoints" + (f", without {', '.join(missing)}" if missing else ""))


def _details(service: Service) -> Finding:
    answer = service.send("GET", "/endpoints/llama3_8b_chat", key_in="query")
    fields = list(answer.at("parameter_description", "input") or {})
    return Finding("chat_context" in fields, f"{len(fields)} parameters" if fields else answer.summary)


def _validates(service: Service) -> Finding:
    answer = service.send("GET", "/validate_key", key="wrong", key_in="query", params={"version": "1"})
    return Finding(answer.status == probes.OK and answer.at("success") is False, answer.summary)


def _wrong_key(service: Service) -> Finding:
    answer = service.call(key="wrong")
    return Finding(answer.status == 401, answer.summary)


def _starts(service: Service) -> Finding:
    job = service.call()
    service.poll_until_done(job)
    return Finding(bool(job.at("job_id")) and job.at("text") is None, f"fields {', '.join(job.json or {})}")


def _grows(service: Service) -> Finding:
    prompt = "Count from 1 to 150."
    job = service.call({"chat_context": json.dumps([{"role": "user", "content": prompt}]), "max_gen_tokens": 600})
    states = service.poll_until_done(job, pause=0.1)
    texts = list(filter(None, (state.at("progress", "progress_data", "text") for state in states)))
    grows = all(after.startswith(before) for before, after in pairwise(texts))
    how = "each the one before and more" if grows else "not each the one before and more"
    return Finding(grows and len(texts) > 1, f"{len(texts)} texts, {how}")


def _once(service: Service) -> Finding:
    job = service.call()
    first = service.poll_until_done(job)[-1]
    again = service.poll(job)
    detail = f"first {'with' if first.at('job_result') else 'without'}, then {again.status} "
    detail += "with a result" if again.at("job_result") else f"without: {again.at('job_state')}"
    return Finding(bool(first.at("job_result")) and not again.at("job_result"), detail)


def _result(service: Service) -> Finding:
    result = service.poll_until_done(service.call())[-1].at("job_result") or {}
    wanted = ("text", "num_generated_tokens", "current_context_length", "max_seq_len", "model_name", "prompt_length")
    missing = [name for name in wanted if name not in result]
    return Finding(not missing, f"without {', '.join(missing)}" if missing else "all fields")


def _cancels(service: Service) -> Finding:
    prompt = "Write a long story about the sea."
    job = service.call({"chat_context": json.dumps([{"role": "user", "content": prompt}]), "max_gen_tokens": 2000})
    answer = service.poll(job, cancel=True)
    after = service.poll_until_done(job)[-1]
    state = after.at("job_state") or after.status
    return Finding("canceled" in (answer.at("job_state"), state), f"{answer.at('job_state')!r}, afterwards {state!r}")


def _refuses(more: dict[str, object]) -> Probe:
    def probe(service: Service) -> Finding:
        answer = service.call(more)
        if answer.status == probes.OK:
            service.poll_until_done(answer)
        return Finding(answer.status == 400, answer.summary)

    return probe


def _raw(service: Service) -> Finding:
    job = service.call({"chat_context": None, "text_context": "The capital of France is", "max_gen_tokens": 12})
    text = service.poll_until_done(job)[-1].at("job_result", "text") if job.status == probes.OK else None
    return Finding(bool(text), repr(text)[:70] if text else job.summary)


def _output_format(service: Service) -> Finding:
    job = service.call({"chat_output_format": "json", "max_gen_tokens": 300}, endpoint="gpt_oss_chat")
    if job.status != probes.OK:
        return Finding(as_assumed=False, detail=job.summary)
    text = service.poll_until_done(job, endpoint="gpt_oss_chat")[-1].at("job_result", "text")
    return Finding(isinstance(text, dict), f"fields {', '.join(text)}" if isinstance(text, dict) else repr(text)[:70])


def _thinks(service: Service) -> Finding:
    job = service.call({"max_gen_tokens": 300}, endpoint="gpt_oss_chat")
    text = str(service.poll_until_done(job, endpoint="gpt_oss_chat")[-1].at("job_result", "text"))
    return Finding("<think>" in text, repr(text)[:70])


def _draws(service: Service) -> Finding:
    body = {"prompt": "a red lighthouse", "width": 250, "height": 250, "seed": 7, "wait_for_result": False}
    job = service.send("POST", "/call/z_image_turbo", json=body)
    result = service.poll_until_done(job, endpoint="z_image_turbo")[-1]
    size = _size(result)
    detail = (
        f"{size[0]}x{size[1]}, seed {result.at('job_result', 'seed')}" if size else f"{job.summary} … {result.summary}"
    )
    return Finding(size == (256, 256) and result.at("job_result", "seed") == 7, detail)


def _edits(service: Service) -> Finding:
    image = f"data:image/png;base64,{base64.b64encode(probes.red_png(256, 256)).decode()}"
    body = {"prompt": "make it blue", "image": image, "wait_for_result": False}
    job = service.send("POST", "/call/qwen_image_edit", json=body)
    size = _size(service.poll_until_done(job, endpoint="qwen_image_edit")[-1])
    return Finding(size is not None, f"a picture of {size[0]}x{size[1]}" if size else job.summary)


def _size(answer: ServiceAnswer) -> tuple[int, int] | None:
    images = answer.at("job_result", "images")
    url = images[0] if isinstance(images, list) and images else images
    if not isinstance(url, str) or "," not in url:
        return None
    header = read_header(base64.b64decode(url.partition(",")[2]))
    return None if header is None else (header.width, header.height)


def _row(about: str, assumed: str, probe: Probe, *code: str, calls: int = 1) -> Question:
    return Question(interface="aki/native", about=about, assumed=assumed, code=code, probe=probe, calls=calls)


QUESTIONS = (
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
    _row("wait_for_result false", "answers at once with a job_id", _starts, _JOB, calls=_POLLS),
    _row("text in progress", "is all so far, not what is new", _grows, _ANSWER, calls=_POLLS),
    _row("result", "is delivered once", _once, _JOB, _JOBS, calls=_POLLS),
    _row("fields of a result", "text and counts, with prompt_length", _result, _ANSWER, calls=_POLLS),
    _row("cancel", "is honoured", _cancels, _JOBS, calls=_POLLS),
    _row("stop", "is an unknown parameter and refused", _refuses({"stop": "7"}), _WIRE, calls=_POLLS),
    _row(
        "chat_context as a list",
        "is refused; it has to be text",
        _refuses({"chat_context": [{"role": "user", "content": "Hi"}]}),
        _WIRE,
        calls=_POLLS,
    ),
    _row("temperature 1.5", "is refused", _refuses({"temperature": 1.5}), _WIRE, calls=_POLLS),
    _row("text_context", "is gone on from", _raw, _WIRE, "langchain_aki/llms.py", calls=_POLLS),
    _row("chat_output_format json", "gives text as an object", _output_format, _ANSWER, calls=_POLLS),
    _row("thinking", "stands in <think> by default", _thinks, _ANSWER, calls=_POLLS),
    _row("pictures", "sides become multiples of 32; the seed is told", _draws, _IMAGES, calls=_POLLS),
    _row("changed pictures", "`image` as a data URL", _edits, _IMAGES, calls=_POLLS),
)
