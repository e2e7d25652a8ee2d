"""Progress of a tool as custom events of the LangGraph run that called it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from aki_transport.messages import JobProgress


def graph_writer(tool: str) -> Callable[[JobProgress], None] | None:
    """A listener that writes progress into the stream of the current run; None outside of a run."""
    if "langgraph" not in sys.modules:
        return None
    from langgraph.config import get_stream_writer  # noqa: PLC0415  langgraph is not a dependency

    try:
        write = get_stream_writer()
    except (RuntimeError, KeyError):  # no run, or a run of LangChain without LangGraph
        return None

    def write_progress(progress: JobProgress) -> None:
        write(
            {
                "type": "image_progress",
                "tool": tool,
                "job_id": progress.job_id,
                "state": progress.state,
                "percent": progress.percent,
                "queue_position": progress.queue_position,
            }
        )

    return write_progress
