"""Prices as integers: genai-prices resolved once for a day, an operator's price over it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from chenu_server.providers.catalog import Catalogue
from chenu_server.providers.model import ModelRecord, Rates, RateStep
from chenu_server.values import replace

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Tier, TieredPrices

NANOUSD_PER_USD = 1_000_000_000

_RATES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
_STEP = datetime.timedelta(minutes=15)


def resolve_prices(catalogue: Catalogue, on: datetime.date) -> Catalogue:
    """The loaded catalogue with the prices that hold on a UTC day; call again at midnight.

    The operator's price wins over genai-prices, that over the shipped one. Where a price has hours
    of the day, the dearest is taken, so that no bill is larger than what was reserved; its steps by
    the prompt's length are kept. Nothing is fetched: the package's updater stays off.
    """
    import genai_prices
    from genai_prices.data_snapshot import get_snapshot

    snapshot, source = get_snapshot(), f"genai-prices {genai_prices.__version__}"

    def priced(model: ModelRecord) -> ModelRecord:
        if model.rates is not None and model.rates.source == "operator":
            return model
        found = _find(snapshot, model)
        rates = found and _rates_on(found, on, source)
        # Of what no table knows, the price of its record stands.
        return replace(model, rates=rates) if rates else model

    return catalogue.with_models(
        {
            name: tuple(priced(model) for model in record.models)
            for name, record in catalogue.providers.items()
        }
    )


def nanousd_per_million(usd: Decimal) -> int:
    """A price in USD per million tokens as an integer, exact or rounded up."""
    # Up and never down: what is reserved must not be less than what is billed.
    return int((usd * NANOUSD_PER_USD).to_integral_value(rounding=ROUND_CEILING))


def _find(snapshot: DataSnapshot, model: ModelRecord) -> ModelInfo | None:
    try:
        # By the maker, for an instance's own name is known to no table.
        return snapshot.find_provider_model(model.name, None, model.maker, None)[1]
    except LookupError:
        return None


def _rates_on(model: ModelInfo, on: datetime.date, source: str) -> Rates | None:
    prices = list(_prices_on(model, on))
    if any(price.requests_kcount for price in prices):
        return None  # a fee for each call beside the tokens: a bound of tokens would be too low
    rates = _rates_of_prompt(prices, 0, source)
    starts = {
        step.start for price in prices for name in _RATES for step in _steps(getattr(price, name))
    }
    # One token beyond each: a step is for prompts that are longer than it.
    beyond = ((above, _rates_of_prompt(prices, above + 1, source)) for above in sorted(starts))
    steps = tuple(RateStep(above=above, rates=each) for above, each in beyond if each)
    return replace(rates, steps=steps) if rates else None


def _rates_of_prompt(prices: list[ModelPrice], tokens: int, source: str) -> Rates | None:
    def dearest(name: str) -> int | None:
        found = [getattr(price, name) for price in prices]
        known = (_price_of_prompt(each, tokens) for each in found if each is not None)
        return max(map(nanousd_per_million, known), default=None)

    input_rate, output_rate, cache_read, cache_write, cache_write_hour = map(dearest, _RATES)
    if input_rate is None or output_rate is None:
        return None
    write_rate = input_rate if cache_write is None else cache_write
    return Rates(
        input=input_rate,
        output=output_rate,
        cache_read=input_rate if cache_read is None else cache_read,
        cache_write=write_rate,
        cache_write_hour=write_rate if cache_write_hour is None else cache_write_hour,
        source=source,
    )


def _prices_on(model: ModelInfo, on: datetime.date) -> Iterator[ModelPrice]:
    """Every price that holds at some time of the day; constraints are whole quarter hours."""
    moment = datetime.datetime.combine(on, datetime.time(), datetime.UTC)
    while moment.date() == on:
        yield model.get_prices(moment)
        # Only a list of prices can know hours of the day; any other holds for all of it.
        moment += datetime.timedelta(days=1) if not isinstance(model.prices, list) else _STEP


def _price_of_prompt(price: Decimal | TieredPrices, tokens: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    return [price.base, *(step.price for step in price.tiers if tokens > step.start)][-1]


def _steps(price: Decimal | TieredPrices | None) -> list[Tier]:
    return [] if price is None or isinstance(price, Decimal) else price.tiers
