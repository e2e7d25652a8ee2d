"""What a service refuses is said otherwise, and remembered where it concerns the service; so is a bound of ours."""

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from aki_transport import AKIError, Client, ContextOverflowError, Provider, Route
from aki_transport.messages import ChatRequest, Image, Message, Text, Tool, ToolCall
from aki_transport.prepare import history, memory
from aki_transport.schemas import flat_schema
from tests.anthropic_script import said
from tests.script_server import Answer, Request, ScriptServer, json_answer
from tests.transport.asking import (
    WAYS,
    fastapi,
    good,
    in_every_chat,
    in_every_stream,
    in_every_way,
    refusal,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::aki_transport.errors.ModelMismatchWarning"),  # the server has one answer
    pytest.mark.usefixtures("one_loop"),
]

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
PROTOCOLS = ("openai", "anthropic")
HI = (Message(role="user", content="hi"),)
Refusal: TypeAlias = dict[str, Any] | tuple[int, dict[str, Any]]


def refuse_if(condition: Callable[[dict[str, Any]], Any], error: Refusal) -> Callable[[Request], Answer]:
    """Answers; requests whose body meets the condition get this error, with status 400 where it names none."""
    status, body = error if isinstance(error, tuple) else (400, error)

    def respond(request: Request) -> Answer:
        if condition(request.json):
            return json_answer(body, status)
        if request.path.endswith("/v1/messages"):
            return said(request, {"type": "text", "text": "Hello"})
        return good(request)

    return respond


def client_of(server: ScriptServer, protocol: str = "openai", **fields: Any) -> Client:
    """A client of a service that documents a bound of 8192 tokens, or whose protocol requires one."""
    routes = (
        Route(protocol="openai", base_url=server.openai_url, default_max_tokens=8192),
        Route(protocol="anthropic", base_url=server.anthropic_url, key_in="x-api-key"),
    )
    known = {"context_window": 200_000, "max_output": 64_000}
    provider = Provider(name="mine", routes=routes)
    return Client(**{"provider": provider, "protocol": protocol, "api_key": "k-test", **known, **fields})


def request_of(messages: tuple[Message, ...] = HI, **fields: Any) -> ChatRequest:
    return ChatRequest(**{"model": "m", "messages": messages, "send_reasoning": "tool_turns", **fields})


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


def in_order(body: dict[str, Any]) -> bool:
    """What the templates of some models require."""
    spoken = roles(body)[1:] if roles(body)[:1] == ["system"] else roles(body)
    return "system" not in spoken and all(one != other for one, other in pairwise(spoken))


def has_empty_content(body: dict[str, Any]) -> bool:
    return not all(each["content"].strip() for each in body["messages"])


def has_other_ids(body: dict[str, Any]) -> bool:
    """Than those of nine characters."""
    return any(len(call["id"]) != 9 for each in body["messages"] for call in each.get("tool_calls", ()))


def turn(part: Any) -> tuple[Message, ...]:
    """A turn of tools with a thought."""
    call = Message(role="assistant", reasoning="hm", tool_calls=(ToolCall("c1", "f", "{}"),))
    return (*HI, call, Message(role="tool", content=(part,), tool_call_id="c1"))


CALLING = request_of(turn(Text("found")), tools=(TOOL,))
PICTURES = turn(Image(url="data:image/png;base64,iVBORw0KGgo="))
CUT = (Message(role="tool", content="found", tool_call_id="c1", is_error=True), *HI)
EMPTY = (*HI, Message(role="assistant"), *turn(Text(""))[1:], *HI)
ANSWER = Message(
    role="assistant",
    provider="mine",
    extra={"a_field": 1, "other": 2},
    tool_calls=(ToolCall("c1", "f", "{}", {"a_field": 3}),),
)
MARKED = (*HI, ANSWER, Message(role="tool", content="found", tool_call_id="c1"))
BRANCHES = [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"$ref": "#/$defs/B"}]
EITHER = Tool(
    name="f",
    parameters={
        "type": "object",
        "anyOf": BRANCHES,
        "required": ["c"],
        "properties": {"c": {}},
        "$defs": {"B": {"properties": {"b": {}}}},
    },
)
NAMED = (Message(role="user", content="hi", name="ann"),)
MIXED = tuple(Message(role=role, content=f"text {at}") for at, role in enumerate(("user", "system", "user", "user")))

