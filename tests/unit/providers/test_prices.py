"""Prices are integers, dated, and never below what can be billed."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.model import Rates
from chenu_server.providers.prices import nanousd_per_million, resolve_prices

DAY = datetime.date(2026, 11, 21)


def rates_of(catalogue: Catalogue, provider: str, model: str) -> Rates:
    """The rates of a model that has some."""
    rates = catalogue.model(provider, model).rates
    assert rates is not None
    return rates


@given(st.decimals(0, 10_000, places=12))
def test_a_price_is_rounded_up_by_less_than_one(usd: Decimal) -> None:
    """Rounded down, a million tokens could cost more than was reserved."""
    price = nanousd_per_million(usd)

    assert 0 <= price - usd * 10**9 < 1


@pytest.mark.parametrize(("usd", "expected"), [("3", 3 * 10**9), ("0.0375", 37_500_000)])
def test_a_price_in_nano_usd_is_exact(usd: str, expected: int) -> None:
    """Known prices lose nothing."""
    assert expected == nanousd_per_million(Decimal(usd))


def test_the_package_wins_over_the_shipped_record_and_is_named() -> None:
    """Each cost row says where its price came from."""
    rates = rates_of(resolve_prices(load_catalogue(), DAY), "anthropic", "nova")

    assert rates.source.startswith("genai-prices ")
    assert rates.source.split()[1][0].isdigit()


def test_the_operator_wins_over_the_package(tmp_path: Path) -> None:
    """A negotiated price is the one that is billed."""
    text = '[models."gpt-6-luna"]\nprice = { input = 5, output = 6 }\n'
    (tmp_path / "openai.toml").write_text(text)

    resolved = resolve_prices(load_catalogue(tmp_path), DAY)

    assert (5, 6, "operator") == (
        (rates := rates_of(resolved, "openai", "gpt-6-luna")).input,
        rates.output,
        rates.source,
    )
    assert rates_of(resolved, "openai", "gpt-6.1-sol").source.startswith("genai-prices")


def test_the_shipped_price_stands_where_the_package_knows_none() -> None:
    """Local models cost nothing, and that is a price."""
    rates = rates_of(resolve_prices(load_catalogue(), DAY), "ollama", "qwen3:8b")

    assert (0, 0, "record") == (rates.input, rates.output, rates.source)


def test_shipped_prices_agree_with_the_package() -> None:
    """A record that drifted would bill wrongly on the day the package forgets the model.

    It has no steps: its price is the dearest that a request of 262,144 bytes can meet.
    """
    shipped = load_catalogue()
    resolved = resolve_prices(shipped, DAY)
    pairs = [
        (model, rates_of(resolved, provider.name, model.name).of_prompt(262_144))
        for provider in shipped.providers.values()
        for model in provider.models
        if model.rates is not None
    ]

    def numbers(rates: Rates) -> tuple[int, ...]:
        cached = (rates.cache_read, rates.cache_write, rates.cache_write_hour)
        return (rates.input, rates.output, *cached)

    assert [] == [
        model.name for model, rates in pairs if numbers(model.rates or rates) != numbers(rates)
    ]


def test_a_write_for_an_hour_has_its_own_price_and_is_never_reserved_for() -> None:
    """Nobody here asks for it; were it billed all the same, it is believed as an overrun."""
    rates = rates_of(resolve_prices(load_catalogue(), DAY), "anthropic", "claude-opus-5-5")

    assert 2 * rates.input == rates.cache_write_hour
    assert rates.cache_write == rates.dearest_input


def test_a_write_for_an_hour_costs_as_any_write_where_no_price_says_otherwise() -> None:
    """Most providers know but one."""
    catalogue = load_catalogue()

    for priced in (catalogue, resolve_prices(catalogue, DAY)):
        rates = rates_of(priced, "openai", "gpt-6.1-sol")
        assert rates.cache_write == rates.cache_write_hour


def test_a_fee_for_each_call_leaves_the_price_unknown() -> None:
    """The package knows Sonar's tokens, and its fee: a bound of tokens alone would be too low."""
    resolved = resolve_prices(load_catalogue(), DAY)

    assert {None} == {model.rates for model in resolved.provider("perplexity").models}


def test_a_price_that_changes_within_the_day_is_the_dearest_of_it() -> None:
    """DeepSeek bills half outside its peak hours, and a query may wait into one."""
    rates = rates_of(resolve_prices(load_catalogue(), DAY), "deepseek", "deepseek-flash")

    assert (300_000_000, 1_200_000_000) == (rates.input, rates.output)


def test_a_dated_price_changes_on_its_day() -> None:
    """Resolved again at midnight, the new price holds from the first query."""
    catalogue = load_catalogue()
    last = resolve_prices(catalogue, datetime.date(2026, 11, 30))
    first = resolve_prices(catalogue, datetime.date(2026, 12, 1))

    model = ("google", "gemini-4-argon")
    assert (2 * 10**9, 4 * 10**9) == (rates_of(last, *model).input, rates_of(first, *model).input)


def test_a_price_by_length_keeps_its_steps() -> None:
    """What a prompt costs is known once its tokens are told, and not before."""
    rates = rates_of(resolve_prices(load_catalogue(), DAY), "anthropic", "claude-haiku-5-5")

    steps = [(step.above, step.rates.input, step.rates.output) for step in rates.steps]
    assert (100_000_000, 500_000_000) == (rates.input, rates.output)
    assert [(100_000, 500_000_000, 2_500_000_000)] == steps


def test_every_rate_is_an_integer() -> None:
    """Money is never a float, nor a Decimal that pretends to be an int."""
    resolved = resolve_prices(load_catalogue(), DAY)
    rates = [m.rates for p in resolved.providers.values() for m in p.models if m.rates]

    assert {int} == {
        type(value)
        for rate in rates
        for value in (
            rate.input,
            rate.output,
            rate.cache_read,
            rate.cache_write,
            rate.cache_write_hour,
        )
    }
