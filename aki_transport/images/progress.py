"""Progress bars for jobs."""

from __future__ import annotations

import threading
from typing import Any, Self

from aki_transport.errors import ConfigurationError
from aki_transport.messages import JobProgress

# Percent per second would tell nothing.
_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"


class ProgressBar:
    """A callback for `on_progress` that shows one bar per job, in a terminal or a notebook, from any thread.

    The bar of a job that fails stays open until `close`, or until the end of a `with` block.

    Args:
        title: The text before the bar.

    Raises:
        ConfigurationError: The package tqdm is not installed.

    Example:
        >>> from aki_transport.images.progress import ProgressBar
        >>> client = Client(protocol="native")
        >>> (drawn,) = client.generate_image("a lighthouse", size="256x256", on_progress=ProgressBar("lighthouse"))
    """

    def __init__(self, title: str = "image") -> None:
        try:
            from tqdm import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415  optional
        except ImportError:
            raise ConfigurationError("progress bars need the package tqdm: pip install tqdm") from None
        self._tqdm = tqdm
        self._title = title
        self._bars: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, progress: JobProgress) -> None:
        """Update the job's bar."""
        with self._lock:
            bar = self._bars.get(progress.job_id)
            if bar is None:
                bar = self._bars[progress.job_id] = self._tqdm(total=100, desc=self._title, bar_format=_FORMAT)
            waiting = progress.queue_position if progress.state == "queued" else None
            bar.update(max((progress.percent or 0) - bar.n, 0))
            bar.set_postfix_str(progress.state if not waiting else f"{progress.state}, {waiting} before")
            if progress.state == "done":
                self._bars.pop(progress.job_id).close()

    def close(self) -> None:
        """Close every bar in its present state."""
        with self._lock:
            while self._bars:
                self._bars.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
