"""A database of the release before: taken along whole, by whatever road, and gone on with."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from signal import SIGKILL
from typing import Final, NamedTuple

import pytest
import sqlalchemy as sa

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.ids import new_id
from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.reader import Reader
from chenu_server.pipeline.media_store import SqlFiles
from tests.contract.db.release import answers, rows
from tests.contract.db.release.answers import FINAL, Plain
from tests.contract.db.release.asked import (
    APPROVED,
    ASKS,
    NEVER_STORED,
    PICTURE,
    RUNNING,
    UNUSED,
    WAITING,
)
from tests.contract.db.release.people import IDENTITIES, SYSTEM, People
from tests.contract.db.release.play import DONE, PENDING, Play, soon
from tests.contract.db.release.rest import at_rest
from tests.harness import Stage, staged

HOUR_US: Final = 3_600_000_000
KILLS: Final = 6
OLDER: Final = "0004"
"""A revision whose road to the present one remakes a table that has rows."""


@pytest.fixture(scope="session")
def known() -> Plain:
    """What the release answered from it."""
    return answers.known()


def test_both_stores_hold_what_was_written(release_url: str) -> None:
    """One file serves both: a value that a store kept otherwise would be another release's."""
    assert rows.kept() == rows.stored_at(release_url)


async def test_all_is_answered_as_the_release_answered_it(
    release_url: str, tmp_path: Path, known: Plain
) -> None:
    """Queries, logs, outputs, pages, checkpoints with their content, money, ledger, violations.

    As of the day of the fixture, by a server that lets lie what has lapsed since: the states that
    an upgrade in operation meets are there for an hour, and not for ever.
    """
    migrate.upgrade(release_url)
    async with at_rest(release_url, tmp_path, known["taken_us"]) as people:
        found = await answers.answered(people, known["ids"])
    slots = await answers.slots_at(release_url, known["taken_us"])

    given = {name: known[name] for name in ("taken_us", "ids")}
    assert [] == list(answers.differences(known, {**given, "slots": slots, **found}))


async def test_a_start_ends_what_was_left_and_changes_nothing_else(
    release_url: str, tmp_path: Path, known: Plain
) -> None:
    """Days later: what waited has expired, what ran was interrupted, and no answer is another."""
    migrate.upgrade(release_url)
    async with staged(release_url, tmp_path) as stage:
        people = People(stage.channel, stage.issuer)
        found = await answers.answered(people, known["ids"])
        export = await answers.exported(people.person(SYSTEM))
        await stage.application.files.sweep()  # if the server's own has not been there first
        with writer_engine(release_url).connect() as connection:
            holds = connection.scalar(sa.text("SELECT count(*) FROM held_files"))
        await assert_asked_again_all_is_the_same(stage, known["ids"])
    files = await stored_files(release_url)

    ended = assert_only_what_was_left_has_changed(known, found)
    assert_money_is_let_go(known, found, ended)
    assert_ledger_goes_on(known["ledger"], found["ledger"], export, len(ended))
    assert known["violations"] == found["violations"]
    assert (0, [PICTURE, b""]) == (holds, files)


def assert_only_what_was_left_has_changed(known: Plain, found: Plain) -> list[Plain]:
    """The queries that were not final are now, and their logs go on. Each of them once."""
    names = {id_: name for name, id_ in known["ids"].items()}
    ended: dict[str, Plain] = {}
    for identity, before in known["identities"].items():
        after = found["identities"][identity]
        for request_id, query in before["queries"].items():
            now = after["queries"][request_id]
            if query["get"]["query"]["state"] not in FINAL:
                told = now["get"]["query"]
                assert end_of(names[request_id]) == (told["state"], told["outcome"]["reason"])
                now, query = now["watch"][: len(query["watch"])], query["watch"]
                ended[told["request_id"]] = told
            assert [] == list(answers.differences(query, now, names[request_id]))
        for checkpoint_id, checkpoint in before["checkpoints"].items():
            now = after["checkpoints"][checkpoint_id]
            if checkpoint["get"]["checkpoint"]["request_id"] in ended:
                checkpoint, now = checkpoint["content"], now["content"]
            assert [] == list(answers.differences(checkpoint, now, checkpoint_id))
    return list(ended.values())


