"""What answers cost, and the prepaid account that pays for them."""

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

_MILLION = Decimal(1_000_000)
_SMALLEST = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    prompt: Decimal
    completion: Decimal

    def of(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """What so many tokens cost."""
        cost = (self.prompt * prompt_tokens + self.completion * completion_tokens) / _MILLION
        return cost.quantize(_SMALLEST, ROUND_UP)


FREE = Price(Decimal(0), Decimal(0))


class Account:
    """US dollars that answers are paid from."""

    def __init__(self, credits: float) -> None:  # noqa: A002  # the gateways' word
        self._start = self.balance = Decimal(str(credits))

    def pay(self, cost: Decimal) -> None:
        """Take the cost; the last answer may cost more than there is."""
        self.balance -= cost

    def refill(self) -> None:
        """Put the first balance back."""
        self.balance = self._start
