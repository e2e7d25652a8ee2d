"""AKI.IO's native interface: calls that make jobs, polls, and what there is to call."""

import asyncio
import base64
import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from random import SystemRandom
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from aki_transport.emulator.answering import complete
from aki_transport.emulator.faults import Faults, send_half, split_model
from aki_transport.emulator.interfaces import Errors, Handler, Interface, framework_error, json_object, reading
from aki_transport.emulator.interfaces.images import ELSEWHERE, encoded
from aki_transport.emulator.interfaces.jobs import WORKERS, Job, Jobs, Work
from aki_transport.emulator.models import MODELS, Model
from aki_transport.emulator.pictures import draw, edit
from aki_transport.emulator.prompt import Completion, Prompt, Refusal, Turn, count, cut
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script

_VERSION = {"ep_version": 2}  # of an endpoint, in each of its answers
_BAD_KEY = "API key not valid"
_TOKENS_PER_SECOND = 100
_QUICKEST, _SLOWEST = 0.05, 0.15  # seconds; tests wait for them
_SECONDS_PER_STEP = 0.01
# The emulator's seconds after which the web framework ends a call that has no answer yet.
_LONGEST_CALL = 60.0
# The worker of a message whose image has to be fetched never comes back.
_STUCK = 86_400.0
_SHRUNK_FROM, _SHRUNK_TO = 0.5, 0.75
_GRID = 32
_Parameters = Mapping[str, Mapping[str, Any]]


def _write(refusal: Refusal, _request: RecordedRequest) -> dict[str, Any]:
    """The errors of a request, a sentence each."""
    error = refusal.message if refusal.kind == "text" else refusal.message.split("\n")
    return {"success": False, "error": error, **_VERSION}


_ERRORS = Errors(
    _write,
    {
        401: Refusal(_BAD_KEY, 401),
        # Not payment: the interface has no other text for this status.
        402: Refusal("Client not authorized for this endpoint!", 402),
    },
    by_framework=True,
)

