"""`make torture`: a new seed each round, for every test of it, and the one that fails is named."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest

from scripts import torture


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Sequence[str], Mapping[str, str]]]:
    """What was run, and with which environment; everything passes."""
    seen: list[tuple[Sequence[str], Mapping[str, str]]] = []

    def passes(command: Sequence[str], environment: Mapping[str, str]) -> bool:
        seen.append((command, environment))
        return True

    monkeypatch.setattr(torture, "_passes", passes)
    monkeypatch.setattr(torture, "_has_fuzz", lambda: False)
    return seen


def torment(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """The script with these options, on a clock that goes on by half a minute at each look."""
    monkeypatch.setattr("sys.argv", ["torture", *options])
    monkeypatch.setattr("scripts.torture.time.monotonic", itertools.count(0, 30).__next__)
    return torture.main()


def test_rounds_begin_until_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ran: list[tuple[Sequence[str], Mapping[str, str]]],
) -> None:
    """Each with a seed of its own, which is printed first and which all its tests get."""
    status = torment(monkeypatch, "--minutes", "1")

    rounds = [
        line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines() if "seed" in line
    ]
    engine, server = ran[::2], ran[1::2]
    assert (0, 2, 2) == (status, len(rounds), len(set(rounds)))
    assert rounds == [environment["PROPTEST_RNG_SEED"] for _, environment in engine]
    assert rounds == [environment["CHENU_TEST_SEED"] for _, environment in server]
    assert rounds == [command[-1].rpartition("=")[2] for command, _ in server]


def test_where_cargo_fuzz_is_its_targets_get_a_quarter_of_the_time(
    monkeypatch: pytest.MonkeyPatch, ran: list[tuple[Sequence[str], Mapping[str, str]]]
) -> None:
    """Before the rounds, and bounded in time and memory; what proptest drives stays as it is."""
    monkeypatch.setattr(torture, "_has_fuzz", lambda: True)

    status = torment(monkeypatch, "--minutes", "8")

    fuzz = [command for command, _ in ran if "fuzz" in command]
    assert (0, ["decoder", "event_stream"]) == (status, [command[6] for command in fuzz])
    assert all("-max_total_time=60" in command for command in fuzz)
    assert fuzz == [command for command, _ in ran[:2]]


def test_without_cargo_fuzz_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ran: list[tuple[Sequence[str], Mapping[str, str]]],
) -> None:
    """Who reads it knows what was not run."""
    status = torment(monkeypatch, "--minutes", "1")

    told = [line for line in capsys.readouterr().out.splitlines() if "fuzz" in line]
    assert (0, 1) == (status, len(told))


def test_a_seed_that_fails_is_named_and_can_be_run_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone, however much time there would be."""
    monkeypatch.setattr(torture, "passes", lambda seed: seed != 7)

    statuses = [torment(monkeypatch, "--seed", "7"), torment(monkeypatch, "--seed", "8")]

    assert [1, 0] == statuses
    assert "python -m scripts.torture --seed 7" in capsys.readouterr().err