def end_of(name: str) -> tuple[str, str]:
    """What a start makes of a query of the release that was not final."""
    if name in RUNNING:
        return "QUERY_STATE_FAILED", "EXECUTION_INTERRUPTED"
    assert name in (*WAITING, *APPROVED)
    return "QUERY_STATE_EXPIRED", "CHECKPOINT_EXPIRED"


def assert_money_is_let_go(known: Plain, found: Plain, ended: Sequence[Plain]) -> None:
    """What was held is free again, but for the bounds of what may have been spent."""
    for identity in (*IDENTITIES, SYSTEM):
        before, after = (totals(each, identity) for each in (known, found))
        costs = [
            int(each.get("cost_nanousd", 0))
            for each in ended
            if identity in (each["identity_id"], SYSTEM)
        ]
        assert before.keys() == after.keys()
        for budget_id, budget in after.items():
            posted_before, _, overrun_before = before[budget_id]
            assert (posted_before + sum(costs), 0, overrun_before) == budget


def totals(answered: Plain, identity: str) -> dict[str, tuple[int, ...]]:
    """Posted, reserved and overrun of the budgets without a period, which count on any day."""
    pages = answered["budgets" if identity == SYSTEM else "identities"]
    pages = pages if identity == SYSTEM else pages[identity]["budgets"]
    listed = [budget for page in pages for budget in page.get("budgets", ())]
    amounts = ("posted_nanousd", "reserved_nanousd", "overrun_nanousd")
    return {
        each["budget_id"]: tuple(int(each.get(name, 0)) for name in amounts)
        for each in listed
        if each["period"] == "BUDGET_PERIOD_TOTAL"
    }


def assert_ledger_goes_on(before: Plain, after: Plain, export: bytes, added: int) -> None:
    """It holds, the release's entries are in it byte for byte, and the new ones behind them."""
    entries = export[: before["entries_bytes"]]

    assert "LEDGER_VERDICT_HOLDS" == after["verdict"]["verdict"]
    assert before["entries_sha256"] == hashlib.sha256(entries).hexdigest()
    assert added == int(after["verdict"]["entries"]) - int(before["verdict"]["entries"])


async def assert_asked_again_all_is_the_same(stage: Stage, ids: Mapping[str, str]) -> None:
    """A retry under an id of the release has its outcome, and reaches no provider."""
    people = People(stage.channel, stage.issuer)
    play = Play(people, stage.upstream, dict(ids))
    for name in ASKS.keys() - {NEVER_STORED}:
        outcome = (await play.shown(name)).query.outcome
        await play.ask(name, outcome.reason or DONE)
    backend = people.named("backend")
    changed = pb.QueryRequest(text="Something else", request_id=ids["plain"])
    refused = await backend.fail(backend.pipeline.Query, changed)

    assert "REQUEST_ID_CONFLICT" == refused.reason
    assert 0 == stage.upstream.arrivals_total


async def stored_files(url: str) -> list[bytes]:
    """A file that queries use, and one that was sent with a query which never came to be."""
    reader = Reader(url, threads=1)
    digests = [hashlib.sha256(file).hexdigest() for file in (PICTURE, UNUSED)]
    files = [await SqlFiles(reader).read("acme", each, 0, 2**20) for each in digests]
    await reader.close()
    return files


