"""Oddities of where a model's reasoning stands."""

from __future__ import annotations

from typing import Any

from tests.scenarios.table import Expect, Scenario, chunk, replied, split_everywhere, streamed

_THOUGHT = Expect(text="Hello", reasoning="hm, yes")
_INLINE = "<think>hm, yes</think>\n\nHello"


def _inline(name: str, why: str, said: str, /, *pieces: str, **expect: Any) -> Scenario:
    return Scenario(
        name=name, why=why, blocking=replied(said), stream=streamed(*(pieces or (said,))), expect=Expect(**expect)
    )


ROWS = (
    Scenario(
        name="reasoning-content",
        why="DeepSeek, vLLM, SGLang: reasoning as `reasoning_content`.",
        blocking=replied(reasoning_content="hm, yes"),
        stream=streamed(chunk(reasoning_content="hm, "), chunk(reasoning_content="yes"), "Hel", "lo"),
        expect=_THOUGHT,
    ),
    Scenario(
        name="reasoning-field",
        why="OpenRouter, Groq, Ollama: reasoning as `reasoning`.",
        blocking=replied(reasoning="hm, yes"),
        stream=streamed(chunk(reasoning="hm, "), chunk(reasoning="yes"), "Hel", "lo"),
        expect=_THOUGHT,
    ),
    Scenario(
        name="reasoning-beside-null-content",
        why="DeepSeek's shape: both fields in each event, one of them null.",
        blocking=replied(reasoning_content="hm, yes"),
        stream=streamed(
            chunk(None, reasoning_content="hm, "),
            chunk(None, reasoning_content="yes"),
            chunk("Hello", reasoning_content=None),
        ),
        expect=_THOUGHT,
    ),
    Scenario(
        name="reasoning-in-both-fields",
        why="vLLM, LiteLLM in transition: the same words as `reasoning` and as `reasoning_content`.",
        blocking=replied(reasoning="hm, yes", reasoning_content="hm, yes"),
        stream=streamed(
            chunk(reasoning="hm, ", reasoning_content="hm, "), chunk(reasoning="yes", reasoning_content="yes"), "Hello"
        ),
        expect=_THOUGHT,
    ),
    Scenario(
        name="reasoning-in-the-first-event",
        why="LlamaIndex's OpenAI class loses it in async streams.",
        blocking=None,
        stream=streamed(chunk(role="assistant", reasoning_content="hm, yes"), "Hello"),
        expect=_THOUGHT,
    ),
    Scenario(
        name="reasoning-and-text-in-one-event",
        why="SGLang: the event where reasoning ends may begin the text.",
        blocking=None,
        stream=streamed(chunk(reasoning_content="hm, "), chunk("Hel", reasoning_content="yes"), "lo"),
        expect=_THOUGHT,
    ),
    Scenario(
        name="reasoning-alone",
        why="DeepSeek: the maximum output is reached while the model still reasons.",
        blocking=replied(None, reasoning_content="hm, yes", finish="length"),
        stream=streamed(chunk(reasoning_content="hm, "), chunk(reasoning_content="yes"), finish="length"),
        expect=Expect(warns="ModelLimitWarning", reasoning="hm, yes", finish_reason="length"),
    ),
    _inline(
        "think-inline",
        "Ollama, Together: reasoning as inline `<think>`; the newlines behind it belong to neither.",
        _INLINE,
        text="Hello",
        reasoning="hm, yes",
    ),
    *(
        _inline(
            f"think-{name}",
            "Gemma's, Mistral's, ByteDance Seed's and Kimi's templates write other tags.",
            f"{opening}hm, yes{closing}\n\nHello",
            *(opening[:3], f"{opening[3:]}hm, ", f"yes{closing[:4]}", f"{closing[4:]}\n", "\nHel", "lo"),
            text="Hello",
            reasoning="hm, yes",
        )
        for name, opening, closing in (
            ("gemma", "<thought>", "</thought>"),
            ("mistral", "[THINK]", "[/THINK]"),
            ("seed", "<seed:think>", "</seed:think>"),
            ("kimi", "◁think▷", "◁/think▷"),
        )
    ),
    _inline(
        "think-split",
        "LM Studio, llama.cpp: an event for a token; the tags are cut by the events' borders.",
        _INLINE,
        *("<th", "ink>h", "m, yes<", "/thi", "nk", ">\n", "\nHel", "lo"),
        text="Hello",
        reasoning="hm, yes",
    ),
    _inline(
        "think-letter-by-letter",
        "Any server: an event for each character.",
        _INLINE,
        *_INLINE,
        text="Hello",
        reasoning="hm, yes",
    ),
    Scenario(
        name="think-byte-by-byte",
        why="Any server: the same in pieces of a byte.",
        blocking=split_everywhere(replied(_INLINE), 1),
        stream=split_everywhere(streamed(*_INLINE), 7),
        expect=_THOUGHT,
    ),
    _inline(
        "think-unclosed",
        "Ollama at `num_predict`: the output ends before the tag is closed: all of it is reasoning.",
        "<think>hm, yes",
        *("<think>hm,", " yes"),
        reasoning="hm, yes",
    ),
    _inline(
        "think-unclosed-in-the-closing-tag",
        "Ollama at `num_predict`: the output ends inside the closing tag: what is there is reasoning.",
        "<think>hm, yes</th",
        *("<think>hm, yes<", "/th"),
        reasoning="hm, yes</th",
    ),
    _inline("think-empty", "Qwen's template without reasoning.", "<think></think>\n\nHello", text="Hello"),
    _inline(
        "think-inside-the-text",
        "Any server: only at the start of the text is the tag a tag.",
        "Write <think>x</think> so.",
        *("Write <thi", "nk>x</think> so."),
        text="Write <think>x</think> so.",
    ),
    _inline(
        "think-twice",
        "Any server: only the first block is reasoning.",
        "<think>hm, yes</think>Hello <think>x</think>",
        text="Hello <think>x</think>",
        reasoning="hm, yes",
    ),
    _inline(
        "think-lookalike",
        "Any server: a text that begins like the tag is held back and then given whole.",
        "<thinking>Hello",
        *("<", "think", "ing>Hello"),
        text="<thinking>Hello",
    ),
    _inline(
        "think-begun-only",
        "Any server: a text that ends where the tag might have begun is not lost.",
        "<thi",
        *("<th", "i"),
        text="<thi",
    ),
    _inline(
        "think-smaller-than",
        "Any server: a text that begins with the tag's first character.",
        "<b>Hello</b>",
        *("<", "b>Hello</b>"),
        text="<b>Hello</b>",
    ),
)