# What is asked, what the service refuses, whether it is remembered, and in which words it is refused.
# fmt: off
ROWS: dict[str, tuple[ChatRequest, Callable[[Any], Any], bool, list[Refusal]]] = {
    "token bound": (request_of(max_tokens=9), lambda body: "max_tokens" in body, True, [
        refusal("'max_tokens' is not supported with this model. Use another.", param="max_tokens"),
        refusal("'max_tokens' is not supported, use max_completion_tokens"),
        (422, fastapi("max_tokens")),
    ]),
    "name": (request_of(NAMED), lambda body: any("name" in message for message in body["messages"]), True, [
        (422, fastapi("messages", "0", "user", "name")),
        refusal("messages[0].name is not allowed"),
        refusal("property 'name' is unsupported", param="messages.0.name"),
    ]),
    "reasoning": (CALLING, lambda body: any("reasoning_content" in each for each in body["messages"]), True, [
        (422, fastapi("messages", "1", "assistant", "reasoning_content")),
        refusal("property 'reasoning_content' is unsupported", param="messages.1"),
        refusal("Unknown field reasoning_content"),
        refusal("No.", param="messages.1.reasoning_details"),
    ]),
    # Source: https://github.com/anthropics/anthropic-sdk-python/issues/1598, it concerns the blocks of one history
    "signed reasoning": (CALLING, lambda body: any("reasoning_content" in each for each in body["messages"]), False, [
        refusal("messages.1.content.0: Invalid `signature` in `thinking` block"),
        refusal("No.", param="messages.1.content.0.signature"),
        refusal("`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."),
    ]),
    # Sources: https://github.com/BerriAI/litellm/issues/25595, https://github.com/BerriAI/litellm/pull/20334
    "fields of answers": (request_of(MARKED), lambda body: "a_field" in str(body), True, [
        refusal("'messages.1' : for 'role:assistant': property 'a_field' is unsupported"),
        refusal("Extra inputs are not permitted, field: 'messages[1].a_field'"),
        (422, fastapi("messages", "1", "assistant", "a_field", message="Extra inputs are not permitted")),
    ]),
    "nine characters": (CALLING, has_other_ids, True, [
        refusal("Tool call id was c1 but must be a-z, A-Z, 0-9, with a length of 9."),
        refusal("Invalid 'messages[1].tool_calls[0].id': string too long. Expected maximum length 40."),
    ]),
    "pictures in results": (
        request_of(PICTURES, tools=(TOOL,)), lambda body: ("tool", "user") in pairwise(roles(body)), True, [
            refusal("Unexpected role 'user' after role 'tool'"),
            (400, {"object": "error", "message": "Conversation: user message after a tool message", "code": 400}),
        ],
    ),
    # Sources: https://github.com/langchain-ai/langchain-aws/issues/591, https://github.com/pydantic/pydantic-ai/issues/1966
    "calls without tools": (request_of(MARKED), lambda body: "tool" in roles(body), False, [
        refusal("The toolConfig field must be defined when using toolUse and toolResult content blocks."),
        refusal("Bedrock doesn't support tool calling without `tools=` param specified."),
    ]),
    # Sources: https://github.com/langchain-ai/langchain/issues/33245, https://github.com/run-llama/llama_index/issues/10493
    "results without calls": (request_of(CUT), lambda body: "tool" in roles(body), False, [
        refusal("messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."),
        refusal("messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: c1. Each has one."),
        refusal("Invalid request: tool_call_id  is not found"),
        refusal("Unexpected role 'tool' after role 'system'"),
    ]),
    # Sources: https://github.com/AstrBotDevs/AstrBot/issues/7200, https://github.com/OpenHands/OpenHands/issues/8685
    # https://github.com/tidyverse/ellmer/issues/932, https://github.com/maximhq/bifrost/issues/1493 (nor a blank),
    # https://github.com/lidge-jun/opencodex/issues/795
    "empty content": (request_of(EMPTY), has_empty_content, True, [
        refusal("Invalid request: the message at position 8 with role 'assistant' must not be empty"),
        refusal("Assistant message must have either content or tool_calls, but not none."),
        {"message": "messages: text content blocks must be non-empty"},
        refusal("The text field in the ContentBlock object at messages.5.content.0 is blank. Add text."),
        refusal("The request failed because it is missing `input.content.text` parameter.", param="input.content.text"),
    ]),
    # Source: https://github.com/vllm-project/vllm/issues/36432
    "no user": (request_of(MIXED[1:2]), lambda body: "user" not in roles(body), False, [
        refusal("No user query found in messages."),
        (500, refusal("Jinja Exception: No user query found in messages.")),
    ]),
    "one call at a time": (
        request_of(tools=(TOOL,), parallel_tool_calls=False), lambda body: "parallel_tool_calls" in body, True,
        [refusal("Unknown parameter: 'parallel_tool_calls'", param="parallel_tool_calls")],
    ),
    "forced tool": (
        request_of(tools=(TOOL,), tool_choice="required"),
        lambda body: body.get("tool_choice") not in (None, "auto"), False, [
            refusal("Thinking mode does not support this tool_choice"),
            refusal("tool_choice must be auto", param="tool_choice"),
        ],
    ),
    # Sources: https://github.com/langchain-ai/langchain/issues/39271, https://github.com/langchain-ai/langchainjs/issues/9804
    "alternatives of tools": (request_of(tools=(EITHER,)), lambda body: "anyOf" in str(body), True, [
        refusal("tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"),
        refusal("Invalid schema: have no 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.", param="tools[0]"),
    ]),
    # Source: https://github.com/langchain-ai/langchain/issues/26433
    "stop": (request_of(stop=("x",)), lambda body: "stop" in body, True, [
        refusal("Unsupported parameter: 'stop' is not supported with this model."),
    ]),
    "system first": (request_of(MIXED), lambda body: "system" in roles(body)[1:], False, [
        refusal("System message must be at the beginning."),
        refusal("Only one system message is allowed"),
    ]),
    "no system role": (request_of(MIXED), lambda body: "system" in roles(body), False, [
        refusal("System role not supported"),
        refusal("Only user, assistant and tool roles are supported, got system."),
        refusal("Developer instruction is not enabled for models/gemma-3-27b-it"),
        (422, refusal("messages.1.role: Input should be 'user' or 'assistant'")),
    ]),
    "order of roles": (request_of(MIXED), lambda body: not in_order(body), False, [
        refusal("Conversation roles must alternate user/assistant/user/assistant/..."),
        refusal("After the optional system message, conversation roles must alternate user and assistant"),
        (500, refusal("Jinja Exception: Conversation roles must alternate user/assistant")),
    ]),
}
# fmt: on


