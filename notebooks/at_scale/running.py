"""The pipeline on Ray Data: rows from Parquet, those without an answer to the actors, and a bar of what is done."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Formatter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from tqdm import tqdm

from .answer import Ask
from .answering import Answering
from .folder import Folder

_CPUS = 0.25  # of a task, and at most of an actor: both mostly wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done.

    Args:
        source: A Parquet file or a folder of them, as a path or a URI.
        target: The folder that is filled; all machines see it.
        id: The column that tells rows apart.
        prompt: The prompt, with columns in braces.
        actors: How many there are.
        at_once: Most calls that an actor has under way.
        batch: Rows of a batch, which is one file of answers, and what is lost at most when a worker dies.
        per_second: Most calls begun in a second by all actors together; None for no bound.
    """

    source: str
    target: Path
    id: str
    prompt: str
    actors: int
    at_once: int
    batch: int
    per_second: float | None

    @property
    def columns(self) -> list[str]:
        """What is read of the rows."""
        named = [name for _, name, _, _ in Formatter().parse(self.prompt) if name]
        return list(dict.fromkeys([self.id, *named]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the rows, with those of the runs before.

    Args:
        rows: In the source.
        before: Answered before this run.
        answered: Rows with an answer.
        failed: Rows with an error in its place.
        calls: Begun.
        repeated: Calls that came to nothing, as their worker died or the run was ended, so that they were made again.
    """

    rows: int
    before: int
    answered: int
    failed: int
    calls: int
    repeated: int


def run(job: Job, model: Any, ask: Ask) -> Counts:
    """Answer the rows that have no answer yet, and merge all answers into `answers.parquet`. Ray is running already."""
    logging.getLogger("ray.data").setLevel(logging.WARNING)  # its plans would come between the bar's lines
    folder = Folder(job.target, job.id, uuid.uuid4().hex)
    ids, answered = _ids(job), folder.answered()
    left = len(ids) if not len(answered) else pc.sum(pc.invert(pc.is_in(ids, value_set=answered))).as_py()
    if left:
        with tqdm(total=left, desc="rows", unit="row") as bar:
            for batch in _pipeline(job, model, ask, folder, answered).iter_batches(
                batch_size=None, batch_format="pyarrow"
            ):
                bar.update(len(batch))
    rows_answered, failed = folder.merge(job.target / "answers.parquet")
    calls = folder.calls()
    return Counts(
        rows=len(ids),
        before=len(ids) - left,
        answered=rows_answered,
        failed=failed,
        calls=calls,
        repeated=calls - folder.results(),
    )


def _ids(job: Job) -> pa.Array:
    source = pads.dataset(job.source, format="parquet")
    missing = sorted(set(job.columns) - set(source.schema.names))
    if missing:
        raise ValueError(f"{job.source}: no column {', '.join(missing)}; there are {', '.join(source.schema.names)}")
    ids = source.to_table(columns=[job.id])[job.id].combine_chunks()
    if ids.null_count or pc.count_distinct(ids).as_py() < len(ids):
        raise ValueError(f"{job.source}: {job.id} does not tell rows apart: some share one or have none")
    return ids


def _pipeline(job: Job, model: Any, ask: Ask, folder: Folder, answered: pa.Array) -> Dataset:
    DataContext.get_current().enable_progress_bars = False  # ours counts rows; Ray's count blocks
    rows = ray.data.read_parquet(job.source, columns=job.columns, num_cpus=_CPUS)
    if len(answered):
        left = partial(_unanswered, column=job.id, answered=answered)
        rows = rows.map_batches(left, batch_size=None, batch_format="pyarrow", num_cpus=_CPUS)
    # A batch is a block: an actor's task is one, so a dead actor loses no more.
    rows = rows.repartition(target_num_rows_per_block=job.batch, strict=True)
    return rows.map_batches(
        Answering,
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=job.actors),
        # Half of the CPUs is left to the tasks that feed the actors; with none left, all would wait for ever.
        num_cpus=min(_CPUS, ray.cluster_resources()["CPU"] / 2 / job.actors),
        fn_constructor_kwargs={
            "model": model,
            "ask": ask,
            "prompt": job.prompt,
            "folder": folder,
            "at_once": job.at_once,
            "per_second": None if job.per_second is None else job.per_second / job.actors,
        },
    )


def _unanswered(rows: pa.Table, *, column: str, answered: pa.Array) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows[column], value_set=answered)))
