"""The bench of an upgrade fills a database that the upgrade takes along."""

from __future__ import annotations

import pytest

from loadtest.bench import migrated


@pytest.mark.parametrize("more", [[], ["--postgres"]], ids=["sqlite", "postgresql"])
def test_an_upgrade_is_timed_on_rows_of_the_release(
    more: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each revision meets rows of every table that it touches."""
    monkeypatch.setattr("sys.argv", ["migrated", "--rows", "300", *more])
    migrated.main()

    assert capsys.readouterr().out.startswith("300 queries: ")
