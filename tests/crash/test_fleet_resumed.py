"""What goes on by itself once it is approved does so wherever that was, and whoever is gone."""

from __future__ import annotations

from typing import Final

import pytest

from tests.crash.books import assert_books_balance
from tests.crash.edges import completed
from tests.crash.fleet import ANSWER, STREAMED, Watching, three
from tests.crash.scene import DELETION, Scene
from tests.crash.site import DONE, Site

pytestmark = pytest.mark.crash

ASKER, APPROVER = "asker", "approver"
GONE: Final = {
    "nobody": (),
    "who was asked": (ASKER,),
    "who took the approval": (APPROVER,),
    "both": (ASKER, APPROVER),
}


@pytest.mark.parametrize("gone", GONE)
async def test_what_is_approved_elsewhere_runs_once_and_is_watched_to_its_end(
    postgres_site: Site, gone: str
) -> None:
    """The asker is killed while it waits, the approver once its approval is committed."""
    site, scene = postgres_site, Scene(postgres_site, DELETION, resume_on_approval=True)
    site.upstream.behave("*", STREAMED)
    kill = "resolve.after_commit=kill" if APPROVER in GONE[gone] else ""
    async with three(site, ("", "", kill)) as (asker, watched, approver):
        assert "CHECKPOINT_PENDING" == await scene.ask(asker)
        watching = Watching(watched, scene)
        if ASKER in GONE[gone]:
            asker.server.kill()
        approving = scene.approve(approver)
        told = await (approver.dies_of(approving) if kill else approving)
        over = await watching.over()
        # All that live look for what was approved, and each would run it.
        again = [
            await scene.approve(watched),
            await scene.resume(watched),
            await scene.ask(watched),
        ]
        await assert_books_balance(watched, site, [scene.request_id])

    assert ("UNAVAILABLE" if kill else DONE) == told
    assert (DONE, DONE, ANSWER) == (over, watching.end, watching.text)
    assert [DONE] * 3 == again
    assert (completed("consumed"), 1) == (scene.rows(), scene.calls)
