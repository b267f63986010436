//! An approval is used once, in the command that writes the `execute` entry.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    BudgetScope, Lane, LaneStatus, LedgerAction, LedgerDecision, QueryState,
};

use super::budgets::Standing;
use super::judge::{self, Case, Judgement};
use super::slots::{self, NoSlot};
use super::waiting::{self, Place, Waiting};
use super::{attempts, budgets, log};
use crate::answer::Answer;
use crate::command::{Consume, Verdict};
use crate::entry::{self, Payload};
use crate::event;
use crate::refusal::Refusal;
use crate::rows::{Checkpoint, Hold, HoldState, LaneReport, Operation, Principal};
use crate::rules::Rules;
use crate::view::{Need, Row, View};
use crate::{Broken, Decided, Moment};

fn place(asked: &Consume) -> Place<'_> {
    let Consume { identity_id, request_id, checkpoint_id, .. } = asked;
    Place { identity: identity_id, request: request_id, checkpoint: checkpoint_id }
}

/// The operation, its checkpoint and its money, budgets now, the first candidate's slots.
pub(crate) fn needs(asked: &Consume, now: &Moment) -> Vec<Need> {
    let mut needs = budgets::needs_for_reserve(&asked.identity_id, now.now_us);
    needs.extend(place(asked).needs());
    if let Some(first) = asked.plan.chain.first().filter(|_| asked.take_slot) {
        needs.push(slots::needs(&first.provider));
    }
    needs
}

/// The budgets that the money is held in.
pub(crate) fn needs_next(asked: &Consume, view: &View<'_>) -> Vec<Need> {
    place(asked).needs_next(view)
}

/// It runs, ends for good, or is left as it is (`Wait`, `NotResumable`).
pub(crate) fn decide(
    asked: &Consume,
    view: &mut View<'_>,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let found = place(asked).loaded(view)?;
    // Of two that want to use one approval the second finds the query running here, and starts
    // nothing.
    if found.operation.status != QueryState::Approved {
        return Ok(Answer::NotResumable(Box::new(found.operation)));
    }
    // Ended here and not only refused: the sweep may come much later, and the money would stay held
    // until then.
    if found.checkpoint.has_lapsed(now.now_us) {
        let ended = waiting::expire_waiting(view, waiting::expired(found, now), now)?;
        return Ok(Answer::Closed(Box::new(ended)));
    }
    match judged(asked, view, &found, rules, now)? {
        Ok(judgement) => run(asked, view, found, judgement, rules, now),
        Err(refusal) => Ok(Answer::Closed(Box::new(refuse(view, found, &refusal, now)?))),
    }
}

