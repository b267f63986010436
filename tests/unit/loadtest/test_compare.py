"""Two runs of the bench are compared in terms of what each one's machine was worth."""

from __future__ import annotations

from typing import Any

from loadtest.bench.compare import compared, in_spins


def run(*, spin_us: int, cpu_us: int, added_us: int) -> dict[str, Any]:
    """The figures of a run on a machine of some speed."""
    latency = {"spin_us": spin_us, "added": {"p50": added_us}, "first piece": {"p50": added_us}}
    return {"unary": {"cpu_us": cpu_us, "spin_us": spin_us}, "latency_us": latency}


def ratios(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    """The last column, by the first."""
    rows = compared(in_spins(before), in_spins(after)).splitlines()[2:]
    return {row.split("  ")[0]: row.split()[-1] for row in rows}


def test_a_slower_machine_is_no_slower_gateway() -> None:
    """Twice the time where everything takes twice as long is the same."""
    before = run(spin_us=100, cpu_us=1_000, added_us=3_000)
    after = run(spin_us=200, cpu_us=1_000, added_us=6_000)

    expected = {"CPU of one, unary": "0.500", "added p50": "1.000", "first piece p50": "1.000"}
    assert expected == ratios(before, after)


def test_what_only_one_run_has_measured_is_left_out() -> None:
    """Runs of some parts alone are compared too."""
    before, after = run(spin_us=1, cpu_us=1, added_us=1), run(spin_us=1, cpu_us=1, added_us=1)
    del before["latency_us"]

    assert {"CPU of one, unary": "1.000"} == ratios(before, after)
