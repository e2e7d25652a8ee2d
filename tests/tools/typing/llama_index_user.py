"""What a program on LlamaIndex writes: read by type checkers, never run."""

from __future__ import annotations

from typing import assert_type

from llama_index.core import Settings
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.llms.llm import LLM
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, SecretStr

from aki_transport import ModelInfo, Provider, Timeout
from llama_index_aki import AKI, AKICompletion, AKIImageToolSpec


class City(BaseModel):
    name: str


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


def read_key() -> str:
    return "..."


async def read_key_later() -> SecretStr:
    return SecretStr("...")


def models() -> list[LLM]:
    return [
        AKI(model="qwen3.6-35b"),
        AKI(model="qwen3.6-35b", api_key="..."),
        AKI(model="qwen3.6-35b", api_key=SecretStr("...")),
        AKI(model="qwen3.6-35b", api_key=read_key),
        AKI(model="qwen3.6-35b", api_key=read_key_later),
        AKI(model="qwen3.6-35b", provider=Provider(base_url="http://localhost:8000/v1"), temperature=0),
        AKI(model="qwen3.6-35b", stop=["."], timeout=Timeout(chunk=10), total_timeout=30, max_retries=0),
        AKICompletion(model="llama3-chat-8b", max_tokens=20),
    ]


def ask(llm: AKI) -> str:
    Settings.llm = llm
    response = llm.chat([ChatMessage("Hi")])
    assert_type(response, ChatResponse)
    assert_type(llm.complete("Hi"), CompletionResponse)
    for part in llm.stream_chat([ChatMessage("Hi")]):
        assert_type(part, ChatResponse)
    info = llm.model_info()
    assert_type(info, ModelInfo)
    assert_type(llm.metadata.context_window, int)
    return response.message.content or ""


async def ask_later(llm: AKI) -> None:
    assert_type(await llm.achat([ChatMessage("Hi")]), ChatResponse)
    async for part in await llm.astream_chat([ChatMessage("Hi")]):
        assert_type(part, ChatResponse)


def agent(llm: AKI) -> FunctionAgent:
    weather = FunctionTool.from_defaults(get_weather)
    llm.chat_with_tools([weather], "What is the weather in Paris?", tool_required=True)
    llm.as_structured_llm(City).complete("Paris")
    images = AKIImageToolSpec(size="512x512")
    FunctionAgent(llm=llm, tools=images.to_tool_list())
    return FunctionAgent(llm=llm, tools=[weather, get_weather, *images.to_tool_list()])
