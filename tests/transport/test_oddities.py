"""Every row of the table of oddities, through the client in the four ways."""

import json
import warnings
from collections.abc import Callable
from functools import partial

import pytest

from aki_transport import AKIError, errors
from aki_transport.messages import ChatReply, ToolCall
from aki_transport.prepare.memory import forget_refusals
from tests.scenarios import ERRORS, KEY, SCENARIOS, TOOLS, Expect, Scenario
from tests.scenarios.table import check_error
from tests.transport.asking import WAYS, Clock, Way, alive, client_for, request_for

ROWS = (*SCENARIOS, *ERRORS)


@pytest.mark.usefixtures("one_loop")
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_answer_or_the_error_is_the_row_s(row, scripted, clock, subtests):
    ways = [way for way in WAYS if row.applies(streamed=way.streamed)]
    assert ways
    for way in ways:
        with subtests.test(str(way)):
            forget_refusals()
            scripted.reset()
            clock.reset()
            scripted.say(*(alive(each) if each.end == "close" else each for each in row.script(streamed=way.streamed)))
            client = client_for(scripted, provider=row.provider, api_key=KEY)
            request = request_for(row.model, row.ask, tools=TOOLS if row.tools else ())
            check(row, way, partial(way.ask, client, request), clock)
            assert len(scripted.requests) == row.attempts(streamed=way.streamed)


def check(row: Scenario, way: Way, asked: Callable[[], ChatReply], clock: Clock) -> None:
    outcome = row.outcome(streamed=way.streamed)
    if isinstance(outcome, Expect):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            reply = asked()
        assert [type(warning.message).__name__ for warning in warned] == [outcome.warns] * bool(outcome.warns)
        compare(reply, outcome)
    else:
        with pytest.raises(AKIError) as caught:
            asked()
        check_error(caught.value, outcome, errors)
        assert caught.value.provider is not None
        assert caught.value.provider in str(caught.value)
        if outcome.retry_after is not None:
            repetitions = row.attempts(streamed=way.streamed) - 1
            assert clock.pauses == pytest.approx([outcome.retry_after] * repetitions)


def compare(reply: ChatReply, wanted: Expect) -> None:
    for name in ("text", "reasoning", "finish_reason", "model"):
        assert getattr(reply, name) == getattr(wanted, name), name
    assert reply.refusal == (wanted.refusal or "")
    valid = [call for call in reply.tool_calls if is_object(call)]
    good = [(call.name, json.loads(call.arguments or "{}")) for call in valid]
    bad = [(call.name, call.arguments) for call in reply.tool_calls if not is_object(call)]
    assert (tuple(good), tuple(bad)) == (wanted.tool_calls, wanted.invalid_tool_calls)
    ids = {call.id for call in reply.tool_calls}
    assert "" not in ids
    assert len(ids) == len(reply.tool_calls)
    for call, expected in zip(valid, wanted.tool_ids, strict=False):
        assert expected in (None, call.id)
    usage = reply.usage
    assert (None if usage is None else (usage.input_tokens, usage.output_tokens, usage.total_tokens)) == wanted.usage
    for said, name in ((usage, "reasoning_tokens"), (usage, "cached_tokens"), (reply, "request_id")):
        if getattr(wanted, name) is not None:
            assert getattr(said, name) == getattr(wanted, name), name
    if wanted.credits is not None:
        assert (reply.credits_used, reply.credits_remaining) == wanted.credits


def is_object(call: ToolCall) -> bool:
    """No arguments at all are those of a function that takes none."""
    try:
        return isinstance(json.loads(call.arguments or "{}"), dict)
    except ValueError:
        return False
