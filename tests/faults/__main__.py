"""Run the fault matrix: `python -m tests.faults [--database postgres] [--only WORD]`.

With `--cases FOLDER` the answers in the files of a folder are met as well (see `replay.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from loadtest.database import DATABASES, fresh_database
from loadtest.processes import end_like_ctrl_c
from tests.faults.kinds import all_kinds
from tests.faults.replay import cases_in, is_known
from tests.faults.report import REPORT, report
from tests.faults.run import Meeting, meet_all
from tests.faults.script import Kind
from tests.faults.site import sited


def main() -> int:
    """0 if everything was as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, default=DATABASES[0])
    parser.add_argument("--only", default="", help="kinds whose `provider:name` holds this")
    parser.add_argument("--cases", type=Path, help="a folder of answers, met besides")
    asked = parser.parse_args()
    end_like_ctrl_c()
    cases = list(cases_in(asked.cases)) if asked.cases else []
    chosen = [kind for kind in (*all_kinds(), *cases) if asked.only in kind.marker]
    kinds = [kind for kind in chosen if kind not in cases]
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chenu-faults-") as folder:
        meetings = asyncio.run(_met(asked.database, Path(folder), chosen))
    held = Counter(meeting.kind.marker for meeting in meetings if not meeting.wrong)
    page = report(kinds, held)
    print(page)
    _tell_cases([meeting for meeting in meetings if meeting.kind in cases])
    wrong = [meeting for meeting in meetings if meeting.wrong]
    if not asked.only:
        REPORT.write_text(page, encoding="utf-8")
        print(f"written to {REPORT}")
    took_s = time.monotonic() - started_s
    print(f"{len(meetings)} meetings on {asked.database} in {took_s:.0f} s, {len(wrong)} wrong")
    return 1 if wrong else 0


async def _met(database: str, folder: Path, kinds: list[Kind]) -> list[Meeting]:
    with fresh_database(database, folder) as url:
        async with sited(url, folder, kinds) as site:
            meetings = await meet_all(site, kinds, told=_tell)
            print(f"the server held {site.peak_mib} MiB at most", file=sys.stderr)
            return meetings


def _tell_cases(meetings: list[Meeting]) -> None:
    """What each case came to, and where nothing but what holds of everything was checked."""
    for meeting in meetings:
        verdict = "wrong" if meeting.wrong else "held" if is_known(meeting.kind) else "unknown"
        print(f"{verdict:8}{meeting.kind.marker} [{meeting.variant.name}]: {meeting.outcome}")


def _tell(meeting: Meeting) -> None:
    if meeting.wrong:
        print(f"WRONG {meeting.kind.marker} [{meeting.variant.name}]", file=sys.stderr)
        for each in meeting.wrong:
            print(f"      {each[:300]}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
