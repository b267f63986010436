"""What a violation leaves: one row and one ledger entry, in one command."""

from __future__ import annotations

from chenu_server import asking, engine
from chenu_server.caller import Caller
from chenu_server.command import Answer
from chenu_server.governance.identity.model import TARGET_ID_MAX, Violation
from chenu_server.values import dataclass
from chenu_server.vocabulary import ViolationType


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordViolation:
    """Records what a caller reached for."""

    violation_id: str
    ledger_number: int
    caller: Caller
    type: ViolationType
    target_kind: str
    target_id: str

    def asked(self) -> engine.Command:
        """For the kernel."""
        plain = {
            "violation_id": self.violation_id,
            "caller": asking.caller(self.caller),
            "method": self.caller.method,
            "peer": self.caller.peer,
            "type": self.type,
            "target_kind": self.target_kind,
            # Cut behind the escaping, which makes it longer.
            "target_id": printable(self.target_id)[:TARGET_ID_MAX],
        }
        rules = asking.rules_of_ledger(self.ledger_number)
        return engine.Command({"RecordViolation": plain}, rules)

    def outcome(self, answer: Answer) -> Violation:
        """As it is recorded."""
        violation: Violation = answer.rows[0]
        return violation


def printable(text: str) -> str:
    """The text with escapes for what no text column or terminal should be given: NUL, controls."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )
