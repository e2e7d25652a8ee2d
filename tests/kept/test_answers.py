"""What an answer holds is kept, goes back to its maker alone, and threads go on between our models and others."""

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from llama_index.core.llms import ChatMessage, ChatResponse, MessageRole
from pydantic import TypeAdapter

from langchain_aki import ChatAKI
from llama_index_aki import AKI
from tests.anthropic_script import said
from tests.kept.answers_data import ServiceAnswer, read_answers
from tests.langchain import asking as in_langchain
from tests.lazily import lazily
from tests.llama_index import asking as in_llama_index
from tests.scenarios import MODEL, replied, streamed
from tests.script_server import Answer, Request, ScriptServer
from tests.subcases import subcases

langchain_openai = lazily("langchain_openai")
pytestmark = pytest.mark.usefixtures("one_loop")

KEY = "sk-1234567890"
ANSWERS = read_answers()
HISTORIES = json.loads((Path(__file__).parent / "histories.json").read_text("utf-8"))
MESSAGES: TypeAdapter[list[AnyMessage]] = TypeAdapter(list[AnyMessage])
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}

each_answer = pytest.mark.parametrize("answer", ANSWERS, ids=str)
in_langchain_ways = subcases("way", in_langchain.WAYS)


def test_answers_and_histories_are_read():
    assert len(ANSWERS) >= 19
    assert len(HISTORIES) >= 10


def yes(request: Request) -> Answer:
    if request.path.endswith("/messages"):
        return said(request, {"type": "text", "text": "Yes."})
    return streamed("Yes.") if request.json.get("stream") else replied("Yes.")


@pytest.fixture(scope="module")
def chat_openai(scripted: ScriptServer) -> Any:
    return langchain_openai.ChatOpenAI(model="gpt-4o", base_url=scripted.openai_url, api_key=KEY)


@pytest.fixture
def blocking(scripted: ScriptServer, answer: ServiceAnswer) -> Any:
    """The message of a blocking call in LangChain."""
    scripted.say(answer.say(streamed=False))
    return ChatAKI(**answer.model_fields(scripted)).invoke("hi")


@each_answer
@in_langchain_ways
def test_langchain_keeps_all_and_sends_it_back_to_its_maker_alone(
    scripted: ScriptServer, way: in_langchain.Way, answer: ServiceAnswer, blocking: Any, chat_openai: Any
):
    is_stream = in_langchain.is_streamed(way)
    for version in ("v0", "v1"):
        scripted.say(answer.say(streamed=is_stream))
        model = ChatAKI(**answer.model_fields(scripted), output_version=version)
        message = in_langchain.ask(model, way, "hi")
        assert answer.missing_in(message.model_dump(), streamed=is_stream) == []
        assert message.usage_metadata == blocking.usage_metadata
        results = [ToolMessage("Sunny.", tool_call_id=call["id"]) for call in message.tool_calls]
        scripted.say(yes)
        assert chat_openai.invoke(["hi", message, *results, "Go on."]).text == "Yes."
        sent = scripted.requests[-1].json["messages"][1]
        content = sent["content"] or ""
        assert "".join(each if isinstance(each, str) else each.get("text", "") for each in content) == message.text
        assert [call["id"] for call in sent.get("tool_calls", ())] == [call["id"] for call in message.tool_calls]
        if version == "v1":
            assert _comparable(message.content_blocks) == _comparable(blocking.content_blocks)
            continue
        history = [HumanMessage("hi"), AIMessage(**_plain(message)), *results, HumanMessage("And now?")]
        for name in ("gateway", "other"):
            scripted.say(answer.say(streamed=False))
            ChatAKI(**answer.model_fields(scripted, name)).invoke(history)
        _check_next_requests(scripted, answer)


def _comparable(blocks: Any) -> list[Any]:
    """The blocks in any order, without what only orders the pieces of a stream, and with neighbouring texts as one."""
    result: list[Any] = []
    for block in blocks:
        bare = {name: value for name, value in block.items() if name != "index" and value != ""}
        if result and bare.keys() == {"type", "text"} == result[-1].keys():
            result[-1] = {"type": "text", "text": result[-1]["text"] + bare["text"]}
        elif bare != {"type": "text"}:
            result.append(bare)
    return sorted(result, key=json.dumps)


