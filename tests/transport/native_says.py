"""A service that plays jobs of the native API without a socket."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import httpx

from aki_transport import Client
from tests.transport.asking import KEY, answered_by

CHAT = "llama3-chat-8b"
ENDPOINT = "llama3_8b_chat"
JOB = "JID1#7"
STARTED = {"success": True, "job_id": JOB, "ep_version": 2}
COUNTS = {"num_generated_tokens": 3, "prompt_length": 5, "current_context_length": 8, "max_seq_len": 8192}

State: TypeAlias = Mapping[str, Any] | httpx.Response | Exception | Callable[[], Mapping[str, Any]]


def working(text: Any = None, *, state: Any = "processing", **progress: Any) -> dict[str, Any]:
    """A job on its way, with the fields of the open server that are not for us."""
    data = {} if text is None else {"progress_data": {"text": text, "num_generated_tokens": 1}}
    own = {"job_id": JOB, "auth": "worker#0", "auth_key": KEY, "progress": 10, "queue_position": 0}
    return {"success": True, "job_id": JOB, "job_state": state, "progress": {**own, **data, **progress}}


def result(text: Any = "Hello", **fields: Any) -> dict[str, Any]:
    said = {"text": text, "model_name": "Llama-3.1-8B", "total_duration": 1.5, "compute_duration": 1.0, **COUNTS}
    return {"success": True, "job_id": JOB, **said, "auth": "worker#0", "auth_key": KEY, **fields}


def done(text: Any = "Hello", **fields: Any) -> dict[str, Any]:
    return {"success": True, "job_id": JOB, "job_state": "done", "job_result": result(text, **fields)}


def refused(status: int, error: Any, **fields: Any) -> httpx.Response:
    return httpx.Response(status, json={"success": False, "error": error, "ep_version": 2, **fields})


class Worker:
    """Plays one job after the other.

    Args:
        *states: What each look finds, or a function that gives it; the last one is found again and again.
        start: What the calls that start a job are answered with, the last one again and again.
        cancel: What cancelling is answered with.
        endpoints: The names in the listing; None fails to list them.
    """

    def __init__(
        self,
        *states: State,
        start: tuple[State, ...] = (STARTED,),
        cancel: State = STARTED,
        endpoints: tuple[str, ...] | None = (ENDPOINT,),
    ) -> None:
        # The bodies of each kind of call, the requests for the listing, and all others.
        self.starts: list[dict[str, Any]] = []
        self.looks: list[dict[str, Any]] = []
        self.cancels: list[dict[str, Any]] = []
        self.listings: list[httpx.Request] = []
        self.requests: list[httpx.Request] = []
        self._states = deque(states)
        self._start = deque(start)
        self._cancel = cancel
        self._endpoints = endpoints

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            self.listings.append(request)
            if self._endpoints is None:
                return httpx.Response(500)
            return httpx.Response(200, json={"success": True, "endpoints": list(self._endpoints)})
        self.requests.append(request)
        body = json.loads(request.content)
        if "/call/" in request.url.path:
            self.starts.append(body)
            return _said(_next(self._start))
        if body.get("cancel"):
            self.cancels.append(body)
            return _said(self._cancel)
        self.looks.append(body)
        return _said(_next(self._states))

    @property
    def paths(self) -> list[str]:
        return [request.url.raw_path.decode() for request in self.requests]

    def client(self, **fields: Any) -> Client:
        return answered_by(self.answer, protocol="native", **fields)


def _next(states: deque[State]) -> State:
    return states.popleft() if len(states) > 1 else states[0]


def _said(state: State) -> httpx.Response:
    match state:
        case Exception():
            raise state
        case httpx.Response():
            # Made anew, for an answer is read once.
            return httpx.Response(state.status_code, headers=state.headers, content=state.content)
        case _:
            return httpx.Response(200, json=state() if callable(state) else state)
