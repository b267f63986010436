//! How a service's own spending ends: posted, voided or out of time, once. `reserve` begins it.
//!
//! It has no owner and no lease: the service is not ours to see die, so its money is held by time
//! alone.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{LedgerAction, LedgerDecision, OperationKind, QueryState};

use super::{budgets, log, waiting};
use crate::answer::Answer;
use crate::command::{Caller, Cancel, Lapse, Post, Void};
use crate::entry::{self, Payload};
use crate::refusal::{Outcome, Refusal};
use crate::rows::{Bytes, Checkpoint, Hold, HoldState, Operation, OperationKey, Principal};
use crate::view::{Need, View};
use crate::{Broken, Decided, Moment};

const VOIDED: &str = "voided";
const EXPIRED: &str = "expired";
/// What the ledger calls money that somebody says was spent.
const CLAIM: &str = "claim";

pub(crate) fn key(identity_id: &str, request_id: &str) -> OperationKey {
    (identity_id.to_owned(), request_id.to_owned())
}

/// What stands under the id, and the money held for it.
pub(crate) fn needs(caller: &Caller, request_id: &str) -> Vec<Need> {
    let key = key(&caller.identity_id, request_id);
    vec![Need::Operation(key.clone()), Need::Alias(key.clone()), Need::Hold(key)]
}

/// The reservation, and the money held for it.
pub(crate) fn needs_lapse(asked: &Lapse) -> Vec<Need> {
    let key = key(&asked.identity_id, &asked.request_id);
    vec![Need::Operation(key.clone()), Need::Hold(key)]
}

/// The checkpoint where it waits, and the budgets that the money is held in.
pub(crate) fn needs_next(identity_id: &str, request_id: &str, view: &View<'_>) -> Vec<Need> {
    let key = key(identity_id, request_id);
    let waits = view.operation(&key).filter(|found| !found.checkpoint_id.is_empty());
    let checkpoint =
        waits.map(|found| Need::Checkpoint(key.0.clone(), found.checkpoint_id.clone()));
    checkpoint.into_iter().chain(budgets::needs_for_legs(view.hold(&key))).collect()
}

/// What stands under an id, to the one who asks.
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A query, what another principal reserved, or what was reserved for something else.
    Other,
    /// The caller's own reservation.
    Own(Box<Operation>),
}

/// What stands under the id, of this content where one is asked for; a reservation whose time is
/// over has ended by then, whether the sweep has come or not.
pub(crate) fn found(
    view: &mut View<'_>,
    caller: &Caller,
    request_id: &str,
    content: Option<&Bytes>,
    now: &Moment,
) -> Decided<Found> {
    let key = key(&caller.identity_id, request_id);
    if view.alias(&key).is_some() {
        return Ok(Found::Other); // another name of a query
    }
    let Some(found) = view.operation(&key).cloned() else { return Ok(Found::Nothing) };
    // Another principal of the identity gets a conflict, as for a query: what this one spends is
    // not his to end. So does the same one for somebody else, for whom nobody has approved it.
    let own = found.kind == OperationKind::Reservation
        && found.subject == caller.principal
        && found.acting_for == caller.acting_for;
    if !own || content.is_some_and(|content| *content != found.content_digest) {
        return Ok(Found::Other);
    }
    let ended = lapsed(view, &found, now)?;
    Ok(Found::Own(Box::new(ended.unwrap_or(found))))
}

/// The reservation as it stands, written by this command or before it.
pub(crate) fn as_it_stands(view: &View<'_>, operation: Operation) -> Answer {
    let checkpoint = view.checkpoint(&operation.identity_id, &operation.checkpoint_id).cloned();
    // Where this very command has ended it, the row in sight is still that of before.
    let hold = view.hold(&operation.key()).filter(|_| !operation.is_final());
    let expires_us = hold.map_or(0, |hold| hold.expires_us);
    standing(operation, checkpoint, expires_us)
}

/// The money of a reservation that may be spent; none where it waits, or has ended.
fn held(view: &View<'_>, operation: &Operation) -> Option<Hold> {
    let running = operation.status == QueryState::Running;
    let hold = view.hold(&operation.key()).filter(|hold| running && hold.state == HoldState::Held);
    hold.cloned()
}

/// It is posted, or told as it stands: posted before, not held, or held for less.
pub(crate) fn post(view: &mut View<'_>, asked: &Post, now: &Moment) -> Decided<Answer> {
    let mut operation = match found(view, &asked.caller, &asked.request_id, None, now)? {
        Found::Nothing => return Ok(Answer::Absent),
        Found::Other => return Ok(Answer::Conflict),
        Found::Own(operation) => *operation,
    };
    let enough = |hold: &Hold| asked.amount_nanousd <= hold.amount_nanousd;
    // Never more than is held, and never late: a bill by a provider is a fact that must be booked,
    // but this is the asker's own word, and with it a member could drive a budget that it shares
    // with everybody into the red.
    let Some(hold) = held(view, &operation).filter(enough) else {
        note_claim(view, &operation, asked);
        return Ok(as_it_stands(view, operation));
    };
    budgets::post(view, &hold, asked.amount_nanousd, false, now.now_us)?;
    operation.cost_nanousd = asked.amount_nanousd;
    let payload = Payload::new().with("cost_nanousd", asked.amount_nanousd);
    let (status, outcome) = (QueryState::Completed, Outcome::default());
    end(view, &mut operation, Ended { status, outcome, reason: "", payload }, now)?;
    Ok(standing(operation, None, 0))
}