def _plain(message: Any) -> dict[str, Any]:
    fields = ("content", "additional_kwargs", "response_metadata", "tool_calls", "invalid_tool_calls")
    return {name: getattr(message, name) for name in fields}


@each_answer
@subcases("way", in_llama_index.WAYS)
def test_llama_index_keeps_all_and_sends_it_back_to_its_maker_alone(
    scripted: ScriptServer, way: Any, answer: ServiceAnswer
):
    is_stream = in_llama_index.is_streamed(way)
    scripted.say(answer.say(streamed=is_stream))
    response = in_llama_index.ask(AKI(**answer.model_fields(scripted)), way, "hi", tools=[TOOL])
    assert isinstance(response, ChatResponse)
    assert answer.missing_in(response.model_dump(), streamed=is_stream) == []
    assert response.message.content in ("".join(_texts(answer)), None)
    results = [
        ChatMessage(role=MessageRole.TOOL, content="Sunny.", additional_kwargs={"tool_call_id": call["id"]})
        for call in response.message.additional_kwargs.get("tool_calls", ())
    ]
    message = ChatMessage.model_validate_json(response.message.model_dump_json())
    history = [ChatMessage("hi"), message, *results, ChatMessage("And now?")]
    for name in ("gateway", "other"):
        scripted.say(answer.say(streamed=False))
        AKI(**answer.model_fields(scripted, name)).chat(history)
    _check_next_requests(scripted, answer)


def _texts(answer: ServiceAnswer) -> list[str]:
    content = answer.body["content"] if "content" in answer.body else answer.body["choices"][0]["message"]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    return [part["text"] for part in parts if part.get("type") == "text" and part["text"]]


def _check_next_requests(server: ScriptServer, answer: ServiceAnswer) -> None:
    own, other = (request.json["messages"][1] for request in server.requests[-2:])
    if answer.back is not None:
        assert own == answer.back
    text, _ = _read_body(other)
    sound = answer.body["choices"][0]["message"].get("audio") if "choices" in answer.body else None
    assert text == ("".join(_texts(answer)) or (sound or {}).get("transcript", ""))


def _read_body(message: dict[str, Any]) -> tuple[str, list[tuple[str, Any]]]:
    """Text and calls of an assistant's message, which holds nothing else."""
    assert message["role"] == "assistant"
    assert message.keys() <= {"role", "content", "tool_calls"}
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        assert block.keys() in ({"type", "text"}, {"type", "id", "name", "input"})
    calls = [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    for call in message.get("tool_calls", ()):
        assert call.keys() == {"id", "type", "function"}
        calls.append((call["function"]["name"], json.loads(call["function"]["arguments"])))
    return "".join(block.get("text", "") for block in blocks), calls


@pytest.fixture(scope="module")
def broken() -> Any:
    return langchain_openai.ChatOpenAI(model="gpt-4o", base_url="http://127.0.0.1:9/v1", api_key=KEY, max_retries=0)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history["name"])
@in_langchain_ways
def test_a_thread_of_another_integration_goes_on(
    scripted: ScriptServer, way: in_langchain.Way, history: dict[str, Any], broken: Any
):
    scripted.always = yes
    thread = [*MESSAGES.validate_python(history["thread"]), HumanMessage("Go on.")]
    for protocol, base_url in (("openai", scripted.openai_url), ("anthropic", scripted.anthropic_url)):
        model = ChatAKI(model=MODEL, base_url=base_url, protocol=protocol, api_key=KEY)
        assert in_langchain.ask(model, way, thread).text == "Yes."
        assert in_langchain.ask(broken.with_fallbacks([model]), way, thread).text == "Yes."
        messages, after_fallback = (request.json["messages"] for request in scripted.requests[-2:])
        assert messages == after_fallback
        has_call = any(each["type"] in ("tool", "function") for each in history["thread"])
        calls = [("get_weather", {"city": "Rome"})] if has_call else []
        if history["text"] or has_call:
            assistants = [each for each in messages if each["role"] == "assistant"]
            assert [_read_body(each) for each in assistants] == [(history["text"], calls)]
        assert json.dumps(messages).count("Sunny.") == len(calls)
