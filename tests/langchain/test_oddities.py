"""Every oddity of the scenario table through `ChatAKI`, in each way to ask; standard blocks in both halves."""

from typing import Any

import pytest

from aki_transport.prepare.memory import forget_refusals
from tests.langchain.asking import WAYS, is_streamed, model_at, outcome_of
from tests.scenarios import ERRORS, SCENARIOS, TOOLS, Expect, Scenario
from tests.script_server import ScriptServer
from tests.transport.asking import alive

ROWS = (*SCENARIOS, *ERRORS)


def _has_blocks(row: Scenario) -> bool:
    outcomes = [row.outcome(streamed=streamed) for streamed in (False, True) if row.applies(streamed=streamed)]
    return row.tools or any(isinstance(each, Expect) and (each.reasoning or each.refusal) for each in outcomes)


@pytest.mark.usefixtures("no_waiting", "one_loop")
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_row_has_its_outcome_also_as_standard_blocks(
    row: Scenario, scripted: ScriptServer, subtests: pytest.Subtests
):
    ways = [way for way in WAYS if row.applies(streamed=is_streamed(way))]
    assert ways
    for version in ("v0", "v1") if _has_blocks(row) else ("v0",):
        for way in ways if version == "v0" else [way for way in ways if way in ("invoke", "astream")]:
            streamed = is_streamed(way)
            with subtests.test(way, version=version):
                forget_refusals()
                scripted.reset()
                scripted.say(*(alive(each) if each.end == "close" else each for each in row.script(streamed=streamed)))
                model: Any = model_at(scripted, model=row.model, provider=row.provider, output_version=version)
                asked = model.bind_tools(list(TOOLS)) if row.tools else model
                outcome_of(asked, way, row.ask, row.outcome(streamed=streamed))
                assert len(scripted.requests) == row.attempts(streamed=streamed)
