"""Lanes D and E without effect: the same judgement, one entry, nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.operations.ask import Validate
from chenu_server.pipeline.ports import Admission
from chenu_server.vocabulary import Intent, LaneStatus
from tests.unit.operations.samples import BOUND_2, CALLER, NOWHERE, UNPRICED, World, admission


@pytest.mark.parametrize(
    ("asked", "limit", "decision", "reason", "lanes"),
    [
        (admission(), 9_999, "allow", "VALIDATE_ONLY", ("completed", "skipped")),
        (
            admission(intents=(Intent.DELETE,)),
            9_999,
            "block",
            "VALIDATE_ONLY",
            ("completed", "blocked"),
        ),
        (
            admission(caller=replace(CALLER, roles=frozenset())),
            9_999,
            "deny",
            "POLICY_DENIED",
            ("failed", "skipped"),
        ),
        (admission(), BOUND_2 - 1, "deny", "BUDGET_EXHAUSTED", ("failed", "skipped")),
        (admission(chain=NOWHERE), 9_999, "deny", "NO_ROUTE", ("failed", "skipped")),
        (admission(chain=UNPRICED), 9_999, "deny", "PRICE_UNKNOWN", ("failed", "skipped")),
    ],
)
def test_it_says_what_admission_would_and_leaves_one_entry(
    asked: Admission, limit: int, decision: str, reason: str, lanes: tuple[str, str]
) -> None:
    """No id is claimed, nothing is held, no slot is taken, nobody is asked."""
    world = World(limit)
    before = dict(world.rows.stored)

    validation = world.act(Validate(asked, world.rules))

    assert before == world.rows.stored
    assert [(decision, "read", reason)] == [
        (each.decision, each.action, each.reason) for each in world.rows.entries
    ]
    assert tuple(LaneStatus(lane) for lane in lanes) == tuple(
        report.status for report in validation.lanes[-2:]
    )
    assert (decision == "block") == bool(validation.checkpoint_types)
    assert (decision == "deny") == bool(validation.denial.reason)


def test_a_used_id_can_be_validated() -> None:
    """It claims nothing, so there is nothing to conflict with."""
    world = World()
    world.admitted()

    assert world.act(Validate(admission(content=b"other"), world.rules)).denial.reason is None
