"""How `serve` and `migrate` end when they cannot do their work: a status and a line, no trace."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chenu_server.cli.exit_codes import ExitCode
from chenu_server.governance.identity.tokens import create_key
from chenu_server.infra.db import migrate
from tests.poolers import Pooled

AWAY = "postgresql+psycopg://me:hunter2@127.0.0.1:1/chenu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the command runs: with a key, and a file that is no database."""
    create_key(tmp_path / "var" / "token.key")
    (tmp_path / "photo.jpg").write_bytes(b"not a database" * 400)
    return tmp_path


def chenu(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command, the whole way."""
    command = (sys.executable, "-m", "chenu_server", *arguments)
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.parametrize("words", [("serve", "--listen=127.0.0.1:0"), ("migrate",)], ids=" ".join)
@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        (AWAY, ExitCode.UNAVAILABLE, "does not answer"),
        ("sqlite:///photo.jpg", ExitCode.CONFIG, "no SQLite database"),
        ("mysql://db/chenu", ExitCode.CONFIG, "sqlite:///path or postgresql"),
        ("postgresql://db:port/chenu", ExitCode.CONFIG, "cannot be read"),
    ],
)
def test_a_database_that_cannot_be_used_is_told(
    words: tuple[str, ...], url: str, code: ExitCode, said: str, folder: Path
) -> None:
    """Operators read the last line; scripts read the status."""
    done = chenu(folder, *words, f"--set=database.url={url}")

    assert code == done.returncode
    assert said in done.stderr
    assert not any(it in done.stderr for it in ("Traceback", "hunter2"))


@pytest.mark.parametrize(
    ("words", "mode"),
    [(("serve", "--listen=127.0.0.1:0"), "transaction"), (("migrate",), "statement")],
    ids=["serve", "migrate"],
)
def test_a_pooler_that_changes_sessions_is_told(
    words: tuple[str, ...], mode: str, folder: Path, postgres_url: str, pooled: Pooled
) -> None:
    """One line with what to do, before anything is served or changed."""
    url = pooled(postgres_url, mode=mode, size=1)
    done = chenu(folder, *words, f"--set=database.url={url}")

    assert ExitCode.CONFIG == done.returncode
    assert "set its pool_mode to session" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_folder_that_does_not_exist_is_made_by_migrate_alone(folder: Path) -> None:
    """`serve` says which command is due instead of SQLite's `unable to open`."""
    url = "--set=database.url=sqlite:///new/below/chenu.db"
    served = chenu(folder, "serve", "--listen=127.0.0.1:0", url)
    made = (folder / "new").exists()
    migrated = chenu(folder, "migrate", url)

    assert (ExitCode.CONFIG, False) == (served.returncode, made)
    assert "run `chenu migrate`" in served.stderr
    assert (0, True) == (migrated.returncode, (folder / "new/below/chenu.db").exists())


def test_a_newer_database_is_told_by_migrate_as_by_its_check(folder: Path) -> None:
    """It is the same mistake."""
    migrate.upgrade(f"sqlite:///{folder}/var/chenu.db")
    with closing(sqlite3.connect(folder / "var/chenu.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    done, checked = chenu(folder, "migrate"), chenu(folder, "migrate", "--check")

    assert (ExitCode.CONFIG, checked.stderr) == (done.returncode, done.stderr)
    assert "newer version" in done.stderr


@pytest.mark.parametrize(
    "mistake", ["policies.operator_dir=absent", "identity.issuers=[{}]"], ids=["policy", "key"]
)
def test_a_start_that_fails_leaves_no_owner(mistake: str, folder: Path) -> None:
    """What it would have left, a later start would have to take over."""
    migrate.upgrade(f"sqlite:///{folder}/var/chenu.db")
    mistake = mistake.replace("{}", '{"name": "a", "key_file": "absent"}')
    done = chenu(folder, "serve", "--listen=127.0.0.1:0", f"--set={mistake}")
    with closing(sqlite3.connect(folder / "var/chenu.db")) as connection:
        (owners,) = connection.execute("SELECT count(*) FROM owners").fetchone()

    assert (ExitCode.CONFIG, 0) == (done.returncode, owners)
    assert "absent" in done.stderr
