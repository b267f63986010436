"""Lanes D and E without effect: one ledger entry, so marked, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from chenu_server.errors import ChenuError
from chenu_server.pipeline.decide import outcome_of, reason_name
from chenu_server.pipeline.model import LaneReport, Outcome
from chenu_server.pipeline.ports import Admission, Validation
from chenu_server.unit import EntryDraft, Moment, Need, Rows
from chenu_server.units import judge
from chenu_server.units.rules import Rules, payload
from chenu_server.vocabulary import Lane, LaneStatus


class Validate:
    """What would `admit` say? Claims no id, reserves nothing, takes no slot, asks nobody."""

    name = "validate"

    def __init__(self, admission: Admission, rules: Rules) -> None:
        self._asked = admission
        self._rules = rules
        self._subject = judge.Subject(
            caller=admission.caller,
            request=admission.request,
            analysis=admission.analysis,
            snapshot=admission.snapshot,
            encoded=admission.encoded,
        )

    def needs(self, now: Moment) -> Iterable[Need]:
        """The budgets that apply."""
        return judge.needs(self._subject, now)

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> Validation:
        """The judgement, entered as `validate_only`."""
        standings = judge.standings_of(rows, self._subject, now)
        judged = judge.judge(self._subject, self._rules, standings)
        if isinstance(judged, ChenuError):
            denial = outcome_of(judged)
            rows.record(self._entry("deny", reason_name(denial)))
            return self._answer((), denial, LaneStatus.FAILED, now)
        types = tuple(kind.value for kind in judged.types)
        rows.record(self._entry("block" if types else "allow", ""))
        return self._answer(types, Outcome(), LaneStatus.COMPLETED, now)

    def _answer(
        self, types: tuple[str, ...], denial: Outcome, status: LaneStatus, now: Moment
    ) -> Validation:
        duration_us = max((now.mono_ns - self._asked.lane_started_ns) // 1_000, 0)
        checkpoint = LaneStatus.BLOCKED if types else LaneStatus.SKIPPED
        lanes = (
            *self._asked.lanes,
            LaneReport(lane=Lane.D_GOVERNANCE, status=status, duration_us=duration_us),
            LaneReport(lane=Lane.E_CHECKPOINT, status=checkpoint, duration_us=0),
        )
        return Validation(checkpoint_types=types, denial=denial, lanes=lanes)

    def _entry(self, decision: str, reason: str) -> EntryDraft:
        caller, asked = self._asked.caller, self._asked
        return EntryDraft(
            decision=decision,
            action="read",
            identity_id=caller.identity_id,
            principal_type=caller.principal.type.value,
            principal_id=caller.principal.id,
            acting_for=caller.acting_for,
            resource_kind="validation",
            resource_id=asked.request.request_id,
            reason=reason or "VALIDATE_ONLY",
            payload=payload(
                validate_only=True,
                action_digest=asked.encoded.action_digest.hex(),
                content_digest=asked.content_digest.hex(),
                policies_revision=self._rules.policies.revision,
            ),
        )