@pytest.mark.filterwarnings("ignore:.*tool_choice")
@pytest.mark.parametrize("row", ROWS)
@in_every_way
def test_a_refusal_is_followed_by_the_other_form(way, row, scripted, clock):
    request, is_refused, is_remembered, refusals = ROWS[row]
    for error in refusals if way is WAYS[0] else refusals[:1]:  # the ways do not differ in the words
        memory.forget_refusals()
        scripted.always = refuse_if(is_refused, error)
        counts = []
        for later in (0, 0, memory.REMEMBERED_FOR, 0):
            clock.passed += later
            scripted.requests.clear()
            way.ask(client_of(scripted), request)
            counts.append(len(scripted.requests))
        body = scripted.requests[-1].json
        texts = str(body["messages"])
        assert request.messages is not MIXED or [texts.count(f"text {at}") for at in range(4)] == [1] * 4, error
        assert body.get("max_completion_tokens") == request.max_tokens
        first, again, *in_an_hour = counts
        assert first >= 2, error
        assert [again, *in_an_hour] == [1 if is_remembered else first, first, again], error


@in_every_way
def test_a_service_that_wants_the_other_name_of_the_token_bound_back_gets_it(way, scripted):
    names = ("max_tokens", "max_completion_tokens")
    for refused, other in (names, names[::-1]):
        scripted.requests.clear()
        scripted.always = refuse_if(lambda body, name=refused: name in body, refusal(f"Unknown field {refused}"))
        way.ask(client_of(scripted), request_of(max_tokens=9))
        assert [request.json.keys() & names for request in scripted.requests] == [{refused}, {other}]


