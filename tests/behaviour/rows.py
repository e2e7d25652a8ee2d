"""What every provider does over every protocol in both frameworks: the table."""

from typing import Any

from aki_transport.messages import Message, ToolCall
from tests.behaviour.table import By, Expect, Fails, Left, Result, Row

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
    Row("an answer", By({"events": Expect(text=TWELVE, pieces=3), "": COUNTED})),
    Row("another name of the model", COUNTED, model="alias", needs="alias"),
    Row(
        "a conversation",
        COUNTED,
        asked=(
            Message(role="system", content="Answer in one sentence."),
            Message(role="user", content="My name is Ada."),
            Message(role="assistant", content="Hello Ada."),
            Message(role="user", content="Count from 1 to 12."),
        ),
    ),
    Row(
        "reasoning",
        Expect(text=TWELVE, reasons=True, served="thinking"),
        model="thinking",
        given=By({"native": {}, "": {"reasoning_effort": "medium"}}),
        needs="thinking",
    ),
    Row(
        "no reasoning",
        Expect(text=TWELVE, served="thinking"),
        model="thinking",
        given={"reasoning_effort": "none"},
        needs="thinking effort",
    ),
    Row("a stop word", Expect(text="1, 2, 3, 4, 5, 6, "), given={"stop": ["7", "never"]}),
    Row("a limit of tokens", Expect(text="1, 2, 3, 4", finish="length", output_tokens=7), given={"max_tokens": 7}),
    Row(
        "an empty answer of a worker that is gone",
        By({"aki openai": AGAIN, "": Expect(requests=1)}),
        fault=f"empty;times=1;{SOON}",
    ),
)

TOOLS = (
    Row(
        "a call of a tool",
        Expect(calls=(_PARIS,), finish="tool_calls"),
        asked="What is the weather in Paris?",
        tools=(get_weather,),
        needs="tools",
    ),
    Row(
        "two calls at once",
        Expect(calls=(_PARIS, ("get_weather", {"city": "Rome"})), finish="tool_calls"),
        asked="What is the weather in Paris and Rome?",
        tools=(get_weather,),
        needs="tools",
    ),
    Row(
        "a tool that has to be called",
        Expect(calls=(_PARIS,), finish="tool_calls"),
        asked="Paris",
        tools=(get_weather, get_population),
        tool_choice="get_weather",
        needs="tools",
    ),
    Row("tools that are not needed", COUNTED, tools=(get_weather,), needs="tools"),
    Row(
        "the result of a tool",
        Expect(text="sunny in Paris."),
        asked=(
            Message(role="user", content="What is the weather in Paris?"),
            Message(role="assistant", tool_calls=(ToolCall("call_1", "get_weather", '{"city": "Paris"}'),)),
            Message(role="tool", content="sunny in Paris", tool_call_id="call_1"),
        ),
        tools=(get_weather,),
        needs="tools",
    ),
    Row(
        "tools where there are none",
        Fails("ConfigurationError", says="tools", requests=0),
        tools=(get_weather,),
        lacks="tools",
    ),
)

REFUSALS = (
    Row(
        "a wrong key",
        Fails("AuthenticationError", has={"status_code": 401}),
        given={"api_key": "not-the-key"},
        afresh=True,
    ),
    Row(
        "402",
        By(
            {
                "native": Fails("PermissionDeniedError", says="not authorized", has={"status_code": 402}),
                "": Fails("InsufficientCreditsError", says="redit", has={"status_code": 402}),
            }
        ),
        fault="credits",
    ),
    Row(
        "a model that is not there",
        By(
            {
                "aki": Fails("ModelNotFoundError", says="Nothing was sent", requests=0),
                "": Fails("ModelNotFoundError", says="does not exist", has={"status_code": 404}),
            }
        ),
        model="unknown",
    ),
    Row(
        "a model that another one answers for",
        Fails("ModelFallbackError", says="minimax", has={"served": "minimax-m2.5-230b"}),
        model="unknown",
        given={"on_unknown_model": "allow"},
        needs="fallback",
    ),
    Row(
        "a temperature out of range",
        By(
            {
                "native": Fails("ConfigurationError", says="0 to 1", requests=0),
                "anthropic": Fails("ConfigurationError", says="0 to 1", requests=0),
                "": COUNTED,
            }
        ),
        given={"temperature": 1.5},
    ),
    Row(
        "more output than fits",
        By(
            {
                "native": Fails("BadRequestError", says="too high", warns="known to give"),
                "aki": Fails("ContextOverflowError", says="context", warns="known to give"),
                "": Fails("ContextOverflowError", says="context"),
            }
        ),
        given={"max_tokens": 300_000},
    ),
    Row("429 once", AGAIN, fault=f"status=429;times=1;{SOON}"),
    Row(
        "429 for good",
        Fails("RateLimitError", requests=2, has={"retry_after": 0.01, "is_retryable": True}),
        fault=f"status=429;{SOON}",
        given={"max_retries": 1},
    ),
    Row(
        "429 for an hour",
        Fails("RateLimitError", says="3600", has={"retry_after": 3600.0}),
        fault="status=429;retry-after=3600",
    ),
)