# Every endpoint takes these.
_COMMON: _Parameters = {
    "key": {"type": "string"},
    "client_session_auth_key": {"type": "string"},
    "wait_for_result": {"type": "bool", "default": True},
}
_DRAW: _Parameters = {
    "prompt": {"type": "string", "required": True},
    "negative_prompt": {"type": "string", "default": ""},
    "width": {"type": "integer", "minimum": 128, "maximum": 2048},
    "height": {"type": "integer", "minimum": 128, "maximum": 2048},
    # -1 stands for any; the answer names the one that was taken.
    "seed": {"type": "integer", "minimum": -1, "default": -1},
    "steps": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
}
_EDIT: _Parameters = {**_DRAW, "image": {"type": "image", "required": True}}
_CHAT: _Parameters = {
    "prompt_input": {"type": "string"},
    "chat_context": {"type": "json"},
    "text_context": {"type": "string"},
    "chat_output_format": {"type": "selection", "default": "chatml", "supported": ["chatml", "raw", "json"]},
    "top_k": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 40},
    "top_p": {"type": "float", "minimum": 0, "maximum": 1, "default": 0.9},
    "temperature": {"type": "float", "minimum": 0, "maximum": 1, "default": 0.8},
    # No default: a limit that nobody asked for does not count against the window.
    "max_gen_tokens": {"type": "integer", "minimum": 1},
}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One endpoint: the model behind it, what it takes, and the job that a request makes there."""

    name: str
    label: str
    kind: str
    parameters: _Parameters
    make: Callable[[Mapping[str, Any], RecordedRequest, Script, Faults], Work]


def interface(key: str, jobs: Jobs, script: Script) -> Interface:
    """The interface, for holders of this key."""
    native = _Native(key, jobs, script)
    endpoints: dict[str, Handler] = {
        "POST /call/*": native.call,
        "GET /progress/*": native.progress,
        "POST /progress/*": native.progress,
        "GET /endpoints": native.listing,
        "GET /endpoints/*": native.details,
        "GET /validate_key": native.validate_key,
    }
    return Interface(
        "/api", endpoints, _ERRORS, native.allowed, "AKI.IO, native", key, model=_last_of_path, forget=jobs.clear
    )


def _last_of_path(request: RecordedRequest) -> str:
    return request.path.rpartition("/")[2]


def _endpoint(request: RecordedRequest) -> _Endpoint:
    endpoint = ENDPOINTS.get(split_model(_last_of_path(request))[0])
    if endpoint is None:
        raise HTTPException(404, f"Requested URL {request.path} not found")
    return endpoint


def _parameters(request: RecordedRequest) -> Mapping[str, Any]:
    return request.query if request.method == "GET" else json_object(request)


class _Native:
    def __init__(self, key: str, jobs: Jobs, script: Script) -> None:
        self._key = key
        self._jobs = jobs
        self._script = script

    def allowed(self, request: RecordedRequest) -> bool:
        # What there is to call is public, but for those whose key is wrong.
        is_public = not request.path.startswith(("/api/call/", "/api/progress/"))
        return is_public or _parameters(request).get("key") == self._key

    async def call(self, request: RecordedRequest, faults: Faults) -> Response:
        body, endpoint = json_object(request), _endpoint(request)
        if faults.queue_full:
            raise Refusal("Job queue reached max length 1000!", kind="text")
        with reading():
            values = _values({**endpoint.parameters, **_COMMON}, body)
        work = endpoint.make(values, request, self._script, faults)
        if faults.job_fail:
            work = replace(work, result={"error": "The worker ran out of memory."})
        job = self._jobs.add(endpoint.name, work, faults)
        if not values["wait_for_result"]:
            return JSONResponse({"success": True, "job_id": job.id, **_VERSION})
        # The answer comes when the job is done, unless that takes too long; the job goes on then.
        needed, longest = self._jobs.wait(job), _LONGEST_CALL / self._jobs.speed
        if needed is None or needed > longest:
            await asyncio.sleep(longest)
            return framework_error(503, "Response Timeout")
        await asyncio.sleep(needed)
        job.ended = "done"
        return (_Lost if faults.lose_result else JSONResponse)(_result(job))

    def progress(self, request: RecordedRequest, _faults: Faults) -> Response:
        parameters, endpoint = _parameters(request), _endpoint(request)
        job_id = parameters.get("job_id")
        job = self._jobs.find(str(job_id), endpoint.name)
        if job is None:
            unknown = f"Client has no active request with this job id {job_id}" if job_id else "No job_id given"
            raise Refusal(unknown, 402)
        is_lost = job.faults.lose_poll == job.polls + 1
        state, result = self._jobs.poll(job, cancel=parameters.get("cancel") in (True, "true"), deliver=not is_lost)
        body: dict[str, Any] = {"success": True, "job_id": job.id, **_VERSION, "job_state": state}
        if result is not None:
            is_lost = bool(job.faults.lose_result)
            body["job_result"] = _result(job)
        elif state not in ("done", "canceled"):
            body["progress"] = self._progress(job)
        if state == "lapsed":
            del body["job_id"]
            body |= {"success": False, "error": f"Job {job.id} on {job.endpoint} lapsed!"}
        return (_Lost if is_lost else JSONResponse)(body, 400 if state == "lapsed" else 200)

    def _progress(self, job: Job) -> dict[str, Any]:
        progress: dict[str, Any] = {"progress": 0}
        if report := job.work.report(job.part(job.asked)):
            # The open server hands on what the worker sent, with the fields that are for the server alone.
            progress = {"job_id": job.id, "auth": "emulator#0_1xLaptop", "auth_key": self._key}
            progress["progress"], progress["progress_data"] = report
        place = {"queue_position": job.ahead, "estimate": job.estimate()}
        return {**progress, **place, "num_workers_online": WORKERS}

    def listing(self, request: RecordedRequest, _faults: Faults) -> Response:
        return self._public(request, {"endpoints": list(ENDPOINTS)})

    def details(self, request: RecordedRequest, _faults: Faults) -> Response:
        endpoint = _endpoint(request)
        names = {"name": endpoint.name, "title": endpoint.label, "category": endpoint.kind, "version": 2}
        parameters = {"input": {**endpoint.parameters, **_COMMON}}
        return self._public(request, {**names, "num_workers": WORKERS, "parameter_description": parameters})

    def validate_key(self, request: RecordedRequest, _faults: Faults) -> Response:
        is_valid = request.query.get("key") == self._key
        return JSONResponse({"success": is_valid, "valid": is_valid, "error": None if is_valid else _BAD_KEY})

    def _public(self, request: RecordedRequest, body: Mapping[str, Any]) -> Response:
        is_bad = request.query.get("key") not in (None, self._key)
        return JSONResponse({"success": False, "error": _BAD_KEY} if is_bad else {"success": True, **body})


def _result(job: Job) -> dict[str, Any]:
    """A job's result; a worker's failure is a success with an `error`."""
    total = job.seconds + (job.began or job.created) - job.created
    durations = {"total_duration": round(total, 3), "compute_duration": round(job.seconds, 3)}
    return {"success": True, "job_id": job.id, **_VERSION, **job.work.result, **durations}


class _Lost(JSONResponse):
    """An answer of which half arrives."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send_half(send, bytes(self.body), scope["aki.transport"])


