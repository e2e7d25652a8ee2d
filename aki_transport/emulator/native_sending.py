"""How the answers about a job leave: whole, when the job is done, or cut in the middle."""

import asyncio
from collections.abc import Callable

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from aki_transport.emulator.errors import framework_error
from aki_transport.emulator.job import Job
from aki_transport.emulator.jobs import Jobs
from aki_transport.emulator.sending import gone_within

# The emulator's seconds after which the web framework ends a call that has no answer yet.
_PATIENCE = 60.0


class Waiting(Response):
    """The answer to a blocking call: comes when the job is done, unless that takes too long; the job goes on then.

    Args:
        jobs: The emulator's.
        job: The job.
        answer: Makes the answer of a job that is done.
    """

    def __init__(self, jobs: Jobs, job: Job, answer: Callable[[], Response]) -> None:
        super().__init__()
        self._jobs = jobs
        self._job = job
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then send it, if the client is still there."""
        needed = self._jobs.wait(self._job)
        patience = self._jobs.real(_PATIENCE)
        late = needed is None or needed > patience
        if not await gone_within(receive, patience if late else needed):
            answer = framework_error(503, "Response Timeout") if late else self._answer()
            await answer(scope, receive, send)


class Lost(JSONResponse):
    """An answer of which half arrives."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send that half and cut the connection."""
        del receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["aki.transport"].abort()
        # uvicorn hears of it in the next turn of the loop.
        await asyncio.sleep(0)
