"""One file: the one that a URL names is opened, migrated and locked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chenu_server.cli.migrate import make_folder
from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import reader_engine
from chenu_server.infra.db.owners import FileOwner, StoreInUse
from chenu_server.infra.db.stores import store_at
from chenu_server.infra.db.urls import UnusableUrl, sqlite_file, sqlite_url

# What stands in the URL, and the name of the file.
NAMES = {
    "a%20b.db": "a b.db",
    "a b.db": "a b.db",
    "a%2520b.db": "a%20b.db",
    "a+b.db": "a+b.db",
    "what%3F.db": "what?.db",
    "one%23two.db": "one#two.db",
    "one#two.db": "one#two.db",
    "%C3%A9t%C3%A9.db": "été.db",
    "été.db": "été.db",
    "100%.db": "100%.db",
    "me@home:1.db": "me@home:1.db",
    "a%2Fb.db": "a/b.db",
    "no-suffix": "no-suffix",
    "%25zz.tar.db": "%zz.tar.db",
}


@pytest.mark.parametrize("written", NAMES)
def test_the_file_that_is_named_is_the_one_that_is_used(written: str, tmp_path: Path) -> None:
    """A lock, a schema or a reader on another file than the writer's would protect nothing."""
    folder, name = tmp_path / "in here", NAMES[written]
    url = f"sqlite:///{folder}/{written}"
    make_folder(url)
    migrate.upgrade(url)
    owner = FileOwner(url)
    with pytest.raises(StoreInUse, match="is served by another process") as refused:
        FileOwner(url)
    session = store_at(url).connect()
    session.begin()
    session.rollback()
    with reader_engine(url, connections=1).connect() as reader:
        (opened,) = reader.exec_driver_sql("SELECT file FROM pragma_database_list").scalars()
    session.close()
    owner.close()
    migrate.check(url)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    assert str(folder / name) == opened
    assert str(refused.value).startswith(f"{folder / name} is served")
    assert {name, f"{name}.lock"} == {it for it in files if not it.endswith(("-wal", "-shm"))}
    with closing(sqlite3.connect(folder / name)) as database:
        assert [(1,)] == database.execute("SELECT count(*) FROM owners").fetchall()


@pytest.mark.parametrize(
    "path",
    [":memory:", "%3Amemory:", "file:a.db", "", "a%00b.db", "a.db?mode=ro", "a?b.db", "caf%E9.db"],
)
def test_a_url_that_names_no_file_is_refused(path: str) -> None:
    """A store in memory would lose every decision, and an option would change its promises."""
    with pytest.raises(UnusableUrl, match=r"database\.url"):
        migrate.check_url(f"sqlite:///{path}")


@pytest.mark.parametrize("name", sorted(set(NAMES.values())))
def test_a_file_is_named_so_that_it_is_found(name: str, tmp_path: Path) -> None:
    """`chenu dev` makes a URL from whatever folder it is given."""
    assert tmp_path / name == sqlite_file(sqlite_url(tmp_path / name))
