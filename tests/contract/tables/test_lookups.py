"""What each lookup finds, on every store."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.limits.model import RETIRED_US, Slot
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.session import Session
from chenu_server.infra.db.sqlite import HEAD_SQL, Statements
from chenu_server.pipeline.records import Attempt
from chenu_server.vocabulary import CheckpointState
from tests.contract.tables import samples
from tests.contract.tables.batches import commit, counted, found, stored
from tests.fakes.rows import KERNEL


def slot(number: int, free_at_us: int, provider: str = "p", ledger_number: int = 0) -> Slot:
    """A slot of the provider that is asked for, unless told otherwise."""
    return Slot(ledger_number=ledger_number, provider=provider, slot=number, free_at_us=free_at_us)


def test_the_slots_that_are_free_first_come_in_order_and_as_many_as_asked(
    session: Session,
) -> None:
    """Ties go to the smaller number; other providers and ledgers are others."""
    commit(session, slot(0, 9), slot(1, 5), slot(2, 5), slot(3, 7))
    commit(session, slot(0, 1, provider="q"), slot(0, 1, ledger_number=1))

    assert [[slot(1, 5), slot(2, 5), slot(3, 7)]] == found(
        session, Slot, "oldest_of_provider", (0, "p"), count=3
    )
    assert [[slot(1, 5)], [slot(0, 1, provider="q")], []] == found(
        session, Slot, "oldest_of_provider", (0, "p"), (0, "q"), (0, "r")
    )


def test_the_last_slot_is_one_however_many_ask(session: Session) -> None:
    """It tells how many slots there are."""
    commit(session, slot(0, 9), slot(1, 5), slot(0, 3, provider="q"))

    assert [[slot(1, 5)], [slot(0, 3, provider="q")]] == found(
        session, Slot, "last_of_provider", (0, "p"), (0, "q"), count=5
    )


def test_retired_slots_are_out_of_sight(session: Session) -> None:
    """A lowered limit took them away; they must not look like the ones free first or last."""
    commit(session, slot(0, 9), slot(1, 8), slot(2, RETIRED_US))

    assert [[slot(1, 8), slot(0, 9)]] == found(
        session, Slot, "oldest_of_provider", (0, "p"), count=5
    )
    assert [[slot(1, 8)]] == found(session, Slot, "last_of_provider", (0, "p"))


def test_open_budgets_are_the_identitys_and_not_deleted(session: Session) -> None:
    """A query must fit in each of them; each is read once, for any number of keys."""
    kept = replace(samples.BUDGET, deleted=False)
    gone = replace(samples.BUDGET, budget_id="gone")
    bobs = replace(kept, budget_id="bob's", identity_id="bob")
    commit(session, kept, gone, bobs)

    assert [[kept], [], [bobs]] == found(
        session, Budget, "open_of_identity", (kept.identity_id,), ("carol",), ("bob",)
    )


def test_periods_are_found_by_owner_and_start_and_by_budget(session: Session) -> None:
    """The first is what a reservation reads, the second what a deletion reads."""
    first = samples.PERIOD
    second = replace(first, period_start_us=5)
    other = replace(first, budget_id="c")
    commit(session, first, second, other)

    (current,) = found(
        session, BudgetPeriod, "of_identity_at", (first.identity_id, first.period_start_us)
    )
    (of_budget,) = found(session, BudgetPeriod, "of_budget", (first.budget_id,))
    assert {first, other} == set(current)
    assert {first, second} == set(of_budget)


def checkpoint(name: str, state: CheckpointState, **fields: Any) -> Checkpoint:
    """A checkpoint of Alice's about the one action, its approval not used unless told otherwise."""
    given = {"checkpoint_id": name, "state": state, "consumed_us": 0, **fields}
    return replace(samples.CHECKPOINT, **given)


