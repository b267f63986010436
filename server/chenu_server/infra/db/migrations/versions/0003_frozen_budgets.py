"""Budgets that an overrun freezes: since when, and how much of the overrun was seen.

Revision: 0003
Before: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; SQLite takes a new column's checks with it and in no other way."""
    op.execute(
        "ALTER TABLE budget_periods ADD COLUMN overrun_seen_nanousd BIGINT DEFAULT 0 NOT NULL"
        " CONSTRAINT ck_budget_periods_seen"
        " CHECK (overrun_seen_nanousd BETWEEN 0 AND overrun_nanousd)"
    )
    op.execute(
        "ALTER TABLE budget_periods ADD COLUMN frozen_us BIGINT DEFAULT 0 NOT NULL"
        " CONSTRAINT ck_budget_periods_frozen CHECK (frozen_us >= 0)"
    )


def downgrade() -> None:
    """Drop them: what is frozen admits again."""
    op.drop_column("budget_periods", "frozen_us")
    op.drop_column("budget_periods", "overrun_seen_nanousd")
