"""What a program on LangChain writes: read by type checkers, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, SecretStr

from aki_transport import AKIError, Client, GeneratedImage, ImageStore, ModelInfo, Provider, Timeout
from langchain_aki import AKILLM, AKIImageEditTool, AKIImageGenerationTool, ChatAKI, register_providers


class City(BaseModel):
    name: str


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


def read_key() -> str:
    return "..."


async def read_key_later() -> SecretStr:
    return SecretStr("...")


def models() -> list[BaseChatModel]:
    return [
        ChatAKI(model="qwen3.6-35b"),
        ChatAKI(model="qwen3.6-35b", api_key="..."),
        ChatAKI(model="qwen3.6-35b", api_key=SecretStr("...")),
        ChatAKI(model="qwen3.6-35b", api_key=read_key),
        ChatAKI(model="qwen3.6-35b", api_key=read_key_later),
        ChatAKI(model="qwen3.6-35b", provider=Provider(base_url="http://localhost:8000/v1"), temperature=0),
        ChatAKI(model="qwen3.6-35b", stop=["."], timeout=Timeout(chunk=10), total_timeout=30, max_retries=0),
    ]


def ask(model: ChatAKI) -> str:
    message = model.invoke([HumanMessage("Hi")])
    assert_type(message, AIMessage)
    chunks: Iterator[AIMessageChunk] = model.stream("Hi")
    for chunk in chunks:
        assert_type(chunk, AIMessageChunk)
    info = model.model_info()
    assert_type(info, ModelInfo)
    assert_type(info.context_window, int)
    return str(message.text)


async def ask_later(model: ChatAKI) -> None:
    message = await model.ainvoke("Hi")
    assert_type(message, AIMessage)
    chunks: AsyncIterator[AIMessageChunk] = model.astream("Hi")
    async for chunk in chunks:
        assert_type(chunk, AIMessageChunk)


def agent(model: ChatAKI) -> None:
    tools: list[BaseTool] = [get_weather, AKIImageGenerationTool(size="512x512"), AKIImageEditTool(store=ImageStore())]
    create_agent(model, tools=tools)
    model.bind_tools([get_weather], tool_choice="any", parallel_tool_calls=False).invoke("Hi")
    model.with_structured_output(City).invoke("Paris")


def prompts() -> str:
    return AKILLM(model="llama3-chat-8b", max_tokens=20).invoke("The capital of France is")


def pictures() -> list[GeneratedImage]:
    register_providers()
    with Client(api_key="...") as client:
        try:
            return client.generate_image("a lighthouse")
        except AKIError as error:
            assert_type(error.is_retryable, bool)
            return []
