"""What no row may say, whoever writes it: the database's own last word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.command import Row
from chenu_server.governance.budgets.model import HoldState
from chenu_server.infra.db.session import Session, StatementFailed
from tests.contract.tables import samples
from tests.contract.tables.batches import commit, stored

OPEN = replace(samples.BUDGET, deleted=False)


@pytest.mark.parametrize(
    "row",
    [
        replace(samples.BUDGET, limit_nanousd=-1),
        replace(samples.PERIOD, posted_nanousd=-1),
        replace(samples.PERIOD, reserved_nanousd=-1),
        replace(samples.PERIOD, overrun_nanousd=-1),
        replace(samples.PERIOD, overrun_seen_nanousd=5),
        replace(samples.PERIOD, frozen_us=-1),
        replace(samples.HOLD, amount_nanousd=-1),
        replace(samples.HOLD, state=HoldState.VOIDED),
        replace(samples.SLOT, slot=-1),
        replace(samples.CHECKPOINT, action_digest=b"short"),
        replace(samples.CHECKPOINT, expires_us=0),
        replace(samples.QUERY, content_digest=b""),
        replace(samples.QUERY, cost_nanousd=-1),
        replace(samples.ALIAS, content_digest=b"short"),
        replace(samples.ALIAS, first_request_id=samples.ALIAS.request_id),
        replace(samples.ATTEMPT, attempt=0),
        replace(samples.SEGMENT, first_sequence=0),
        replace(samples.CHUNK, offset=-1),
    ],
    ids=lambda row: type(row).__name__,
)
def test_an_impossible_row_fails_its_batch(session: Session, row: Row) -> None:
    """Negative money, a cut digest or money held by an ended reservation is a bug, not data."""
    with pytest.raises(StatementFailed, match=r"(?i)check"):
        commit(session, row)


def test_one_open_budget_for_each_scope_and_period(session: Session) -> None:
    """Two would both have to cover each query, and nobody asked for that."""
    commit(session, OPEN)

    with pytest.raises(StatementFailed, match=r"(?i)unique"):
        commit(session, replace(OPEN, budget_id="second"))


def test_a_deleted_budget_makes_room_for_a_new_one(session: Session) -> None:
    """Its row stays: reservations that ended name it."""
    commit(session, samples.BUDGET)
    rows = (
        samples.BUDGET,
        replace(samples.BUDGET, budget_id="second"),
        replace(OPEN, budget_id="third"),
    )
    commit(session, *rows)

    assert list(rows) == stored(session, rows)
