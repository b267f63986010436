"""One statement on a connection that nothing is known of, answered within a time limit.

Through a pooler a statement may wait for minutes; psycopg's own `execute` would wait with it.
"""

from __future__ import annotations

import select
import time
from typing import Any, Final

import psycopg
from psycopg import pq

from chenu_server.infra.db.pgpipeline import GOOD, ServerLost, refusal_of

ANSWER_WITHIN_S: Final = 3.0


def ask(connection: psycopg.Connection[Any], text: str) -> tuple[str, ...]:
    """The first row's values as text; a statement without rows has none.

    Raises:
        ServerRefused: The statement failed.
        ServerLost: The connection broke, or there was no answer in time.
    """
    server = connection.pgconn
    try:
        server.send_query(text.encode())
        result = _result(server)
    except psycopg.OperationalError as error:
        raise ServerLost(str(error)) from error
    if result.status not in GOOD:
        raise refusal_of(result)
    columns = range(result.nfields if result.ntuples else 0)
    return tuple((result.get_value(0, column) or b"").decode() for column in columns)


def _result(server: pq.abc.PGconn) -> pq.abc.PGresult:
    """The statement's only result, once the server is ready for the next one."""
    found: pq.abc.PGresult | None = None
    poll, deadline_s = select.poll(), time.monotonic() + ANSWER_WITHIN_S
    while True:
        unsent = server.flush()
        while not server.is_busy():
            result = server.get_result()
            if result is None:
                if found is None:
                    raise ServerLost(server.get_error_message("utf-8"))
                return found
            # Read on to the end: before it, libpq takes no next statement on this connection.
            found = found or result
        # While a part is unsent the server may be waiting for it, and would never be readable.
        poll.register(server.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
        left_s = deadline_s - time.monotonic()
        if not poll.poll(max(left_s, 0) * 1_000):
            raise ServerLost(f"no answer within {ANSWER_WITHIN_S:.0f} s")
        server.consume_input()
