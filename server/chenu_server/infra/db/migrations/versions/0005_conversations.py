"""Answers of several parts: what a query's row tells of them, and their pieces.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY_BEFORE = ("identity_id", "request_id", "attempt", "offset")
KEY = ("identity_id", "request_id", "attempt", "part", "offset")
# What nearly every piece has; as JSON, like all text from outside.
OF_A_PART = {"kind": "text", "name": '""', "call_id": '""', "proof": "[]"}


def upgrade() -> None:
    """Whatever was answered before is one text, or nothing."""
    for name, default in (("output_parts", "[]"), ("output_format", "text")):
        op.execute(f"ALTER TABLE queries ADD COLUMN {name} TEXT DEFAULT '{default}' NOT NULL")
    op.execute(
        "UPDATE queries"
        " SET output_parts = '[[\"text\",\"\",' || CAST(output_length AS TEXT) || ']]'"
        " WHERE output_length > 0"
    )
    if op.get_bind().dialect.name == "sqlite":
        _remake_chunks(_part_columns())
    else:
        _alter_chunks()


def downgrade() -> None:
    """Keep the first part of an answer, if it is text; a log may tell of more than is left."""
    op.execute("DELETE FROM output_chunks WHERE part > 0 OR kind <> 'text'")
    if op.get_bind().dialect.name == "sqlite":
        _remake_chunks([])
    else:
        op.drop_constraint("pk_output_chunks", "output_chunks", type_="primary")
        for name in ("part", *OF_A_PART):
            op.drop_column("output_chunks", name)
        op.create_primary_key("pk_output_chunks", "output_chunks", list(KEY_BEFORE))
    op.drop_column("queries", "output_format")
    op.drop_column("queries", "output_parts")


def _part_columns() -> list[sa.Column[str] | sa.Column[int]]:
    part = sa.Column("part", sa.Integer, autoincrement=False, server_default="0", nullable=False)
    texts = (
        sa.Column(name, sa.Text, server_default=default, nullable=False)
        for name, default in OF_A_PART.items()
    )
    return [part, *texts]


def _alter_chunks() -> None:
    """PostgreSQL adds a column that has a default without touching a row."""
    for column in _part_columns():
        op.add_column("output_chunks", column)
    op.create_check_constraint("ck_output_chunks_part", "output_chunks", "part >= 0")
    op.drop_constraint("pk_output_chunks", "output_chunks", type_="primary")
    op.create_primary_key("pk_output_chunks", "output_chunks", list(KEY))


def _remake_chunks(added: list[sa.Column[str] | sa.Column[int]]) -> None:
    """SQLite cannot change the primary key of a table that is there."""
    op.rename_table("output_chunks", "output_chunks_before")
    op.create_table(
        "output_chunks",
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        *added,
        sa.CheckConstraint('"offset" >= 0', name="ck_output_chunks_offset"),
        *([sa.CheckConstraint("part >= 0", name="ck_output_chunks_part")] if added else []),
        sa.PrimaryKeyConstraint(*(KEY if added else KEY_BEFORE), name="pk_output_chunks"),
    )
    kept = 'identity_id, request_id, attempt, "offset", text'
    op.execute(f"INSERT INTO output_chunks ({kept}) SELECT {kept} FROM output_chunks_before")
    op.drop_table("output_chunks_before")
