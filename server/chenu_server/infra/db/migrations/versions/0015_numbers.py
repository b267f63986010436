"""Operations have a number, and what belongs to one stands under it instead of under its ids.

A caller's UUID falls anywhere in an index: of each operation five indexes were written anew at a
place of their own. Numbers only grow, so that all of this is written at one end.

Revision: 0015
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

IDS = ("identity_id", "request_id")
# What of the key there is beside the operation's, and what the rows are held to.
PARTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "query_contents": ((), {}),
    "attempts": (
        ("attempt",),
        {
            "ck_attempts_attempt": "attempt >= 1",
            "ck_attempts_amounts": "bound_nanousd >= 0 AND cost_nanousd >= 0",
        },
    ),
    "query_events": (
        ("first_sequence",),
        {"ck_query_events_sequence": "first_sequence >= 1"},
    ),
    "output_chunks": (
        ("attempt", "part", "offset"),
        {"ck_output_chunks_offset": '"offset" >= 0', "ck_output_chunks_part": "part >= 0"},
    ),
    "reservations": (
        (),
        {
            "ck_reservations_amounts": (
                "amount_nanousd >= 0 AND posted_nanousd >= 0 AND overrun_nanousd >= 0"
            ),
            "ck_reservations_released": "state = 'held' OR amount_nanousd = 0",
        },
    ),
}
QUERY_CHECKS = {
    "ck_queries_digest": "length(content_digest) = 32",
    "ck_queries_cost": "cost_nanousd >= 0",
    "ck_queries_sizes": "event_count >= 0 AND output_length >= 0",
}
IS_QUERY, LAPSING = "kind = 'query'", "state = 'held' AND owner_id = ''"
INDEXES = {
    "ix_queries_listed": ("queries", ["identity_id", "created_us", "request_id"], IS_QUERY),
    "ix_queries_created": ("queries", ["created_us"], None),
    "ix_queries_unfinished": (
        "queries",
        ["status", "owner_id"],
        "status IN ('running', 'approved')",
    ),
    "ix_reservations_lapsing": ("reservations", ["expires_us"], LAPSING),
}


def upgrade() -> None:
    """Copy the tables, in the order in which their rows were written."""
    before = _set_aside()
    own = [*_copies(before["queries"]), _unique("uq_queries_ids"), *_checks(QUERY_CHECKS)]
    number, primary = _number("id", sa.Identity()), _key("queries", "id")
    op.create_table("queries", number, *own, primary, sqlite_autoincrement=True)
    names = _names(before["queries"])
    # The same rows get the same numbers, wherever a database keeps them.
    in_order = "ORDER BY created_us, identity_id, request_id"
    op.execute(f"INSERT INTO queries ({names}) SELECT {names} FROM queries_before {in_order}")
    for name, (key, checks) in PARTS.items():
        own = [*_copies(before[name], without=IDS), _key(name, "query_id", *key)]
        own += _checks({f"ck_{name}_query": "query_id > 0", **checks})
        op.create_table(name, _number("query_id"), *own)
        names = _names(before[name], without=IDS)
        op.execute(
            f"INSERT INTO {name} (query_id, {names})"
            f" SELECT q.id, {_names(before[name], 'b', without=IDS)} FROM {name}_before AS b"
            " JOIN queries AS q ON q.identity_id = b.identity_id AND q.request_id = b.request_id"
        )
        # Before the old table goes: a part whose operation somebody took away must stop the
        # migration.
        _must_be_whole(name)
    _put_away()


def downgrade() -> None:
    """Copy them back."""
    before = _set_aside(unique="uq_queries_ids")
    own = [*_copies(before["queries"], without=["id"]), *_checks(QUERY_CHECKS)]
    op.create_table("queries", *own, _key("queries", *IDS))
    names = _names(before["queries"], without=["id"])
    op.execute(f"INSERT INTO queries ({names}) SELECT {names} FROM queries_before")
    for name, (key, checks) in PARTS.items():
        ids = [sa.Column(each, sa.Text, nullable=False) for each in IDS]
        own = [*_copies(before[name], without=["query_id"]), *_checks(checks)]
        op.create_table(name, *ids, *own, _key(name, *IDS, *key))
        names = _names(before[name], without=["query_id"])
        op.execute(
            f"INSERT INTO {name} ({', '.join(IDS)}, {names}) SELECT q.identity_id, q.request_id,"
            f" {_names(before[name], 'b', without=['query_id'])} FROM {name}_before AS b"
            " JOIN queries_before AS q ON q.id = b.query_id"
        )
        _must_be_whole(name)
    _put_away()


def _set_aside(*, unique: str = "") -> dict[str, sa.Table]:
    """Give the tables other names, and what PostgreSQL has by name in the whole schema too."""
    bind, before = op.get_bind(), {}
    for name in ("queries", *PARTS):
        op.rename_table(name, f"{name}_before")
        if bind.dialect.name == "postgresql":
            op.execute(f"ALTER INDEX pk_{name} RENAME TO pk_{name}_before")
        before[name] = sa.Table(f"{name}_before", sa.MetaData(), autoload_with=bind)
    if unique and bind.dialect.name == "postgresql":
        op.execute(f"ALTER INDEX {unique} RENAME TO {unique}_before")
    return before


def _put_away() -> None:
    for name in (*PARTS, "queries"):
        op.drop_table(f"{name}_before")
    # Behind all rows, so that each is built in one go.
    for name, (table, columns, where) in INDEXES.items():
        only = None if where is None else sa.text(where)
        op.create_index(name, table, columns, sqlite_where=only, postgresql_where=only)


def _must_be_whole(name: str) -> None:
    """A part without its operation would be lost in silence."""
    bind = op.get_bind()
    there, here = (
        bind.scalar(sa.text(f"SELECT count(*) FROM {each}")) for each in (f"{name}_before", name)
    )
    if there != here:
        raise ValueError(f"{there - here} rows of `{name}` belong to no row of `queries`")


def _number(name: str, *given: sa.Identity) -> sa.Column[int]:
    # SQLite takes a column for the row's own number only where it is called INTEGER.
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, *given, nullable=False)


def _copies(table: sa.Table, *, without: Sequence[str] = ()) -> list[sa.Column[object]]:
    def default(column: sa.Column[object]) -> sa.TextClause | None:
        given = column.server_default
        return sa.text(str(given.arg)) if isinstance(given, sa.DefaultClause) else None

    return [
        sa.Column(each.name, each.type, nullable=each.nullable, server_default=default(each))
        for each in table.columns
        if each.name not in without
    ]


def _names(table: sa.Table, alias: str = "", *, without: Sequence[str] = ()) -> str:
    before = f"{alias}." if alias else ""
    named = [each.name for each in table.columns if each.name not in without]
    return ", ".join(f'{before}"{name}"' for name in named)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _unique(name: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*IDS, name=name)


def _checks(checks: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(text, name) for name, text in checks.items()]
