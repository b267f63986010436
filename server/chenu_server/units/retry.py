"""The next candidate, in one unit with the end of the one that failed."""

from __future__ import annotations

from collections.abc import Iterable

from chenu_server.governance.budgets import decide as budgets
from chenu_server.governance.budgets.model import Reservation, ReservationState
from chenu_server.governance.limits import decide as limits
from chenu_server.pipeline.ports import Admitted, ChainExhausted, NextAttempt, Wait
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
        """The reservation, and slots of every candidate that is left."""
        yield ById(Reservation, self._asked.query.key)
        for provider in dict.fromkeys(each.provider for each in self._asked.chain):
            yield from limits.needs_slot(self._rules.ledger_number, provider)

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """The reservation's budgets."""
        held = rows.get(Reservation, self._asked.query.key)
        return budgets.needs_for_legs(held) if held else ()

    def decide(self, rows: Rows, now: Moment) -> Admitted | ChainExhausted | Wait:
        """The first candidate that the budgets cover; the others leave the chain."""
        held = rows.get(Reservation, self._asked.query.key)
        if held is None or held.state is not ReservationState.HELD:
            return ChainExhausted()
        charge = self._asked.ended.charge_nanousd
        room = budgets.room_after(rows, held, charge, now_us=now.now_us)
        chain = self._asked.chain
        while chain and chain[0].bound_nanousd > room:
            chain = chain[1:]
        if not chain:
            return ChainExhausted()
        taken = take_slot(rows, self._rules, chain[0].provider, now)
        if isinstance(taken, Wait):
            return taken
        estimated, now_us = self._asked.ended.estimated, now.now_us
        held = budgets.post_part(rows, held, charge, estimated=estimated, now_us=now_us)
        covered = budgets.top_up(rows, held, chain[0].bound_nanousd, now_us=now_us)
        assert isinstance(covered, budgets.Held), "the room was measured on these very rows"
        query = end_attempt(rows, self._asked.query, self._asked.ended, now, stop_reason="")
        ended = end_event(self._asked.ended, will_retry=True)
        return open_attempt(rows, query, chain, taken, [ended], now)
