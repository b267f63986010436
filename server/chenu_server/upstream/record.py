"""What the fake upstream remembers: who arrived when, and what it bills for it."""

from __future__ import annotations

from collections.abc import Mapping

from chenu_server.providers.catalog import Catalogue
from chenu_server.providers.model import Rates
from chenu_server.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request, at the time of its first byte. `marker` is what stood in `[[...]]`."""

    number: int
    mono_ns: int
    wall_us: int
    provider: str
    model: str
    body_bytes: int
    output_cap: int
    streaming: bool
    marker: str
    status: int
    billed_nanousd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one answer counts; the classes do not overlap."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    cache_write_hour: int = 0


@dataclass(slots=True)
class BillLine:
    """What one model has cost."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0  # of either kind
    nanousd: int = 0


@dataclass(slots=True)
class Bill:
    """What each (provider, model) has cost, by the provider's own reckoning."""

    prices: Mapping[tuple[str, str], Rates | None]
    lines: dict[tuple[str, str], BillLine] = field(default_factory=dict)

    def charge(self, provider: str, model: str, tokens: Tokens) -> int:
        """Add one attempt; its cost in nano-USD, rounded up once."""
        cost, rest = divmod(_exact(tokens, self.prices[provider, model]), 1_000_000)
        cost += 1 if rest else 0
        line = self.lines.setdefault((provider, model), BillLine())
        line.attempts += 1
        line.input_tokens += tokens.input
        line.output_tokens += tokens.output
        line.cache_read_tokens += tokens.cache_read
        line.cache_write_tokens += tokens.cache_write + tokens.cache_write_hour
        line.nanousd += cost
        return cost

    @property
    def total_nanousd(self) -> int:
        """Everything that was billed."""
        return sum(line.nanousd for line in self.lines.values())

    @property
    def attempts(self) -> int:
        """How many requests were billed."""
        return sum(line.attempts for line in self.lines.values())


def _exact(tokens: Tokens, rates: Rates | None) -> int:
    """Millionths of a nano-USD; nothing, if no price is known."""
    if rates is None:
        return 0
    written = tokens.cache_write + tokens.cache_write_hour
    rates = rates.of_prompt(tokens.input + tokens.cache_read + written)
    return (
        tokens.input * rates.input
        + tokens.output * rates.output
        + tokens.cache_read * rates.cache_read
        + tokens.cache_write * rates.cache_write
        + tokens.cache_write_hour * rates.cache_write_hour
    )


def prices_of(catalogue: Catalogue) -> dict[tuple[str, str], Rates | None]:
    """What each (provider, model) costs."""
    return {
        (record.name, model.name): model.rates
        for record in catalogue.providers.values()
        for model in record.models
    }
