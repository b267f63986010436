"""Asking an action again that waits: other ids of its query, and where it is found.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OPEN = "state IN ('pending', 'approved') AND consumed_us = 0"


def upgrade() -> None:
    """Create the table and the index of what waits."""
    op.create_table(
        "query_aliases",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("first_request_id", sa.Text, nullable=False),
        sa.Column("principal_type", sa.Text, nullable=False),
        sa.Column("principal_id", sa.Text, nullable=False),
        sa.Column("content_digest", sa.LargeBinary, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(content_digest) = 32", name="ck_query_aliases_digest"),
        sa.CheckConstraint("request_id <> first_request_id", name="ck_query_aliases_first"),
        sa.PrimaryKeyConstraint("identity_id", "request_id", name="pk_query_aliases"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_query_aliases_created", "query_aliases", ["created_us"])
    op.create_index(
        "ix_checkpoints_open",
        "checkpoints",
        ["identity_id", "action_digest"],
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_checkpoints_open", "checkpoints")
    op.drop_table("query_aliases")
