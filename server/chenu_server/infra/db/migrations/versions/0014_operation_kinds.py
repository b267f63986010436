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
IS_QUERY = sa.text("kind = 'query'")
LISTED = ["identity_id", "created_us", "request_id"]


def upgrade() -> None:
    """Add the columns, whose default costs no row anything, and what sweep and lists look at."""
    for table, column in (("queries", "kind"), ("checkpoints", "operation_kind")):
        op.add_column(table, sa.Column(column, sa.Text, nullable=False, server_default="query"))
    op.drop_index("ix_queries_listed", "queries")
    op.create_index(
        "ix_queries_listed", "queries", LISTED, sqlite_where=IS_QUERY, postgresql_where=IS_QUERY
    )
    op.create_index(
        "ix_reservations_lapsing",
        "reservations",
        ["expires_us"],
        sqlite_where=LAPSING,
        postgresql_where=LAPSING,
    )


def downgrade() -> None:
    """Drop them, where there are queries alone: anything else would pass for one."""
    others = sa.text("SELECT count(*) FROM queries WHERE kind <> 'query'")
    if found := op.get_bind().scalar(others):
        raise ValueError(f"{found} rows of `queries` are no queries, and 0013 would take them so")
    op.drop_index("ix_reservations_lapsing", "reservations")
    op.drop_index("ix_queries_listed", "queries")
    op.create_index("ix_queries_listed", "queries", LISTED)
    op.drop_column("checkpoints", "operation_kind")
    op.drop_column("queries", "kind")
