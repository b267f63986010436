"""Answers from before they had parts, after the revision that gives them some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.tablemap import TableMap
from chenu_server.pipeline.output import StoredPart
from chenu_server.pipeline.records import Operation, OutputChunk
from chenu_server.pipeline.tables import OUTPUT_CHUNKS_MAP, QUERIES_MAP
from chenu_server.vocabulary import PartKind
from tests.contract.tables import samples


# What the columns of before hold, as the driver takes it.
def named(table: TableMap[Any], row: Any) -> dict[str, Any]:
    """A row's values by the names of their columns."""
    names = (column.name for column in table.columns)
    return dict(zip(names, table.encode(row), strict=True))


QUERY = named(QUERIES_MAP, samples.QUERY)
CHUNK = named(OUTPUT_CHUNKS_MAP, samples.CHUNK)


def put(connection: sa.Connection, table: str, row: dict[str, Any], **changes: Any) -> None:
    """Insert what of a row the table has a column for."""
    there = sa.Table(table, sa.MetaData(), autoload_with=connection)
    row = {**row, **changes}
    if "query_id" in there.columns:
        of = "SELECT id FROM queries WHERE identity_id = :identity_id AND request_id = :request_id"
        row["query_id"] = connection.scalar(sa.text(of), row)
    values = {name: value for name, value in row.items() if name in there.columns}
    connection.execute(sa.insert(there).values(values))


def answered(connection: sa.Connection, request_id: str, lengths: Sequence[int]) -> None:
    """A query with an answer in pieces of these lengths."""
    put(connection, "queries", QUERY, request_id=request_id, output_length=sum(lengths))
    for number, length in enumerate(lengths):
        offset = sum(lengths[:number])
        text = f'"{"a" * length}"'
        put(connection, "output_chunks", CHUNK, request_id=request_id, offset=offset, text=text)


def rows(connection: sa.Connection) -> tuple[dict[str, Operation], list[OutputChunk]]:
    """What the server reads."""
    queries = [Operation(**row._mapping) for row in connection.execute(QUERIES_MAP.select())]
    ordered = OUTPUT_CHUNKS_MAP.select().order_by("request_id", "part", "offset")
    chunks = [OutputChunk(**row._mapping) for row in connection.execute(ordered)]
    return {query.request_id: query for query in queries}, chunks


@pytest.fixture
def old_url(blank_url: str) -> str:
    """A database of before, with an answer in two pieces and a query without one."""
    migrate.upgrade(blank_url, "0004")
    with writer_engine(blank_url).begin() as connection:
        answered(connection, "long", [3, 2])
        answered(connection, "none", [])
    return blank_url


def test_an_answer_from_before_is_one_text(old_url: str) -> None:
    """Its pieces are those of part 0, and its row tells the part as a new one would."""
    migrate.upgrade(old_url)
    with writer_engine(old_url).begin() as connection:
        queries, chunks = rows(connection)

    assert (StoredPart(PartKind.TEXT, "", 5),) == queries["long"].output_parts
    assert () == queries["none"].output_parts
    assert {"text"} == {query.output_format for query in queries.values()}
    plain = PartKind.TEXT, "", "", ()
    assert [(0, 0, "aaa", *plain), (0, 3, "aa", *plain)] == [
        (each.part, each.offset, each.text, each.kind, each.name, each.call_id, each.proof)
        for each in chunks
    ]


def test_the_same_place_of_two_parts_is_two_rows(old_url: str) -> None:
    """The part is in the key, and it is no negative number."""
    migrate.upgrade(old_url)
    with writer_engine(old_url).begin() as connection:
        put(connection, "output_chunks", CHUNK, request_id="long", part=1, offset=0)
        assert 3 == len(rows(connection)[1])
    with writer_engine(old_url).begin() as connection, pytest.raises(sa.exc.IntegrityError):
        put(connection, "output_chunks", CHUNK, request_id="long", part=-1, offset=0)


def test_taken_back_the_first_text_of_an_answer_is_kept(old_url: str) -> None:
    """And what came since besides it is gone; taken up again, it is as it was."""
    migrate.upgrade(old_url)
    with writer_engine(old_url).begin() as connection:
        put(connection, "output_chunks", CHUNK, request_id="long", part=1, offset=0)
        before = rows(connection)
    migrate.downgrade(old_url, "0004")
    migrate.upgrade(old_url)
    with writer_engine(old_url).begin() as connection:
        after = rows(connection)

    assert before[0] == after[0]
    assert before[1][:2] == after[1]
