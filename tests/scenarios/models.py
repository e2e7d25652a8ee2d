"""Oddities of the model that an answer names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.scenarios.table import (
    ABSENT,
    FALLBACK,
    HELLO,
    MODEL,
    Expect,
    Fails,
    Scenario,
    chunk,
    replied,
    tokens,
)
from tests.script_server import sse


def _model(name: str, why: str, served: Any, expect: Expect | Fails, **more: Any) -> Scenario:
    top = {"model": served}
    stream = sse(
        chunk("Hel", top=top),
        chunk("lo", top=top),
        chunk(finish="stop", top=top),
        chunk(top={**top, "choices": [], "usage": tokens()}),
    )
    return Scenario(name=name, why=why, blocking=replied(top=top), stream=stream, expect=expect, **more)


ROWS = (
    _model(
        "model-fallback",
        "AKI.IO: an unknown model is answered by MiniMax M2.5 with HTTP 200.",
        FALLBACK,
        Fails(error="ModelFallbackError", says=(MODEL, FALLBACK)),
    ),
    _model(
        "model-fallback-spelled-otherwise",
        "Our rule on models: names are compared modulo case and provider prefix, the fallback's too.",
        "MiniMax/MiniMax-M2.5-230B",
        Fails(error="ModelFallbackError", says=(MODEL, "MiniMax-M2.5-230B")),
    ),
    Scenario(
        name="model-fallback-named-late",
        why="Our rule on models: the first event that names the model stands before any text.",
        blocking=None,
        stream=sse(
            chunk("", role="assistant", top={"model": ABSENT}),
            chunk("Hello", top={"model": FALLBACK}),
            chunk(finish="stop", top={"model": FALLBACK}),
        ),
        expect=Fails(error="ModelFallbackError", says=(MODEL, FALLBACK)),
    ),
    _model(
        "model-fallback-asked-for",
        "Our rule on models: whoever asks for MiniMax gets what he asked for.",
        FALLBACK,
        replace(HELLO, model=FALLBACK),
        model=FALLBACK,
    ),
    _model(
        "model-fallback-elsewhere",
        "Our rule on models: providers that do not fall back in silence are warned of, as for any other model.",
        FALLBACK,
        replace(HELLO, model=FALLBACK, warns="ModelMismatchWarning"),
        provider="aacflow",
    ),
    _model("model-absent", "Our rule on models: an answer that names no model is fine.", ABSENT, HELLO),
    _model("model-null", "Our rule on models: the same with null.", None, HELLO),
    _model("model-empty", "Our rule on models: the same with a name of no characters.", "", HELLO),
    _model("model-other-case", "Our rule on models: modulo case.", "Qwen3.6-35B", replace(HELLO, model="Qwen3.6-35B")),
    _model(
        "model-prefixed",
        "Our rule on models: modulo a provider prefix.",
        f"aki/{MODEL}",
        replace(HELLO, model=f"aki/{MODEL}"),
    ),
    _model(
        "model-dated",
        "Our rule on models: modulo a dated suffix.",
        f"{MODEL}-2026-05-01",
        replace(HELLO, model=f"{MODEL}-2026-05-01"),
    ),
    _model(
        "model-repository",
        "Our rule on models: modulo aliases, here the Hugging Face repository of AKI.IO.",
        "Qwen/Qwen3.6-35B",
        replace(HELLO, model="Qwen/Qwen3.6-35B"),
    ),
    _model(
        "model-older-id",
        "Our rule on models: modulo aliases, here the other ID of AKI.IO.",
        "qwen3.6-chat-35b",
        replace(HELLO, model="qwen3.6-chat-35b"),
    ),
    _model(
        "model-mismatch",
        "Our rule on models: another model that is not the fallback is a warning, given once.",
        "glm5.3-754b",
        replace(HELLO, model="glm5.3-754b", warns="ModelMismatchWarning"),
    ),
)