/// What is said to have been spent and is posted nowhere stands in the ledger, and moves no money.
fn note_claim(view: &mut View<'_>, operation: &Operation, asked: &Post) {
    let again =
        operation.status == QueryState::Completed && operation.cost_nanousd == asked.amount_nanousd;
    // The same call once more, for its answer was lost: all that it says is posted.
    if again {
        return;
    }
    let payload = Payload::new()
        .with("claimed_nanousd", asked.amount_nanousd)
        .with("posted_nanousd", operation.cost_nanousd)
        .with("status", operation.status.wire_name());
    let reason = ErrorReason::ReservationNotHeld.wire_name();
    let (decision, action) = (LedgerDecision::Deny, LedgerAction::Execute);
    let mut entry = entry::about(operation, decision, action, reason, &payload);
    CLAIM.clone_into(&mut entry.resource_kind);
    view.record(entry);
}

/// It is voided, or told as it stands: nothing is held for it any more.
pub(crate) fn void(view: &mut View<'_>, asked: &Void, now: &Moment) -> Decided<Answer> {
    let mut operation = match found(view, &asked.caller, &asked.request_id, None, now)? {
        Found::Nothing => return Ok(Answer::Absent),
        Found::Other => return Ok(Answer::Conflict),
        Found::Own(operation) if operation.waits() => {
            // The question to a person has to end in the same commit, or an approval could come for
            // money that is gone.
            return withdraw(view, asked, *operation, now);
        }
        Found::Own(operation) => *operation,
    };
    let Some(hold) = held(view, &operation) else { return Ok(as_it_stands(view, operation)) };
    budgets::void(view, &hold, now.now_us)?;
    let (refusal, reason) = voided(&operation);
    let payload = Payload::new().with("reason", asked.reason.as_str());
    let (status, outcome) = (QueryState::Cancelled, refusal.outcome());
    end(view, &mut operation, Ended { status, outcome, reason, payload }, now)?;
    Ok(standing(operation, None, 0))
}

fn withdraw(
    view: &mut View<'_>,
    asked: &Void,
    operation: Operation,
    now: &Moment,
) -> Decided<Answer> {
    let cancel = Cancel {
        identity_id: operation.identity_id,
        request_id: operation.request_id,
        checkpoint_id: operation.checkpoint_id,
        by: asked.caller.principal.clone(),
        reason: asked.reason.clone(),
    };
    match waiting::cancel(view, &cancel, now)? {
        Answer::Cancelled(ended) => Ok(standing(*ended, None, 0)),
        _ => Err(Broken::State("what waits is withdrawn")),
    }
}

/// Whether its time is over, and it ends now.
pub(crate) fn lapse(view: &mut View<'_>, asked: &Lapse, now: &Moment) -> Decided<Answer> {
    let key = key(&asked.identity_id, &asked.request_id);
    // The sweep has read its list before: meanwhile it may have been posted or voided.
    let found = view.operation(&key).filter(|found| found.kind == OperationKind::Reservation);
    let Some(found) = found.cloned() else { return Ok(Answer::Done(false)) };
    Ok(Answer::Done(lapsed(view, &found, now)?.is_some()))
}

/// The reservation as it ends, if it was held until now and its time is over.
fn lapsed(view: &mut View<'_>, found: &Operation, now: &Moment) -> Decided<Option<Operation>> {
    let over = held(view, found).filter(|hold| now.now_us >= hold.expires_us);
    let Some(hold) = over else { return Ok(None) };
    budgets::expire(view, &hold, now.now_us)?;
    let mut operation = found.clone();
    let (status, reason) = (QueryState::Expired, "RESERVATION_EXPIRED");
    let (outcome, payload) = (not_held(found, EXPIRED).outcome(), Payload::new());
    end(view, &mut operation, Ended { status, outcome, reason, payload }, now)?;
    Ok(Some(operation))
}

/// What one that was voided answers from then on, and what the ledger calls it.
pub(crate) fn voided(operation: &Operation) -> (Refusal, &'static str) {
    (not_held(operation, VOIDED), "RESERVATION_VOIDED")
}

fn not_held(operation: &Operation, state: &str) -> Refusal {
    let request_id = operation.request_id.as_str();
    Refusal::new(ErrorReason::ReservationNotHeld)
        .text("request_id", request_id)
        .text("state", state)
}

/// How one ends that was held.
struct Ended {
    status: QueryState,
    outcome: Outcome,
    reason: &'static str,
    payload: Payload,
}

fn end(view: &mut View<'_>, operation: &mut Operation, ended: Ended, now: &Moment) -> Decided<()> {
    log::close(view, operation, ended.status, ended.outcome, Vec::new(), now)?;
    let payload = ended.payload.with("status", operation.status.wire_name());
    let entry =
        |decision, action| entry::about(operation, decision, action, ended.reason, &payload);
    view.record(match ended.status {
        // Whoever asks first once its time is over has not ended it.
        QueryState::Expired => {
            entry(LedgerDecision::Expire, LedgerAction::Update).by(Principal::system())
        }
        _ => entry(LedgerDecision::Settle, LedgerAction::Execute),
    });
    Ok(())
}

/// How it stands, under an id that was claimed before.
pub(crate) fn standing(
    operation: Operation,
    checkpoint: Option<Checkpoint>,
    expires_us: i64,
) -> Answer {
    let (operation, checkpoint) = (Box::new(operation), checkpoint.map(Box::new));
    Answer::Reservation { operation, checkpoint, expires_us, is_new: false }
}