@in_every_stream
def test_a_stream_goes_without_counts_where_they_are_refused(stream_way, scripted):
    for field in ("stream_options", "include_usage"):
        memory.forget_refusals()
        scripted.requests.clear()
        scripted.always = refuse_if(lambda body: "stream_options" in body, refusal("No.", param=field))
        for _ in range(2):
            stream_way.ask(client_of(scripted), request_of())
        assert ["stream_options" in request.json for request in scripted.requests] == [True, False, False]


# Sources: https://github.com/langchain-ai/langchain/issues/37713, https://github.com/langchain-ai/langchain/issues/34166,
# https://github.com/theopenco/llmgateway/pull/2093 (an empty text is refused too, a blank is not)
@pytest.mark.parametrize(
    "words",
    [
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "Missing `reasoning_content` field in the assistant message at message index 1",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
    ],
)
@in_every_way
def test_reasoning_of_earlier_turns_is_sent_where_it_is_asked_for(way, words, scripted):
    def thoughts(body: dict[str, Any]) -> list[str | None]:
        return [each.get("reasoning_content") for each in body["messages"] if each["role"] == "assistant"]

    scripted.always = refuse_if(lambda body: not all(thoughts(body)), refusal(words))
    messages = (*CALLING.messages, Message(role="assistant", content="found", provider="another", reasoning="no"), *HI)
    for choice, expected in (("tool_turns", [[None, None], ["hm", " "], ["hm", " "]]), ("always", [["hm", " "]])):
        scripted.requests.clear()
        for _ in range(len(expected) // 2 + 1):
            way.ask(client_of(scripted), request_of(messages, tools=(TOOL,), send_reasoning=choice))
        assert [thoughts(request.json) for request in scripted.requests] == expected
    memory.forget_refusals()
    with pytest.raises(AKIError):
        way.ask(client_of(scripted), request_of(messages, tools=(TOOL,), send_reasoning="never"))
    assert "hm" not in str([request.json for request in scripted.requests[1:]])


# Source: https://github.com/decolua/9router/issues/2397
@in_every_way
def test_thoughts_of_earlier_turns_are_sent_where_anthropics_protocol_asks_for_them(way, scripted):
    def thoughts(body: dict[str, Any]) -> list[str | None]:
        return [each["content"][0].get("thinking") for each in body["messages"] if each["role"] == "assistant"]

    words = "The `content[].thinking` in the thinking mode must be passed back to the API."
    scripted.always = refuse_if(lambda body: not all(thoughts(body)), refusal(words))
    said_before = [
        replace(each, provider="mine") for each in (CALLING.messages[1], Message(role="assistant", content="a"))
    ]
    messages = (*HI, said_before[0], CALLING.messages[2], said_before[1], *HI)
    for _ in range(2):
        way.ask(client_of(scripted, "anthropic"), request_of(messages, tools=(TOOL,)))
    assert [thoughts(request.json) for request in scripted.requests] == [[None, None], ["hm", " "], ["hm", " "]]


def test_no_word_is_lost_where_roles_are_put_in_another_order():
    spoken = [("user", "a"), ("system", "b"), ("user", "c"), ("system", "d")]
    messages = tuple(Message(role=role, content=content) for role, content in spoken)
    first = [("system", "b\n\nd"), ("user", "a"), ("user", "c")]
    for change, expected in (
        (history.with_system_first, first),
        (history.without_system, [("user", "b\n\nd\n\na"), ("user", "c")]),
        (lambda each: history.merged(history.with_system_first(each)), [first[0], ("user", "a\n\nc")]),
    ):
        assert [(message.role, message.content) for message in change(messages)] == expected


def test_a_result_without_its_call_is_said_by_the_user_and_others_stay():
    call, result = turn(Text("found"))[1:]
    lone = Message(role="tool", content="lost", tool_call_id="c0", is_error=True)
    said, *others = history.without_lone_results((lone, *HI, call, result))
    assert (said.role, [part.text for part in said.parts][-1], said.tool_call_id) == ("user", "lost", None)
    assert others == [*HI, call, result]


def test_calls_and_results_are_told_in_words_where_there_are_no_tools(scripted):
    words = "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    scripted.always = refuse_if(lambda body: "tool" in str(roles(body)) or "tool_use" in str(body), refusal(words))
    for protocol in PROTOCOLS:
        client_of(scripted, protocol).chat(request_of(MARKED))
        assert "[I called f: {}]" in str(scripted.requests[-1].json["messages"][1])
        assert "found" in str(scripted.requests[-1].json["messages"][2])
    with pytest.raises(AKIError, match="toolConfig"):
        client_of(scripted).chat(request_of(MARKED, tools=(TOOL,)))


def test_the_fields_of_alternatives_stand_beside_those_of_the_tool():
    flat = flat_schema(EITHER.parameters)
    assert flat["properties"] == {"a": {"type": "string"}, "b": {}, "c": {}}
    assert (flat["required"], "anyOf" in flat) == (["c"], False)
    assert flat_schema(flat) is flat


def test_messages_without_content_are_left_out_or_blank_and_a_system_alone_is_the_user():
    assert [(each.role, each.content) for each in history.without_empty_content(EMPTY)] == [
        ("user", "hi"),
        ("assistant", "(no text)"),
        ("tool", "(no output)"),
        ("user", "hi"),
    ]
    pictures = turn(Image(url="https://a.example/b.png"))[2:]
    assert history.without_empty_content(pictures) == pictures
    call, result = turn(Text("found"))[1:]
    system = (Message(role="system", content="a"), Message(role="system", content="b"))
    assert history.without_system((*system, call, result)) == (Message(role="user", content="a\n\nb"), call, result)
    assert history.without_system((call, result)) == (call, result)


def test_other_fields_of_answers_stay():
    (_, answer, _) = MARKED
    left = history.without_fields(answer, {"a_field", "role"})
    assert (left.extra, left.tool_calls[0].extra) == ({"other": 2}, {})
    assert history.without_fields(left, {"a_field"}) == left
    assert history.without_fields(NAMED[0], {"name"}) == NAMED[0]


def test_a_second_result_has_the_new_id_of_its_call_too():
    call, result = turn(Text("found"))[1:]
    changed, *results = history.with_short_ids((call, result, result))
    assert [each.tool_call_id for each in results] == [changed.tool_calls[0].id] * 2
    assert changed.tool_calls != call.tool_calls


def test_names_of_tools_stay_apart_in_the_form_that_protocols_take():
    names = ("a_b", "a b", "a.b")
    request = history.with_legal_names(request_of(tools=tuple(Tool(name=name) for name in names)))
    sent_names = [tool.name for tool in request.tools if isinstance(tool, Tool)]
    assert [request.original_names.get(name, name) for name in sent_names] == list(names)
    assert len(set(sent_names)) == len(names)


@pytest.mark.parametrize("words", ["the content is against our policy on names", "your prompt was blocked", "too high"])
@in_every_way
def test_a_refusal_of_something_else_is_raised_at_once(way, words, scripted):
    scripted.always = refuse_if(lambda _: True, refusal(words))
    with pytest.raises(AKIError, match=words):
        way.ask(client_of(scripted), request_of(NAMED))
    assert len(scripted.requests) == 1


@in_every_way
def test_what_was_refused_in_both_forms_is_not_remembered(way, scripted):
    scripted.always = refuse_if(lambda _: True, refusal("Unsupported parameter", param="max_tokens"))
    for _ in range(2):
        with pytest.raises(AKIError):
            way.ask(client_of(scripted), request_of(max_tokens=9))
    assert ["max_tokens" in request.json for request in scripted.requests] == [True, False] * 2


@in_every_way
def test_a_forced_tool_that_is_refused_warns_once(way, scripted):
    error = refusal("Thinking may not be enabled when tool_choice forces tool use.")
    scripted.always = refuse_if(lambda body: body["tool_choice"]["type"] != "auto", error)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        way.ask(client_of(scripted, "anthropic"), request_of(tools=(TOOL,), tool_choice="required"))
    assert len([each for each in caught if "tool_choice='auto'" in str(each.message)]) == 1
    assert [request.json["tool_choice"]["type"] for request in scripted.requests] == ["any", "auto"]


# Sources: https://github.com/crewAIInc/crewAI/issues/2323, https://github.com/run-llama/llama_index/issues/20072
@in_every_way
def test_a_turn_that_began_without_thoughts_goes_on_without_and_warns(way, scripted):
    words = (
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking`"
        " is enabled, a final `assistant` message must start with a thinking block."
    )
    scripted.always = refuse_if(lambda body: "thinking" in body, refusal(words))
    for asked in ({"reasoning_effort": "low"}, {"fields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}):
        scripted.requests.clear()
        with pytest.warns(UserWarning, match="began without thoughts") as warned:
            way.ask(client_of(scripted, "anthropic"), request_of(MARKED, tools=(TOOL,), max_tokens=4000, **asked))
        assert ["without thoughts" in str(each.message) for each in warned].count(True) == 1
        assert ["thinking" in request.json for request in scripted.requests] == [True, False]


# Sources: https://github.com/langchain-ai/langgraph/issues/4940, https://github.com/langchain-ai/deepagents/issues/1585,
# https://github.com/langchain-ai/langchain/issues/23703, https://github.com/ggml-org/llama.cpp/issues/20861
@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_every_way
def test_the_user_follows_an_answer_at_the_end_where_it_is_refused(way, protocol, scripted):
    for words in (
        "When using tools, pre-filling the `assistant` response is not supported",
        "This model does not support assistant message prefill. The conversation must end with a user message.",
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
        "Cannot set `add_generation_prompt` to True when the last message is from the assistant.",
        "Assistant response prefill is incompatible with enable_thinking.",
    ):
        scripted.requests.clear()
        scripted.always = refuse_if(lambda body: roles(body)[-1] == "assistant", refusal(words))
        with pytest.warns(UserWarning, match="ends with an answer"):
            way.ask(client_of(scripted, protocol), request_of((*HI, Message(role="assistant", content="a"))))
        before, after = (request.json["messages"] for request in scripted.requests)
        assert (after[:-1], after[-1]["role"]) == (before, "user")
    with pytest.raises(AKIError, match="prefill"):
        way.ask(client_of(scripted, protocol), request_of((*HI, ANSWER)))


# Sources: https://github.com/Stack-Cairn/LiveAgent/issues/729, https://github.com/NousResearch/hermes-agent/pull/109707,
# https://github.com/QwenLM/qwen-code/issues/3616
@pytest.mark.filterwarnings("ignore:.*pictures of tools")
@pytest.mark.parametrize(
    "words",
    [
        "This model does not support image input.",
        "No endpoints found that support image input",
        "At most 0 image(s) may be provided in one prompt.",
        "Failed to deserialize the JSON body: messages[3]: unknown variant `image_url`, expected `text`",
        ".messages[3].image[0]: You have uploaded an unsupported image.",
    ],
)
@in_every_way
def test_pictures_of_tools_are_left_out_where_a_model_takes_none_and_those_of_the_user_are_not(way, words, scripted):
    scripted.always = refuse_if(lambda body: "image" in str(body["messages"]), refusal(words))
    for _ in range(2):
        way.ask(client_of(scripted), request_of(PICTURES, tools=(TOOL,)))
    shown = ["left out" in str(request.json["messages"]) for request in scripted.requests]
    assert shown == [False, True] * 2
    mine = Message(role="user", content=(Image(url="https://a.example/b.png"),))
    with pytest.raises(AKIError, match=re.escape(words)):
        way.ask(client_of(scripted), request_of((*PICTURES, mine), tools=(TOOL,)))


# Refusals of 8192 tokens, the bound that is sent for them where one is required, and whether that is remembered.
# fmt: off
BOUNDS: list[tuple[Refusal, int, bool]] = [
    (refusal("max_tokens is too large: 8192. This model supports at most 4096 completion tokens"), 4096, True),
    (refusal("max_tokens: 8192 > 2048, which is the maximum allowed number of output tokens"), 2048, True),
    (refusal("Invalid max_tokens value, the valid range of max_tokens is [1, 1000]"), 4096, True),
    ((422, fastapi("max_tokens", message="Input should be less than or equal to 3000")), 3000, True),
    (refusal("Too large.", param="max_tokens"), 4096, True),
    (refusal(
        "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 1024"
        " tokens and your request has 20 input tokens (8192 > 1024 - 20)."
    ), 1004, False),
    (refusal(
        "This model's maximum context length is 4097 tokens. However, you requested 9000 tokens (808 in the"
        " messages, 8192 in the completion). Please reduce the length of the messages or completion."
    ), 3289, False),
    (refusal("max_completion_tokens: maximum context length is 1024, of which 20 prompt tokens"), 1004, False),
    (refusal("input length and `max_tokens` exceed context limit: 193000 + 8192 > 200000, decrease it"), 7000, False),
    ((422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 50 `inputs` tokens and 8192"}),
     4046, False),
]
# fmt: on


def sent(server: ScriptServer) -> list[int | None]:
    """The bounds that were sent since the last look."""
    bounds = [request.json.get("max_tokens") for request in server.requests]
    server.requests.clear()
    return bounds


@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_every_way
def test_a_refused_bound_of_ours_is_left_out_or_lowered(way, protocol, scripted, clock):
    for error, room, is_remembered in BOUNDS if way is WAYS[0] else BOUNDS[4:6]:
        memory.forget_refusals()
        scripted.always = refuse_if(lambda body: body.get("max_tokens") == 8192, error)
        lowered = room if protocol == "anthropic" else None
        for later, expected in (
            (0, [8192, lowered]),
            (0, [lowered] if is_remembered else [8192, lowered]),
            (memory.REMEMBERED_FOR, [8192, lowered]),
        ):
            clock.passed += later
            way.ask(client_of(scripted, protocol), request_of())
            assert sent(scripted) == expected, error


@pytest.mark.parametrize("protocol", PROTOCOLS)
@in_every_chat
def test_the_users_own_bound_is_refused_as_it_is(chat_way, protocol, scripted):
    for error, _, _ in BOUNDS:
        scripted.always = refuse_if(lambda _: True, error)
        with pytest.raises(AKIError):
            chat_way.ask(client_of(scripted, protocol), request_of(max_tokens=8192))
        assert sent(scripted) == [8192]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "words",
    [
        "input length and `max_tokens` exceed context limit: 210000 + 8192 > 200000",
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 9000 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ],
)
def test_a_prompt_that_is_too_long_by_itself_is_sent_once(words, protocol, scripted):
    scripted.always = json_answer(refusal(words), 400)
    with pytest.raises(ContextOverflowError):
        client_of(scripted, protocol).chat(request_of())
    assert sent(scripted) == [8192]


def test_clients_of_one_service_share_what_was_refused_and_those_of_another_do_not(scripted):
    respond = refuse_if(lambda body: body.get("max_tokens") == 8192, refusal("Too large.", param="max_tokens"))
    scripted.always = respond
    with ScriptServer(always=respond) as other:
        for each, model in ((scripted, "m"), (scripted, "m"), (scripted, "another"), (other, "m")):
            client_of(each).chat(request_of(model=model))
        assert (sent(scripted), sent(other)) == ([8192, None, None, 8192, None], [8192, None])


def test_a_prompt_that_leaves_no_room_is_not_asked_again(scripted):
    scripted.always = refuse_if(
        bool, refusal("max_tokens: maximum context length is 1024, of which 1024 prompt tokens")
    )
    with pytest.raises(ContextOverflowError):
        client_of(scripted, "anthropic").chat(request_of())
    assert sent(scripted) == [8192]
