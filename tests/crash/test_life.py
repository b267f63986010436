"""How a server starts beside another, takes over from it, and stops."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chenu_server.cli.exit_codes import ExitCode
from loadtest.processes import ServerProcess
from tests.crash.books import Rows, assert_books_balance
from tests.crash.edges import interrupted
from tests.crash.fleet import lose_lock
from tests.crash.scene import DELETION, QUESTION, Scene
from tests.crash.site import DONE, Site

pytestmark = pytest.mark.crash

PATIENCE_S = 20.0


async def test_a_second_server_on_the_same_file_is_refused_and_told_why(
    site: Site, tmp_path: Path
) -> None:
    """Two writers of one SQLite file would each keep half of the promises."""
    scene = Scene(site, QUESTION)
    async with site.running() as at:
        await at.fund()
        second = ServerProcess(tmp_path, _sections(site))
        status = await asyncio.to_thread(second.wait)
        outcome = await scene.ask(at)

    assert ExitCode.CONFIG == status
    assert "is served by another process" in second.output()
    assert "use PostgreSQL" in second.output()
    assert "Traceback" not in second.output()
    assert DONE == outcome


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda it: it.name)
async def test_a_stop_lets_what_runs_finish_and_takes_nothing_new(
    site: Site, tmp_path: Path, number: signal.Signals
) -> None:
    """A deployment loses no answer: the call in hand gets its own, and the exit status is 0."""
    running, late = Scene(site, QUESTION), Scene(site, QUESTION)
    site.upstream.hold()
    with ServerProcess(tmp_path, _sections(site)) as server:
        await asyncio.to_thread(server.wait_serving)
        async with site.calling(server.port) as at:
            await at.fund()
            asked = asyncio.create_task(running.ask(at))
            await asyncio.wait_for(site.upstream.until_open(1), PATIENCE_S)
            os.kill(server.pid, number)
            await asyncio.to_thread(server.until, _is_draining(server), "drained", PATIENCE_S)
            refused = await late.ask(at)
            site.upstream.release()
            answered = await asked
        status = await asyncio.to_thread(server.wait)
    async with site.running() as at:
        again = await running.ask(at)
        await late.ask(at)
        await assert_books_balance(at, site, [running.request_id, late.request_id])

    assert 0 == status
    assert refused in ("GOVERNANCE_UNAVAILABLE", "UNAVAILABLE")  # still connected, or no more
    assert (DONE, DONE) == (answered, again)
    assert (1, 1) == (running.calls, late.calls)


async def test_a_server_that_was_told_to_outlive_its_terminal_does(
    site: Site, tmp_path: Path
) -> None:
    """`nohup` leaves the signal ignored; a server that heard it all the same would be gone."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a child inherits what is ignored
    try:
        with ServerProcess(tmp_path, _sections(site)) as server:
            await asyncio.to_thread(server.wait_serving)
            os.kill(server.pid, signal.SIGHUP)
            async with site.calling(server.port) as at:
                await at.fund()
                answered = await Scene(site, QUESTION).ask(at)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert DONE == answered


async def test_what_does_not_finish_in_its_grace_ends_as_interrupted(site: Site) -> None:
    """A stop takes no longer than configured, and leaves nothing for the next start to guess."""
    site.more["server.drain_grace_s"] = 1
    scene = Scene(site, QUESTION)
    site.upstream.hold()
    async with site.running() as at:
        await at.fund()
        asked = asyncio.create_task(scene.ask(at))
        await asyncio.wait_for(site.upstream.until_open(1), PATIENCE_S)
        at.server.terminate()
        status = await at.server.ended()
        await asked
    rows = scene.rows()
    site.upstream.release()
    async with site.running() as at:
        again = await scene.ask(at)
        await assert_books_balance(at, site, [scene.request_id])

    assert 0 == status
    assert Rows(query="failed", reservation="posted", attempts=("failed",)) == rows
    assert "EXECUTION_INTERRUPTED" == again
    assert 1 == scene.calls


async def test_a_living_server_takes_over_from_a_dead_one_and_from_no_other(
    postgres_site: Site,
) -> None:
    """With many servers none has to start for the dead one's money to come back."""
    site = postgres_site
    own, left = Scene(site, QUESTION), Scene(site, QUESTION)
    site.upstream.hold()
    async with (
        site.running() as living,
        site.running() as busy,
        site.running("execution.before_dispatch=kill") as dying,
    ):
        await living.fund()
        asked = asyncio.create_task(own.ask(busy))
        await asyncio.wait_for(site.upstream.until_open(1), PATIENCE_S)
        lost = await dying.dies_of(left.ask(dying))
        taken_over = await left.ask(living)
        rows = left.rows()
        site.upstream.release()
        answered = await asked
        await assert_books_balance(living, site, [own.request_id, left.request_id])

    assert ("UNAVAILABLE", "EXECUTION_INTERRUPTED", DONE) == (lost, taken_over, answered)
    assert interrupted() == rows
    assert (1, 0) == (own.calls, left.calls)


async def test_a_server_that_was_away_too_long_answers_what_another_decided(
    postgres_site: Site,
) -> None:
    """It is back with an answer that nobody recorded: its caller gets what stands, at once."""
    site, scene = postgres_site, Scene(postgres_site, QUESTION)
    site.upstream.hold()
    async with site.running() as living, site.running() as away:
        await living.fund()
        asked = asyncio.create_task(scene.ask(away))
        await asyncio.wait_for(site.upstream.until_open(1), PATIENCE_S)
        with away.server.paused():
            lose_lock(site, away)  # its host is gone from the network
            await scene.until(interrupted())
            taken_over = await scene.ask(living)
        site.upstream.release()
        answered = await asked
        await assert_books_balance(living, site, [scene.request_id])

    assert ("EXECUTION_INTERRUPTED", "EXECUTION_INTERRUPTED") == (taken_over, answered)
    assert interrupted() == scene.rows()
    assert 1 == scene.calls


async def test_an_approval_outlives_the_server_that_took_it(postgres_site: Site) -> None:
    """Asked on one server, approved on another, run on a third: once."""
    site = postgres_site
    scene = Scene(site, DELETION)
    async with site.running() as first, site.running() as second:
        await first.fund()
        pending = await scene.ask(first)
        first.server.kill()
        approved = await scene.approve(second)
        second.server.kill()
    async with site.running() as third, site.running() as fourth:
        answers = await asyncio.gather(scene.resume(third), scene.ask(fourth))
        await assert_books_balance(third, site, [scene.request_id])

    assert ("CHECKPOINT_PENDING", DONE) == (pending, approved)
    assert [DONE, DONE] == list(answers)
    assert 1 == scene.calls


def _sections(site: Site) -> dict[str, dict[str, Any]]:
    """A site's settings as `chenu serve` takes them from its environment."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in site.settings().items():
        section, _, key = name.partition(".")
        if key:
            sections.setdefault(section, {})[key] = value
    return sections


def _is_draining(server: ServerProcess) -> Callable[[], bool | None]:
    return lambda: '"draining"' in server.output() or None
