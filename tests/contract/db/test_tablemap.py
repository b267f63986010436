"""Rows come back from either store as they were put."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.infra.db.pgtypes import bytes_array, number_array, text_array, truth_array
from chenu_server.infra.db.tablemap import TableMap, upsert_sql
from chenu_server.unit import ById, Moment, Rows
from tests.contract.db.conftest import OpenWriter, rows_of
from tests.contract.db.sample import ACCOUNTS, SAMPLERS, SAMPLERS_MAP, Account, Colour, Do, Sampler

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


def putting(rows: Sequence[Sampler]) -> Do:
    """A unit that writes these rows."""

    def act(into: Rows, _now: Moment) -> None:
        for row in rows:
            into.put(row)

    return Do(act)


@pytest.mark.parametrize("together", [True, False])
async def test_rows_come_back_as_they_were_put(
    url: str, open_writer: OpenWriter, together: bool
) -> None:
    """Attack strings are data: stored and returned byte for byte, alone or with others."""
    rows = samplers()
    writer = await open_writer(url)
    for group in [rows] if together else [[row] for row in rows]:
        await writer.submit(putting(group))
    look = Do(
        lambda stored, now: [stored.get(Sampler, row.key) for row in rows],
        wants=tuple(ById(Sampler, row.key) for row in rows),
    )

    assert rows == await writer.submit(look)


async def test_a_reader_sees_the_same_values(url: str, open_writer: OpenWriter) -> None:
    """The writer's own encoding is that of SQLAlchemy's types."""
    rows = samplers()
    writer = await open_writer(url)
    await writer.submit(putting(rows))
    with sa.create_engine(url).connect() as connection:
        seen = {row.sampler_id: row for row in connection.execute(sa.select(SAMPLERS))}

    assert {row.sampler_id: row for row in rows} == {
        key: Sampler(**row._mapping) for key, row in seen.items()
    }


async def test_putting_a_row_again_replaces_all_of_it(url: str, open_writer: OpenWriter) -> None:
    """A unit writes the row as it decided it, not a difference."""
    writer = await open_writer(url)
    await writer.submit(Do(lambda rows, now: rows.put(Account("personal", 1, 1, "first"))))
    await writer.submit(Do(lambda rows, now: rows.put(Account("personal", 1, 2))))

    assert [("personal", 1, 2, "")] == rows_of(url, sa.select(ACCOUNTS))


def test_a_kind_whose_fields_are_not_the_columns_is_refused() -> None:
    """A column forgotten in one place would be found in production."""

    @dataclass(frozen=True)
    class Wrong:
        identity_id: str

    with pytest.raises(TypeError, match="Wrong"):
        TableMap(Wrong, ACCOUNTS)


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
    table = TableMap(Account, ACCOUNTS, fixed=frozenset({"note"}))

    _, _, changes = upsert_sql(table, "VALUES (?)").partition("DO UPDATE SET ")

    assert {"total"} == {change.partition(" = ")[0] for change in changes.split(", ")}
