"""What LlamaIndex's models give. Each client is imported where it is made, so that its process holds no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ThinkingBlock
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool

from tests.tools.comparison import words
from tests.tools.comparison.lines import OVERFLOWS, Line

Make = Callable[..., FunctionCallingLLM]


def openai_like(*, base_url: str, **fields: Any) -> FunctionCallingLLM:
    """The generic client, told what it cannot know of a chat model with tools."""
    from llama_index.llms.openai_like import OpenAILike  # noqa: PLC0415  see above

    return OpenAILike(api_base=base_url, is_chat_model=True, is_function_calling_model=True, **fields)


def aki(**fields: Any) -> FunctionCallingLLM:
    """Ours."""
    from llama_index_aki import AKI  # noqa: PLC0415  see above

    return AKI(**fields)


def _asked(question: str) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=question)]


def _last(model: FunctionCallingLLM, question: str) -> ChatResponse | None:
    """A stream's last piece, whose message holds all of it; None where no piece came."""
    last = None
    for last in model.stream_chat(_asked(question)):  # noqa: B007  read to its end
        pass
    return last


def reasoning(make: Make, line: Line) -> str:
    """Whether it is there, blocking and streamed."""
    both = make().chat(_asked(line.question)), _last(make(), line.question)
    shown = [any(isinstance(block, ThinkingBlock) for block in each.message.blocks) for each in both if each]
    return words.SHOWN if all(shown) else words.LOST


def usage(make: Make, line: Line) -> str:
    """Whether a stream counts its tokens."""
    last = _last(make(), line.question)
    return words.COUNTED if last and last.additional_kwargs.get("total_tokens") else words.NONE


def served(make: Make, line: Line) -> str:
    """Who answers, and where that is told."""
    answered = make().chat(_asked(line.question))
    place = "additional_kwargs" if "model_name" in answered.additional_kwargs else "raw"
    name = answered.additional_kwargs.get("model_name") or getattr(answered.raw, "model", words.UNKNOWN)
    return f"`{name}` answers, as `{place}` tells"


def stream(make: Make, line: Line) -> str:
    """Whether a stream comes to its end."""
    last = _last(make(), line.question)
    return words.WHOLE if last and last.message.content else words.EMPTY


def answer(make: Make, line: Line) -> str:
    """Whether a blocking answer has text."""
    return words.ANSWER if make().chat(_asked(line.question)).message.content else words.EMPTY


def tool_calls(make: Make, line: Line) -> str:
    """The calls that a stream adds up to."""

    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"Sunny in {city}."

    def add(a: int, b: int) -> int:
        """The sum of two numbers."""
        return a + b

    model = make()
    tools = [FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(add)]
    *_, last = model.stream_chat_with_tools(tools, line.question, allow_parallel_tool_calls=True)
    found = model.get_tool_calls_from_response(last, error_on_no_tool_call=False)
    return words.called((each.tool_name, each.tool_kwargs) for each in found)


def overflows(make: Make, _: Line) -> str:
    """How many of the servers' wordings become an error that is named so; LlamaIndex itself has none for it."""
    return f"{sum(_is_overflow(make(), row.name) for row in OVERFLOWS)} of {len(OVERFLOWS)}"


def _is_overflow(model: FunctionCallingLLM, question: str) -> bool:
    try:
        model.chat(_asked(question))
    except Exception as error:  # noqa: BLE001  of any kind
        return any("ContextOverflow" in cls.__name__ for cls in type(error).__mro__)
    raise RuntimeError(f"{question}: an answer in place of an error")


def context_window(make: Make, _: Line) -> str:
    """What the model says of itself."""
    return str(make().metadata.context_window)


def runs(make: Make, line: Line) -> str:
    """Event loops one after another."""
    return words.run_thrice(make, lambda model: asyncio.run(model.achat(_asked(line.question))))


def key(make: Make, line: Line) -> str:
    """What goes out."""
    return words.sent(str(make(api_key=None).chat(_asked(line.question)).message.content))
