"""The next candidate, in one unit with the end of the one that failed."""

from __future__ import annotations

from collections.abc import Iterable

from chenu_server.governance.budgets import decide as budgets
from chenu_server.governance.budgets.model import Reservation, ReservationState
from chenu_server.governance.limits import decide as limits
from chenu_server.pipeline.ports import Admitted, NextAttempt, NotHeld, TooDear, Wait
from chenu_server.unit import ById, Moment, Need, Rows
from chenu_server.units.attempts import end_attempt, end_event, open_attempt, take_slot
from chenu_server.units.rules import Rules


class Retry:
    """Post what the failed attempt may have cost, cover the next bound, take its slot."""

    name = "retry"

    def __init__(self, following: NextAttempt, rules: Rules) -> None:
        self._asked = following
        self._rules = rules

    def needs(self, now: Moment) -> Iterable[Need]:
        """The reservation, budgets now, and the candidate's oldest slots."""
        yield from budgets.needs_for_reserve(self._asked.query.identity_id, now.now_us)
        yield ById(Reservation, self._asked.query.key)
        yield from limits.needs_slot(self._rules.ledger_number, self._asked.chain[0].provider)

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """The budgets that the reservation stands in."""
        held = rows.get(Reservation, self._asked.query.key)
        return budgets.needs_for_legs(held) if held else ()

    def decide(self, rows: Rows, now: Moment) -> Admitted | TooDear | NotHeld | Wait:
        """One of the four answers; only `Admitted` writes.

        A candidate that is too dear is left to the caller, who asks for the next one in that
        one's own queue: taking its slot from here would pass by those who wait for it.
        """
        asked = self._asked
        held = rows.get(Reservation, asked.query.key)
        if held is None or held.state is not ReservationState.HELD:
            return NotHeld()
        candidate, charge = asked.chain[0], asked.ended.charge_nanousd
        if candidate.bound_nanousd > budgets.room_after(rows, held, charge, now_us=now.now_us):
            return TooDear()
        taken = take_slot(rows, self._rules, candidate.provider, now)
        if isinstance(taken, Wait):
            return taken
        estimated, now_us = asked.ended.estimated, now.now_us
        held = budgets.post_part(rows, held, charge, estimated=estimated, now_us=now_us)
        covered = budgets.top_up(rows, held, candidate.bound_nanousd, now_us=now_us)
        assert isinstance(covered, budgets.Held), "the room was measured on these very rows"
        query = end_attempt(rows, asked.query, asked.ended, now, stop_reason="")
        ended = end_event(asked.ended, will_retry=True)
        return open_attempt(rows, query, asked.chain, taken, [ended], now)
