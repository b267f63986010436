//! Opening and closing one attempt, the same way in every command that does it.

use chenu_engine::vocabulary::{LedgerAction, LedgerDecision};

use super::log;
use crate::answer::Answer;
use crate::command::{AttemptEnd, Candidate};
use crate::entry::{self, Payload};
use crate::event::{self, CallError, EventDraft};
use crate::rows::{Attempt, AttemptState, Operation, Slot, TokenUsage};
use crate::view::{Row, View};
use crate::{Broken, Decided, Moment};

/// Write the first candidate's attempt and its `execute` entry; the operation is put too.
pub(crate) fn open(
    view: &mut View<'_>,
    mut operation: Operation,
    chain: Vec<Candidate>,
    slot: &Slot,
    mut drafts: Vec<EventDraft>,
    now: &Moment,
) -> Decided<Answer> {
    let first = chain.first().ok_or(Broken::State("an attempt is opened with somebody to call"))?;
    let attempt = executing(&operation, first, slot, now);
    drafts.push(event::call_start(&attempt, operation.query.output_cap)?);
    // A settlement that names an earlier attempt finds by this number that its end is recorded
    // already.
    operation.query.attempts = attempt.attempt;
    operation.query.provider.clone_from(&attempt.provider);
    operation.query.model.clone_from(&attempt.model);
    log::append(view, &mut operation, drafts, now);
    view.put(Row::Operation(Box::new(operation.clone())));
    view.put(Row::Attempt(Box::new(attempt.clone())));
    let payload = Payload::new()
        .with("action_digest", operation.action_digest.hex())
        .with("attempt", attempt.attempt)
        .with("bound_nanousd", attempt.bound_nanousd)
        .with("model", attempt.model.as_str())
        .with("provider", attempt.provider.as_str())
        .with("slot", slot.slot);
    // In one commit with the attempt and before any byte leaves: whatever crashes from here on, the
    // call counts as dispatched, so it is paid for and never made twice.
    let (decision, action) = (LedgerDecision::Execute, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, "", &payload));
    Ok(Answer::Admitted {
        output_cap: operation.query.output_cap,
        operation: Box::new(operation),
        attempt: Box::new(attempt),
        chain,
        slot_free_at_us: slot.free_at_us,
    })
}

fn executing(operation: &Operation, candidate: &Candidate, slot: &Slot, now: &Moment) -> Attempt {
    Attempt {
        identity_id: operation.identity_id.clone(),
        request_id: operation.request_id.clone(),
        attempt: operation.query.attempts + 1,
        state: AttemptState::Executing,
        provider: candidate.provider.clone(),
        model: candidate.model.clone(),
        slot: slot.slot,
        bound_nanousd: candidate.bound_nanousd,
        cost_nanousd: 0,
        estimated: false,
        rates_source: candidate.rates_source.clone(),
        usage: TokenUsage::default(),
        failure: String::new(),
        admitted_us: now.now_us,
        ended_us: 0,
        provider_request_id: String::new(),
        answered_model: String::new(),
    }
}

/// Put the attempt as it ended, and add what it used to the operation.
pub(crate) fn end(
    view: &mut View<'_>,
    operation: &mut Operation,
    ended: &AttemptEnd,
    stop_reason: &str,
    now: &Moment,
) {
    let failed = !ended.failure.is_empty();
    view.put(Row::Attempt(Box::new(Attempt {
        state: if failed { AttemptState::Failed } else { AttemptState::Succeeded },
        cost_nanousd: ended.charge_nanousd,
        estimated: ended.estimated,
        usage: ended.usage,
        failure: ended.failure.clone(),
        ended_us: now.now_us,
        // The run's own copy, which has the provider's names for the call; the stored row has not.
        ..ended.attempt.clone()
    })));
    operation.query.usage = operation.query.usage.with(&ended.usage);
    // What failed attempts cost was spent too, and one bound among them makes the whole sum an
    // estimate.
    operation.cost_nanousd += ended.charge_nanousd;
    operation.estimated |= ended.estimated;
    stop_reason.clone_into(&mut operation.query.stop_reason);
}

/// How the attempt ended, as an event.
pub(crate) fn end_event(ended: &AttemptEnd, will_retry: bool) -> Decided<EventDraft> {
    let AttemptEnd { attempt, usage, charge_nanousd, stop_reason, duration_us, .. } = ended;
    if ended.failure.is_empty() {
        return event::call_complete(attempt, usage, *charge_nanousd, stop_reason, *duration_us);
    }
    let error = CallError {
        kind: &ended.failure,
        detail: &ended.detail,
        will_retry,
        duration_us: *duration_us,
        named: true,
    };
    event::call_error(attempt, error)
}
