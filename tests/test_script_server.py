from collections import Counter

import httpx
import pytest

from tests.scenarios import ERRORS, SCENARIOS, Expect, Scenario
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

ROWS = (*SCENARIOS, *ERRORS)


def test_a_fault_in_a_scripted_function_reaches_the_test() -> None:
    def faulty(request: Request) -> Answer:
        raise LookupError(request.path)

    def ask() -> None:
        with ScriptServer(faulty) as server, pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.openai_url}/x", trust_env=False)

    with pytest.raises(LookupError, match="/v1/x"):
        ask()


def test_names_of_scenarios_are_unique() -> None:
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []


@subcases("row", ROWS)
def test_a_scenario_holds_together(row: Scenario) -> None:
    ways = [streamed for streamed in (False, True) if row.applies(streamed=streamed)]
    assert ways
    for way in ways:
        assert len(row.script(streamed=way)) == row.attempts(streamed=way)
        outcome = row.outcome(streamed=way)
        if isinstance(outcome, Expect):
            assert len(outcome.tool_ids) in (0, len(outcome.tool_calls))
            assert not (outcome.tool_calls or outcome.invalid_tool_calls) or row.tools
