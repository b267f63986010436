"""Which of the hosts that a PostgreSQL URL names takes writes: connect to that one.

libpq's `target_session_attrs=read-write` goes by what the server reported at login. A pooler
repeats what another session reported, and for ever: the session itself is asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow

from chenu_server.infra.db.pgask import ask
from chenu_server.infra.db.pgpipeline import ServerLost, ServerRefused

Connection = psycopg.Connection[TupleRow]

_STATE: Final = "SELECT current_setting('transaction_read_only'), pg_is_in_recovery()"
_LISTS: Final = ("host", "hostaddr", "port")


class TakesNoWrites(psycopg.OperationalError):
    """Somebody answers at the URL's hosts, and nobody there takes writes."""


def connect(params: Mapping[str, Any], *, reading: bool) -> Connection:
    """A connection to the first host that takes writes.

    Whoever reads takes a read-only primary if there is no other, for all that was committed is
    there; a standby may be behind it.

    Raises:
        TakesNoWrites, psycopg.OperationalError: As named; no host answers.
    """
    lost: psycopg.OperationalError | None = None
    refused: TakesNoWrites | None = None
    primary: Connection | None = None
    for place in _places(params):
        try:
            connection, state = _connected(place)
        except psycopg.OperationalError as error:
            lost = error
            continue
        if state == _WRITABLE:
            # Connected to one that can only be read, before a later host proved to take writes.
            _close(primary)
            return connection
        # Kept whatever another host says: somebody answers, and that is what to mend.
        refused = TakesNoWrites(f"{_named(place)} is read-only")
        if reading and state == _PRIMARY and primary is None:
            primary = connection
        else:
            connection.close()
    if primary is not None:
        return primary
    if refused is not None:
        return _by_address(params, refused)
    raise lost or psycopg.OperationalError("the URL names no host")


_WRITABLE: Final = ("off", "f")
_PRIMARY: Final = ("on", "f")


def _by_address(params: Mapping[str, Any], refused: TakesNoWrites) -> Connection:
    """One name may stand for several addresses, which only libpq tries one after the other."""
    try:
        connection, state = _connected({**params, "target_session_attrs": "read-write"})
    except psycopg.OperationalError:
        raise refused from None
    if state == _WRITABLE:
        return connection
    connection.close()
    raise refused


def _connected(params: Mapping[str, Any]) -> tuple[Connection, tuple[str, ...]]:
    connection = psycopg.connect(**params)
    try:
        return connection, ask(connection, _STATE)
    except (ServerLost, ServerRefused) as error:
        connection.close()
        raise psycopg.OperationalError(str(error)) from error


def _close(connection: Connection | None) -> None:
    if connection is not None:
        connection.close()


def _places(params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters for each host alone; a single port or address list is every host's."""
    plain = {name: value for name, value in params.items() if name not in _LISTS}
    # libpq is to take any: the session itself is asked, behind its login.
    plain["target_session_attrs"] = "any"
    lists = {name: str(params[name]).split(",") for name in _LISTS if name in params}
    for number in range(max(map(len, lists.values()), default=1)):
        here = {name: values[number % len(values)] for name, values in lists.items()}
        yield {**plain, **{name: value for name, value in here.items() if value}}


def _named(params: Mapping[str, Any]) -> str:
    host = params.get("host") or params.get("hostaddr") or "the local socket"
    return f"{host}:{params['port']}" if params.get("port") else str(host)
