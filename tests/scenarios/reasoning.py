"""Oddities of where a model's reasoning stands."""

from typing import Any

from tests.scenarios.table import Expect, Scenario, chunk, in_stream, replied, split_everywhere, streamed

_THOUGHT = Expect(text="Hello", reasoning="hm, yes")
_INLINE = "<think>hm, yes</think>\n\nHello"


def _inline(name: str, said: str, /, *pieces: str, **expect: Any) -> Scenario:
    """A text of this and in these pieces; without more it is the thought and its answer."""
    return Scenario(name, replied(said), streamed(*(pieces or (said,))), Expect(**expect) if expect else _THOUGHT)


_HM = chunk(reasoning_content="hm, ")
_YES = chunk(reasoning_content="yes")
_HARMONY = "<|channel|>analysis<|message|>hm, yes<|end|><|start|>assistant<|channel|>final<|message|>Hello"
_ABOUT_MARKS = "The marks are <|end|>, `<|channel|>final<|message|` and <|start|>."


ROWS = (
    *(
        Scenario(
            f"reasoning-{name}",
            replied(**{field: whole}),
            streamed(*(chunk(**{field: piece}) for piece in pieces), "Hel", "lo"),
            _THOUGHT,
        )
        for name, field, whole, *pieces in (
            # SGLang (sgl-project/sglang#6310), DeepSeek, vLLM: reasoning as `reasoning_content`.
            ("content", "reasoning_content", "hm, yes", "hm, ", "yes"),
            # OpenRouter (BerriAI/litellm#8193), vLLM (BerriAI/litellm#20246): reasoning as `reasoning`.
            ("field", "reasoning", "hm, yes", "hm, ", "yes"),
            # Not seen in public: reasoning as an object with its content.
            ("as-object", "reasoning", {"content": "hm, yes"}, {"content": "hm, "}, {"content": "yes"}),
        )
    ),
    # SGLang (sgl-project/sglang#6310): both fields in each event, one of them null.
    Scenario(
        "reasoning-beside-null-content",
        replied(reasoning_content="hm, yes"),
        streamed(
            *(chunk(None, reasoning_content=piece) for piece in ("hm, ", "yes")), chunk("Hello", reasoning_content=None)
        ),
        _THOUGHT,
    ),
    *(
        # MiniMax (BerriAI/litellm#22392): reasoning in the details of it alone, here as text and as a summary.
        Scenario(
            f"reasoning-details-{kind}",
            replied(reasoning_details=[{"type": f"reasoning.{kind}", kind: "hm, yes"}]),
            streamed(
                *(
                    chunk(reasoning_details=[{"type": f"reasoning.{kind}", kind: piece, "index": 0}])
                    for piece in ("hm, ", "yes")
                ),
                "Hello",
            ),
            _THOUGHT,
        )
        for kind in ("text", "summary")
    ),
    # Not seen in public: whether there was reasoning, in the place of the reasoning.
    Scenario(
        "reasoning-flag",
        replied(reasoning=True),
        streamed(chunk("Hello", reasoning=False), chunk(reasoning=True)),
        Expect(text="Hello"),
    ),
    # LightLLM (ModelTC/LightLLM#1345): the same words as `reasoning` and as `reasoning_content`.
    Scenario(
        "reasoning-in-both-fields",
        replied(reasoning="hm, yes", reasoning_content="hm, yes"),
        streamed(*(chunk(reasoning=piece, reasoning_content=piece) for piece in ("hm, ", "yes")), "Hello"),
        _THOUGHT,
    ),
    # LiteLLM (BerriAI/litellm#20246): reasoning in the event of the role; LlamaIndex's OpenAI class loses it.
    in_stream(
        "reasoning-in-the-first-event",
        streamed(chunk(role="assistant", reasoning_content="hm, yes"), "Hello"),
        _THOUGHT,
    ),
    # vLLM (BerriAI/litellm#27492): the event where reasoning ends may begin the text.
    in_stream("reasoning-and-text-in-one-event", streamed(_HM, chunk("Hel", reasoning_content="yes"), "lo"), _THOUGHT),
    # Gemini (BerriAI/litellm#40477): the maximum output is reached while the model still reasons.
    Scenario(
        "reasoning-alone",
        replied(None, reasoning_content="hm, yes", finish="length"),
        streamed(_HM, _YES, finish="length"),
        Expect(warns="ModelLimitWarning", reasoning="hm, yes", finish_reason="length"),
    ),
    # Ollama, vLLM (deepseek-ai/DeepSeek-R1#23): inline `<think>`; newlines behind it belong to neither.
    _inline("think-inline", _INLINE),
    *(
        # Magistral (LostRuins/koboldcpp#1745) and others (vllm-project/vllm vllm/reasoning/) write other tags.
        _inline(
            f"think-{name}",
            f"{opening}hm, yes{closing}\n\nHello",
            *(opening[:3], f"{opening[3:]}hm, ", f"yes{closing[:4]}", f"{closing[4:]}\n", "\nHel", "lo"),
        )
        for name, opening, closing in (
            ("gemma", "<thought>", "</thought>"),
            ("mistral", "[THINK]", "[/THINK]"),
            ("seed", "<seed:think>", "</seed:think>"),
            ("kimi", "◁think▷", "◁/think▷"),
            # Gemma 4 (vllm-project/vllm vllm/reasoning/gemma4_reasoning_parser.py), MedGemma (ollama/ollama#15754).
            ("gemma-4", "<|channel>thought\n", "<channel|>"),
            ("medgemma", "<unused94>thought\n", "<unused95>"),
            # OpenThinker (Infinitix-LLC/gpt_markdown#42).
            ("open-thinker", "<|begin_of_thought|>", "<|end_of_thought|>"),
        )
    ),
    # Proxies (vllm-project/vllm#51701): special tokens are cut by the events' borders, here the tags.
    _inline("think-split", _INLINE, *("<th", "ink>h", "m, yes<", "/thi", "nk", ">\n", "\nHel", "lo")),
    # Not seen in public: an event for each character.
    _inline("think-letter-by-letter", _INLINE, *_INLINE),
    # Not seen in public: the same in pieces of a byte.
    Scenario(
        "think-byte-by-byte", split_everywhere(replied(_INLINE), 1), split_everywhere(streamed(*_INLINE), 7), _THOUGHT
    ),
    # Not seen in public: the output ends before the tag is closed: all of it is reasoning.
    _inline("think-unclosed", "<think>hm, yes", *("<think>hm,", " yes"), reasoning="hm, yes"),
    # Not seen in public: the output ends inside the closing tag: what is there is reasoning.
    _inline(
        "think-unclosed-in-the-closing-tag", "<think>hm, yes</th", *("<think>hm, yes<", "/th"), reasoning="hm, yes</th"
    ),
    # DeepSeek-R1 (deepseek-ai/DeepSeek-R1#23): the reasoning may be empty.
    _inline("think-empty", "<think></think>\n\nHello", text="Hello"),
    # Not seen in public: only at the start of the text is the tag a tag.
    _inline(
        "think-inside-the-text",
        "Write <think>x</think> so.",
        *("Write <thi", "nk>x</think> so."),
        text="Write <think>x</think> so.",
    ),
    # SGLang (sgl-project/sglang#26873): the end of the reasoning, which came in its own field, is left in the text.
    Scenario(
        "think-closed-behind-the-field",
        replied("</think>\n\nHello", reasoning_content="hm, yes"),
        streamed(_HM, _YES, "</th", "ink>\n", "\nHel", "lo"),
        _THOUGHT,
    ),
    # Not seen in public: the reasoning in its own field, and in the text as well.
    Scenario(
        "think-beside-the-field",
        replied("<think>hm, yes</think>Hello", reasoning_content="hm, yes"),
        streamed(chunk("<think>hm, yes</think>", reasoning_content="hm, yes"), "Hello"),
        _THOUGHT,
    ),
    # gpt-oss behind several servers (ml-explore/mlx-lm#1867): the marks of its format are left in the text.
    _inline("harmony", _HARMONY, *(_HARMONY[at : at + 7] for at in range(0, len(_HARMONY), 7))),
    # The same (scouzi1966/maclocal-api#121), with all marks: the one that ends the answer, too.
    _inline("harmony-with-every-mark", f"<|start|>assistant{_HARMONY}<|return|>"),
    # The same (Augustas11/macprovider#743): the maximum output is reached before the answer begins.
    Scenario(
        "harmony-cut",
        replied(_HARMONY.partition("<|end|>")[0], finish="length"),
        streamed(*_HARMONY.partition("<|end|>")[0], finish="length"),
        Expect(reasoning="hm, yes", finish_reason="length", warns="ModelLimitWarning"),
    ),
    # TensorRT-LLM (NVIDIA/TensorRT-LLM#9256): words to the user in a channel between the two.
    _inline("harmony-commentary", "<|channel|>commentary<|message|>Hello<|end|>", text="Hello"),
    # Not seen in public: an answer about these marks.
    _inline("harmony-as-a-subject", _ABOUT_MARKS, *_ABOUT_MARKS, text=_ABOUT_MARKS),
    # Not seen in public: the same in the format itself.
    _inline("harmony-as-its-own-subject", f"<|channel|>final<|message|>{_ABOUT_MARKS}", text=_ABOUT_MARKS),
    # Not seen in public: an answer that begins with such a mark and goes on in words.
    _inline(
        "harmony-begun-only",
        "<|channel|>analysis is a mark.",
        *("<|chan", "nel|>analysis", " is a mark."),
        text="<|channel|>analysis is a mark.",
    ),
    # Not seen in public: only the first block is reasoning.
    _inline(
        "think-twice",
        "<think>hm, yes</think>Hello <think>x</think>",
        text="Hello <think>x</think>",
        reasoning="hm, yes",
    ),
    # Not seen in public: a text that begins like the tag is held back and then given whole.
    _inline("think-lookalike", "<thinking>Hello", *("<", "think", "ing>Hello"), text="<thinking>Hello"),
    # Not seen in public: a text that ends where the tag might have begun is not lost.
    _inline("think-begun-only", "<thi", *("<th", "i"), text="<thi"),
    # Not seen in public: a text that begins with the tag's first character.
    _inline("think-smaller-than", "<b>Hello</b>", *("<", "b>Hello</b>"), text="<b>Hello</b>"),
)
