"""How long an upgrade takes with many queries: `python -m loadtest.bench.migrated [--rows N]`.

From the release's revision to the present one, on a new SQLite file or PostgreSQL server. Each
query has its row, its held money and its log; one in a hundred a checkpoint.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from chenu_server.infra.db import migrate
from loadtest.database import postgres_server

RELEASE: Final = "0009"
ROWS: Final = 1_000_000
FAILED_EVERY: Final = 10
CHECKPOINT_EVERY: Final = 100
LANES: Final = 7
EVENT: Final = '[1,"lane.complete",1700000000000000,{"lane":"lane_a_intent","status":"completed"}]'
LANE: Final = '["lane_a_intent","completed",100,"Which day is it?"]'

REQUEST: Final = '{"text":"Which day is it?","labels":{"team":"orders"},"mode":"command"}'.ljust(
    500
)
PLAN: Final = '{"chain":["groq/openai/gpt-oss-120b"],"intents":["query"]}'.ljust(400)

# What the rows of a query say at the length at which they ordinarily say it; all else is empty.
VALUES: Final = {
    "identity_id": "'acme-' || n % 1000",
    "request_id": "'00000000-0000-4000-8000-' || (100000000000 + n)",
    "checkpoint_id": "'00000000-0000-4000-9000-' || (100000000000 + n)",
    "status": f"CASE WHEN n % {FAILED_EVERY} = 0 THEN 'failed' ELSE 'completed' END",
    "outcome": f"CASE WHEN n % {FAILED_EVERY} = 0"
    ' THEN \'["BudgetExhausted","the identity budget is exhausted",[]]\''
    ' ELSE \'["","",[]]\' END',
    "state": "'voided'",
    "lanes": f"'[{','.join([LANE] * LANES)}]'",
    "events": f"'[{','.join([EVENT] * 2 * LANES)}]'",
    "first_sequence": "1",
    "attempt": "1",
    "request": f"'{REQUEST}'",
    "plan": f"'{PLAN}'",
    "usage": "'[20,63,0,0]'",
    "chain": "'[\"groq/openai/gpt-oss-120b\"]'",
    "question_en": "'\"service:orders asks to delete something. Approve exactly this request?\"'",
}
PARTS: Final = ("query_contents", "attempts", "query_events", "output_chunks", "reservations")
DIGESTS: Final = ("content_digest", "action_digest", "context_hash")


def main() -> None:
    """Fill, upgrade, and say how long that took."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.migrated")
    parser.add_argument("--rows", type=int, default=ROWS, help="how many queries there are")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chenu-bench-") as folder, ExitStack() as stack:
        url = f"sqlite:///{Path(folder) / 'chenu.db'}"
        if options.postgres:
            url = stack.enter_context(postgres_server()).render_as_string(hide_password=False)
        migrate.upgrade(url, RELEASE)
        _fill(url, options.rows)
        began = time.monotonic()
        migrate.upgrade(url)
        took_s = time.monotonic() - began
    print(f"{options.rows:,} queries: {took_s:.1f} s from {RELEASE}")


def _fill(url: str, rows: int) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for name in ("queries", *PARTS):
            connection.execute(_copies(connection, name, rows))
        connection.execute(_copies(connection, "checkpoints", rows // CHECKPOINT_EVERY))


def _copies(connection: sa.Connection, name: str, rows: int) -> sa.TextClause:
    """So many rows of a table, in one statement."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    is_sqlite = connection.dialect.name == "sqlite"
    values = ", ".join(_value(column, is_sqlite=is_sqlite) for column in table.columns)
    numbers = (
        f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows})"
        if is_sqlite
        else f"WITH s AS (SELECT n FROM generate_series(1, {rows}) AS g(n))"
    )
    text = f'{numbers} INSERT INTO "{name}" ({columns}) SELECT {values} FROM s'
    # Behind a colon SQLAlchemy would look for a parameter, and JSON is full of them.
    return sa.text(text.replace(":", r"\:"))


def _value(column: sa.Column[object], *, is_sqlite: bool) -> str:
    if column.name in VALUES:
        return VALUES[column.name]
    if column.name in DIGESTS:
        return "zeroblob(32)" if is_sqlite else "decode(repeat('00', 32), 'hex')"
    if isinstance(column.type, sa.Boolean):
        return "false"
    if isinstance(column.type, sa.Integer):
        return "0"
    if isinstance(column.type, sa.LargeBinary):
        return "x''" if is_sqlite else "CAST('' AS bytea)"
    return "'[]'"


if __name__ == "__main__":
    main()
