"""Oddities of where a model's reasoning stands."""

from __future__ import annotations

from typing import Any

from tests.scenarios.table import Expect, Scenario, chunk, replied, split_everywhere, streamed

_THOUGHT = Expect(text="Hello", reasoning="hm, yes")
_INLINE = "<think>hm, yes</think>\n\nHello"


def _inline(name: str, said: str, /, *pieces: str, **expect: Any) -> Scenario:
    return Scenario(name, replied(said), streamed(*(pieces or (said,))), Expect(**expect))


ROWS = (
    # DeepSeek, vLLM, SGLang: reasoning as `reasoning_content`.
    Scenario(
        "reasoning-content",
        replied(reasoning_content="hm, yes"),
        streamed(chunk(reasoning_content="hm, "), chunk(reasoning_content="yes"), "Hel", "lo"),
        _THOUGHT,
    ),
    # OpenRouter, Groq, Ollama: reasoning as `reasoning`.
    Scenario(
        "reasoning-field",
        replied(reasoning="hm, yes"),
        streamed(chunk(reasoning="hm, "), chunk(reasoning="yes"), "Hel", "lo"),
        _THOUGHT,
    ),
    # DeepSeek's shape: both fields in each event, one of them null.
    Scenario(
        "reasoning-beside-null-content",
        replied(reasoning_content="hm, yes"),
        streamed(
            chunk(None, reasoning_content="hm, "),
            chunk(None, reasoning_content="yes"),
            chunk("Hello", reasoning_content=None),
        ),
        _THOUGHT,
    ),
    # vLLM, LiteLLM in transition: the same words as `reasoning` and as `reasoning_content`.
    Scenario(
        "reasoning-in-both-fields",
        replied(reasoning="hm, yes", reasoning_content="hm, yes"),
        streamed(
            chunk(reasoning="hm, ", reasoning_content="hm, "), chunk(reasoning="yes", reasoning_content="yes"), "Hello"
        ),
        _THOUGHT,
    ),
    # LlamaIndex's OpenAI class loses it in async streams.
    Scenario(
        "reasoning-in-the-first-event",
        None,
        streamed(chunk(role="assistant", reasoning_content="hm, yes"), "Hello"),
        _THOUGHT,
    ),
    # SGLang: the event where reasoning ends may begin the text.
    Scenario(
        "reasoning-and-text-in-one-event",
        None,
        streamed(chunk(reasoning_content="hm, "), chunk("Hel", reasoning_content="yes"), "lo"),
        _THOUGHT,
    ),
    # DeepSeek: the maximum output is reached while the model still reasons.
    Scenario(
        "reasoning-alone",
        replied(None, reasoning_content="hm, yes", finish="length"),
        streamed(chunk(reasoning_content="hm, "), chunk(reasoning_content="yes"), finish="length"),
        Expect(warns="ModelLimitWarning", reasoning="hm, yes", finish_reason="length"),
    ),
    # Ollama, Together: reasoning as inline `<think>`; the newlines behind it belong to neither.
    _inline("think-inline", _INLINE, text="Hello", reasoning="hm, yes"),
    *(
        # Gemma's, Mistral's, ByteDance Seed's and Kimi's templates write other tags.
        _inline(
            f"think-{name}",
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
    # LM Studio, llama.cpp: an event for a token; the tags are cut by the events' borders.
    _inline(
        "think-split",
        _INLINE,
        *("<th", "ink>h", "m, yes<", "/thi", "nk", ">\n", "\nHel", "lo"),
        text="Hello",
        reasoning="hm, yes",
    ),
    # Any server: an event for each character.
    _inline("think-letter-by-letter", _INLINE, *_INLINE, text="Hello", reasoning="hm, yes"),
    # Any server: the same in pieces of a byte.
    Scenario(
        "think-byte-by-byte", split_everywhere(replied(_INLINE), 1), split_everywhere(streamed(*_INLINE), 7), _THOUGHT
    ),
    # Ollama at `num_predict`: the output ends before the tag is closed: all of it is reasoning.
    _inline("think-unclosed", "<think>hm, yes", *("<think>hm,", " yes"), reasoning="hm, yes"),
    # Ollama at `num_predict`: the output ends inside the closing tag: what is there is reasoning.
    _inline(
        "think-unclosed-in-the-closing-tag", "<think>hm, yes</th", *("<think>hm, yes<", "/th"), reasoning="hm, yes</th"
    ),
    # Qwen's template without reasoning.
    _inline("think-empty", "<think></think>\n\nHello", text="Hello"),
    # Any server: only at the start of the text is the tag a tag.
    _inline(
        "think-inside-the-text",
        "Write <think>x</think> so.",
        *("Write <thi", "nk>x</think> so."),
        text="Write <think>x</think> so.",
    ),
    # Any server: only the first block is reasoning.
    _inline(
        "think-twice",
        "<think>hm, yes</think>Hello <think>x</think>",
        text="Hello <think>x</think>",
        reasoning="hm, yes",
    ),
    # Any server: a text that begins like the tag is held back and then given whole.
    _inline("think-lookalike", "<thinking>Hello", *("<", "think", "ing>Hello"), text="<thinking>Hello"),
    # Any server: a text that ends where the tag might have begun is not lost.
    _inline("think-begun-only", "<thi", *("<th", "i"), text="<thi"),
    # Any server: a text that begins with the tag's first character.
    _inline("think-smaller-than", "<b>Hello</b>", *("<", "b>Hello</b>"), text="<b>Hello</b>"),
)
