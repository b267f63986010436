"""The sweep looks at open checkpoints by when their time is over, and at no others.

Revision: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index what is open alone: what has ended stays for ever, and grows."""
    op.drop_index("ix_checkpoints_expiry", "checkpoints")
    op.drop_index("ix_checkpoints_use", "checkpoints")
    _create("ix_checkpoints_undecided", "expires_us", "state = 'pending'")
    _create("ix_checkpoints_unused", "use_before_us", "state = 'approved' AND consumed_us = 0")


def downgrade() -> None:
    """Index all of them again."""
    op.drop_index("ix_checkpoints_unused", "checkpoints")
    op.drop_index("ix_checkpoints_undecided", "checkpoints")
    op.create_index("ix_checkpoints_expiry", "checkpoints", ["state", "expires_us"])
    op.create_index("ix_checkpoints_use", "checkpoints", ["state", "use_before_us"])


def _create(name: str, column: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name, "checkpoints", [column], sqlite_where=condition, postgresql_where=condition
    )
