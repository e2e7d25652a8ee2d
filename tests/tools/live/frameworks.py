"""What is assumed of the services, asked through both frameworks: the same questions at every interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from aki_transport.live_check import Finding, Question, Service
from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.tools.recording import places

_COUNT = "Count from 1 to 5."
_WEATHER = "What is the weather in Paris?"


class City(BaseModel):
    """A city."""

    name: str


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


def _arguments(service: Service) -> dict[str, Any]:
    return {
        "provider": service.provider,
        "protocol": service.protocol,
        "base_url": service.base_url,
        "api_key": service.key,
        "model": service.model,
        "max_tokens": 100,
        "max_retries": 0,
        "model_listing": False,
        **places.clients(service.budget.take),
    }


def _answers(service: Service) -> Finding:
    message = ChatAKI(**_arguments(service)).invoke(_COUNT)
    return Finding("5" in message.text, message.text[:70])


def _streams(service: Service) -> Finding:
    chunks: Iterable[AIMessageChunk] = ChatAKI(**_arguments(service)).stream(_COUNT)  # type: ignore[assignment]
    parts = list(chunks)
    usage = next((part.usage_metadata for part in parts if part.usage_metadata), None)
    return Finding(len(parts) > 1 and usage is not None, f"{len(parts)} chunks, {usage or 'without usage'}")


def _calls_tools(service: Service) -> Finding:
    message = ChatAKI(**_arguments(service)).bind_tools([tool(get_weather)]).invoke(_WEATHER)
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return Finding([call["name"] for call in calls] == ["get_weather"], str(calls or message.text)[:70])


def _fits(service: Service) -> Finding:
    city = ChatAKI(**_arguments(service)).with_structured_output(City).invoke("Paris has 2 million people.")
    return Finding(isinstance(city, City), repr(city)[:70])


def _llama_answers(service: Service) -> Finding:
    answer = AKI(**_arguments(service)).chat([ChatMessage(content=_COUNT)])
    return Finding("5" in str(answer.message.content), str(answer.message.content)[:70])


def _llama_streams(service: Service) -> Finding:
    items: list[ChatResponse] = list(AKI(**_arguments(service)).stream_chat([ChatMessage(content=_COUNT)]))
    tokens = items[-1].additional_kwargs.get("total_tokens")
    return Finding(len(items) > 1 and bool(tokens), f"{len(items)} items, {tokens} tokens")


def _llama_calls_tools(service: Service) -> Finding:
    llm = AKI(**_arguments(service))
    answer = llm.chat_with_tools([FunctionTool.from_defaults(get_weather)], _WEATHER)
    calls = llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False)
    return Finding([call.tool_name for call in calls] == ["get_weather"], str(calls)[:70])


_CHAT: tuple[tuple[str, str, Callable[[Service], Finding]], ...] = (
    ("ChatAKI.invoke", "the answer counts to 5", _answers),
    ("ChatAKI.stream", "several chunks, and the usage", _streams),
    ("AKI.chat", "the answer counts to 5", _llama_answers),
    ("AKI.stream_chat", "several items, and the usage", _llama_streams),
)
_TOOLS: tuple[tuple[str, str, Callable[[Service], Finding]], ...] = (
    ("ChatAKI.bind_tools", "a tool that fits is called", _calls_tools),
    ("with_structured_output", "an object of the class", _fits),
    ("AKI.chat_with_tools", "a tool that fits is called", _llama_calls_tools),
)

QUESTIONS = tuple(
    Question(
        interface=name,
        about=about,
        assumed=assumed,
        code=("langchain_aki/chat_models.py" if "AKI." not in about[:4] else "llama_index_aki/llms.py",),
        probe=ask,
        calls=40 if place.protocol == "native" else 3,
    )
    for name, place in places.PLACES.items()
    for about, assumed, ask in (*_CHAT, *(_TOOLS if "tools" in place.can else ()))
)
