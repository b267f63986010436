"""Random walks: whatever was done before, a command does what its unit of work does."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.dice import examples
from tests.twins import twin
from tests.twins.record import WALKS, Recorded
from tests.twins.steps import walk_through
from tests.twins.world import World

COMMANDS: Final = {
    "Admit",
    "Validate",
    "Consume",
    "Retry",
    "Settle",
    "Resolve",
    "Expire",
    "Cancel",
    "Recover",
    "Dispatched",
    "HoldBack",
    "LetGo",
    "Readmit",
    "CreateBudget",
    "UpdateBudget",
    "UnfreezeBudget",
    "DeleteBudget",
    "RecordViolation",
    "HoldFiles",
    "KeepChunk",
}
ANSWERS: Final = {
    "Admitted",
    "Blocked",
    "Closed",
    "Wait",
    "Known",
    "Attached",
    "Full",
    "FilesGone",
    "Conflict",
    "NotResumable",
    "TooDear",
    "NotHeld",
    "Settled",
    "Cancelled",
    "Resolved",
    "Repeated",
    "Lapsed",
    "Lost",
    "OtherAction",
    "Done",
    "Validation",
    "Slot",
    "Standing",
    "Exists",
    "Absent",
    "Stale",
    "InUse",
    "Deleted",
    "Violation",
    "Missing",
}

SEEN: Final = Counter[str]()
"""How often the walks of this process had each command and each answer."""


def _count(question: Any, decided: Any) -> None:
    (command,) = question["command"]
    answer = decided["answer"]
    (kind,) = [answer] if isinstance(answer, str) else answer
    SEEN.update((command, kind, f"{command}: {kind}"))
    if kind == "Blocked":  # of this, the unit answers less
        told = answer[kind]
        rows = ({"Query": told["operation"]}, {"Checkpoint": told["checkpoint"]})
        assert all(row in decided["rows"] for row in rows)


@pytest.mark.timeout(900)
@examples(70)
@given(
    beginning=st.integers(0, 2**16),
    seeds=st.lists(st.integers(0, 2**32), min_size=20, max_size=50),
)
def test_a_command_does_what_its_unit_does(beginning: int, seeds: list[int]) -> None:
    """Each step asserts it; here, that money is neither made nor lost on the way."""
    # Small numbers come often, and the same step again and again shows little.
    dice = [f"{beginning} {seed} {seeds[:at].count(seed)}" for at, seed in enumerate(seeds)]
    with twin.heard(_count):
        walk_through(World(Random(beginning)), dice, note)


def test_every_command_and_every_answer_occurs() -> None:
    """A walk that never comes to something shows nothing of it. The recorded ones count, too."""
    with twin.heard(_count):
        for seed in WALKS.values():
            Recorded(seed)

    assert set() == (COMMANDS | ANSWERS) - set(SEEN)
