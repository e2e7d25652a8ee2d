"""What every provider does over every protocol in both frameworks: the table."""

from __future__ import annotations

from aki_transport.messages import Message, ToolCall
from tests.behaviour.table import By, Expect, Fails, Left, Row

TWELVE = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12."
COUNTED = Expect(text=TWELVE)
AGAIN = Expect(text=TWELVE, requests=2)
SOON = "retry-after=0.01"


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def get_population(city: str) -> str:
    """The population of a city."""
    return f"2 million in {city}"


_PARIS = ("get_weather", {"city": "Paris"})

ANSWERS = (
    Row(name="an answer", result=By({"events": Expect(text=TWELVE, pieces=3), "": COUNTED})),
    Row(name="another name of the model", model="alias", result=COUNTED, needs="alias"),
    Row(
        name="a conversation",
        asked=(
            Message(role="system", content="Answer in one sentence."),
            Message(role="user", content="My name is Ada."),
            Message(role="assistant", content="Hello Ada."),
            Message(role="user", content="Count from 1 to 12."),
        ),
        result=COUNTED,
    ),
    Row(
        name="reasoning",
        model="thinking",
        given=By({"native": {}, "": {"reasoning_effort": "medium"}}),
        result=Expect(text=TWELVE, reasons=True, served="thinking"),
        needs="thinking",
    ),
    Row(
        name="no reasoning",
        model="thinking",
        given={"reasoning_effort": "none"},
        result=Expect(text=TWELVE, served="thinking"),
        needs="thinking effort",
    ),
    Row(
        name="a stop word",
        given={"stop": ["7", "never"]},
        result=Expect(text="1, 2, 3, 4, 5, 6, "),
    ),
    Row(
        name="a limit of tokens",
        given={"max_tokens": 7},
        result=Expect(text="1, 2, 3, 4", finish="length", output_tokens=7),
    ),
    Row(
        name="an empty answer of a worker that is gone",
        fault=f"empty;times=1;{SOON}",
        result=By({"aki openai": AGAIN, "": Expect(requests=1)}),
    ),
)

TOOLS = (
    Row(
        name="a call of a tool",
        asked="What is the weather in Paris?",
        tools=(get_weather,),
        result=Expect(calls=(_PARIS,), finish="tool_calls"),
        needs="tools",
    ),
    Row(
        name="two calls at once",
        asked="What is the weather in Paris and Rome?",
        tools=(get_weather,),
        result=Expect(calls=(_PARIS, ("get_weather", {"city": "Rome"})), finish="tool_calls"),
        needs="tools",
    ),
    Row(
        name="a tool that has to be called",
        asked="Paris",
        tools=(get_weather, get_population),
        tool_choice="get_weather",
        result=Expect(calls=(_PARIS,), finish="tool_calls"),
        needs="tools",
    ),
    Row(
        name="tools that are not needed",
        tools=(get_weather,),
        result=COUNTED,
        needs="tools",
    ),
    Row(
        name="the result of a tool",
        asked=(
            Message(role="user", content="What is the weather in Paris?"),
            Message(role="assistant", tool_calls=(ToolCall("call_1", "get_weather", '{"city": "Paris"}'),)),
            Message(role="tool", content="sunny in Paris", tool_call_id="call_1"),
        ),
        tools=(get_weather,),
        result=Expect(text="sunny in Paris."),
        needs="tools",
    ),
    Row(
        name="tools where there are none",
        tools=(get_weather,),
        result=Fails(error="ConfigurationError", says="tools", requests=0),
        lacks="tools",
    ),
)

