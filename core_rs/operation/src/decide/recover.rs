//! What a dead owner's running operation becomes. It is never run again by itself.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    Lane, LaneStatus, LedgerAction, LedgerDecision, OperationKind, QueryState,
};

use super::{budgets, log};
use crate::answer::Answer;
use crate::command::Recover;
use crate::entry::{self, Payload};
use crate::event::{self, CallError};
use crate::refusal::Refusal;
use crate::rows::{Attempt, AttemptState, HoldState, LaneReport, OperationKey};
use crate::view::{Need, Row, View};
use crate::{Decided, Moment};

fn key(asked: &Recover) -> OperationKey {
    (asked.identity_id.clone(), asked.request_id.clone())
}

/// The operation, its attempts and its money.
pub(crate) fn needs(asked: &Recover) -> Vec<Need> {
    let key = key(asked);
    vec![Need::Operation(key.clone()), Need::Hold(key.clone()), Need::Attempts(key)]
}

/// The budgets that the money is held in.
pub(crate) fn needs_next(asked: &Recover, view: &View<'_>) -> Vec<Need> {
    budgets::needs_for_legs(view.hold(&key(asked)))
}

/// Whether the operation was still the dead owner's, and is ended now.
pub(crate) fn decide(asked: &Recover, view: &mut View<'_>, now: &Moment) -> Decided<Answer> {
    let key = key(asked);
    // The sweep's list may be old: what its owner has settled since, or another sweep has ended, is
    // left as it is.
    // What a service holds has no owner, and ends by its time alone.
    let running = view.operation(&key).filter(|found| {
        found.kind == OperationKind::Query
            && found.status == QueryState::Running
            && found.owner_id == asked.dead_owner_id
    });
    let Some(mut operation) = running.cloned() else { return Ok(Answer::Done(false)) };
    let open = view.attempts(&key).filter(|attempt| attempt.state == AttemptState::Executing);
    let interrupted: Vec<Attempt> = open.map(|attempt| interrupted(attempt, now)).collect();
    for attempt in &interrupted {
        view.put(Row::Attempt(Box::new(attempt.clone())));
    }
    // Nobody knows any more whether the call went out, so it is paid for as if it had, at the most
    // that it can cost.
    let charge = interrupted.iter().map(|attempt| attempt.cost_nanousd).sum();
    if let Some(hold) = view.hold(&key).filter(|hold| hold.state == HoldState::Held).cloned() {
        // From what is held, and not anew: under a limit lowered meanwhile it would not fit, and
        // look like a bill beyond what was reserved.
        let posted = budgets::post_part(view, &hold, charge, true, now.now_us)?;
        budgets::expire(view, &posted, now.now_us)?;
    }
    let report = LaneReport::new(Lane::FExecution, LaneStatus::Failed, 0);
    let mut drafts: Vec<_> = interrupted.iter().map(end_event).collect::<Decided<_>>()?;
    drafts.push(event::lane_end(&report)?);
    log::report(&mut operation.query.lanes, report);
    operation.cost_nanousd += charge;
    operation.estimated = true;
    let outcome = Refusal::new(ErrorReason::ExecutionInterrupted)
        .text("request_id", operation.request_id.as_str())
        .outcome();
    let reason = outcome.name();
    log::close(view, &mut operation, QueryState::Failed, outcome, drafts, now)?;
    let payload = Payload::new()
        .with("attempts", operation.query.attempts)
        .with("cost_nanousd", operation.cost_nanousd)
        .with("estimated", true)
        .with("outcome_unknown", true)
        .with("status", operation.status.wire_name());
    let (decision, action) = (LedgerDecision::Settle, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, reason, &payload));
    Ok(Answer::Done(true))
}

/// The attempt's end in the log; how long it ran, its process took along.
fn end_event(attempt: &Attempt) -> Decided<event::EventDraft> {
    let error = CallError {
        kind: &attempt.failure,
        detail: "the server ended before it was recorded",
        will_retry: false,
        duration_us: 0,
        // What its provider called the call went with the process: it is stored at the end alone.
        named: false,
    };
    event::call_error(attempt, error)
}

fn interrupted(attempt: &Attempt, now: &Moment) -> Attempt {
    Attempt {
        state: AttemptState::Interrupted,
        cost_nanousd: attempt.bound_nanousd,
        estimated: true,
        failure: "interrupted".to_owned(),
        ended_us: now.now_us,
        ..attempt.clone()
    }
}
