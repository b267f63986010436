"""Boundary, budgets and routes through the binding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server import _core
from tests.binding import samples

AMOUNTS = st.integers(0, 10**12)


def test_an_identity_is_chosen_or_the_violation_named() -> None:
    """The names are those of the wire."""
    verdicts = [
        _core.choose_identity(["acme", "home"], "home"),
        _core.choose_identity(("acme",), "home"),
        _core.choose_identity(["acme"], "Acme"),
        _core.choose_identity([], None),
    ]

    assert [
        ("home", None),
        (None, "spoofed_identity"),
        (None, "invalid_identity"),
        (None, "missing_identity"),
    ] == [(verdict.identity, verdict.violation) for verdict in verdicts]
    assert (True, False) == (_core.owns("acme", "acme"), _core.owns("acme", None))
    assert (True, False) == (_core.role_allowed("a", ["a"]), _core.role_allowed("", [""]))


@given(parts=st.lists(st.tuples(AMOUNTS, st.integers(0, 10**6)), max_size=5))
def test_a_cost_is_pythons_own_sum_rounded_up(parts: list[tuple[int, int]]) -> None:
    """Python's integers have no width, so they show where the engine's would wrap."""
    expected = -(-sum(tokens * rate for tokens, rate in parts) // 1_000_000)

    assert expected == _core.cost(parts)


@given(
    body_bytes=st.integers(0, 10**6),
    output_rate=st.integers(0, 10**10),
    available=st.integers(0, 10**10),
    least=st.integers(0, 2_000),
)
def test_a_cap_fits_and_one_token_more_does_not(
    body_bytes: int, output_rate: int, available: int, least: int
) -> None:
    """The cap that is sent upstream is the largest that the budget bears."""
    cap = _core.cap_that_fits(
        available=available,
        body_bytes=body_bytes,
        extra_tokens=7,
        dearest_input_rate=3_000,
        output_rate=output_rate,
        wanted=1_024,
        least=least,
    )

    def fits(output_cap: int) -> bool:
        sent = (body_bytes + 7) * 3_000
        return -(-(sent + output_cap * output_rate) // 1_000_000) <= available

    assert (cap is None) == (least > 1_024 or not fits(least))
    assert cap is None or fits(cap)
    assert cap in {None, 1_024} or not fits((cap or 0) + 1)


def test_a_reservation_says_which_account_is_exhausted() -> None:
    """The index names the budget whose scope the caller is told."""
    wide, narrow = _core.Account(100, 0, 0, 0, 0), _core.Account(10, 5, 3, 2, 1)

    assert (100, 9) == (_core.available(wide), _core.available(narrow))
    assert (None, 1) == _core.reserve([wide, narrow], 10)
    taken = [_core.Account(100, 0, 0, 9, 0), _core.Account(10, 5, 3, 11, 1)]
    assert (taken, -1) == _core.reserve([wide, narrow], 9)
    assert _core.Account(100, 0, 9, 0, 3) == _core.post(taken[0], 9, 12)
    assert _core.Account(100, 0, 7, 9, 0) == _core.late_post(taken[0], 7)
    assert wide == _core.void(taken[0], 9)


def test_a_decision_names_its_chain_and_every_exclusion() -> None:
    """`Route` explains without calling: score by factor, and a reason for all that is left out."""
    records = [
        samples.record(),
        samples.record(provider="openai", model="gpt", dearest_input_rate=None),
        samples.record(provider="mistral", model="large", output_tokens_max=10),
    ]
    catalogue = samples.catalogue(*records)
    signals = catalogue.signals([("anthropic", samples.signal(breaker="half_open"))])
    decision = catalogue.route(samples.route_query(), signals)

    assert [(1, "price_unknown"), (2, "output_cap_too_large")] == decision.exclusions
    (best,) = decision.candidates
    assert (0, 500, 1_000, 1_000, 1_000, "score", 1_000) == (
        best.index,
        best.score,
        best.quality,
        best.speed,
        best.cost,
        best.preference,
        best.body_bytes,
    )
    assert 3_750_000 + 15_360_000 == best.bound == decision.dearest_bound
    assert (False, None) == (decision.price_unknown_only, decision.unknown_preferred)
    assert ([best], []) == (decision.best(3), decision.best(0))
    unknown = samples.routed(catalogue, preferred_model="gpt-99")
    assert ("gpt-99", []) == (unknown.unknown_preferred, unknown.candidates)


def test_a_basis_names_weights_and_defaults() -> None:
    """An answer says what its order rests on."""
    catalogue = samples.catalogue()
    query = samples.route_query(strategy="cost", task_type="code", agent_role="analyst")

    assert ((100, 100, 800), "openai", "anthropic") == catalogue.basis(query)
    assert ((400, 300, 300), None, None) == catalogue.basis(samples.route_query())


@pytest.mark.parametrize("field", ["health", "breaker"])
def test_a_signal_has_known_words(field: str) -> None:
    """A misspelt state of a provider is a mistake, not a neutral one."""
    with pytest.raises(ValueError, match='named "well"'):
        samples.signal(**{field: "well"})
