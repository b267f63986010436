"""What a database URL names. Every module that opens, locks or makes a file asks here.

SQLAlchemy decodes the %-escapes of a URL's path. Nothing here decodes them again, and nobody else
takes a path out of a URL: a lock on another file than the one that is written protects nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import sqlalchemy as sa

_HOSTS: Final = re.compile(
    r"(?P<scheme>postgresql(?:\+psycopg)?://)(?P<user>[^/?]*@)?(?P<hosts>[^/?@]*,[^/?@]*)"
    r"(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)
_PLACE: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>\d*))?")


class UnusableUrl(ValueError):
    """A SQLite URL names no file. The message says what to write."""


def is_sqlite(url: str) -> bool:
    """Whether the URL names the embedded store.

    By its scheme alone: a PostgreSQL URL with several hosts is none that SQLAlchemy reads.
    """
    return url.partition(":")[0].partition("+")[0] == "sqlite"


def engine_url(url: str) -> sa.URL:
    """The URL of the embedded store for SQLAlchemy, with the very path of `sqlite_file`.

    Raises:
        UnusableUrl: As `sqlite_file`.
    """
    return sa.make_url(url).set(database=str(sqlite_file(url)))


def sqlite_file(url: str) -> Path:
    """The file of a `sqlite:///path` URL. In it `%20` is a space, `%3F` a `?` and `%25` a `%`.

    Raises:
        UnusableUrl: It names no file, or its escapes are no text, or it has a query.
    """
    if "?" in url:
        raise UnusableUrl("database.url takes no options; write a ? in a file's name as %3F")
    try:
        unquote(url, errors="strict")  # SQLAlchemy would put a replacement character
    except UnicodeDecodeError as error:
        raise UnusableUrl("database.url has %-escapes that are not UTF-8; correct them") from error
    path = sa.make_url(url).database or ""
    if path in {"", ":memory:"} or path.startswith("file:") or "\0" in path:
        raise UnusableUrl("database.url names no file; write sqlite:///path")
    return Path(path)


def sqlite_url(path: Path) -> str:
    """The URL that names a file."""
    return f"sqlite:///{quote(str(path))}"


def postgres_url(url: str) -> sa.URL:
    """The URL of a server for SQLAlchemy, which reads no `//one:5432,two:5432/db` by itself.

    Several hosts may stand in it as libpq writes them, or as SQLAlchemy does.

    Raises:
        sqlalchemy.exc.ArgumentError, ValueError: It cannot be read.
    """
    found = _HOSTS.fullmatch(url)
    if found is None:
        return sa.make_url(url)
    places = [_PLACE.fullmatch(place) for place in found["hosts"].split(",")]
    if not all(places):
        raise sa.exc.ArgumentError("a host is not written as host:port")
    names = ",".join(place["name"].strip("[]") for place in places if place)
    # One for each host, be it empty, or a later host would be given an earlier one's.
    ports = ",".join(place["port"] or "" for place in places if place)
    query = f"host={quote(names)}&port={quote(ports)}"
    more = f"&{found['query']}" if found["query"] else ""
    return sa.make_url(
        f"{found['scheme']}{found['user'] or ''}{found['path'] or '/'}?{query}{more}"
    )
