"""Signed and redacted thoughts: in histories, kept by dumps, dropped where nobody reads them."""

import pickle
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, messages_from_dict, messages_to_dict
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock, ToolCallBlock

from langchain_aki import ChatAKI
from tests.anthropic_script import said
from tests.llama_index.asking import AGENT_WARNINGS
from tests.requests.frameworks import WAYS, aki, ask, chat_aki
from tests.scenarios import KEY, MODEL
from tests.script_server import Request, ScriptServer
from tests.subcases import subcases

pytestmark = [
    *AGENT_WARNINGS,
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),  # of `load`
    pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning"),  # the server has one answer
]

THINKING = {"type": "thinking", "thinking": "I need the weather.", "signature": "c2lnbmVk"}
REDACTED = {"type": "redacted_thinking", "data": "aGlkZGVu"}
TEXT = {"type": "text", "text": "I look."}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Munich"}}
EVERYTHING = [THINKING, REDACTED, TEXT, USE]
QUESTION = "What is the weather in Munich?"
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
# The tool's result, an answer, and a thought without a signature.
CALLS: Any = [{"id": "toolu_1", "name": "get_weather", "args": {"city": "Munich"}}]
CALL = ToolCallBlock(tool_call_id="toolu_1", tool_name="get_weather", tool_kwargs={"city": "Munich"})
BEHIND: dict[Any, tuple[Any, Any, Any]] = {
    chat_aki: (
        ToolMessage("Sunny in Munich.", tool_call_id="toolu_1"),
        AIMessage("It is sunny."),
        AIMessage("I look.", tool_calls=CALLS, additional_kwargs={"reasoning_content": "hm"}),
    ),
    aki: (
        ChatMessage(role="tool", content="Sunny in Munich.", additional_kwargs={"tool_call_id": "toolu_1"}),
        ChatMessage(role="assistant", content="It is sunny."),
        ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm"), TextBlock(text="I look."), CALL]),
    ),
}


REASONING = {"type": "reasoning", "reasoning": THINKING["thinking"], "extras": {"signature": THINKING["signature"]}}
STANDARD_CALL = {"type": "tool_call", **CALLS[0]}
SIGNED = ThinkingBlock(content=THINKING["thinking"], additional_information={"signature": THINKING["signature"]})
HIDDEN = ThinkingBlock(additional_information=REDACTED)
KWARGS = {"reasoning_content": THINKING["thinking"], "thinking_blocks": [THINKING, REDACTED]}
HISTORIES: dict[str, tuple[Any, Any]] = {
    "langchain-anthropic": (chat_aki, AIMessage([*EVERYTHING], tool_calls=CALLS)),
    "with indices": (
        chat_aki,
        AIMessage([{**block, "index": at} for at, block in enumerate(EVERYTHING)], tool_calls=CALLS),
    ),
    "standard blocks": (
        chat_aki,
        AIMessage([REASONING, {"type": "non_standard", "value": REDACTED}, TEXT, STANDARD_CALL], tool_calls=CALLS),
    ),
    "ours": (chat_aki, AIMessage("I look.", tool_calls=CALLS, additional_kwargs=KWARGS)),
    "LlamaIndex's blocks, without their type": (
        aki,
        ChatMessage(role="assistant", blocks=[SIGNED, HIDDEN, TextBlock(text="I look."), CALL]),
    ),
}


def second_of(body: Any, *asked: Any, **options: Any) -> Any:
    return body(*asked, **options)["messages"][1]


@pytest.mark.parametrize("form", HISTORIES)
def test_thoughts_go_back_within_their_turn_signed_where_signatures_are_read(body: Any, form: str):
    framework, message = HISTORIES[form]
    result, answer, _ = BEHIND[framework]
    turn = [QUESTION, message, result]
    assert second_of(body, framework, "anthropic", turn)["content"] == EVERYTHING
    function = {"name": "get_weather", "arguments": '{"city": "Munich"}'}
    assert second_of(body, framework, "openai", turn) == {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [{"id": "toolu_1", "type": "function", "function": function}],
        "reasoning_content": THINKING["thinking"],
    }
    over = [*turn, answer, "And now?"]
    for fields, kept in (
        ({}, []),
        ({"send_reasoning": "tool_turns"}, []),
        ({"send_reasoning": "never"}, []),
        ({"send_reasoning": "always"}, [THINKING, REDACTED]),
    ):
        assert second_of(body, framework, "anthropic", over, fields=fields)["content"] == [*kept, TEXT, USE]
        assert second_of(body, framework, "anthropic", over, **fields)["content"] == [*kept, TEXT, USE]


