"""The chat models the emulator serves."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from aki_transport.emulator.errors import Refusal
from aki_transport.emulator.wallet import FREE, Price


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its limits, what it can do, what it costs, and how the listing shows it."""

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
    price: Price = FREE


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

_GPT = Price(Decimal("0.15"), Decimal("0.60"))
_CLAUDE = Price(Decimal(3), Decimal(15))
# The windows and prices are the makers'; the gateways' pages give neither.
AACFLOW_MODELS = (
    Model("gpt-4o-mini", "openai", 128_000, 16_384, sees=True, created=1_720_000_000, price=_GPT),
    Model("claude-sonnet-4-6", "anthropic", 200_000, 64_000, sees=True, created=1_771_000_000, price=_CLAUDE),
)
AK_AI_CORE_MODELS = (
    Model("openai/gpt-4o-mini", "openai", 128_000, 16_384, sees=True, created=1_715_644_800, price=_GPT),
    Model("anthropic/claude-3-5-sonnet", "anthropic", 200_000, 8192, sees=True, created=1_718_323_200, price=_CLAUDE),
)


def or_fallback(name: str) -> Model:
    """The model of this ID; any other name is answered by MiniMax without a word, as AKI.IO does."""
    return _BY_ID.get(name, FALLBACK)


def among(models: tuple[Model, ...]) -> Callable[[str], Model]:
    """What finds one of these models by its ID, and refuses any other name."""
    by_id = {model.id: model for model in models}

    def resolve(name: str) -> Model:
        if name not in by_id:
            raise Refusal(f"The model '{name}' does not exist.", status=404, code="model_not_found")
        return by_id[name]

    return resolve
