"""The chat models the emulator serves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its limits, what it can do, and how the listing shows it."""

    id: str
    owner: str
    window: int
    max_output: int
    reasons: bool = False
    sees: bool = False
    older_id: str | None = None
    # The service says 0 where it does not know; the window is enforced either way.
    listed_window: int = 0
    # The open server mixes numbers and strings in one list.
    created: int | str = 1_758_000_000


MODELS = (
    Model("apertus-chat-70b", "swiss-ai", 65_536, 8192, listed_window=65_536),
    Model("gpt-oss-120b", "openai", 131_072, 32_768, reasons=True),
    Model("gemma4-26b", "google", 262_144, 32_768, reasons=True, older_id="gemma4-chat-26b"),
    Model("llama3-chat-8b", "meta-llama", 131_072, 32_768, created="1721692800"),
    Model("llama3-chat-70b", "meta-llama", 131_072, 32_768),
    Model("minimax-m2.5-230b", "minimax", 204_800, 8192, reasons=True),
    Model("ministral3-14b", "mistralai", 262_144, 32_768, listed_window=262_144),
    Model("qwen3.6-35b", "qwen", 262_144, 32_768, reasons=True, sees=True, older_id="qwen3.6-chat-35b"),
    # In no client's table: live listings move faster than tables.
    Model("kimi-k2.7-code-1100b", "moonshotai", 262_144, 32_768, listed_window=262_144),
)
FALLBACK = next(model for model in MODELS if model.id == "minimax-m2.5-230b")
_BY_ID = {name: model for model in MODELS for name in (model.id, model.older_id) if name}


def resolve(name: str) -> Model:
    """The model of this ID; any other name is answered by MiniMax without a word, as the service does."""
    return _BY_ID.get(name, FALLBACK)
