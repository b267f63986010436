"""What a query's route was decided on: the names of its catalogue, prices and signals.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of a route from before nothing is known."""
    empty = "''::bytea" if op.get_bind().dialect.name == "postgresql" else "x''"
    column = sa.Column(
        "route_snapshot", sa.LargeBinary, nullable=False, server_default=sa.text(empty)
    )
    op.add_column("queries", column)


def downgrade() -> None:
    """Drop it."""
    op.drop_column("queries", "route_snapshot")
