"""Answers with a bad status: each status, what is tried again, and how long to wait before."""

from __future__ import annotations

from tests.scenarios.refusals import envelope, page, refused, worded
from tests.scenarios.table import HELLO, HELLO_REPLY, HELLO_STREAM, Fails, Scenario
from tests.script_server import text_answer


def _wait(
    name: str, why: str, seconds: float | None, *, status: int = 429, requests: int = 3, **headers: str
) -> Scenario:
    return refused(
        f"retry-after-{name}",
        why,
        envelope(status, "Slow down", None, None, **headers),
        "RateLimitError" if status == 429 else "ServiceUnavailableError",
        "Slow down",
        requests=requests,
        retry_after=seconds,
    )


STATUSES = (
    refused(
        "302-redirect",
        "Our rule on retries: redirects are not followed.",
        text_answer("", 302, location="https://example.com/v1/chat/completions"),
        "APIStatusError",
        "302",
    ),
    refused(
        "408",
        "Our rule on retries: 408 is retried.",
        envelope(408, "Too slow", None, None),
        "APIStatusError",
        "Too slow",
        requests=3,
    ),
    refused("409", "Our error tree: 409.", envelope(409, "In use", None, None), "BadRequestError", "In use"),
    refused(
        "413",
        "Our error tree: 413.",
        envelope(413, "Body over 10 MB", None, None),
        "BadRequestError",
        "Body over 10 MB",
    ),
    refused(
        "418",
        "Our error tree: other 4xx.",
        envelope(418, "I am a teapot", None, None),
        "APIStatusError",
        "I am a teapot",
    ),
    refused(
        "422", "Our error tree: 422.", envelope(422, "top_p must be positive", None, None), "BadRequestError", "top_p"
    ),
    refused(
        "500",
        "Our rule on retries: 5xx is retried.",
        envelope(500, "Broken", None, None),
        "ServerError",
        "Broken",
        requests=3,
    ),
    refused(
        "502",
        "Our rule on retries: 502 is retried.",
        worded(502, "Upstream"),
        "ServerError",
        "Upstream",
        requests=3,
    ),
    refused(
        "504",
        "Our rule on retries: 504 is retried.",
        worded(504, "Too late"),
        "ServerError",
        "Too late",
        requests=3,
    ),
    refused(
        "524",
        "Cloudflare's status for a slow origin.",
        text_answer("error code: 524", 524),
        "ServerError",
        "524",
        requests=3,
    ),
    refused(
        "529",
        "Our rule on retries: 529 is retried.",
        worded(529, "Overloaded"),
        "ServerError",
        "Overloaded",
        requests=3,
    ),
    Scenario(
        name="429-then-good",
        why="Our rule on retries: the second attempt's answer is the answer.",
        blocking=envelope(429, "Slow down", None, "rate_limit_exceeded"),
        stream=envelope(429, "Slow down", None, "rate_limit_exceeded"),
        expect=HELLO,
        requests=2,
        then=(HELLO_REPLY,),
        then_stream=(HELLO_STREAM,),
    ),
    Scenario(
        name="502-and-503-then-good",
        why="Our rule on retries: three attempts in all.",
        blocking=page("502 Bad Gateway"),
        stream=page("502 Bad Gateway"),
        expect=HELLO,
        requests=3,
        then=(worded(503, "No active provider"), HELLO_REPLY),
        then_stream=(worded(503, "No active provider"), HELLO_STREAM),
    ),
    Scenario(
        name="503-then-bad-key",
        why="Our rule on retries: a later attempt's refusal is final.",
        blocking=worded(503, "No active provider"),
        stream=worded(503, "No active provider"),
        expect=Fails(error="AuthenticationError", status=401, says=("Wrong key",)),
        requests=2,
        then=(worded(401, "Wrong key"),),
    ),
)

RETRY_AFTER = (
    _wait("seconds", "OpenAI, Anthropic: seconds.", 7.0, retry_after="7"),
    _wait("fraction", "Any server: seconds with a fraction.", 0.5, retry_after="0.5"),
    _wait("ms", "Azure OpenAI: milliseconds.", 1.5, retry_after_ms="1500"),
    _wait("both", "OpenAI sends both; milliseconds are finer.", 1.5, retry_after="2", retry_after_ms="1500"),
    _wait(
        "past-date",
        "Any server: a date, here one that is over.",
        0.0,
        retry_after="Wed, 21 Oct 2015 07:28:00 GMT",
    ),
    _wait(
        "far-date",
        "Our rule on retries: longer than 60 s is raised at once, here as a date.",
        None,
        requests=1,
        retry_after="Fri, 01 Jan 2100 00:00:00 GMT",
    ),
    _wait("minute", "Our rule on retries: 60 s are still waited.", 60.0, retry_after="60"),
    _wait("hour", "Our rule on retries: longer than 60 s is raised at once.", 3600.0, requests=1, retry_after="3600"),
    _wait("unreadable", "Any server: a header that is neither is as good as none.", None, retry_after="soon"),
    _wait("503", "Any server: a service that is away says when it is back.", 3.0, status=503, retry_after="3"),
)

ROWS = (*STATUSES, *RETRY_AFTER)
