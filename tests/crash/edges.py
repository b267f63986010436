"""Every edge of the table in ARCHITECTURE.md, section 2: where a server dies, and what is then.

A story is what happens until the server dies. An edge is a story, the point in it, and what must
be so: right after the kill, once the next server has started, and when the callers ask again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chenu_server.upstream import Behaviour
from tests.crash.books import Rows
from tests.crash.scene import DELETION, QUESTION, Scene
from tests.crash.site import DONE, Running
from tests.files import png

Call = Callable[[Scene, Running], Awaitable[str]]
Act = Callable[[Scene, str], Awaitable[None]]

PATIENCE_S: Final = 20.0

ask, approve, reject = Scene.ask, Scene.approve, Scene.reject
resume, cancel = Scene.resume, Scene.cancel
approve_at_once = Scene.approve_at_once


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happens to one query until its server is killed at a point."""

    name: str
    act: Act
    text: str = QUESTION
    fields: Mapping[str, Any] = field(default_factory=dict)
    upstream: tuple[Behaviour, ...] = ()
    funded: bool = True


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A story, the point at which the server dies, and what must be so then.

    `left` is what the crash leaves, `found` what start-up makes of it; `again` is what is asked
    then, with its outcomes, until the query is final; `calls` is how often the upstream was
    called in all.
    """

    point: str
    story: Story
    left: Rows
    found: Rows
    again: tuple[tuple[Call, str], ...]
    calls: int

    def __str__(self) -> str:
        return f"{self.point}-{self.story.name}"


# --- acts -------------------------------------------------------------------------------------


def dies_of(*calls: Call, funded: bool = True) -> Act:
    """The server gets these calls, one after another, and dies of the last."""

    async def act(scene: Scene, kill: str) -> None:
        async with scene.site.running(kill) as at:
            if funded:
                await at.fund()
            for call in calls[:-1]:
                await call(scene, at)
            assert "UNAVAILABLE" == await at.dies_of(calls[-1](scene, at))

    return act


def dies_at_start_after(*calls: Call) -> Act:
    """It is killed after these calls, time passes, and the next one dies before it serves."""

    async def act(scene: Scene, kill: str) -> None:
        async with scene.site.running() as at:
            await at.fund()
            for call in calls:
                await call(scene, at)
        scene.time_is_over()
        await scene.site.dies_at_start(kill)

    return act


async def dies_twice(scene: Scene, kill: str) -> None:
    """It dies while a query streams, and the one that takes it over dies of that."""
    await dies_of(ask)(scene, "execution.streaming=kill")
    await scene.site.dies_at_start(kill)


async def dies_of_cancelling_a_run(scene: Scene, kill: str) -> None:
    """The query is withdrawn while its provider is thinking."""
    scene.site.upstream.hold()
    async with scene.site.running(kill) as at:
        await at.fund()
        asked = asyncio.create_task(scene.ask(at))
        await asyncio.wait_for(scene.site.upstream.until_open(1), PATIENCE_S)
        assert "UNAVAILABLE" == await at.dies_of(scene.cancel(at))
        assert "UNAVAILABLE" == await asked
    scene.site.upstream.release()


async def dies_of_a_check_made_again(scene: Scene, kill: str) -> None:
    """Between the approval and its use an operator forbids what was approved."""
    async with scene.site.running() as at:
        await at.fund()
        assert ["CHECKPOINT_PENDING", DONE] == [await ask(scene, at), await approve(scene, at)]
    scene.site.forbid_everything()
    async with scene.site.running(kill) as at:
        assert "UNAVAILABLE" == await at.dies_of(resume(scene, at))


# --- stories ----------------------------------------------------------------------------------

ASKED: Final = Story(name="asked", act=dies_of(ask))
WITH_FILE: Final = Story(name="with-a-file", act=dies_of(ask), fields={"picture": png()})
BLOCKED: Final = Story(name="blocked", act=dies_of(ask), text=DELETION)
DENIED: Final = Story(name="denied", act=dies_of(ask, funded=False), funded=False)
APPROVED: Final = Story(name="approved", act=dies_of(ask, approve), text=DELETION)
AT_ONCE: Final = Story(name="at_once", act=dies_of(ask, approve_at_once), text=DELETION)
REJECTED: Final = Story(name="rejected", act=dies_of(ask, reject), text=DELETION)
WITHDRAWN: Final = Story(name="withdrawn", act=dies_of(ask, cancel), text=DELETION)
UNUSED: Final = Story(name="unused", act=dies_of(ask, approve, cancel), text=DELETION)
CONTINUED: Final = Story(name="continued", act=dies_of(ask, approve, resume), text=DELETION)
GOES_ON: Final = Story(
    name="goes_on",
    # The approval starts the run: whether it is answered before the kill is a race.
    act=dies_of(ask, approve, resume),
    text=DELETION,
    fields={"resume_on_approval": True},
)
DECIDED: Final = Story(
    name="decided",
    act=dies_of(ask, approve),
    text=DELETION,
    fields={"resume_on_approval": True},
)
CHECKED_AGAIN: Final = Story(name="checked_again", act=dies_of_a_check_made_again, text=DELETION)
UNDECIDED: Final = Story(name="undecided", act=dies_at_start_after(ask), text=DELETION)
TOO_LATE: Final = Story(name="too_late", act=dies_at_start_after(ask, approve), text=DELETION)
TAKEN_OVER: Final = Story(name="taken_over", act=dies_twice)
FAILS_OVER: Final = Story(name="fails_over", act=dies_of(ask), upstream=(Behaviour(status=500),))
REFUSED: Final = Story(name="refused", act=dies_of(ask), upstream=(Behaviour(status=400),))
CANCELLED: Final = Story(name="cancelled", act=dies_of_cancelling_a_run)

# --- states -----------------------------------------------------------------------------------

NOTHING: Final = Rows()
IS_BLOCKED: Final = Rows(query="blocked", checkpoint="pending", reservation="held")
IS_APPROVED: Final = Rows(query="approved", checkpoint="approved", reservation="held")
IS_DENIED: Final = Rows(query="failed")
IS_REJECTED: Final = Rows(query="rejected", checkpoint="rejected", reservation="voided")
IS_WITHDRAWN: Final = Rows(query="cancelled", checkpoint="cancelled", reservation="voided")
IS_EXPIRED: Final = Rows(query="expired", checkpoint="expired", reservation="expired")
IS_FORBIDDEN: Final = Rows(query="failed", checkpoint="cancelled", reservation="voided")
IS_REFUSED: Final = Rows(query="failed", reservation="voided", attempts=("failed",))
IS_CANCELLED: Final = Rows(query="cancelled", reservation="posted", attempts=("failed",))


def running(checkpoint: str = "", attempts: tuple[str, ...] = ("executing",)) -> Rows:
    """It runs, as its last attempt does."""
    return Rows(query="running", checkpoint=checkpoint, reservation="held", attempts=attempts)


def interrupted(checkpoint: str = "", attempts: tuple[str, ...] = ("interrupted",)) -> Rows:
    """It ran when its server died: nobody knows what came of it."""
    return Rows(query="failed", checkpoint=checkpoint, reservation="expired", attempts=attempts)


def completed(checkpoint: str = "") -> Rows:
    """It has its answer."""
    return Rows(
        query="completed", checkpoint=checkpoint, reservation="posted", attempts=("succeeded",)
    )


# --- the table --------------------------------------------------------------------------------

UNKNOWN: Final = "EXECUTION_INTERRUPTED"
THEN_APPROVED: Final = ((ask, "CHECKPOINT_PENDING"), (approve, DONE), (resume, DONE))
ONCE_APPROVED: Final = ((approve_at_once, DONE), (resume, DONE))
FAILED_OVER: Final = ("failed", "executing")
FAILED_TWICE: Final = ("failed", "interrupted")


def edge(point: str, story: Story, left: Rows, found: Rows, again: Any, calls: int) -> Edge:
    """A row of the table."""
    return Edge(point=point, story=story, left=left, found=found, again=tuple(again), calls=calls)


EDGES: Final = (
    # (none) -> running, blocked, failed
    edge("admit.before_commit", ASKED, NOTHING, NOTHING, [(ask, DONE)], 1),
    edge("admit.after_commit", ASKED, running(), interrupted(), [(ask, UNKNOWN)], 0),
    # The same with files: what was stored of one before the crash is in nobody's way.
    edge("hold_files.before_commit", WITH_FILE, NOTHING, NOTHING, [(ask, DONE)], 1),
    edge("hold_files.after_commit", WITH_FILE, NOTHING, NOTHING, [(ask, DONE)], 1),
    edge("keep_chunk.before_commit", WITH_FILE, NOTHING, NOTHING, [(ask, DONE)], 1),
    edge("keep_chunk.after_commit", WITH_FILE, NOTHING, NOTHING, [(ask, DONE)], 1),
    edge("admit.after_commit", WITH_FILE, running(), interrupted(), [(ask, UNKNOWN)], 0),
    edge("admit.before_commit", BLOCKED, NOTHING, NOTHING, THEN_APPROVED, 1),
    edge("admit.after_commit", BLOCKED, IS_BLOCKED, IS_BLOCKED, THEN_APPROVED, 1),
    edge("admit.before_commit", DENIED, NOTHING, NOTHING, [(ask, DONE)], 1),
    edge("admit.after_commit", DENIED, IS_DENIED, IS_DENIED, [(ask, "BUDGET_REQUIRED")], 0),
    # blocked -> approved, rejected, expired, cancelled
    edge("resolve.before_commit", APPROVED, IS_BLOCKED, IS_BLOCKED, THEN_APPROVED, 1),
    edge(
        "resolve.after_commit",
        APPROVED,
        IS_APPROVED,
        IS_APPROVED,
        [(approve, DONE), (resume, DONE)],
        1,
    ),
    edge("resolve_all.before_commit", AT_ONCE, IS_BLOCKED, IS_BLOCKED, THEN_APPROVED, 1),
    edge("resolve_all.after_commit", AT_ONCE, IS_APPROVED, IS_APPROVED, ONCE_APPROVED, 1),
    edge(
        "resolve.before_commit",
        DECIDED,
        IS_BLOCKED,
        IS_BLOCKED,
        [(approve, DONE), (resume, DONE)],
        1,
    ),
    edge(
        "resolve.after_commit",
        DECIDED,
        IS_APPROVED,
        completed("consumed"),
        [(approve, DONE), (ask, DONE)],
        1,
    ),
    edge(
        "resolve.before_commit",
        REJECTED,
        IS_BLOCKED,
        IS_BLOCKED,
        [(reject, DONE), (ask, "CHECKPOINT_REJECTED")],
        0,
    ),
    edge(
        "resolve.after_commit",
        REJECTED,
        IS_REJECTED,
        IS_REJECTED,
        [(reject, DONE), (ask, "CHECKPOINT_REJECTED")],
        0,
    ),
    edge(
        "expire.before_commit",
        UNDECIDED,
        IS_BLOCKED,
        IS_EXPIRED,
        [(approve, "CHECKPOINT_EXPIRED"), (ask, "CHECKPOINT_EXPIRED")],
        0,
    ),
    edge(
        "expire.after_commit",
        UNDECIDED,
        IS_EXPIRED,
        IS_EXPIRED,
        [(approve, "CHECKPOINT_EXPIRED"), (ask, "CHECKPOINT_EXPIRED")],
        0,
    ),
    edge(
        "cancel.before_commit",
        WITHDRAWN,
        IS_BLOCKED,
        IS_BLOCKED,
        [(cancel, DONE), (approve, "CHECKPOINT_CANCELLED")],
        0,
    ),
    edge(
        "cancel.after_commit",
        WITHDRAWN,
        IS_WITHDRAWN,
        IS_WITHDRAWN,
        [(cancel, DONE), (approve, "CHECKPOINT_CANCELLED")],
        0,
    ),
    # approved -> running, failed, expired, cancelled
    edge("consume.before_commit", CONTINUED, IS_APPROVED, IS_APPROVED, [(resume, DONE)], 1),
    edge(
        "consume.after_commit",
        CONTINUED,
        running("consumed"),
        interrupted("consumed"),
        [(resume, UNKNOWN), (ask, UNKNOWN)],
        0,
    ),
    edge(
        "consume.before_commit",
        GOES_ON,
        IS_APPROVED,
        completed("consumed"),
        [(resume, DONE)],
        1,
    ),
    edge(
        "consume.after_commit",
        GOES_ON,
        running("consumed"),
        interrupted("consumed"),
        [(resume, UNKNOWN)],
        0,
    ),
    edge(
        "consume.before_commit",
        CHECKED_AGAIN,
        IS_APPROVED,
        IS_APPROVED,
        [(resume, "POLICY_DENIED")],
        0,
    ),
    edge(
        "consume.after_commit",
        CHECKED_AGAIN,
        IS_FORBIDDEN,
        IS_FORBIDDEN,
        [(resume, "POLICY_DENIED")],
        0,
    ),
    edge(
        "expire.before_commit",
        TOO_LATE,
        IS_APPROVED,
        IS_EXPIRED,
        [(resume, "CHECKPOINT_EXPIRED")],
        0,
    ),
    edge(
        "expire.after_commit",
        TOO_LATE,
        IS_EXPIRED,
        IS_EXPIRED,
        [(resume, "CHECKPOINT_EXPIRED")],
        0,
    ),
    edge("cancel.before_commit", UNUSED, IS_APPROVED, IS_APPROVED, [(cancel, DONE)], 0),
    edge(
        "cancel.after_commit",
        UNUSED,
        IS_WITHDRAWN,
        IS_WITHDRAWN,
        [(cancel, DONE), (resume, "QUERY_CANCELLED")],
        0,
    ),
    # running -> running
    edge("retry.before_commit", FAILS_OVER, running(), interrupted(), [(ask, UNKNOWN)], 1),
    edge(
        "retry.after_commit",
        FAILS_OVER,
        running(attempts=FAILED_OVER),
        interrupted(attempts=FAILED_TWICE),
        [(ask, UNKNOWN)],
        1,
    ),
    # running, on the way to the provider and back
    edge("execution.before_dispatch", ASKED, running(), interrupted(), [(ask, UNKNOWN)], 0),
    edge("execution.streaming", ASKED, running(), interrupted(), [(ask, UNKNOWN)], 1),
    edge("execution.after_answer", ASKED, running(), interrupted(), [(ask, UNKNOWN)], 1),
    edge("settle.before_submit", ASKED, running(), interrupted(), [(ask, UNKNOWN)], 1),
    # running -> completed, failed, cancelled
    edge("settle.before_commit", ASKED, running(), interrupted(), [(ask, UNKNOWN)], 1),
    edge("settle.after_commit", ASKED, completed(), completed(), [(ask, DONE)], 1),
    edge(
        "settle.before_commit",
        CONTINUED,
        running("consumed"),
        interrupted("consumed"),
        [(resume, UNKNOWN)],
        1,
    ),
    edge("settle.before_commit", REFUSED, running(), interrupted(), [(ask, UNKNOWN)], 1),
    edge("settle.after_commit", REFUSED, IS_REFUSED, IS_REFUSED, [(ask, "PROVIDER_REJECTED")], 1),
    edge("settle.before_commit", CANCELLED, running(), interrupted(), [(ask, UNKNOWN)], 1),
    edge(
        "settle.after_commit",
        CANCELLED,
        IS_CANCELLED,
        IS_CANCELLED,
        [(cancel, DONE), (ask, "QUERY_CANCELLED")],
        1,
    ),
    # taken over, and the one that takes over dies too
    edge("recover.before_commit", TAKEN_OVER, running(), interrupted(), [(ask, UNKNOWN)], 1),
    edge("recover.after_commit", TAKEN_OVER, interrupted(), interrupted(), [(ask, UNKNOWN)], 1),
)

ON_POSTGRES: Final = tuple(
    each
    for each in EDGES
    if str(each)
    in (
        "admit.after_commit-asked",
        "consume.after_commit-continued",
        "settle.before_commit-asked",
        "execution.streaming-asked",
        "recover.after_commit-taken_over",
    )
)