fn judged(
    asked: &Consume,
    view: &View<'_>,
    found: &Waiting,
    rules: &Rules,
    now: &Moment,
) -> Decided<Result<Judgement, Refusal>> {
    let (checkpoint, hold) = (&found.checkpoint, found.held()?);
    // The plan was made anew from the stored request: if catalogue or settings have changed what
    // would be sent, nobody has approved that.
    if asked.plan.action_digest != checkpoint.action_digest {
        let changed = vec!["approved_action_changed".to_owned()];
        return Ok(Err(judge::policy_denied(changed)));
    }
    let standings = match money_of(view, hold)? {
        Ok(standings) => standings,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let case = Case {
        verdict: &asked.verdict,
        plan: &asked.plan,
        identity_id: &asked.caller.identity_id,
        // The money stays in the periods of its admission, but who is frozen is a matter of today.
        current: Some(budgets::current_of(view, &standings, now.now_us)),
        standings,
        held_nanousd: hold.amount_nanousd,
    };
    let judged = judge::judge(case, rules)?;
    Ok(judged.and_then(|judgement| {
        covered(checkpoint, &asked.verdict)?;
        Ok(judgement)
    }))
}

/// The budgets that what waits has its money in, or why that cannot be used.
pub(crate) fn money_of(view: &View<'_>, hold: &Hold) -> Decided<Result<Vec<Standing>, Refusal>> {
    let standings = budgets::budgets_of(view, hold)?;
    // A budget with reserved money cannot be deleted, so only a hold of nothing meets one that was.
    let closed = standings.iter().find(|each| each.budget.deleted);
    if closed.is_some() || hold.state != HoldState::Held {
        let scope = closed.map_or(BudgetScope::Identity, |each| each.budget.scope);
        let exhausted = ErrorReason::BudgetExhausted;
        return Ok(Err(judge::budget_refusal(exhausted, scope, String::new())));
    }
    Ok(Ok(standings))
}

/// What a person approved is what the policies asked for then; more of it is another question.
pub(crate) fn covered(checkpoint: &Checkpoint, verdict: &Verdict) -> Result<(), Refusal> {
    let types = judge::types_of(verdict);
    if types.iter().all(|kind| checkpoint.types.contains(kind)) {
        return Ok(());
    }
    Err(judge::policy_denied(judge::policies_of(verdict)))
}

/// Put the checkpoint with its approval used.
pub(crate) fn use_once(
    view: &mut View<'_>,
    mut checkpoint: Checkpoint,
    now: &Moment,
) -> Decided<()> {
    // The state `Approved` rules this out; should the rows disagree all the same, nothing may run a
    // second time.
    if checkpoint.consumed_us != 0 {
        return Err(Broken::State("an approval is used once"));
    }
    checkpoint.consumed_us = now.now_us;
    view.put(Row::Checkpoint(Box::new(checkpoint)));
    Ok(())
}

fn run(
    asked: &Consume,
    view: &mut View<'_>,
    found: Waiting,
    judged: Judgement,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let first = judged.chain.first().filter(|_| asked.take_slot);
    let Some(first) = first else { return Ok(Answer::Wait { free_times_us: Vec::new() }) };
    let slot = match slots::take(view, rules, &first.provider, now.now_us)? {
        Ok(slot) => slot,
        Err(none) => return Ok(NoSlot::answer(none)),
    };
    let hold = Hold { owner_id: rules.owner_id.clone(), expires_us: 0, ..found.held()?.clone() };
    let Waiting { checkpoint, mut operation, .. } = found;
    // By itself, for the top-up puts nothing where the money suffices: the hold of a running query
    // would still end by its checkpoint's time.
    view.put(Row::Hold(hold.clone()));
    budgets::top_up(view, &hold, judged.amount_nanousd, now.now_us)?
        .map_err(|_| Broken::State("room was found on these very rows"))?;
    use_once(view, checkpoint, now)?;
    let report = LaneReport::new(Lane::ECheckpoint, LaneStatus::Completed, 0);
    let drafts = vec![event::lane_end(&report)?, event::lane_start(Lane::FExecution)?];
    log::report(&mut operation.query.lanes, report);
    operation.status = QueryState::Running;
    operation.owner_id.clone_from(&rules.owner_id);
    // Counted from now on: the time that a person took to decide is none of the run's.
    operation.deadline_ms = asked.deadline_ms;
    operation.query.output_cap = judged.output_cap;
    attempts::open(view, operation, judged.chain, &slot, drafts, now)
}

/// A check made again says no: the approval ends with its operation, and nothing looks for it.
pub(crate) fn refuse(
    view: &mut View<'_>,
    found: Waiting,
    refusal: &Refusal,
    now: &Moment,
) -> Decided<Operation> {
    let Waiting { checkpoint, mut operation, hold } = found;
    let reason = refusal.reason.wire_name();
    waiting::withdraw(view, checkpoint, &Principal::system(), reason, now);
    // One that is held no longer may be the very reason of the refusal, and has nothing to give
    // back.
    if let Some(hold) = hold.filter(|hold| hold.state == HoldState::Held) {
        budgets::void(view, &hold, now.now_us)?;
    }
    let notice = judge::scope_refused(refusal);
    let notice = notice.map(|scope| event::budget_exceeded(&scope)).transpose()?;
    let payload = Payload::new()
        .with("checkpoint_id", operation.checkpoint_id.as_str())
        .with("status", QueryState::Failed.wire_name());
    let (decision, action) = (LedgerDecision::Deny, LedgerAction::Execute);
    let entry = entry::about(&operation, decision, action, reason, &payload);
    let (status, notice) = (QueryState::Failed, notice.into_iter().collect());
    waiting::close_waiting(view, &mut operation, status, refusal, notice, entry, now)?;
    Ok(operation)
}
