"""What is compared: each line is a row. Nothing here imports a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.scenarios.overflow import ROWS
from tests.scenarios.table import MODEL, Fails, Scenario

OVERFLOWS: tuple[Scenario, ...] = tuple(
    row
    for row in ROWS
    if row.name.startswith("overflow-") and isinstance(row.expect, Fails) and row.expect.error == "ContextOverflowError"
)
"""What as many servers say of a conversation that does not fit, in words of their own."""

WHICH_KEY = "Which key came with this?"
"""The scripted server answers it with the `Authorization` header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row.

    Args:
        key: Chooses it on the command line.
        title: What happens.
        shown_by: The function that tries it: one of that name for each framework, in `in_langchain.py` and
            `in_llama_index.py`. A framework without it has no such thing.
        at: Who is asked: the emulator, or the scripted server, which plays the scenario that the question names.
        question: What is asked.
        model: Which model is asked.
        fault: What goes wrong at the emulator.
    """

    key: str
    title: str
    shown_by: str
    at: Literal["emulator", "scripted"] = "emulator"
    question: str = "What is 6 * 7?"
    model: str = MODEL
    fault: str = ""


LINES = (
    Line(key="reasoning", title="reasoning, as `reasoning_content`", shown_by="reasoning"),
    Line(
        key="reasoning-field",
        title="reasoning, as `reasoning`",
        shown_by="reasoning",
        at="scripted",
        question="reasoning-field",
    ),
    Line(key="usage", title="token usage of a stream, by default", shown_by="usage"),
    Line(key="unknown-model", title="a model that the service does not know", shown_by="served", model="qwen9"),
    Line(key="cut", title="a stream whose connection is lost", shown_by="stream", fault="drop=11"),
    Line(
        key="unfinished",
        title="a stream that just ends, without finish reason and `[DONE]`",
        shown_by="stream",
        fault="no-done;no-finish",
    ),
    Line(key="stream-error", title="an error inside a stream", shown_by="stream", fault="stream-error=11"),
    Line(key="empty", title="the empty answer of a failed worker", shown_by="answer", fault="empty"),
    Line(key="html", title="an HTML page with status 200", shown_by="answer", fault="html=200"),
    Line(key="html-stream", title="an HTML page in place of a stream", shown_by="stream", fault="html=200"),
    Line(
        key="tool-index",
        title="streamed tool calls in pieces without `index`",
        shown_by="tool_calls",
        at="scripted",
        question="index-missing",
    ),
    Line(
        key="overflow",
        title=f"a context overflow as a class of its own, in {len(OVERFLOWS)} wordings",
        shown_by="overflows",
        at="scripted",
    ),
    Line(
        key="summarization",
        title='`SummarizationMiddleware` with `trigger=("fraction", 0.8)`',
        shown_by="summarization_by_share",
        model="llama3-chat-8b",
    ),
    Line(
        key="summarization-of-all",
        title="`SummarizationMiddleware` whose own prompt overflows, as `trim_tokens_to_summarize=None` lets it",
        shown_by="summarization_of_all",
        model="llama3-chat-8b",
    ),
    Line(key="context-window", title="context window of `qwen3.6-35b`", shown_by="context_window"),
    Line(key="runs", title="`asyncio.run` three times with one model", shown_by="runs"),
    Line(
        key="key",
        title="no key given, and `OPENAI_API_KEY` set",
        shown_by="key",
        at="scripted",
        question=WHICH_KEY,
    ),
)
