"""The chat models the emulator serves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from aki_transport.emulator.prompt import Completion


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
    # US dollars for a million tokens, of the prompt and of the answer.
    prices: tuple[str, str] = ("0", "0")
    # The native endpoint, and the name that its answers give the model.
    endpoint: str = ""
    label: str = ""

    def cost(self, completion: Completion) -> Decimal:
        """What an answer costs, in US dollars."""
        prompt, written = map(Decimal, self.prices)
        return (prompt * completion.prompt_tokens + written * completion.completion_tokens) / 1_000_000


# The endpoints of the first Llama, Apertus and GPT-OSS are AKI.IO's own; the others are invented, of the parts of one
# of the model's IDs: no page of AKI.IO's names them.
MODELS = (
    Model("apertus-chat-70b", "swiss-ai", 65_536, 8192, listed_window=65_536,
          endpoint="apertus_chat", label="Apertus-70B-Instruct-2509"),
    Model("gpt-oss-120b", "openai", 131_072, 32_768, reasons=True, endpoint="gpt_oss_chat", label="gpt-oss-120b"),
    Model("gemma4-26b", "google", 262_144, 32_768, reasons=True, older_id="gemma4-chat-26b",
          endpoint="gemma4_26b_chat", label="gemma-4-26B-it"),
    Model("llama3-chat-8b", "meta-llama", 131_072, 32_768, created="1721692800",
          endpoint="llama3_8b_chat", label="Llama-3.1-8B-Instruct"),
    Model("llama3-chat-70b", "meta-llama", 131_072, 32_768,
          endpoint="llama3_70b_chat", label="Llama-3.3-70B-Instruct"),
    Model("minimax-m2.5-230b", "minimax", 204_800, 8192, reasons=True,
          endpoint="minimax_230b_m2.5", label="MiniMax-M2.5"),
    Model("ministral3-14b", "mistralai", 262_144, 32_768, listed_window=262_144,
          endpoint="ministral3_14b", label="Ministral-3-14B-Instruct"),
    Model("qwen3.6-35b", "qwen", 262_144, 32_768, reasons=True, sees=True, older_id="qwen3.6-chat-35b",
          endpoint="qwen3.6_35b_chat", label="Qwen3.6-35B"),
    Model("kimi-k2.7-code-1100b", "moonshotai", 262_144, 32_768, listed_window=262_144,
          endpoint="kimi_k2.7_1100b_code", label="Kimi-K2.7-Code"),
)  # fmt: skip
FALLBACK = next(model for model in MODELS if model.id == "minimax-m2.5-230b")

_GPT, _CLAUDE = ("0.15", "0.60"), ("3", "15")
# The windows and prices are the makers'; the gateways' pages give neither.
AACFLOW_MODELS = (
    Model("gpt-4o-mini", "openai", 128_000, 16_384, sees=True, created=1_720_000_000, prices=_GPT),
    Model("claude-sonnet-4-6", "anthropic", 200_000, 64_000, sees=True, created=1_771_000_000, prices=_CLAUDE),
)
AK_AI_CORE_MODELS = (
    Model("openai/gpt-4o-mini", "openai", 128_000, 16_384, sees=True, created=1_715_644_800, prices=_GPT),
    Model("anthropic/claude-3-5-sonnet", "anthropic", 200_000, 8192, sees=True, created=1_718_323_200, prices=_CLAUDE),
)


class Catalog:
    """The models of one provider; an unknown name is served by what `unknown` gives, or under that name."""

    def __init__(self, models: Sequence[Model], unknown: Callable[[str], Model], *, any_name: bool) -> None:
        self._by_id = {name: model for model in models for name in (model.id, model.older_id) if name}
        self._unknown = unknown
        self.any_name = any_name
        # A client lets unknown names through where the listing lacks the model that answers them in silence.
        self.listed = [model for model in models if not (any_name and model is FALLBACK)]

    def find(self, name: str) -> Model:
        """The model that answers under a name."""
        if name in self._by_id:
            return self._by_id[name]
        return Model(name, "emulator", 262_144, 32_768, sees=True) if self.any_name else self._unknown(name)
