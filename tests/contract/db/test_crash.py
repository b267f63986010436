"""Killed at either side of a commit, a command happened wholly or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.contract.db.conftest import OpenWriter, rows_of
from tests.contract.db.sample import TOTALS, Change
from tests.contract.db.test_ledger_chain import verified


def run_until_killed(url: str, spec: str) -> list[int]:
    """The totals that the process was answered before it was killed."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.contract.db.crash_child", url, spec],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert -signal.SIGKILL == child.returncode, child.stderr
    return [int(line) for line in child.stdout.splitlines()]


@pytest.mark.crash
@pytest.mark.parametrize(("edge", "committed"), [("before_commit", 2), ("after_commit", 3)])
async def test_a_kill_leaves_all_of_a_unit_or_nothing(
    url: str, open_writer: OpenWriter, edge: str, committed: int
) -> None:
    """The third change's row and entry stand or fall together; two were answered."""
    answered = run_until_killed(url, f"update_budget.{edge}=kill@3")

    assert [1, 2] == answered
    assert [(committed,)] == rows_of(url, TOTALS)
    assert committed == verified(url).size
    assert committed + 1 == await (await open_writer(url)).submit(Change())
