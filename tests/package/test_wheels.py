"""`pip install`, then `chenu dev`: a newcomer's first minute, with nothing of the tree at hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.dev_server import dev_server

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
BUILD_S = 900
# What makes an interpreter look at this tree, or measure itself.
OURS = ("PYTHON", "COVERAGE", "CHENU", "VIRTUAL_ENV")
TYPED = """
from importlib import resources
import chenu, chenu_server
print(*(f"{it.__file__} {resources.files(it).joinpath('py.typed').is_file()}"
        for it in (chenu, chenu_server)), sep="\\n")
"""


def run(*command: str | Path, folder: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """What a command prints; what it says when it fails is in the failure."""
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def foreign() -> dict[str, str]:
    """The environment without what would lead back to the tree."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def built(folder: Path) -> list[Path]:
    """The wheels that `make build` makes, built into a folder."""
    run(BIN / "maturin", "build", "--release", "--locked", "--out", folder)
    run(BIN / "uv", "build", "--wheel", "--package", "chenu", "--out-dir", folder)
    return sorted(folder.glob("*.whl"))


def installed(wheels: Sequence[Path], folder: Path) -> Path:
    """The programs of a new environment that holds the wheels and what they need, as locked."""
    locked = run(BIN / "uv", "export", "--frozen", "--no-dev", "--no-emit-workspace", "--no-hashes")
    (folder / "locked.txt").write_text(locked)
    run(BIN / "uv", "venv", "--python", sys.executable, folder / "env")
    python = folder / "env" / "bin" / "python"
    # As pip does: else the first start would compile everything, within its first minute.
    install = (BIN / "uv", "pip", "install", "--compile-bytecode", "--python", python)
    run(*install, "-c", folder / "locked.txt", *wheels)
    return python.parent


@pytest.mark.slow
@pytest.mark.timeout(BUILD_S)
def test_what_is_installed_serves_a_first_query(tmp_path: Path) -> None:
    """
    Fake provider, migrations, catalogue, policies and stubs are in the wheels: `dev` needs all of
    them, and nothing else is there.
    """
    (tmp_path / "dist").mkdir()
    programs = installed(built(tmp_path / "dist"), tmp_path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "http.py").write_text("raise ImportError('a module of the current folder')")
    chenu = programs / "chenu"
    with dev_server([chenu], folder, foreign()) as (_, exports):
        answer = run(chenu, "query", "Hello there", folder=folder, env=foreign() | exports)
    places = run(programs / "python", "-P", "-c", TYPED, folder=folder, env=foreign())

    assert "heard: Hello there" in answer
    assert ["True", "True"] == [line.split()[1] for line in places.splitlines()]
    assert all(line.startswith(str(tmp_path / "env")) for line in places.splitlines())
