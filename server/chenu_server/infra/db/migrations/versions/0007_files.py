"""Images and documents: files in chunks, who holds them, which queries use them.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "stored_files",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.CheckConstraint("length(sha256) = 32", name="ck_stored_files_sha256"),
        sa.CheckConstraint("size > 0", name="ck_stored_files_size"),
        sa.PrimaryKeyConstraint("identity_id", "sha256", name="pk_stored_files"),
    )
    op.create_table(
        "file_chunks",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.CheckConstraint('"offset" >= 0', name="ck_file_chunks_offset"),
        sa.PrimaryKeyConstraint("identity_id", "sha256", "offset", name="pk_file_chunks"),
    )
    op.create_table(
        "held_files",
        sa.Column("hold_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("hold_id", "sha256", name="pk_held_files"),
    )
    op.create_index("ix_held_files_file", "held_files", ["identity_id", "sha256"])
    op.create_table(
        "used_files",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("identity_id", "sha256", "request_id", name="pk_used_files"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them, and with them the files of queries that wait."""
    for name in ("used_files", "held_files", "file_chunks", "stored_files"):
        op.drop_table(name)
