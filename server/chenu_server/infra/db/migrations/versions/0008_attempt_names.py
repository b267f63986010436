"""How providers name the calls and the models that answered them.

Revision: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS = ("provider_request_id", "answered_model")


def upgrade() -> None:
    """Add the columns. Texts from outside are JSON."""
    for name in COLUMNS:
        op.execute(f"ALTER TABLE attempts ADD COLUMN {name} TEXT DEFAULT '\"\"' NOT NULL")


def downgrade() -> None:
    """Drop them."""
    for name in COLUMNS:
        op.drop_column("attempts", name)
