"""How several hosts may be written in `database.url`."""

from __future__ import annotations

import pytest

from chenu_server.infra.db.engine import connect_parameters, reader_engine, writer_engine
from chenu_server.infra.db.migrate import check_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:pw@one:5432,two:5433/db", ("one,two", "5432,5433", "me", "pw", "db")),
        ("postgresql+psycopg://me@one,two/db", ("one,two", ",", "me", None, "db")),
        ("postgresql://one,two:5433/db", ("one,two", ",5433", None, None, "db")),
        ("postgresql://me:p%40@one,[::1]:5/db", ("one,::1", ",5", "me", "p@", "db")),
        ("postgresql://me@/db?host=one:1&host=two:2", ("one,two", "1,2", "me", None, "db")),
        ("postgresql://me@one:5432/db", ("one", 5432, "me", None, "db")),
    ],
)
def test_hosts_are_read_as_libpq_and_as_sqlalchemy_write_them(
    url: str, expected: tuple[object, ...]
) -> None:
    """An operator pastes what the database's own documentation says."""
    read = connect_parameters(url)
    names = ("host", "port", "user", "password", "dbname")

    assert expected == tuple(read.get(name) for name in names)


def test_several_hosts_pass_every_door() -> None:
    """The check, the writer and the readers ask the same URL which store it is."""
    url = "postgresql+psycopg://me:pw@one:5432,two:5432/db"
    check_url(url)

    assert ["postgresql"] * 2 == [
        engine.dialect.name for engine in (writer_engine(url), reader_engine(url, connections=1))
    ]


def test_a_port_that_is_no_number_is_told() -> None:
    """Like that of a single host."""
    with pytest.raises(ValueError, match="cannot be read"):
        check_url("postgresql://me@one:5432,two:port/db")


def test_what_stands_behind_the_hosts_is_kept() -> None:
    """TLS is not lost with a second host."""
    read = connect_parameters("postgresql://one,two/db?sslmode=verify-full")

    assert "verify-full" == read["sslmode"]
