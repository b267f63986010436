"""PgBouncer before a test's database, from the distribution's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from chenu_server.infra.db.engine import connect_parameters

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
Pooled = Callable[..., str]
_NUMBER = "6432"
"""Names the socket; every folder has its own."""


class Bouncer:
    """One pooler on a socket in its own folder; `url` leads through it to the database.

    Not on a port: a free one may be another's by the time that it is taken.
    """

    def __init__(self, url: str, *, mode: str, size: int, more: str) -> None:
        assert BINARY is not None
        self._folder = Path(tempfile.mkdtemp(prefix="chenu-pgb-"))
        config = self._folder / "pgbouncer.ini"
        config.write_text(_config(url, self._folder, mode, size, more), encoding="utf-8")
        query = {"host": str(self._folder), "port": _NUMBER}
        place = sa.make_url(url).set(host=None, port=None, query=query)
        self.url = place.render_as_string(hide_password=False)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen([BINARY, "-q", str(config)], stderr=log, stdout=log)

    def wait(self) -> None:
        """Until it answers."""
        parameters = connect_parameters(self.url)
        while True:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            with suppress(psycopg.OperationalError), psycopg.connect(**parameters):
                return
            time.sleep(0.01)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder)


def _config(url: str, folder: Path, mode: str, size: int, more: str) -> str:
    to = connect_parameters(url)
    names = ("host", "port", "user", "password", "dbname")
    target = " ".join(f"{name}={to[name]}" for name in names if to.get(name))
    lines = [
        f"[databases]\n{to['dbname']} = {target}",
        f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nauth_type = any",
        f"listen_port = {_NUMBER}\npool_mode = {mode}\ndefault_pool_size = {size}\n{more}",
    ]
    if os.geteuid() == 0:
        # It refuses to run as root, and must be let into the directory of the server's socket.
        theirs = Path(str(to.get("host", "")))
        user = theirs.owner() if theirs.is_absolute() else "nobody"
        shutil.chown(folder, user)
        lines.append(f"user = {user}")
    return "\n".join(lines)


@pytest.fixture
def pooled() -> Iterator[Pooled]:
    """Puts a pooler before a database: `pooled(url, mode="session")` is the URL through it."""
    if BINARY is None:
        why = "no pgbouncer here: apt-get install pgbouncer"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    bouncers: list[Bouncer] = []

    def pooling(url: str, *, mode: str, size: int = 20, more: str = "") -> str:
        bouncers.append(Bouncer(url, mode=mode, size=size, more=more))
        bouncers[-1].wait()
        return bouncers[-1].url

    yield pooling
    for bouncer in bouncers:
        bouncer.close()
