"""The recorded walks through each database: what a command met there is what it left."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from pydantic_core import to_json

from chenu_server import engine
from chenu_server.command import Answer, Moment
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.session import Fetch, Session, Write
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.model import TokenUsage
from chenu_server.pipeline.output import StoredPart
from chenu_server.vocabulary import Period, Scope
from tests.contract.tables.batches import OF
from tests.fakes.rows import KERNEL
from tests.stores import store_at

WALKS: Final = sorted((Path(__file__).parents[2] / "vectors/operations").glob("*.jsonl"))
BY_NAME: Final = {kind.__name__: table for kind, table in OF.items()}
Json = Any


def plain(value: object) -> Json:
    """A value as the recorded lines have it: bytes as hex, words as text, a body as text."""
    if isinstance(value, Event):
        told = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        return {**told, "body": to_json(value.body).decode()}
    if isinstance(value, TokenUsage) and not value.cache_write_hour_tokens:
        named = {each.name: getattr(value, each.name) for each in fields(value)}
        return {name: count for name, count in named.items() if name != "cache_write_hour_tokens"}
    if isinstance(value, StoredPart) and value.call is None:
        return {"kind": value.kind.value, "name": value.name, "length": value.length}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, enum.Enum):
        return value.value
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


class Walk:
    """A walk on a database. Rows come and go as JSON, by the name of their kind."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, recorded: list[Json]) -> None:
        """Put what there was, as its kernel's rows."""
        self._session.begin()
        self._session.write([_written(*pair) for row in recorded for pair in row.items()])
        self._session.commit()

    def take(self, step: Json, rules: Json) -> tuple[Answer, list[Json]]:
        """A command in a batch of its own: what it answers and enters."""
        self._session.begin()
        now = Moment(**step["now"])
        decisions = KERNEL.at(now, rules["ledger_number"])
        asked = engine.Command(step["command"], engine.Rules(rules))
        self._session.write(decisions.decide([asked], self._session))
        self._session.commit()
        answer = decisions.answer(0)
        assert isinstance(answer, Answer), answer
        return answer, [plain(each._asdict()) for each in decisions.recorded()]

    def stored(self, kind: str, recorded: Json) -> Json:
        """The row of the same key."""
        table = BY_NAME[kind]
        names = [column.name for column in table.key_columns]
        columns = {column.name: column for column in table.key_columns}
        binary = {name for name, it in columns.items() if it.type.python_type is bytes}
        key = [bytes.fromhex(recorded[n]) if n in binary else recorded[n] for n in names]
        self._session.begin()
        ((values,),) = self._session.fetch([Fetch(table, engine.Rows.arrays([key]))])
        self._session.rollback()
        return plain(table.decode(values))


def _written(kind: str, recorded: Json) -> Write:
    """Walks begin with budgets and files."""
    table = BY_NAME[kind]
    values = {name: _WORDS.get(name, _same)(value) for name, value in recorded.items()}
    return Write(table, engine.Rows([table.encode(table.kind(**values))]))


def _same(value: Json) -> Json:
    return value


_WORDS: Final[dict[str, Callable[[Any], Any]]] = {
    "scope": Scope,
    "period": Period,
    "sha256": bytes.fromhex,
}


@pytest.fixture
def unbound(database_url: str) -> Iterator[Session]:
    """A session on a database that takes several budgets of one scope, as the walks have them."""
    with writer_engine(database_url).begin() as connection:
        connection.execute(sa.text("DROP INDEX uq_budgets_open"))
    opened = store_at(database_url).connect()
    yield opened
    opened.close()


@pytest.mark.parametrize("file", WALKS, ids=lambda file: file.stem)
def test_a_walk_leaves_the_recorded_rows(unbound: Session, file: Path) -> None:
    """Every row, entry and answer of every step, as when they were recorded without a database."""
    beginning, *steps = map(json.loads, file.read_text(encoding="utf-8").rstrip("\n").split("\n"))
    walk, rules = Walk(unbound), beginning["rules"]
    walk.begin(beginning["rows"])
    for at, step in enumerate(steps):
        rules = step.get("rules", rules)
        answer, entries = walk.take(step, rules)
        kind = step["answer"] if isinstance(step["answer"], str) else next(iter(step["answer"]))

        assert (kind, step["entries"]) == (answer.kind, entries), at
        for row in step["rows"]:
            ((name, recorded),) = row.items()
            assert recorded == walk.stored(name, recorded), at
