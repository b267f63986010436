//! What a violation leaves: one row and one entry.

use chenu_engine::vocabulary::{LedgerAction, LedgerDecision};

use crate::Moment;
use crate::answer::Answer;
use crate::command::RecordViolation;
use crate::entry::{EntryDraft, Payload};
use crate::rows::Violation;
use crate::rules::Rules;
use crate::view::{Row, View};

/// Write the row and its entry, whatever else is stored.
pub(crate) fn record(
    view: &mut View<'_>,
    asked: &RecordViolation,
    rules: &Rules,
    now: &Moment,
) -> Answer {
    let violation = Violation {
        violation_id: asked.violation_id.clone(),
        ledger_number: rules.ledger_number,
        source_identity: asked.caller.identity_id.clone(),
        subject: asked.caller.principal.clone(),
        kind: asked.kind,
        target_kind: asked.target_kind.clone(),
        target_id: asked.target_id.clone(),
        method: asked.method.clone(),
        peer: asked.peer.clone(),
        time_us: now.now_us,
    };
    view.put(Row::Violation(violation.clone()));
    let payload = Payload::new()
        .with("method", violation.method.as_str())
        .with("peer", violation.peer.as_str())
        .with("violation_id", violation.violation_id.as_str());
    view.record(EntryDraft {
        decision: LedgerDecision::Violation,
        action: LedgerAction::IdentityViolation,
        identity_id: violation.source_identity.clone(),
        subject: violation.subject.clone(),
        acting_for: asked.caller.acting_for.clone(),
        resource_kind: violation.target_kind.clone(),
        resource_id: violation.target_id.clone(),
        reason: violation.kind.wire_name().to_owned(),
        payload: payload.canonical(),
    });
    Answer::Violation(violation)
}
