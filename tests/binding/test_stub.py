"""The stub says what the extension really has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_stub_matches_the_extension() -> None:
    """A name or parameter that only one of them has would pass mypy and fail at run time."""
    command = [sys.executable, "-m", "mypy.stubtest", "chenu_server._core"]
    config = ["--mypy-config-file", str(ROOT / "pyproject.toml")]
    found = subprocess.run(
        [*command, *config], cwd=ROOT / "server", capture_output=True, text=True, check=False
    )

    assert (0, "") == (found.returncode, found.stderr), found.stdout
