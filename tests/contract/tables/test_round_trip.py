"""What a command puts is what the next one gets, whatever the text, on every store."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from chenu_server.command import Row
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.session import Session, StatementFailed
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.tables import QUERIES
from chenu_server.values import replace
from tests.contract.tables.batches import OF, commit, stored
from tests.contract.tables.samples import ALIAS, CHUNK, MAPS, QUERY, ROWS, SEGMENT


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_every_column_comes_back_as_it_was(session: Session, row: Row) -> None:
    """Attack strings, NUL and the largest numbers are data: stored and returned unchanged."""
    commit(session, QUERY)  # whose part it may be
    commit(session, row)

    assert [row] == stored(session, [row])


def test_every_kind_of_row_has_a_sample() -> None:
    """A new table is tested, or this fails."""
    assert {table.kind for table in MAPS} == {type(row) for row in ROWS}


def test_rows_of_all_kinds_travel_in_one_batch(session: Session) -> None:
    """As a command that settles a query writes them: a part behind its whole."""
    commit(session, *sorted(ROWS, key=lambda row: not isinstance(row, Operation)))

    assert list(ROWS) == stored(session, ROWS)


@pytest.mark.parametrize("row", [SEGMENT, CHUNK, ALIAS], ids=lambda row: type(row).__name__)
def test_what_a_reader_has_seen_is_never_replaced(session: Session, row: Row) -> None:
    """A log and its output only grow, an id names one query for ever: a second row fails."""
    commit(session, QUERY)
    commit(session, row)

    with pytest.raises(StatementFailed, match=r"(?i)unique"):
        commit(session, row)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if OF[type(row)].part_of], ids=lambda row: type(row).__name__
)
def test_a_part_of_nothing_is_refused(session: Session, row: Row) -> None:
    """Whose it were nobody would know: SQLite would give it a number of its own."""
    with pytest.raises(StatementFailed, match=r"_query"):
        commit(session, row)


def test_a_number_is_never_given_twice(session: Session, database_url: str) -> None:
    """Else what is left of a query that somebody has deleted would be part of the next one."""
    commit(session, QUERY)
    commit(session, SEGMENT)
    with writer_engine(database_url).begin() as connection:
        connection.execute(sa.delete(QUERIES))
    commit(session, replace(QUERY, request_id="next"))
    segment = replace(SEGMENT, request_id="next")

    assert [] == stored(session, [segment])
