"""Answers with a bad status: each status, what is tried again, and how long to wait before."""

from tests.scenarios.refusals import envelope, page, refused, worded
from tests.scenarios.table import Fails, Scenario, either, then_good
from tests.script_server import text_answer


def _wait(name: str, seconds: float | None, *, status: int = 429, requests: int = 3, **headers: str) -> Scenario:
    return refused(
        f"retry-after-{name}",
        envelope(status, "Slow down", **headers),
        "RateLimitError" if status == 429 else "ServiceUnavailableError",
        "Slow down",
        requests=requests,
        retry_after=seconds,
    )


_AWAY = worded(503, "No active provider")

STATUSES = (
    # Our rule on retries: redirects are not followed.
    refused(
        "302-redirect",
        text_answer("", 302, location="https://example.com/v1/chat/completions"),
        "APIStatusError",
        "302",
    ),
    # Our rule on retries: 408 is retried.
    refused("408", envelope(408, "Too slow"), "APIStatusError", "Too slow", requests=3),
    # Our error tree: 409.
    refused("409", envelope(409, "In use"), "BadRequestError", "In use"),
    # Our error tree: 413.
    refused("413", envelope(413, "Body over 10 MB"), "BadRequestError", "Body over 10 MB"),
    # Our error tree: other 4xx.
    refused("418", envelope(418, "I am a teapot"), "APIStatusError", "I am a teapot"),
    # Our error tree: 422.
    refused("422", envelope(422, "top_p must be positive"), "BadRequestError", "top_p"),
    # Our rule on retries: 5xx is retried.
    refused("500", envelope(500, "Broken"), "ServerError", "Broken", requests=3),
    # Our rule on retries: 502 is retried.
    refused("502", worded(502, "Upstream"), "ServerError", "Upstream", requests=3),
    # Our rule on retries: 504 is retried.
    refused("504", worded(504, "Too late"), "ServerError", "Too late", requests=3),
    # Cloudflare (OpenSecretCloud/opensecret#193): its status for a slow origin.
    refused("524", text_answer("error code: 524", 524), "ServerError", "524", requests=3),
    # Our rule on retries: 529 is retried.
    refused("529", worded(529, "Overloaded"), "ServerError", "Overloaded", requests=3),
    # Our rule on retries: the second attempt's answer is the answer.
    then_good("429-then-good", *[envelope(429, "Slow down", code="rate_limit_exceeded")] * 2),
    # Our rule on retries: three attempts in all.
    then_good("502-and-503-then-good", *[page("502 Bad Gateway")] * 2, _AWAY),
    # Our rule on retries: a later attempt's refusal is final.
    either(
        "503-then-bad-key",
        _AWAY,
        Fails("AuthenticationError", status=401, says=("Wrong key",)),
        requests=2,
        then=(worded(401, "Wrong key"),),
    ),
)

RETRY_AFTER = (
    # Azure OpenAI (icereed/paperless-gpt#814): seconds.
    _wait("seconds", 7.0, retry_after="7"),
    # Not seen in public: seconds with a fraction.
    _wait("fraction", 0.5, retry_after="0.5"),
    # Azure OpenAI (Azure/azure-openai-benchmark#31): milliseconds.
    _wait("ms", 1.5, retry_after_ms="1500"),
    # Azure OpenAI (simonkurtz-MSFT/python-openai-loadbalancer#14): both; milliseconds are finer.
    _wait("both", 1.5, retry_after="2", retry_after_ms="1500"),
    # Not seen in public: a date, here one that is over.
    _wait("past-date", 0.0, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
    # Our rule on retries: longer than 60 s is raised at once, here as a date.
    _wait("far-date", None, requests=1, retry_after="Fri, 01 Jan 2100 00:00:00 GMT"),
    # Our rule on retries: 60 s are still waited.
    _wait("minute", 60.0, retry_after="60"),
    # Our rule on retries: longer than 60 s is raised at once.
    _wait("hour", 3600.0, requests=1, retry_after="3600"),
    # Not seen in public: a header that is neither is as good as none.
    _wait("unreadable", None, retry_after="soon"),
    # Azure OpenAI (microsoft/kernel-memory#795): a service that is away says when it is back.
    _wait("503", 3.0, status=503, retry_after="3"),
)

ROWS = (*STATUSES, *RETRY_AFTER)
