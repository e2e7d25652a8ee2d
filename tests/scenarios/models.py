"""Oddities of the model that an answer names."""

from dataclasses import replace
from typing import Any

from tests.scenarios.table import ABSENT, FALLBACK, HELLO, MODEL, Expect, Fails, Scenario, chunk, replied, tokens
from tests.script_server import sse


def _model(name: str, served: Any, expect: Expect | Fails, **more: Any) -> Scenario:
    top = {"model": served}
    stream = sse(
        chunk("Hel", top=top),
        chunk("lo", top=top),
        chunk(finish="stop", top=top),
        chunk(top={**top, "choices": [], "usage": tokens()}),
    )
    return Scenario(name, replied(top=top), stream, expect, **more)


ROWS = (
    # AKI.IO's open-source server (aime-team/aime-api-server api_server/openai.py): an unknown model's fallback.
    _model("model-fallback", FALLBACK, Fails("ModelFallbackError", says=(MODEL, FALLBACK))),
    # Our rule on models: names are compared modulo case and provider prefix, the fallback's too.
    _model(
        "model-fallback-spelled-otherwise",
        "MiniMax/MiniMax-M2.5-230B",
        Fails("ModelFallbackError", says=(MODEL, "MiniMax-M2.5-230B")),
    ),
    # Our rule on models: the first event that names the model stands before any text.
    Scenario(
        "model-fallback-named-late",
        None,
        sse(
            chunk("", role="assistant", top={"model": ABSENT}),
            chunk("Hello", top={"model": FALLBACK}),
            chunk(finish="stop", top={"model": FALLBACK}),
        ),
        Fails("ModelFallbackError", says=(MODEL, FALLBACK)),
    ),
    # Our rule on models: whoever asks for MiniMax gets what he asked for.
    _model("model-fallback-asked-for", FALLBACK, replace(HELLO, model=FALLBACK), model=FALLBACK),
    # Our rule on models: providers that do not fall back in silence are warned of, as for any other model.
    _model(
        "model-fallback-elsewhere",
        FALLBACK,
        replace(HELLO, model=FALLBACK, warns="ModelMismatchWarning"),
        provider="aacflow",
    ),
    # Our rule on models: an answer that names no model is fine.
    _model("model-absent", ABSENT, HELLO),
    # Our rule on models: the same with null.
    _model("model-null", None, HELLO),
    # Our rule on models: the same with a name of no characters.
    _model("model-empty", "", HELLO),
    # Our rule on models: modulo case.
    _model("model-other-case", "Qwen3.6-35B", replace(HELLO, model="Qwen3.6-35B")),
    # Our rule on models: modulo a provider prefix.
    _model("model-prefixed", f"aki/{MODEL}", replace(HELLO, model=f"aki/{MODEL}")),
    # Our rule on models: modulo a dated suffix.
    _model("model-dated", f"{MODEL}-2026-05-01", replace(HELLO, model=f"{MODEL}-2026-05-01")),
    # Our rule on models: modulo aliases, here the Hugging Face repository of AKI.IO.
    _model("model-repository", "Qwen/Qwen3.6-35B", replace(HELLO, model="Qwen/Qwen3.6-35B")),
    # Our rule on models: modulo aliases, here the other ID of AKI.IO.
    _model("model-older-id", "qwen3.6-chat-35b", replace(HELLO, model="qwen3.6-chat-35b")),
    # Our rule on models: another model that is not the fallback is a warning, given once.
    _model("model-mismatch", "glm5.3-754b", replace(HELLO, model="glm5.3-754b", warns="ModelMismatchWarning")),
)
