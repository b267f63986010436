"""Statements in one round trip: prepared once, sent together, answered together.

On libpq itself (`psycopg.pq`): the cursor's own pipeline costs 40 µs and a system call for each
statement, and has no time limit. Every result is binary.
"""

from __future__ import annotations

import itertools
import select
import time
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.rows import TupleRow

_BINARY: Final = pq.Format.BINARY
GOOD: Final = {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}
_READ, _WRITE = select.POLLIN, select.POLLOUT


class ServerRefused(Exception):
    """The server answered a statement with an error; those behind it were skipped."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class ServerLost(Exception):
    """The connection broke, or the server did not answer in time."""


class Pipeline:
    """Queues statements with `send`; `exchange` gets all their answers.

    The transaction is the caller's: it sends BEGIN and COMMIT like any other statement.
    """

    def __init__(self, connection: psycopg.Connection[TupleRow], *, timeout_ms: int) -> None:
        self._connection = connection
        self._server = connection.pgconn
        self._timeout_s = timeout_ms / 1_000
        self._names: dict[str, bytes] = {}
        self._numbers = itertools.count()
        self._unconfirmed: list[str] = []
        self._expected: list[bool] = []
        self._poll = select.poll()
        self._poll.register(self._server.socket, _READ)
        # A batch can be larger than the sockets hold: while this side blocked in sending, the
        # server would block in answering, and neither would go on.
        self._server.nonblocking = 1
        self._server.enter_pipeline_mode()

    def send(self, text: str, values: Sequence[str | None] = ()) -> None:
        """Queue a statement, whose parameters are `$1`, `$2` ..."""
        self._send(text, [None if value is None else value.encode() for value in values], None)

    def send_binary(self, text: str, parameters: Sequence[bytes]) -> None:
        """Queue a statement whose parameters are in binary format (`engine.Rows`)."""
        self._send(text, parameters, [_BINARY] * len(parameters))

    def _send(
        self, text: str, parameters: Sequence[bytes | None], formats: Sequence[int] | None
    ) -> None:
        name = self._names.get(text)
        try:
            if name is None:
                name = self._prepare(text)
            self._server.send_query_prepared(name, parameters, formats, result_format=_BINARY)
        except psycopg.OperationalError as error:
            raise ServerLost(str(error)) from error
        self._expected.append(True)

    def _prepare(self, text: str) -> bytes:
        name = b"s%d" % next(self._numbers)
        self._server.send_prepare(name, text.encode())
        self._names[text] = name
        self._unconfirmed.append(text)
        self._expected.append(False)
        return name

    def exchange(self) -> list[pq.abc.PGresult]:
        """The answers to everything that was queued, in order.

        Raises:
            ServerRefused: A statement failed.
            ServerLost: As named; what was queued may have run or not.
        """
        expected, self._expected = self._expected, []
        try:
            self._server.pipeline_sync()
            results = self._results()
        except psycopg.OperationalError as error:
            raise ServerLost(str(error)) from error
        self._check(results)
        self._unconfirmed.clear()
        return [result for result, asked in zip(results, expected, strict=True) if asked]

    def rows(self, result: pq.abc.PGresult) -> list[TupleRow]:
        """The rows of an answer."""
        if not result.ntuples:
            return []
        transformer = Transformer(self._connection)
        transformer.set_pgresult(result)
        rows: list[TupleRow] = transformer.load_rows(0, result.ntuples, tuple)
        return rows

    def in_transaction(self) -> bool:
        """Whether a transaction is open, failed or not."""
        return self._server.transaction_status != pq.TransactionStatus.IDLE

    def _results(self) -> list[pq.abc.PGresult]:
        """Send what is queued and read until the server has answered all of it."""
        results: list[pq.abc.PGresult] = []
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            unsent = self._server.flush()
            while not self._server.is_busy():
                result = self._server.get_result()
                if self._server.status != pq.ConnStatus.OK:
                    raise ServerLost(_message(result or self._server))
                # In a pipeline this parts the answers of two statements, and is no end.
                if result is None:
                    continue
                if result.status == pq.ExecStatus.PIPELINE_SYNC:
                    return results
                results.append(result)
            self._wait(deadline_s, _READ | _WRITE if unsent else _READ)

    def _wait(self, deadline_s: float, events: int) -> None:
        self._poll.modify(self._server.socket, events)
        left_s = deadline_s - time.monotonic()
        ready = self._poll.poll(max(left_s, 0) * 1_000)
        if not ready:
            raise ServerLost(f"no answer within {self._timeout_s} s")
        # Also of an error and of a hang-up: only by reading does one find out which.
        if ready[0][1] != _WRITE:
            self._server.consume_input()

    def _check(self, results: Sequence[pq.abc.PGresult]) -> None:
        for result in results:
            if result.status not in GOOD:
                # What was to be prepared behind the error was not; all of it is prepared anew.
                for text in self._unconfirmed:
                    del self._names[text]
                self._unconfirmed.clear()
                raise refusal_of(result)


def refusal_of(result: pq.abc.PGresult) -> ServerRefused:
    """What a failed statement's answer says, with its SQLSTATE."""
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
    return ServerRefused(_message(result), (state or b"").decode())


def _message(source: pq.abc.PGresult | pq.abc.PGconn) -> str:
    return source.get_error_message("utf-8")
