"""PgBouncer before a test's database, from the distribution's package."""

from __future__ import annotations

import os
import shutil
import socket
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


class Bouncer:
    """One pooler on a free port; `url` leads through it to the database."""

    def __init__(self, url: str, *, mode: str, size: int, more: str) -> None:
        assert BINARY is not None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._folder = Path(tempfile.mkdtemp(prefix="chenu-pgb-"))
        config = self._folder / "pgbouncer.ini"
        config.write_text(_config(url, port, mode, size, more), encoding="utf-8")
        place = sa.make_url(url).set(host="127.0.0.1", port=port, query={})
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


def _config(url: str, port: int, mode: str, size: int, more: str) -> str:
    to = connect_parameters(url)
    names = ("host", "port", "user", "password", "dbname")
    target = " ".join(f"{name}={to[name]}" for name in names if to.get(name))
    lines = [
        f"[databases]\n{to['dbname']} = {target}",
        "[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\nauth_type = any",
        f"listen_port = {port}\npool_mode = {mode}\ndefault_pool_size = {size}\n{more}",
    ]
    if os.geteuid() == 0:
        # It refuses to run as root, and must be let into the directory of the server's socket.
        folder = Path(str(to.get("host", "")))
        lines.append(f"user = {folder.owner() if folder.is_absolute() else 'nobody'}")
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
