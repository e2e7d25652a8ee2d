"""Answers in another shape than the protocol's: choices, wrappers, calls in other places, channels in the text."""

import json
from dataclasses import replace
from typing import Any

from tests.scenarios.table import (
    COUNT,
    HELLO,
    MODEL,
    ROLE,
    STOP,
    Expect,
    Fails,
    Scenario,
    choices,
    chunk,
    in_stream,
    replied,
    reply,
    streamed,
)
from tests.scenarios.tool_calls import (
    ADDED,
    IN_PARIS,
    PARIS,
    SUM,
    adding,
    asked_in,
    more,
    one,
    tool_row,
    weather,
)
from tests.script_server import Answer, json_answer, sse


def _choice(message: Any, finish: str = "stop", **beside: Any) -> dict[str, Any]:
    return {"index": 0, "message": message, "finish_reason": finish, **beside}


def _answer(*entries: dict[str, Any]) -> Answer:
    return replied(top={"choices": list(entries)})


def _piece(index: int, text: str | None = None, *, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return choices({"index": index, "delta": {**delta, **fields}, "finish_reason": finish})


def _both(index: int, text: str) -> dict[str, Any]:
    said = {"role": "assistant", "content": text, "tool_calls": []}
    return choices({"index": index, "delta": said, "message": said, "finish_reason": None})


_WHOLE = reply()
_CALLED = {"role": "assistant", "content": None, "tool_calls": [weather(PARIS)]}
_REPEATED = [weather(PARIS, call_id=None), adding(SUM, call_id=None)]

COUNTED = (
    # Foundry Local (microsoft/foundry-local#263): the index counts events, and each has the delta as a message too.
    in_stream(
        "choice-index-of-events",
        sse(*(_both(n, text) for n, text in enumerate("Hello" * 2)), _piece(10, finish="stop"), COUNT),
        Expect(text="Hello" * 2),
    ),
    # Text Generation Inference (huggingface/text-generation-inference#1648): it counts tokens, from 1.
    in_stream(
        "choice-index-of-tokens",
        sse(_piece(1, "Hel"), _piece(2, "l"), _piece(3, "o", finish="stop"), COUNT),
    ),
    # Foundry Local (microsoft/foundry-local#263): the text is shorter than what tells a count from a choice.
    in_stream("choice-index-of-two-events", sse(_piece(0, "Hel"), _piece(1, "lo", finish="stop"), COUNT)),
    # Foundry Local (microsoft/foundry-local#263): a call.
    tool_row(
        "choice-index-of-events-with-a-call",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=sse(
            _piece(0, tool_calls=[weather('{"city"', 0)]),
            _piece(1, tool_calls=[more(': "Paris"}', 0)]),
            _piece(2, finish="tool_calls"),
            COUNT,
        ),
    ),
    # Our rule on choices: what nobody asked for is no part of the answer, though it begins like a count.
    in_stream(
        "choices-that-begin-like-a-count",
        sse(
            *(_piece(n, "", role="assistant") for n in range(3)),
            *(_piece(n, text) for text in ("H", "ello") for n, text in ((0, text), (1, "Bye"), (2, "Ciao"))),
            STOP,
            COUNT,
        ),
    ),
    # Our rule on choices: one that has ended is not continued by the next.
    in_stream(
        "choices-one-behind-the-other", sse(_piece(0, "Hello", finish="stop"), _piece(1, "Bye", finish="stop"), COUNT)
    ),
    # Our rule on choices: two texts are never one; what looked like a count and was none is an error.
    in_stream(
        "choices-that-look-like-a-count",
        sse(*(_piece(n, "Hel") for n in range(9)), _piece(0, "lo"), STOP, COUNT),
        Fails("InvalidResponseError", says=("counts the events",)),
    ),
    # Not seen in public: an event with several pieces of the choice.
    in_stream(
        "choice-twice-in-an-event",
        sse(ROLE, choices(*_piece(0, "Hel")["choices"], *_piece(0, "lo")["choices"]), STOP, COUNT),
    ),
    # GitHub Copilot (HKUDS/nanobot#1555): the text is in one choice, the call in the next.
    tool_row(
        "choices-of-text-and-call",
        IN_PARIS,
        text="Let me look.",
        tool_ids=("call_1",),
        blocking=_answer(
            _choice({"role": "assistant", "content": "Let me look."}, "tool_calls"), _choice(_CALLED, "tool_calls")
        ),
    ),
)

WRAPPED = (
    *(
        Scenario(
            f"wrapped-in-{name}",
            json_answer(wrap(_WHOLE)),
            sse(*(wrap(each) for each in (ROLE, chunk("Hello"), STOP, COUNT))),
            HELLO,
        )
        for name, wrap in (
            # Not seen in public: gateways with an envelope of their own, after the fashion of many Chinese services.
            ("data", lambda said: {"code": 200, "msg": "success", "data": said}),
            # Cloudflare's envelope (cloudflare/workers-sdk packages/wrangler/src/cfetch/internal.ts), around choices.
            ("result", lambda said: {"result": said, "success": True, "errors": [], "messages": []}),
        )
    ),
    # Cloudflare (cloudflare/ai streaming.ts): its own form, which has no choices.
    Scenario(
        "another-protocol",
        json_answer({"result": {"response": "Hello"}, "success": True, "errors": [], "messages": []}),
        sse({"response": "Hel"}, {"response": "lo"}),
        Fails("InvalidResponseError", says=("no choices", "response")),
        provider="aacflow",
    ),
    # LocalAI (mudler/LocalAI#648): a choice has `text`, as completions of raw prompts have.
    Scenario(
        "choice-with-text",
        _answer({"index": 0, "text": "Hello", "finish_reason": "stop"}),
        sse(*(choices({"index": 0, "text": text, "finish_reason": None}) for text in ("Hel", "lo")), STOP, COUNT),
        HELLO,
    ),
)

BESIDE = (
    # Not seen in public: calls on the choice itself.
    one(
        "calls-beside-the-message",
        blocking=_answer(_choice({"content": None}, "tool_calls", tool_calls=[weather(PARIS)])),
        stream=streamed(
            choices({"index": 0, "delta": {}, "tool_calls": [weather('{"city":', 0)]}),
            choices({"index": 0, "delta": {"content": ""}, "tool_calls": [more(' "Paris"}', 0)]}),
            finish="tool_calls",
        ),
    ),
    # Foundry Local's form (microsoft/foundry-local#263): a message beside the delta, here with calls in it alone.
    one(
        "calls-in-a-message-beside-the-delta",
        stream=streamed(
            choices({"index": 0, "delta": {"role": "assistant", "content": ""}, "message": _CALLED}),
            finish="tool_calls",
        ),
    ),
    # The same form (microsoft/foundry-local#263), at the end: the message repeats what the deltas have told.
    tool_row(
        "message-beside-the-last-delta",
        IN_PARIS,
        ADDED,
        text="Looking.",
        stream=sse(
            ROLE,
            chunk("Looking."),
            chunk(tool_calls=[weather(PARIS, 0), adding(SUM, 1)]),
            choices(_choice({"content": "Looking.", "tool_calls": _REPEATED}, "tool_calls", delta={})),
            COUNT,
        ),
    ),
    # Not seen in public: the older form of a call, on the choice.
    tool_row(
        "function-call-beside-the-message",
        IN_PARIS,
        blocking=_answer(
            _choice({"content": ""}, "function_call", function_call={"name": "get_weather", "arguments": PARIS})
        ),
        stream=streamed(
            choices({"index": 0, "delta": {}, "function_call": {"name": "get_weather", "arguments": '{"city":'}}),
            choices({"index": 0, "delta": {}, "function_call": {"arguments": ' "Paris"}'}}),
            finish="function_call",
        ),
    ),
)

_COMPLETE = _choice({"role": "assistant", "content": "Hello"})
_PREFIXED = b"data: %b\n"

IN_OTHER_TYPES = (
    # Not seen in public: the only choice stands outside a list.
    Scenario(
        "choices-as-an-object",
        replied(top={"choices": _COMPLETE}),
        sse(*({**chunk(), "choices": each["choices"][0]} for each in (ROLE, chunk("Hello"), STOP)), COUNT),
        HELLO,
    ),
    # Not seen in public: choices of no known form.
    Scenario(
        "choices-as-another-object",
        replied(top={"choices": {"first": "Hello"}}),
        sse({**chunk(), "choices": {"first": "Hello"}}),
        Fails("InvalidResponseError", says=("no choices",)),
        provider="aacflow",
    ),
    # Not seen in public: text in place of the message, or of a delta.
    Scenario(
        "message-as-text",
        _answer(_choice("Hello")),
        sse(*(choices({"index": 0, "delta": text, "finish_reason": None}) for text in ("Hel", "lo")), STOP, COUNT),
        HELLO,
    ),
    # Not seen in public: a gateway reads the text as JSON.
    Scenario("content-as-a-number", replied(10), streamed(chunk(1), chunk(0)), replace(HELLO, text="10")),
    # Not seen in public: the same with a word.
    Scenario("content-as-a-constant", replied(text=False), streamed(chunk(text=False)), replace(HELLO, text="false")),
    # Cloudflare (cloudflare/cloudflare-docs#20332): where JSON is asked for, it is no text.
    Scenario(
        "content-as-json",
        replied({"name": "Rome"}),
        streamed(chunk({"name": "Rome"})),
        replace(HELLO, text='{"name": "Rome"}'),
    ),
    # Not seen in public: the text under the name that parts have for it.
    Scenario(
        "content-in-text",
        _answer(_choice({"text": "Hello"})),
        sse(ROLE, *(choices({"index": 0, "delta": {"text": text}}) for text in ("Hel", "lo")), STOP, COUNT),
        HELLO,
    ),
    # Not seen in public: a refusal as an object.
    Scenario(
        "refusal-as-an-object",
        replied(None, refusal={"text": "No."}),
        streamed(chunk(refusal={"text": "No."})),
        Expect(refusal="No."),
    ),
    # Not seen in public: the name of a function in place of the function.
    tool_row(
        "function-as-a-name",
        IN_PARIS,
        blocking=replied(
            None, finish="tool_calls", tool_calls=[{"id": "a", "function": "get_weather", "arguments": PARIS}]
        ),
        stream=asked_in([{"id": "a", "index": 0, "function": "get_weather", "arguments": PARIS}]),
    ),
    # Not seen in public: calls by their numbers, as PHP writes a list with gaps.
    tool_row(
        "calls-by-number",
        IN_PARIS,
        ADDED,
        blocking=replied(None, finish="tool_calls", tool_calls={"0": weather(PARIS), "2": adding(SUM)}),
        stream=asked_in(chunk(tool_calls={"0": weather(PARIS, 0)}), chunk(tool_calls={"2": adding(SUM, 2)})),
    ),
    *(
        Scenario(
            f"reasoning-in-{name}",
            replied(**{name: "hm"}),
            streamed(chunk(**{name: "h"}), chunk(**{name: "m"}), "Hello"),
            replace(HELLO, reasoning="hm"),
        )
        for name in (
            # GitHub Copilot (caozhiyuan/copilot-api#88): a field of its own.
            "reasoning_text",
            # Ollama's own API (open-webui/docs#1394), where a gateway hands its message on.
            "thinking",
        )
    ),
)

FRAMED = (
    # Ollama (ollama/ollama api/types.go): an answer in its own form, whose end is in a field that is not OpenAI's.
    Scenario(
        "ollama-in-place-of-openai",
        json_answer({"model": MODEL, "message": {"content": "Hello"}, "done": True}),
        sse({"model": MODEL, "message": {"content": "Hello"}, "done": True}, done=False),
        Fails("InvalidResponseError", says=("no choices", "Hello")),
        provider="aacflow",
    ),
    # Ollama's framing (ollama/ollama api/types.go), here of OpenAI's events: a line for each, and no field.
    in_stream(
        "lines-of-json",
        sse(*(json.dumps(each).encode() + b"\n" for each in (ROLE, chunk("Hello"), STOP, COUNT)), done=False),
    ),
    # Not seen in public: no empty line between events.
    in_stream(
        "events-without-a-line-between",
        sse(*(_PREFIXED % json.dumps(each).encode() for each in (ROLE, chunk("Hello"), STOP, COUNT))),
    ),
    *(
        in_stream(name, sse(ROLE, chunk("Hel"), said, done=False), Fails(error, says=(words,)))
        for name, said, error, words in (
            # nginx and the like (pydantic/pydantic-ai#6610): what breaks a stream off writes into it.
            (
                "page-behind-some-text",
                b"<html><title>502 Bad Gateway</title></html>\n",
                "APIStatusError",
                "502 Bad Gateway",
            ),
            ("words-behind-some-text", b"upstream connect error\n", "APIStatusError", "upstream connect error"),
            # Not seen in public: data that is no JSON, as the last event.
            ("words-as-data", "Error: Worker died", "InvalidResponseError", "Worker died"),
            ("python-as-data", "{'error': 'Worker died'}", "InvalidResponseError", "Worker died"),
        )
    ),
)

_CALLING = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
_CALLED_IN_TEXT = f"to=functions.get_weather <|constrain|>json<|message|>{PARIS}<|call|>"

IN_TEXT = tuple(
    tool_row(
        f"call-in-harmony-text{name}",
        *calls,
        text=text,
        reasoning="hm",
        finish_reason="stop",
        blocking=replied(f"{_CALLING}{said}"),
        stream=streamed(*(f"{_CALLING}{said}"[at : at + 5] for at in range(0, len(f"{_CALLING}{said}"), 5))),
    )
    for name, said, text, calls in (
        # gpt-oss behind Odysseus (odysseus-dev/odysseus#4522): a call in the channel for them.
        ("", f"<|channel|>commentary {_CALLED_IN_TEXT}", "", (IN_PARIS,)),
        # The format's own guide (openai/harmony docs/format.md): the recipient may stand with the role.
        (
            "-with-the-role",
            f" {_CALLED_IN_TEXT.replace(' <|constrain|>', '<|channel|>commentary <|constrain|>')}",
            "",
            (IN_PARIS,),
        ),
        # Our rule on names: what no tool has is none of our calls, and is kept.
        (
            "-of-no-tool",
            "<|channel|>commentary to=browser.open<|message|>{}<|call|>",
            "<|start|>assistant<|channel|>commentary to=browser.open<|message|>{}",
            (),
        ),
    )
)

ROWS = (*IN_OTHER_TYPES, *FRAMED, *IN_TEXT, *COUNTED, *WRAPPED, *BESIDE)
