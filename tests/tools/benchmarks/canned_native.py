"""Canned answers on AKI.IO's own wire: a job that is started, and what each look at it finds.

A job whose prompt asks for a blocking answer is done at the first look. One that asks for a stream of so many pieces
shows the text grow by a piece at each look, and is done at the one after the last piece: a client that waits until two
looks agree on a text gives out as many pieces as were asked for.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import count
from typing import Any

from tests.tools.benchmarks.asking import ANSWER, NATIVE_MODEL, wanted
from tests.tools.benchmarks.canned import Written, as_json

_VERSION = 3
_numbers = count(1)
_looks: dict[str, tuple[int, int]] = {}  # of each job: how many there were, and its pieces


def start(asked: bytes) -> Written:
    """A new job."""
    job_id = f"JID#{next(_numbers)}"
    _looks[job_id] = 0, wanted(asked.decode()).pieces
    return as_json({"success": True, "job_id": job_id, "ep_version": _VERSION})


def look(asked: bytes) -> Written:
    """How far the job is; its result, when it is done."""
    job_id = json.loads(asked)["job_id"]
    looks, pieces = _looks.pop(job_id)
    if looks >= pieces:
        return _state(job_id, "done", job_result=_result())
    _looks[job_id] = looks + 1, pieces
    return _state(job_id, "processing", progress=_progress(looks, pieces))


def _state(job_id: str, state: str, **more: Any) -> Written:
    return as_json({"success": True, "job_id": job_id, "ep_version": _VERSION, "job_state": state, **more})


@cache
def _result() -> dict[str, Any]:
    return {
        "success": True,
        "text": ANSWER,
        "model_name": NATIVE_MODEL,
        "num_generated_tokens": 200,
        "prompt_length": 21,
        "current_context_length": 221,
        "max_seq_len": 131072,
        "total_duration": 0.1,
        "compute_duration": 0.1,
    }


@cache
def _progress(looks: int, pieces: int) -> dict[str, Any]:
    text = ANSWER[: len(ANSWER) * (looks + 1) // (pieces + 1)]
    return {
        "progress": 100 * looks // (pieces + 1),
        "progress_data": {"text": text, "num_generated_tokens": 200 * looks // (pieces + 1)},
        "queue_position": 0,
        "estimate": 1,
        "num_workers_online": 4,
    }
