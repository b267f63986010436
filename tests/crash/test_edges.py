"""A server is killed at each edge of the table of states; the table says what is then."""

from __future__ import annotations

import pytest

from tests.crash.books import assert_books_balance, assert_sums_agree, rows_of
from tests.crash.edges import EDGES, ON_POSTGRES, Edge
from tests.crash.scene import Scene
from tests.crash.site import DONE, Running, Site

pytestmark = pytest.mark.crash

FINAL = ("rejected", "expired", "completed", "failed", "cancelled")


@pytest.mark.parametrize("edge", EDGES, ids=str)
async def test_a_killed_server_leaves_what_the_table_says(site: Site, edge: Edge) -> None:
    """Nothing committed is lost, nothing runs twice, and the books balance: on SQLite."""
    await assert_edge_holds(edge, site)


@pytest.mark.parametrize("edge", ON_POSTGRES, ids=str)
async def test_a_killed_server_leaves_the_same_on_postgresql(
    postgres_site: Site, edge: Edge
) -> None:
    """There the dead owner is known by its free lock and its lease, not by the file."""
    await assert_edge_holds(edge, postgres_site)


async def assert_edge_holds(edge: Edge, site: Site) -> None:
    """Play the story, kill the server at the point, start another, and look."""
    story = edge.story
    site.upstream.script("*", story.upstream)
    scene = Scene(site, story.text, **story.fields)

    await story.act(scene, f"{edge.point}=kill")
    with site.left_behind() as database:
        left = rows_of(database, scene.request_id)
        assert_sums_agree(database)
    async with site.running() as at:
        await _assert_found(edge, scene, at)
        if not story.funded:
            await at.fund()
        outcomes = [await call(scene, at) for call, _ in edge.again]
        await _assert_stands(scene, at)
        await assert_books_balance(at, site, [scene.request_id])

    assert edge.left == left
    assert [outcome for _, outcome in edge.again] == outcomes
    assert edge.calls == scene.calls


async def _assert_found(edge: Edge, scene: Scene, at: Running) -> None:
    """What was left is taken over, before anybody asks, and the wire says what the tables say.

    On SQLite that is done before a start serves; on PostgreSQL once the dead owner's lease is over.
    """
    on_postgres = not scene.site.url.startswith("sqlite")
    if on_postgres and edge.left.query == "running" != edge.found.query:
        await scene.until(edge.found)
    if (edge.left.query, edge.found.query) == ("approved", "completed"):
        await scene.watch(at)  # it goes on by itself; everything else is done before it serves

    assert edge.found == scene.rows()
    if edge.found.query:
        checkpoint = edge.found.checkpoint.replace("consumed", "approved")
        assert (edge.found.query, checkpoint) == await scene.told(at)


async def _assert_stands(scene: Scene, at: Running) -> None:
    """The query is final: the same id has the same outcome, however often it is asked."""
    calls, rows = scene.calls, scene.rows()
    outcomes = {(await scene.ask(at), scene.text) for _ in range(2)}
    shown = await scene.shown(at)

    assert rows.query in FINAL
    assert 1 == len(outcomes)
    assert {
        (DONE if rows.query == "completed" else shown.query.outcome.reason, scene.text)
    } == outcomes
    assert shown.answer.text == scene.text
    assert (calls, rows) == (scene.calls, scene.rows())
