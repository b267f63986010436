"""The first schema.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    _create_owners()
    _create_ledger()


def downgrade() -> None:
    """Drop every table."""
    for table in ("batches", "ledger_payloads", "ledger_entries", "ledger_heads", "owners"):
        op.drop_table(table)


def _create_owners() -> None:
    op.create_table(
        "owners",
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("lock_key", sa.BigInteger, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        sa.Column("lease_until_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("owner_id", name="pk_owners"),
    )
    op.create_table(
        "batches",
        sa.Column("writer_id", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("writer_id", name="pk_batches"),
        sqlite_with_rowid=False,
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger_heads",
        sa.Column("ledger_number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("last_hash", sa.LargeBinary, nullable=False),
        sa.Column("last_time_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("ledger_number", name="pk_ledger_heads"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("ledger_number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("principal_type", sa.Text, nullable=False),
        sa.Column("principal_id", sa.Text, nullable=False),
        sa.Column("resource_kind", sa.Text, nullable=False),
        sa.Column("resource_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("canonical", sa.LargeBinary, nullable=False),
        sa.Column("entry_hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("ledger_number", "sequence", name="pk_ledger_entries"),
        sa.UniqueConstraint("entry_id", name="uq_ledger_entries_entry_id"),
    )
    op.create_index(
        "ix_ledger_entries_identity",
        "ledger_entries",
        ["identity_id", "ledger_number", "sequence"],
    )
    op.create_index(
        "ix_ledger_entries_resource", "ledger_entries", ["resource_id", "resource_kind"]
    )
    op.create_table(
        "ledger_payloads",
        sa.Column("entry_id", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_ledger_payloads"),
    )
