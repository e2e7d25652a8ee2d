"""AKI.IO's native interface: calls that make jobs, polls, and what there is to call."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aki_transport.emulator import native_answer
from aki_transport.emulator.errors import Refusal, framework_error
from aki_transport.emulator.faces import Face, endpoint, json_object
from aki_transport.emulator.faults import Faults, split_model
from aki_transport.emulator.job import Job
from aki_transport.emulator.jobs import Jobs
from aki_transport.emulator.native_endpoints import ENDPOINTS, MAX_QUEUE, Endpoint
from aki_transport.emulator.native_errors import ERRORS, VERSION, Invalid
from aki_transport.emulator.native_parameters import COMMON, read
from aki_transport.emulator.native_sending import Lost, Waiting
from aki_transport.emulator.record import Seen

_BAD_KEY = "API key not valid"


def face(key: str, jobs: Jobs) -> Face:
    """The interface, for holders of this key."""
    native = _Native(key, jobs)
    return Face(
        "/api",
        [
            Route("/call/{endpoint}", endpoint(native.call, native.allowed, ERRORS), methods=["POST"]),
            Route("/progress/{endpoint}", endpoint(native.progress, native.allowed, ERRORS), methods=["GET", "POST"]),
            Route("/endpoints", endpoint(native.listing, _anybody, ERRORS)),
            Route("/endpoints/{endpoint}", endpoint(native.details, _anybody, ERRORS)),
            Route("/validate_key", endpoint(native.validate_key, _anybody, ERRORS)),
        ],
        ERRORS,
        title="AKI.IO, native",
        key=key,
        model=_last_of_path,
        forget=jobs.clear,
    )


def _last_of_path(seen: Seen) -> str:
    return seen.path.rpartition("/")[2]


def _endpoint(seen: Seen) -> Endpoint | None:
    return ENDPOINTS.get(split_model(_last_of_path(seen))[0])


def _given(seen: Seen) -> Mapping[str, Any]:
    return seen.query if seen.method == "GET" else json_object(seen)


def _anybody(_seen: Seen) -> bool:
    return True


def _no_such_path(seen: Seen) -> Response:
    return framework_error(404, f"Requested URL {seen.path} not found")


class _Native:
    def __init__(self, key: str, jobs: Jobs) -> None:
        self._key = key
        self._jobs = jobs

    def allowed(self, seen: Seen) -> bool:
        # The key is in the body; what has none because it is no JSON object is refused as that.
        return (seen.method == "POST" and not isinstance(seen.body, dict)) or _given(seen).get("key") == self._key

    def call(self, seen: Seen, faults: Faults) -> Response:
        body = json_object(seen)
        row = _endpoint(seen)
        if row is None:
            return _no_such_path(seen)
        if row.work is None:
            raise Refusal("Endpoint disabled!", status=400)
        if faults.queue_full:
            raise Refusal(f"Job queue reached max length {MAX_QUEUE}!", status=400)
        values, errors = read((*row.parameters, *COMMON), body)
        if errors:
            raise Invalid(errors)
        work = row.work(values, faults)
        if faults.job_fail:
            work = replace(work, result={"error": "The worker ran out of memory."})
        job = self._jobs.add(row.name, work, faults)
        if values["wait_for_result"]:
            return Waiting(self._jobs, job, lambda: self._whole(job))
        return JSONResponse({"success": True, "job_id": job.id, "ep_version": VERSION})

    def _whole(self, job: Job) -> Response:
        result = native_answer.result(job, self._jobs.deliver(job))
        return Lost(result) if job.faults.lose_result else JSONResponse(result)

    def progress(self, seen: Seen, _faults: Faults) -> Response:
        given = _given(seen)
        row = _endpoint(seen)
        if row is None:
            return _no_such_path(seen)
        job_id = given.get("job_id")
        if not job_id:
            raise Invalid(["No job_id given"], status=402)
        job = self._jobs.find(str(job_id), row.name)
        if job is None:
            raise Invalid([f"Client has no active request with this job id {job_id}"], status=402)
        lost = job.faults.lose_poll == job.polls + 1
        look = self._jobs.poll(job, cancel=given.get("cancel") in (True, "true"), deliver=not lost)
        body, status = native_answer.progress(job, look, self._key)
        lost = lost or (look.result is not None and bool(job.faults.lose_result))
        return Lost(body, status) if lost else JSONResponse(body, status)

    def listing(self, seen: Seen, _faults: Faults) -> Response:
        if self._is_bad(seen):
            return JSONResponse({"success": False, "error": _BAD_KEY})
        return JSONResponse({"success": True, "endpoints": list(ENDPOINTS)})

    def details(self, seen: Seen, _faults: Faults) -> Response:
        row = _endpoint(seen)
        if self._is_bad(seen):
            return JSONResponse({"success": False, "error": _BAD_KEY})
        return _no_such_path(seen) if row is None else JSONResponse(row.details())

    def validate_key(self, seen: Seen, _faults: Faults) -> Response:
        valid = seen.query.get("key") == self._key
        return JSONResponse({"success": valid, "valid": valid, "error": None if valid else _BAD_KEY})

    def _is_bad(self, seen: Seen) -> bool:
        # Without a key everybody's endpoints are listed.
        return seen.query.get("key") not in (None, self._key)
