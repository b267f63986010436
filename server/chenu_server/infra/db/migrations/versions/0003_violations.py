"""Boundary violations.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "violations",
        sa.Column("violation_id", sa.Text, nullable=False),
        sa.Column("ledger_number", sa.Integer, nullable=False),
        sa.Column("source_identity", sa.Text, nullable=False),
        sa.Column("principal_type", sa.Text, nullable=False),
        sa.Column("principal_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("target_kind", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("peer", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("violation_id", name="pk_violations"),
    )
    op.create_index(
        "ix_violations_of_identity", "violations", ["source_identity", "time_us", "violation_id"]
    )
    op.create_index("ix_violations_by_time", "violations", ["time_us", "violation_id"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("violations")
