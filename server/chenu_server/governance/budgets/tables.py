"""Budgets, their periods and reservations in SQL."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from chenu_server.governance.budgets.model import (
    Budget,
    BudgetPeriod,
    Hold,
    HoldState,
    Leg,
)
from chenu_server.infra.db.columns import PAIRS, EnumText, Json, number
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import LookupSql, TableMap
from chenu_server.vocabulary import Period, Scope

BUDGETS: Final = sa.Table(
    "budgets",
    METADATA,
    sa.Column("budget_id", sa.Text, primary_key=True),
    sa.Column("identity_id", sa.Text, nullable=False),
    sa.Column("scope", EnumText(Scope), nullable=False),
    sa.Column("scope_value", sa.Text, nullable=False),
    sa.Column("period", EnumText(Period), nullable=False),
    sa.Column("limit_nanousd", sa.BigInteger, nullable=False),
    sa.Column("granted_nanousd", sa.BigInteger, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("updated_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("limit_nanousd >= 0 AND granted_nanousd >= 0", "ck_budgets_amounts"),
    sa.Index(
        # Deleted ones keep their rows, and another may take their place.
        "uq_budgets_open",
        "identity_id",
        "scope",
        "scope_value",
        "period",
        unique=True,
        sqlite_where=sa.text("NOT deleted"),
        postgresql_where=sa.text("NOT deleted"),
    ),
    sa.Index("ix_budgets_listed", "identity_id", "created_us", "budget_id"),
)

BUDGET_PERIOD_ROWS: Final = sa.Table(
    "budget_periods",
    METADATA,
    sa.Column("budget_id", sa.Text, primary_key=True),
    sa.Column("period_start_us", sa.BigInteger, primary_key=True, autoincrement=False),
    # Its budget's, once more: a command loads the periods of an identity with one look-up.
    sa.Column("identity_id", sa.Text, nullable=False),
    sa.Column("posted_nanousd", sa.BigInteger, nullable=False),
    sa.Column("reserved_nanousd", sa.BigInteger, nullable=False),
    sa.Column("overrun_nanousd", sa.BigInteger, nullable=False),
    sa.Column("overrun_seen_nanousd", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("frozen_us", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint(
        "posted_nanousd >= 0 AND reserved_nanousd >= 0 AND overrun_nanousd >= 0",
        "ck_budget_periods_amounts",
    ),
    sa.CheckConstraint(
        "overrun_seen_nanousd BETWEEN 0 AND overrun_nanousd", "ck_budget_periods_seen"
    ),
    sa.CheckConstraint("frozen_us >= 0", "ck_budget_periods_frozen"),
    sa.Index("ix_budget_periods_current", "identity_id", "period_start_us"),
    sqlite_with_rowid=False,
)

# Reads must repeat it word for word: SQLite uses a partial index for nothing else.
LAPSING: Final = sa.text("state = 'held' AND owner_id = ''")

# Of each operation at most one, under its number.
RESERVATIONS: Final = sa.Table(
    "reservations",
    METADATA,
    number("query_id"),
    sa.Column("state", EnumText(HoldState), nullable=False),
    sa.Column("amount_nanousd", sa.BigInteger, nullable=False),
    sa.Column("posted_nanousd", sa.BigInteger, nullable=False),
    sa.Column("overrun_nanousd", sa.BigInteger, nullable=False),
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("legs", Json[tuple[Leg, ...]](list, PAIRS), nullable=False),
    # Empty where no process answers for it: at `expires_us`, at the latest, it is given back.
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("query_id > 0", "ck_reservations_query"),
    sa.CheckConstraint(
        "amount_nanousd >= 0 AND posted_nanousd >= 0 AND overrun_nanousd >= 0",
        "ck_reservations_amounts",
    ),
    sa.CheckConstraint("state = 'held' OR amount_nanousd = 0", "ck_reservations_released"),
    # What runs is held by its owner and what has ended by nobody: the sweep sees neither.
    sa.Index(
        "ix_reservations_lapsing",
        "expires_us",
        sqlite_where=LAPSING,
        postgresql_where=LAPSING,
    ),
)

BUDGETS_MAP: Final = TableMap(
    Budget,
    BUDGETS,
    lookups={
        "open_of_identity": LookupSql(
            keys=(BUDGETS.c.identity_id,),
            where="identity_id = {0} AND NOT deleted",
            limited=False,
        )
    },
)
BUDGET_PERIODS_MAP: Final = TableMap(
    BudgetPeriod,
    BUDGET_PERIOD_ROWS,
    fixed=frozenset({"identity_id"}),
    lookups={
        "of_identity_at": LookupSql(
            keys=(BUDGET_PERIOD_ROWS.c.identity_id, BUDGET_PERIOD_ROWS.c.period_start_us),
            limited=False,
        ),
        "of_budget": LookupSql(
            keys=(BUDGET_PERIOD_ROWS.c.budget_id,),
            limited=False,
        ),
    },
)
MAPS: Final = (BUDGETS_MAP, BUDGET_PERIODS_MAP)


def holds_map(operations: TableMap[Any]) -> TableMap[Hold]:
    """What is held for operations, whose table is the pipeline's."""
    return TableMap(Hold, RESERVATIONS, part_of=operations)
