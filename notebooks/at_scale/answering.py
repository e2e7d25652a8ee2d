"""The actor: one model, answering a batch of rows with so many calls under way at once. Knows nothing of Ray."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from aki_transport.errors import (
    AKIError,
    AuthenticationError,
    ConfigurationError,
    InsufficientCreditsError,
    ModelFallbackError,
    NotFoundError,
    PermissionDeniedError,
)

from .answer import Ask
from .folder import Calls, Folder

ENDS_THE_RUN = (
    AuthenticationError,
    ConfigurationError,
    InsufficientCreditsError,
    ModelFallbackError,
    NotFoundError,
    PermissionDeniedError,
)
"""What would befall every other row too."""


class Answering:
    """Answers batches of rows, and keeps the answers in a folder.

    Args:
        model: A `ChatAKI` or an `AKI`. Its key comes from the environment of the process in which this is.
        ask: How it is asked.
        prompt: The prompt, with the row's columns in braces.
        folder: Where answers go.
        at_once: Most calls under way.
        per_second: Most calls begun in a second; None for no bound.
    """

    def __init__(
        self, *, model: Any, ask: Ask, prompt: str, folder: Folder, at_once: int, per_second: float | None
    ) -> None:
        # One event loop for all batches: its connections stay open from one to the next.
        self._runner = asyncio.Runner()
        self._model = model
        self._ask = ask
        self._prompt = prompt
        self._folder = folder
        self._at_once = at_once
        self._pace = Pace(per_second)
        self._calls = Calls(folder)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The IDs of the rows, each with the class of its error or null."""
        rows, kind = batch.to_pylist(), batch.schema.field(self._folder.id).type
        table = self._folder.kept([row[self._folder.id] for row in rows])
        if table is None:
            done: list[dict[str, Any]] = []
            try:
                self._runner.run(self._answer(rows, done))
            except BaseExceptionGroup as group:
                if done:
                    self._folder.keep(done, kind)
                raise group.exceptions[0] from None
            table = self._folder.keep(done, kind)
        return table.select([self._folder.id, "error"])

    def close(self) -> None:
        """Close the connections."""
        self._runner.close()

    # Ray lets go of an actor's object before it ends the process.
    __del__ = close

    async def _answer(self, rows: list[dict[str, Any]], done: list[dict[str, Any]]) -> None:
        gate = asyncio.Semaphore(self._at_once)

        async def one(row: Mapping[str, Any]) -> None:
            async with gate:
                await self._pace.turn()
                done.append(await self._answered(row))

        async with asyncio.TaskGroup() as group:
            for row in rows:
                group.create_task(one(row))
        # In the order of the batch, so that the file is named as `kept` looks for it.
        place = {row[self._folder.id]: position for position, row in enumerate(rows)}
        done.sort(key=lambda row: place[row[self._folder.id]])

    async def _answered(self, row: Mapping[str, Any]) -> dict[str, Any]:
        prompt, start = self._prompt.format_map(row), time.perf_counter()
        self._calls.begin(row[self._folder.id])
        try:
            answer = await self._ask(self._model, prompt)
        except ENDS_THE_RUN:
            raise
        except AKIError as error:
            result = {"error": type(error).__name__, "error_words": str(error)}
        else:
            said = asdict(answer)
            result = {"answer": said.pop("text"), **said}
        seconds = time.perf_counter() - start
        return {self._folder.id: row[self._folder.id], **result, "seconds": seconds, "answered_at": datetime.now(UTC)}


class Pace:
    """Lets calls begin so many times a second, one after the other."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 0.0 if per_second is None else 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + self._gap
        await asyncio.sleep(at - now)
