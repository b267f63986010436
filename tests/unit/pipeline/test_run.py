"""Who is attached to a run, and when it is let go of."""

from __future__ import annotations

import pytest

from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.run import QueryRun
from tests.unit.pipeline.test_log import ASKED, KEY, event, final


@pytest.mark.parametrize(("ends", "finishes"), [(True, False), (False, True)])
async def test_what_has_ended_is_not_abandoned(*, ends: bool, finishes: bool) -> None:
    """Whoever leaves with the answer leaves nothing behind, and no timer either."""
    run = QueryRun(QueryLog(KEY, ASKED), deadline_s=30, abandon_after_s=30, detached=False)
    with run.attached():
        run.log.commit([event(1)])
        if ends:
            run.log.commit([final(2)])
        if finishes:
            run.finish()
    abandoning = run._abandoning
    run.finish()

    assert abandoning is None


async def test_what_goes_on_is_abandoned_once_all_have_left() -> None:
    """Nobody would read what it still costs."""
    run = QueryRun(QueryLog(KEY, ASKED), deadline_s=30, abandon_after_s=30, detached=False)
    with run.attached():
        run.log.commit([event(1)])
        attached = run._abandoning
    left = run._abandoning
    run.finish()

    assert (None, True) == (attached, left is not None)
