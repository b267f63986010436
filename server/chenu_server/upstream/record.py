"""What the fake upstream remembers: who arrived when, and what it bills for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chenu_server.providers.catalog import Catalogue


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


@dataclass(slots=True)
class BillLine:
    """What one model has cost."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    nanousd: int = 0


@dataclass(slots=True)
class Bill:
    """What each (provider, model) has cost, by the provider's own reckoning."""

    prices: Mapping[tuple[str, str], tuple[int, int, int]]
    lines: dict[tuple[str, str], BillLine] = field(default_factory=dict)

    def charge(self, provider: str, model: str, tokens: Tokens) -> int:
        """Add one attempt; its cost in nano-USD, rounded up once."""
        per_input, per_output, per_cache_read = self.prices[provider, model]
        exact = tokens.input * per_input + tokens.output * per_output
        exact += tokens.cache_read * per_cache_read
        cost, rest = divmod(exact, 1_000_000)
        cost += 1 if rest else 0
        line = self.lines.setdefault((provider, model), BillLine())
        line.attempts += 1
        line.input_tokens += tokens.input
        line.output_tokens += tokens.output
        line.cache_read_tokens += tokens.cache_read
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


def prices_of(catalogue: Catalogue) -> dict[tuple[str, str], tuple[int, int, int]]:
    """(input, output, cache read) in nano-USD per million tokens; nothing, if no price is known."""
    return {
        (record.name, model.name): (rates.input, rates.output, rates.cache_read)
        if (rates := model.rates)
        else (0, 0, 0)
        for record in catalogue.providers.values()
        for model in record.models
    }
