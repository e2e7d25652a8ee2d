"""On real Ray: each row has one answer, though a worker is killed. Not in the default run, which has no Ray.

`make .venv/ray/made`, then `pytest tests/tools/at_scale/on_ray.py`; `.ci/run` does both.
"""

from __future__ import annotations

from importlib import import_module

import pyarrow as pa
import pytest

from aki_transport.emulator import Emulator
from notebooks.at_scale.__main__ import FRAMEWORKS
from notebooks.at_scale.answering import Answering
from notebooks.at_scale.folder import Folder
from tests.tools.at_scale.trial import AT_ONCE, MODEL, play, questions, write_rows

ROWS, BEFORE, TOO_LONG, BATCH = 40, 10, 17, 5


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_row_has_one_answer_though_a_worker_is_killed(tmp_path, capfd, framework):
    asked = questions(ROWS, [TOO_LONG])
    write_rows(tmp_path / "rows.parquet", asked)
    with Emulator() as service:
        answer_some(service, framework, Folder(tmp_path / "out", "id"), asked[:BEFORE])
        found = play(service, framework, tmp_path, actors=2, batch=BATCH, kill_after=BEFORE + ROWS // 3)

    assert sorted(row["id"] for row in found.answers) == list(range(ROWS))
    assert found.right(asked) == ROWS - 1
    (failed,) = [row for row in found.answers if row["error"] is not None]
    assert (failed["id"], failed["error"], failed["answer"]) == (TOO_LONG, "ContextOverflowError", None)
    assert "65536" in failed["error_words"]

    repeated = found.said["repeated"]
    counts = {"rows": ROWS, "before": BEFORE, "answered": ROWS - 1, "failed": 1}
    assert found.said == {**counts, "calls": ROWS + repeated, "repeated": repeated}
    assert set(found.asked) == set(asked[BEFORE:])
    assert 0 < repeated <= BATCH
    # Those that the worker had begun when it was killed may not have left it.
    assert repeated - AT_ONCE <= found.asked.total() - (ROWS - BEFORE) <= repeated

    assert f"{ROWS - BEFORE}/{ROWS - BEFORE}" in capfd.readouterr().err
    assert found.listening <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert found.left == []


def answer_some(service: Emulator, framework: str, folder: Folder, asked: list[str]) -> None:
    """As a run would have done that ended early."""
    module = import_module(FRAMEWORKS[framework])
    model = module.MODEL(model=MODEL, base_url=service.openai_url, api_key=service.key)
    actor = Answering(model=model, ask=module.ask, prompt="{question}", folder=folder, at_once=4, per_second=None)
    actor(pa.table({"id": range(len(asked)), "question": asked}))
    actor.close()