def test_an_action_waits_at_what_nobody_has_decided_and_at_what_is_not_used(
    session: Session,
) -> None:
    """Every other state has ended, and another identity or action is another."""
    waiting = checkpoint("pending", CheckpointState.PENDING)
    approved = checkpoint("approved", CheckpointState.APPROVED)
    states = (CheckpointState.REJECTED, CheckpointState.EXPIRED, CheckpointState.CANCELLED)
    over = [checkpoint(state.value, state) for state in states]
    used = checkpoint("used", CheckpointState.APPROVED, consumed_us=1)
    other = checkpoint("other", CheckpointState.PENDING, action_digest=bytes(32))
    bobs = replace(waiting, identity_id="bob")
    commit(session, waiting, approved, *over, used, other, bobs)
    digest = waiting.action_digest

    here, there = found(
        session, Checkpoint, "open_of_action", (waiting.identity_id, digest), ("bob", digest)
    )

    assert [approved, waiting] == sorted(here, key=lambda each: each.checkpoint_id)
    assert [bobs] == there
    assert [2, 1, 0] == counted(
        session, Checkpoint, "pending", (waiting.identity_id,), ("bob",), ("carol",)
    )


def test_a_querys_attempts_come_in_order(session: Session) -> None:
    """The last one is the one that may still be running."""
    second = samples.ATTEMPT
    first, third = replace(second, attempt=1), replace(second, attempt=3)
    other = replace(samples.QUERY, request_id="other")
    commit(session, samples.QUERY, other)
    commit(session, third, first, second, replace(first, request_id="other"))

    assert [[first, second, third]] == found(
        session, Attempt, "of_query", (second.identity_id, second.request_id)
    )


def test_many_keys_are_loaded_at_once(session: Session) -> None:
    """More keys than a statement takes, in any number; one of them has no row."""
    rows = [slot(number, number) for number in range(600)]
    commit(session, *rows[:-1])

    assert rows[:-1] == sorted(stored(session, rows), key=lambda each: each.key)


def test_many_keys_find_their_own_rows_at_once(session: Session) -> None:
    """More keys of a look-up than a statement takes, each with several rows, one, or none."""
    periods = [
        replace(samples.PERIOD, budget_id=f"b{owner}", period_start_us=number)
        for owner in range(300)
        for number in range(owner % 3)
    ]
    commit(session, *periods)
    keys = [(f"b{owner}",) for owner in range(300)]

    under = found(session, BudgetPeriod, "of_budget", *keys)

    assert [[each for each in periods if (each.budget_id,) == key] for key in keys] == [
        sorted(rows, key=lambda each: each.period_start_us) for rows in under
    ]


def test_no_statement_of_a_batch_builds_a_table_of_its_own(sqlite_url: str) -> None:
    """SQLite would open, fill and drop one in each batch, which costs more than what it reads."""
    asked = [(HEAD_SQL, 1)]
    for table in KERNEL.tables.values():
        statements = Statements(table)
        asked += [(text, _parameters(text)) for text in statements.lookups.values()]
        for count in (1, 16):
            rows = [(None,) * len(table.columns)] * count
            asked += [(text, len(list(given))) for text, given in statements.writes(rows)]
        keys = [(None,) * len(table.key_columns)] * 4
        asked.append((statements.of_keys(None, keys, 0)[0], 4 * len(table.key_columns)))
    with writer_engine(sqlite_url).connect() as connection:
        explained = {
            text: {op for _, op, *_ in connection.exec_driver_sql(f"EXPLAIN {text}", (0,) * count)}
            for text, count in asked
        }

    assert [] == [text for text, ops in explained.items() if "OpenEphemeral" in ops]
    assert [] == [text for text, ops in explained.items() if "OpenAutoindex" in ops]


def _parameters(text: str) -> int:
    """How many values a statement takes: numbered ones, or one for each sign."""
    numbered = re.findall(r"\?(\d+)", text)
    return max(map(int, numbered)) if numbered else text.count("?")
