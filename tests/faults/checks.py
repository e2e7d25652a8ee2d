"""What came of a cell, compared with what the table says."""

from typing import Any

from tests.behaviour.checks import check_error
from tests.behaviour.running import Run
from tests.behaviour.table import Expect, Fails
from tests.faults.running import Happened


def check(cell: Run, happened: Happened) -> None:
    """What came is what the row says, and nothing is left."""
    fault, result = cell.row, cell.result
    match result:
        case Expect():
            if happened.error is not None:
                raise happened.error
            for items in happened.answers:
                check_answer(cell, items, result)
        case Fails():
            check_error(cell, happened, result)
    check_requests(cell, happened)
    assert fault.most is None or happened.most < fault.most
    # What cannot be reached lists no models either, which costs one warning.
    unread = "listing could not be read" if fault.outside is not None else "no such warning"
    assert [message for message in happened.warned if unread not in message] == []
    assert happened.left == []


def check_answer(cell: Run, items: list[Any], expect: Expect) -> None:
    """The text is there, and no number that is none."""
    answer = cell.reader.read(items)
    assert answer.text == expect.text
    assert "".join(answer.pieces) == expect.text
    assert all(0 <= count < 100 for count in answer.usage or ())
    if cell.row.tools:
        assert answer.known["finish_reason"] == "tool_calls"
        # LangChain keeps it among the invalid ones, LlamaIndex as the text that it is.
        assert [arguments for _, arguments in answer.calls if isinstance(arguments, dict)] == []


def check_requests(cell: Run, happened: Happened) -> None:
    """The service was asked as often as the row says, and no job goes on that nobody waits for."""
    result, seen = cell.result, happened.seen
    if cell.row.outside is not None:
        assert not seen
        assert happened.tries == result.requests
        return
    assert seen[cell.face.strikes] == result.requests
    assert seen["cancel"] == result.cancels
    if cell.face.strikes == "look":
        assert seen["call"] == cell.row.asks
