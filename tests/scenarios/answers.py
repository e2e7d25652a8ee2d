"""Oddities of what an answer holds: choices, text, finish reasons, headers."""

from dataclasses import replace
from typing import Any

from tests.scenarios.table import (
    ABSENT,
    COUNT,
    HELLO,
    HELLO_REPLY,
    HELLO_STREAM,
    ROLE,
    STOP,
    Expect,
    Fails,
    Scenario,
    at_once,
    choices,
    chunk,
    counted,
    in_stream,
    replied,
    reply,
    streamed,
    then_good,
    tokens,
)
from tests.script_server import json_answer, sse

_NOTHING = tokens(5, 0)
_NOTHING_REPLY = replied("", top={"usage": _NOTHING})
_NOTHING_STREAM = sse(ROLE, STOP, counted(_NOTHING))
_INVALID = Fails("InvalidResponseError")
_NULL = dict.fromkeys(("tool_calls", "refusal", "reasoning_content"))


def _without_choices(name: str, there: Any, *, events: int = 2) -> Scenario:
    said = [chunk(top={"choices": there})] * events
    failed = Fails("ServerError")
    return Scenario(
        name, replied(top={"choices": there}), sse(*said), _INVALID, expect_stream=failed, requests_stream=3
    )


def _choices(name: str, whole: list[Any], *events: Any) -> Scenario:
    return Scenario(name, replied(top={"choices": whole}), streamed(*events), HELLO)


def _choice(text: str, **more: Any) -> dict[str, Any]:
    return {**reply(text)["choices"][0], **more}


def _piece(text: str, index: Any = ABSENT) -> dict[str, Any]:
    return {"delta": {"content": text}, **({} if index is ABSENT else {"index": index})}


_DIGITS = "9" * 5000
CHOICES = (
    # AKI.IO's page: an answer as documented, the measure for all other rows.
    Scenario("plain", HELLO_REPLY, HELLO_STREAM, HELLO),
    # Azure OpenAI (InternLM/MindSearch#310): only the filter's results, beside `choices` that are empty.
    _without_choices("choices-empty", []),
    # OpenRouter (UKGovernmentBEIS/inspect_ai#1534): `choices` null.
    _without_choices("choices-null", None),
    # Mistral on Vertex (langchain-ai/langchain#27886): no `choices` at all, here in each event.
    _without_choices("choices-missing", ABSENT, events=1),
    # Azure OpenAI (AbanteAI/archive-old-cli-mentat#429): events of its filter without choices, between others.
    in_stream("choices-empty-between", streamed(choices(), "Hel", chunk(top={"choices": None}), "lo")),
    # OpenAI's specification: more than one choice where `n` is set, here by the gateway.
    _choices(
        "choices-beyond-the-first", [_choice("Hello"), _choice("Bye", index=1)], "Hel", choices(_piece("Bye", 1)), "lo"
    ),
    # OpenAI's specification: the index says which choice is the first, not the place in the list.
    _choices(
        "choices-in-reverse-order",
        [_choice("Bye", index=1), _choice("Hello")],
        choices(_piece("Bye", 1), _piece("Hello", 0)),
    ),
    # GitHub Copilot (agentgateway/agentgateway#2371): the choice has no index.
    _choices(
        "choice-without-index",
        [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        *(choices(_piece(text)) for text in ("Hel", "lo")),
    ),
    # Not seen in public: languages with one kind of number write 1.0.
    _choices(
        "choice-index-in-another-type",
        [_choice("Bye", index=1.0), _choice("Hello", index=0.0)],
        choices(_piece("Hel", 0.0)),
        choices(_piece("Bye", 1.0)),
        "lo",
    ),
    # Not seen in public: Python refuses to read such a number, which is no reason to lose the answer.
    _choices(
        "choice-index-of-thousands-of-digits",
        [_choice("Hello", index=_DIGITS)],
        *(choices(_piece(text, _DIGITS)) for text in ("Hel", "lo")),
    ),
    *(
        # Not seen in public: a choice of nothing, with the usage.
        in_stream(
            f"choice-{name}-at-the-end", sse(chunk("Hello"), STOP, chunk(top={"choices": [last], "usage": tokens()}))
        )
        for name, last in (("empty", {}), ("null", None))
    ),
    # Gemini on OpenRouter (sugarforever/chat-ollama#695): a filter stopped it, which is no failed worker.
    Scenario(
        "empty-answer-of-a-filter",
        replied("", finish="content_filter", top={"usage": _NOTHING}),
        sse(ROLE, chunk(finish="content_filter"), counted(_NOTHING)),
        Expect(text="", finish_reason="content_filter", usage=(5, 0, 5)),
    ),
    # Our rule on answers: a whole body with neither message nor finish_reason is a failed worker's.
    at_once(
        "message-null-without-an-end",
        json_answer({"model": "qwen3.6-35b", "choices": [{"index": 0, "message": None}]}),
        Fails("ServerError"),
        requests=3,
    ),
    # LiteLLM before Gemini (BerriAI/litellm#3678): choices are counted from 1.
    Scenario(
        "choice-of-another-index-alone",
        replied("Hello", top={"choices": [{"index": 1, "message": {"content": "Hello"}, "finish_reason": "stop"}]}),
        sse(
            *(choices(_piece(text, 1)) for text in ("Hel", "lo")),
            choices({"index": 1, "delta": {}, "finish_reason": "stop"}),
            COUNT,
        ),
        HELLO,
    ),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): a failed worker's answer.
    Scenario("empty-answer", _NOTHING_REPLY, _NOTHING_STREAM, Fails("ServerError"), requests=3),
    # Our error tree: the empty answer is retryable.
    then_good("empty-answer-then-a-good-one", _NOTHING_REPLY, _NOTHING_STREAM),
    # Not seen in public: a stop sequence at once gives an empty text for which tokens were counted: an answer.
    Scenario(
        "empty-answer-with-tokens",
        replied("", top={"usage": tokens(5, 1)}),
        sse(ROLE, STOP, counted(tokens(5, 1))),
        Expect(usage=(5, 1, 6)),
    ),
    # Our error tree: only on AKI does an empty answer with 0 completion tokens mean a failed worker.
    Scenario("empty-answer-elsewhere", _NOTHING_REPLY, _NOTHING_STREAM, Expect(usage=(5, 0, 5)), provider="aacflow"),
)

