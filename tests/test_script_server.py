from __future__ import annotations

import httpx
import pytest

from tests.scenarios import ERRORS, SCENARIOS
from tests.script_server import Answer, Request, ScriptServer


def test_a_fault_in_a_scripted_function_reaches_the_test() -> None:
    def faulty(request: Request) -> Answer:
        raise LookupError(request.path)

    def ask() -> None:
        with ScriptServer(faulty) as server, pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.openai_url}/x", trust_env=False)

    with pytest.raises(LookupError, match="/v1/x"):
        ask()


def test_names_of_scenarios_are_unique() -> None:
    names = [row.name for row in (*SCENARIOS, *ERRORS)]
    assert len(names) == len(set(names))