@pytest.mark.parametrize("framework", BEHIND)
def test_a_thought_without_signature_is_not_sent_to_anthropics_protocol(body: Any, framework: Any):
    result, _, unsigned = BEHIND[framework]
    assert second_of(body, framework, "anthropic", [QUESTION, unsigned, result])["content"] == [TEXT, USE]


KEPT: dict[Any, list[Any]] = {
    chat_aki: [
        lambda message: pickle.loads(pickle.dumps(message)),  # noqa: S301
        lambda message: loads(dumps(message), allowed_objects="messages"),
        lambda message: messages_from_dict(messages_to_dict([message]))[0],
        lambda message: message.model_copy(deep=True),
    ],
    aki: [
        lambda message: message,
        lambda message: pickle.loads(pickle.dumps(message)),  # noqa: S301
        lambda message: ChatMessage.model_validate(message.model_dump()),
        lambda message: ChatMessage.model_validate_json(message.model_dump_json()),
    ],
}


def thoughtful(request: Request) -> Any:
    if len(request.json["messages"]) == 1:
        return said(request, *EVERYTHING, stop="tool_use")
    return said(request, {"type": "text", "text": "It is sunny."})


@pytest.mark.parametrize(
    ("framework", "fields"),
    [(chat_aki, {}), (chat_aki, {"output_version": "v1"}), (aki, {})],
    ids=["LangChain", "LangChain v1", "LlamaIndex"],
)
@subcases("way", WAYS)
def test_an_answers_thoughts_go_back_as_they_came_also_when_they_were_kept(
    server: ScriptServer, framework: Any, fields: dict[str, Any], way: str
):
    server.always = thoughtful
    model = framework(server, "anthropic", **fields)
    items = ask(model, way, [QUESTION], tools=[TOOL])
    if framework is chat_aki:
        answer = reduce(add, items)
        assert answer.additional_kwargs["thinking_blocks"] == [THINKING, REDACTED]
        assert [block["type"] for block in answer.content_blocks] == ["reasoning", "text", "tool_call"]
    else:
        answer = items[-1].message
        signature = {"type": "thinking", "signature": THINKING["signature"]}
        assert answer.blocks == [
            SIGNED.model_copy(update={"additional_information": signature}),
            ThinkingBlock(content="", additional_information=REDACTED),
            TextBlock(text="I look."),
            CALL,
        ]
        if "stream" in way:
            told = [item.additional_kwargs.get("thinking_delta", "") for item in items]
            assert "".join(told) == THINKING["thinking"]
    for keep in KEPT[framework]:
        ask(model, way, [QUESTION, keep(answer), BEHIND[framework][0]], tools=[TOOL])
        assert server.requests[-1].json["messages"][1]["content"] == EVERYTHING


def test_a_refusal_in_standard_blocks_can_be_sent_again(server: ScriptServer):
    server.say(lambda request: said(request, stop="refusal"), lambda request: said(request, TEXT))
    model = ChatAKI(model=MODEL, protocol="anthropic", base_url=server.anthropic_url, api_key=KEY, output_version="v1")
    refused = model.invoke(QUESTION)
    assert refused.additional_kwargs["refusal"]
    assert model.invoke([HumanMessage(QUESTION), refused, HumanMessage("Please.")]).text == "I look."


def test_a_tools_failure_is_marked(body: Any):
    for status in ("success", "error"):
        result = ToolMessage("no such city", tool_call_id="toolu_1", status=status)
        sent = body(chat_aki, "anthropic", [QUESTION, HISTORIES["ours"][1], result])
        assert sent["messages"][2]["content"][0].get("is_error", False) is (status == "error")
        # Source: https://github.com/bytedance/trae-agent/pull/231, a failure without a word on it is refused
        nothing = body(
            chat_aki, "anthropic", [QUESTION, HISTORIES["ours"][1], result.model_copy(update={"content": ""})]
        )
        assert bool(nothing["messages"][2]["content"][0]["content"]) is (status == "error")
