"""AKI.IO's native interface: calls that make jobs, polls, and what there is to call."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from random import SystemRandom
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from aki_transport.emulator.answering import complete
from aki_transport.emulator.faults import Faults, abort, client_left, split_model
from aki_transport.emulator.interfaces import Errors, Interface, Refusal, framework_error, json_object, route
from aki_transport.emulator.interfaces.images import ELSEWHERE, encoded
from aki_transport.emulator.interfaces.jobs import WORKERS, Job, Jobs, Poll, Report, Work
from aki_transport.emulator.models import MODELS, Model
from aki_transport.emulator.pictures import NoPictureError, draw
from aki_transport.emulator.pictures.editing import edit
from aki_transport.emulator.prompt import Completion, Prompt, Turn, count, cut
from aki_transport.emulator.records import RecordedRequest
from aki_transport.emulator.respond import Script, Unanswerable

_VERSION = {"ep_version": 2}  # of an endpoint, in each of its answers
_BAD_KEY = "API key not valid"
_MAX_QUEUE = 1000
_DEFAULT_OUTPUT = 8192
_TOKENS_PER_SECOND = 100
_QUICKEST, _SLOWEST = 0.05, 0.15  # seconds; tests wait for them
_SECONDS_PER_STEP = 0.01
# The emulator's seconds after which the web framework ends a call that has no answer yet.
_LONGEST_CALL = 60.0
# The worker of a message whose image has to be fetched never comes back.
_STUCK = 86_400.0
_SHRUNK_FROM, _SHRUNK_TO = 0.5, 0.75
_GRID = 32
_SHOWN = 40
_PYTHON = {"string": str, "integer": int, "float": float, "bool": bool, "json": str, "image": str, "selection": str}

_Parameters = Mapping[str, Mapping[str, Any]]
_Make = Callable[[Mapping[str, Any], RecordedRequest, Script, Faults], Work]


def _invalid(*errors: str, status: int = 400) -> Refusal:
    """A refusal that names each mistake in a sentence, written as a list."""
    return Refusal("\n".join(errors), status, kind="list")


def _refuse(refusal: Refusal, _request: RecordedRequest) -> Response:
    error = refusal.message.split("\n") if refusal.kind == "list" else refusal.message
    return JSONResponse({"success": False, "error": error, **_VERSION}, refusal.status or 400)


# 402 is not payment: the interface has no other text for this status.
_NOT_ALLOWED = _invalid("Client not authorized for this endpoint!", status=402)
_ERRORS = Errors(_refuse, framework_error, {401: _invalid(_BAD_KEY, status=401), 402: _NOT_ALLOWED})

# Every endpoint takes these.
_COMMON: _Parameters = {
    "key": {"type": "string"},
    "client_session_auth_key": {"type": "string"},
    "wait_for_result": {"type": "bool", "default": True},
}
_DRAW: _Parameters = {
    "prompt": {"type": "string", "required": True},
    "negative_prompt": {"type": "string"},
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
    make: _Make

    def details(self) -> dict[str, Any]:
        names = {"name": self.name, "title": self.label, "category": self.kind, "version": 2}
        workers = [{"name": _worker(number), "state": "waiting"} for number in range(WORKERS)]
        queue = {"max_queue_length": _MAX_QUEUE, "num_workers": WORKERS, "workers": workers}
        return {"success": True, **names, **queue, "parameter_description": {"input": {**self.parameters, **_COMMON}}}


def _worker(number: int) -> str:
    return f"emulator#{number}_1xLaptop"


def interface(key: str, jobs: Jobs, script: Script) -> Interface:
    """The interface, for holders of this key."""
    native = _Native(key, jobs, script)
    routes = [
        route("/call/{endpoint}", native.call, native.allowed, _ERRORS, ["POST"]),
        route("/progress/{endpoint}", native.progress, native.allowed, _ERRORS, ["GET", "POST"]),
        route("/endpoints", native.listing, _anybody, _ERRORS),
        route("/endpoints/{endpoint}", native.details, _anybody, _ERRORS),
        route("/validate_key", native.validate_key, _anybody, _ERRORS),
    ]
    return Interface("/api", routes, _ERRORS, "AKI.IO, native", key, model=_last_of_path, forget=jobs.clear)


def _last_of_path(request: RecordedRequest) -> str:
    return request.path.rpartition("/")[2]


def _endpoint(request: RecordedRequest) -> _Endpoint:
    endpoint = ENDPOINTS.get(split_model(_last_of_path(request))[0])
    if endpoint is None:
        raise HTTPException(404)
    return endpoint


def _anybody(_request: RecordedRequest) -> bool:
    return True


class _Native:
    def __init__(self, key: str, jobs: Jobs, script: Script) -> None:
        self._key = key
        self._jobs = jobs
        self._script = script

    def allowed(self, request: RecordedRequest) -> bool:
        # The key is in the body; what has none because it is no JSON object is refused as that.
        is_malformed = request.method == "POST" and not isinstance(request.body, dict)
        return is_malformed or self._parameters(request).get("key") == self._key

    def _parameters(self, request: RecordedRequest) -> Mapping[str, Any]:
        return request.query if request.method == "GET" else json_object(request)

    def call(self, request: RecordedRequest, faults: Faults) -> Response:
        body, endpoint = json_object(request), _endpoint(request)
        if faults.queue_full:
            raise Refusal(f"Job queue reached max length {_MAX_QUEUE}!")
        values = _values({**endpoint.parameters, **_COMMON}, body)
        work = endpoint.make(values, request, self._script, faults)
        if faults.job_fail:
            work = replace(work, result={"error": "The worker ran out of memory."})
        job = self._jobs.add(endpoint.name, work, faults)
        if values["wait_for_result"]:
            return _Waiting(self._jobs, job)
        return JSONResponse({"success": True, "job_id": job.id, **_VERSION})

    def progress(self, request: RecordedRequest, _faults: Faults) -> Response:
        parameters, endpoint = self._parameters(request), _endpoint(request)
        job_id = parameters.get("job_id")
        job = self._jobs.find(str(job_id), endpoint.name)
        if job is None:
            unknown = f"Client has no active request with this job id {job_id}" if job_id else "No job_id given"
            raise _invalid(unknown, status=402)
        lost = job.faults.lose_poll == job.polls + 1
        poll = self._jobs.poll(job, cancel=parameters.get("cancel") in (True, "true"), deliver=not lost)
        body: dict[str, Any] = {"success": True, "job_id": job.id, **_VERSION, "job_state": poll.state}
        if poll.result is not None:
            lost = bool(job.faults.lose_result)
            body["job_result"] = _result(job, poll.result)
        elif poll.state not in ("done", "canceled"):
            body["progress"] = self._progress(job, poll)
        if poll.state == "lapsed":
            del body["job_id"]
            body |= {"success": False, "error": f"Job {job.id} on {job.endpoint} lapsed!"}
        return (_Lost if lost else JSONResponse)(body, 400 if poll.state == "lapsed" else 200)

    def _progress(self, job: Job, poll: Poll) -> dict[str, Any]:
        state: dict[str, Any] = {"progress": 0}
        if poll.report is not None:
            # The open server hands on what the worker sent, with the fields that are for the server alone.
            state = {"job_id": job.id, "auth": _worker(0), "auth_key": self._key}
            state["progress"], state["progress_data"] = poll.report
        place = {"queue_position": poll.position, "estimate": poll.estimate}
        return {**state, **place, "num_workers_online": WORKERS}

    def listing(self, request: RecordedRequest, _faults: Faults) -> Response:
        return self._unless_bad_key(request, {"success": True, "endpoints": list(ENDPOINTS)})

    def details(self, request: RecordedRequest, _faults: Faults) -> Response:
        return self._unless_bad_key(request, _endpoint(request).details())

    def _unless_bad_key(self, request: RecordedRequest, body: dict[str, Any]) -> Response:
        # Without a key everybody's endpoints are listed.
        is_bad = request.query.get("key") not in (None, self._key)
        return JSONResponse({"success": False, "error": _BAD_KEY} if is_bad else body)

    def validate_key(self, request: RecordedRequest, _faults: Faults) -> Response:
        valid = request.query.get("key") == self._key
        return JSONResponse({"success": valid, "valid": valid, "error": None if valid else _BAD_KEY})


def _result(job: Job, delivered: Mapping[str, Any]) -> dict[str, Any]:
    """A job's result; a worker's failure is a success with an `error`."""
    durations = {"total_duration": round(job.total, 3), "compute_duration": round(job.seconds, 3)}
    return {"success": True, "job_id": job.id, **_VERSION, **delivered, **durations}


class _Lost(JSONResponse):
    """An answer of which half arrives."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await abort(scope["aki.transport"])


