"""A store whose connections fail where a test wants, on top of a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from chenu_server import engine
from chenu_server.infra.db.session import (
    Begun,
    CannotConnect,
    CommitUnknown,
    ConnectionLost,
    Fetch,
    Session,
    Store,
    Write,
)
from chenu_server.infra.db.tablemap import TableMap, Values

# As often does a writer see whether something else is due.
PATIENCE_S = 0.02


@dataclass
class Faults:
    """What goes wrong next.

    `lose` names moments at which the connection is lost, each once: `begin`, `fetch`,
    `before_commit`, `after_commit`, `lookup`.
    """

    lose: list[str] = field(default_factory=list)
    away: bool = False
    away_after_loss: bool = False
    before_begin: Callable[[], None] = field(default=lambda: None)
    started: bool = False

    def begins(self) -> None:
        """A transaction begins; the first is a writer's start, which learns the time."""
        if not self.started:
            self.started = True
            return
        self.before_begin()
        if self.due("begin"):
            raise ConnectionLost("at begin")

    def due(self, moment: str) -> bool:
        """Whether the connection is lost now."""
        if moment not in self.lose:
            return False
        self.lose.remove(moment)
        self.away = self.away_after_loss
        return True


class FaultyStore:
    """Connects while `faults.away` is false."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def connect(self) -> FaultySession:
        """A session that fails as told."""
        if self._faults.away:
            raise CannotConnect("away")
        return FaultySession(self._store.connect(), self._faults)


class FaultySession:
    """Passes everything on, and loses its connection when told to."""

    def __init__(self, session: Session, faults: Faults) -> None:
        self._session = session
        self._faults = faults

    def begin(self) -> Begun:
        """Open a transaction."""
        self._faults.begins()
        return self._session.begin()

    def fetch(self, fetches: Sequence[Fetch]) -> list[list[Values]]:
        """Load."""
        if self._faults.due("fetch"):
            self._session.close()
            raise ConnectionLost("at fetch")
        return self._session.fetch(fetches)

    def write(self, writes: Sequence[Write]) -> None:
        """Write."""
        self._session.write(writes)

    def apart(self) -> AbstractContextManager[None]:
        """A savepoint."""
        return self._session.apart()

    def commit(self) -> None:
        """Commit, or lose the connection before or after the database did."""
        if self._faults.due("before_commit"):
            self._session.close()
            raise CommitUnknown("before commit")
        self._session.commit()
        if self._faults.due("after_commit"):
            self._session.close()
            raise CommitUnknown("after commit")

    def rollback(self) -> None:
        """Leave the transaction."""
        self._session.rollback()

    def committed(self, writer_id: str, batch_id: str) -> bool:
        """Whether it happened."""
        if self._faults.due("lookup"):
            self._session.close()
            raise ConnectionLost("at lookup")
        return self._session.committed(writer_id, batch_id)

    def whole(self, tables: Mapping[str, TableMap[Any]]) -> Any:
        """What runs whole batches, and fails as told."""
        whole = self._session.whole(tables)
        return None if whole is None else FaultyWhole(whole, self, self._faults)

    def tend(self) -> None:
        """Housekeeping."""
        self._session.tend()

    def close(self) -> None:
        """Close."""
        self._session.close()


class FaultyWhole:
    """Runs whole batches, and loses them when told to."""

    def __init__(self, whole: engine.SqliteSession, session: FaultySession, faults: Faults) -> None:
        self._whole = whole
        self._session = session
        self._faults = faults

    def serve(self, intake: engine.Intake, **_: Any) -> Any:
        """Hand over what comes: what fails here fails batch by batch."""
        jobs = intake.take(PATIENCE_S)
        return ("closed", (), None) if jobs is None else ("handed", (jobs,), None)

    def run(self, **batch: Any) -> Any:
        """Decide and commit, or lose the connection before, in the middle or after."""
        self._faults.begins()
        for moment in ("fetch", "before_commit"):
            if self._faults.due(moment):
                self._session.close()
                raise (ConnectionLost if moment == "fetch" else CommitUnknown)(moment)
        found = self._whole.run(**batch)
        if len(found) > 2 and batch["commands"] and self._faults.due("after_commit"):
            self._session.close()
            return (*found[:4], "after commit")
        return found
