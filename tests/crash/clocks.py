"""Clocks of a fleet that are wrong, or step while it runs at a moment that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from chenu.api.governance.v1 import identity_service_pb2 as ib
from chenu_server.vocabulary import PrincipalType, Role
from tests.crash.site import DONE, IDENTITY, Running, Site, outcome_of
from tests.harness import Client, eventually

HOUR_MS: Final = 3_600_000
LONGER_THAN_ANY_STEP_S: Final = 2 * 3_600
PATIENCE_S: Final = 20.0


class Clocks(NamedTuple):
    """What is wrong at each of three servers: always, or once there is the file that is named."""

    armed: tuple[str, str, str]
    alarm: str = ""
    """What a server warns of that finds the database's clock to have stepped."""
    refusal: str = ""
    """What a token of now comes to at a server whose own clock has stepped."""


def _database(ms: int, alarm: str) -> Clocks:
    """It is one clock, and steps for all."""
    return Clocks((f"clock.database=shift:{ms}@/first",) * 3, alarm=alarm)


def _own(ms: int, refusal: str) -> Clocks:
    """Two step, one after the other, and one does not: in the end they are an hour apart."""
    step = f"clock.offset=shift:{ms}"
    return Clocks((f"{step}@/first", "", f"{step}@/then"), refusal=refusal)


CLOCKS: Final = {
    "alike": Clocks(("", "", "")),
    "two seconds apart": Clocks(("clock.offset=shift:2000", "", "clock.offset=shift:-2000")),
    "set back by an hour": _database(-HOUR_MS, "database_clock_behind"),
    "set ahead by an hour": _database(HOUR_MS, "database_clock_jumped"),
    "their own set back by an hour": _own(-HOUR_MS, "TOKEN_INVALID"),
    "their own set ahead by an hour": _own(HOUR_MS, "TOKEN_EXPIRED"),
    "set back at one after the other": Clocks(
        ("clock.database=shift:-1000@/first", "clock.database=shift:-2000@/then", "")
    ),
}


class Steps:
    """The clocks of three servers, which are to be started with these `failpoints`."""

    def __init__(self, site: Site, name: str) -> None:
        """Whoever calls has tokens that are good whatever hour a server thinks it is."""
        self._directory = site.directory
        self._clocks = CLOCKS[name]
        self._token = site.mint.token(PrincipalType.SERVICE, "now", {IDENTITY: (Role.MEMBER,)})
        site.mint.age_s = LONGER_THAN_ANY_STEP_S
        site.mint.lifetime_s = 2 * LONGER_THAN_ANY_STEP_S
        # One that has nothing to do reads the database's clock as often.
        site.more["writer.probe_ms"] = 200
        self.failpoints = [
            armed.replace("@/", f"@{self._directory}/") for armed in self._clocks.armed
        ]

    @property
    def go_ahead(self) -> bool:
        """Whether time itself moves on, for it is the database's: what waits an hour is over."""
        return self._clocks.alarm == "database_clock_jumped"

    async def step(self, servers: Sequence[Running]) -> None:
        """Let them step. When it returns all that were to have stepped, and are seen to."""
        for moment in ("first", "then"):
            (self._directory / moment).touch()
            for at, armed in zip(servers, self._clocks.armed, strict=True):
                if armed.endswith(f"@/{moment}"):
                    await eventually(partial(self._has_stepped, at), PATIENCE_S)
        right = [at for at, armed in zip(servers, self._clocks.armed, strict=True) if not armed]

        assert {DONE} >= {await self._now_at(at) for at in right}

    async def _has_stepped(self, at: Running) -> bool:
        """By what a server does then; only a small step is nothing that it minds."""
        told = await self._now_at(at)  # for each call it reads its own clock
        if self._clocks.refusal:
            return told == self._clocks.refusal
        return at.server.has_logged(self._clocks.alarm or "failpoint_acts")

    async def _now_at(self, at: Running) -> str:
        """What a call comes to with a token that was issued when the servers started."""
        client = Client(at.person.channel, (("authorization", f"Bearer {self._token}"),))
        call = client.call(client.identity.WhoAmI, ib.WhoAmIRequest())
        return (await outcome_of(call))[1]
