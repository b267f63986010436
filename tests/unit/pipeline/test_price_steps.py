"""A price with steps by the prompt's length: what is billed is charged, what can be is held."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import Usage as PricedUsage
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.engine import cost
from chenu_server.operations import subject
from chenu_server.pipeline.conversation import Medium, Part, asked
from chenu_server.pipeline.lanes.attempt import Call, given_up, succeeded
from chenu_server.pipeline.lanes.encoding import EncodingLane
from chenu_server.pipeline.model import Candidate, QueryRequest, Routing
from chenu_server.pipeline.route_rules import RouteRules
from chenu_server.pipeline.route_snapshot import snapshot_of
from chenu_server.pipeline.routing import CatalogueRouter
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.model import Finished, Rates, Told, Usage
from chenu_server.providers.prices import resolve_prices
from chenu_server.vocabulary import PartKind
from tests.unit.operations.samples import World, admission, candidate

DAY = datetime.date(2026, 11, 30)
CATALOGUE = resolve_prices(load_catalogue(), DAY)
ENABLED: Any = dict.fromkeys(CATALOGUE.providers)
SOL = ("openai", "gpt-6.1-sol")
STEP = 272_000
HAIKU = ("anthropic", "claude-haiku-5-5")  # whose step is at 100,000
IMAGE = 73_800  # tokens of one of the largest
CAP = 1_000
ADMITTED = World().admitted(admission())

# In nano-USD a token: input, cache write, output.
BASE, BEYOND = (2_000, 2_500, 10_000), (4_000, 5_000, 15_000)


def rates_of(model: tuple[str, str]) -> Rates:
    """The rates of a model that has some."""
    rates = CATALOGUE.model(*model).rates
    assert rates is not None
    return rates


def call_of(model: tuple[str, str], usage: Usage) -> Call:
    """A call of a model whose answer has told this."""
    chain = (replace(candidate("openai"), rates=rates_of(model)),)
    finished = Finished(usage=usage, stop_reason="stop", model=model[1])
    admitted = replace(ADMITTED, chain=chain)
    return Call(admitted=admitted, started_ns=0, dispatched=True, finished=finished)


def charged(model: tuple[str, str], **tokens: int) -> int:
    """What such an answer is charged."""
    counts: Any = {"input_tokens": 0, "output_tokens": 0, **tokens}
    return succeeded(call_of(model, Usage(**counts))).charge_nanousd


def billed(model: tuple[str, str], usage: Usage) -> int:
    """What the package itself makes of it, in nano-USD and rounded up once."""
    info = get_snapshot().find_provider_model(model[1], None, model[0], None)[1]
    price = info.get_prices(datetime.datetime.combine(DAY, datetime.time(), datetime.UTC))
    written = usage.cache_write_tokens + usage.cache_write_hour_tokens
    told = PricedUsage(
        input_tokens=usage.input_tokens + usage.cache_read_tokens + written,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=written,
        cache_write_1h_tokens=usage.cache_write_hour_tokens,
    )
    usd = Decimal(price.calc_price(told)["total_price"])
    return int((usd * 10**9).to_integral_value(rounding=ROUND_CEILING))


@pytest.mark.parametrize(("prompt", "rates"), [(STEP - 1, BASE), (STEP, BASE), (STEP + 1, BEYOND)])
def test_beyond_a_step_all_tokens_cost_its_rates(prompt: int, rates: tuple[int, ...]) -> None:
    """Input and output alike, and those before the step too: so providers bill."""
    assert prompt * rates[0] + 7 * rates[2] == charged(SOL, input_tokens=prompt, output_tokens=7)


@pytest.mark.parametrize(
    ("kind", "before", "beyond"),
    [
        ("cache_read_tokens", 100, 200),
        ("cache_write_tokens", BASE[1], BEYOND[1]),
        ("cache_write_hour_tokens", BASE[1], BEYOND[1]),
    ],
)
def test_cached_tokens_count_toward_the_step(kind: str, before: int, beyond: int) -> None:
    """A prompt is as long as it is, whatever of it the provider had seen before."""
    assert BASE[0] + (STEP - 1) * before == charged(SOL, input_tokens=1, **{kind: STEP - 1})
    assert BEYOND[0] + STEP * beyond == charged(SOL, input_tokens=1, **{kind: STEP})


def test_an_answer_is_no_part_of_the_prompt() -> None:
    """However long it is, it costs by the prompt's step."""
    assert (STEP + 1) * BASE[2] == charged(SOL, output_tokens=STEP + 1)


STEPPED = [
    (record.name, model.name)
    for record in CATALOGUE.providers.values()
    for model in record.models
    if model.rates is not None and model.rates.steps
]
EDGES = sorted({step.above for model in STEPPED for step in rates_of(model).steps})
counts = st.integers(0, 300_000) | st.sampled_from([0, *EDGES, *(edge + 1 for edge in EDGES)])


