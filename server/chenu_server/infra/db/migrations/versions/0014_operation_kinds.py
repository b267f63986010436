"""What kind an operation is: a query, as all were before, or money that a service spends itself.

Revision: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LAPSING = sa.text("state = 'held' AND owner_id = ''")


def upgrade() -> None:
    """Add the columns, whose default costs no row anything, and the sweep's index."""
    for table, column in (("queries", "kind"), ("checkpoints", "operation_kind")):
        op.add_column(table, sa.Column(column, sa.Text, nullable=False, server_default="query"))
    op.create_index(
        "ix_reservations_lapsing",
        "reservations",
        ["expires_us"],
        sqlite_where=LAPSING,
        postgresql_where=LAPSING,
    )


def downgrade() -> None:
    """Drop them. Reservations of services would pass for queries: their rows must be gone first."""
    op.drop_index("ix_reservations_lapsing", "reservations")
    op.drop_column("checkpoints", "operation_kind")
    op.drop_column("queries", "kind")
