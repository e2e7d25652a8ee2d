"""What the jobs of the native protocol do: rows of the same table."""

from __future__ import annotations

from typing import Any

from tests.behaviour.rows import COUNTED, TWELVE
from tests.behaviour.table import By, Expect, Fails, Result, Row

# For more than one look, at the emulator's speed.
SOME = "job-seconds=40"


def _job(name: str, result: Result | By[Result], *, needs: str = "", **more: Any) -> Row:
    return Row(name=name, result=result, needs=f"native {needs}".strip(), **more)


ROWS = (
    _job("a job that waits in the queue", Expect(text=TWELVE, queue=(3, 2, 1)), fault="queue=3"),
    _job("a job of more than a minute", Expect(text=TWELVE, pieces=2), fault="job-seconds=150"),
    _job("a text that shrinks meanwhile", COUNTED, fault=f"shrink;{SOME}"),
    _job("reasoning that grows", Expect(text=TWELVE, reasons=True, served="thinking"), model="thinking", fault=SOME),
    _job("no text before the result", COUNTED, fault="no-text-in-progress;job-seconds=15"),
    _job("a result without the prompt's length", COUNTED, fault="no-prompt-length"),
    _job(
        "a stop word in a text that grows",
        Expect(text="1, 2, 3, 4, 5, 6, ", usage=False, cancels=True),
        asked="Count from 1 to 900.",
        given={"stop": ["7"]},
        fault="job-seconds=2000",
        needs="stream",
    ),
    _job("a job that lapses", Fails("JobError", says="lapsed", has={"state": "lapsed"}), fault="lapse;job-seconds=20"),
    _job(
        "a job that fails in a good answer",
        Fails("JobError", says="out of memory", has={"state": "failed"}),
        fault="job-fail",
    ),
    _job(
        "a job that the service cancels",
        Fails("JobError", says="canceled by the service", has={"state": "canceled"}),
        fault="job-cancel;job-seconds=20",
    ),
    _job("a poll whose answer is lost", COUNTED, fault="lose-poll=2;job-seconds=25"),
    _job(
        "a result that is lost on its way",
        Fails("JobError", says="is lost", has={"state": "failed"}),
        fault="lose-result",
    ),
    _job("a full queue", Expect(text=TWELVE, requests=2), fault="queue-full;times=1;retry-after=0.01"),
    _job(
        "a queue that stays full",
        Fails("RateLimitError", says="queue", requests=3),
        fault="queue-full;retry-after=0.01",
    ),
    _job(
        "a job that takes longer than the whole call may",
        By(
            {
                "stream": Fails(
                    "StreamInterruptedError", part_of=", ".join(map(str, range(1, 901))) + ".", cancels=True
                ),
                "": Fails("APITimeoutError", cancels=True),
            }
        ),
        given={"total_timeout": 0.4},
        asked="Count from 1 to 900.",
        fault="job-seconds=2000",
    ),
)