FAILURES = (
    Row(
        "500 once",
        By({"native": Fails("ServerError", has={"status_code": 500}), "": AGAIN}),
        fault=f"status=500;times=1;{SOON}",
    ),
    Row(
        "500 for good",
        By({"native": Fails("ServerError"), "": Fails("ServerError", requests=2)}),
        fault=f"status=500;{SOON}",
        given={"max_retries": 1},
    ),
    Row("503 once", AGAIN, fault=f"status=503;times=1;{SOON}"),
    Row(
        "a listing that cannot be read",
        Expect(text=TWELVE, requests=2, warns="the model listing could not be read"),
        fault=f"status=503;times=1;{SOON}",
        afresh=True,
        needs="listed",
    ),
    Row(
        "503 for good",
        Fails("ServiceUnavailableError", requests=3, has={"is_retryable": True}),
        fault=f"status=503;{SOON}",
    ),
    Row(
        "a page of a proxy with 502",
        Fails("ServerError", says="502 Bad Gateway"),
        fault=f"html=502;{SOON}",
        given={"max_retries": 0},
    ),
    Row("a page of a proxy with 200", Fails("InvalidResponseError"), fault="html=200"),
    Row(
        "a connection that is reset once", By({"native": Fails("APIConnectionError"), "": AGAIN}), fault="reset;times=1"
    ),
    Row("silence", Fails("APITimeoutError"), fault="hang", given={"timeout": 0.1}),
    Row("a cut stream", Fails("StreamInterruptedError", part_of=TWELVE), fault="drop=8", needs="stream events"),
    Row("a cut answer", Fails("APIConnectionError"), fault="drop=0", lacks="stream"),
    Row(
        "a stream without its end",
        Fails("StreamInterruptedError", part_of=TWELVE + " "),
        fault="no-finish;no-done",
        needs="stream events",
    ),
    Row(
        "an error in a stream",
        By({"ak_ai_core": Fails("APIStatusError"), "": Fails("ServerError")}),
        fault="stream-error=6",
        needs="stream events",
    ),
    Row(
        "an error event in a stream",
        By({"ak_ai_core": Fails("APIStatusError"), "": Fails("ServerError")}),
        fault="event-error=6",
        needs="stream events",
    ),
)

LEAVING = (
    Row(
        "canceled before the answer begins",
        Left(by="cancel"),
        fault=By({"native": "job-seconds=100000", "": "first-byte=60"}),
    ),
    Row("canceled before the job is named", Left(by="cancel", looked_at=False), fault="first-byte=60", needs="native"),
    Row(
        "canceled in the middle of an answer",
        Left(by="cancel"),
        asked="Count from 1 to 900.",
        fault=By({"native": "job-seconds=100000", "": "chunk-delay=0.05"}),
        needs="stream",
    ),
    Row(
        "closed in the middle of an answer",
        Left(by="close"),
        asked="Count from 1 to 900.",
        fault=By({"native": "job-seconds=4000", "": "chunk-delay=0.01"}),
    ),
)

# For more than one look, at the emulator's speed.
SOME = "job-seconds=40"


def _job(name: str, result: Result | By[Result], *, needs: str = "", **more: Any) -> Row:
    return Row(name=name, result=result, needs=f"native {needs}".strip(), **more)


JOBS = (
    _job("a job that waits in the queue", Expect(text=TWELVE, queue=(3, 2, 1)), fault=f"queue=3;{SOME}"),
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

ROWS = (*ANSWERS, *TOOLS, *REFUSALS, *FAILURES, *LEAVING, *JOBS)
