"""What a violation leaves: one row and one ledger entry, in one unit."""

from __future__ import annotations

import json
from collections.abc import Iterable

from chenu_server.caller import Caller
from chenu_server.governance.identity.model import TARGET_ID_MAX, Violation
from chenu_server.unit import EntryDraft, Moment, Need, Rows
from chenu_server.values import dataclass
from chenu_server.vocabulary import ViolationType


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordViolation:
    """The unit that records what a caller reached for."""

    violation_id: str
    ledger_number: int
    caller: Caller
    type: ViolationType
    target_kind: str
    target_id: str

    name = "violation"

    def needs(self, now: Moment) -> Iterable[Need]:
        """Nothing: a violation is recorded whatever else is stored."""
        return ()

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """Nothing."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> Violation:
        """Write the row and its entry."""
        violation = Violation(
            violation_id=self.violation_id,
            ledger_number=self.ledger_number,
            source_identity=self.caller.identity_id,
            principal_type=self.caller.principal.type,
            principal_id=self.caller.principal.id,
            type=self.type,
            target_kind=self.target_kind,
            target_id=printable(self.target_id)[:TARGET_ID_MAX],
            method=self.caller.method,
            peer=self.caller.peer,
            time_us=now.now_us,
        )
        rows.put(violation)
        rows.record(_entry(violation, self.caller.acting_for))
        return violation


def printable(text: str) -> str:
    """The text with escapes for what no text column or terminal should be given: NUL, controls."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


def _entry(violation: Violation, acting_for: tuple[str, ...]) -> EntryDraft:
    payload = {
        "method": violation.method,
        "peer": violation.peer,
        "violation_id": violation.violation_id,
    }
    return EntryDraft(
        decision="violation",
        action="identity_violation",
        identity_id=violation.source_identity,
        principal_type=violation.principal_type.value,
        principal_id=violation.principal_id,
        acting_for=acting_for,
        resource_kind=violation.target_kind,
        resource_id=violation.target_id,
        reason=violation.type.value,
        payload=json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    )
