"""Tool calls that models proposed, beside the operations that they are.

Revision: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their table. Answers from before hold calls that nobody decided on, and stay so."""
    op.create_table(
        "tool_calls",
        sa.Column("identity_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("query_id", sa.Text, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("schema_sha256", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("taken_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("redeemed_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(salt) = 32", "ck_tool_calls_salt"),
        sa.CheckConstraint("part >= 0", "ck_tool_calls_part"),
    )
    op.create_index("ix_tool_calls_of_query", "tool_calls", ["identity_id", "query_id"])


def downgrade() -> None:
    """Drop it, where there are none: 0015 would take them for something else."""
    if found := op.get_bind().scalar(sa.text("SELECT count(*) FROM tool_calls")):
        raise ValueError(f"{found} tool calls are stored, which 0015 knows nothing of")
    op.drop_table("tool_calls")