async def test_what_waited_goes_on_as_if_nothing_had_happened(
    release_url: str, tmp_path: Path, known: Plain
) -> None:
    """An upgrade takes minutes: an approval from before is used behind it, and a person decides."""
    later_us = time.time_ns() // 1_000 + HOUR_US
    with writer_engine(release_url).begin() as connection:  # time travel, in the release's schema
        for statement in STILL_IN_TIME:
            connection.execute(sa.text(statement), {"later_us": later_us})
    migrate.upgrade(release_url)
    async with staged(release_url, tmp_path) as stage:
        people = People(stage.channel, stage.issuer)
        play = Play(people, stage.upstream, dict(known["ids"]))
        await play.go_on("approved")
        await play.approve("files_waiting")
        await play.go_on("files_waiting")
        sent = stage.upstream.bodies[-1]
        attached = await attached_to(play, "waiting")
        await play.reject("waiting")
        await play.approve("waiting_elsewhere")
        await soon(play.watched("waiting_elsewhere"))
        await play.ask("unadmitted")
        ended = {name: (await play.shown(name)).query.state for name in APPROVED_HERE}
        auditor = people.person(SYSTEM)
        verdict = await auditor.call(auditor.audit.VerifyLedger, ab.VerifyLedgerRequest())
        everybodys = await auditor.call(auditor.budgets.ListBudgets, bb.ListBudgetsRequest())

    assert base64.b64encode(PICTURE) in sent
    assert known["ids"]["waiting"] == attached
    assert {message_pb2.QUERY_STATE_COMPLETED} == set(ended.values())
    assert ab.LEDGER_VERDICT_HOLDS == verdict.verdict
    assert [0, 0] == [budget.reserved_nanousd for budget in everybodys.budgets]


APPROVED_HERE: Final = ("approved", "approved_again", "files_waiting", "waiting_elsewhere")
STILL_IN_TIME: Final = (
    "UPDATE checkpoints SET expires_us = :later_us WHERE state = 'pending'",
    "UPDATE checkpoints SET use_before_us = :later_us WHERE state = 'approved' AND consumed_us = 0",
    "UPDATE reservations SET expires_us = :later_us WHERE state = 'held' AND expires_us > 0",
)


async def attached_to(play: Play, name: str) -> str:
    """The query that the same ask under a new id is attached to."""
    client = play.people.named(ASKS[name].by)
    failure = await client.fail(client.pipeline.Query, ASKS[name].request(new_id()))

    assert PENDING == failure.reason
    return failure.metadata["request_id"]


# --- killed -----------------------------------------------------------------------------------


class Migrated(NamedTuple):
    """What became of a migration; of one that was killed nothing but its status is known."""

    status: int
    steps: int
    commits: list[int]

    @property
    def kill_points(self) -> list[int]:
        """Steps all over it, and those on both sides of each COMMIT; the last one is the last."""
        spread = {1 + (self.steps - 1) * number // KILLS for number in range(KILLS + 1)}
        return sorted(spread.union(self.commits, (step + 1 for step in self.commits)))


class Migrations:
    """A process that migrates databases, each in a fork that may be killed at a step."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.db.release.migrating"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, url: str, kill_at: int = 0) -> Migrated:
        """Run one to its end, or to a step."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([url, kill_at]) + "\n")
        self._process.stdin.flush()
        return Migrated(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it, as the end of its input does."""
        with self._process:
            pass


@pytest.fixture(scope="session")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrations]:
    """Migrates in processes."""
    running = Migrations(tmp_path_factory.mktemp("migrations"))
    yield running
    running.close()


@pytest.mark.crash
@pytest.mark.parametrize("revision", [OLDER, rows.RELEASE])
def test_a_migration_may_be_killed_anywhere(
    release_url: str, revision: str, migrations: Migrations, copy_of: Callable[[str], str]
) -> None:
    """Killed again and again it leaves what was there; let run, it comes to the same as ever."""
    migrate.downgrade(release_url, revision)
    if not is_due(release_url):
        pytest.skip(f"{revision} is this checkout's schema: nothing is to be migrated")
    before, undisturbed = contents(release_url), copy_of(release_url)
    whole = migrations.run(undisturbed)
    after, left = contents(undisturbed), before
    assert 0 == whole.status
    for kill_at in whole.kill_points:
        assert -SIGKILL == migrations.run(release_url, kill_at).status
        left = contents(release_url)
        assert left in (before, after), f"killed at step {kill_at} of {whole}"
        if after == left:  # it was killed behind its COMMIT, and will have nothing to do
            break

    assert after == left
    assert 0 == migrations.run(release_url).status
    assert after == contents(release_url)


def is_due(url: str) -> bool:
    """Whether a server would refuse the database as it is."""
    try:
        migrate.check(url)
    except migrate.SchemaMismatch:
        return True
    return False


def contents(url: str) -> tuple[list[str], rows.Stored]:
    """All that a database is."""
    return rows.schema_at(url), rows.stored_at(url)
