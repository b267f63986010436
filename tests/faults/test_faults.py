"""The fault matrix in small: some of its kinds against a real server, and its page is fresh."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.faults.kinds import all_kinds
from tests.faults.observe import Variant
from tests.faults.report import REPORT, report, whole
from tests.faults.run import meet_all
from tests.faults.site import sited

EVERY = 16
QUICK = (Variant(streams=True, has_next=False), Variant(streams=False, has_next=True))


def test_the_page_shows_every_kind_and_that_all_held() -> None:
    """What is published is what the matrix says now; `make faults` writes it."""
    assert whole(all_kinds()) == REPORT.read_text(encoding="utf-8")


def test_the_page_counts_only_what_it_shows() -> None:
    """Cases from a folder are met in the same run, and are no rows of the page."""
    kind, case = all_kinds()[:2]
    page = report([kind], Counter({kind.marker: 4, case.marker: 4}))

    assert "1 kinds; 4 of 4 meetings were as they must be." in page


async def test_some_of_all_kinds_come_to_what_they_must(tmp_path: Path, database_url: str) -> None:
    """Every so many of them, others on each store; `make faults` meets them all."""
    first = 0 if database_url.startswith("sqlite") else EVERY // 2
    kinds = all_kinds()[first::EVERY]

    async with sited(database_url, tmp_path, kinds) as site:
        meetings = await meet_all(site, kinds, variants=QUICK)

    assert [] == [
        (each.kind.marker, each.variant.name, each.wrong) for each in meetings if each.wrong
    ]
