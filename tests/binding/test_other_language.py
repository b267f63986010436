"""ARCHITECTURE.md §8 is enough: an encoder in another language, written from it, agrees."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

VECTORS = Path(__file__).parent.parent / "vectors"


def encoder(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the encoder says of the vectors beside it; skipped where there is no Node.js."""
    node = shutil.which("node")
    if node is None and not os.environ.get("CI"):
        pytest.skip("Node.js is not installed; it is needed for this test alone")
    assert node is not None, "CI has Node.js"
    command = [node, str(folder / "encode.mjs")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_page_is_enough_to_make_the_published_hashes() -> None:
    """Whoever checks a ledger or an approval need not read this server's code."""
    said = encoder(VECTORS)

    assert (0, "") == (said.returncode, said.stderr)
    assert "values as published" in said.stdout


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("canonical.json", '"6263"', '"6264"'),
        ("request.json", '"nova.query"', '"nova.other"'),
        ("prompts.json", '"tag": "', '"tag": "0'),
        ("ledger.json", '"ledger_number": 7', '"ledger_number": 8'),
    ],
)
def test_the_comparison_can_fail(tmp_path: Path, name: str, good: str, bad: str) -> None:
    """An encoder that agreed with anything would prove nothing."""
    folder = shutil.copytree(VECTORS, tmp_path / "vectors")
    file = folder / name
    file.write_text(file.read_text("utf-8").replace(good, bad), "utf-8")

    assert 1 == encoder(folder).returncode
