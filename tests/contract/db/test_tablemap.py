"""Rows come back from either store as they were put."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, replace

import pytest
import sqlalchemy as sa

from chenu_server.engine import Rows
from chenu_server.infra.db.session import Fetch, StatementFailed, Write
from chenu_server.infra.db.tablemap import TableMap, upsert_sql
from tests.contract.db.conftest import rows_of
from tests.contract.db.sample import SAMPLERS, SAMPLERS_MAP, Colour, Sampler
from tests.stores import store_at

ATTACKS = (
    "",
    "'; DROP TABLE accounts; --",
    '"},{"',
    "\\",
    '\\"',
    "NULL",
    "{a,b}",
    "%s $1 ?",
    "line\nbreak\ttab",
    "é ✓ 🏛 \u202e",
)


def samplers() -> list[Sampler]:
    """Rows whose values need care."""
    return [
        Sampler(
            sampler_id=f"{number} {text}",
            data=bytes(range(256)) * number,
            flag=bool(number % 2),
            names=(text, *ATTACKS[:number]),
            colour=list(Colour)[number % 2],
            remark=text,
            count=(number, -(2**63), 2**63 - 1, -number)[number % 4],
        )
        for number, text in enumerate(ATTACKS)
    ]


def written(*rows: Sampler) -> Write:
    """What writes these rows."""
    return Write(SAMPLERS_MAP, Rows([SAMPLERS_MAP.encode(row) for row in rows]))


def put(url: str, *groups: Sequence[Sampler]) -> None:
    """A batch for each group of rows, as the writer's session writes them."""
    session = store_at(url).connect()
    for rows in groups:
        session.begin()
        session.write([written(*rows)])
        session.commit()
    session.close()


@pytest.mark.parametrize("together", [True, False])
def test_rows_come_back_as_they_were_put(url: str, together: bool) -> None:
    """Attack strings are data: stored and returned byte for byte, alone or with others."""
    rows = samplers()
    put(url, *([rows] if together else [[row] for row in rows]))
    session = store_at(url).connect()
    session.begin()
    (found,) = session.fetch([Fetch(SAMPLERS_MAP, Rows.arrays([row.key for row in rows]))])
    session.rollback()
    session.close()

    assert {row.key: row for row in rows} == {
        row.key: row for row in map(SAMPLERS_MAP.decode, found)
    }


def test_a_reader_sees_the_same_values(url: str) -> None:
    """The writer's own encoding is that of SQLAlchemy's types."""
    rows = samplers()
    put(url, rows)
    with sa.create_engine(url).connect() as connection:
        seen = {row.sampler_id: row for row in connection.execute(sa.select(SAMPLERS))}

    assert {row.sampler_id: row for row in rows} == {
        key: Sampler(**row._mapping) for key, row in seen.items()
    }


def test_putting_a_row_again_replaces_all_of_it(url: str) -> None:
    """A row is written as it was decided, not as a difference."""
    first, second, *_ = samplers()
    again = replace(second, sampler_id=first.sampler_id)
    put(url, [first], [again])

    assert [astuple(again)] == rows_of(url, sa.select(SAMPLERS))


@pytest.mark.parametrize("count", [1, 2, 3, 15, 16, 17, 47])
def test_every_row_of_a_table_is_written(url: str, count: int) -> None:
    """However many a batch has, and whether they are new or replace others."""
    (sampler, *_) = samplers()
    for number in (100, 200):
        rows = [replace(sampler, sampler_id=str(n), count=number + n) for n in range(count)]
        put(url, rows)

        assert sorted(number + n for n in range(count)) == sorted(
            found for (found,) in rows_of(url, sa.select(SAMPLERS.c.count))
        )


def test_a_kind_whose_fields_are_not_the_columns_is_refused() -> None:
    """A column forgotten in one place would be found in production."""

    @dataclass(frozen=True)
    class Wrong:
        identity_id: str

    with pytest.raises(TypeError, match="Wrong"):
        TableMap(Wrong, SAMPLERS)


def test_an_enum_column_takes_only_members() -> None:
    """A value that no version of the code knows must not reach the table."""
    (row, *_) = samplers()
    object.__setattr__(row, "colour", "green")
    with pytest.raises(KeyError, match="green"):
        SAMPLERS_MAP.encode(row)


@pytest.mark.parametrize("others", [0, 2])
def test_text_that_postgres_cannot_store_is_its_statements_failure(
    only_postgres_url: str, others: int
) -> None:
    """Its command's fault, and nothing is cut off: the session goes on, and so does its batch."""
    good, poisoned = samplers(), replace(samplers()[-1], remark="before\0behind")
    with closing(store_at(only_postgres_url).connect()) as session:
        session.begin()
        with pytest.raises(StatementFailed, match="0x00"), session.apart():
            session.write([written(*good[:others], poisoned)])
        session.write([written(*good)])
        session.commit()

    assert len(good) == len(rows_of(only_postgres_url, sa.select(SAMPLERS)))


def test_rows_that_are_not_alike_are_their_statements_failure(only_postgres_url: str) -> None:
    """A value that is sent as another kind would be read as what it is not."""
    first, second, *_ = (SAMPLERS_MAP.encode(row) for row in samplers())
    with closing(store_at(only_postgres_url).connect()) as session:
        session.begin()
        with pytest.raises(StatementFailed, match="differ"):
            session.write([Write(SAMPLERS_MAP, Rows([first, (*second[:-1], "12345678")]))])


@pytest.mark.parametrize("value", [None, 1.5, 2**63])
def test_a_value_that_no_column_holds_is_refused(value: object) -> None:
    """Money and times are whole and have 64 bits, and no column is empty."""
    with pytest.raises((TypeError, OverflowError)):
        Rows([("a", value)])


def test_an_upsert_sets_no_column_that_is_fixed() -> None:
    """SQLite would write every index anew that holds one of them."""
    table = TableMap(Sampler, SAMPLERS, fixed=frozenset({"remark", "count"}))

    _, _, changes = upsert_sql(table, "VALUES (?)").partition("DO UPDATE SET ")

    assert {"data", "flag", "names", "colour"} == {
        change.partition(" = ")[0] for change in changes.split(", ")
    }
