"""Rows that a batch publishes are those that are read of the database afterwards."""

from __future__ import annotations

import copy
import pickle
from typing import Any, cast

import pytest

from chenu_server import engine
from chenu_server.command import Moment, Row
from chenu_server.infra.db.kernel import Kernel
from chenu_server.infra.db.tablemap import TableMap
from chenu_server.operations.ask import Admit
from chenu_server.operations.run import Settle
from chenu_server.pipeline.records import EventSegment, Operation, OutputChunk
from tests.fakes.rows import MAPS
from tests.unit.budgets.samples import NOON
from tests.unit.operations.samples import World, admission, ended, settlement

OF: dict[type[Any], TableMap[Any]] = {table.kind: table for table in MAPS}


def read(row: Row) -> Row:
    """The row as SQLAlchemy reads it."""
    table = OF[type(row)]
    columns, values = table.columns, table.encode(row)
    made = {
        column.name: column.type.process_result_value(value, None)
        if hasattr(column.type, "process_result_value")
        else value
        for column, value in zip(columns, values, strict=True)
    }
    return cast("Row", table.kind(**made))


def published() -> list[Row]:
    """What a call's two commands publish."""
    world = World()
    admitted = world.admitted()
    world.act(Settle(settlement(admitted, ended(admitted, 77), output="hello")))
    return world.rows.published


def test_a_published_row_is_the_one_that_is_read() -> None:
    """Equal, shown and hashed alike, whichever of the two was looked at before."""
    rows = published()

    assert {Operation, EventSegment, OutputChunk} == {type(row) for row in rows}
    assert [repr(read(row)) for row in published()] == [repr(row) for row in rows]
    for row in rows:
        assert read(row) == row
    for operation in (row for row in published() if isinstance(row, Operation)):
        assert hash(read(operation)) == hash(operation)


def test_a_copy_of_a_published_row_is_the_row() -> None:
    """Also of one that nobody has looked at yet."""
    rows = published()

    assert rows == [copy.copy(row) for row in published()]
    assert rows == [copy.deepcopy(row) for row in published()]
    assert rows == [pickle.loads(pickle.dumps(row)) for row in published()]


def test_a_row_that_cannot_be_read_costs_its_followers_only_that(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The others of its batch are told; who asked is not told of a row that there is not."""
    world = World()
    kernel = Kernel(MAPS)
    kernel.readers = engine.RowReaders(
        {
            name: engine.RowReader(refused, []) if name == "queries" else table.reader
            for name, table in kernel.tables.items()
        }
    )
    decisions = kernel.at(Moment(NOON, 0), 0)
    asked = Admit(admission(), world.rules, take_slot=True).asked()
    decisions.decide([asked], cast("Any", world.rows))

    assert [EventSegment] == [type(row) for row in decisions.published()]
    assert "in a row of queries" in capsys.readouterr().out
    with pytest.raises(LookupError, match="cannot be read"):
        decisions.answer(0)


def refused(*values: object) -> Row:
    """Makes no row."""
    raise RuntimeError(values)
