"""Every oddity of the scenario table through `AKI`, in each way to ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.llama_index.asking import PROMPT_WAYS, STREAMED, WAYS, PromptWay, Way, is_streamed, model_at, outcome_of
from tests.scenarios import ERRORS, SCENARIOS, TOOLS, Scenario, split_everywhere
from tests.script_server import ScriptServer

ROWS = (*SCENARIOS, *ERRORS)
STREAMS = [row for row in ROWS if row.stream is not None and any(row.stream.chunks)]


def play(row: Scenario, way: Way | PromptWay) -> None:
    streamed = is_streamed(way)
    given = {"tools": list(TOOLS)} if row.tools else {}
    with ScriptServer(*row.script(streamed=streamed)) as server:
        llm = model_at(server, model=row.model, provider=row.provider)
        outcome_of(llm, way, row.ask, row.outcome(streamed=streamed), **given)
        assert len(server.requests) == row.attempts(streamed=streamed)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("row", "way"),
    [
        pytest.param(row, way, id=f"{row.name}-{way}")
        for row in ROWS
        for way in (WAYS if row.tools else (*WAYS, *PROMPT_WAYS))
        if row.applies(streamed=is_streamed(way))
    ],
)
def test_the_row_has_its_outcome(row: Scenario, way: Way | PromptWay):
    play(row, way)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("way", STREAMED)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in STREAMS])
def test_the_row_has_its_outcome_byte_by_byte(row: Scenario, way: Way):
    whole = replace(row.stream, chunk_delay=0)
    play(replace(row, stream=split_everywhere(whole, 1)), way)
