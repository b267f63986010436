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


def test_a_seed_that_fails_is_named_and_can_be_run_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone, however much time there would be."""
    monkeypatch.setattr(torture, "passes", lambda seed: seed != 7)

    statuses = [torment(monkeypatch, "--seed", "7"), torment(monkeypatch, "--seed", "8")]

    assert [1, 0] == statuses
    assert "python -m scripts.torture --seed 7" in capsys.readouterr().err