REFUSALS = (
    Row(
        name="a wrong key",
        given={"api_key": "not-the-key"},
        afresh=True,
        result=Fails(error="AuthenticationError", has={"status_code": 401}),
    ),
    Row(
        name="402",
        fault="credits",
        result=By(
            {
                "native": Fails(error="PermissionDeniedError", says="not authorized", has={"status_code": 402}),
                "": Fails(error="InsufficientCreditsError", says="redit", has={"status_code": 402}),
            }
        ),
    ),
    Row(
        name="a model that is not there",
        model="unknown",
        result=By(
            {
                "aki": Fails(error="ModelNotFoundError", says="Nothing was sent", requests=0),
                "": Fails(error="ModelNotFoundError", says="does not exist", has={"status_code": 404}),
            }
        ),
    ),
    Row(
        name="a model that another one answers for",
        model="unknown",
        given={"on_unknown_model": "allow"},
        result=Fails(error="ModelFallbackError", says="minimax", has={"served": "minimax-m2.5-230b"}),
        needs="fallback",
    ),
    Row(
        name="a temperature out of range",
        given={"temperature": 1.5},
        result=By(
            {
                "native": Fails(error="ConfigurationError", says="0 to 1", requests=0),
                "anthropic": Fails(error="ConfigurationError", says="0 to 1", requests=0),
                "": COUNTED,
            }
        ),
    ),
    Row(
        name="more output than fits",
        given={"max_tokens": 300_000},
        result=By(
            {
                "native": Fails(error="BadRequestError", says="too high", warns="known to give"),
                "aki": Fails(error="ContextOverflowError", says="context", warns="known to give"),
                "": Fails(error="ContextOverflowError", says="context"),
            }
        ),
    ),
    Row(name="429 once", fault=f"status=429;times=1;{SOON}", result=AGAIN),
    Row(
        name="429 for good",
        fault=f"status=429;{SOON}",
        given={"max_retries": 1},
        result=Fails(error="RateLimitError", requests=2, has={"retry_after": 0.01, "is_retryable": True}),
    ),
    Row(
        name="429 for an hour",
        fault="status=429;retry-after=3600",
        result=Fails(error="RateLimitError", says="3600", has={"retry_after": 3600.0}),
    ),
)

FAILURES = (
    Row(
        name="500 once",
        fault=f"status=500;times=1;{SOON}",
        result=By({"native": Fails(error="ServerError", has={"status_code": 500}), "": AGAIN}),
    ),
    Row(
        name="500 for good",
        fault=f"status=500;{SOON}",
        given={"max_retries": 1},
        result=By({"native": Fails(error="ServerError"), "": Fails(error="ServerError", requests=2)}),
    ),
    Row(name="503 once", fault=f"status=503;times=1;{SOON}", result=AGAIN),
    Row(
        name="a listing that cannot be read",
        fault=f"status=503;times=1;{SOON}",
        afresh=True,
        result=Expect(text=TWELVE, requests=2, warns="the model listing could not be read"),
        needs="listed",
    ),
    Row(
        name="503 for good",
        fault=f"status=503;{SOON}",
        result=Fails(error="ServiceUnavailableError", requests=3, has={"is_retryable": True}),
    ),
    Row(
        name="a page of a proxy with 502",
        fault=f"html=502;{SOON}",
        given={"max_retries": 0},
        result=Fails(error="ServerError", says="502 Bad Gateway"),
    ),
    Row(
        name="a page of a proxy with 200",
        fault="html=200",
        result=Fails(error="InvalidResponseError"),
    ),
    Row(
        name="a connection that is reset once",
        fault="reset;times=1",
        result=By({"native": Fails(error="APIConnectionError"), "": AGAIN}),
    ),
    Row(
        name="silence",
        fault="hang",
        given={"timeout": 0.1},
        result=Fails(error="APITimeoutError"),
    ),
    Row(
        name="a cut stream",
        fault="drop=8",
        result=Fails(error="StreamInterruptedError", part_of=TWELVE),
        needs="stream events",
    ),
    Row(
        name="a cut answer",
        fault="drop=0",
        result=Fails(error="APIConnectionError"),
        lacks="stream",
    ),
    Row(
        name="a stream without its end",
        fault="no-finish;no-done",
        result=Fails(error="StreamInterruptedError", part_of=TWELVE + " "),
        needs="stream events",
    ),
    Row(
        name="an error in a stream",
        fault="stream-error=6",
        result=By({"ak_ai_core": Fails(error="APIStatusError"), "": Fails(error="ServerError")}),
        needs="stream events",
    ),
    Row(
        name="an error event in a stream",
        fault="event-error=6",
        result=By({"ak_ai_core": Fails(error="APIStatusError"), "": Fails(error="ServerError")}),
        needs="stream events",
    ),
)

LEAVING = (
    Row(
        name="canceled before the answer begins",
        fault=By({"native": "job-seconds=100000", "": "first-byte=60"}),
        result=Left(by="cancel"),
    ),
    Row(
        name="canceled before the job is named",
        fault="first-byte=60",
        result=Left(by="cancel", looked_at=False),
        needs="native",
    ),
    Row(
        name="canceled in the middle of an answer",
        asked="Count from 1 to 900.",
        fault=By({"native": "job-seconds=100000", "": "chunk-delay=0.05"}),
        result=Left(by="cancel"),
        needs="stream",
    ),
    Row(
        name="closed in the middle of an answer",
        asked="Count from 1 to 900.",
        fault=By({"native": "job-seconds=4000", "": "chunk-delay=0.01"}),
        result=Left(by="close"),
    ),
)

ROWS = (*ANSWERS, *TOOLS, *REFUSALS, *FAILURES, *LEAVING)
