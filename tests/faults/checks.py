"""What came of a cell, compared with what the table says."""

from __future__ import annotations

from tests.behaviour.table import Expect, Fails
from tests.faults.running import Cell, Happened


def check(cell: Cell, happened: Happened) -> None:
    """What came is what the row says, and nothing is left."""
    result = cell.result
    match result:
        case Expect():
            if happened.error is not None:
                raise happened.error
            for items in happened.answers:
                check_answer(cell, items, result)
        case Fails():
            check_error(cell, happened, result)
    check_requests(cell, happened)
    if cell.fault.most is not None:
        assert happened.most < cell.fault.most
    unread = cell.fault.outside is not None  # what cannot be reached lists no models either, which costs one warning
    assert [words for words in happened.warned if not (unread and "listing could not be read" in words)] == []
    assert happened.left == []


def check_answer(cell: Cell, items: list, expect: Expect) -> None:
    """The text is there, and no number that is none."""
    answer = cell.reader.read(items)
    assert answer.text == expect.text
    assert "".join(answer.pieces) == expect.text
    assert all(0 <= count < 100 for count in answer.usage or ())
    if cell.fault.tools:
        assert answer.known["finish_reason"] == "tool_calls"
        # LangChain keeps it among the invalid ones, LlamaIndex as the text that it is.
        assert [arguments for _, arguments in answer.calls if isinstance(arguments, dict)] == []


def check_error(cell: Cell, happened: Happened, fails: Fails) -> None:
    """The error is the one that users of the framework catch, and holds what had come."""
    error = happened.error
    assert type(error) is cell.reader.error(fails.error), repr(error)
    if fails.part_of is not None:
        given = "".join(map(cell.reader.text_of, happened.answers[-1]))
        assert error.partial_text == given
        assert fails.part_of.startswith(given)
        assert 0 < len(given) < len(fails.part_of)


def check_requests(cell: Cell, happened: Happened) -> None:
    """The service was asked as often as the row says, and no job goes on that nobody waits for."""
    result, seen = cell.result, happened.seen
    if cell.fault.outside is not None:
        assert not seen
        assert happened.tries == result.requests
        return
    assert seen[cell.place.strikes] == result.requests
    assert seen["cancel"] == result.cancels
    if cell.place.strikes == "look":
        assert seen["call"] == cell.fault.asks
