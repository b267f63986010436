"""An approval is used once, in the unit that writes the `execute` entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chenu_server.caller import SYSTEM_IDENTITY, Principal
from chenu_server.errors import BudgetExhausted, BudgetFrozen, ChenuError, PolicyDenied
from chenu_server.governance.budgets import decide as budgets
from chenu_server.governance.budgets.model import Reservation, ReservationState
from chenu_server.governance.checkpoints import decide as checkpoints
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.limits import decide as limits
from chenu_server.pipeline import decide, drafts
from chenu_server.pipeline.events import EventDraft
from chenu_server.pipeline.model import LaneReport
from chenu_server.pipeline.ports import Admitted, Closed, NotResumable, Resumption, Wait
from chenu_server.pipeline.records import Query
from chenu_server.unit import ById, Moment, Need, Rows
from chenu_server.units import judge
from chenu_server.units.attempts import open_attempt, take_slot
from chenu_server.units.judge import Judgement, Subject
from chenu_server.units.resolve import close_waiting, expire_query
from chenu_server.units.rules import Rules, payload
from chenu_server.values import replace
from chenu_server.vocabulary import Lane, LaneStatus, PrincipalType, QueryStatus

_SYSTEM: Final = Principal(type=PrincipalType.SERVICE, id=SYSTEM_IDENTITY)


class Consume:
    """May exactly the approved run go now? Checks again what may have changed since."""

    name = "consume"

    def __init__(self, resumption: Resumption, rules: Rules, *, take_slot: bool) -> None:
        self._take_slot = take_slot
        self._asked = resumption
        self._rules = rules
        self._key = resumption.query.key
        self._checkpoint_key = (resumption.query.identity_id, resumption.query.checkpoint_id)

    def needs(self, now: Moment) -> Iterable[Need]:
        """The query, its checkpoint and reservation, budgets now, the first candidate's slots."""
        yield from budgets.needs_for_reserve(self._asked.query.identity_id, now.now_us)
        yield ById(Query, self._key)
        yield ById(Checkpoint, self._checkpoint_key)
        yield ById(Reservation, self._key)
        chain = self._asked.encoded.route.chain
        if chain and self._take_slot:
            yield from limits.needs_slot(self._rules.ledger_number, chain[0].provider)

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """The reservation's budgets."""
        held = rows.get(Reservation, self._key)
        return budgets.needs_for_legs(held) if held else ()

    def decide(self, rows: Rows, now: Moment) -> Admitted | Closed | NotResumable | Wait:
        """Runs, ends for good, or is left as it is (`Wait`, `NotResumable`)."""
        query = rows.get(Query, self._key)
        checkpoint = rows.get(Checkpoint, self._checkpoint_key)
        held = rows.get(Reservation, self._key)
        assert query is not None and checkpoint is not None and held is not None
        if query.status is not QueryStatus.APPROVED:
            return NotResumable(query=query)
        if checkpoints.has_lapsed(checkpoint, now):
            return Closed(query=expire_query(rows, query, checkpoint, held, now))
        judged = self._judge(rows, checkpoint, held, now)
        if isinstance(judged, ChenuError):
            return Closed(query=_refuse(rows, query, checkpoint, held, judged, now))
        return self._run(rows, query, checkpoint, held, judged, now)

    def _judge(
        self, rows: Rows, checkpoint: Checkpoint, held: Reservation, now: Moment
    ) -> Judgement | ChenuError:
        if self._asked.encoded.action_digest != checkpoint.action_digest:
            return PolicyDenied(("approved_action_changed",))
        subject = Subject(
            caller=self._asked.caller,
            request=self._asked.request,
            analysis=self._asked.analysis,
            snapshot=self._asked.snapshot,
            encoded=self._asked.encoded,
        )
        standings = budgets.budgets_of(rows, held)
        closed = next((each for each in standings if each.budget.deleted), None)
        if closed is not None or held.state is not ReservationState.HELD:
            return BudgetExhausted(closed.budget.scope.value if closed else "identity")
        judged = judge.judge(
            subject,
            self._rules,
            standings,
            held_nanousd=held.amount_nanousd,
            current=budgets.current_of(rows, standings, now.now_us),
        )
        if isinstance(judged, Judgement):
            uncovered = [kind for kind in judged.types if kind not in checkpoint.types]
            if uncovered:
                return PolicyDenied(judged.policies)
        return judged

    def _run(
        self,
        rows: Rows,
        query: Query,
        checkpoint: Checkpoint,
        held: Reservation,
        judged: Judgement,
        now: Moment,
    ) -> Admitted | Wait:
        if not self._take_slot:
            return Wait()
        taken = take_slot(rows, self._rules, judged.chain[0].provider, now)
        if isinstance(taken, Wait):
            return taken
        held = replace(held, owner_id=self._rules.owner_id, expires_us=0)
        rows.put(held)
        covered = budgets.top_up(rows, held, judged.amount_nanousd, now_us=now.now_us)
        assert isinstance(covered, budgets.Held), "judge has found room on these very rows"
        rows.put(checkpoints.consume(checkpoint, now))
        report = LaneReport(lane=Lane.E_CHECKPOINT, status=LaneStatus.COMPLETED, duration_us=0)
        return open_attempt(
            rows,
            query,
            judged.chain,
            taken,
            [drafts.lane_end(report), drafts.lane_start(Lane.F_EXECUTION)],
            now,
            lanes=decide.lanes_with(query.lanes, report),
            status=QueryStatus.RUNNING,
            owner_id=self._rules.owner_id,
            deadline_ms=self._asked.deadline_ms,
            output_cap=judged.output_cap,
        )


def _refuse(
    rows: Rows,
    query: Query,
    checkpoint: Checkpoint,
    held: Reservation,
    error: ChenuError,
    now: Moment,
) -> Query:
    """A check made again says no: the approval ends with its query, and nothing looks for it."""
    reason = decide.reason_name(decide.outcome_of(error))
    rows.put(checkpoints.cancel(checkpoint, _SYSTEM, reason, now))
    if held.state is ReservationState.HELD:
        budgets.void(rows, held, now.now_us)
    notice: list[EventDraft] = []
    if isinstance(error, BudgetExhausted | BudgetFrozen):
        notice = [drafts.budget_exceeded(error.scope)]
    details = payload(checkpoint_id=query.checkpoint_id, status=QueryStatus.FAILED.value)
    entry = decide.entry(query, "deny", "execute", reason, details)
    return close_waiting(rows, query, QueryStatus.FAILED, error, notice, entry, now)
