"""What people get wrong first, through both frameworks: one line that says what to do."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from langchain_aki import ChatAKI
from llama_index_aki import AKI

MODEL = "qwen3.6-35b"


pytestmark = pytest.mark.filterwarnings("ignore")  # some are warned of as well


class City(BaseModel):
    """A city."""

    name: str


# The environment's key, the constructor's arguments (URLs with the emulator's own in place of {root}), and a pattern
# for the message.
MADE: tuple[tuple[str | None, dict[str, Any], str], ...] = (
    (None, {}, r"no key; set AKI_API_KEY or .*api_key=.*made at https://aki\.io.*`aki emulator`"),
    ("sk-wrong-4711", {}, r"answered 401 .*came from AKI_API_KEY; keys of AKI\.IO are made at https://aki\.io\."),
    (None, {"api_key": "sk-wrong-4711"}, r"answered 401 .*The key came from api_key=; keys of"),
    (None, {"api_key": "Bearer sk-wrong-4711"}, "the key contains spaces .*without 'Bearer'"),
    (None, {"base_url": "{root}", "api_key": "aki-test"}, r"not found\. Most services .*under /v1; base_url="),
    (None, {"base_url": "{root}/v1/v1", "api_key": "aki-test"}, r"not found\. base_url=.* has /v1 twice"),
    (None, {"base_url": "{root}/v1/chat/completions"}, r"did you mean 'http://[^/]+/v1'\?"),
    (
        None,
        {"protocol": "anthropic", "base_url": "{root}/anthropic/v1", "api_key": "aki-test"},
        r"paths begin with /v1; base_url=.* ends in one already",
    ),
    (None, {"base_url": "gateway.example/v1"}, r"did you mean 'https://gateway\.example/v1'\?"),
    (None, {"base_url": "http://gateway.example/v1"}, "use https, or pass allow_insecure=True"),
    ("aki-test", {"base_url": "https://gateway.example/v1"}, r"key in AKI_API_KEY goes only to"),
    (
        None,
        {"base_url": "http://127.0.0.1:9/v1", "api_key": "x", "max_retries": 0},
        r"connect to http://127\.0\.0\.1:9 \(",
    ),
    ("aki-test", {"model": None}, r"needs model= \(.*`aki models` lists them\)"),
    ("aki-test", {"model": ""}, r"model= string should have at least 1 character \(a model's ID"),
    ("aki-test", {"model": "qwen3.6-36b"}, r"Did you mean 'qwen3\.6-35b'\?.*Nothing was sent"),
    ("aki-test", {"model": "gpt-4o"}, r"no model 'gpt-4o'\..* It lists: apertus"),
    (None, {"provider": "openai"}, r"provider='openai' is unknown; use 'aki', 'aacflow'"),
    (None, {"protocol": "http"}, r"it supports 'openai', 'anthropic', 'native'"),
    ("aki-test", {"temperature": 3}, r"'temperature' must be between 0 and 2"),
    (
        "aki-test",
        {"protocol": "anthropic", "temperature": 1.5},
        r"=1\.5 is out of range: protocol='anthropic' takes 0 to 1",
    ),
    (None, {"temperature": "hot"}, r": temperature= should be a valid number"),
    (None, {"max_tokens": 0}, r": max_tokens= should be greater than or equal to 1"),
    ("aki-test", {"max_tokens": 10**7}, r"maximum context length is 262144 tokens"),
    (None, {"timeout": 0}, r"timeout=0.* is no number of seconds above 0"),
    ("aki-test", {"protocol": "native", "seed": 1}, r"takes no seed; it takes temp"),
    (None, {"max_new_tokens": 5}, r"has no argument 'max_new_tokens'; use max_tokens="),
    (None, {"temprature": 0}, r"has no argument 'temprature'"),
    (None, {"http_client": "x"}, r"http_client= takes an httpx\.Client, not builtins\.str"),
)

CALLS: tuple[tuple[str, Callable[[ChatAKI], Any], Callable[[AKI], Any], str], ...] = (
    (
        "a local path as image_url",
        lambda model: model.invoke([HumanMessage([{"type": "image_url", "image_url": {"url": "cat.png"}}])]),
        lambda llm: llm.chat([ChatMessage(blocks=[TextBlock(text="What?"), ImageBlock(url="C:/cat.png")])]),
        "pass a local file as bytes or base64 text",
    ),
    (
        "a picture for a model without eyes",
        lambda model: model.invoke(
            [HumanMessage([{"type": "image", "url": "https://a.example/a.png"}])], model="gpt-oss-120b"
        ),
        lambda llm: llm.chat([ChatMessage(blocks=[ImageBlock(url="https://a.example/a.png")])], model="gpt-oss-120b"),
        "has no image input",
    ),
    (
        "messages of another type",
        lambda model: model.invoke({"role": "user", "content": "Hi"}),
        lambda llm: llm.chat([{"role": "user", "content": "Hi"}]),
        r"Must be a PromptValue, str, or list|pass ChatMessage\(role='user', content='\.\.\.'\) instead",
    ),
    (
        "a tool that is not there",
        lambda model: model.bind_tools([City], tool_choice="Town").invoke("Hi"),
        lambda llm: llm.chat_with_tools([FunctionTool.from_defaults(print, name="City")], "Hi", tool_choice="Town"),
        "tool_choice='Town' names no tool; use 'City'",
    ),
    (
        "a stream from a call that makes none",
        lambda model: AKI(model=model.model).complete("Hi", stream=True),  # LangChain streams then
        lambda llm: llm.chat([ChatMessage("Hi")], stream=True),
        r"call stream\(\), in LlamaIndex stream_chat\(\)",
    ),
)


@pytest.fixture
def here(at_the_emulator, monkeypatch):
    monkeypatch.delenv("AKI_API_KEY")
    return at_the_emulator


def message_of(ask: Callable[[], Any]) -> str:
    """The error's message, or what a tool told the model."""
    try:
        return str(ask())
    except Exception as error:  # noqa: BLE001  the message is what is looked at
        return str(error)


@pytest.mark.parametrize("row", MADE, ids=[f"{row[0]} {row[1]}" for row in MADE])
def test_a_wrong_setting_is_explained_in_one_line(here, monkeypatch, subtests, row):
    key, arguments, pattern = row
    if key is not None:
        monkeypatch.setenv("AKI_API_KEY", key)
    arguments = {name: value for name, value in {"model": MODEL, **arguments}.items() if value is not None}
    if "base_url" in arguments:
        arguments["base_url"] = arguments["base_url"].replace("{root}", here.url)
    for ask in (lambda: ChatAKI(**arguments).invoke("Hi"), lambda: AKI(**arguments).chat([ChatMessage("Hi")])):
        with subtests.test():
            message = message_of(ask)
            assert re.search(pattern, message), message
            assert "\n" not in message
            assert "4711" not in message


@pytest.mark.parametrize("row", CALLS, ids=[row[0] for row in CALLS])
def test_a_wrong_call_is_explained_in_one_line(here, monkeypatch, subtests, row):
    _, langchain, llama_index, pattern = row
    monkeypatch.setenv("AKI_API_KEY", here.key)
    for ask, model in ((langchain, ChatAKI(model=MODEL)), (llama_index, AKI(model=MODEL))):
        with subtests.test(type(model).__name__):
            message = message_of(lambda ask=ask, model=model: ask(model))
            assert re.search(pattern, message), message
            assert "\n" not in message
