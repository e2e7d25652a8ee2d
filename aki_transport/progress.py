"""A bar that shows how far a job is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aki_transport.errors import ConfigurationError
from aki_transport.messages import JobProgress


class ProgressBar:
    """Draws one bar for each job it is told of; in a terminal or in a notebook.

    Args:
        title: What stands before the bar.

    Raises:
        ConfigurationError: The package tqdm is not installed.

    Example:
        >>> client.generate_image("a lighthouse", on_progress=ProgressBar("lighthouse"))  # doctest: +SKIP
    """

    def __init__(self, title: str = "image") -> None:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415  only who wants bars needs it
        except ImportError:
            raise ConfigurationError("progress bars need the package tqdm: pip install tqdm") from None
        self._make = tqdm
        self._title = title
        self._bar: Any = None
        self._job = ""

    def __call__(self, progress: JobProgress) -> None:
        """Show this state."""
        if progress.job_id != self._job:
            self.close()
            self._job = progress.job_id
            self._bar = self._make(total=100, desc=self._title, unit="%")
        if self._bar is None:
            return
        waiting = progress.queue_position if progress.state == "queued" else None
        self._bar.set_postfix_str(
            progress.state if not waiting else f"{progress.state}, {waiting} before", refresh=False
        )
        self._bar.update(max((progress.percent or 0) - self._bar.n, 0))
        if progress.state == "done":
            self.close()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def together(*listeners: Callable[[JobProgress], None] | None) -> Callable[[JobProgress], None] | None:
    """One listener that tells all of them; None if there is none."""
    given = [listener for listener in listeners if listener is not None]
    if not given:
        return None

    def tell(progress: JobProgress) -> None:
        for listener in given:
            listener(progress)

    return tell
