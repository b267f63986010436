"""How a kind of row maps to a table: columns, primary key, and the lookups beside it.

A feature declares its `sa.Table` on `METADATA` and one `TableMap` for it. The row's fields are
the table's columns, by name and in the same order; but where rows have a number, or stand under
that of another's, the row has the key that its users know. SQL text is made once per dialect from
here (`sqlite.py`, `postgres.py`); nothing is compiled while a batch runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from chenu_server.engine import RowReader, Shape
from chenu_server.infra.db.columns import TRUTH, TextColumn
from chenu_server.values import dataclass, field, maker

R = TypeVar("R")
Values = tuple[Any, ...]
Codec = Callable[[Any], Any]
Columns = tuple[sa.Column[Any], ...]

# PostgreSQL reserves more words than SQLite, and both take its quotes.
_QUOTER: Final = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]  # theirs


@dataclass(frozen=True, slots=True)
class LookupSql:
    """The SQL of one look-up of the kernel: which rows stand under a key, and in which order.

    Args:
        keys: One column for each value of the lookup's key; gives its SQL type.
        where: A condition on the table's columns, with `{0}`, `{1}` for the key's values.
            Left out, each key column equals its value.
        order_by: SQL text, for instance `free_at_us, slot`.
        limited: At most as many rows as the batch's commands want together; else all of them.
    """

    keys: tuple[sa.Column[Any], ...]
    where: str = ""
    order_by: str = ""
    limited: bool = True

    def condition(self, *values: str) -> str:
        """The condition's SQL with these texts in place of the key's values."""
        if self.where:
            return self.where.format(*values)
        return " AND ".join(
            f"{_QUOTER.quote(key.name)} = {value}"
            for key, value in zip(self.keys, values, strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False)
class TableMap(Generic[R]):
    """A kind of row and its table.

    Args:
        kind: A frozen dataclass with a `key` property, or a NamedTuple (it is its own values).
        table: Its columns are the kind's fields, in the same order.
        lookups: By the name that the kernel uses (`core_rs/store/src/fetch.rs`).
        append_only: Rows are inserted and never replaced; a second one with the same key is a
            failed statement.
        fixed: Columns that keep what a row was inserted with. SQLite writes every index anew that
            holds a column which a statement sets, changed or not.
        numbered: So many of the row's first fields are its key, and the table's own is a number,
            its first column, that the database gives. Numbers only grow: the rows and indexes of
            parts under them are written at one end, and not wherever a caller's UUID falls.
        part_of: The table whose rows these are parts of: the first column is the whole's number,
            in place of its key.
    """

    kind: type[R]
    table: sa.Table
    lookups: Mapping[str, LookupSql] = field(default_factory=dict)
    append_only: bool = False
    fixed: frozenset[str] = frozenset()
    numbered: int = 0
    part_of: TableMap[Any] | None = None
    encode: Callable[[R], Values] = field(init=False)
    reader: RowReader = field(init=False)

    def __post_init__(self) -> None:
        fields, columns = _fields_of(self.kind), tuple(column.name for column in self.columns)
        # Rows are written by position: two columns in another order would be stored as each other.
        if fields != columns:
            raise TypeError(f"{self.kind.__name__} has {fields}, {self.table} has {columns}")
        object.__setattr__(self, "encode", _encoder(self.kind, self.columns))
        make = maker(self.kind) if is_dataclass(self.kind) else self.kind
        object.__setattr__(self, "reader", RowReader(make, tuple(map(_shape, self.columns))))

    def decode(self, values: Sequence[Any]) -> R:
        """A row, of what the driver gives for its columns."""
        row: R = self.reader.read(values)
        return row

    @property
    def columns(self) -> tuple[sa.Column[Any], ...]:
        """The column of each of the row's fields, in order; the whole's first, of a part."""
        own = tuple(self.table.columns)
        if self.part_of is not None:
            return (*self.part_of.key_columns, *own[1:])
        return own[1:] if self.numbered else own

    @property
    def key_columns(self) -> tuple[sa.Column[Any], ...]:
        """The columns of `Row.key`, in order."""
        primary = tuple(self.table.primary_key.columns)
        if self.part_of is not None:
            return (*self.part_of.key_columns, *primary[1:])
        return self.columns[: self.numbered] if self.numbered else primary

    def select(self) -> sa.Select[Any]:
        """The rows, for whoever reads them outside any command."""
        wanted = sa.select(*self.columns)
        if self.part_of is None:
            return wanted
        return wanted.join_from(self.part_of.table, self.table, self._belongs)

    def shown(self, column: sa.Column[Any]) -> str:
        """A column's name as SQL text; a reserved word such as `offset` is quoted."""
        return f"{'t' if column.table is self.table else 'p'}.{_QUOTER.quote(column.name)}"

    @property
    def source(self) -> str:
        """What stands behind FROM, for names as they are shown."""
        own = f"{self.table.name} AS t"
        # SQLite walks a CROSS JOIN as it is written: first the whole, found by its key, then its
        # parts.
        return own if self.part_of is None else f"{self.part_of.table.name} AS p CROSS JOIN {own}"

    def conditions(self, *more: str) -> str:
        """What stands behind WHERE: these, and that a part belongs to its whole."""
        if self.part_of is None:
            return " AND ".join(more)
        belongs = f"{self.shown(self._number)} = {self.shown(self.part_of._number)}"
        return " AND ".join((*more, belongs))

    def stored(self, values: Sequence[str]) -> str:
        """The SQL texts of a row's values, as the columns take them."""
        if self.part_of is None:
            return ", ".join(values)
        whole, keys = self.part_of, self.part_of.key_columns
        same = " AND ".join(
            f"{key.name} = {value}" for key, value in zip(keys, values[: len(keys)], strict=True)
        )
        # A whole that is not there would leave NULL, for which SQLite gives a number of its own:
        # whose part it then is nobody knows. 0 is refused by a check of the table.
        number = f"coalesce((SELECT {whole._number.name} FROM {whole.table.name} WHERE {same}), 0)"
        return ", ".join((number, *values[len(keys) :]))

    @property
    def stored_columns(self) -> tuple[str, ...]:
        """What is inserted, as SQL text, in the order of `stored`."""
        own = tuple(self.table.columns)[1 if self.numbered else 0 :]
        return tuple(_QUOTER.quote(column.name) for column in own)

    @property
    def stored_key(self) -> tuple[str, ...]:
        """By which the database knows a row again, as SQL text."""
        key = self.key_columns if self.numbered else self.table.primary_key.columns
        return tuple(_QUOTER.quote(column.name) for column in key)

    @property
    def _number(self) -> sa.Column[Any]:
        return next(iter(self.table.columns))

    @property
    def _belongs(self) -> sa.ColumnElement[bool]:
        assert self.part_of is not None
        return self._number == self.part_of._number