CONTENT = (
    # OpenAI's specification: `content` null.
    Scenario("content-null", replied(None), streamed(chunk(None)), Expect()),
    # SGLang (sgl-project/sglang#6310): `content` null in events beside those with text.
    in_stream(
        "content-null-between",
        sse(chunk(None, role="assistant"), chunk("Hel"), chunk(None), chunk("lo"), chunk(None, finish="stop"), COUNT),
    ),
    # Mistral (symfony/ai#2422): `content` as a list of parts.
    Scenario(
        "content-in-parts",
        replied([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]),
        streamed(chunk([{"type": "text", "text": "Hel"}]), chunk([{"type": "text", "text": "lo"}])),
        HELLO,
    ),
    *(
        Scenario(f"content-in-parts-{name}", replied([part]), streamed(chunk([part])), expect)
        for name, part, expect in (
            # Not seen in public: a part of the type `reasoning` with its text in `text`.
            ("reasoning", {"type": "reasoning", "text": "hm"}, Expect(reasoning="hm")),
            # OpenAI's assistants (openai/openai-python src/openai/types/beta/threads/text.py): text in an object.
            ("value", {"type": "text", "text": {"value": "Hello"}}, HELLO),
            # Not seen in public: a part that a gateway reads as JSON.
            ("number", 10, replace(HELLO, text="10")),
            # Not seen in public: OpenAI's part that is a refusal, in an answer.
            ("refusal", {"type": "refusal", "refusal": "No."}, Expect(refusal="No.")),
        )
    ),
    # DashScope (QwenLM/qwen-code#3896): each delta has all of the text so far, and of the reasoning.
    Scenario(
        "content-so-far-in-each-delta",
        None,
        streamed(
            *(chunk(reasoning_content="hm, yes"[:end]) for end in (1, 3, 5, 7)),
            *("Hello, you"[:end] for end in (2, 5, 7, 10, 10)),
        ),
        Expect(text="Hello, you", reasoning="hm, yes"),
    ),
    # DashScope (QwenLM/qwen-code#3896): a text that is shorter than what shows it.
    Scenario("content-so-far-of-a-word", None, streamed("H", "Hel", "Hello"), HELLO),
    # chatlas (posit-dev/chatlas#435): a delta may be what came before it, and the next part all the same.
    Scenario("content-that-repeats-the-start", None, streamed("\n", "\n", "x", "\n"), replace(HELLO, text="\n\nx\n")),
    # Our rule on repeated text, for the same reason: one longer piece shows nothing.
    Scenario("content-that-begins-like-the-start", None, streamed("ha", "haha", "!"), replace(HELLO, text="hahaha!")),
    # Our rule on repeated text: nor does it at the end.
    Scenario("content-that-ends-like-the-start", None, streamed("ha", "haha"), replace(HELLO, text="hahaha")),
    # WebAI-to-API (Amm1rr/WebAI-to-API#55): `message` in each event of a stream.
    in_stream(
        "message-in-place-of-delta",
        sse(*(choices({"index": 0, "message": {"content": text}}) for text in ("Hel", "lo")), STOP, COUNT),
    ),
    # A proxy (BerriAI/litellm#8455): `message` with all of the text so far.
    in_stream(
        "message-so-far-in-each-event",
        sse(*(choices({"index": 0, "message": {"content": text}}) for text in ("Hel", "Hello", "Hello")), STOP, COUNT),
    ),
    # MiniMax (ENTERPILOT/GoModel#1068): the stream ends with the whole answer.
    in_stream(
        "message-behind-the-stream",
        sse(chunk("Hel", reasoning_content="hm", x=[1]), chunk("lo"), STOP, reply(reasoning_content="hm", x=[1])),
        replace(HELLO, reasoning="hm"),
    ),
    # Azure OpenAI (microsoft/agent-framework#5734): the last event has a finish reason and `delta` null.
    in_stream("delta-null", sse(chunk("Hello"), choices({"index": 0, "delta": None, "finish_reason": "stop"}), COUNT)),
    # Azure OpenAI (microsoft/essex-toolkit#387): the same without the field.
    in_stream("delta-missing", sse(chunk("Hello"), choices({"index": 0, "finish_reason": "stop"}), COUNT)),
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): every event has the role.
    in_stream("role-in-every-event", streamed(*(chunk(text, role="assistant") for text in ("Hel", "lo")))),
    # The same server (aime-team/aime-api-server api_server/openai.py): another `created` in each event.
    Scenario(
        "created-changes",
        replied(top={"created": "2026-01-01", "id": None}),
        streamed(chunk("Hel", top={"created": "1767225601", "id": None}), chunk("lo", top={"created": 1.5})),
        HELLO,
    ),
    # OpenRouter, among others (sugarforever/chat-ollama#695): fields of its own, here at every level.
    Scenario(
        "unknown-fields",
        replied(x_extra={"a": [1]}, top={"x_gateway": {"region": "eu"}, "usage": tokens(cost="0.1", x=None)}),
        streamed(chunk("Hello", x_extra={"a": [1]}, top={"x_gateway": {"region": "eu"}, "nonce": "abc"})),
        HELLO,
    ),
    # SGLang (sgl-project/sglang#6310): every optional field is sent as null, here `error` among them.
    Scenario(
        "fields-null",
        replied(**_NULL, function_call=None, top={"error": None, "service_tier": None}),
        streamed(chunk("Hello", role=None, **_NULL, top={"error": None, "usage": None})),
        HELLO,
    ),
    # new-api (QuantumNous/new-api relay/helper): an error with all of its fields, and nothing in them.
    Scenario(
        "error-of-nothing",
        replied(top={"error": {"message": "", "type": "", "param": "", "code": None}}),
        streamed(chunk("Hello", top={"error": {"message": "", "type": "", "param": "", "code": ""}})),
        HELLO,
    ),
    # OpenAI's specification: the refusal field.
    Scenario(
        "refusal",
        replied(None, refusal="I can't help with that."),
        streamed(chunk(refusal="I can't "), chunk(refusal="help with that.")),
        Expect(refusal="I can't help with that."),
    ),
)


