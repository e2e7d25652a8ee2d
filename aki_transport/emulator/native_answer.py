"""A job in the native interface's form: its result, and what a poll finds."""

from collections.abc import Mapping
from typing import Any

from aki_transport.emulator.job import WORKERS, Job
from aki_transport.emulator.jobs import Look
from aki_transport.emulator.native_endpoints import worker_name
from aki_transport.emulator.native_errors import VERSION


def result(job: Job, delivered: Mapping[str, Any]) -> dict[str, Any]:
    """A job's result; a worker's failure is a success with an `error`."""
    return {
        "success": True,
        "job_id": job.id,
        "ep_version": VERSION,
        **delivered,
        "total_duration": round(job.total, 3),
        "compute_duration": round(job.seconds, 3),
    }


def progress(job: Job, look: Look, key: str) -> tuple[dict[str, Any], int]:
    """What a poll with this key finds, and its HTTP status."""
    found: dict[str, Any] = {"success": True, "job_id": job.id, "ep_version": VERSION, "job_state": look.state}
    match look.state:
        case "done" if look.result is not None:
            return {**found, "job_result": result(job, look.result)}, 200
        case "done" | "canceled":
            return found, 200
        case "lapsed":
            lapsed = {
                "success": False,
                "error": f"Job {job.id} on {job.endpoint} lapsed!",
                "ep_version": VERSION,
                "job_state": look.state,
                "progress": _progress(job, look, key),
            }
            return lapsed, 400
        case _:
            return {**found, "progress": _progress(job, look, key)}, 200


def _progress(job: Job, look: Look, key: str) -> dict[str, Any]:
    state: dict[str, Any] = {}
    if look.report is not None:
        # The open server hands on what the worker sent, with the fields that are for the server alone.
        state = {
            "job_id": job.id,
            "auth": worker_name(0),
            "auth_key": key,
            "progress": look.report.progress,
            "progress_data": look.report.data,
        }
    return {
        "progress": 0,
        **state,
        "queue_position": look.position,
        "estimate": look.estimate,
        "num_workers_online": WORKERS,
    }
