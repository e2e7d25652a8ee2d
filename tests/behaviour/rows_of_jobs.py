"""What the jobs of the native protocol do: rows of the same table."""

from __future__ import annotations

from tests.behaviour.rows import COUNTED, TWELVE
from tests.behaviour.table import By, Expect, Fails, Row

# For more than one look, at the emulator's speed.
SOME = "job-seconds=40"

ROWS = (
    Row(
        name="a job that waits in the queue",
        fault="queue=3",
        result=Expect(text=TWELVE, queue=(3, 2, 1)),
        needs="native",
    ),
    Row(
        name="a job of more than a minute",
        fault="job-seconds=150",
        result=Expect(text=TWELVE, pieces=2),
        needs="native",
    ),
    Row(
        name="a text that shrinks meanwhile",
        fault=f"shrink;{SOME}",
        result=COUNTED,
        needs="native",
    ),
    Row(
        name="reasoning that grows",
        model="thinking",
        fault=SOME,
        result=Expect(text=TWELVE, reasons=True, served="thinking"),
        needs="native",
    ),
    Row(
        name="no text before the result",
        fault="no-text-in-progress;job-seconds=15",
        result=COUNTED,
        needs="native",
    ),
    Row(name="a result without the prompt's length", fault="no-prompt-length", result=COUNTED, needs="native"),
    Row(
        name="a stop word in a text that grows",
        asked="Count from 1 to 900.",
        given={"stop": ["7"]},
        fault="job-seconds=2000",
        result=Expect(text="1, 2, 3, 4, 5, 6, ", usage=False, cancels=True),
        needs="native stream",
    ),
    Row(
        name="a job that lapses",
        fault="lapse;job-seconds=20",
        result=Fails(error="JobError", says="lapsed", has={"state": "lapsed"}),
        needs="native",
    ),
    Row(
        name="a job that fails in a good answer",
        fault="job-fail",
        result=Fails(error="JobError", says="out of memory", has={"state": "failed"}),
        needs="native",
    ),
    Row(
        name="a job that the service cancels",
        fault="job-cancel;job-seconds=20",
        result=Fails(error="JobError", says="canceled by the service", has={"state": "canceled"}),
        needs="native",
    ),
    Row(
        name="a poll whose answer is lost",
        fault="lose-poll=2;job-seconds=25",
        result=COUNTED,
        needs="native",
    ),
    Row(
        name="a result that is lost on its way",
        fault="lose-result",
        result=Fails(error="JobError", says="is lost", has={"state": "failed"}),
        needs="native",
    ),
    Row(
        name="a full queue",
        fault="queue-full;times=1;retry-after=0.01",
        result=Expect(text=TWELVE, requests=2),
        needs="native",
    ),
    Row(
        name="a queue that stays full",
        fault="queue-full;retry-after=0.01",
        result=Fails(error="RateLimitError", says="queue", requests=3),
        needs="native",
    ),
    Row(
        name="a job that takes longer than the whole call may",
        given={"total_timeout": 0.4},
        asked="Count from 1 to 900.",
        fault="job-seconds=2000",
        result=By(
            {
                "stream": Fails(
                    error="StreamInterruptedError",
                    part_of=", ".join(map(str, range(1, 901))) + ".",
                    cancels=True,
                ),
                "": Fails(error="APITimeoutError", cancels=True),
            }
        ),
        needs="native",
    ),
)
