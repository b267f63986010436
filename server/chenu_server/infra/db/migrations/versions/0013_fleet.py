"""Who was taken over from, what processes tell each other, and the windows that they share.

Revision: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the tables; no row lasts longer than a query runs or a window counts."""
    op.add_column("owners", sa.Column("epoch", sa.BigInteger, nullable=False, server_default="1"))
    op.create_table(
        "query_watchers",
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("watcher_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "owner_id", "identity_id", "request_id", "watcher_id", name="pk_query_watchers"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_query_watchers_watcher", "query_watchers", ["watcher_id"])
    op.create_table(
        "query_output",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("pieces", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("identity_id", "request_id", "position", name="pk_query_output"),
    )
    op.create_table(
        "identity_windows",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("admissions_us", sa.LargeBinary, nullable=False),
        sa.Column("blocked_until_us", sa.BigInteger, nullable=False),
        sa.Column("counts_until_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("identity_id", name="pk_identity_windows"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("identity_windows")
    op.drop_table("query_output")
    op.drop_table("query_watchers")
    op.drop_column("owners", "epoch")
