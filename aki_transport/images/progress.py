"""Bars that show how far jobs are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aki_transport.errors import ConfigurationError
from aki_transport.messages import JobProgress


class ProgressBar:
    """Draws one bar for each job it is told of, in a terminal or in a notebook; jobs may run at the same time.

    The bar of a job that fails stays open until `close`, or until the end of a `with` block.

    Args:
        title: What stands before the bar.

    Raises:
        ConfigurationError: The package tqdm is not installed.

    Example:
        >>> from aki_transport.images.progress import ProgressBar
        >>> client = Client(protocol="native")
        >>> (drawn,) = client.generate_image("a lighthouse", size="256x256", on_progress=ProgressBar("lighthouse"))
    """

    def __init__(self, title: str = "image") -> None:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415  only who wants bars needs it
        except ImportError:
            raise ConfigurationError("progress bars need the package tqdm: pip install tqdm") from None
        self._make = tqdm
        self._title = title
        self._bars: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, progress: JobProgress) -> None:
        """Show this state."""
        with self._lock:
            bar = self._bars.get(progress.job_id)
            if bar is None:
                bar = self._bars[progress.job_id] = self._make(total=100, desc=self._title, unit="%")
            waiting = progress.queue_position if progress.state == "queued" else None
            bar.update(max((progress.percent or 0) - bar.n, 0))
            bar.set_postfix_str(progress.state if not waiting else f"{progress.state}, {waiting} before")
            if progress.state == "done":
                self._bars.pop(progress.job_id).close()

    def close(self) -> None:
        """Leave every bar as it is."""
        with self._lock:
            while self._bars:
                self._bars.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def together(*listeners: Callable[[JobProgress], None] | None) -> Callable[[JobProgress], None] | None:
    """One listener that tells all of them; None if there is none."""
    given = [listener for listener in listeners if listener is not None]
    if not given:
        return None

    def tell(progress: JobProgress) -> None:
        for listener in given:
            listener(progress)

    return tell
