"""How a query was asked: its mode, what its text shows, and the caller's own names for it.

Revision: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Texts from outside and lists are JSON. What came before was a command, and named nothing.
COLUMNS = {
    "mode": "command",
    "detected_intents": "[]",
    "thread_id": '""',
    "run_id": '""',
    "labels": "[]",
}


def upgrade() -> None:
    """Add the columns."""
    for name, untold in COLUMNS.items():
        op.execute(f"ALTER TABLE queries ADD COLUMN {name} TEXT DEFAULT '{untold}' NOT NULL")


def downgrade() -> None:
    """Drop them."""
    for name in COLUMNS:
        op.drop_column("queries", name)