def _finished(name: str, text: str, finish: str) -> Scenario:
    expect = Expect(text=text, finish_reason=finish)
    return Scenario(name, replied(text, finish=finish), streamed(text, finish=finish), expect)


FINISH = (
    # OpenAI's specification: the maximum output was reached.
    _finished("finish-length", "Hello", "length"),
    # OpenAI's specification: the text was cut by a filter.
    _finished("finish-content-filter", "Hel", "content_filter"),
    # vLLM (vllm-project/vllm#2266): the finish reason again in the event that carries the usage.
    in_stream("finish-twice", sse(chunk("Hello"), STOP, chunk(finish="stop", top={"usage": tokens()}))),
    # vLLM (vllm-project/vllm#36944): text and finish reason in one event, here in the only one.
    in_stream("finish-with-the-text", sse(chunk("Hello", role="assistant", finish="stop", top={"usage": tokens()}))),
    # ChatMock (RayBytes/ChatMock#114): every stream ends with `stop`, here one that was cut.
    in_stream(
        "finish-stop-behind-another",
        sse(chunk("Hello"), chunk(finish="length"), STOP, COUNT),
        replace(HELLO, finish_reason="length"),
    ),
    # KoboldCpp (PowerShell/AIShell#350): null as text, until the end or even there.
    Scenario(
        "finish-null-as-text",
        replied(finish="null"),
        sse(chunk("Hel", finish="null"), chunk("lo", finish="null"), STOP, COUNT),
        replace(HELLO, finish_reason=None),
        expect_stream=HELLO,
    ),
    # SGLang (sgl-project/sglang#3912), Ollama (ollama/ollama#4357): the reason is "" until the last event.
    in_stream("finish-empty-until-the-end", sse(chunk("Hel", finish=""), chunk("lo", finish=""), STOP, COUNT)),
)


def _headed(name: str, expect: Expect, *, provider: str = "aacflow", **headers: str) -> Scenario:
    return Scenario(name, json_answer(reply(), **headers), streamed("Hel", "lo", **headers), expect, provider=provider)


HEADERS = (
    # AACFlow's page: `X-Request-Id`.
    _headed("request-id", replace(HELLO, request_id="req-42"), provider="aki", x_request_id="req-42"),
    # AACFlow's page: `X-Credits-Used` and `X-Credits-Remaining`, USD with 6 decimals.
    _headed(
        "credits", replace(HELLO, credits=(0.000125, 9.874)), x_credits_used="0.000125", x_credits_remaining="9.874000"
    ),
    # Not seen in public: a header that is no number must not cost the answer.
    _headed("credits-unreadable", HELLO, x_credits_used="n/a", x_credits_remaining=""),
)

ROWS = (*CHOICES, *CONTENT, *FINISH, *HEADERS)
