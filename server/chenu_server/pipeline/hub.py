"""The logs of queries that somebody holds, and how what is committed reaches them."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakValueDictionary

from chenu_server.command import Key, Row
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.records import Asked, EventSegment, Operation, OutputChunk
from chenu_server.vocabulary import OperationKind


class LogHub:
    """The logs that somebody holds: committed rows reach them here, and nowhere else."""

    def __init__(self) -> None:
        # Weak, so that a log lives as long as a run or a reader has it; the next one is filled from
        # the rows. Held for good, every answer ever given would stay in memory.
        self._logs: WeakValueDictionary[Key, QueryLog] = WeakValueDictionary()

    def find(self, key: Key) -> QueryLog | None:
        """The log, if somebody holds it."""
        return self._logs.get(key)

    def followed(self) -> list[QueryLog]:
        """Those that somebody waits at."""
        return [log for log in self._logs.values() if log.is_followed]

    def create(self, key: Key, asked: Asked) -> QueryLog:
        """A fresh log that gets what is committed from now on."""
        log = QueryLog(key, asked)
        self._logs[key] = log
        return log

    def drop(self, log: QueryLog) -> None:
        """Forget a log that came to nothing, so that the id starts afresh."""
        if self._logs.get(log.key) is log:
            del self._logs[log.key]

    def on_commit(self, rows: Sequence[Row]) -> None:
        """Hand committed rows to their logs, in commit order: output comes before its events."""
        for row in rows:
            if isinstance(row, EventSegment):
                log = self._logs.get((row.identity_id, row.request_id))
                if log is not None:
                    log.commit(row.events)
            elif isinstance(row, OutputChunk):
                log = self._logs.get((row.identity_id, row.request_id))
                if log is not None:
                    log.store(row)
            # A reservation has such a row as well, and no log.
            elif isinstance(row, Operation) and row.kind is OperationKind.QUERY:
                log = self._logs.get(row.key)
                if log is not None:
                    log.set_query(row)
