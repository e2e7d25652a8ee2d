"""Every oddity of the scenario table through `ChatAKI`, in each way to ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.langchain.asking import WAYS, Way, is_streamed, model_at, outcome_of
from tests.scenarios import ERRORS, SCENARIOS, TOOLS, Expect, Scenario, split_everywhere
from tests.script_server import ScriptServer

ROWS = (*SCENARIOS, *ERRORS)
STREAMS = [row for row in ROWS if row.stream is not None]


def _is_of_blocks(row: Scenario) -> bool:
    outcome = row.outcome(streamed=True)
    return row.tools or (isinstance(outcome, Expect) and bool(outcome.reasoning or outcome.refusal))


def _play(row: Scenario, way: Way, **given: object) -> None:
    streamed = is_streamed(way)
    with ScriptServer(*row.script(streamed=streamed)) as server:
        model = model_at(server, model=row.model, provider=row.provider, **given)
        outcome_of(model.bind_tools(list(TOOLS)) if row.tools else model, way, row.ask, row.outcome(streamed=streamed))
        assert len(server.requests) == row.attempts(streamed=streamed)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("row", "way"),
    [
        pytest.param(row, way, id=f"{row.name}-{way}")
        for row in ROWS
        for way in WAYS
        if row.applies(streamed=is_streamed(way))
    ],
)
def test_the_row_has_its_outcome(row: Scenario, way: Way):
    _play(row, way)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if _is_of_blocks(row)])
def test_the_row_has_its_outcome_as_standard_blocks(row: Scenario, way: Way):
    if row.applies(streamed=is_streamed(way)):
        _play(row, way, output_version="v1")


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in STREAMS if any(row.stream.chunks)])
def test_the_row_has_its_outcome_byte_by_byte(row: Scenario, way: Way):
    whole = replace(row.stream, chunk_delay=0)
    _play(replace(row, stream=split_everywhere(whole, 1)), way)