@given(
    st.sampled_from(STEPPED),
    st.builds(
        Usage,
        input_tokens=counts,
        output_tokens=st.integers(0, 128_000),
        cache_read_tokens=counts,
        cache_write_tokens=counts,
        cache_write_hour_tokens=st.just(0) | counts,
    ),
)
def test_a_charge_is_what_the_package_bills(model: tuple[str, str], usage: Usage) -> None:
    """For any usage of any model with steps: the books say what the provider's invoice will."""
    assert billed(model, usage) == succeeded(call_of(model, usage)).charge_nanousd


def test_a_short_prompt_costs_no_more_than_is_billed_for_it() -> None:
    """Where a step is so low that text reaches it, shorter text is held for and charged below."""
    found = routed(HAIKU, "Hello")

    assert most(found) * 125 + CAP * 500 == found.bound_nanousd
    assert 50 * 100 + 7 * 500 == charged(HAIKU, input_tokens=50, output_tokens=7)
    long = routed(HAIKU, "a" * 100_000)
    assert most(long) * 625 + CAP * 2_500 == long.bound_nanousd


def test_what_an_unfinished_answer_had_told_costs_the_rates_of_its_step() -> None:
    """It is believed above the bound, and must not be believed to be cheap."""
    usage = Usage(input_tokens=STEP + 1, output_tokens=1)
    call = call_of(SOL, usage)
    call.told = Told(usage=usage, model=SOL[1], request_id="")

    assert (STEP + 1) * BEYOND[0] + BEYOND[2] == given_up(call, "cancelled", "").charge_nanousd


# --- what is held -----------------------------------------------------------------------------


def routed(model: tuple[str, str], text: str, images: int = 0) -> Candidate:
    """The model as the candidate for a text and images of unknown size."""
    picture = Part(kind=PartKind.IMAGE, text="", media=Medium(url="https://example.com/a.png"))
    conversation = asked(text)
    (message,) = conversation.messages
    parts = (*(picture,) * images, *message.parts)
    request = QueryRequest(
        request_id="q",
        conversation=replace(conversation, messages=(replace(message, parts=parts),)),
        routing=Routing(strategy="specific", preferred_provider=model[0], preferred_model=model[1]),
        max_output_tokens=CAP,
    )
    router = CatalogueRouter(CATALOGUE.providers, ENABLED, RouteRules(), chain_max=3)
    (found,) = EncodingLane(router, default_cap=CAP, least_cap=256).explain(request).chain
    return found


def most(found: Candidate) -> int:
    """The most tokens that its prompt can have."""
    return found.body_bytes + found.extra_tokens


def test_images_that_reach_a_step_are_held_for_at_its_rates() -> None:
    """They are no bytes of the request, which alone could not reach it."""
    found = routed(SOL, "What are these?", images=4)

    assert 4 * IMAGE <= most(found) < 4 * IMAGE + 1_000
    assert most(found) * BEYOND[1] + CAP * BEYOND[2] == found.bound_nanousd


def test_a_prompt_that_cannot_pass_a_step_is_held_for_at_the_rates_before_it() -> None:
    """To the token: one more may be billed at the next rates."""
    rest = STEP - most(routed(SOL, "a", images=3))
    exact, over = (routed(SOL, "a" * (1 + rest + more), images=3) for more in (0, 1))

    assert (STEP, STEP + 1) == (most(exact), most(over))
    assert STEP * BASE[1] + CAP * BASE[2] == exact.bound_nanousd
    assert (STEP + 1) * BEYOND[1] + CAP * BEYOND[2] == over.bound_nanousd


@pytest.mark.parametrize("images", [0, 3, 4])
def test_the_kernel_lowers_a_cap_by_the_rates_that_its_bound_is_made_of(images: int) -> None:
    """It makes the bound again at another cap, which must be the same bound at the same one."""
    found = routed(SOL, "What are these?", images)

    (sent,) = subject.chain([found])

    again = cost([(most(found), sent["dearest_input"]), (CAP, sent["output_rate"])])
    assert found.bound_nanousd == sent["bound_nanousd"] == again


def test_an_ordinary_text_costs_and_is_held_for_as_without_steps() -> None:
    """It cannot reach one: its longest has fewer bytes."""
    for text in ("Hello", "a" * 250_000):
        found = routed(SOL, text)
        assert most(found) * BASE[1] + CAP * BASE[2] == found.bound_nanousd
    assert (100 * BASE[0] + 7 * BASE[2]) == charged(SOL, input_tokens=100, output_tokens=7)


# --- what names them --------------------------------------------------------------------------


def test_steps_are_in_the_prices_name_and_where_there_are_none_the_name_is_as_ever() -> None:
    """A decision that is replayed needs the same steps; the names of old ones still stand."""

    def named(rates: Rates) -> bytes:
        record = CATALOGUE.providers["openai"]
        (model,) = [each for each in record.models if each.name == SOL[1]]
        records = {"openai": replace(record, models=(replace(model, rates=rates),))}
        return snapshot_of(records, {"openai": ENABLED["openai"]}, RouteRules()).name[8:16]

    rates = replace(rates_of(SOL), source="genai-prices 0.2.3")
    flat = named(replace(rates, steps=()))
    (step,) = rates.steps

    names = [flat, named(rates), named(replace(rates, steps=(replace(step, above=STEP + 1),)))]
    assert 3 == len(set(names))
    assert "8efb93bc5f0e7290" == flat.hex()
