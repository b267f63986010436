"""Makes the fixture anew, by hand: `python -m tests.contract.db.release.make [URL]`.

Only of use in a checkout whose schema is the release's: whatever is made is what the servers of
this checkout write. It takes two minutes, for checkpoints must expire by themselves, and most of
that is waiting. URL names a blank database; without it a SQLite file is made and thrown away.

Two servers are started as processes on the database, one after the other, are asked what
`asked.py` says in the order of `lives.py`, and are killed. Of what they left,

- `0009.rows.jsonl.gz` is every row. One thing is changed: the names of this machine in `owners`.
- `0009.answers.json.gz` is what a third server answers from these rows; see `answers.py`.

The release can tell an erased payload from a lost one and has no call that erases; so between
the two lives one entry's payload is erased as ARCHITECTURE.md, section 8, demands it.

The tests of the fixture hold from a minute after it was made: by then all that waits has lapsed.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import sqlalchemy as sa

from chenu_server.command import EntryDraft
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.tokens import create_key
from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import writer_engine
from chenu_server.upstream import FakeUpstream
from tests.contract.db.release import answers, rows
from tests.contract.db.release.asked import UNUSED
from tests.contract.db.release.lives import EXPIRY_S, LOST, first_life, second_life
from tests.contract.db.release.people import People
from tests.contract.db.release.play import Play
from tests.contract.db.release.rest import at_rest
from tests.contract.tables.stores import Put, put
from tests.crash.servers import Server
from tests.harness import eventually, local_issuer, settings_for

POLICY: Final = (
    '@id("no_intern") forbid (principal == Agent::"intern", action == Action::"submit", resource);'
)


class Site:
    """Where the servers come and go."""

    def __init__(self, url: str, folder: Path, upstream: FakeUpstream) -> None:
        self.url = url
        self.upstream = upstream
        self.ids: dict[str, str] = {}
        self._folder = folder
        self._key_file = folder / "token.key"
        create_key(self._key_file)
        policies = folder / "policies"
        policies.mkdir()
        (policies / "operator.cedar").write_text(POLICY)

    @property
    def issuer(self) -> Issuer:
        """Who makes everybody's tokens."""
        return local_issuer(self._key_file)

    @asynccontextmanager
    async def alive(self, **more: Any) -> AsyncIterator[tuple[Play, Server]]:
        """A server that is killed in the block, or at its end."""
        settings = {
            **settings_for(self.url, self._key_file, self.upstream),
            "checkpoints.default_expiry_s": EXPIRY_S,
            "policies.operator_dir": str(self._folder / "policies"),
            "log.level": "info",
            "log.json": True,
            **more,
        }
        server = Server(settings, self._folder / "server.log")
        options = [("grpc.use_local_subchannel_pool", 1)]
        try:
            address = f"127.0.0.1:{await server.serving()}"
            async with grpc.aio.insecure_channel(address, options) as channel:
                yield Play(People(channel, self.issuer), self.upstream, self.ids), server
        finally:
            server.kill()


async def main(url: str, folder: Path) -> None:
    """Make both files."""
    migrate.upgrade(url)
    assert rows.RELEASE == migrate.current(url), "this checkout is not the release's"
    async with FakeUpstream() as upstream:
        site = Site(url, folder, upstream)
        await live_twice(site)
    taken_us = time.time_ns() // 1_000
    rows.keep(anonymous(rows.stored_at(url)))
    again = f"sqlite:///{folder}/again.db"
    rows.load(again)
    async with at_rest(again, folder, taken_us) as people:
        found = await answers.answered(people, site.ids)
    slots = await answers.slots_at(again, taken_us)
    answers.keep({"taken_us": taken_us, "ids": site.ids, "slots": slots, **found})


async def live_twice(site: Site) -> None:
    """Both lives; each leaves a query that runs, and the second a file that nobody uses yet."""
    async with site.alive() as (play, server):
        await first_life(play)
        left = play.start("interrupted", LOST)
        await play.under_way()
        server.kill()
        await left
    site.upstream.release()
    await erase(site.url, site.ids["awkward"])
    async with site.alive(**{"providers.settings.google.limit": 1}) as (play, server):
        await second_life(play)
        left = play.start("running", LOST)
        resumed = asyncio.create_task(play.go_on("running_approved", LOST))
        await play.under_way(2)
        waiting = play.start("unadmitted", LOST)
        await eventually(lambda: is_stored(site.url))
        server.kill()
        await asyncio.gather(left, resumed, waiting)


async def is_stored(url: str) -> bool:
    """Whether the file is whole whose query waits for its provider, and is recorded nowhere."""
    digest = hashlib.sha256(UNUSED).hexdigest()
    files = rows.stored_at(url)["stored_files"]
    return digest in {each["sha256"]["hex"] for each in files}


async def erase(url: str, request_id: str) -> None:
    """Erase the payload that quotes what a person asked, and enter that in the ledger."""
    entries = rows.stored_at(url)["ledger_entries"]
    wanted = ("allow", request_id)
    (erased,) = [each for each in entries if wanted == (each["decision"], each["resource_id"])]
    draft = EntryDraft(
        decision="admin",
        action="delete",
        identity_id=erased["identity_id"],
        principal_type="user",
        principal_id="ann",
        acting_for=(),
        resource_kind="ledger_entry",
        resource_id=erased["entry_id"],
        reason="",
        payload="{}",
    )
    await asyncio.to_thread(put, url, Put(drafts=(draft,)))
    statement = sa.text("DELETE FROM ledger_payloads WHERE entry_id = :entry_id")
    with writer_engine(url).begin() as connection:
        connection.execute(statement, {"entry_id": erased["entry_id"]})


def anonymous(stored: rows.Stored) -> rows.Stored:
    """Without the name of this machine and the numbers of its processes."""
    for number, owner in enumerate(stored["owners"], 1):
        owner["label"] = f"gateway pid {number}"
    return stored


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        url = sys.argv[1] if sys.argv[1:] else f"sqlite:///{name}/release.db"
        asyncio.run(main(url, Path(name)))
