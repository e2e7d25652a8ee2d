"""Every oddity of the scenario table through `ChatAKI`, in each way to ask."""

from __future__ import annotations

import pytest

from aki_transport.prepare.adaptations import forget_refusals
from tests.langchain.asking import WAYS, is_streamed, model_at, outcome_of
from tests.scenarios import ERRORS, SCENARIOS, TOOLS, Expect, Scenario
from tests.script_server import ScriptServer

ROWS = (*SCENARIOS, *ERRORS)


def _has_blocks(row: Scenario) -> bool:
    outcomes = [row.outcome(streamed=streamed) for streamed in (False, True) if row.applies(streamed=streamed)]
    return row.tools or any(isinstance(each, Expect) and (each.reasoning or each.refusal) for each in outcomes)


def _play(row: Scenario, server: ScriptServer, subtests: pytest.Subtests, **given: object) -> None:
    ways = [way for way in WAYS if row.applies(streamed=is_streamed(way))]
    assert ways
    for way in ways:
        streamed = is_streamed(way)
        with subtests.test(way):
            forget_refusals()
            server.reset()
            server.say(*row.script(streamed=streamed))
            model = model_at(server, model=row.model, provider=row.provider, **given)
            asked = model.bind_tools(list(TOOLS)) if row.tools else model
            outcome_of(asked, way, row.ask, row.outcome(streamed=streamed))
            assert len(server.requests) == row.attempts(streamed=streamed)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_row_has_its_outcome(row: Scenario, scripted: ScriptServer, subtests: pytest.Subtests):
    _play(row, scripted, subtests)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if _has_blocks(row)])
def test_the_row_has_its_outcome_as_standard_blocks(row: Scenario, scripted: ScriptServer, subtests: pytest.Subtests):
    _play(row, scripted, subtests, output_version="v1")
