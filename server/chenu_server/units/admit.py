"""Lane D in one unit of work: claim, decide, and write all of it, or write nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from chenu_server.engine import PolicyVerdict
from chenu_server.errors import BudgetExhausted, BudgetFrozen, ChenuError
from chenu_server.governance.budgets import decide as budgets
from chenu_server.governance.checkpoints import decide as checkpoints
from chenu_server.governance.checkpoints import questions
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.limits import decide as limits
from chenu_server.pipeline import decide, drafts
from chenu_server.pipeline.events import EventDraft
from chenu_server.pipeline.model import OPERATION, LaneReport, Outcome, TokenUsage
from chenu_server.pipeline.ports import (
    Admission,
    Admitted,
    Attached,
    Blocked,
    Closed,
    Conflict,
    FilesGone,
    Full,
    Known,
    Wait,
)
from chenu_server.pipeline.records import Asked, Query, QueryAlias
from chenu_server.unit import ById, Moment, Need, Rows
from chenu_server.units import attach, judge
from chenu_server.units.attempts import open_attempt, take_slot
from chenu_server.units.judge import Judgement, Subject
from chenu_server.units.media import are_stored, needs_files, use_files
from chenu_server.units.rules import Rules, payload
from chenu_server.vocabulary import CheckpointState, Lane, LaneStatus, QueryStatus

TEXT_PREVIEW = 100
OUTPUT_FORMAT = {"text": "text", "json": "json", "json_schema": "json"}


class Admit:
    """May this query run? The claim of its id, the decision and its effect are one commit."""

    name = "admit"

    def __init__(self, admission: Admission, rules: Rules, *, take_slot: bool) -> None:
        self._take_slot = take_slot
        self._asked = admission
        self._rules = rules
        self._subject = Subject(
            caller=admission.caller,
            request=admission.request,
            analysis=admission.analysis,
            snapshot=admission.snapshot,
            encoded=admission.encoded,
        )
        self._key = (admission.caller.identity_id, admission.request.request_id)

    def needs(self, now: Moment) -> Iterable[Need]:
        """The id's rows, the budgets that apply, the first candidate's oldest slots.

        What waits for a person already is looked for only by what must wait, too.
        """
        yield ById(Query, self._key)
        yield ById(QueryAlias, self._key)
        yield from judge.needs(self._subject, now)
        yield from needs_files(self._key[0], self._asked.request)
        if self._needs_person:
            yield from attach.needs(self._asked)
        chain = self._asked.encoded.route.chain
        if chain and self._take_slot:
            yield from limits.needs_slot(self._rules.ledger_number, chain[0].provider)

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """The query that the id is another name of, or the one that its action may wait in."""
        alias = rows.get(QueryAlias, self._key)
        if alias is not None:
            yield ById(Query, alias.first_key)
        waiting = self._waiting(rows, now)
        if waiting is not None:
            yield attach.needs_of_first(waiting)

    def decide(
        self, rows: Rows, now: Moment
    ) -> Admitted | Blocked | Closed | Wait | Known | Attached | Full | FilesGone | Conflict:
        """One of the answers; only the first three and `Attached` write."""
        known = self._known(rows) or self._gone(rows)
        if known is not None:
            return known
        waiting = self._waiting(rows, now)
        if waiting is not None:
            return attach.attach(rows, self._asked, waiting, self._rules, now)
        standings = judge.standings_of(rows, self._subject, now)
        judged = judge.judge(self._subject, self._rules, standings, verdict=self._verdict)
        if isinstance(judged, ChenuError):
            return self._deny(rows, judged, now)
        if not judged.types:
            return self._run(rows, judged, now)
        if self._is_full(rows):
            return Full(self._rules.pending_max)
        return self._block(rows, judged, now)

    @cached_property
    def _verdict(self) -> PolicyVerdict:
        """What the policies say, which stands before any row is read."""
        return self._rules.policies.evaluate(judge.facts_of(self._subject))

    @property
    def _needs_person(self) -> bool:
        """Whether policies ask for one; they do not of a query that they deny."""
        return bool(self._verdict.checkpoints)

    def _known(self, rows: Rows) -> Known | Conflict | None:
        """What stands under the id already, as a query's own or as another name of one."""
        alias = rows.get(QueryAlias, self._key)
        query = rows.get(Query, self._key if alias is None else alias.first_key)
        if query is None:
            return None
        asked = Asked(self._asked.caller.principal, self._asked.content_digest)
        return Known(query=query) if (alias or query).asked == asked else Conflict()

    def _gone(self, rows: Rows) -> FilesGone | None:
        """Whether this process was taken for dead after it had stored the files."""
        stored = are_stored(rows, self._key[0], self._asked.request)
        return None if stored else FilesGone()

    def _waiting(self, rows: Rows, now: Moment) -> Checkpoint | None:
        """Before the money is looked at: what waits holds it, and the same ask needs no more."""
        return attach.waiting(rows, self._asked, now) if self._needs_person else None

    def _is_full(self, rows: Rows) -> bool:
        most = self._rules.pending_max
        return 0 < most <= checkpoints.pending_in(rows, self._key[0])

    # --- no -----------------------------------------------------------------------------------

    def _deny(self, rows: Rows, error: ChenuError, now: Moment) -> Closed:
        outcome = decide.outcome_of(error)
        reason = decide.reason_name(outcome)
        report = self._report(LaneStatus.FAILED, now, reason)
        notice: list[EventDraft] = []
        if isinstance(error, BudgetExhausted | BudgetFrozen):
            notice = [drafts.budget_exceeded(error.scope)]
        query = self._query(QueryStatus.FAILED, (report,), now)
        events = [*self._asked.drafts, *notice, drafts.lane_end(report)]
        query = decide.close(rows, query, QueryStatus.FAILED, outcome, events, now)
        rows.put(self._asked.content)  # nobody reads its files: they are let go of
        rows.record(decide.entry(query, "deny", "execute", reason, self._payload()))
        return Closed(query=query)

    # --- a person must approve ----------------------------------------------------------------

    def _block(self, rows: Rows, judged: Judgement, now: Moment) -> Blocked:
        checkpoint = self._checkpoint(judged, now)
        self._hold(rows, judged, now, owner_id="", expires_us=checkpoint.expires_us)
        report = self._report(LaneStatus.COMPLETED, now, ",".join(judged.policies))
        blocked = LaneReport(lane=Lane.E_CHECKPOINT, status=LaneStatus.BLOCKED, duration_us=0)
        query = self._query(
            QueryStatus.BLOCKED,
            (report, blocked),
            now,
            checkpoint_id=checkpoint.checkpoint_id,
            output_cap=judged.output_cap,
        )
        events = [
            *self._asked.drafts,
            drafts.lane_end(report),
            drafts.lane_start(Lane.E_CHECKPOINT),
            drafts.checkpoint_created(checkpoints.created_body(checkpoint)),
            drafts.lane_end(blocked),
            drafts.pipeline_blocked(checkpoint.checkpoint_id),
        ]
        query = decide.append(rows, query, events, now)
        rows.put(query)
        self._put_content(rows)
        rows.put(checkpoint)
        rows.record(
            decide.entry(
                query,
                "block",
                "execute",
                "CHECKPOINT_PENDING",
                self._payload(
                    checkpoint_id=checkpoint.checkpoint_id,
                    types=[kind.value for kind in checkpoint.types],
                    policies=list(judged.policies),
                    expires_us=checkpoint.expires_us,
                    held_nanousd=judged.amount_nanousd,
                ),
            )
        )
        return Blocked(query=query, pending=checkpoints.pending_error(checkpoint))

    def _checkpoint(self, judged: Judgement, now: Moment) -> Checkpoint:
        asked, caller = self._asked, self._asked.caller
        lifetime_us = self._rules.expiries.shortest(judged.types)
        target = asked.request.target
        who = str(caller.principal)
        return Checkpoint(
            identity_id=caller.identity_id,
            checkpoint_id=self._rules.make_id(),
            request_id=asked.request.request_id,
            types=judged.types,
            state=CheckpointState.PENDING,
            action=target.operation or OPERATION,
            target=f"{target.kind}/{target.id}" if target.kind or target.id else "",
            action_digest=asked.encoded.action_digest,
            question_en=questions.english(judged.types, who),
            question_fr=questions.french(judged.types, who),
            preview=questions.preview(asked.request.conversation.last_text),
            provider=judged.chain[0].provider,
            model=judged.chain[0].model,
            max_cost_nanousd=asked.encoded.max_cost_nanousd,
            requested_by_type=caller.principal.type,
            requested_by=caller.principal.id,
            acting_for=caller.acting_for,
            lifetime_us=lifetime_us,
            created_us=now.now_us,
            expires_us=now.now_us + lifetime_us,
            use_before_us=0,
            resolved_us=0,
            resolved_by="",
            decision_id="",
            reason="",
            consumed_us=0,
        )

    # --- yes ----------------------------------------------------------------------------------

    def _run(self, rows: Rows, judged: Judgement, now: Moment) -> Admitted | Wait:
        if not self._take_slot:
            return Wait()
        taken = take_slot(rows, self._rules, judged.chain[0].provider, now)
        if isinstance(taken, Wait):
            return taken
        self._hold(rows, judged, now, owner_id=self._rules.owner_id, expires_us=0)
        report = self._report(LaneStatus.COMPLETED, now)
        skipped = LaneReport(lane=Lane.E_CHECKPOINT, status=LaneStatus.SKIPPED, duration_us=0)
        query = self._query(
            QueryStatus.RUNNING, (report, skipped), now, output_cap=judged.output_cap
        )
        self._put_content(rows)
        rows.record(
            decide.entry(
                query,
                "allow",
                "execute",
                "",
                self._payload(
                    bound_nanousd=judged.amount_nanousd,
                    budgets=[standing.budget.budget_id for standing in judged.standings],
                    output_cap=judged.output_cap,
                ),
            )
        )
        events = [
            *self._asked.drafts,
            drafts.lane_end(report),
            drafts.lane_end(skipped),
            drafts.lane_start(Lane.F_EXECUTION),
        ]
        return open_attempt(rows, query, judged.chain, taken, events, now)

    # --- what all three write -----------------------------------------------------------------

    def _hold(
        self, rows: Rows, judged: Judgement, now: Moment, *, owner_id: str, expires_us: int
    ) -> None:
        hold = budgets.Hold(
            identity_id=self._key[0],
            request_id=self._key[1],
            amount_nanousd=judged.amount_nanousd,
            owner_id=owner_id,
            expires_us=expires_us,
        )
        held = budgets.reserve(
            rows,
            judged.standings,
            hold,
            required=self._rules.budget_required,
            now_us=now.now_us,
        )
        assert isinstance(held, budgets.Held), "judge has found room on these very rows"

    def _put_content(self, rows: Rows) -> None:
        rows.put(self._asked.content)
        use_files(rows, self._key[0], self._asked.request)

    def _report(self, status: LaneStatus, now: Moment, summary: str = "") -> LaneReport:
        duration_us = (now.mono_ns - self._asked.lane_started_ns) // 1_000
        return LaneReport(
            lane=Lane.D_GOVERNANCE, status=status, duration_us=max(duration_us, 0), summary=summary
        )

    def _payload(self, **more: object) -> str:
        asked = self._asked
        return payload(
            action_digest=asked.encoded.action_digest.hex(),
            content_digest=asked.content_digest.hex(),
            context_hash=asked.snapshot.content_hash.hex(),
            mode=asked.request.mode.value,
            intents=[intent.value for intent in asked.analysis.intents],
            detected_intents=[intent.value for intent in asked.analysis.detected],
            sphere=asked.request.sphere.value,
            policies_revision=self._rules.policies.revision,
            text=asked.request.conversation.last_text[:TEXT_PREVIEW],
            **more,
        )

    def _query(
        self,
        status: QueryStatus,
        reports: tuple[LaneReport, ...],
        now: Moment,
        *,
        checkpoint_id: str = "",
        output_cap: int = 0,
    ) -> Query:
        asked, caller = self._asked, self._asked.caller
        return Query(
            identity_id=caller.identity_id,
            request_id=asked.request.request_id,
            principal_type=caller.principal.type,
            principal_id=caller.principal.id,
            acting_for=caller.acting_for,
            content_digest=asked.content_digest,
            status=status,
            owner_id=self._rules.owner_id if status is QueryStatus.RUNNING else "",
            deadline_ms=asked.deadline_ms,
            resume_on_approval=asked.request.resume_on_approval,
            sphere=asked.request.sphere.value,
            mode=asked.request.mode.value,
            intents=tuple(intent.value for intent in asked.analysis.intents),
            detected_intents=tuple(intent.value for intent in asked.analysis.detected),
            thread_id=asked.request.thread_id,
            run_id=asked.request.run_id,
            labels=asked.request.labels,
            action_digest=asked.encoded.action_digest,
            context_hash=asked.snapshot.content_hash,
            checkpoint_id=checkpoint_id,
            provider="",
            model="",
            chain=tuple(f"{each.provider}/{each.model}" for each in asked.encoded.route.chain),
            route_snapshot=asked.encoded.route.snapshot,
            stop_reason="",
            output_cap=output_cap,
            usage=TokenUsage(),
            cost_nanousd=0,
            estimated=False,
            attempts=0,
            lanes=(*asked.lanes, *reports),
            outcome=Outcome(),
            event_count=0,
            output_length=0,
            output_format=OUTPUT_FORMAT[asked.request.conversation.response_format.kind],
            created_us=now.now_us,
            updated_us=now.now_us,
            ended_us=0,
        )