def _fields_of(kind: type[Any]) -> tuple[str, ...]:
    if is_dataclass(kind):
        return tuple(each.name for each in fields(kind))
    names: tuple[str, ...] = kind._fields
    return names


def _shape(column: sa.Column[Any]) -> Shape | None:
    """How a column's value is read that is not what the driver gives."""
    if isinstance(column.type, TextColumn):
        return column.type.shape
    return TRUTH if isinstance(column.type, sa.Boolean) else None


def _codecs(columns: Columns) -> list[tuple[int, Codec]]:
    """The columns whose values are not what the driver takes, by position."""
    found: list[tuple[int, Codec]] = []
    for position, column in enumerate(columns):
        codec: Codec | None = None
        if isinstance(column.type, TextColumn):
            codec = column.type.bind
        elif isinstance(column.type, sa.Boolean):
            codec = bool
        if codec is not None:
            found.append((position, codec))
    return found


def _encoder(kind: type[R], columns: Columns) -> Callable[[Any], Values]:
    fields, codecs = _fields_of(kind), _codecs(columns)
    values_of: Callable[[Any], Values] = tuple
    if not issubclass(kind, tuple):
        # An attrgetter of one name gives the bare value.
        values_of = attrgetter(*fields) if len(fields) > 1 else _only(fields[0])
    if not codecs:
        return values_of

    def encode(row: R) -> Values:
        values = list(values_of(row))
        for position, convert in codecs:
            values[position] = convert(values[position])
        return tuple(values)

    return encode


def _only(field: str) -> Callable[[Any], Values]:
    return lambda row: (getattr(row, field),)


def upsert_sql(table: TableMap[Any], rows: str) -> str:
    """The statement that inserts or replaces `rows`, which is VALUES or SELECT text."""
    names, kept = table.stored_columns, {*table.stored_key, *table.fixed}
    insert = f"INSERT INTO {table.table.name} ({', '.join(names)}) {rows}"
    if table.append_only:
        return insert
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in kept)
    action = f"UPDATE SET {changes}" if changes else "NOTHING"
    return f"{insert} ON CONFLICT ({', '.join(table.stored_key)}) DO {action}"