class _Waiting(Response):
    """The answer to a blocking call: comes when the job is done, unless that takes too long; the job goes on then."""

    def __init__(self, jobs: Jobs, job: Job) -> None:
        super().__init__()
        self._jobs = jobs
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        needed = self._jobs.wait(self._job)
        longest = _LONGEST_CALL / self._jobs.speed
        late = needed is None or needed > longest
        if await client_left(receive, longest if late else needed):
            return
        answer = framework_error(503, "Response Timeout")
        if not late:
            lost = bool(self._job.faults.lose_result)
            answer = (_Lost if lost else JSONResponse)(_result(self._job, self._jobs.deliver(self._job)))
        await answer(scope, receive, send)


def _values(parameters: _Parameters, body: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each parameter, `None` where there is none; raises a refusal that names all mistakes."""
    errors = [f"Invalid parameter: {name}" for name in body if name not in parameters]
    values: dict[str, Any] = {}
    for name, row in parameters.items():
        try:
            values[name] = _value(name, row, body.get(name))
        except ValueError as error:
            errors.append(str(error))
    if errors:
        raise _invalid(*errors)
    return values


def _value(name: str, row: Mapping[str, Any], value: Any) -> Any:
    if value is None:
        if row.get("required"):
            raise ValueError(f"Missing required argument: {name}")
        return row.get("default")
    kind = _PYTHON[row["type"]]
    if kind in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        value = kind(value)
    elif not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        sent = str(value)[:_SHOWN]
        raise ValueError(f"Invalid argument type {name}={sent}. Expected: {kind} but got {type(value)}!")
    if value not in row.get("supported", (value,)):
        raise ValueError(f"Parameter {name} = {value} not in supported values {row['supported']}!")
    for bound, is_beyond, how in (("maximum", float.__gt__, "high. Max"), ("minimum", float.__lt__, "low. Min")):
        if bound in row and is_beyond(float(value), float(row[bound])):
            limit = f"{how} supported value for {name} on this endpoint is {row[bound]}!"
            raise ValueError(f"Parameter {name} = {value} is too {limit}")
    try:
        return json.loads(value) if row["type"] == "json" and value else value
    except ValueError:
        raise ValueError(f"Input parameter {name}={value[:_SHOWN]} has invalid json format!") from None


def _chat(model: Model, values: Mapping[str, Any], request: RecordedRequest, script: Script, faults: Faults) -> Work:
    turns = _turns(values)
    images = [image for turn in turns for image in turn.images]
    if images and not model.sees:
        raise _invalid(f"The model {model.id} has no image input; send text only.")
    # The interface has no parameter that steers how long a model thinks.
    prompt = Prompt(turns, effort="medium" if model.reasons else "none", max_tokens=values["max_gen_tokens"])
    used, wanted = prompt.tokens(), prompt.max_tokens or 0
    if used + wanted > model.window:
        raise _invalid(
            f"The context of {used} tokens and max_gen_tokens of {wanted} make {used + wanted} tokens, which exceeds "
            f"the maximum context length of {model.window} tokens. Shorten the context or lower max_gen_tokens."
        )
    completion = complete(prompt, prompt.max_tokens or _DEFAULT_OUTPUT, request, script, faults)
    if completion.calls:
        raise Unanswerable("respond(): the native interface has no tools; script text or an object for it.")
    total, as_json = completion.completion_tokens, values["chat_output_format"] == "json"

    def so_far(generated: int) -> dict[str, Any]:
        text = _text(completion, generated, as_json=as_json)
        context = completion.prompt_tokens + generated
        return {"text": text, "num_generated_tokens": generated, "current_context_length": context}

    def report(part: float) -> Report | None:
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
    if not all(image.startswith("data:") for image in images):
        return Work(_STUCK, lambda _part: None, result)
    return Work(min(max(total / _TOKENS_PER_SECOND, _QUICKEST), _SLOWEST), report, result)


def _text(completion: Completion, generated: int, *, as_json: bool) -> str | dict[str, str]:
    """The text of the first tokens."""
    is_all = generated == completion.completion_tokens
    thinking = completion.reasoning if is_all else cut(completion.reasoning, generated)
    left = generated - count(thinking)
    content = completion.text if is_all else cut(completion.text, left)
    if as_json:
        return {"thinking": thinking, "content": content}
    # Reasoning that the limit cuts is never closed.
    closed = left > 0 or (is_all and completion.finish == "stop")
    return f"<think>{thinking}" + (f"</think>\n\n{content}" if closed else "") if thinking else content


def _turns(values: Mapping[str, Any]) -> tuple[Turn, ...]:
    context = values["chat_context"] or []
    if not isinstance(context, list):
        raise _invalid(f"chat_context is a list of messages, not {type(context).__name__}.")
    texts = [values["text_context"]] if values["text_context"] else [values["prompt_input"]]
    turns = [
        *map(_turn, context if not values["text_context"] else ()),
        *(Turn("user", text) for text in texts if text),
    ]
    if not turns:
        raise _invalid("Missing required argument: one of chat_context, text_context and prompt_input")
    return tuple(turns)


def _turn(message: Any) -> Turn:
    match message:
        case {"role": "system" | "user" | "assistant" as role, "content": str(text)}:
            return Turn(role, text)
        case {"role": "system" | "user" | "assistant" as role, "content": [*parts]}:
            texts = [part["text"] for part in parts if part.get("type") == "text"]
            images = [part["image"] for part in parts if "image" in part]
            if len(texts) + len(images) == len(parts):
                return Turn(role, "\n".join(texts), tuple(images))
    raise _invalid(
        "chat_context: a message has a role (system, user or assistant) and content, a string or a list of parts: "
        '{"type": "text", "text": …} or {"image": "data:…"}.'
    )


def _drawn(values: Mapping[str, Any], _request: RecordedRequest, _script: Script, faults: Faults) -> Work:
    width, height = (_on_grid(values[side] or 1024) for side in ("width", "height"))
    negative = values["negative_prompt"] or ""
    return _picture(values, faults, lambda seed: draw(values["prompt"], width, height, seed, negative=negative))


def _edited(values: Mapping[str, Any], _request: RecordedRequest, _script: Script, faults: Faults) -> Work:
    head, _, data = values["image"].partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        raise _invalid("Parameter image has to be a data URL, such as data:image/png;base64,...")
    width, height = (values[side] and _on_grid(values[side]) for side in ("width", "height"))
    try:
        picture = base64.b64decode(data, validate=True)
        return _picture(values, faults, lambda seed: edit([picture], values["prompt"], width, height, seed))
    except (binascii.Error, NoPictureError) as error:
        raise _invalid(f"Invalid image: {error}") from None


def _picture(values: Mapping[str, Any], faults: Faults, make: Callable[[int], bytes]) -> Work:
    steps: int = values["steps"]
    seed = values["seed"] if values["seed"] >= 0 else SystemRandom().randrange(2**31)
    images = [ELSEWHERE if faults.image_url else f"data:image/PNG;base64,{encoded(make(seed), faults)}"]
    result: dict[str, Any] = {"images": [] if faults.no_images else images, "seed": seed, "prompt": values["prompt"]}
    if faults.missing_b64:
        del result["images"]

    def report(part: float) -> Report | None:
        done = int(part * steps)
        return (100 * done // steps, {}) if done else None

    return Work(steps * _SECONDS_PER_STEP, report, result)


def _on_grid(side: int) -> int:
    return max(round(side / _GRID), 1) * _GRID


def _chat_endpoint(model: Model) -> _Endpoint:
    limit = {"max_gen_tokens": {**_CHAT["max_gen_tokens"], "maximum": model.max_output}}
    return _Endpoint(model.endpoint, model.label, "chat", {**_CHAT, **limit}, partial(_chat, model))


ENDPOINTS = {
    **{model.endpoint: _chat_endpoint(model) for model in MODELS},
    "z_image_turbo": _Endpoint("z_image_turbo", "Z-Image-Turbo", "image", _DRAW, _drawn),
    "qwen_image_edit": _Endpoint("qwen_image_edit", "Qwen-Image-Edit", "image", _EDIT, _edited),
}
