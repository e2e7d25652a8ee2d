"""Every oddity of the scenario table through `AKI`: conversations in each way to ask, prompts in both halves."""

import pytest

from aki_transport.prepare.memory import forget_refusals
from tests.llama_index.asking import WAYS, is_streamed, model_at, outcome_of
from tests.scenarios import ERRORS, SCENARIOS, TOOLS, Scenario
from tests.script_server import ScriptServer
from tests.transport.asking import alive

ROWS = (*SCENARIOS, *ERRORS)


@pytest.mark.usefixtures("no_waiting", "one_loop")
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_row_has_its_outcome(row: Scenario, scripted: ScriptServer, subtests: pytest.Subtests):
    prompts = () if row.tools else ("complete", "astream_complete")
    ways = [way for way in (*WAYS, *prompts) if row.applies(streamed=is_streamed(way))]
    assert ways
    for way in ways:
        streamed = is_streamed(way)
        with subtests.test(way):
            forget_refusals()
            scripted.reset()
            scripted.say(*(alive(each) if each.end == "close" else each for each in row.script(streamed=streamed)))
            llm = model_at(scripted, model=row.model, provider=row.provider)
            tools = {"tools": list(TOOLS)} if row.tools else {}
            outcome_of(llm, way, row.ask, row.outcome(streamed=streamed), **tools)
            assert len(scripted.requests) == row.attempts(streamed=streamed)
