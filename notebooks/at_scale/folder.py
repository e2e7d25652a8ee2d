"""The folder that a run fills: small files of answers as they come, and a line for each call that was begun.

`answers/*.parquet` are written by the workers, each whole or not at all; `calls/*.txt` too, a line before each call.
Both outlive the death of a worker and of the whole run, so that the next one goes on where they end.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_COLUMNS = (
    ("answer", pa.string()),
    ("model", pa.string()),
    ("input_tokens", pa.int64()),
    ("output_tokens", pa.int64()),
    ("error", pa.string()),
    ("error_words", pa.string()),
    ("seconds", pa.float64()),
    ("answered_at", pa.timestamp("us", tz="UTC")),
)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where answers are kept; every machine sees it under the same path.

    Args:
        path: The folder; made where it is not there.
        id: The column that tells rows apart.
        run: Whose batches are written; another run asks again what failed in this one.
    """

    path: Path
    id: str
    run: str = ""

    def kept(self, ids: Sequence[Any]) -> pa.Table | None:
        """The answers to exactly these rows, if this run kept them together."""
        path = self._path_of(ids)
        return pq.read_table(path) if path.exists() else None

    def keep(self, rows: Sequence[Mapping[str, Any]], kind: pa.DataType) -> pa.Table:
        """Write answers, or failures in their place, as one file.

        Args:
            rows: By column; what is left out is null.
            kind: The type of the rows' IDs.
        """
        table = pa.Table.from_pylist([dict(row) for row in rows], pa.schema([(self.id, kind), *_COLUMNS]))
        path = self._path_of([row[self.id] for row in rows])
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        pq.write_table(table, unfinished)
        unfinished.replace(path)
        return table

    def _path_of(self, ids: Sequence[Any]) -> Path:
        # Named after its rows: whoever answers the same batch again replaces the file, and adds none.
        digest = hashlib.sha256(json.dumps([self.run, *ids], default=str).encode()).hexdigest()
        return self.path / "answers" / f"{digest[:32]}.parquet"

    def answered(self) -> pa.Array:
        """The IDs of the rows that have an answer; a failure is none."""
        tables = (pq.read_table(file, columns=[self.id, "error"]) for file in self._files())
        found = [table.filter(pc.is_null(table["error"]))[self.id] for table in tables]
        return pa.concat_arrays([chunk for column in found for chunk in column.chunks]) if found else pa.array([])

    def merge(self, path: Path) -> tuple[int, int]:
        """One file with one row per ID, and how many of them are answers and how many failures.

        Where a row was asked more than once, an answer wins over a failure, and the newest over older ones. Only IDs
        are held in memory, not answers.
        """
        files = self._files()
        if not files:
            return 0, 0
        tables = [pq.read_table(file, columns=[self.id, "error", "answered_at"]) for file in files]
        every = pa.concat_tables(tables)
        every = every.append_column("failed", pc.is_valid(every["error"]))
        every = every.append_column("position", pa.array(range(len(every))))
        best = every.sort_by([("failed", "ascending"), ("answered_at", "descending")])
        best = best.group_by(self.id, use_threads=False).aggregate([("position", "first"), ("failed", "first")])
        unfinished, start = path.with_name(f".{path.name}"), 0
        chosen = pc.is_in(every["position"], value_set=best["position_first"].combine_chunks())
        with pq.ParquetWriter(unfinished, pq.read_schema(files[0])) as writer:
            for file, table in zip(files, tables, strict=True):
                writer.write_table(pq.read_table(file).filter(chosen.slice(start, len(table))))
                start += len(table)
        unfinished.replace(path)
        failed = pc.sum(best["failed_first"]).as_py()
        return len(best) - failed, failed

    def calls(self) -> int:
        """How many calls were begun, in this run and in those before."""
        return sum(file.read_bytes().count(b"\n") for file in (self.path / "calls").glob("*.txt"))

    def results(self) -> int:
        """How many calls came to something that was kept, an answer or a failure."""
        return sum(pq.read_metadata(file).num_rows for file in self._files())

    def _files(self) -> list[Path]:
        return sorted((self.path / "answers").glob("*.parquet"))


class Calls:
    """One worker's list of the calls it began. The kernel has a line before the call is made: SIGKILL loses none."""

    def __init__(self, folder: Folder) -> None:
        (folder.path / "calls").mkdir(parents=True, exist_ok=True)
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.txt"
        self._file = os.open(folder.path / "calls" / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o644)

    def begin(self, row: Any) -> None:
        """Write down that a row is about to be asked."""
        os.write(self._file, f"{time.time():.3f} {json.dumps(row, default=str)}\n".encode())