def _values(parameters: _Parameters, body: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each parameter, `None` where there is none; raises a refusal that names all mistakes."""
    values = {name: row.get("default") if body.get(name) is None else body[name] for name, row in parameters.items()}
    errors = [f"Invalid parameter: {name}" for name in body if name not in parameters]
    for name, row in parameters.items():
        value = values[name]
        if value is None and row.get("required"):
            errors.append(f"Missing required argument: {name}")
        for bound, how, is_beyond in (("maximum", "high. Max", operator.gt), ("minimum", "low. Min", operator.lt)):
            if value is not None and bound in row and is_beyond(value, row[bound]):
                limit = f"{how} supported value for {name} on this endpoint is {row[bound]}!"
                errors.append(f"Parameter {name} = {value} is too {limit}")
    if errors:
        raise Refusal("\n".join(errors))
    return values


def _chat(model: Model, values: Mapping[str, Any], request: RecordedRequest, script: Script, faults: Faults) -> Work:
    with reading():
        messages = _messages(values)
    # The interface has no parameter that steers how long a model thinks.
    prompt = Prompt(messages, effort="medium" if model.reasons else "none", max_tokens=values["max_gen_tokens"])
    completion = complete(prompt, model, request, script, faults)
    if completion.calls:
        raise Refusal("respond(): the native interface has no tools; script text or an object for it.")
    total, as_json = completion.completion_tokens, values["chat_output_format"] == "json"

    def so_far(generated: int) -> dict[str, Any]:
        text, context = _text(completion, generated, as_json=as_json), completion.prompt_tokens + generated
        return {"text": text, "num_generated_tokens": generated, "current_context_length": context}

    def report(part: float) -> tuple[int, dict[str, Any]] | None:
        generated = int(total * part)
        data = so_far(generated)
        if faults.no_text_in_progress:
            del data["text"]
        elif faults.shrink and _SHRUNK_FROM <= part < _SHRUNK_TO:
            data["text"] = _text(completion, generated // 3, as_json=as_json)
        return (generated, data) if generated else None

    result = {**so_far(total), "model_name": model.label, "max_seq_len": model.window}
    if not faults.no_prompt_length:
        result["prompt_length"] = completion.prompt_tokens
    if not all(image.startswith("data:") for turn in messages for image in turn.images):
        return Work(_STUCK, lambda _part: None, result)
    return Work(min(max(total / _TOKENS_PER_SECOND, _QUICKEST), _SLOWEST), report, result)


def _text(completion: Completion, generated: int, *, as_json: bool) -> str | dict[str, str]:
    """The text of the first tokens, behind what the model thinks."""
    is_all = generated == completion.completion_tokens
    thinking = completion.reasoning if is_all else cut(completion.reasoning, generated)
    left = generated - count(thinking)
    content = completion.text if is_all else cut(completion.text, left)
    if as_json:
        return {"thinking": thinking, "content": content}
    # Reasoning that the limit cuts is never closed.
    closed = left > 0 or (is_all and completion.finish == "stop")
    return f"<think>{thinking}" + (f"</think>\n\n{content}" if closed else "") if thinking else content


def _messages(values: Mapping[str, Any]) -> tuple[Turn, ...]:
    context = [] if values["text_context"] else json.loads(values["chat_context"] or "[]")
    text = values["text_context"] or values["prompt_input"]
    messages = (*map(_turn, context), *([Turn("user", text)] if text else []))
    if not messages:
        raise Refusal("Missing required argument: one of chat_context, text_context and prompt_input")
    return messages


def _turn(message: Mapping[str, Any]) -> Turn:
    if message["role"] not in ("system", "user", "assistant"):
        raise Refusal(f"chat_context: a role is system, user or assistant, not {message['role']!r}.")
    content = message["content"]
    parts = [{"text": content}] if isinstance(content, str) else content
    texts = [part["text"] for part in parts if "image" not in part]
    return Turn(message["role"], "\n".join(texts), tuple(part["image"] for part in parts if "image" in part))


def _picture(values: Mapping[str, Any], _request: RecordedRequest, _script: Script, faults: Faults) -> Work:
    """A picture that is drawn, or the one that is sent with a change; sides are rounded to a grid in silence."""
    steps, prompt = values["steps"], values["prompt"]
    width, height = (values[side] and max(round(values[side] / _GRID), 1) * _GRID for side in ("width", "height"))
    seed = values["seed"] if values["seed"] >= 0 else SystemRandom().randrange(2**31)
    with reading():
        if "image" in values:
            image = base64.b64decode(values["image"].partition(",")[2], validate=True)
            png = edit([image], prompt, (width, height) if width and height else None, seed)
        else:
            png = draw(prompt, width or 1024, height or 1024, seed)
    images = [ELSEWHERE if faults.image_url else f"data:image/PNG;base64,{encoded(png, faults)}"]
    result: dict[str, Any] = {"images": [] if faults.no_images else images, "seed": seed, "prompt": prompt}
    if faults.missing_b64:
        del result["images"]

    def report(part: float) -> tuple[int, dict[str, Any]] | None:
        done = int(part * steps)
        return (100 * done // steps, {}) if done else None

    return Work(steps * _SECONDS_PER_STEP, report, result)


def _chat_endpoint(model: Model) -> _Endpoint:
    limit = {"max_gen_tokens": {**_CHAT["max_gen_tokens"], "maximum": model.max_output}}
    return _Endpoint(model.endpoint, model.label, "chat", {**_CHAT, **limit}, partial(_chat, model))


ENDPOINTS = {
    **{model.endpoint: _chat_endpoint(model) for model in MODELS},
    "z_image_turbo": _Endpoint("z_image_turbo", "Z-Image-Turbo", "image", _DRAW, _picture),
    "qwen_image_edit": _Endpoint("qwen_image_edit", "Qwen-Image-Edit", "image", _EDIT, _picture),
}
