"""Oddities of what an answer holds: choices, text, finish reasons, headers."""

from __future__ import annotations

from dataclasses import replace

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
    chunk,
    replied,
    reply,
    streamed,
    tokens,
)
from tests.script_server import json_answer, sse

_NOTHING = tokens(5, 0)
_INVALID = Fails(error="InvalidResponseError")

CHOICES = (
    Scenario(
        name="plain",
        why="AKI.IO: an answer as documented, the measure for all other rows.",
        blocking=HELLO_REPLY,
        stream=HELLO_STREAM,
        expect=HELLO,
    ),
    Scenario(
        name="choices-empty",
        why="Azure OpenAI: `choices` empty, beside the filter's results; in a stream there may be no other event.",
        blocking=replied(top={"choices": []}),
        stream=sse(chunk(top={"choices": []}), chunk(top={"choices": []})),
        expect=_INVALID,
        expect_stream=Fails(error="ServerError"),
        requests_stream=3,
    ),
    Scenario(
        name="choices-null",
        why="OpenRouter: `choices` null.",
        blocking=replied(top={"choices": None}),
        stream=sse(chunk(top={"choices": None}), chunk(top={"choices": None})),
        expect=_INVALID,
        expect_stream=Fails(error="ServerError"),
        requests_stream=3,
    ),
    Scenario(
        name="choices-missing",
        why="OpenRouter: no `choices` at all.",
        blocking=replied(top={"choices": ABSENT}),
        stream=sse(chunk(top={"choices": ABSENT})),
        expect=_INVALID,
        expect_stream=Fails(error="ServerError"),
        requests_stream=3,
    ),
    Scenario(
        name="choices-empty-between",
        why="Azure OpenAI: events of its content filter without choices, between those that have some.",
        blocking=None,
        stream=streamed(chunk(top={"choices": []}), "Hel", chunk(top={"choices": None}), "lo"),
        expect=HELLO,
    ),
    Scenario(
        name="choices-beyond-the-first",
        why="LiteLLM: a second choice, where its configuration sets `n`.",
        blocking=json_answer(
            {**reply(), "choices": [reply()["choices"][0], {**reply("Bye")["choices"][0], "index": 1}]}
        ),
        stream=streamed("Hel", chunk(top={"choices": [{"index": 1, "delta": {"content": "Bye"}}]}), "lo"),
        expect=HELLO,
    ),
    Scenario(
        name="choices-in-reverse-order",
        why="vLLM: with `n`, the index says which choice is the first, not the place in the list.",
        blocking=json_answer(
            {**reply(), "choices": [{**reply("Bye")["choices"][0], "index": 1}, reply()["choices"][0]]}
        ),
        stream=streamed(
            chunk(
                top={
                    "choices": [{"index": 1, "delta": {"content": "Bye"}}, {"index": 0, "delta": {"content": "Hello"}}]
                }
            )
        ),
        expect=HELLO,
    ),
    Scenario(
        name="choice-without-index",
        why="Any server: the index of the only choice is left out.",
        blocking=replied(
            top={"choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}
        ),
        stream=streamed(*(chunk(top={"choices": [{"delta": {"content": text}}]}) for text in ("Hel", "lo"))),
        expect=HELLO,
    ),
    Scenario(
        name="choice-index-in-another-type",
        why="Any server: languages with one kind of number write 1.0.",
        blocking=json_answer(
            {
                **reply(),
                "choices": [{**reply(text)["choices"][0], "index": n} for n, text in ((1.0, "Bye"), (0.0, "Hello"))],
            }
        ),
        stream=streamed(
            *(
                chunk(top={"choices": [{"index": n, "delta": {"content": text}}]})
                for n, text in ((0.0, "Hel"), (1.0, "Bye"))
            ),
            "lo",
        ),
        expect=HELLO,
    ),
    Scenario(
        name="choice-index-of-thousands-of-digits",
        why="Any server: Python refuses to read such a number, which is no reason to lose the answer.",
        blocking=replied(top={"choices": [{**reply()["choices"][0], "index": "9" * 5000}]}),
        stream=streamed(
            *(chunk(top={"choices": [{"index": "9" * 5000, "delta": {"content": text}}]}) for text in ("Hel", "lo"))
        ),
        expect=HELLO,
    ),
    Scenario(
        name="empty-answer-of-a-filter",
        why="Gemini: nothing is said because a filter stopped it, which is no failed worker.",
        blocking=replied("", finish="content_filter", top={"usage": _NOTHING}),
        stream=sse(ROLE, chunk(finish="content_filter"), chunk(top={"choices": [], "usage": _NOTHING})),
        expect=Expect(text="", finish_reason="content_filter", usage=(5, 0, 5)),
    ),
    Scenario(
        name="message-null-without-an-end",
        why="AKI.IO: a whole body with neither message nor finish_reason is a failed worker's.",
        blocking=json_answer({"model": "qwen3.6-35b", "choices": [{"index": 0, "message": None}]}),
        stream=None,
        expect=Fails(error="ServerError"),
        requests=3,
    ),
    Scenario(
        name="choice-of-another-index-alone",
        why="Any server: choices are counted from 1.",
        blocking=replied(
            "Hello", top={"choices": [{"index": 1, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
        ),
        stream=sse(
            *(chunk(top={"choices": [{"index": 1, "delta": {"content": text}}]}) for text in ("Hel", "lo")),
            chunk(top={"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
            COUNT,
        ),
        expect=HELLO,
    ),
    Scenario(
        name="empty-answer",
        why="AKI.IO's open-source server: a worker failure looks like an empty 200 answer with 0 completion tokens.",
        blocking=replied("", top={"usage": _NOTHING}),
        stream=sse(ROLE, STOP, chunk(top={"choices": [], "usage": _NOTHING})),
        expect=Fails(error="ServerError"),
        requests=3,
    ),
    Scenario(
        name="empty-answer-then-a-good-one",
        why="Our error tree: the empty answer is retryable.",
        blocking=replied("", top={"usage": _NOTHING}),
        stream=sse(ROLE, STOP, chunk(top={"choices": [], "usage": _NOTHING})),
        expect=HELLO,
        requests=2,
        then=(HELLO_REPLY,),
        then_stream=(HELLO_STREAM,),
    ),
    Scenario(
        name="empty-answer-with-tokens",
        why="vLLM: a stop sequence at once gives an empty text for which tokens were counted: an answer.",
        blocking=replied("", top={"usage": tokens(5, 1)}),
        stream=sse(ROLE, STOP, chunk(top={"choices": [], "usage": tokens(5, 1)})),
        expect=Expect(usage=(5, 1, 6)),
    ),
    Scenario(
        name="empty-answer-elsewhere",
        why="Our error tree: only on AKI does an empty answer with 0 completion tokens mean a failed worker.",
        blocking=replied("", top={"usage": _NOTHING}),
        stream=sse(ROLE, STOP, chunk(top={"choices": [], "usage": _NOTHING})),
        expect=Expect(usage=(5, 0, 5)),
        provider="aacflow",
    ),
)

CONTENT = (
    Scenario(
        name="content-null",
        why="OpenAI: `content` null.",
        blocking=replied(None),
        stream=streamed(chunk(None)),
        expect=Expect(),
    ),
    Scenario(
        name="content-null-between",
        why="DeepSeek: `content` null in events beside those with text.",
        blocking=None,
        stream=sse(
            chunk(None, role="assistant"), chunk("Hel"), chunk(None), chunk("lo"), chunk(None, finish="stop"), COUNT
        ),
        expect=HELLO,
    ),
    Scenario(
        name="content-in-parts",
        why="Mistral: `content` as a list of parts.",
        blocking=replied([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]),
        stream=streamed(chunk([{"type": "text", "text": "Hel"}]), chunk([{"type": "text", "text": "lo"}])),
        expect=HELLO,
    ),
    *(
        Scenario(
            name=f"content-in-parts-{name}",
            why=why,
            blocking=replied([part]),
            stream=streamed(chunk([part])),
            expect=expect,
        )
        for name, why, part, expect in (
            (
                "reasoning",
                "Databricks: a part says by its type that its text is reasoning.",
                {"type": "reasoning", "text": "hm"},
                Expect(reasoning="hm"),
            ),
            (
                "value",
                "OpenAI's assistants hold the text in an object.",
                {"type": "text", "text": {"value": "Hello"}},
                HELLO,
            ),
            (
                "refusal",
                "OpenAI's part that is a refusal.",
                {"type": "refusal", "refusal": "No."},
                Expect(refusal="No."),
            ),
        )
    ),
    Scenario(
        name="message-in-place-of-delta",
        why="Perplexity: `message` in each event of a stream.",
        blocking=None,
        stream=sse(
            *(chunk(top={"choices": [{"index": 0, "message": {"content": text}}]}) for text in ("Hel", "lo")),
            STOP,
            COUNT,
        ),
        expect=HELLO,
    ),
    Scenario(
        name="delta-null",
        why="Any server: the last event has a finish reason and `delta` null.",
        blocking=None,
        stream=sse(
            chunk("Hello"), chunk(top={"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}), COUNT
        ),
        expect=HELLO,
    ),
    Scenario(
        name="delta-missing",
        why="Any server: the same without the field.",
        blocking=None,
        stream=sse(chunk("Hello"), chunk(top={"choices": [{"index": 0, "finish_reason": "stop"}]}), COUNT),
        expect=HELLO,
    ),
    Scenario(
        name="role-in-every-event",
        why="AKI.IO's open-source server: every event repeats the role.",
        blocking=None,
        stream=streamed(*(chunk(text, role="assistant") for text in ("Hel", "lo"))),
        expect=HELLO,
    ),
    Scenario(
        name="created-changes",
        why="AKI.IO's open-source server: `created` changes per event and may be a string.",
        blocking=replied(top={"created": "2026-01-01", "id": None}),
        stream=streamed(chunk("Hel", top={"created": "1767225601", "id": None}), chunk("lo", top={"created": 1.5})),
        expect=HELLO,
    ),
    Scenario(
        name="unknown-fields",
        why="OpenRouter, Groq: fields of their own at every level.",
        blocking=replied(x_extra={"a": [1]}, top={"x_gateway": {"region": "eu"}, "usage": tokens(cost="0.1", x=None)}),
        stream=streamed(chunk("Hello", x_extra={"a": [1]}, top={"x_gateway": {"region": "eu"}, "nonce": "abc"})),
        expect=HELLO,
    ),
    Scenario(
        name="fields-null",
        why="vLLM: every optional field is sent as null, here `error` among them.",
        blocking=replied(
            tool_calls=None,
            refusal=None,
            function_call=None,
            reasoning_content=None,
            top={"error": None, "service_tier": None},
        ),
        stream=streamed(
            chunk(
                "Hello",
                role=None,
                tool_calls=None,
                refusal=None,
                reasoning_content=None,
                top={"error": None, "usage": None},
            )
        ),
        expect=HELLO,
    ),
    Scenario(
        name="refusal",
        why="OpenAI: the refusal field.",
        blocking=replied(None, refusal="I can't help with that."),
        stream=streamed(chunk(refusal="I can't "), chunk(refusal="help with that.")),
        expect=Expect(refusal="I can't help with that."),
    ),
)

FINISH = (
    Scenario(
        name="finish-length",
        why="AKI.IO: the maximum output was reached.",
        blocking=replied(finish="length"),
        stream=streamed("Hello", finish="length"),
        expect=replace(HELLO, finish_reason="length"),
    ),
    Scenario(
        name="finish-content-filter",
        why="OpenAI's words: the text was cut by a filter.",
        blocking=replied("Hel", finish="content_filter"),
        stream=streamed("Hel", finish="content_filter"),
        expect=Expect(text="Hel", finish_reason="content_filter"),
    ),
    Scenario(
        name="finish-twice",
        why="Any server: the finish reason again in the event that carries the usage.",
        blocking=None,
        stream=sse(chunk("Hello"), STOP, chunk(finish="stop", top={"usage": tokens()})),
        expect=HELLO,
    ),
    Scenario(
        name="finish-with-the-text",
        why="Gemini: the whole answer in a single event.",
        blocking=None,
        stream=sse(chunk("Hello", role="assistant", finish="stop", top={"usage": tokens()})),
        expect=HELLO,
    ),
    Scenario(
        name="finish-empty-until-the-end",
        why="Any server: a finish reason of no characters in each event but the last.",
        blocking=None,
        stream=sse(chunk("Hel", finish=""), chunk("lo", finish=""), STOP, COUNT),
        expect=HELLO,
    ),
)

HEADERS = (
    Scenario(
        name="request-id",
        why="AACFlow: `X-Request-Id`.",
        blocking=json_answer(reply(), x_request_id="req-42"),
        stream=streamed("Hel", "lo", x_request_id="req-42"),
        expect=replace(HELLO, request_id="req-42"),
    ),
    Scenario(
        name="credits",
        why="AACFlow: `X-Credits-Used` and `X-Credits-Remaining`, USD with 6 decimals.",
        blocking=json_answer(reply(), x_credits_used="0.000125", x_credits_remaining="9.874000"),
        stream=streamed("Hel", "lo", x_credits_used="0.000125", x_credits_remaining="9.874000"),
        expect=replace(HELLO, credits=(0.000125, 9.874)),
        provider="aacflow",
    ),
    Scenario(
        name="credits-unreadable",
        why="AACFlow: a header that is no number must not cost the answer.",
        blocking=json_answer(reply(), x_credits_used="n/a", x_credits_remaining=""),
        stream=streamed("Hel", "lo", x_credits_used="n/a", x_credits_remaining=""),
        expect=HELLO,
        provider="aacflow",
    ),
)

ROWS = (*CHOICES, *CONTENT, *FINISH, *HEADERS)
