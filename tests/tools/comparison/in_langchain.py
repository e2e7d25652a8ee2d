"""What LangChain's chat models give. Each client is imported where it is made, so that its process holds no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from tests.scenarios.table import TOOLS
from tests.tools.comparison import words
from tests.tools.comparison.lines import OVERFLOWS, Line

Make = Callable[..., BaseChatModel]


def chat_openai(**fields: Any) -> BaseChatModel:
    """The generic client."""
    from langchain_openai import ChatOpenAI  # noqa: PLC0415  see above

    return ChatOpenAI(**fields)


def chat_aki(**fields: Any) -> BaseChatModel:
    """Ours."""
    from langchain_aki import ChatAKI  # noqa: PLC0415  see above

    return ChatAKI(**fields)


def _whole(model: Any, question: str) -> AIMessageChunk:
    """A stream's pieces, added up."""
    pieces: list[AIMessageChunk] = list(model.stream(question))
    return reduce(add, pieces)


def reasoning(make: Make, line: Line) -> str:
    """Whether it is there, blocking and streamed."""
    both = make().invoke(line.question), _whole(make(), line.question)
    shown = [any(block["type"] == "reasoning" for block in each.content_blocks) for each in both]
    return words.SHOWN if all(shown) else words.LOST


def usage(make: Make, line: Line) -> str:
    """Whether a stream counts its tokens."""
    return words.COUNTED if _whole(make(), line.question).usage_metadata else words.NONE


def served(make: Make, line: Line) -> str:
    """Who answers, and where that is told."""
    return f"`{make().invoke(line.question).response_metadata['model_name']}` answers, as `response_metadata` tells"


def stream(make: Make, line: Line) -> str:
    """Whether a stream comes to its end."""
    return words.WHOLE if _whole(make(), line.question).text else words.EMPTY


def answer(make: Make, line: Line) -> str:
    """Whether a blocking answer has text."""
    return words.ANSWER if make().invoke(line.question).text else words.EMPTY


def tool_calls(make: Make, line: Line) -> str:
    """The calls that a stream adds up to."""
    found = _whole(make().bind_tools(list(TOOLS)), line.question).tool_calls
    return words.called((each["name"], each["args"]) for each in found)


def overflows(make: Make, _: Line) -> str:
    """How many of the servers' wordings become the error that LangChain has for it."""
    return f"{sum(_is_overflow(make(), row.name) for row in OVERFLOWS)} of {len(OVERFLOWS)}"


def _is_overflow(model: BaseChatModel, question: str) -> bool:
    try:
        model.invoke(question)
    except ContextOverflowError:
        return True
    except Exception:  # noqa: BLE001  of any other kind
        return False
    raise RuntimeError(f"{question}: an answer in place of an error")


def summarization_by_share(make: Make, line: Line) -> str:
    """Whether an agent answers that is to summarize at a share of the context window."""
    return _summarized(make(), line, trigger=("fraction", 0.8))


def summarization_of_all(make: Make, line: Line) -> str:
    """Whether an agent answers whose summary takes in the whole history, which is too long for that too."""
    return _summarized(make(), line, trigger=("messages", 8), keep=("messages", 4), trim_tokens_to_summarize=None)


def _summarized(model: BaseChatModel, line: Line, **options: Any) -> str:
    from langchain.agents import create_agent  # noqa: PLC0415  slow, and for these only
    from langchain.agents.middleware import SummarizationMiddleware  # noqa: PLC0415  same

    history = [HumanMessage(f"{n}: {'word ' * 4000}") if n % 2 == 0 else AIMessage("Noted.") for n in range(80)]
    agent = create_agent(model, middleware=[SummarizationMiddleware(model, **options)])
    said = agent.invoke({"messages": [*history, HumanMessage(line.question)]})
    return words.ANSWER if said["messages"][-1].text else words.EMPTY


def context_window(make: Make, _: Line) -> str:
    """What the model says of itself."""
    return str((make().profile or {}).get("max_input_tokens", words.UNKNOWN))


def runs(make: Make, line: Line) -> str:
    """Event loops one after another."""
    return words.run_thrice(make, lambda model: asyncio.run(model.ainvoke(line.question)))


def key(make: Make, line: Line) -> str:
    """What goes out."""
    return words.sent(make(api_key=None).invoke(line.question).text)
