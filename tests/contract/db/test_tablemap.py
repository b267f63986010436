"""Rows come back from either store as they were put."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.infra.db.pgtypes import bytes_array, number_array, text_array, truth_array
from chenu_server.infra.db.session import Fetch, Write
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
            share=math.pi * number,
            names=(text, *ATTACKS[:number]),
            colour=list(Colour)[number % 2],
            remark=None if number % 3 else text,
            count=None if number % 2 else -(2**62) + number,
        )
        for number, text in enumerate(ATTACKS)
    ]


def put(url: str, table: TableMap[Any], *groups: Sequence[Any]) -> None:
    """A batch for each group of rows, as the writer's session writes them."""
    session = store_at(url).connect()
    for rows in groups:
        session.begin()
        session.write([Write(table, [table.encode(row) for row in rows])])
        session.commit()
    session.close()


@pytest.mark.parametrize("together", [True, False])
def test_rows_come_back_as_they_were_put(url: str, together: bool) -> None:
    """Attack strings are data: stored and returned byte for byte, alone or with others."""
    rows = samplers()
    put(url, SAMPLERS_MAP, *([rows] if together else [[row] for row in rows]))
    session = store_at(url).connect()
    session.begin()
    (found,) = session.fetch([Fetch(SAMPLERS_MAP, [row.key for row in rows])])
    session.rollback()
    session.close()

    assert {row.key: row for row in rows} == {
        row.key: row for row in map(SAMPLERS_MAP.decode, found)
    }


def test_a_reader_sees_the_same_values(url: str) -> None:
    """The writer's own encoding is that of SQLAlchemy's types."""
    rows = samplers()
    put(url, SAMPLERS_MAP, rows)
    with sa.create_engine(url).connect() as connection:
        seen = {row.sampler_id: row for row in connection.execute(sa.select(SAMPLERS))}

    assert {row.sampler_id: row for row in rows} == {
        key: Sampler(**row._mapping) for key, row in seen.items()
    }


def test_putting_a_row_again_replaces_all_of_it(url: str) -> None:
    """A row is written as it was decided, not as a difference."""
    first, second, *_ = samplers()
    again = replace(second, sampler_id=first.sampler_id)
    put(url, SAMPLERS_MAP, [first], [again])

    assert [astuple(again)] == rows_of(url, sa.select(SAMPLERS))


@pytest.mark.parametrize("count", [1, 2, 3, 15, 16, 17, 47])
def test_every_row_of_a_table_is_written(url: str, count: int) -> None:
    """However many a batch has, and whether they are new or replace others."""
    (sampler, *_) = samplers()
    for number in (100, 200):
        rows = [replace(sampler, sampler_id=str(n), count=number + n) for n in range(count)]
        put(url, SAMPLERS_MAP, rows)

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


def parsed(literal: str) -> list[str | None]:
    """A one-dimensional array literal, read by PostgreSQL's own rules."""
    items: list[str | None] = []
    at = 1
    while at < len(literal):
        if literal[at] == '"':
            text, at = "", at + 1
            while literal[at] != '"':
                at += literal[at] == "\\"
                text += literal[at]
                at += 1
            items.append(text)
            at += 1
        else:
            end = min(end for end in (literal.find(",", at), len(literal) - 1) if end >= 0)
            items.append(None if literal[at:end] == "NULL" else literal[at:end])
            at = end
        assert literal[at] in ",}"
        at += 1
    return items


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(st.none() | TEXT, min_size=1))
def test_text_arrays_hold_exactly_their_values(values: list[str | None]) -> None:
    """A value that ends its element early would move every value behind it to another row."""
    assert values == parsed(text_array(values))


@given(st.lists(st.none() | st.binary(), min_size=1))
def test_bytes_arrays_hold_exactly_their_values(values: list[bytes | None]) -> None:
    """Hashes and salts are stored bit by bit."""
    read = [
        None if text is None else bytes.fromhex(text[2:]) for text in parsed(bytes_array(values))
    ]

    assert values == read


@given(st.lists(st.none() | st.integers(), min_size=1))
def test_number_arrays_hold_exactly_their_values(values: list[int | None]) -> None:
    """Money is in them."""
    read = [None if text is None else int(text) for text in parsed(number_array(values))]

    assert values == read


def test_truth_arrays_hold_exactly_their_values() -> None:
    """Three values, and no others."""
    assert "{t,f,NULL}" == truth_array([True, False, None])


@given(st.lists(TEXT, min_size=1), st.integers(0))
def test_text_that_postgres_cannot_store_is_refused(values: list[str], where: int) -> None:
    """NUL stands between the values while they are escaped; inside one it must not pass."""
    where %= len(values)
    poisoned = [*values[:where], values[where] + "\0x", *values[where + 1 :]]
    with pytest.raises(ValueError, match="NUL"):
        text_array(poisoned)


def test_an_upsert_sets_no_column_that_is_fixed() -> None:
    """SQLite would write every index anew that holds one of them."""
    table = TableMap(Sampler, SAMPLERS, fixed=frozenset({"remark", "count"}))

    _, _, changes = upsert_sql(table, "VALUES (?)").partition("DO UPDATE SET ")

    assert {"data", "flag", "share", "names", "colour"} == {
        change.partition(" = ")[0] for change in changes.split(", ")
    }
