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
