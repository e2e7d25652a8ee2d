"""What a tool can tell the LangGraph run that it is part of."""

from __future__ import annotations

import sys
from collections.abc import Callable

from aki_transport.messages import JobProgress


def graph_writer(tool: str) -> Callable[[JobProgress], None] | None:
    """Writes progress as custom events of the run's stream; None outside of a run."""
    if "langgraph" not in sys.modules:
        return None
    from langgraph.config import get_stream_writer  # noqa: PLC0415  no dependency of this package

    try:
        write = get_stream_writer()
    except (RuntimeError, KeyError):  # no run at all, or one of LangChain alone
        return None

    def tell(progress: JobProgress) -> None:
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

    return tell
